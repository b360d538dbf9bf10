//! Why a node cannot start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::cluster::catalog::CatalogError;
use crate::engine::EngineError;
use crate::identity::{BootstrapError, IdentityError};

/// Why a node cannot start. Every variant ends the process with its message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A port is taken or not allowed.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("{path}: {source}")]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Another process uses the data directory.
    #[error("{path} is in use by another storage-node process")]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The credentials file cannot be used.
    #[error(transparent)]
    Credentials(#[from] stator_kit::access::CredentialsError),
    /// The certificates cannot be used.
    #[error("certificates: {0}")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The volume's identity cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The node cannot become part of its cluster.
    #[error(transparent)]
    Bootstrap(#[from] BootstrapError),
    /// The store cannot be opened.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The groups cannot be started.
    #[error("replication: {0}")]
    Replication(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The catalog cannot be read.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
}
