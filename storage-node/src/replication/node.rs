//! All groups of a node, put together: one log, one engine, one task that persists.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{InitializeError as RaftInitializeError, RaftError};
use openraft::{Config, SnapshotPolicy};
use parking_lot::Mutex;
use stator_kit::task::TaskOwner;

use super::checkpoint::Checkpoint;
use super::group::{GroupHandle, Raft};
use super::ids::GroupId;
use super::install::Installer;
use super::log::{GroupLogStorage, open_log};
use super::metrics::ReplicationMetrics;
use super::network::Network;
use super::progress::Progress;
use super::serve::GroupServer;
use super::state_machine::StateMachine;
use super::wire::{self, Answer, Request};
use super::{Execution, GroupConfig, ReplicationOptions, Timing};
use crate::rpc::RpcError;

/// How often the persisting task looks at how much was applied.
const PERSIST_LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The groups of this node. Clones are the same node.
#[derive(Clone)]
pub struct Replication {
    groups: Arc<BTreeMap<GroupId, Group>>,
    checkpoint: Arc<Checkpoint>,
}

struct Group {
    config: GroupConfig,
    handle: GroupHandle,
    server: GroupServer,
}

/// Why replication did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The log is damaged, of a newer version, or cannot be read or written.
    #[error("the log: {0}")]
    Log(#[source] io::Error),
    /// The engine, or a snapshot whose install was interrupted.
    #[error("the state of group {group}: {source}")]
    State {
        /// Which group.
        group: GroupId,
        /// What went wrong.
        source: io::Error,
    },
    /// The engine could not be persisted.
    #[error(transparent)]
    Engine(#[from] crate::engine::EngineError),
    /// The timing contradicts itself.
    #[error("the timing of replication: {0}")]
    Timing(String),
    /// A group did not start.
    #[error("group {group} did not start: {reason}")]
    Raft {
        /// Which group.
        group: GroupId,
        /// What went wrong.
        reason: String,
    },
}

/// Why a group was not initialized.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InitializeError {
    /// No such group on this node.
    #[error("no such group on this node")]
    UnknownGroup,
    /// This node is not a member of the group.
    #[error("this node is not a member of the group")]
    NotMember,
    /// The group has stopped.
    #[error("the group has stopped: {0}")]
    Stopped(String),
}

impl Replication {
    /// Recovers the log and every group's state, and starts to follow, vote and lead.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(options: ReplicationOptions) -> Result<Self, StartError> {
        let ReplicationOptions {
            node_id,
            groups,
            engine,
            data,
            log,
            transport,
            clock,
            seed,
            owner,
            metrics,
            timing,
            execution,
        } = options;
        let config = Arc::new(raft_config(&timing)?);
        let ids: Vec<GroupId> = groups.iter().map(|group| group.id).collect();
        let checkpoint = Arc::new(Checkpoint::new(
            engine.clone(),
            ids.clone(),
            metrics.clone(),
        ));

        // What the engine shows after a start may still be in the page cache only, and Raft will purge up to it.
        checkpoint.persist()?;
        let mut machines = BTreeMap::new();
        for group in &ids {
            let installer = Installer {
                group: *group,
                engine: engine.clone(),
                data: data.clone(),
                directory: log.clone(),
            };
            let progress = Arc::new(Progress::new());
            let machine = StateMachine::open(
                *group,
                engine.clone(),
                data.clone(),
                checkpoint.clone(),
                installer,
                progress.clone(),
                metrics.clone(),
            );
            let machine = machine.await.map_err(|source| StartError::State {
                group: *group,
                source,
            })?;
            machines.insert(*group, (machine, progress));
        }
        // An install that was taken up has persisted more.
        checkpoint.persist()?;

        let mut logs = open_log(
            log.clone(),
            &ids,
            seed,
            timing.segment_size_bytes,
            &checkpoint,
            metrics.log.clone(),
            execution,
            &owner,
        )
        .map_err(StartError::Log)?;

        let transfers = Arc::new(AtomicU64::new(seed));
        let mut started = BTreeMap::new();
        for group in groups {
            let id = group.id;
            let (Some((machine, progress)), Some(storage)) =
                (machines.remove(&id), logs.remove(&id))
            else {
                let reason = "listed twice".to_owned();
                return Err(StartError::Raft { group: id, reason });
            };
            let network = Network {
                group: id,
                transport: transport.clone(),
                transfers: transfers.clone(),
                metrics: metrics.clone(),
            };
            let raft: Raft =
                Raft::new(node_id.0, config.clone(), network, storage.clone(), machine)
                    .await
                    .map_err(|error| StartError::Raft {
                        group: id,
                        reason: error.to_string(),
                    })?;
            watch_group(id, &raft, &storage, &metrics, &owner);
            let handle = GroupHandle::new(
                id,
                node_id,
                raft.clone(),
                engine.clone(),
                progress,
                storage,
                clock.clone(),
                owner.clone(),
                metrics.clone(),
            );
            let receiving = Mutex::new(None);
            let server = GroupServer {
                group: id,
                raft,
                directory: log.clone(),
                receiving,
            };
            started.insert(
                id,
                Group {
                    config: group,
                    handle,
                    server,
                },
            );
        }
        let replication = Self {
            groups: Arc::new(started),
            checkpoint,
        };
        owner.spawn(
            "persist",
            replication
                .clone()
                .persist_regularly(timing, execution, owner.clone()),
        );
        Ok(replication)
    }

    /// The handle to a group that lives on this node.
    #[must_use]
    pub fn group(&self, group: GroupId) -> Option<GroupHandle> {
        self.groups.get(&group).map(|group| group.handle.clone())
    }

    /// The handles to all groups of this node, by id.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupHandle> {
        self.groups
            .values()
            .map(|group| group.handle.clone())
            .collect()
    }

    /// Makes the configured members the first members of a group that has never had any. For the forming of a cluster
    /// only; every voter may call it. A group that has members already is left alone.
    ///
    /// # Errors
    /// [`InitializeError`].
    pub async fn initialize_group(&self, group: GroupId) -> Result<(), InitializeError> {
        let group = self
            .groups
            .get(&group)
            .ok_or(InitializeError::UnknownGroup)?;
        let voters: BTreeSet<u64> = group.config.voters.iter().map(|node| node.0).collect();
        match group.handle.raft().initialize(voters).await {
            Ok(()) | Err(RaftError::APIError(RaftInitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(RaftInitializeError::NotInMembers(_))) => {
                Err(InitializeError::NotMember)
            }
            Err(RaftError::Fatal(error)) => Err(InitializeError::Stopped(error.to_string())),
        }
    }

    /// Answers a call of another node's replication.
    ///
    /// # Errors
    /// [`RpcError::Refused`] for bytes that are no message of a version that this node knows.
    pub async fn handle_rpc(&self, payload: Bytes) -> Result<Bytes, RpcError> {
        let request: Request =
            wire::decode(payload).map_err(|error| RpcError::Refused(error.to_string()))?;
        let answer = match self.groups.get(&GroupId(request.group)) {
            Some(group) => group.server.answer(request.ask).await,
            None => Answer::Unavailable(format!("no group {} on this node", request.group)),
        };
        wire::encode(&answer).map_err(|error| RpcError::Failed(error.to_string()))
    }

    /// Persists the engine now, after which the log may be purged up to here.
    ///
    /// # Errors
    /// [`EngineError`](crate::engine::EngineError); the engine refuses writes then.
    pub async fn persist(&self) -> Result<(), crate::engine::EngineError> {
        self.checkpoint.persist()?;
        for group in self.groups.values() {
            // A group that has stopped has nothing to purge.
            drop(group.handle.raft().trigger().snapshot().await);
        }
        Ok(())
    }

    /// Stops all groups and persists the engine. Hand leaderships over before, if others shall not wait for an election.
    pub async fn shutdown(self) {
        for group in self.groups.values() {
            if let Err(error) = group.handle.raft().shutdown().await {
                tracing::warn!(group = %group.config.id, %error, "a group did not stop well");
            }
        }
        if let Some(group) = self.groups.values().next() {
            group.handle.log().close().await;
        }
        if let Err(error) = self.checkpoint.persist() {
            tracing::error!(%error, "the last persist of the engine failed");
        }
    }

    /// Persists after an interval or an amount of applied entries, and lets Raft purge what that covers.
    async fn persist_regularly(self, timing: Timing, execution: Execution, owner: TaskOwner) {
        let token = owner.token();
        let look = PERSIST_LOOK_INTERVAL.min(timing.persist_interval);
        let mut persisted = self.applied_sum();
        let mut since = Duration::ZERO;
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = tokio::time::sleep(look) => since += look,
            }
            let applied = self.applied_sum();
            let due = since >= timing.persist_interval && applied != persisted;
            if !due && applied.saturating_sub(persisted) < timing.persist_entries {
                continue;
            }
            let result = match execution {
                Execution::Threads => {
                    let checkpoint = self.checkpoint.clone();
                    let work = owner.spawn_blocking("persist engine", move || checkpoint.persist());
                    let Ok(result) = work.await else { return };
                    result
                }
                Execution::Simulated { .. } => self.checkpoint.persist(),
            };
            if let Err(error) = result {
                owner.report_failure("persist", &format!("the engine did not persist: {error}"));
                return;
            }
            (persisted, since) = (applied, Duration::ZERO);
            for group in self.groups.values() {
                let status = group.handle.status();
                if status.applied > status.purged + timing.kept_entries {
                    drop(group.handle.raft().trigger().snapshot().await);
                }
            }
        }
    }

    fn applied_sum(&self) -> u64 {
        self.groups
            .values()
            .map(|group| *group.handle.applied().borrow())
            .sum()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn raft_config(timing: &Timing) -> Result<Config, StartError> {
    let config = Config {
        cluster_name: "stator".to_owned(),
        heartbeat_interval: millis(timing.heartbeat_interval),
        election_timeout_min: millis(timing.election_timeout_min),
        election_timeout_max: millis(timing.election_timeout_max),
        enable_pre_vote: Some(true),
        // A restarted leader that goes on in its old term has a log that it has not applied: it must not evaluate.
        enable_leader_restore: Some(false),
        // Purging follows the engine's persists, see `persist_regularly`.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: timing.kept_entries,
        purge_batch_size: (timing.kept_entries / 8).max(1),
        // A follower gets a snapshot when the log lacks what it needs, not for lagging alone.
        replication_lag_threshold: u64::MAX,
        install_snapshot_timeout: 10_000,
        max_payload_entries: 1024,
        // A node that comes back is found within half a second.
        backoff: "50ms 100ms 200ms ...500ms".to_owned(),
        ..Config::default()
    };
    config
        .validate()
        .map_err(|error| StartError::Timing(error.to_string()))
}

/// Counts leader changes and makes a group's failure the node's.
fn watch_group(
    group: GroupId,
    raft: &Raft,
    storage: &GroupLogStorage,
    metrics: &ReplicationMetrics,
    owner: &TaskOwner,
) {
    let mut changes = raft.metrics();
    let (metrics, storage, token) = (metrics.clone(), storage.clone(), owner.token());
    let failures = owner.clone();
    owner.spawn("watch group", async move {
        let mut leader = None;
        loop {
            let (now, failed) = {
                let state = changes.borrow_and_update();
                (state.current_leader, state.running_state.clone().err())
            };
            if now.is_some() && now != leader {
                metrics.leader_changes.inc();
                tracing::info!(%group, leader = now, "new leader");
            }
            leader = now.or(leader);
            if let Some(error) = failed {
                if !token.is_cancelled() && !matches!(error, openraft::errors::Fatal::Stopped) {
                    let message = format!("group {group} stopped: {error}");
                    let failed = storage.has_failed();
                    tracing::error!(%group, log_failed = failed, "a group stopped");
                    failures.report_failure("raft", &message);
                }
                return;
            }
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                changed = changes.changed() => if changed.is_err() { return },
            }
        }
    });
}

#[cfg(test)]
mod tests;
