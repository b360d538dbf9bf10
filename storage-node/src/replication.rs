//! Replica groups: many Raft groups in one process over one log, one engine and one transport.
//!
//! The layer above hands in commands it has already evaluated and gets them applied on every replica of a group, in
//! one order, at most once. This layer knows log entries and bytes, not items or tables.
//!
//! # Reading and writing
//! Read through the [`Engine`](crate::engine::Engine) that was given to [`Replication::start`]; write through
//! [`GroupHandle::propose`] only. A strongly consistent read is [`GroupHandle::read_index`], then the engine.
//!
//! # Rules that callers rely on
//! - A leader evaluates only while [`GroupHandle::leadership`] is `Some`: it has then applied every entry of earlier
//!   terms. The term goes into the command; applied in another term it yields [`ProposeError::NotExecuted`].
//! - [`ProposeError::Unknown`] means that the command may still take effect. [`ProposeError::NotExecuted`] and
//!   [`ProposeError::NotLeader`] mean that it never will.
//! - A proposal runs to its end even when the caller's future is dropped.
//!   [`GroupHandle::propose_holding`] keeps a value, such as a latch, until the outcome is settled.

mod command;
mod ids;

use std::ops::Bound;

pub use self::command::{
    Cause, ChangeKind, CommandError, EngineWrite, Images, LogCommand, SYSTEM_KEY_MIN,
};
pub use self::ids::{GroupId, NodeId, PartitionId, RequestId};

use bytes::Bytes;

use crate::engine::{EngineError, EngineSnapshot, Keyspace};

/// One range of keys that belongs to a group.
pub type OwnedRange = (Keyspace, Bound<Vec<u8>>, Bound<Vec<u8>>);

/// Tells which keys belong to a group, so that a snapshot holds them all and no others.
pub trait GroupData: Send + Sync + 'static {
    /// The ranges of `group` in `state`.
    ///
    /// A pure function of what the group itself has applied: two replicas at one log index give the same answer.
    ///
    /// # Errors
    /// [`EngineError`] when the state cannot be read.
    fn ranges(
        &self,
        state: &dyn EngineSnapshot,
        group: GroupId,
    ) -> Result<Vec<OwnedRange>, EngineError>;
}

/// A group that lives on this node and its fixed members.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupConfig {
    /// Which group.
    pub id: GroupId,
    /// The nodes whose majority commits.
    pub voters: Vec<NodeId>,
    /// The nodes that follow without a vote.
    pub learners: Vec<NodeId>,
}

/// A command took effect, or had taken effect before under the same request id.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Applied {
    /// The position of the entry in the group's log.
    pub log_index: u64,
    /// `Some` when another command with this request id had taken effect before: the outcome of that one.
    pub repeated: Option<Bytes>,
}

/// The right to evaluate: this node leads the group and has applied the first entry of its own term.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct Leadership {
    /// The term to put into [`LogCommand::evaluation_term`].
    pub term: u64,
}

/// Why a proposal has no result.
#[derive(Clone, Debug, thiserror::Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum ProposeError {
    /// This node does not lead the group; nothing was written.
    #[error("not the leader of the group")]
    NotLeader {
        /// The leader, as far as known.
        hint: Option<NodeId>,
    },
    /// The command never took effect and never will: evaluate again.
    #[error("the command was not executed")]
    NotExecuted,
    /// The command may take effect, now or later, or never.
    #[error("the outcome of the command is unknown")]
    Unknown,
    /// This node's storage has failed; nothing was written. It refuses writes until restarted.
    #[error("the storage of this node has failed")]
    StorageFailed,
}

/// Why a strongly consistent read was refused.
#[derive(Clone, Debug, thiserror::Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum ReadError {
    /// This node does not lead the group.
    #[error("not the leader of the group")]
    NotLeader {
        /// The leader, as far as known.
        hint: Option<NodeId>,
    },
    /// No majority confirmed the leader before the deadline.
    #[error("no majority confirmed the leader in time")]
    Timeout,
    /// This node's storage has failed.
    #[error("the storage of this node has failed")]
    StorageFailed,
}
