//! Calls between nodes: one request, one answer, both bytes.
//!
//! This layer knows nodes and services, not what the bytes say: each service versions its own messages.
//! A caller learns whether a failed call was surely not delivered, because only then may a write be repeated without
//! its request id being looked up.

mod address_book;
mod client;
mod codec;
mod server;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::Instant;

pub use self::address_book::AddressBook;
pub use self::client::RpcClient;
pub use self::server::serve;

use crate::replication::NodeId;

/// The largest request or answer, in bytes. The largest legal one is a page of a batch read, 16 MB and its framing.
pub const MESSAGE_SIZE_BYTES_MAX: usize = 32 << 20;

/// Which part of the receiving node a call is for. Raft has connections of its own, so that its heartbeats never wait
/// behind data.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub enum Service {
    /// Consensus: votes, log entries, snapshots.
    Raft,
    /// Requests of clients that another node took in.
    Data,
    /// The forming of a cluster, before there is a group.
    Bootstrap,
}

impl Service {
    /// The gRPC path of the one method of this service.
    const fn path(self) -> &'static str {
        match self {
            Self::Raft => "/stator.node.v1.Raft/Call",
            Self::Data => "/stator.node.v1.Data/Call",
            Self::Bootstrap => "/stator.node.v1.Bootstrap/Call",
        }
    }

    fn of_path(path: &str) -> Option<Self> {
        [Self::Raft, Self::Data, Self::Bootstrap]
            .into_iter()
            .find(|service| service.path() == path)
    }
}

/// Sends calls to other nodes.
pub trait Transport: Send + Sync + 'static {
    /// Calls `service` on node `to` and waits for the answer until `deadline`.
    ///
    /// # Cancel safety
    /// Dropping the future may leave the call delivered or not: treat it as [`TransportError::Lost`].
    ///
    /// # Errors
    /// The future resolves to [`TransportError`].
    fn call(
        &self,
        to: NodeId,
        service: Service,
        payload: Bytes,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>>;
}

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The call was surely not delivered.
    #[error("call to node {to} not sent: {reason}")]
    NotSent {
        /// The node that was called.
        to: NodeId,
        /// What went wrong.
        reason: String,
    },
    /// The call may have been delivered and may have taken effect.
    #[error("answer of node {to} lost: {reason}")]
    Lost {
        /// The node that was called.
        to: NodeId,
        /// What went wrong.
        reason: String,
    },
}

/// Answers the calls that reach a node.
pub trait RpcHandler: Send + Sync + 'static {
    /// Answers one call. The payload is not trusted.
    ///
    /// # Errors
    /// The future resolves to [`RpcError`], which the caller sees as [`TransportError`].
    fn handle(
        &self,
        service: Service,
        payload: Bytes,
    ) -> BoxFuture<'static, Result<Bytes, RpcError>>;
}

/// Why a handler gives no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RpcError {
    /// The call took no effect: an unknown service, a malformed or too new message, a node that is not ready.
    #[error("refused: {0}")]
    Refused(String),
    /// The call failed half-way; it may have taken effect.
    #[error("failed: {0}")]
    Failed(String),
}
