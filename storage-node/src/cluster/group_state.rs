//! What a data group keeps about its own partitions, beside the items: partition rows and deletion
//! marks, in `Keyspace::System`.
//!
//! ```text
//! key                                         value
//! 0x80 | partition id 8 | latch 2             deletion mark: version 1, HLC 8
//! 0x81 | group id 4 | partition id 8          PartitionStateRow (see catalog/rows.rs)
//! 0x82 | group id 4 | partition id 8          retired: version 1
//! 0x83 | partition id 8 | source 8            delivery mark: version 1, ChangePosition
//! 0x88 | partition id 8 | index 8             BackfillRow (see backfill.rs)
//! ```
//! A partition row comes with the first write to the partition. A retirement has a key of its own,
//! so that a first write which is logged after it cannot undo it; it is kept for ever.
//!
//! A *deletion mark* holds the HLC of the newest deletion among the items of one partition that
//! share a latch. An absent item was therefore last deleted at or before its mark: what a
//! timestamp-ordered transaction has to know of items that are not there, without a tombstone per
//! item. Being written under the latch that names it, a mark never runs backwards.
//!
//! A *delivery mark* says up to where a partition of a global index has taken the changes of one
//! partition of its table (see `delivery.rs`).
//!
//! All of it is part of the group's replicated state: [`GroupRanges`] derives from the partition
//! rows which keys a snapshot of the group carries.

use std::ops::Bound;

use bytes::Bytes;

use super::catalog::rows::{PartitionRow, PartitionStateRow, ReadersRow, Row as _};
use super::latch::latch_of;
use super::transaction::rows::{due_prefix, lock_prefix, record_prefix};
use crate::engine::{Direction, Engine, EngineError, EngineSnapshot, Keyspace};
use crate::hlc::Hlc;
use crate::replication::{EngineWrite, GroupData, GroupId, OwnedRange};
use crate::table::change_log::{
    ChangePosition, mark_prefix as shard_mark_prefix, outbox_prefix, position_in, stream_prefix,
    trimmed_key,
};
use crate::table::keys::{StorageId, after_prefix, hash_range};

const DELETION_MARK: u8 = 0x80;
const PARTITION_STATE: u8 = 0x81;
const RETIRED: u8 = 0x82;
const DELIVERY_MARK: u8 = 0x83;
const BACKFILL: u8 = 0x88;
const MARK_VERSION: u8 = 1;

/// The write that raises the deletion mark of `item_key` to `hlc`.
pub fn deletion_mark(partition_id: u64, item_key: &[u8], hlc: Hlc) -> EngineWrite {
    let latch = u16::try_from(latch_of(item_key)).unwrap_or(u16::MAX);
    let mut key = mark_prefix(partition_id);
    key.extend_from_slice(&latch.to_be_bytes());
    let mut value = vec![MARK_VERSION];
    value.extend_from_slice(&hlc.0.to_be_bytes());
    EngineWrite {
        keyspace: Keyspace::System,
        key: key.into(),
        value: Some(value.into()),
    }
}

/// The newest deletion among the absent items of a partition that share a latch with `item_key`.
///
/// # Errors
/// The engine's.
pub fn deletion_mark_of(
    state: &dyn EngineSnapshot,
    partition_id: u64,
    item_key: &[u8],
) -> Result<Hlc, EngineError> {
    let key = deletion_mark(partition_id, item_key, Hlc::ZERO).key;
    let mark = state.get(Keyspace::System, &key)?;
    let stamp = mark
        .as_deref()
        .and_then(|mark| mark.get(1..))
        .unwrap_or_default();
    Ok(Hlc(stamp.iter().fold(0, |acc, &b| acc << 8 | u64::from(b))))
}

/// Whether `write` sets a deletion mark, which must never run backwards.
pub fn is_deletion_mark(write: &EngineWrite) -> bool {
    write.keyspace == Keyspace::System && write.key.first() == Some(&DELETION_MARK)
}

/// The write that makes `partition` known to its group, or gives it other readers.
pub fn partition_opened(
    partition: &PartitionRow,
    storage_id: u64,
    local_indexes: Vec<u64>,
    readers: &ReadersRow,
) -> EngineWrite {
    let row = PartitionStateRow {
        storage_id,
        first_hash: partition.first_hash,
        last_hash: partition.last_hash,
        epoch: partition.epoch,
        local_indexes,
        readers: readers.clone(),
    };
    let key = partition_key(PARTITION_STATE, partition);
    EngineWrite {
        keyspace: Keyspace::System,
        key,
        value: Some(row.encode()),
    }
}

/// The write that forgets a purged partition, whose retirement stays.
pub fn partition_forgotten(partition: &PartitionRow) -> EngineWrite {
    let key = partition_key(PARTITION_STATE, partition);
    EngineWrite {
        keyspace: Keyspace::System,
        key,
        value: None,
    }
}

/// The write that closes `partition` for ever.
pub fn partition_retired(partition: &PartitionRow) -> EngineWrite {
    let key = partition_key(RETIRED, partition);
    let value = Some(Bytes::from_static(&[MARK_VERSION]));
    EngineWrite {
        keyspace: Keyspace::System,
        key,
        value,
    }
}

fn partition_key(kind: u8, partition: &PartitionRow) -> Bytes {
    let mut key = group_prefix(kind, GroupId(partition.group_id));
    key.extend_from_slice(&partition.partition_id.to_be_bytes());
    Bytes::from(key)
}

/// Prefix of a partition's deletion marks.
pub fn mark_prefix(partition_id: u64) -> Vec<u8> {
    let mut key = vec![DELETION_MARK];
    key.extend_from_slice(&partition_id.to_be_bytes());
    key
}

/// Prefix of the delivery marks of a partition of a global index.
pub fn delivery_mark_prefix(partition_id: u64) -> Vec<u8> {
    let mut key = vec![DELIVERY_MARK];
    key.extend_from_slice(&partition_id.to_be_bytes());
    key
}

/// Key of the mark up to which `partition_id` of an index has taken the changes of `source`.
pub fn delivery_mark_key(partition_id: u64, source: u64) -> Bytes {
    let mut key = delivery_mark_prefix(partition_id);
    key.extend_from_slice(&source.to_be_bytes());
    Bytes::from(key)
}

/// The write of a delivery mark.
pub fn delivery_mark(partition_id: u64, source: u64, position: ChangePosition) -> EngineWrite {
    let mut value = vec![MARK_VERSION];
    value.extend_from_slice(&position.epoch.to_be_bytes());
    value.extend_from_slice(&position.log_index.to_be_bytes());
    value.extend_from_slice(&position.number.to_be_bytes());
    EngineWrite {
        keyspace: Keyspace::System,
        key: delivery_mark_key(partition_id, source),
        value: Some(value.into()),
    }
}

/// The delivery mark under `key`, if there is one.
///
/// # Errors
/// The engine's, or a mark that cannot be read.
pub fn read_delivery_mark(
    engine: &dyn Engine,
    key: &[u8],
) -> Result<Option<ChangePosition>, EngineError> {
    let Some(value) = engine.get(Keyspace::System, key)? else {
        return Ok(None);
    };
    let position = value.strip_prefix(&[MARK_VERSION]).and_then(position_in);
    position
        .map(Some)
        .ok_or_else(|| EngineError::Io("a delivery mark is damaged".into()))
}

/// Prefix of what a partition keeps of backfills of its table's indexes.
pub fn backfill_prefix(partition_id: u64) -> Vec<u8> {
    let mut key = vec![BACKFILL];
    key.extend_from_slice(&partition_id.to_be_bytes());
    key
}

/// Key of what a partition keeps of the backfill of one index.
pub fn backfill_key(partition_id: u64, index: u64) -> Bytes {
    let mut key = backfill_prefix(partition_id);
    key.extend_from_slice(&index.to_be_bytes());
    Bytes::from(key)
}

fn group_prefix(kind: u8, group: GroupId) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&group.0.to_be_bytes());
    key
}

/// What the group of `partition` knows of it; `None` before its first write.
///
/// # Errors
/// The engine's, or a row that cannot be read.
pub fn partition_state(
    state: &dyn EngineSnapshot,
    partition: &PartitionRow,
) -> Result<Option<PartitionStateRow>, EngineError> {
    let key = partition_key(PARTITION_STATE, partition);
    state
        .get(Keyspace::System, &key)?
        .map(|value| PartitionStateRow::decode(&value))
        .transpose()
        .map_err(|problem| EngineError::Io(Box::new(problem)))
}

/// Prefixes in the changes keyspace of what streams keep of a partition.
#[must_use]
pub fn stream_prefixes(partition_id: u64) -> [Vec<u8>; 3] {
    [
        stream_prefix(partition_id),
        shard_mark_prefix(partition_id),
        trimmed_key(partition_id),
    ]
}

/// The partitions that `group` knows by its own state, with their ids.
///
/// # Errors
/// The engine's, or a row that cannot be read.
pub fn partitions_of(
    state: &dyn EngineSnapshot,
    group: GroupId,
) -> Result<Vec<(u64, PartitionStateRow)>, EngineError> {
    rows_of(state, PARTITION_STATE, group)?
        .into_iter()
        .map(|(id, value)| match PartitionStateRow::decode(&value) {
            Ok(row) => Ok((id, row)),
            Err(problem) => Err(EngineError::Io(Box::new(problem))),
        })
        .collect()
}

/// A partition that `group` holds and has not retired, by its own state.
///
/// # Errors
/// The engine's, or a row that cannot be read.
pub fn open_partition(
    engine: &dyn Engine,
    group: GroupId,
    partition_id: u64,
) -> Result<Option<PartitionRow>, EngineError> {
    let key = |kind| {
        let mut key = group_prefix(kind, group);
        key.extend_from_slice(&partition_id.to_be_bytes());
        key
    };
    if engine.get(Keyspace::System, &key(RETIRED))?.is_some() {
        return Ok(None);
    }
    let Some(row) = engine.get(Keyspace::System, &key(PARTITION_STATE))? else {
        return Ok(None);
    };
    let row =
        PartitionStateRow::decode(&row).map_err(|problem| EngineError::Io(Box::new(problem)))?;
    Ok(Some(PartitionRow {
        partition_id,
        first_hash: row.first_hash,
        last_hash: row.last_hash,
        group_id: group.0,
        epoch: row.epoch,
    }))
}

/// The partitions that `group` has retired.
///
/// # Errors
/// The engine's.
pub fn retired_of(state: &dyn EngineSnapshot, group: GroupId) -> Result<Vec<u64>, EngineError> {
    Ok(rows_of(state, RETIRED, group)?
        .into_iter()
        .map(|(id, _)| id)
        .collect())
}

fn rows_of(
    state: &dyn EngineSnapshot,
    kind: u8,
    group: GroupId,
) -> Result<Vec<(u64, Bytes)>, EngineError> {
    let prefix = group_prefix(kind, group);
    let end = after_prefix(prefix.clone());
    let rows = state.scan(
        Keyspace::System,
        Bound::Included(&prefix),
        Bound::Excluded(&end),
        Direction::Forward,
    );
    rows.map(|entry| {
        let (key, value): (Bytes, Bytes) = entry?;
        let id = key.get(prefix.len()..).unwrap_or_default();
        Ok((id.iter().fold(0, |acc, &b| acc << 8 | u64::from(b)), value))
    })
    .collect()
}

/// Which keys belong to a group, for its snapshots.
#[derive(Debug, Clone, Copy, Default)]
pub struct GroupRanges;

impl GroupData for GroupRanges {
    fn ranges(
        &self,
        state: &dyn EngineSnapshot,
        group: GroupId,
    ) -> Result<Vec<OwnedRange>, EngineError> {
        let prefix_range = |keyspace, prefix: Vec<u8>| {
            let end = after_prefix(prefix.clone());
            (keyspace, Bound::Included(prefix), Bound::Excluded(end))
        };
        let mut ranges = vec![
            prefix_range(Keyspace::System, group_prefix(PARTITION_STATE, group)),
            prefix_range(Keyspace::System, group_prefix(RETIRED, group)),
            prefix_range(Keyspace::System, record_prefix(group)),
            prefix_range(Keyspace::System, due_prefix(group)),
        ];
        if group.0 == 0 {
            ranges.push((Keyspace::Catalog, Bound::Unbounded, Bound::Unbounded));
        }
        for (partition_id, row) in partitions_of(state, group)? {
            for storage_id in std::iter::once(row.storage_id).chain(row.local_indexes) {
                let (lower, upper) =
                    hash_range(StorageId(storage_id), row.first_hash, row.last_hash);
                ranges.push((Keyspace::Items, lower, upper));
            }
            ranges.push(prefix_range(Keyspace::Changes, outbox_prefix(partition_id)));
            for prefix in stream_prefixes(partition_id) {
                ranges.push(prefix_range(Keyspace::Changes, prefix));
            }
            for prefix in [
                mark_prefix(partition_id),
                lock_prefix(partition_id),
                delivery_mark_prefix(partition_id),
                backfill_prefix(partition_id),
            ] {
                ranges.push(prefix_range(Keyspace::System, prefix));
            }
        }
        Ok(ranges)
    }
}
