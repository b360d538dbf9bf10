//! Raft's calls to other nodes, over the node's transport.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::errors::{
    ErrorSource as _, NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable,
};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{EmptyNode, OptionalSend, RaftNetworkFactory, RaftNetworkV2};
use tokio::time::Instant;

use super::ids::{GroupId, NodeId};
use super::log::LogPosition;
use super::metrics::ReplicationMetrics;
use super::raft::{
    RaftLogId, RaftSnapshot, RaftVote, Types, from_entry, from_log_id, from_vote, to_log_id,
    to_vote,
};
use super::snapshot::SnapshotData;
use super::wire::{self, Answer, Ask, Request, WireEntry, WirePosition, WireVote};
use crate::rpc::{Service, Transport, TransportError};

/// How long entries may take to be written and synced by a follower. Openraft's own figure is the heartbeat interval, too
/// short for a slow disk; a second is still less than it takes to notice that a follower is gone.
const APPEND_TIMEOUT: Duration = Duration::from_secs(1);
/// How long one block of a snapshot may take.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// How long installing a whole snapshot may take. Beyond it the sender starts over, which the receiver notices.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(600);

/// Makes the connections of one group.
#[derive(Clone)]
pub(super) struct Network {
    pub(super) group: GroupId,
    pub(super) transport: Arc<dyn Transport>,
    /// Numbers the transfers of snapshots of this process; starts at random.
    pub(super) transfers: Arc<AtomicU64>,
    pub(super) metrics: ReplicationMetrics,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> Peer {
        Peer {
            network: self.clone(),
            target: NodeId(target),
        }
    }
}

/// One other node, as a group sees it.
pub(super) struct Peer {
    network: Network,
    target: NodeId,
}

fn wire_position(log_id: Option<&RaftLogId>) -> Option<WirePosition> {
    log_id.map(|log_id| from_log_id(log_id).into())
}

fn wire_vote(vote: &RaftVote) -> WireVote {
    from_vote(vote).into()
}

pub(super) fn raft_log_id(position: Option<WirePosition>) -> Option<RaftLogId> {
    position.map(|position| to_log_id(LogPosition::from(position)))
}

pub(super) fn raft_vote(vote: WireVote) -> RaftVote {
    to_vote(vote.into())
}

fn unexpected(answer: &Answer) -> RPCError<Types> {
    match answer {
        // Waits before it tries again.
        Answer::Unavailable(reason) => RPCError::Unreachable(Unreachable::from_string(reason)),
        _ => RPCError::Unreachable(Unreachable::from_string("an answer to another question")),
    }
}

impl Peer {
    async fn ask(&self, ask: Ask, timeout: Duration) -> Result<Answer, RPCError<Types>> {
        let request = Request {
            group: self.network.group.0,
            ask,
        };
        let payload =
            wire::encode(&request).map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        let deadline = Instant::now() + timeout;
        let call = self
            .network
            .transport
            .call(self.target, Service::Raft, payload, deadline);
        // The transport keeps the deadline; this is for one that does not.
        let answer = match tokio::time::timeout_at(deadline, call).await {
            Ok(answer) => answer,
            Err(_) => {
                let reason = "deadline".to_owned();
                Err(TransportError::Lost {
                    to: self.target,
                    reason,
                })
            }
        };
        match answer {
            Ok(answer) => wire::decode(answer)
                .map_err(|error| RPCError::Unreachable(Unreachable::new(&error))),
            Err(error @ TransportError::NotSent { .. }) => {
                Err(RPCError::Unreachable(Unreachable::new(&error)))
            }
            Err(error) => Err(RPCError::Network(NetworkError::new(&error))),
        }
    }

    async fn vote_with(
        &self,
        request: VoteRequest<Types>,
        pre: bool,
        timeout: Duration,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let vote = wire_vote(&request.vote);
        let last = wire_position(request.last_log_id.as_ref());
        let transfer = request.leadership_transfer;
        let ask = if pre {
            Ask::PreVote {
                vote,
                last,
                transfer,
            }
        } else {
            Ask::Vote {
                vote,
                last,
                transfer,
            }
        };
        match self.ask(ask, timeout).await? {
            Answer::Vote {
                vote,
                granted,
                last,
            } => Ok(VoteResponse::new(
                raft_vote(vote),
                raft_log_id(last),
                granted,
            )),
            other => Err(unexpected(&other)),
        }
    }

    async fn send_snapshot(
        &self,
        vote: &RaftVote,
        snapshot: &super::snapshot::SnapshotView,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let transfer = self.network.transfers.fetch_add(1, Ordering::Relaxed);
        tracing::info!(group = %self.network.group, to = %self.target, transfer, "sending a snapshot");
        self.network.metrics.snapshots_sent.inc();
        let mut offset = 0;
        for block in snapshot.blocks() {
            let block = block.map_err(|error| {
                openraft::StorageError::read_snapshot(
                    None,
                    openraft::impls::BoxedErrorSource::from_error(&error),
                )
            })?;
            let length = block.len() as u64;
            let ask = Ask::SnapshotBlock {
                transfer,
                offset,
                block,
            };
            match self.ask(ask, BLOCK_TIMEOUT).await? {
                Answer::BlockTaken => offset += length,
                other => return Err(unexpected(&other).into()),
            }
        }
        let ask = Ask::SnapshotEnd {
            vote: wire_vote(vote),
            transfer,
            length: offset,
        };
        match self.ask(ask, INSTALL_TIMEOUT).await? {
            Answer::Installed { vote } => Ok(SnapshotResponse::new(raft_vote(vote))),
            other => Err(unexpected(&other).into()),
        }
    }
}

impl RaftNetworkV2<Types> for Peer {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let timeout = if request.entries.is_empty() {
            option.soft_ttl()
        } else {
            APPEND_TIMEOUT
        };
        let ask = Ask::Append {
            vote: wire_vote(&request.vote),
            previous: wire_position(request.prev_log_id.as_ref()),
            committed: wire_position(request.leader_commit.as_ref()),
            entries: request
                .entries
                .into_iter()
                .map(|entry| WireEntry::from(from_entry(entry)))
                .collect(),
        };
        match self.ask(ask, timeout).await? {
            Answer::Appended => Ok(AppendEntriesResponse::Success),
            Answer::AppendedUpTo(position) => {
                Ok(AppendEntriesResponse::PartialSuccess(raft_log_id(position)))
            }
            Answer::Conflict => Ok(AppendEntriesResponse::Conflict),
            Answer::HigherVote(vote) => Ok(AppendEntriesResponse::HigherVote(raft_vote(vote))),
            other => Err(unexpected(&other)),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.vote_with(request, false, option.soft_ttl()).await
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        self.vote_with(request, true, option.soft_ttl()).await
    }

    async fn full_snapshot(
        &mut self,
        vote: RaftVote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let SnapshotData::View(view) = snapshot.snapshot else {
            let error = ReplicationClosed::new("a received snapshot is not to be sent on");
            return Err(StreamingError::Closed(error));
        };
        let send = self.send_snapshot(&vote, &view);
        tokio::select! {
            biased;
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = send => sent,
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let ask = Ask::TransferLeader {
            from: wire_vote(request.from_leader()),
            to: *request.to_node_id(),
            last: wire_position(request.last_log_id()),
        };
        match self.ask(ask, option.soft_ttl()).await? {
            Answer::TransferAccepted => Ok(Ok(())),
            Answer::TransferVoteChanged { expected, actual } => {
                let (expected, actual) = (raft_vote(expected), raft_vote(actual));
                Ok(Err(TransferLeaderError::VoteChanged { expected, actual }))
            }
            Answer::TransferNotFlushed { expected, actual } => {
                let (expected, actual) = (raft_log_id(expected), raft_log_id(actual));
                Ok(Err(TransferLeaderError::LogNotFlushed { expected, actual }))
            }
            other => Err(unexpected(&other)),
        }
    }
}
