//! The locks of a group as its leader holds them in memory, so that a write of one item need not
//! ask the engine whether a transaction has its item.
//!
//! The copy is made once for each term of leadership and follows the engine: whoever changes locks
//! holds the latches of their items, and hands both to the log as a [`LockGuard`], which takes over
//! what the engine then has before the latches are free. So under an item's latch the copy is right.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::super::group_state::{partitions_of, retired_of};
use super::super::latch::Latch;
use super::message::Attempt;
use super::rows::{LockRow, decode, lock_key, locks_of};
use crate::engine::{Engine, EngineError, Keyspace};
use crate::replication::GroupId;

/// The locks of one group on one node.
#[derive(Debug, Default)]
pub(in super::super) struct GroupLocks {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The term for which the rest was read; leaders' terms are never 0.
    term: u64,
    by_item: BTreeMap<Bytes, Holder>,
}

/// Who holds an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Holder {
    /// The item's partition.
    pub(in super::super) partition_id: u64,
    /// The attempt.
    pub(in super::super) attempt: Attempt,
    /// The group that knows the outcome.
    pub(in super::super) coordinator: u32,
    /// When it was locked.
    pub(in super::super) hlc: u64,
}

impl Holder {
    fn of(partition_id: u64, row: &LockRow) -> Self {
        Self {
            partition_id,
            attempt: row.attempt,
            coordinator: row.coordinator,
            hlc: row.hlc,
        }
    }
}

impl GroupLocks {
    /// Who holds the item of `key`, for the leader of `term` under the item's latch.
    pub(in super::super) fn holder(
        &self,
        engine: &dyn Engine,
        group: GroupId,
        term: u64,
        key: &[u8],
    ) -> Result<Option<Holder>, EngineError> {
        let mut held = self.held.lock();
        held.load(engine, group, term)?;
        Ok(held.by_item.get(key).copied())
    }

    /// The locks that `wanted` picks, by item key.
    pub(super) fn those(
        &self,
        engine: &dyn Engine,
        group: GroupId,
        term: u64,
        wanted: impl Fn(&Holder) -> bool,
    ) -> Result<Vec<(Bytes, Holder)>, EngineError> {
        let mut held = self.held.lock();
        held.load(engine, group, term)?;
        let locks = held.by_item.iter().filter(|(_, holder)| wanted(holder));
        Ok(locks.map(|(key, holder)| (key.clone(), *holder)).collect())
    }

    /// Takes over what the engine has for an item whose latch the caller holds.
    fn follow(&self, engine: &dyn Engine, partition_id: u64, key: &Bytes) {
        let row = engine
            .get(Keyspace::System, &lock_key(partition_id, key))
            .and_then(|value| value.map(|value| decode::<LockRow>(&value)).transpose());
        let mut held = self.held.lock();
        match row {
            Ok(Some(row)) => {
                held.by_item
                    .insert(key.clone(), Holder::of(partition_id, &row));
            }
            Ok(None) => {
                held.by_item.remove(key);
            }
            Err(problem) => {
                // The next leader reads all locks anew and fails on the same; until then this one
                // goes by what it knew.
                tracing::error!(%problem, "a lock cannot be read");
            }
        }
    }

    /// Forgets the lock of an item whose partition is closed for ever.
    pub(super) fn forget(&self, key: &[u8]) {
        self.held.lock().by_item.remove(key);
    }
}

impl Held {
    fn load(&mut self, engine: &dyn Engine, group: GroupId, term: u64) -> Result<(), EngineError> {
        if term <= self.term {
            return Ok(());
        }
        let state = engine.snapshot();
        let retired = retired_of(&*state, group)?;
        self.by_item.clear();
        for (partition_id, _) in partitions_of(&*state, group)? {
            if retired.contains(&partition_id) {
                continue;
            }
            for (key, row) in locks_of(&*state, partition_id)? {
                self.by_item.insert(key, Holder::of(partition_id, &row));
            }
        }
        self.term = term;
        Ok(())
    }
}

/// Latches of items whose locks are about to change. Goes to the log with the proposal.
pub(super) struct LockGuard {
    pub(super) locks: Arc<GroupLocks>,
    pub(super) engine: Arc<dyn Engine>,
    /// Partition and key of each item.
    pub(super) items: Vec<(u64, Bytes)>,
    /// Dropped after what `Drop` does.
    pub(super) latches: Vec<Latch>,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        for (partition_id, key) in &self.items {
            self.locks.follow(&*self.engine, *partition_id, key);
        }
        self.latches.clear();
    }
}

/// Whether `asking` may take an item that `holder` has locked: only an older attempt of the same
/// request gives way, which surely never happens, because its coordinator has been replaced or has
/// given it up.
pub(super) fn gives_way(holder: Attempt, asking: Attempt) -> bool {
    holder.record == asking.record && holder <= asking
}

#[cfg(test)]
mod tests {
    use super::super::super::message::Route;
    use super::super::rows::{LockedChange, lock_write};
    use super::*;
    use crate::engine::{MemoryEngine, WriteBatch};

    fn attempt(record: u128, term: u64, number: u64) -> Attempt {
        Attempt {
            record,
            term,
            number,
        }
    }

    #[test]
    fn only_an_older_attempt_of_the_same_request_gives_way() {
        let asking = attempt(1, 5, 10);
        assert!(gives_way(attempt(1, 4, 99), asking));
        assert!(gives_way(attempt(1, 5, 9), asking));
        assert!(gives_way(asking, asking), "a repetition of the message");
        assert!(!gives_way(attempt(1, 5, 11), asking));
        assert!(!gives_way(attempt(1, 6, 1), asking));
        assert!(!gives_way(attempt(2, 1, 1), asking));
    }

    #[test]
    fn the_copy_follows_the_engine_when_the_latches_are_freed() {
        let engine: Arc<dyn Engine> = Arc::new(MemoryEngine::new());
        let locks = Arc::new(GroupLocks::default());
        let group = GroupId(1);
        let key = Bytes::from_static(b"item");
        let holder = || locks.holder(&*engine, group, 1, &key).unwrap();
        assert_eq!(holder(), None);
        let guard = |items| LockGuard {
            locks: Arc::clone(&locks),
            engine: Arc::clone(&engine),
            items,
            latches: Vec::new(),
        };
        let row = LockRow {
            attempt: attempt(1, 1, 1),
            coordinator: 2,
            hlc: 3,
            table: "T".to_owned(),
            route: Route {
                storage_id: 1,
                partition_id: 9,
                group_id: 1,
                epoch: 1,
            },
            change: LockedChange::Nothing,
        };
        for (row, expected) in [(Some(&row), Some(row.attempt)), (None, None)] {
            let guard = guard(vec![(9, key.clone())]);
            let write = lock_write(9, &key, row);
            let mut batch = WriteBatch::new();
            match write.value {
                Some(value) => batch.put(write.keyspace, write.key, value),
                None => batch.delete(write.keyspace, write.key),
            }
            engine.write(batch).unwrap();
            drop(guard);
            assert_eq!(holder().map(|holder| holder.attempt), expected);
        }
    }
}
