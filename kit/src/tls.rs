//! TLS for everything that listens or connects: rustls over aws-lc-rs, nothing else (ADR 0003).
//!
//! A directory, a mounted Secret in Kubernetes, holds `ca.crt` (whom to trust), `tls.crt` (own
//! chain, leaf first) and `tls.key`. Certificates, keys and trust are replaced together while the
//! process runs: each handshake takes the configuration of the moment, and connections that exist
//! keep theirs. A directory that cannot be used leaves the old configuration in force.

mod files;
pub mod issue;
mod reload;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use files::{PemPair, TlsFiles};
pub use reload::{ReloadingClientConfig, ReloadingServerConfig};

/// How often a directory is looked at for changes; a kubelet takes about a minute to write one.
pub const RELOAD_INTERVAL: std::time::Duration = std::time::Duration::from_secs(10);

/// ALPN name of HTTP/1.1.
pub const ALPN_HTTP1: &str = "http/1.1";

/// ALPN name of HTTP/2, which gRPC needs.
pub const ALPN_HTTP2: &str = "h2";

/// Whether both sides show a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MutualTls {
    /// A server demands a client certificate under `ca.crt`; a client presents `tls.crt`.
    Required,
    /// Only the server shows a certificate.
    Off,
}

/// Why TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} holds no usable {expected}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
    /// rustls refuses the combination, for instance a key that does not belong to the certificate.
    #[error("certificates, key and authority do not work together")]
    Unusable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A certificate cannot be issued.
    #[error("certificate cannot be issued")]
    Issue(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Unusable(Box::new(error))
    }
}

impl From<rcgen::Error> for TlsError {
    fn from(error: rcgen::Error) -> Self {
        Self::Issue(Box::new(error))
    }
}

/// Makes aws-lc-rs the provider of libraries that build their own rustls configuration (kube).
/// Call it first thing in `main`; a second call changes nothing.
pub fn install_crypto_provider() {
    // It errs when a provider is installed already, which is what is wanted.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
