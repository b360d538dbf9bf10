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

mod checkpoint;
mod command;
mod group;
mod ids;
mod install;
mod log;
mod metrics;
mod network;
mod node;
mod progress;
mod raft;
mod read_index;
mod rows;
mod runtime;
mod serve;
mod snapshot;
mod state_machine;
mod wire;

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

pub use self::command::{
    APPEND_SUFFIX_LEN, APPENDS_MAX, Append, Cause, ChangeKind, CommandError, EngineWrite, Images,
    LogCommand, SYSTEM_KEY_MIN,
};
pub use self::group::GroupHandle;
pub use self::ids::{GroupId, NodeId, PartitionId, RequestId};
pub use self::log::{
    DiskDirectory, LogDirectory, LogExtent, LogFile, Loss, LossyDirectory, inspect_log,
};
pub use self::metrics::ReplicationMetrics;
pub use self::node::{InitializeError, Replication, StartError};
pub use self::runtime::seed_randomness_of_this_thread;

use bytes::Bytes;
use stator_kit::clock::WallClock;
use stator_kit::task::TaskOwner;

use crate::engine::{Engine, EngineError, EngineSnapshot, Keyspace};
use crate::rpc::Transport;

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

/// What [`Replication::start`] needs.
pub struct ReplicationOptions {
    /// This node.
    pub node_id: NodeId,
    /// The groups that live here.
    pub groups: Vec<GroupConfig>,
    /// Where commands are applied. Only replication writes the keys that belong to groups.
    pub engine: Arc<dyn Engine>,
    /// Which keys belong to which group.
    pub data: Arc<dyn GroupData>,
    /// Where the log lives, a directory of its own.
    pub log: Arc<dyn LogDirectory>,
    /// The way to other nodes.
    pub transport: Arc<dyn Transport>,
    /// The wall clock, for timestamps of commands.
    pub clock: Arc<dyn WallClock>,
    /// A random number, another one at each start.
    pub seed: u64,
    /// Owns every task of replication.
    pub owner: TaskOwner,
    /// What is counted; register it once.
    pub metrics: ReplicationMetrics,
    /// Intervals and amounts.
    pub timing: Timing,
    /// Threads, or tasks on a simulated clock.
    pub execution: Execution,
}

/// The intervals and amounts of replication.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Timing {
    /// Between two heartbeats of a leader.
    pub heartbeat_interval: Duration,
    /// The least time without a leader before a follower stands for election.
    pub election_timeout_min: Duration,
    /// The greatest, and how long a leader's lease lasts. Writes resume within about twice this after a failure.
    pub election_timeout_max: Duration,
    /// The longest time between two persists of an engine that was written.
    pub persist_interval: Duration,
    /// Applied entries after which the engine is persisted before the interval is over.
    pub persist_entries: u64,
    /// Applied entries that stay in the log for followers that catch up; beyond them they need a snapshot.
    pub kept_entries: u64,
    /// Bytes of one file of the log.
    pub segment_size_bytes: u64,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            // A heartbeat that takes longer than its interval counts as lost, and a busy machine is not a dead one.
            heartbeat_interval: Duration::from_millis(150),
            election_timeout_min: Duration::from_millis(750),
            election_timeout_max: Duration::from_millis(1400),
            persist_interval: Duration::from_secs(5),
            persist_entries: 20_000,
            kept_entries: 4096,
            segment_size_bytes: log::SEGMENT_SIZE,
        }
    }
}

/// How the blocking parts of replication run.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Execution {
    /// On threads of their own.
    Threads,
    /// As tasks, with a pause in place of a sync of the log: for simulations, where threads would not be deterministic.
    Simulated {
        /// How long a sync takes.
        sync_time: Duration,
    },
}

/// Where a group stands, as one node sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct GroupStatus {
    /// Which group.
    pub id: GroupId,
    /// The term of this node.
    pub term: u64,
    /// The leader, as far as known.
    pub leader: Option<NodeId>,
    /// Whether this node is the leader.
    pub is_leader: bool,
    /// The last index of this node's log; 0 for an empty log.
    pub last_log: u64,
    /// The last index known to be committed.
    pub committed: u64,
    /// The last index applied on this node.
    pub applied: u64,
    /// The last index purged from this node's log.
    pub purged: u64,
    /// The voters; their progress is known to a leader only.
    pub voters: Vec<VoterStatus>,
    /// Whether this node's storage has failed, so that it serves nothing until restarted.
    pub storage_failed: bool,
}

/// How far one voter has got, as the leader knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct VoterStatus {
    /// Which node.
    pub node: NodeId,
    /// The last index known to be in its log.
    pub matched: Option<u64>,
    /// Entries it lacks; `None` where this node is not the leader.
    pub lag_entries: Option<u64>,
}
