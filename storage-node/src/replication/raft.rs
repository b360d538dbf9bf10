//! The one place where openraft's types meet ours.
//!
//! Openraft's types reach neither disk nor wire: entries, votes and positions are converted here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use bytes::Bytes;
use openraft::impls::leader_id_std;
use openraft::{EmptyNode, EntryPayload, Membership, StoredMembership};

use super::ids::NodeId;
use super::log::{LogEntry, LogPosition, Members, Payload, Vote};
use super::runtime::RaftRuntime;

openraft::declare_raft_types!(
    /// The types of our Raft: standard terms with one leader each, commands as bytes, members without addresses.
    pub(super) Types:
        D = Command,
        R = Reply,
        NodeId = u64,
        Node = EmptyNode,
        Term = u64,
        LeaderId = leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = RaftRuntime,
);

pub(super) type RaftLeaderTerm = openraft::type_config::alias::CommittedLeaderIdOf<Types>;
pub(super) type RaftLogId = openraft::type_config::alias::LogIdOf<Types>;
pub(super) type RaftVote = openraft::type_config::alias::VoteOf<Types>;
pub(super) type RaftEntry = openraft::type_config::alias::EntryOf<Types>;
pub(super) type RaftMembership = Membership<u64, EmptyNode>;
pub(super) type RaftStoredMembership = StoredMembership<RaftLeaderTerm, u64, EmptyNode>;
pub(super) type RaftSnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<Types>;
pub(super) type RaftSnapshot =
    openraft::type_config::alias::SnapshotOf<Types, super::snapshot::SnapshotData>;

/// A command in the bytes that the log keeps.
#[derive(Clone, Eq, PartialEq)]
pub(super) struct Command(pub(super) Bytes);

impl fmt::Debug for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the contents: they are items of clients.
        write!(formatter, "command of {} bytes", self.0.len())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// What applying an entry gives back to whoever proposed it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Reply {
    /// The command took effect, or the entry holds none.
    Applied,
    /// The command took no effect: it was logged in another term than it was evaluated in, or is not well-formed.
    NotExecuted,
    /// A command of the same request had taken effect before, with this outcome.
    Repeated(Bytes),
}

pub(super) fn to_log_id(position: LogPosition) -> RaftLogId {
    RaftLogId::new(leader_id_std_committed(position.term), position.log_index)
}

pub(super) fn leader_id_std_committed(term: u64) -> RaftLeaderTerm {
    RaftLeaderTerm::new(term)
}

pub(super) fn from_log_id(log_id: &RaftLogId) -> LogPosition {
    LogPosition {
        term: log_id.leader_id.term,
        log_index: log_id.index,
    }
}

pub(super) fn to_vote(vote: Vote) -> RaftVote {
    if vote.committed {
        RaftVote::new_committed(vote.term, vote.node.0)
    } else {
        RaftVote::new(vote.term, vote.node.0)
    }
}

pub(super) fn from_vote(vote: &RaftVote) -> Vote {
    Vote {
        term: vote.leader_id.term,
        node: NodeId(vote.leader_id.voted_for),
        committed: vote.committed,
    }
}

/// # Errors
/// Members that contradict themselves, such as a voter that is not among the nodes.
pub(super) fn to_membership(members: &Members) -> Result<RaftMembership, String> {
    let voters: Vec<BTreeSet<u64>> = members
        .voters
        .iter()
        .map(|set| set.iter().map(|node| node.0).collect())
        .collect();
    let nodes: BTreeMap<u64, EmptyNode> = members
        .nodes
        .iter()
        .map(|node| (node.0, EmptyNode::new()))
        .collect();
    Membership::new(voters, nodes).map_err(|error| error.to_string())
}

pub(super) fn from_membership(membership: &RaftMembership) -> Members {
    Members {
        voters: membership
            .get_joint_config()
            .iter()
            .map(|set| set.iter().map(|node| NodeId(*node)).collect())
            .collect(),
        nodes: membership.nodes().map(|(node, _)| NodeId(*node)).collect(),
    }
}

pub(super) fn from_entry(entry: RaftEntry) -> LogEntry {
    LogEntry {
        position: from_log_id(&entry.log_id),
        payload: match entry.payload {
            EntryPayload::Blank => Payload::Blank,
            EntryPayload::Normal(command) => Payload::Command(command.0),
            EntryPayload::Membership(membership) => Payload::Members(from_membership(&membership)),
        },
    }
}

/// # Errors
/// An entry with members that contradict themselves.
pub(super) fn to_entry(entry: LogEntry) -> Result<RaftEntry, String> {
    Ok(RaftEntry {
        log_id: to_log_id(entry.position),
        payload: match entry.payload {
            Payload::Blank => EntryPayload::Blank,
            Payload::Command(bytes) => EntryPayload::Normal(Command(bytes)),
            Payload::Members(members) => EntryPayload::Membership(to_membership(&members)?),
        },
    })
}
