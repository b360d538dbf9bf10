//! The item cache: a store of entries, and the fences beside it.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::entry::CachedItem;
use super::fences::{Fences, FillBegin, FillFence, WriteEnd, WriteVerdict};
use super::generations::TableHandle;
use super::key::CacheKey;
use super::store::{Store, Usage, Weigh};

/// Locks that the fences are spread over: at 32 busy threads two rarely meet.
const SHARDS: usize = 64;

/// What a fill brings: the item, or why there is none (`E`, shared by all who wait).
pub type FillResult<E> = Result<CachedItem, E>;

/// What a joined fill will bring.
pub type Flight<E> = watch::Receiver<Option<FillResult<E>>>;

/// An item with the moment it was stored and the generation of its table then.
#[derive(Clone, Debug)]
pub struct StoredItem {
    item: CachedItem,
    stored_at: Instant,
    generation: u64,
}

impl Weigh for StoredItem {
    fn heap_bytes(&self) -> usize {
        self.item.heap_bytes()
    }
}

/// Who is told what writes do to the cache.
pub trait Observer: Send + Sync {
    /// The entry of `key` is now this item, or has been dropped. Called in the critical section that has decided so, hence
    /// in the order of what happens to each key; it must not wait.
    fn changed(&self, key: &CacheKey, item: Option<&CachedItem>, now: Instant);
}

/// Whole items by primary key. `E` is a failed fill's answer.
pub struct ItemCache<E> {
    /// Other nodes, if there are any.
    observer: Option<Arc<dyn Observer>>,
    store: Box<dyn Store<StoredItem>>,
    /// `None`: entries do not end by time (`--item-ttl-millis 0`).
    ttl: Option<Duration>,
    /// Fences and fills in flight: bounded by the requests in flight, never evicted.
    shards: Box<[Mutex<Fences<Flight<E>>>]>,
    hasher: RandomState,
}

/// What a reader that missed does next.
pub enum FillStart<E: Clone> {
    /// It was stored in the meantime.
    Hit(CachedItem),
    /// Fetch it and finish the ticket.
    Lead(FillTicket<E>),
    /// Wait for the one who fetches it: see [`joined`].
    Join(Flight<E>),
}

/// How a write of one key went.
#[derive(Clone, Debug)]
pub enum WriteOutcome {
    /// Acknowledged; the item is now this.
    Image(CachedItem),
    /// Acknowledged; what the item is now is not known here.
    NoImage,
    /// The store refused it and surely wrote nothing.
    NotExecuted,
    /// It may have happened.
    Unknown,
}

impl<E: Clone> ItemCache<E> {
    /// An empty cache over `store`.
    pub fn new(store: Box<dyn Store<StoredItem>>, ttl: Option<Duration>) -> Arc<Self> {
        Self::observed(store, ttl, None)
    }

    /// An empty cache over `store` that tells `observer` of writes.
    pub fn observed(
        store: Box<dyn Store<StoredItem>>,
        ttl: Option<Duration>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::new(Fences::default())).collect();
        Arc::new(Self {
            observer,
            store,
            ttl,
            shards,
            hasher: RandomState::default(),
        })
    }

    /// What is held for `key` and is still good. Takes no lock of ours.
    pub fn lookup(&self, table: &TableHandle, key: &[u8], now: Instant) -> Option<CachedItem> {
        let stored = self.store.get(key)?;
        let expired = self
            .ttl
            .is_some_and(|ttl| now.saturating_duration_since(stored.stored_at) >= ttl);
        (!expired && stored.generation == table.generation()).then_some(stored.item)
    }

    /// A reader missed: it fetches the item, or waits for the one who already does.
    pub fn start_fill(
        self: &Arc<Self>,
        table: &TableHandle,
        key: &CacheKey,
        now: Instant,
    ) -> FillStart<E> {
        let (sender, receiver) = watch::channel(None);
        let generation = table.generation();
        let mut fences = self.shard(key).lock();
        // A fill that ended between the caller's lookup and this lock has stored its item by now.
        if let Some(item) = self.lookup(table, key.as_bytes(), now) {
            return FillStart::Hit(item);
        }
        match fences.begin_fill(key, generation, receiver) {
            FillBegin::Join(flight) => FillStart::Join(flight),
            FillBegin::Lead(fence) => FillStart::Lead(FillTicket {
                cache: Arc::clone(self),
                key: key.clone(),
                generation,
                fence: Some(fence),
                sender,
            }),
        }
    }

    /// A write of `key` is about to be sent. Nothing may be awaited between this and the sending that
    /// would let the ticket be dropped before: a dropped ticket is an unknown outcome.
    pub fn start_write(self: &Arc<Self>, table: &TableHandle, key: CacheKey) -> WriteTicket<E> {
        self.shard(&key).lock().begin_write(&key);
        WriteTicket {
            cache: Arc::clone(self),
            key,
            generation: table.generation(),
            open: true,
        }
    }

    /// The entry that was looked up is held with its answer in the native protocol, if it is still held.
    pub fn add_native(&self, key: CacheKey, held: &CachedItem, answer: Bytes) {
        // Writes change the store under the same lock, so that what they have dropped does not come back.
        let _fences = self.shard(&key).lock();
        let Some(stored) = self.store.get(key.as_bytes()) else {
            return;
        };
        if !stored.item.is(held) {
            return;
        }
        if let Some(item) = stored.item.with_native(answer) {
            self.store.insert(key, StoredItem { item, ..stored });
        }
    }

    /// The item was changed past this cache: what is held is dropped, and what is being fetched is answered to those who
    /// wait and not kept. For the fences it is a write of unknown outcome that begins and ends at once.
    pub fn changed_elsewhere(self: &Arc<Self>, table: &TableHandle, key: CacheKey, now: Instant) {
        self.start_write(table, key)
            .finish(WriteOutcome::Unknown, now);
    }

    /// Whether a write of the key through this cache is in flight.
    pub fn has_write(&self, key: &CacheKey) -> bool {
        self.shard(key).lock().has_write(key)
    }

    /// The keys of what is held.
    pub fn keys(&self) -> Vec<CacheKey> {
        self.store.keys()
    }

    /// What is held under a key, if it is still good, with its age; `tell` is called in the key's critical section.
    pub fn tell_held(
        &self,
        table: &TableHandle,
        key: &CacheKey,
        now: Instant,
        tell: impl FnOnce(&CachedItem, Duration),
    ) {
        let _fences = self.shard(key).lock();
        if let (Some(item), Some(stored)) = (
            self.lookup(table, key.as_bytes(), now),
            self.store.get(key.as_bytes()),
        ) {
            tell(&item, now.saturating_duration_since(stored.stored_at));
        }
    }

    /// How full it is.
    pub fn usage(&self) -> Usage {
        self.store.usage()
    }

    /// Keys with a fill or a write in flight.
    pub fn in_flight(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, key: &CacheKey) -> &Mutex<Fences<Flight<E>>> {
        let hash = self.hasher.hash_one(key);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any bits of a hash will do"
        )]
        let index = hash as usize % SHARDS;
        #[expect(
            clippy::indexing_slicing,
            reason = "the remainder is below the number of shards"
        )]
        &self.shards[index]
    }

    fn end_write(&self, key: &CacheKey, generation: u64, outcome: WriteOutcome, now: Instant) {
        let (end, image) = match outcome {
            WriteOutcome::Image(item) => (WriteEnd::Acknowledged, Some(item)),
            WriteOutcome::NoImage => (WriteEnd::Acknowledged, None),
            WriteOutcome::NotExecuted => (WriteEnd::NotExecuted, None),
            WriteOutcome::Unknown => (WriteEnd::Unknown, None),
        };
        // The verdict and the change are one step for every other fill and write of the key.
        let mut fences = self.shard(key).lock();
        match (fences.end_write(key, end), image) {
            (WriteVerdict::Store, Some(item)) => {
                self.tell(key, Some(&item), now);
                self.store.insert(
                    key.clone(),
                    StoredItem {
                        item,
                        stored_at: now,
                        generation,
                    },
                );
            }
            (WriteVerdict::Store, None) | (WriteVerdict::Drop, _) => {
                self.tell(key, None, now);
                self.store.remove(key.as_bytes());
            }
            (WriteVerdict::Leave, _) => {}
        }
    }

    fn tell(&self, key: &CacheKey, item: Option<&CachedItem>, now: Instant) {
        if let Some(observer) = &self.observer {
            observer.changed(key, item, now);
        }
    }

    #[cfg(test)]
    pub(super) fn plant(&self, bug: Option<super::fences::PlantedBug>) {
        for shard in &self.shards {
            shard.lock().planted_bug = bug;
        }
    }
}

/// The duty to finish a fill. Dropped unfinished, it wakes those who wait, and one of them fetches.
#[must_use]
pub struct FillTicket<E: Clone> {
    cache: Arc<ItemCache<E>>,
    key: CacheKey,
    /// The table's when the fill began: what is dropped meanwhile stays dropped.
    generation: u64,
    /// `None` once finished.
    fence: Option<FillFence>,
    sender: watch::Sender<Option<FillResult<E>>>,
}

impl<E: Clone> FillTicket<E> {
    /// The fill's answer: stored if it may be, and handed to all who wait. A failure is never stored.
    pub fn finish(self, result: FillResult<E>, now: Instant) {
        self.finish_storing(result, true, now);
    }

    /// As [`FillTicket::finish`], but stores nothing.
    pub fn finish_without_storing(self, result: FillResult<E>, now: Instant) {
        self.finish_storing(result, false, now);
    }

    fn finish_storing(mut self, result: FillResult<E>, may_store: bool, now: Instant) {
        self.end(result.as_ref().ok().filter(|_| may_store), now);
        self.sender.send_replace(Some(result));
    }

    fn end(&mut self, item: Option<&CachedItem>, now: Instant) {
        let Some(fence) = self.fence.take() else {
            return;
        };
        let mut fences = self.cache.shard(&self.key).lock();
        if let (true, Some(item)) = (fences.end_fill(&self.key, fence), item) {
            let stored = StoredItem {
                item: item.clone(),
                stored_at: now,
                generation: self.generation,
            };
            self.cache.store.insert(self.key.clone(), stored);
        }
    }
}

impl<E: Clone> Drop for FillTicket<E> {
    fn drop(&mut self) {
        self.end(None, Instant::now());
    }
}

/// The duty to tell how a write went. Dropped untold, the outcome is unknown and the key is dropped.
#[must_use]
pub struct WriteTicket<E: Clone> {
    cache: Arc<ItemCache<E>>,
    key: CacheKey,
    generation: u64,
    open: bool,
}

impl<E: Clone> WriteTicket<E> {
    /// The outcome. To be told before the writer is answered (rule 5).
    pub fn finish(mut self, outcome: WriteOutcome, now: Instant) {
        self.open = false;
        self.cache
            .end_write(&self.key, self.generation, outcome, now);
    }

    /// The key it is about.
    pub fn key(&self) -> &CacheKey {
        &self.key
    }
}

impl<E: Clone> Drop for WriteTicket<E> {
    fn drop(&mut self) {
        if self.open {
            self.cache.end_write(
                &self.key,
                self.generation,
                WriteOutcome::Unknown,
                Instant::now(),
            );
        }
    }
}

/// Waits for a joined fill. `None`: its leader has gone, so look again.
pub async fn joined<T: Clone>(mut flight: watch::Receiver<Option<T>>) -> Option<T> {
    match flight.wait_for(Option::is_some).await {
        Ok(result) => result.clone(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::store::MokaStore;
    use crate::cache::{Generations, TableId};

    /// A native answer is added to the entry that it was made of, and never brings one back (invariant 6).
    #[test]
    fn a_native_answer_belongs_to_one_entry() {
        let table = Generations::default().handle(TableId::from_text("t"));
        let cache = ItemCache::<()>::new(Box::new(MokaStore::new(1 << 20)), None);
        let key = CacheKey::new(table.id(), |out| out.push(1));
        let now = Instant::now();
        let item = || CachedItem::from_item_json(br#"{"pk":{"S":"a"}}"#);
        let write = |item| {
            let ticket = cache.start_write(&table, key.clone());
            ticket.finish(WriteOutcome::Image(item), now);
        };
        let held = || cache.lookup(&table, key.as_bytes(), now);
        let native = || held().and_then(|item| item.native().cloned());
        let answer = Bytes::from_static(b"\x80\xf6");

        write(item());
        let first = held().unwrap();
        cache.add_native(key.clone(), &first, answer.clone());
        assert_eq!(native(), Some(answer.clone()));
        assert_eq!(held().unwrap().answer(), first.answer());
        // Another entry that says the same is another entry.
        write(item());
        cache.add_native(key.clone(), &first, answer.clone());
        assert_eq!(native(), None);
        // What was dropped stays dropped.
        let second = held().unwrap();
        cache.changed_elsewhere(&table, key.clone(), now);
        cache.add_native(key.clone(), &second, answer);
        assert!(held().is_none());
    }
}
