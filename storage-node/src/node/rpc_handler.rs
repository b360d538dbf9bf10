//! What other nodes reach: bootstrap questions always, everything else once this node is part of a
//! cluster. A node without an identity answers no vote and takes no log entry.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use parking_lot::RwLock;

use crate::cluster::Cluster;
use crate::identity::Bootstrap;
use crate::replication::Replication;
use crate::rpc::{RpcError, RpcHandler, Service};

/// The handler of the RPC port.
pub(super) struct NodeRpc {
    bootstrap: Arc<Bootstrap>,
    serving: RwLock<Option<Serving>>,
}

#[derive(Clone)]
struct Serving {
    replication: Replication,
    cluster: Arc<Cluster>,
}

impl NodeRpc {
    pub(super) fn new(bootstrap: Arc<Bootstrap>) -> Self {
        Self {
            bootstrap,
            serving: RwLock::new(None),
        }
    }

    /// From now on Raft and data are answered.
    pub(super) fn begin(&self, replication: Replication, cluster: Arc<Cluster>) {
        *self.serving.write() = Some(Serving {
            replication,
            cluster,
        });
    }

    /// Answers neither any more; hands out what has to be stopped.
    pub(super) fn stop(&self) -> Option<Replication> {
        self.serving
            .write()
            .take()
            .map(|serving| serving.replication)
    }
}

impl RpcHandler for NodeRpc {
    fn handle(
        &self,
        service: Service,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, RpcError>> {
        if service == Service::Bootstrap {
            let answer = self.bootstrap.answer(&payload);
            return Box::pin(async move { Ok(answer) });
        }
        let Some(serving) = self.serving.read().clone() else {
            let reason = "this node is not part of a cluster".to_owned();
            return Box::pin(async move { Err(RpcError::Refused(reason)) });
        };
        match service {
            Service::Raft => Box::pin(async move { serving.replication.handle_rpc(payload).await }),
            Service::Data => Box::pin(serving.cluster.handle(payload)),
            Service::Bootstrap => unreachable!("answered above"),
        }
    }
}
