//! What the leader of a group does for a transaction that another group (or its own) coordinates:
//! lock its items, and carry out what was decided.
//!
//! Both may be asked any number of times. A repeated preparation is recognised by its request id; an
//! outcome finds the locks of its attempt or there is nothing left to do.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_128;

use super::super::guard::Known;
use super::super::latch::Latch;
use super::super::message::{Refusal, decode, encode};
use super::super::route::refuse_storage;
use super::super::{Cluster, LocalGroup};
use super::evaluate::{Changes, Decided};
use super::locks::{Holder, LockGuard};
use super::message::{Attempt, FinishMessage, Outcome, PrepareMessage, Prepared};
use super::rows::{self, LockRow, LockedChange, lock_key, lock_write};
use crate::engine::Keyspace;
use crate::hlc::Hlc;
use crate::replication::{
    Cause, ChangeKind, EngineWrite, GroupId, Images, Leadership, LogCommand, PartitionId, RequestId,
};
use crate::table::StoredItem;

/// Bytes of changes in one command, beyond which the next one begins. A node's message to another
/// holds 32 MiB, and one item with all its index entries and images is at most some 10 MiB.
pub(super) const COMMAND_SIZE_BYTES_MAX: usize = 8 << 20;

impl Cluster {
    /// Evaluates the actions of one group and locks their items.
    pub(super) async fn prepare_as_leader(
        &self,
        message: &PrepareMessage,
        deadline: Instant,
    ) -> Result<Prepared, Refusal> {
        let local = self.local_group(GroupId(message.group))?;
        let ready = self.ready_actions(&message.actions, deadline).await?;
        let keys = ready.iter().map(|action| &*action.key);
        let latches = self
            .latches
            .lock_all(keys, deadline)
            .await
            .ok_or(Refusal::NotExecuted)?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let request_id = prepare_id(message.attempt, message.group);
        if let Some(outcome) = local.handle.remembered(request_id) {
            return decode(&outcome).map_err(|problem| refuse_storage(&problem));
        }
        let decided = match self.decide(local, leadership, message.attempt, &ready)? {
            Ok(decided) => decided,
            Err(reasons) => {
                local.confirm(leadership, deadline).await?;
                let reasons = reasons.into_iter().map(Into::into).collect();
                return Ok(Prepared::Failed(reasons));
            }
        };
        let hlc = local.handle.next_hlc();
        let prepared = Prepared::Locked {
            hlc: hlc.0,
            charges: decided.iter().map(|one| one.charge.clone()).collect(),
        };
        let guard = self.lock_guard(local, &decided, latches);
        let mut chunks = lock_chunks(&decided, message, hlc);
        let last = chunks.pop().unwrap_or_default();
        let first = decided.first().map(|one| &one.led.partition);
        let (partition_id, epoch) = first.map_or((0, 0), |row| (row.partition_id, row.epoch));
        let command = |request_id, changes: Changes, outcome| LogCommand {
            request_id,
            partition: PartitionId(partition_id),
            epoch,
            hlc,
            outcome,
            ..self.transaction_command(leadership, changes)
        };
        for chunk in chunks {
            let id = RequestId(self.request_id());
            let held = Arc::clone(&guard);
            local
                .handle
                .propose_holding(command(id, chunk, Bytes::new()), deadline, held)
                .await?;
        }
        // The last command is the one that is remembered: only then is everything locked.
        let command = command(request_id, last, encode(&prepared));
        let applied = local
            .handle
            .propose_holding(command, deadline, guard)
            .await?;
        for one in &decided {
            self.opened(local, leadership, one);
        }
        match applied.repeated {
            Some(first) => decode(&first).map_err(|problem| refuse_storage(&problem)),
            None => Ok(prepared),
        }
    }

    /// Tells the guard about the partition of an action that was logged.
    pub(super) fn opened(&self, local: &LocalGroup, leadership: Leadership, one: &Decided) {
        let partition = &one.led.partition;
        local.guard.opened(
            leadership.term,
            partition.partition_id,
            partition.epoch,
            &one.led.readers,
        );
    }

    pub(super) fn lock_guard(
        &self,
        local: &LocalGroup,
        decided: &[Decided],
        latches: Vec<Latch>,
    ) -> Arc<LockGuard> {
        let items = decided
            .iter()
            .map(|one| (one.led.partition.partition_id, one.key.clone()));
        Arc::new(LockGuard {
            locks: Arc::clone(&local.locks),
            engine: Arc::clone(&self.engine),
            items: items.collect(),
            latches,
        })
    }

    /// A command of a transaction; partition, epoch, stamp, request and outcome are the caller's.
    pub(super) fn transaction_command(
        &self,
        leadership: Leadership,
        changes: Changes,
    ) -> LogCommand {
        LogCommand {
            request_id: RequestId(0),
            partition: PartitionId(0),
            epoch: 0,
            evaluation_term: leadership.term,
            hlc: Hlc::ZERO,
            previous_hlc: None,
            writes: changes.writes,
            appends: changes.appends,
            change: ChangeKind::None,
            cause: Cause::Client,
            origin_region: self.identity.founding.region.clone(),
            images: Images::default(),
            outcome: Bytes::new(),
        }
    }

    /// Carries out what was decided about an attempt, in one group.
    pub(super) async fn finish_as_leader(
        &self,
        message: FinishMessage,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let group = GroupId(message.group);
        let local = self.local_group(group)?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let is_its = |holder: &Holder| holder.attempt == message.attempt;
        let held = self.locks(local, leadership, is_its)?;
        if held.is_empty() {
            // A leader that was deposed without knowing would not know of the locks either.
            return local.confirm(leadership, deadline).await;
        }
        let keys = held.iter().map(|(key, _)| &**key);
        let latches = self
            .latches
            .lock_all(keys, deadline)
            .await
            .ok_or(Refusal::NotExecuted)?;
        let mut locked = Vec::new();
        for (key, holder) in held {
            let row = self.lock_row(holder.partition_id, &key)?;
            // Somebody else may have carried it out while this waited for the latches.
            if let Some(row) = row.filter(|row| row.attempt == message.attempt) {
                locked.push((key, row));
            }
        }
        let hlc = match message.outcome {
            Outcome::Committed { hlc } => Some(Hlc(hlc)),
            Outcome::Aborted => None,
            Outcome::Pending => return Err(Refusal::NotExecuted),
        };
        self.finish_locked(local, leadership, locked, hlc, latches, deadline)
            .await
    }

    async fn finish_locked(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        locked: Vec<(Bytes, LockRow)>,
        commit: Option<Hlc>,
        latches: Vec<Latch>,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let items = locked
            .iter()
            .map(|(key, row)| (row.route.partition_id, key.clone()));
        let guard = Arc::new(LockGuard {
            locks: Arc::clone(&local.locks),
            engine: Arc::clone(&self.engine),
            items: items.collect(),
            latches,
        });
        if let Some(hlc) = commit {
            local.handle.observe_hlc(hlc);
        }
        let mut chunk = Changes::default();
        let mut route = None;
        let mut waiting = Vec::new();
        for (key, row) in locked {
            route = Some(row.route);
            if commit.is_some()
                && let Some(decided) = self
                    .locked_change(local, leadership, &key, &row, deadline)
                    .await?
            {
                let changes = self.changes(&[decided], commit.unwrap_or_default())?;
                if !chunk.writes.is_empty()
                    && chunk.size_bytes() + changes.size_bytes() > COMMAND_SIZE_BYTES_MAX
                {
                    waiting.push(std::mem::take(&mut chunk));
                }
                chunk.writes.extend(changes.writes);
                chunk.appends.extend(changes.appends);
            }
            let free = lock_write(row.route.partition_id, &key, None);
            chunk.writes.push(free);
        }
        waiting.push(chunk);
        let (partition_id, epoch) = route.map_or((0, 0), |route| (route.partition_id, route.epoch));
        for chunk in waiting {
            if chunk.writes.is_empty() {
                continue;
            }
            let command = LogCommand {
                request_id: RequestId(self.request_id()),
                partition: PartitionId(partition_id),
                epoch,
                hlc: commit.unwrap_or_else(|| local.handle.next_hlc()),
                ..self.transaction_command(leadership, chunk)
            };
            let held = Arc::clone(&guard);
            local
                .handle
                .propose_holding(command, deadline, held)
                .await?;
        }
        Ok(())
    }

    /// The change that a lock stands for, as the group's partitions and their readers are now. None
    /// if it changes nothing, or the table is being deleted: nobody can read it then.
    async fn locked_change(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        key: &Bytes,
        row: &LockRow,
        deadline: Instant,
    ) -> Result<Option<Decided>, Refusal> {
        if row.change == LockedChange::Nothing {
            return Ok(None);
        }
        let (table, partition) = match self.resolve_route(&row.table, row.route, deadline).await {
            Ok(found) => found,
            Err(Refusal::StaleRoute) => return Ok(None),
            Err(refusal) => return Err(refusal),
        };
        let known = match self.check_partition(local, leadership, &partition) {
            Ok(Known::Retired) | Err(Refusal::StaleRoute) => return Ok(None),
            known => known?,
        };
        let old = self
            .engine
            .get(Keyspace::Items, key)
            .map_err(|problem| refuse_storage(&problem))?
            .map(StoredItem::open)
            .transpose()
            .map_err(|problem| refuse_storage(&problem))?;
        Ok(Some(Decided {
            led: self.led_partition(&table, &partition, known)?,
            key: key.clone(),
            old,
            change: row.change.clone(),
            charge: Default::default(),
        }))
    }

    /// The locks of a led group that `wanted` picks, without those of partitions that are closed for
    /// ever.
    pub(super) fn locks(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        wanted: impl Fn(&Holder) -> bool,
    ) -> Result<Vec<(Bytes, Holder)>, Refusal> {
        let group = local.handle.id();
        let picked = local
            .locks
            .those(&*self.engine, group, leadership.term, wanted)
            .map_err(|problem| refuse_storage(&problem))?;
        let mut living = Vec::with_capacity(picked.len());
        for (key, holder) in picked {
            let known = local
                .guard
                .known(&*self.engine, group, leadership.term, holder.partition_id)
                .map_err(|problem| refuse_storage(&problem))?;
            if known == Known::Retired {
                local.locks.forget(&key);
            } else {
                living.push((key, holder));
            }
        }
        Ok(living)
    }

    fn lock_row(&self, partition_id: u64, key: &[u8]) -> Result<Option<LockRow>, Refusal> {
        self.engine
            .get(Keyspace::System, &lock_key(partition_id, key))
            .and_then(|value| value.map(|value| rows::decode(&value)).transpose())
            .map_err(|problem| refuse_storage(&problem))
    }
}

/// The writes that lock the items, in pieces of bounded size.
fn lock_chunks(decided: &[Decided], message: &PrepareMessage, hlc: Hlc) -> Vec<Changes> {
    let mut opened: BTreeMap<u64, EngineWrite> = BTreeMap::new();
    let mut chunks = Vec::new();
    let mut chunk = Changes::default();
    for one in decided {
        let partition = &one.led.partition;
        if one.led.is_new {
            opened.insert(partition.partition_id, one.led.opened());
        }
        let row = LockRow {
            attempt: message.attempt,
            coordinator: message.coordinator,
            hlc: hlc.0,
            table: one.led.table.row.name.clone(),
            route: one.led.table.route(partition),
            change: one.change.clone(),
        };
        chunk
            .writes
            .push(lock_write(partition.partition_id, &one.key, Some(&row)));
        if chunk.size_bytes() > COMMAND_SIZE_BYTES_MAX {
            chunks.push(std::mem::take(&mut chunk));
        }
    }
    chunks.push(chunk);
    // A partition has to be known before it has a lock, or no snapshot would carry the lock.
    if let Some(first) = chunks.first_mut() {
        first.writes.extend(opened.into_values());
    }
    chunks
}

/// The request id of a preparation: the same for every repetition of the message.
fn prepare_id(attempt: Attempt, group: u32) -> RequestId {
    let mut bytes = b"prepare".to_vec();
    bytes.extend_from_slice(&attempt.record.to_be_bytes());
    bytes.extend_from_slice(&attempt.term.to_be_bytes());
    bytes.extend_from_slice(&attempt.number.to_be_bytes());
    bytes.extend_from_slice(&group.to_be_bytes());
    RequestId(xxh3_128(&bytes))
}
