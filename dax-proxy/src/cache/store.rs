//! Where entries lie: bounded by bytes, the least recently used goes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::key::CacheKey;

/// Bytes that one entry costs beyond its key and value.
///
/// moka keeps for each entry a reference-counted key and value (16 + 32 bytes and 16 + 64), its entry
/// record and queue nodes (about 128), and a slot of a hash table that is at most half empty (16); each
/// `Bytes` has an allocation header. Rounded up, so that the bound holds rather than nearly holds.
pub const ENTRY_OVERHEAD_BYTES: usize = 320;

/// A bounded map. It may forget anything at any time, and nothing in it is needed for correctness.
pub trait Store<V>: Send + Sync {
    /// The value, marked as used.
    fn get(&self, key: &[u8]) -> Option<V>;
    /// Stores or replaces. When it returns, `get` answers this value or nothing, never the one before.
    fn insert(&self, key: CacheKey, value: V);
    /// Forgets one key.
    fn remove(&self, key: &[u8]);
    /// The keys held.
    fn keys(&self) -> Vec<CacheKey>;
    /// How full it is and what it has lost.
    fn usage(&self) -> Usage;
}

/// How full a store is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entries held; approximate.
    pub entries: u64,
    /// Bytes held: keys, values and [`ENTRY_OVERHEAD_BYTES`]; approximate.
    pub bytes: u64,
    /// Bytes evicted for want of room since the start (DAX: `EvictedSize`).
    pub evicted_bytes: u64,
}

/// Bytes on the heap of a value.
pub trait Weigh {
    /// Bytes on the heap.
    fn heap_bytes(&self) -> usize;
}

/// [`Store`] over moka.
///
/// LRU and not moka's default policy, which may refuse a fresh write when full: a value that was just
/// written through must be there. Expiry is ours (the entry knows when it was stored), because time is
/// a parameter here; what has expired and is never asked for again leaves by LRU.
pub struct MokaStore<V: Clone + Send + Sync + 'static> {
    cache: Cache<CacheKey, V, foldhash::fast::RandomState>,
    evicted_bytes: Arc<AtomicU64>,
}

impl<V: Weigh + Clone + Send + Sync + 'static> MokaStore<V> {
    /// A store of at most `capacity_bytes`.
    pub fn new(capacity_bytes: u64) -> Self {
        let evicted_bytes = Arc::new(AtomicU64::new(0));
        let listener = Arc::clone(&evicted_bytes);
        let cache = Cache::builder()
            .max_capacity(capacity_bytes)
            .eviction_policy(EvictionPolicy::lru())
            .weigher(weight)
            .eviction_listener(move |key: Arc<CacheKey>, value: V, cause| {
                if cause == RemovalCause::Size {
                    listener.fetch_add(u64::from(weight(&key, &value)), Ordering::Relaxed);
                }
            })
            // Seeded at random in each process: clients choose the keys.
            .build_with_hasher(foldhash::fast::RandomState::default());
        Self {
            cache,
            evicted_bytes,
        }
    }
}

impl<V: Weigh + Clone + Send + Sync + 'static> Store<V> for MokaStore<V> {
    fn get(&self, key: &[u8]) -> Option<V> {
        self.cache.get(key)
    }

    fn insert(&self, key: CacheKey, value: V) {
        self.cache.insert(key, value);
    }

    fn remove(&self, key: &[u8]) {
        self.cache.invalidate(key);
    }

    fn keys(&self) -> Vec<CacheKey> {
        self.cache.iter().map(|(key, _)| (*key).clone()).collect()
    }

    fn usage(&self) -> Usage {
        // moka counts what it has seen of its own queue; few ask, so it may catch up here.
        self.cache.run_pending_tasks();
        Usage {
            entries: self.cache.entry_count(),
            bytes: self.cache.weighted_size(),
            evicted_bytes: self.evicted_bytes.load(Ordering::Relaxed),
        }
    }
}

fn weight<V: Weigh>(key: &CacheKey, value: &V) -> u32 {
    let bytes = key.as_bytes().len() + value.heap_bytes() + ENTRY_OVERHEAD_BYTES;
    // Nothing near 4 GiB comes here: items end at 400 KiB and pages at 1 MiB of data.
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::TableId;

    #[derive(Clone)]
    struct Blob(usize);

    impl Weigh for Blob {
        fn heap_bytes(&self) -> usize {
            self.0
        }
    }

    fn key(n: u32) -> CacheKey {
        CacheKey::new(TableId::from_text("t"), |out| {
            out.extend_from_slice(&n.to_be_bytes())
        })
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_used_goes_when_it_is_full() {
        let weight = 20 + 1_000 + ENTRY_OVERHEAD_BYTES as u64;
        let store = MokaStore::new(weight * 10);
        for n in 0..10 {
            store.insert(key(n), Blob(1_000));
            store.cache.run_pending_tasks();
        }
        assert!(store.get(key(0).as_bytes()).is_some());
        store.cache.run_pending_tasks();
        store.insert(key(10), Blob(1_000));
        store.cache.run_pending_tasks();

        assert!(
            store.get(key(10).as_bytes()).is_some(),
            "a fresh write is never refused"
        );
        assert!(
            store.get(key(0).as_bytes()).is_some(),
            "it was used after all others"
        );
        assert!(
            store.get(key(1).as_bytes()).is_none(),
            "it was used longest ago"
        );
        assert_eq!(store.usage().entries, 10);
        assert_eq!(store.usage().bytes, weight * 10);
        assert_eq!(store.usage().evicted_bytes, weight);
    }

    #[test]
    fn a_replaced_value_is_never_seen_again() {
        let store = MokaStore::new(10_000);
        store.insert(key(1), Blob(1));
        // Heavier than the whole store: the old value goes all the same.
        store.insert(key(1), Blob(1_000_000));
        assert!(
            store
                .get(key(1).as_bytes())
                .is_none_or(|blob| blob.0 == 1_000_000)
        );
        store.cache.run_pending_tasks();
        assert!(store.get(key(1).as_bytes()).is_none());
    }
}
