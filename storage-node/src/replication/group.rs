//! The handle to one group on this node: propose, read, watch.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{ClientWriteError, ForwardReason, ForwardToLeader};
use openraft::impls::ProgressResponder;
use stator_kit::clock::WallClock;
use stator_kit::task::TaskOwner;
use tokio::sync::watch;
use tokio::time::Instant;

use super::command::{EngineWrite, LogCommand};
use super::ids::{GroupId, NodeId, RequestId};
use super::log::GroupLogStorage;
use super::metrics::ReplicationMetrics;
use super::progress::Progress;
use super::raft::{Command, RaftLeaderTerm, Reply, Types};
use super::read_index::ReadIndex;
use super::state_machine::{StateMachine, remembered};
use super::{Applied, GroupStatus, Leadership, ProposeError, ReadError, VoterStatus};
use crate::engine::Engine;
use crate::hlc::Hlc;

pub(super) type Raft = openraft::Raft<Types, StateMachine>;

/// A pause before a proposal that a leader refused is tried again: a new leader's lease arrives within one round trip
/// and one sync.
const RETRY_PAUSE: Duration = Duration::from_millis(2);

/// A handle to one group of this node. Clones are the same group.
#[derive(Clone)]
pub struct GroupHandle {
    inner: Arc<Inner>,
}

struct Inner {
    group: GroupId,
    node: NodeId,
    raft: Raft,
    engine: Arc<dyn Engine>,
    progress: Arc<Progress>,
    log: GroupLogStorage,
    read_index: ReadIndex,
    clock: Arc<dyn WallClock>,
    owner: TaskOwner,
    metrics: ReplicationMetrics,
}

impl GroupHandle {
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of a group, put together once"
    )]
    pub(super) fn new(
        group: GroupId,
        node: NodeId,
        raft: Raft,
        engine: Arc<dyn Engine>,
        progress: Arc<Progress>,
        log: GroupLogStorage,
        clock: Arc<dyn WallClock>,
        owner: TaskOwner,
        metrics: ReplicationMetrics,
    ) -> Self {
        let read_index = ReadIndex::new(raft.clone(), owner.clone());
        let inner = Inner {
            group,
            node,
            raft,
            engine,
            progress,
            log,
            read_index,
            clock,
            owner,
            metrics,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The group's id.
    #[must_use]
    pub fn id(&self) -> GroupId {
        self.inner.group
    }

    pub(super) fn log(&self) -> &GroupLogStorage {
        &self.inner.log
    }

    pub(super) fn raft(&self) -> &Raft {
        &self.inner.raft
    }

    /// The leader as far as this node knows.
    #[must_use]
    pub fn leader(&self) -> Option<NodeId> {
        self.inner
            .raft
            .server_metrics()
            .borrow_watched()
            .current_leader
            .map(NodeId)
    }

    /// `Some` while this node leads the group *and* has applied an entry of its own term, which comes after every entry
    /// of earlier terms: only then may it evaluate.
    #[must_use]
    pub fn leadership(&self) -> Option<Leadership> {
        let metrics = self.inner.raft.server_metrics();
        let metrics = metrics.borrow_watched();
        if metrics.state != ServerState::Leader || !metrics.vote.committed {
            return None;
        }
        let term = metrics.vote.leader_id.term;
        let applied = self.inner.progress.position()?;
        (applied.term == term).then_some(Leadership { term })
    }

    /// Waits until [`GroupHandle::leader`] or [`GroupHandle::leadership`] may have changed.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn leadership_changed(&self) {
        let mut servers = self.inner.raft.server_metrics();
        let mut applied = self.inner.progress.applied();
        drop(servers.borrow_and_update());
        applied.mark_unchanged();
        tokio::select! {
            biased;
            _ = servers.changed() => {}
            _ = applied.changed() => {}
        }
    }

    /// Writes a command to the group's log and waits until it is applied here, or `deadline`.
    ///
    /// # Cancel safety
    /// The command runs to its end even when the future is dropped.
    ///
    /// # Errors
    /// [`ProposeError`]; only [`ProposeError::Unknown`] leaves open whether the command takes effect.
    pub async fn propose(
        &self,
        command: LogCommand,
        deadline: Instant,
    ) -> Result<Applied, ProposeError> {
        self.propose_holding(command, deadline, ()).await
    }

    /// As [`GroupHandle::propose`], and keeps `guard` until the outcome is settled: applied, surely not executed, or no
    /// longer able to take effect ahead of what this node evaluates in a later term.
    ///
    /// Hold an item's latch in the guard: after a timeout the command may still be applied, and whoever evaluates the
    /// item before that would not see it.
    ///
    /// # Errors
    /// As [`GroupHandle::propose`].
    pub async fn propose_holding<G: Send + 'static>(
        &self,
        command: LogCommand,
        deadline: Instant,
        guard: G,
    ) -> Result<Applied, ProposeError> {
        if !command.writes.iter().all(EngineWrite::is_allowed) {
            tracing::error!(group = %self.inner.group, "a command with a key that no command may write");
            return Err(ProposeError::NotExecuted);
        }
        let inner = self.inner.clone();
        let started = Instant::now();
        let outcome = self.inner.owner.spawn_with_result("proposal", async move {
            let outcome = inner.run_proposal(command, deadline).await;
            drop(guard);
            let elapsed = started.elapsed().as_secs_f64();
            inner.metrics.proposal_seconds.observe(elapsed);
            outcome
        });
        match tokio::time::timeout_at(deadline, outcome).await {
            Ok(Ok(outcome)) => outcome,
            // The task ended without a word, as in a shutdown, or goes on beyond the deadline.
            Ok(Err(_)) | Err(_) => Err(ProposeError::Unknown),
        }
    }

    /// Confirms with a majority that this node leads, and waits until all that was committed by then is applied here.
    /// After it a read of the engine is linearizable. Callers that wait together share one round.
    ///
    /// # Errors
    /// [`ReadError`]; nothing may be read then.
    pub async fn read_index(&self, deadline: Instant) -> Result<(), ReadError> {
        if self.inner.log.has_failed() {
            return Err(ReadError::StorageFailed);
        }
        match tokio::time::timeout_at(deadline, self.inner.read_index.confirm(deadline)).await {
            Ok(result) => result,
            Err(_) => Err(ReadError::Timeout),
        }
    }

    /// The outcome of a request that took effect, if it is still remembered.
    /// Conclusive only on a leader, under the latch of the request's item.
    #[must_use]
    pub fn remembered(&self, request: RequestId) -> Option<Bytes> {
        match remembered(&*self.inner.engine, self.inner.group, request) {
            Ok(outcome) => outcome,
            Err(error) => {
                tracing::error!(group = %self.inner.group, %error, "cannot look up a remembered request");
                None
            }
        }
    }

    /// A time after every time applied or issued in this group, and not before the wall clock.
    #[must_use]
    pub fn next_hlc(&self) -> Hlc {
        self.inner
            .progress
            .next_hlc(Hlc::at(self.inner.clock.now()))
    }

    /// Takes over a time of another group: all times of this group are later from now on. For a change whose time was
    /// agreed among several groups, before it is proposed here.
    pub fn observe_hlc(&self, hlc: Hlc) {
        self.inner.progress.observe(hlc);
    }

    /// The index of the last entry applied on this node, 0 before the first.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.inner.progress.applied()
    }

    /// The prefixes of [`super::Append`]s that were applied on this node since the last call, and how many records
    /// each. For one reader, which looks at the data itself first: what was applied before the node started, or came
    /// in a snapshot, is not told.
    #[must_use]
    pub fn take_appended(&self) -> std::collections::BTreeMap<Bytes, u64> {
        self.inner.progress.take_appended()
    }

    /// Waits until [`GroupHandle::take_appended`] has something to tell.
    ///
    /// # Cancel safety
    /// Nothing is lost by dropping the future.
    pub async fn appended(&self) {
        self.inner.progress.appended().await;
    }

    /// Whether this node's data of the group may be read at all: not while a snapshot replaces it.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.inner.progress.is_installing()
    }

    /// Asks this leader to hand the group over to `to`. Returns when it was asked; watch [`GroupHandle::leader`].
    ///
    /// # Errors
    /// [`ReadError`] when this node does not lead or has stopped.
    pub async fn transfer_leader(&self, to: NodeId) -> Result<(), ReadError> {
        if self.leadership().is_none() {
            return Err(ReadError::NotLeader {
                hint: self.leader(),
            });
        }
        let asked = self.inner.raft.trigger().transfer_leader(to.0).await;
        asked.map_err(|_| ReadError::StorageFailed)
    }

    /// Asks this node to stand for election now, as a test or an operator may.
    ///
    /// # Errors
    /// [`ReadError::StorageFailed`] when the group has stopped.
    pub async fn elect(&self) -> Result<(), ReadError> {
        self.inner
            .raft
            .trigger()
            .elect(true)
            .await
            .map_err(|_| ReadError::StorageFailed)
    }

    /// Where the group stands, as this node sees it.
    #[must_use]
    pub fn status(&self) -> GroupStatus {
        let metrics = self.inner.raft.metrics();
        let metrics = metrics.borrow_watched();
        let is_leader = metrics.state == ServerState::Leader;
        let last_log = metrics.last_log_index.unwrap_or(0);
        let voters = metrics
            .membership_config
            .voter_ids()
            .map(|voter| {
                let matched = if voter == self.inner.node.0 {
                    metrics.last_log_index
                } else {
                    let replication = metrics.replication.as_ref();
                    let progress = replication.and_then(|voters| voters.get(&voter));
                    progress.and_then(|matched| matched.as_ref().map(|log_id| log_id.index))
                };
                let lag_entries = if is_leader {
                    Some(matched.map_or(last_log, |matched| last_log.saturating_sub(matched)))
                } else {
                    None
                };
                VoterStatus {
                    node: NodeId(voter),
                    matched,
                    lag_entries,
                }
            })
            .collect();
        GroupStatus {
            id: self.inner.group,
            term: metrics.current_term,
            leader: metrics.current_leader.map(NodeId),
            is_leader,
            last_log,
            committed: metrics
                .local_committed
                .as_ref()
                .map_or(0, |log_id| log_id.index),
            applied: self
                .inner
                .progress
                .position()
                .map_or(0, |applied| applied.log_index),
            purged: metrics.purged.as_ref().map_or(0, |log_id| log_id.index),
            voters,
            storage_failed: metrics.running_state.is_err() || self.inner.log.has_failed(),
        }
    }
}

/// What became of one attempt to propose.
enum Attempt {
    Settled(Result<Applied, ProposeError>),
    /// Refused before it reached the log, by a leader that may accept it soon.
    Refused,
}

impl Inner {
    /// Runs a proposal to its end. `deadline` ends the attempts to get it into the log, not the wait for its outcome.
    async fn run_proposal(
        &self,
        command: LogCommand,
        deadline: Instant,
    ) -> Result<Applied, ProposeError> {
        let term = command.evaluation_term;
        let bytes = command.encode();
        loop {
            if self.log.has_failed() {
                return Err(ProposeError::StorageFailed);
            }
            match self.attempt(term, bytes.clone()).await {
                Attempt::Settled(outcome) => return outcome,
                Attempt::Refused if Instant::now() + RETRY_PAUSE < deadline => {
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                Attempt::Refused => return Err(ProposeError::NotExecuted),
            }
        }
    }

    async fn attempt(&self, term: u64, command: Bytes) -> Attempt {
        let (responder, outcome) = ProgressResponder::complete_only();
        let submitted = self
            .raft
            .write(Command(command))
            // Refused at the door when the term is over; the state machine checks once more.
            .with_leader(RaftLeaderTerm::new(term))
            .responder(responder)
            .await;
        if submitted.is_err() {
            // The group has stopped and did not take the command.
            return Attempt::Settled(Err(ProposeError::StorageFailed));
        }
        // Without an answer the group stopped on the way, and the entry may be in other nodes' logs.
        let Ok(written) = outcome.await else {
            return Attempt::Settled(Err(ProposeError::Unknown));
        };
        match written {
            Ok(response) => {
                let log_index = response.log_id.index;
                Attempt::Settled(match response.data {
                    Reply::Applied => Ok(Applied {
                        log_index,
                        repeated: None,
                    }),
                    Reply::Repeated(outcome) => Ok(Applied {
                        log_index,
                        repeated: Some(outcome),
                    }),
                    Reply::NotExecuted => Err(ProposeError::NotExecuted),
                })
            }
            Err(ClientWriteError::ForwardToLeader(forward)) => self.forwarded(term, &forward),
            // Another leader's entries took the place, or this node was sent a snapshot instead.
            Err(ClientWriteError::LogEntryDiscarded(_)) => {
                Attempt::Settled(Err(ProposeError::Unknown))
            }
            Err(
                ClientWriteError::ChangeMembershipError(_)
                | ClientWriteError::PreconditionFailed(_),
            ) => Attempt::Settled(Err(ProposeError::NotExecuted)),
        }
    }

    fn forwarded(&self, term: u64, forward: &ForwardToLeader<Types>) -> Attempt {
        let still_leads = {
            let metrics = self.raft.server_metrics();
            let metrics = metrics.borrow_watched();
            metrics.state == ServerState::Leader && metrics.vote.leader_id.term == term
        };
        match forward.reason {
            // A new leader waits for a majority before it accepts, a cut-off one for ever.
            ForwardReason::LeaseExpired if still_leads => Attempt::Refused,
            // A transfer that fails gives the leadership back.
            ForwardReason::LeadershipTransfer if still_leads => Attempt::Refused,
            _ => {
                let hint = forward
                    .leader_id
                    .filter(|leader| *leader != self.node.0)
                    .map(NodeId);
                Attempt::Settled(Err(ProposeError::NotLeader { hint }))
            }
        }
    }
}
