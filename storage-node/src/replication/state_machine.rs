//! A group's state machine: applies entries to the engine, remembers requests, makes and installs snapshots.
//!
//! Applying evaluates nothing. It is a function of the log alone, not of this node's clock or of how entries were
//! batched: two replicas at one log index hold the same bytes (invariant 4).

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};

use super::GroupData;
use super::checkpoint::Checkpoint;
use super::command::LogCommand;
use super::ids::{GroupId, RequestId};
use super::install::Installer;
use super::log::{LogPosition, Members};
use super::metrics::ReplicationMetrics;
use super::progress::Progress;
use super::raft::{
    RaftLogId, RaftSnapshot, RaftSnapshotMeta, RaftStoredMembership, Reply, Types, from_log_id,
    from_membership, to_log_id, to_membership,
};
use super::rows::{AppliedState, Remembered, RememberedAt};
use super::snapshot::{SnapshotData, SnapshotView};
use crate::engine::{Engine, EngineError, Keyspace, WriteBatch};

/// How long a request is remembered, by the times in the log. Clients and routers give up within seconds; minutes cover
/// a router that was stopped and woke up.
const REMEMBERED_FOR: Duration = Duration::from_secs(600);

/// The most requests a group remembers: some 20 MB of rows, ten seconds at 13,000 writes a second.
const REMEMBERED_MAX: usize = 131_072;

/// Entries and bytes after which staged entries are written to the engine.
const BATCH_ENTRIES_MAX: usize = 256;
const BATCH_SIZE_BYTES_MAX: usize = 1 << 20;

/// The state machine of one group on one node.
pub(super) struct StateMachine {
    group: GroupId,
    engine: Arc<dyn Engine>,
    data: Arc<dyn GroupData>,
    checkpoint: Arc<Checkpoint>,
    installer: Installer,
    progress: Arc<Progress>,
    metrics: ReplicationMetrics,
    state: AppliedState,
    /// The remembered requests, oldest first; the same as the rows in the engine.
    remembered: VecDeque<RememberedAt>,
}

/// Entries that are decided but not yet written.
#[derive(Default)]
struct Staged {
    batch: WriteBatch,
    entries: usize,
    size_bytes: usize,
    /// Requests that took effect in this batch, which the engine does not show yet.
    outcomes: BTreeMap<RequestId, Bytes>,
    /// Records appended under each prefix.
    appended: BTreeMap<Bytes, u64>,
    replies: Vec<(openraft::storage::ApplyResponder<Types>, Reply)>,
}

impl StateMachine {
    /// Reads the group's state; takes up an install that a crash interrupted.
    ///
    /// # Errors
    /// Any error of the engine or of a received snapshot.
    pub(super) async fn open(
        group: GroupId,
        engine: Arc<dyn Engine>,
        data: Arc<dyn GroupData>,
        checkpoint: Arc<Checkpoint>,
        installer: Installer,
        progress: Arc<Progress>,
        metrics: ReplicationMetrics,
    ) -> io::Result<Self> {
        installer.resume().await?;
        let mut machine = Self {
            group,
            engine,
            data,
            checkpoint,
            installer,
            progress,
            metrics,
            state: AppliedState::default(),
            remembered: VecDeque::new(),
        };
        machine.load().map_err(io::Error::other)?;
        Ok(machine)
    }

    fn load(&mut self) -> Result<(), EngineError> {
        let view = self.engine.snapshot();
        self.state = AppliedState::read(&*view, self.group)?.unwrap_or_default();
        self.remembered = RememberedAt::read_all(&*view, self.group)?.into();
        self.progress.set(&self.state);
        Ok(())
    }

    /// Decides one entry and stages what it writes.
    fn stage(
        &mut self,
        staged: &mut Staged,
        position: LogPosition,
        payload: EntryPayload<super::raft::Command, u64, openraft::EmptyNode>,
    ) -> io::Result<Reply> {
        // Invariant 4: entries are applied one after another, none left out, none twice.
        let next = self
            .state
            .applied
            .map_or(0, |applied| applied.log_index + 1);
        assert_eq!(
            position.log_index, next,
            "entries of group {} out of order",
            self.group
        );
        self.state.applied = Some(position);
        staged.entries += 1;
        match payload {
            EntryPayload::Blank => Ok(Reply::Applied),
            EntryPayload::Membership(membership) => {
                self.state.members_at = Some(position);
                self.state.members = from_membership(&membership);
                Ok(Reply::Applied)
            }
            EntryPayload::Normal(command) => {
                staged.size_bytes += command.0.len();
                let command = LogCommand::decode(&command.0).map_err(io::Error::other)?;
                self.stage_command(staged, position, command)
            }
        }
    }

    fn stage_command(
        &mut self,
        staged: &mut Staged,
        position: LogPosition,
        command: LogCommand,
    ) -> io::Result<Reply> {
        // What was evaluated before another leader's entries is not what those entries left behind.
        if command.evaluation_term != position.term {
            self.metrics.skipped_entries.inc();
            return Ok(Reply::NotExecuted);
        }
        if let Some(outcome) = self.outcome(staged, command.request_id)? {
            self.metrics.skipped_entries.inc();
            return Ok(Reply::Repeated(outcome));
        }
        self.state.hlc = self.state.hlc.max(command.hlc);
        self.remember(staged, position.log_index, &command);
        for write in command.writes {
            match write.value {
                Some(value) => staged.batch.put(write.keyspace, write.key, value),
                None => staged.batch.delete(write.keyspace, write.key),
            }
        }
        for (ordinal, append) in (0_u16..).zip(command.appends) {
            let key = append.key(position.log_index, ordinal);
            *staged.appended.entry(append.prefix).or_default() += 1;
            staged.batch.put(append.keyspace, key, append.value);
        }
        Ok(Reply::Applied)
    }

    fn outcome(&self, staged: &Staged, request: RequestId) -> io::Result<Option<Bytes>> {
        if let Some(outcome) = staged.outcomes.get(&request) {
            return Ok(Some(outcome.clone()));
        }
        remembered(&*self.engine, self.group, request).map_err(io::Error::other)
    }

    fn remember(&mut self, staged: &mut Staged, log_index: u64, command: &LogCommand) {
        let Remembered {
            log_index,
            hlc,
            outcome,
        } = Remembered {
            log_index,
            hlc: command.hlc,
            outcome: command.outcome.clone(),
        };
        let row = Remembered {
            log_index,
            hlc,
            outcome: outcome.clone(),
        };
        let at = RememberedAt {
            log_index,
            request: command.request_id,
            hlc,
        };
        let system = Keyspace::System;
        staged.batch.put(
            system,
            Remembered::key(self.group, at.request),
            row.encode(),
        );
        staged.batch.put(
            system,
            RememberedAt::key(self.group, log_index),
            at.encode(),
        );
        staged.outcomes.insert(at.request, outcome);
        self.remembered.push_back(at);
        let kept_for = u64::try_from(REMEMBERED_FOR.as_millis()).unwrap_or(u64::MAX);
        while let Some(oldest) = self.remembered.front() {
            let too_old = oldest.hlc.millis().saturating_add(kept_for) < self.state.hlc.millis();
            if !too_old && self.remembered.len() <= REMEMBERED_MAX {
                break;
            }
            staged
                .batch
                .delete(system, Remembered::key(self.group, oldest.request));
            staged
                .batch
                .delete(system, RememberedAt::key(self.group, oldest.log_index));
            staged.outcomes.remove(&oldest.request);
            self.remembered.pop_front();
        }
    }

    /// Writes what is staged, with the applied index in the same batch, and answers.
    fn commit(&self, staged: &mut Staged) -> io::Result<()> {
        let Staged {
            mut batch,
            entries,
            appended,
            replies,
            ..
        } = std::mem::take(staged);
        if entries == 0 {
            return Ok(());
        }
        batch.put(
            Keyspace::System,
            AppliedState::key(self.group),
            self.state.encode(),
        );
        self.engine.write(batch).map_err(io::Error::other)?;
        self.metrics.applied_entries.inc_by(entries as u64);
        self.progress.set(&self.state);
        self.progress.add_appended(appended);
        for (responder, reply) in replies {
            responder.send(reply);
        }
        Ok(())
    }

    fn stored_membership(state: &AppliedState) -> io::Result<RaftStoredMembership> {
        let members = if state.members == Members::default() {
            super::raft::RaftMembership::default()
        } else {
            to_membership(&state.members).map_err(io::Error::other)?
        };
        Ok(RaftStoredMembership::new(
            state.members_at.map(to_log_id),
            members,
        ))
    }

    pub(super) fn meta(state: &AppliedState) -> io::Result<RaftSnapshotMeta> {
        Ok(RaftSnapshotMeta {
            last_log_id: state.applied.map(to_log_id),
            last_membership: Self::stored_membership(state)?,
        })
    }
}

/// The outcome of a request that took effect in `group`, if it is still remembered.
///
/// # Errors
/// [`EngineError`] when the engine cannot be read.
pub(super) fn remembered(
    engine: &dyn Engine,
    group: GroupId,
    request: RequestId,
) -> Result<Option<Bytes>, EngineError> {
    let row = engine.get(Keyspace::System, &Remembered::key(group, request))?;
    row.map(|row| Ok(Remembered::decode(&row, group)?.outcome))
        .transpose()
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<RaftLogId>, RaftStoredMembership)> {
        Ok((
            self.state.applied.map(to_log_id),
            Self::stored_membership(&self.state)?,
        ))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder<Types>>> + Unpin + OptionalSend,
    {
        let mut staged = Staged::default();
        while let Some(item) = entries.next().await {
            let (entry, responder) = item?;
            let reply = self.stage(&mut staged, from_log_id(&entry.log_id), entry.payload)?;
            staged
                .replies
                .extend(responder.map(|responder| (responder, reply)));
            if staged.entries >= BATCH_ENTRIES_MAX || staged.size_bytes >= BATCH_SIZE_BYTES_MAX {
                self.commit(&mut staged)?;
            }
        }
        self.commit(&mut staged)
    }

    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<SnapshotBuilder> {
        // A "snapshot" here is the engine itself, as far as it is persisted: building one copies nothing.
        if self.checkpoint.state(self.group).is_none() && !force {
            return None;
        }
        Some(self.get_snapshot_builder().await)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder {
            group: self.group,
            engine: self.engine.clone(),
            data: self.data.clone(),
            checkpoint: self.checkpoint.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &RaftSnapshotMeta,
        snapshot: SnapshotData,
    ) -> io::Result<()> {
        let SnapshotData::Received(file) = snapshot else {
            return Err(io::Error::other(
                "a view of this node is not to be installed",
            ));
        };
        tracing::info!(group = %self.group, "installing a snapshot");
        self.progress.set_installing(true);
        let installer = self.installer.clone();
        installer.install(file).await?;
        // The install ended with a persist, so the log may be purged up to it.
        self.checkpoint.persist().map_err(io::Error::other)?;
        self.load().map_err(io::Error::other)?;
        self.progress.set_installing(false);
        self.metrics.snapshots_installed.inc();
        let applied = self.state.applied.map(to_log_id);
        assert_eq!(
            applied, meta.last_log_id,
            "the snapshot holds what its meta says"
        );
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        let view = SnapshotView::take(self.engine.snapshot(), &*self.data, self.group)
            .map_err(io::Error::other)?;
        let Some(view) = view else { return Ok(None) };
        let meta = Self::meta(&view.state)?;
        Ok(Some(RaftSnapshot {
            meta,
            snapshot: SnapshotData::View(view),
        }))
    }
}

/// "Builds" a snapshot: tells how far the engine is persisted, so that Raft may purge the log up to there.
pub(super) struct SnapshotBuilder {
    group: GroupId,
    engine: Arc<dyn Engine>,
    data: Arc<dyn GroupData>,
    checkpoint: Arc<Checkpoint>,
}

impl RaftSnapshotBuilder<Types> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        if self.checkpoint.state(self.group).is_none() {
            self.checkpoint.persist().map_err(io::Error::other)?;
        }
        let state = self.checkpoint.state(self.group).unwrap_or_default();
        let view = SnapshotView::take(self.engine.snapshot(), &*self.data, self.group)
            .map_err(io::Error::other)?
            .ok_or_else(|| io::Error::other("a snapshot of a group that has applied nothing"))?;
        // The view is at least as new as the persisted state that the meta tells of; only the meta is used.
        Ok(RaftSnapshot {
            meta: StateMachine::meta(&state)?,
            snapshot: SnapshotData::View(view),
        })
    }
}
