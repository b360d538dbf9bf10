//! Removing the data of deleted tables and indexes: their partitions are closed for ever, each in its own
//! group, then emptied batch by batch.
//!
//! The leader of the meta group drives it from the catalog's rows; every step may be repeated.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use tokio::time::Instant;

use super::background::again;
use super::catalog::rows::{
    DroppedRow, GlobalIndexRow, LastChange, PartitionRow, ReadersRow, StreamRow, TableRow,
    TableStatusRow, dropped_key, table_key,
};
use super::control::{Change, catalog_write};
use super::group_state::{
    backfill_prefix, delivery_mark_prefix, mark_prefix, partition_forgotten, partition_retired,
    stream_prefixes,
};
use super::guard::Known;
use super::message::{DataAnswer, DataRequest, Refusal};
use super::route::{Routed, refuse_storage};
use super::transaction::rows::lock_prefix;
use super::{Cluster, REQUEST_TIMEOUT};
use crate::engine::{Direction, Keyspace};
use crate::replication::{EngineWrite, GroupId, RequestId};
use crate::table::change_log::outbox_prefix;
use crate::table::keys::{StorageId, after_prefix, hash_range};

/// Keys removed by one log entry: 500 keys of at most 8 KiB stay well below any entry limit.
const PURGE_KEYS_MAX: usize = 500;

impl Cluster {
    /// Closes every partition of a deleted table in its own group, then frees the name.
    pub(super) async fn close_table(&self, row: &TableRow) -> Result<(), Refusal> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let of_indexes = row
            .global_indexes
            .iter()
            .flat_map(|index| &index.partitions);
        self.retire(row.partitions.iter().chain(of_indexes), deadline)
            .await?;
        let (name, storage_id) = (row.name.clone(), row.storage_id);
        let freed = name.clone();
        let (now, horizon) = (self.now_millis(), self.stream_horizon_millis());
        self.change_catalog(RequestId(self.request_id()), deadline, move |state, _| {
            let table = state.tables.get(name.as_str()).filter(|table| {
                table.row.storage_id == storage_id && table.row.status == TableStatusRow::Deleting
            });
            let Some(table) = table else {
                return Ok(Change::default());
            };
            let dropped = dropped_row(&table.row, now, horizon);
            let row = EngineWrite {
                keyspace: Keyspace::Catalog,
                key: table_key(&name),
                value: None,
            };
            let indexes = table.row.global_indexes.iter();
            let indexes = indexes.map(|index| dropped_index(&name, index));
            Ok(Change {
                writes: [row, catalog_write(dropped_key(storage_id), &dropped)]
                    .into_iter()
                    .chain(indexes)
                    .collect(),
                last_change: LastChange::Table(name.clone()),
                answer: Bytes::new(),
            })
        })
        .await?;
        tracing::info!(
            table = freed,
            storage_id,
            "table deleted, its data is being removed"
        );
        Ok(())
    }

    /// Closes partitions for ever, each in its own group.
    pub(super) async fn retire(
        &self,
        partitions: impl Iterator<Item = &PartitionRow>,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let mut by_group: BTreeMap<u32, Vec<PartitionRow>> = BTreeMap::new();
        for partition in partitions {
            by_group
                .entry(partition.group_id)
                .or_default()
                .push(partition.clone());
        }
        for partitions in by_group.into_values() {
            self.route(&Retire { partitions }, deadline)
                .await
                .map_err(again)?;
        }
        Ok(())
    }

    /// Removes the items of a dropped table, batch by batch, and what its streams keep once nobody
    /// may read it any more, then its row.
    pub(super) async fn remove_data(&self, dropped: &DroppedRow) -> Result<(), Refusal> {
        let keep_streams = dropped.has_streams(self.stream_horizon_millis());
        if keep_streams && dropped.only_streams_left {
            return Ok(());
        }
        for partition in &dropped.partitions {
            let purge = Purge {
                storage_id: dropped.storage_id,
                partition: partition.clone(),
                local_indexes: dropped.local_indexes.clone(),
                keep_streams,
            };
            let token = self.tasks.token();
            loop {
                let deadline = Instant::now() + REQUEST_TIMEOUT;
                let more = self.route(&purge, deadline).await.map_err(again)?;
                if token.is_cancelled() {
                    return Ok(());
                }
                if !more {
                    break;
                }
            }
        }
        let storage_id = dropped.storage_id;
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        self.change_catalog(RequestId(self.request_id()), deadline, move |state, _| {
            let Some(dropped) = state.dropped.get(&storage_id) else {
                return Ok(Change::default());
            };
            let key = dropped_key(storage_id);
            let write = if keep_streams {
                let row = DroppedRow {
                    only_streams_left: true,
                    ..dropped.clone()
                };
                catalog_write(key, &row)
            } else {
                EngineWrite {
                    keyspace: Keyspace::Catalog,
                    key,
                    value: None,
                }
            };
            Ok(Change {
                writes: vec![write],
                last_change: LastChange::Dropped,
                answer: Bytes::new(),
            })
        })
        .await?;
        tracing::info!(
            table = dropped.name,
            storage_id,
            keep_streams,
            "the data of a deleted table is removed"
        );
        Ok(())
    }

    /// Closes partitions of one group for ever, as its leader.
    pub(super) async fn retire_as_leader(
        &self,
        partitions: &[PartitionRow],
    ) -> Result<(), Refusal> {
        let Some(first) = partitions.first() else {
            return Ok(());
        };
        let group = GroupId(first.group_id);
        let local = self.local_group(group)?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let ids = partitions.iter().map(|partition| partition.partition_id);
        local
            .guard
            .retire(&*self.engine, group, leadership.term, ids)
            .map_err(|problem| refuse_storage(&problem))?;
        // What was evaluated before is settled first, so that the streams end after all of it.
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        if !self.latches.all_were_free(deadline).await {
            return Err(Refusal::NotExecuted);
        }
        let nobody = ReadersRow {
            catalog_version: u64::MAX,
            ..ReadersRow::default()
        };
        let appends = self.marks_after(partitions, &nobody)?;
        let writes = partitions.iter().map(partition_retired).collect();
        self.propose_own(local, leadership, first, writes, appends)
            .await
    }

    /// Removes a bounded batch of a retired partition, as the leader of its group; says whether
    /// anything is left.
    pub(super) async fn purge_as_leader(
        &self,
        storage_id: u64,
        partition: &PartitionRow,
        local_indexes: &[u64],
        keep_streams: bool,
    ) -> Result<bool, Refusal> {
        let group = GroupId(partition.group_id);
        let local = self.local_group(group)?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let known = local
            .guard
            .known(
                &*self.engine,
                group,
                leadership.term,
                partition.partition_id,
            )
            .map_err(|problem| refuse_storage(&problem))?;
        if known != Known::Retired {
            return Err(Refusal::NotExecuted);
        }
        let mut writes = Vec::new();
        let ranges = owned_ranges(storage_id, local_indexes, partition, keep_streams);
        for (keyspace, lower, upper) in ranges {
            writes = self.removals(keyspace, lower, upper)?;
            if !writes.is_empty() {
                break;
            }
        }
        let more = !writes.is_empty();
        if !more {
            // While streams keep something, the row tells that it belongs to the group.
            if keep_streams {
                return Ok(false);
            }
            writes.push(partition_forgotten(partition));
        }
        self.propose_own(local, leadership, partition, writes, Vec::new())
            .await?;
        Ok(more)
    }

    fn removals(
        &self,
        keyspace: Keyspace,
        lower: Bound<Vec<u8>>,
        upper: Bound<Vec<u8>>,
    ) -> Result<Vec<EngineWrite>, Refusal> {
        let (lower, upper) = (
            lower.as_ref().map(Vec::as_slice),
            upper.as_ref().map(Vec::as_slice),
        );
        self.engine
            .scan(keyspace, lower, upper, Direction::Forward)
            .take(PURGE_KEYS_MAX)
            .map(|entry| {
                entry.map(|(key, _)| EngineWrite {
                    keyspace,
                    key,
                    value: None,
                })
            })
            .collect::<Result<_, _>>()
            .map_err(|problem| refuse_storage(&problem))
    }
}

/// Everything that a partition of a dropped table has on disk, without what its streams keep if that
/// is to stay.
fn owned_ranges(
    storage_id: u64,
    local_indexes: &[u64],
    partition: &PartitionRow,
    keep_streams: bool,
) -> Vec<crate::replication::OwnedRange> {
    let id = partition.partition_id;
    let items = std::iter::once(&storage_id)
        .chain(local_indexes)
        .map(|storage_id| {
            let (first, last) = (partition.first_hash, partition.last_hash);
            let (lower, upper) = hash_range(StorageId(*storage_id), first, last);
            (Keyspace::Items, lower, upper)
        });
    let streams = stream_prefixes(id)
        .into_iter()
        .filter(|_| !keep_streams)
        .map(|prefix| (Keyspace::Changes, prefix));
    let prefixes = [
        (Keyspace::System, mark_prefix(id)),
        (Keyspace::System, lock_prefix(id)),
        (Keyspace::System, delivery_mark_prefix(id)),
        (Keyspace::System, backfill_prefix(id)),
        (Keyspace::Changes, outbox_prefix(id)),
    ];
    items
        .chain(
            prefixes
                .into_iter()
                .chain(streams)
                .map(|(keyspace, prefix)| {
                    let end = after_prefix(prefix.clone());
                    (keyspace, Bound::Included(prefix), Bound::Excluded(end))
                }),
        )
        .collect()
}

/// What is left of a table that was deleted at `now_millis`.
fn dropped_row(row: &TableRow, now_millis: u64, horizon_millis: u64) -> DroppedRow {
    let streams = row
        .streams
        .iter()
        .filter(|stream| stream.is_readable(horizon_millis))
        .map(|stream| StreamRow {
            disabled_millis: stream.disabled_millis.or(Some(now_millis)),
            ..stream.clone()
        })
        .collect();
    DroppedRow {
        name: row.name.clone(),
        storage_id: row.storage_id,
        partitions: row.partitions.clone(),
        local_indexes: local_index_ids(row),
        partition_key: Some(row.partition_key.clone()),
        sort_key: row.sort_key.clone(),
        streams,
        only_streams_left: false,
    }
}

/// The write that has the entries of a global index removed, whose partitions are closed.
pub(super) fn dropped_index(table: &str, index: &GlobalIndexRow) -> EngineWrite {
    let row = DroppedRow {
        name: format!("{table}/index/{}", index.name),
        storage_id: index.storage_id,
        partitions: index.partitions.clone(),
        local_indexes: Vec::new(),
        partition_key: None,
        sort_key: None,
        streams: Vec::new(),
        only_streams_left: false,
    };
    catalog_write(dropped_key(index.storage_id), &row)
}

fn local_index_ids(row: &TableRow) -> Vec<u64> {
    row.local_indexes
        .iter()
        .map(|index| index.storage_id)
        .collect()
}

struct Retire {
    partitions: Vec<PartitionRow>,
}

impl Routed for Retire {
    type Output = ();

    fn group(&self) -> GroupId {
        GroupId(
            self.partitions
                .first()
                .map_or(0, |partition| partition.group_id),
        )
    }

    async fn local(&self, cluster: &Cluster, _deadline: Instant) -> Result<(), Refusal> {
        cluster.retire_as_leader(&self.partitions).await
    }

    fn request(&self, _deadline_millis: u32) -> DataRequest {
        DataRequest::Retire {
            partitions: self.partitions.clone(),
        }
    }

    fn output(&self, answer: DataAnswer) -> Option<()> {
        matches!(answer, DataAnswer::Done).then_some(())
    }
}

struct Purge {
    storage_id: u64,
    partition: PartitionRow,
    local_indexes: Vec<u64>,
    keep_streams: bool,
}

impl Routed for Purge {
    type Output = bool;

    fn group(&self) -> GroupId {
        GroupId(self.partition.group_id)
    }

    async fn local(&self, cluster: &Cluster, _deadline: Instant) -> Result<bool, Refusal> {
        cluster
            .purge_as_leader(
                self.storage_id,
                &self.partition,
                &self.local_indexes,
                self.keep_streams,
            )
            .await
    }

    fn request(&self, _deadline_millis: u32) -> DataRequest {
        DataRequest::Purge {
            storage_id: self.storage_id,
            partition: self.partition.clone(),
            local_indexes: self.local_indexes.clone(),
            keep_streams: self.keep_streams,
        }
    }

    fn output(&self, answer: DataAnswer) -> Option<bool> {
        match answer {
            DataAnswer::Purged { more } => Some(more),
            _ => None,
        }
    }
}
