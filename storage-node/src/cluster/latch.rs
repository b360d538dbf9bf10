//! One writer per item at a time, on the leader.
//!
//! A latch is taken before the current item is read and held until the outcome of the write is
//! known, so that what a condition saw is what the log entry replaces. Items share latches by hash:
//! no allocation and no map, at the price of a rare wait behind another item's write.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, timeout_at};
use xxhash_rust::xxh3::xxh3_64;

/// Latches of a node. Two of `n` writes in flight share one with probability about `n² / 8192`;
/// at 32 connections one write in 128 waits behind a stranger for one log write. The number is also
/// that of deletion marks per partition and therefore part of the format (see `marks.rs`).
pub const LATCHES: u64 = 4096;

/// Which latch an item key belongs to. Frozen: deletion marks on disk are named by it.
pub fn latch_of(item_key: &[u8]) -> u64 {
    xxh3_64(item_key) % LATCHES
}

/// All latches of a node.
#[derive(Debug)]
pub struct Latches {
    slots: Box<[Arc<Mutex<()>>]>,
}

/// Held while one item is written; handed to the log with the proposal, which drops it when the
/// outcome is settled, however long that takes and whoever is still waiting.
#[derive(Debug)]
pub struct Latch {
    _guard: OwnedMutexGuard<()>,
}

impl Default for Latches {
    fn default() -> Self {
        Self {
            slots: (0..LATCHES).map(|_| Arc::default()).collect(),
        }
    }
}

impl Latches {
    /// Waits for the latch of `item_key`, first come first served. `None` at the deadline.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue and nothing else.
    pub async fn lock(&self, item_key: &[u8], deadline: Instant) -> Option<Latch> {
        let slot = usize::try_from(latch_of(item_key))
            .ok()
            .and_then(|at| self.slots.get(at))?;
        if let Ok(guard) = Arc::clone(slot).try_lock_owned() {
            return Some(Latch { _guard: guard });
        }
        let guard = timeout_at(deadline, Arc::clone(slot).lock_owned())
            .await
            .ok()?;
        Some(Latch { _guard: guard })
    }

    /// Waits for the latches of several items, each once, in an order that all callers share, so
    /// that two of them never wait for each other. `None` at the deadline.
    ///
    /// # Cancel safety
    /// Dropping the future frees what was already held.
    pub async fn lock_all(
        &self,
        item_keys: impl Iterator<Item = &[u8]>,
        deadline: Instant,
    ) -> Option<Vec<Latch>> {
        let by_slot: BTreeMap<u64, &[u8]> = item_keys.map(|key| (latch_of(key), key)).collect();
        let mut latches = Vec::with_capacity(by_slot.len());
        for key in by_slot.into_values() {
            latches.push(self.lock(key, deadline).await?);
        }
        Some(latches)
    }

    /// The latch of `item_key`, if it is free now. Whoever holds one latch takes others only so, or
    /// in an order that all keep.
    pub fn try_lock(&self, item_key: &[u8]) -> Option<Latch> {
        let slot = usize::try_from(latch_of(item_key))
            .ok()
            .and_then(|at| self.slots.get(at))?;
        let guard = Arc::clone(slot).try_lock_owned().ok()?;
        Some(Latch { _guard: guard })
    }

    /// Waits until each latch was free at some moment after the call: whatever held one at the call
    /// is settled. `false` at the deadline.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in a queue and nothing else.
    pub async fn all_were_free(&self, deadline: Instant) -> bool {
        for slot in &self.slots {
            if slot.try_lock().is_ok() {
                continue;
            }
            if timeout_at(deadline, slot.lock()).await.is_err() {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_latch_of_a_key_is_frozen() {
        assert_eq!(LATCHES, 4096);
        assert_eq!(latch_of(b""), 0x2d06_8005_38d3_94c2 % 4096);
    }

    #[tokio::test(start_paused = true)]
    async fn several_items_take_a_shared_latch_once() {
        let latches = Latches::default();
        let deadline = Instant::now() + Duration::from_secs(1);
        let keys: [&[u8]; 3] = [b"b", b"a", b"b"];
        let held = latches.lock_all(keys.into_iter(), deadline).await.unwrap();
        assert_eq!(held.len(), 2);
        assert!(latches.lock(b"a", deadline).await.is_none());
        drop(held);
        assert!(latches.lock(b"a", deadline).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn one_holder_at_a_time_and_a_deadline_for_the_rest() {
        let latches = Latches::default();
        let deadline = Instant::now() + Duration::from_secs(1);
        let held = latches.lock(b"a", deadline).await;
        assert!(held.is_some());
        assert!(latches.lock(b"a", deadline).await.is_none());
        assert!(!latches.all_were_free(deadline).await);
        drop(held);
        assert!(latches.all_were_free(deadline).await);
        assert!(latches.lock(b"a", deadline).await.is_some());
    }
}
