//! Deleting expired items (TTL): the leader of each partition looks at its items from time to time.
//!
//! A look costs as much as reading the partition's items and is spread out: a step reads a bounded
//! number of items, and a pause in proportion follows it, so that requests come first. An item is
//! deleted under its latch and only if it has expired by what it says then: an update that moved its
//! time saves it.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use tokio::time::{Instant, sleep};

use super::catalog::rows::PartitionRow;
use super::item_change::DecidedChange;
use super::message::{Refusal, WriteOutcome, encode};
use super::route::refuse_storage;
use super::{Cluster, REQUEST_TIMEOUT, Table};
use crate::engine::{Direction, Keyspace};
use crate::replication::{Cause, ChangeKind, GroupId, Images, LogCommand, PartitionId, RequestId};
use crate::table::StoredItem;
use crate::table::expiry::is_expired;
use crate::table::keys::{StorageId, hash_range};

/// Items and bytes that one step reads.
const STEP_ITEMS: usize = 512;
const STEP_BYTES: usize = 1024 * 1024;
/// Deletions in flight at once: they share log writes.
const DELETIONS_AT_ONCE: usize = 32;
/// A pause lasts this many times as long as the step before it.
const PAUSE_PER_STEP: u32 = 3;

impl Cluster {
    /// Looks for expired items in the partitions that this node leads, until it stops.
    pub(super) async fn expire_items(&self) {
        let token = self.tasks.token();
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = sleep(self.upkeep.expiry_scan) => {}
            }
            let state = self.catalog.current();
            let tables = state.tables.values().filter(|table| table.is_active());
            for table in tables {
                let Some(ttl) = table.row.ttl.as_ref().filter(|ttl| ttl.enabled) else {
                    continue;
                };
                for partition in &table.row.partitions {
                    let looked = self.expire_partition(table, partition, &ttl.attribute);
                    tokio::select! {
                        biased;
                        () = token.cancelled() => return,
                        result = looked => if let Err(refusal) = result {
                            tracing::debug!(table = table.row.name, ?refusal, "expiry goes on later");
                        }
                    }
                }
            }
        }
    }

    /// One look through the items of a partition, if this node leads it.
    async fn expire_partition(
        &self,
        table: &Arc<Table>,
        partition: &PartitionRow,
        attribute: &str,
    ) -> Result<(), Refusal> {
        let Some(local) = self.groups.get(&GroupId(partition.group_id)) else {
            return Ok(());
        };
        let storage = StorageId(table.row.storage_id);
        let (mut lower, upper) = hash_range(storage, partition.first_hash, partition.last_hash);
        while local.handle.leadership().is_some() {
            let started = Instant::now();
            let step = self.expired_items(&lower, &upper, attribute)?;
            let deletions = step.expired.into_iter().map(|key| async move {
                let deleted = self.expire_item(table, partition, key, attribute).await;
                if let Err(refusal) = deleted {
                    // It is still there at the next look.
                    tracing::debug!(?refusal, "an expired item stays for now");
                }
            });
            futures::stream::iter(deletions)
                .buffer_unordered(DELETIONS_AT_ONCE)
                .collect::<()>()
                .await;
            let Some(last) = step.last else { break };
            lower = Bound::Excluded(last);
            sleep(started.elapsed().max(Duration::from_millis(1)) * PAUSE_PER_STEP).await;
        }
        Ok(())
    }

    /// Reads the next items of a partition and names those that have expired.
    fn expired_items(
        &self,
        lower: &Bound<Vec<u8>>,
        upper: &Bound<Vec<u8>>,
        attribute: &str,
    ) -> Result<Step, Refusal> {
        let (lower, upper) = (
            lower.as_ref().map(Vec::as_slice),
            upper.as_ref().map(Vec::as_slice),
        );
        let now = self.now_seconds();
        let mut step = Step::default();
        let mut bytes = 0;
        let items = self
            .engine
            .scan(Keyspace::Items, lower, upper, Direction::Forward);
        for (read, entry) in (1..).zip(items) {
            let (key, value) = entry.map_err(|problem| refuse_storage(&problem))?;
            bytes += value.len();
            let stored = StoredItem::open(value).map_err(|problem| refuse_storage(&problem))?;
            let value = stored
                .attribute(attribute)
                .map_err(|problem| refuse_storage(&problem))?;
            if value.is_some_and(|value| is_expired(&value, now)) {
                step.expired.push(key.clone());
            }
            if read >= STEP_ITEMS || bytes >= STEP_BYTES {
                step.last = Some(key.to_vec());
                break;
            }
        }
        Ok(step)
    }

    /// Deletes one item, as the leader of its group, if it has expired by now.
    async fn expire_item(
        &self,
        table: &Arc<Table>,
        partition: &PartitionRow,
        key: Bytes,
        attribute: &str,
    ) -> Result<(), Refusal> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let local = self.local_group(GroupId(partition.group_id))?;
        let group = &local.handle;
        let latch = self
            .latches
            .lock(&key, deadline)
            .await
            .ok_or(Refusal::NotExecuted)?;
        let leadership = group.leadership().ok_or_else(|| local.not_leader())?;
        let known = self.check_partition(local, leadership, partition)?;
        if self.holder(local, leadership, &key)?.is_some() {
            // A transaction is about to change it.
            return Ok(());
        }
        let led = self.led_partition(table, partition, known)?;
        let current = self
            .engine
            .get(Keyspace::Items, &key)
            .map_err(|problem| refuse_storage(&problem))?
            .map(StoredItem::open)
            .transpose()
            .map_err(|problem| refuse_storage(&problem))?;
        let Some(current) = current else {
            return Ok(());
        };
        let value = current
            .attribute(attribute)
            .map_err(|problem| refuse_storage(&problem))?;
        if !value.is_some_and(|value| is_expired(&value, self.now_seconds())) {
            return Ok(());
        }
        let hlc = group.next_hlc();
        let written = led
            .item_writes(&DecidedChange {
                key: &key,
                old: Some(&current),
                new: None,
                hlc,
                cause: Cause::Ttl,
            })
            .map_err(|problem| refuse_storage(&problem))?;
        // The service pays: nothing is charged to the table.
        let outcome = WriteOutcome {
            attributes: None,
            units: 0.0,
            index_units: Vec::new(),
        };
        let command = LogCommand {
            request_id: RequestId(self.request_id()),
            partition: PartitionId(partition.partition_id),
            epoch: partition.epoch,
            evaluation_term: leadership.term,
            hlc,
            previous_hlc: Some(current.hlc),
            writes: written.writes,
            appends: written.appends,
            change: ChangeKind::Remove,
            cause: Cause::Ttl,
            origin_region: self.identity.founding.region.clone(),
            images: Images::default(),
            outcome: encode(&outcome),
        };
        group.propose_holding(command, deadline, latch).await?;
        self.metrics.expired(&table.row.name);
        Ok(())
    }

    fn now_seconds(&self) -> i64 {
        i64::try_from(self.now_millis() / 1_000).unwrap_or(i64::MAX)
    }
}

/// What one step found.
#[derive(Default)]
struct Step {
    expired: Vec<Bytes>,
    /// Where to go on; `None` at the end.
    last: Option<Vec<u8>>,
}
