//! The way to other nodes: gRPC under mutual TLS, or nothing for a node that is alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use stator_kit::task::TaskOwner;
use stator_kit::tls::{
    MutualTls, ReloadingClientConfig, ReloadingServerConfig, TlsError, TlsFiles,
};
use tokio::time::Instant;

use super::{NodeOptions, Security};
use crate::error::StartError;
use crate::identity::bootstrap::node_id_at;
use crate::replication::NodeId;
use crate::rpc::{AddressBook, RpcClient, Service, Transport, TransportError};

/// How often renewed certificates are looked for.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(5);
/// What gRPC speaks.
const ALPN: &[&str] = &["h2"];

/// The transport, and what the RPC port needs to answer the same way.
pub(super) struct Ways {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) server_tls: Option<ReloadingServerConfig>,
}

/// Founders have the ids 1, 2, 3, … in name order; their names are looked up at every connect.
pub(super) fn ways(options: &NodeOptions, tasks: &TaskOwner) -> Result<Ways, StartError> {
    if options.peers.len() == 1 {
        return Ok(Ways {
            transport: Arc::new(Alone),
            server_tls: None,
        });
    }
    let (client_tls, server_tls) = match &options.security {
        Security::Insecure => (None, None),
        Security::Tls(dir) => {
            let (client, server) = load(dir, tasks).map_err(|e| StartError::Tls(Box::new(e)))?;
            (Some(client), Some(server))
        }
    };
    let addresses = AddressBook::new();
    for (at, peer) in options.peers.iter().enumerate() {
        addresses.set(node_id_at(at), peer.address.clone());
    }
    let transport = Arc::new(RpcClient::new(addresses, client_tls, tasks.clone()));
    Ok(Ways {
        transport,
        server_tls,
    })
}

fn load(
    dir: &Path,
    tasks: &TaskOwner,
) -> Result<(ReloadingClientConfig, ReloadingServerConfig), TlsError> {
    let client =
        ReloadingClientConfig::load(TlsFiles::in_directory(dir), MutualTls::Required, ALPN)?;
    let server =
        ReloadingServerConfig::load(TlsFiles::in_directory(dir), MutualTls::Required, ALPN)?;
    client.follow(CERTIFICATES_EVERY, tasks);
    server.follow(CERTIFICATES_EVERY, tasks);
    Ok((client, server))
}

/// The transport of a cluster of one.
struct Alone;

impl Transport for Alone {
    fn call(
        &self,
        to: NodeId,
        _service: Service,
        _payload: Bytes,
        _deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let reason = "this cluster has one node".to_owned();
        Box::pin(async move { Err(TransportError::NotSent { to, reason }) })
    }
}
