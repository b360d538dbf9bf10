//! Rows of transactions in `Keyspace::System`, part of the replicated state of their groups.
//!
//! ```text
//! key                                          value
//! 0x85 | partition id 8 | item key             LockRow: version 1, postcard
//! 0x86 | group id 4 | record 16                RecordRow: version 1, postcard
//! 0x87 | group id 4 | millis 8 | record 16     version 1: the record may go at that time
//! ```
//! A lock lies in the group of its item, from the preparation to the outcome. A record lies in the
//! group that coordinates; it exists if and only if the transaction was decided to happen.

use std::ops::Bound;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::message::Route;
use super::message::{Attempt, Charge};
use crate::engine::{Direction, EngineError, EngineSnapshot, Keyspace};
use crate::hlc::Hlc;
use crate::replication::{EngineWrite, GroupId};
use crate::table::keys::after_prefix;

const LOCK: u8 = 0x85;
const RECORD: u8 = 0x86;
const DUE: u8 = 0x87;
const ROW_VERSION: u8 = 1;

/// An item that is locked by a transaction whose outcome is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRow {
    /// Who holds it.
    pub attempt: Attempt,
    /// The group that knows the outcome.
    pub coordinator: u32,
    /// When it was locked.
    pub hlc: u64,
    /// Table by name, for the catalog.
    pub table: String,
    /// Where the item lies.
    pub route: Route,
    /// What becomes of the item if the transaction happens.
    pub change: LockedChange,
}

/// What becomes of a locked item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockedChange {
    /// It stays: a check, or a write that changes nothing.
    Nothing,
    /// This is the item, in the encoding of `table::codec`.
    Put(Bytes),
    /// There is no item.
    Remove,
}

/// A transaction that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordRow {
    /// The attempt that succeeded.
    pub attempt: Attempt,
    /// The router's request, whose repetitions get the first answer rather than that of a replay.
    pub request_id: u128,
    /// Hash of the parameters.
    pub fingerprint: u128,
    /// When it happened.
    pub hlc: u64,
    /// The groups with locks of it.
    pub participants: Vec<u32>,
    /// What each action cost.
    pub charges: Vec<Charge>,
    /// Until when a repetition finds it, milliseconds since 1970.
    pub expires_millis: u64,
}

/// The partition of a lock's key.
pub fn lock_prefix(partition_id: u64) -> Vec<u8> {
    let mut key = vec![LOCK];
    key.extend_from_slice(&partition_id.to_be_bytes());
    key
}

/// Key of the lock of an item.
pub fn lock_key(partition_id: u64, item_key: &[u8]) -> Bytes {
    let mut key = lock_prefix(partition_id);
    key.extend_from_slice(item_key);
    Bytes::from(key)
}

/// The write that locks an item, or frees it.
pub fn lock_write(partition_id: u64, item_key: &[u8], row: Option<&LockRow>) -> EngineWrite {
    system(lock_key(partition_id, item_key), row.map(encode))
}

/// Key of a record.
pub fn record_key(group: GroupId, record: u128) -> Bytes {
    let mut key = record_prefix(group);
    key.extend_from_slice(&record.to_be_bytes());
    Bytes::from(key)
}

/// Prefix of a group's records.
pub fn record_prefix(group: GroupId) -> Vec<u8> {
    group_prefix(RECORD, group)
}

/// Prefix of what tells when a group's records may go.
pub fn due_prefix(group: GroupId) -> Vec<u8> {
    group_prefix(DUE, group)
}

/// The writes that decide a transaction.
pub fn record_writes(group: GroupId, row: &RecordRow) -> [EngineWrite; 2] {
    let record = row.attempt.record;
    let version = Some(Bytes::from_static(&[ROW_VERSION]));
    [
        system(record_key(group, record), Some(encode(row))),
        system(due_key(group, row.expires_millis, record), version),
    ]
}

/// The write that forgets a record.
pub fn record_removal(group: GroupId, record: u128) -> EngineWrite {
    system(record_key(group, record), None)
}

/// The write that forgets when a record may go.
pub fn due_removal(group: GroupId, due: Due) -> EngineWrite {
    system(due_key(group, due.millis, due.record), None)
}

/// When a record may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    /// Milliseconds since 1970.
    pub millis: u64,
    /// The record.
    pub record: u128,
}

/// The oldest records of `group` whose time is over, at most `count`.
///
/// # Errors
/// The engine's.
pub fn due_records(
    state: &dyn EngineSnapshot,
    group: GroupId,
    now_millis: u64,
    count: usize,
) -> Result<Vec<Due>, EngineError> {
    let lower = due_prefix(group);
    let upper = due_key(group, now_millis, 0);
    let rows = state.scan(
        Keyspace::System,
        Bound::Included(&lower),
        Bound::Excluded(&upper),
        Direction::Forward,
    );
    rows.take(count)
        .map(|entry| {
            let (key, _) = entry?;
            let rest = key.get(lower.len()..).unwrap_or_default();
            let (millis, record) = rest.split_at_checked(8).unwrap_or_default();
            Ok(Due {
                millis: u64::try_from(big_endian(millis)).unwrap_or(u64::MAX),
                record: big_endian(record),
            })
        })
        .collect()
}

/// The locks of a partition, by item key.
///
/// # Errors
/// The engine's, or a row that cannot be read.
pub fn locks_of(
    state: &dyn EngineSnapshot,
    partition_id: u64,
) -> Result<Vec<(Bytes, LockRow)>, EngineError> {
    let prefix = lock_prefix(partition_id);
    let end = after_prefix(prefix.clone());
    let rows = state.scan(
        Keyspace::System,
        Bound::Included(&prefix),
        Bound::Excluded(&end),
        Direction::Forward,
    );
    rows.map(|entry| {
        let (key, value): (Bytes, Bytes) = entry?;
        Ok((key.slice(prefix.len().min(key.len())..), decode(&value)?))
    })
    .collect()
}

/// Reads a row.
///
/// # Errors
/// A newer version, or bytes that are no such row.
pub fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, EngineError> {
    match value.split_first() {
        Some((&ROW_VERSION, body)) => postcard::from_bytes(body).map_err(|_| corrupt("is damaged")),
        Some(_) => Err(corrupt("was written by a newer release")),
        None => Err(corrupt("is empty")),
    }
}

fn corrupt(how: &str) -> EngineError {
    EngineError::Io(format!("a row of a transaction {how}").into())
}

fn encode<T: Serialize>(row: &T) -> Bytes {
    let encoded = postcard::to_extend(row, vec![ROW_VERSION]);
    assert!(
        encoded.is_ok(),
        "rows hold only types that postcard can write"
    );
    Bytes::from(encoded.unwrap_or_default())
}

fn system(key: Bytes, value: Option<Bytes>) -> EngineWrite {
    EngineWrite {
        keyspace: Keyspace::System,
        key,
        value,
    }
}

fn due_key(group: GroupId, millis: u64, record: u128) -> Bytes {
    let mut key = due_prefix(group);
    key.extend_from_slice(&millis.to_be_bytes());
    key.extend_from_slice(&record.to_be_bytes());
    Bytes::from(key)
}

fn group_prefix(kind: u8, group: GroupId) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(&group.0.to_be_bytes());
    key
}

fn big_endian(bytes: &[u8]) -> u128 {
    bytes.iter().fold(0, |acc, &b| acc << 8 | u128::from(b))
}

/// The commit stamp of a transaction: after all of its locks and not before the coordinator's clock.
pub fn commit_hlc(prepared: impl Iterator<Item = u64>, coordinator: Hlc) -> Hlc {
    prepared.map(Hlc).fold(coordinator, Hlc::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine as _, MemoryEngine, WriteBatch};

    fn attempt(record: u128) -> Attempt {
        Attempt {
            record,
            term: 3,
            number: 9,
        }
    }

    fn write(engine: &MemoryEngine, writes: impl IntoIterator<Item = EngineWrite>) {
        let mut batch = WriteBatch::new();
        for write in writes {
            match write.value {
                Some(value) => batch.put(write.keyspace, write.key, value),
                None => batch.delete(write.keyspace, write.key),
            }
        }
        engine.write(batch).unwrap();
    }

    #[test]
    fn locks_are_found_by_partition_and_item() {
        let engine = MemoryEngine::new();
        let row = LockRow {
            attempt: attempt(1),
            coordinator: 2,
            hlc: 7,
            table: "T".to_owned(),
            route: Route {
                storage_id: 1,
                partition_id: 5,
                group_id: 1,
                epoch: 1,
            },
            change: LockedChange::Remove,
        };
        write(
            &engine,
            [
                lock_write(5, b"b", Some(&row)),
                lock_write(6, b"c", Some(&row)),
            ],
        );
        let held = locks_of(&*engine.snapshot(), 5).unwrap();
        assert_eq!(held, [(Bytes::from_static(b"b"), row)]);
        write(&engine, [lock_write(5, b"b", None)]);
        assert_eq!(locks_of(&*engine.snapshot(), 5).unwrap(), []);
    }

    #[test]
    fn records_are_due_when_their_time_is_over() {
        let engine = MemoryEngine::new();
        let row = |record, expires_millis| RecordRow {
            attempt: attempt(record),
            request_id: 1,
            fingerprint: 2,
            hlc: 3,
            participants: vec![1],
            charges: vec![Charge::default()],
            expires_millis,
        };
        let group = GroupId(4);
        let kept = row(1, 100);
        write(&engine, record_writes(group, &kept));
        write(&engine, record_writes(group, &row(2, 50)));
        write(&engine, record_writes(GroupId(5), &row(3, 50)));
        let state = engine.snapshot();
        let due = due_records(&*state, group, 100, 10).unwrap();
        let second = Due {
            millis: 50,
            record: 2,
        };
        assert_eq!(due, [second], "not before its time, not of another group");
        let value = state.get(Keyspace::System, &record_key(group, 1)).unwrap();
        assert_eq!(decode::<RecordRow>(&value.unwrap()).unwrap(), kept);
        write(
            &engine,
            [record_removal(group, 2), due_removal(group, second)],
        );
        assert_eq!(
            due_records(&*engine.snapshot(), group, 100, 10).unwrap(),
            []
        );
    }

    #[test]
    fn a_row_of_a_newer_release_is_refused() {
        assert!(decode::<RecordRow>(&[9, 1]).is_err());
        assert!(decode::<RecordRow>(&[]).is_err());
        assert!(decode::<LockRow>(&[1, 1]).is_err());
    }

    #[test]
    fn a_transaction_commits_after_all_of_its_locks() {
        assert_eq!(commit_hlc([5, 9, 7].into_iter(), Hlc(8)), Hlc(9));
        assert_eq!(commit_hlc([5].into_iter(), Hlc(8)), Hlc(8));
    }
}
