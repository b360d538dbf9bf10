//! Carrying changes to global secondary indexes.
//!
//! A change of an item leaves a record for each global index whose entry changes, in the outbox of
//! its partition (`table/change_log.rs`), in the very command that changes the item. One task per
//! group and node, the pump, does the rest while the node leads the group: it reads the records of a
//! partition in order, sends them to the leaders of the index's partitions ([`super::delivery`]), and
//! when all have them, removes them by a command of its own group.
//!
//! Exactly once: a record is removed only after it was taken, and the receiving group skips what it
//! has taken before. In order for each item: the records of a partition are sent one batch after the
//! other, and a batch only after the one before it was taken. A new leader reads the outbox from its
//! beginning. Nothing is polled: applying a command tells which outboxes it appended to.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use stator_model::error::{ApiError, Throttled, ThroughputLimit, Usage};
use tokio::time::{Instant, sleep, sleep_until};

use super::catalog::rows::PartitionRow;
use super::delivery::Parcel;
use super::group_state::{open_partition, partitions_of};
use super::message::Refusal;
use super::route::{refuse, refuse_storage};
use super::{Cluster, LocalGroup, REQUEST_TIMEOUT, Table};
use crate::engine::{Direction, EngineError, Keyspace};
use crate::replication::{EngineWrite, GroupId, Leadership};
use crate::table::change_log::{
    ChangePosition, OutboxRecord, key_at, outbox_partition, outbox_prefix, position_of,
};
use crate::table::keys::after_prefix;

/// Records waiting in one partition's outbox above which its writes are refused: some ten seconds of
/// what one index partition takes in.
const WAITING_MAX: u64 = 50_000;
/// Records and bytes of one batch: enough to pay for two log entries, little enough to stay small in
/// memory. A record is at most an item, 400 KB.
const BATCH_RECORDS_MAX: usize = 512;
const BATCH_SIZE_BYTES_MAX: usize = 1 << 20;
/// Partitions of a group whose outboxes are emptied at the same time.
const PARTITIONS_AT_ONCE: usize = 16;
/// How often a node that does not lead looks whether it does.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A pause before a partition is tried again whose records could not be delivered.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How many records wait in the outboxes of a led group, by partition.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<BTreeMap<u64, u64>>,
}

impl Outbox {
    /// Records that wait for one partition, as the leader knows.
    pub(super) fn waiting(&self, partition: u64) -> u64 {
        self.waiting.lock().get(&partition).copied().unwrap_or(0)
    }

    /// Refuses a write that would leave a record while too many wait: the base table slows down to
    /// what its indexes take.
    pub(super) fn check(&self, table: &Table, partition: u64) -> Result<(), Refusal> {
        if self.waiting(partition) <= WAITING_MAX {
            return Ok(());
        }
        let index = table.global_indexes.first().map_or("", |index| &index.name);
        let resource = format!("{}/index/{index}", table.arn);
        let throttled = Throttled {
            resource: &resource,
            is_index: true,
            on_demand: table.row.billing.on_demand,
            usage: Usage::Write,
            limit: ThroughputLimit::KeyRangeThroughput,
        };
        Err(refuse(&ApiError::from(throttled)))
    }

    fn add(&self, partition: u64, records: u64) {
        *self.waiting.lock().entry(partition).or_default() += records;
    }

    fn remove(&self, partition: u64, records: u64) {
        let mut waiting = self.waiting.lock();
        if let Some(count) = waiting.get_mut(&partition) {
            *count = count.saturating_sub(records);
            if *count == 0 {
                waiting.remove(&partition);
            }
        }
    }

    fn set(&self, waiting: BTreeMap<u64, u64>) {
        *self.waiting.lock() = waiting;
    }
}

/// Records of one outbox, in order.
struct Batch {
    records: Vec<(ChangePosition, OutboxRecord)>,
}

/// What the pump of a group has to do.
#[derive(Default)]
struct Due {
    /// Partitions whose outbox has to be looked at, and when at the earliest.
    partitions: BTreeMap<u64, Instant>,
    /// Partitions that are being looked at.
    running: BTreeSet<u64>,
}

impl Due {
    fn look_at(&mut self, partition: u64, when: Instant) {
        let due = self.partitions.entry(partition).or_insert(when);
        *due = when.min(*due);
    }

    /// A partition that is due and not being looked at.
    fn next(&mut self, now: Instant) -> Option<u64> {
        let (partition, _) = self
            .partitions
            .iter()
            .find(|(partition, when)| **when <= now && !self.running.contains(partition))?;
        let partition = *partition;
        self.partitions.remove(&partition);
        self.running.insert(partition);
        Some(partition)
    }

    /// When the next partition that is not being looked at is due.
    fn next_at(&self) -> Option<Instant> {
        self.partitions
            .iter()
            .filter(|(partition, _)| !self.running.contains(partition))
            .map(|(_, when)| *when)
            .min()
    }
}

impl Cluster {
    /// Empties the outboxes of one group while this node leads it.
    pub(super) async fn pump_outboxes(&self, group: GroupId) {
        let token = self.tasks.token();
        let Some(local) = self.groups.get(&group) else {
            return;
        };
        loop {
            if let Some(leadership) = local.handle.leadership() {
                tokio::select! {
                    biased;
                    () = token.cancelled() => return,
                    ended = self.pump_as_leader(local, leadership) => {
                        if let Err(refusal) = ended {
                            tracing::warn!(group = group.0, ?refusal, "outboxes cannot be read");
                        }
                    }
                }
                local.outbox.set(BTreeMap::new());
            }
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = local.handle.leadership_changed() => {}
                // A change between the look and the wait is not missed for long.
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Runs until this node does not lead any more.
    async fn pump_as_leader(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
    ) -> Result<(), Refusal> {
        // What is told from here on may have been counted already; an outbox that is found empty
        // sets its count right.
        let _counted = local.handle.take_appended();
        let waiting = self.waiting_outboxes(local)?;
        let mut due = Due::default();
        for partition in waiting.keys() {
            due.look_at(*partition, Instant::now());
        }
        local.outbox.set(waiting);
        let mut running = FuturesUnordered::new();
        loop {
            if local.handle.leadership() != Some(leadership) {
                return Ok(());
            }
            while running.len() < PARTITIONS_AT_ONCE
                && let Some(partition) = due.next(Instant::now())
            {
                running.push(async move {
                    let ended = self.empty_outbox(local, leadership, partition).await;
                    (partition, ended)
                });
            }
            let full = running.len() >= PARTITIONS_AT_ONCE;
            let next = due.next_at().filter(|_| !full);
            let pause = async {
                match next {
                    Some(when) => sleep_until(when).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some((partition, ended)) = running.next() => {
                    due.running.remove(&partition);
                    if let Err(refusal) = ended {
                        tracing::debug!(partition, ?refusal, "changes wait for their index");
                        due.look_at(partition, Instant::now() + RETRY_AFTER);
                    }
                }
                () = local.handle.appended() => {
                    for (prefix, records) in local.handle.take_appended() {
                        if let Some(partition) = outbox_partition(&prefix) {
                            local.outbox.add(partition, records);
                            due.look_at(partition, Instant::now());
                        }
                    }
                }
                () = lost(local, leadership) => return Ok(()),
                () = pause => {}
            }
        }
    }

    /// How many records wait in each outbox of the group: one look per outbox that is not empty and
    /// one per partition of the group.
    fn waiting_outboxes(&self, local: &LocalGroup) -> Result<BTreeMap<u64, u64>, Refusal> {
        let state = self.engine.snapshot();
        let open = partitions_of(&*state, local.handle.id())
            .map_err(|problem| refuse_storage(&problem))?;
        let mut waiting = BTreeMap::new();
        for (partition, row) in open {
            if row.readers.indexes.is_empty() && row.readers.catalog_version == 0 {
                // A partition of an index: nothing reads its changes.
                continue;
            }
            let prefix = outbox_prefix(partition);
            let end = after_prefix(prefix.clone());
            let count = state
                .scan(
                    Keyspace::Changes,
                    Bound::Included(&prefix),
                    Bound::Excluded(&end),
                    Direction::Forward,
                )
                .count();
            if count > 0 {
                waiting.insert(partition, u64::try_from(count).unwrap_or(u64::MAX));
            }
        }
        Ok(waiting)
    }

    /// Delivers and removes what waits for one partition, batch by batch, until nothing is left. The
    /// removal of one batch overlaps the delivery of the next.
    async fn empty_outbox(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        partition: u64,
    ) -> Result<(), Refusal> {
        // By the applied state and not by the guard, which hears of a partition's first write later
        // than this pump.
        let open = open_partition(&*self.engine, local.handle.id(), partition);
        let Some(row) = open.map_err(|problem| refuse_storage(&problem))? else {
            local.outbox.remove(partition, u64::MAX);
            return Ok(());
        };
        let mut after = None;
        let mut taken: Option<Batch> = None;
        loop {
            let batch = self
                .read_outbox(partition, after)
                .map_err(|problem| refuse_storage(&problem))?;
            let removing = taken.take();
            if batch.records.is_empty() && removing.is_none() {
                // Nothing waits, whatever was counted.
                local.outbox.remove(partition, u64::MAX);
                return Ok(());
            }
            after = batch
                .records
                .last()
                .map(|(position, _)| *position)
                .or(after);
            let (delivered, removed) = tokio::join!(
                self.deliver(partition, &batch.records),
                self.remove_records(local, leadership, &row, removing.as_ref()),
            );
            removed?;
            delivered?;
            if batch.records.is_empty() {
                return Ok(());
            }
            taken = Some(batch);
        }
    }

    fn read_outbox(
        &self,
        partition: u64,
        after: Option<ChangePosition>,
    ) -> Result<Batch, EngineError> {
        let prefix = outbox_prefix(partition);
        let end = after_prefix(prefix.clone());
        let start = after.map(|position| key_at(prefix.clone(), position));
        let lower = match &start {
            Some(key) => Bound::Excluded(key.as_slice()),
            None => Bound::Included(prefix.as_slice()),
        };
        let entries = self.engine.scan(
            Keyspace::Changes,
            lower,
            Bound::Excluded(&end),
            Direction::Forward,
        );
        let mut records = Vec::new();
        let mut size = 0;
        for entry in entries {
            let (key, value) = entry?;
            size += value.len();
            let damaged = || EngineError::Io("a record of the change log is damaged".into());
            let position = position_of(&key).ok_or_else(damaged)?;
            let record =
                OutboxRecord::decode(&value).map_err(|problem| EngineError::Io(problem.into()))?;
            records.push((position, record));
            if records.len() >= BATCH_RECORDS_MAX || size >= BATCH_SIZE_BYTES_MAX {
                break;
            }
        }
        Ok(Batch { records })
    }

    async fn remove_records(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        row: &PartitionRow,
        batch: Option<&Batch>,
    ) -> Result<(), Refusal> {
        let Some(batch) = batch else { return Ok(()) };
        let writes = batch
            .records
            .iter()
            .map(|(position, _)| EngineWrite {
                keyspace: Keyspace::Changes,
                key: Bytes::from(key_at(outbox_prefix(row.partition_id), *position)),
                value: None,
            })
            .collect();
        self.propose_own(local, leadership, row, writes, Vec::new())
            .await?;
        let count = u64::try_from(batch.records.len()).unwrap_or(u64::MAX);
        local.outbox.remove(row.partition_id, count);
        Ok(())
    }

    /// Brings records to the partitions of their indexes; they have them when this returns.
    async fn deliver(
        &self,
        partition: u64,
        records: &[(ChangePosition, OutboxRecord)],
    ) -> Result<(), Refusal> {
        if records.is_empty() {
            return Ok(());
        }
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let parcels = self.parcels(partition, records, deadline).await?;
        let sent = parcels
            .iter()
            .map(|parcel| self.send_parcel(parcel, deadline));
        futures::future::try_join_all(sent).await?;
        Ok(())
    }

    /// The records by the index partitions that they concern. Records of an index that is gone are
    /// left out.
    async fn parcels(
        &self,
        source: u64,
        records: &[(ChangePosition, OutboxRecord)],
        deadline: Instant,
    ) -> Result<Vec<Parcel>, Refusal> {
        let mut by_index: BTreeMap<u64, Vec<&(ChangePosition, OutboxRecord)>> = BTreeMap::new();
        for record in records {
            by_index.entry(record.1.index).or_default().push(record);
        }
        let mut parcels = Vec::new();
        for (index, records) in by_index {
            let Some((table, row)) = self.index_anywhere(index, deadline).await? else {
                continue;
            };
            let mut of_index: BTreeMap<u64, Parcel> = BTreeMap::new();
            for (position, record) in records {
                for (partition, change) in record_by_partition(&row.partitions, record)? {
                    of_index
                        .entry(partition.partition_id)
                        .or_insert_with(|| Parcel::new(&table, index, partition, source))
                        .add(*position, change);
                }
            }
            parcels.extend(of_index.into_values());
        }
        Ok(parcels)
    }

    /// An index by its storage id; `None` if it is gone or being deleted by the newest catalog.
    async fn index_anywhere(
        &self,
        index: u64,
        deadline: Instant,
    ) -> Result<Option<(String, super::catalog::rows::GlobalIndexRow)>, Refusal> {
        if let Some(found) = self.catalog.global_index(index) {
            return Ok(Some(found));
        }
        self.barrier(deadline)
            .await
            .map_err(|_: ApiError| Refusal::NotExecuted)?;
        Ok(self.catalog.global_index(index))
    }
}

/// Returns when this node does not lead in this term any more.
async fn lost(local: &LocalGroup, leadership: Leadership) {
    while local.handle.leadership() == Some(leadership) {
        local.handle.leadership_changed().await;
    }
}

/// The part of a record that concerns one index partition: entry to remove, entry to put.
pub(super) type EntryChange = (Option<Bytes>, Option<(Bytes, Bytes)>);

/// A record by the partitions that hold its keys: one or two.
fn record_by_partition<'a>(
    partitions: &'a [PartitionRow],
    record: &OutboxRecord,
) -> Result<Vec<(&'a PartitionRow, EntryChange)>, Refusal> {
    let holder = |key: &Bytes| {
        let hash = key.get(8..16).unwrap_or_default();
        let hash = hash.iter().fold(0, |acc, &byte| acc << 8 | u64::from(byte));
        super::catalog::table::holder_of(partitions, hash).ok_or(Refusal::StaleRoute)
    };
    let removed = record.remove.as_ref().map(holder).transpose()?;
    let put = record
        .put
        .as_ref()
        .map(|(key, _)| holder(key))
        .transpose()?;
    Ok(match (removed, put) {
        (Some(removed), Some(put)) if removed.partition_id == put.partition_id => {
            vec![(put, (record.remove.clone(), record.put.clone()))]
        }
        (removed, put) => {
            let removed = removed.map(|partition| (partition, (record.remove.clone(), None)));
            let put = put.map(|partition| (partition, (None, record.put.clone())));
            removed.into_iter().chain(put).collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_looked_at_by_one_at_a_time_and_again_when_told_meanwhile() {
        let now = Instant::now();
        let later = now + RETRY_AFTER;
        let mut due = Due::default();
        due.look_at(1, now);
        due.look_at(2, later);
        assert_eq!(due.next(now), Some(1));
        assert_eq!(due.next(now), None);
        due.look_at(1, now);
        assert_eq!(due.next(now), None);
        assert_eq!(due.next_at(), Some(later));
        due.running.remove(&1);
        assert_eq!(due.next(now), Some(1));
        assert_eq!(due.next(later), Some(2));
        assert_eq!(due.next(later), None);
    }

    #[test]
    fn records_that_wait_are_counted_by_partition() {
        let outbox = Outbox::default();
        outbox.add(1, 3);
        outbox.remove(1, 1);
        assert_eq!((outbox.waiting(1), outbox.waiting(2)), (2, 0));
        outbox.remove(1, u64::MAX);
        assert_eq!(outbox.waiting(1), 0);
    }

    #[test]
    fn a_record_goes_to_the_partitions_of_its_keys() {
        let partition = |partition_id, first_hash, last_hash| PartitionRow {
            partition_id,
            first_hash,
            last_hash,
            group_id: 1,
            epoch: 1,
        };
        let partitions = [partition(1, 0, 99), partition(2, 100, u64::MAX)];
        let key = |hash: u64| Bytes::from([9_u64.to_be_bytes(), hash.to_be_bytes()].concat());
        let record = |remove: Option<u64>, put: Option<u64>| OutboxRecord {
            index: 9,
            remove: remove.map(key),
            put: put.map(|hash| (key(hash), Bytes::new())),
        };
        let ids = |record: &OutboxRecord| -> Vec<(u64, bool, bool)> {
            record_by_partition(&partitions, record)
                .unwrap()
                .into_iter()
                .map(|(partition, (remove, put))| {
                    (partition.partition_id, remove.is_some(), put.is_some())
                })
                .collect()
        };
        assert_eq!(ids(&record(Some(1), Some(2))), [(1, true, true)]);
        assert_eq!(
            ids(&record(Some(1), Some(100))),
            [(1, true, false), (2, false, true)]
        );
        assert_eq!(ids(&record(None, Some(100))), [(2, false, true)]);
        assert_eq!(ids(&record(Some(u64::MAX), None)), [(2, true, false)]);
    }
}
