//! The query cache: whole pages of Query and Scan by the full normalised request.
//!
//! It promises nothing but its TTL: writes do not touch it, and it fills no item cache
//! (DynamoDB semantics, section 29). Misses of one request are fetched once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::generations::TableHandle;
use super::key::CacheKey;
use super::store::{Store, Usage, Weigh};

/// A page as the store answered it, without `ConsumedCapacity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryPage {
    /// The answer's JSON object.
    pub body: Bytes,
    /// CRC-32 (IEEE) of `body`.
    pub crc32: u32,
}

impl QueryPage {
    /// A page with its checksum.
    pub fn new(body: Bytes) -> Self {
        Self {
            crc32: crc32fast::hash(&body),
            body,
        }
    }
}

/// A page with the moment it was stored and the generation of its table then.
#[derive(Clone, Debug)]
pub struct StoredPage {
    page: QueryPage,
    stored_at: Instant,
    generation: (u64, u64),
}

impl Weigh for StoredPage {
    fn heap_bytes(&self) -> usize {
        self.page.body.len()
    }
}

/// What a joined fill will bring: a page, or the store's failure `E`.
pub type PageFlight<E> = watch::Receiver<Option<Result<QueryPage, E>>>;

/// Pages by request.
pub struct QueryCache<E> {
    store: Box<dyn Store<StoredPage>>,
    ttl: Duration,
    /// Fills in flight: at most one for each request in flight.
    flights: Mutex<BTreeMap<CacheKey, PageFlight<E>>>,
}

/// What a reader that missed does next.
pub enum PageFillStart<E: Clone> {
    /// It was stored in the meantime.
    Hit(QueryPage),
    /// Fetch it and finish the ticket.
    Lead(PageTicket<E>),
    /// Wait for the one who fetches it.
    Join(PageFlight<E>),
}

impl<E: Clone> QueryCache<E> {
    /// An empty cache over `store`. There is none at all for `--query-ttl-millis 0`.
    pub fn new(store: Box<dyn Store<StoredPage>>, ttl: Duration) -> Arc<Self> {
        Arc::new(Self {
            store,
            ttl,
            flights: Mutex::new(BTreeMap::new()),
        })
    }

    /// The page that is held for the request and is still good.
    pub fn lookup(&self, table: &TableHandle, key: &[u8], now: Instant) -> Option<QueryPage> {
        let stored = self.store.get(key)?;
        let expired = now.saturating_duration_since(stored.stored_at) >= self.ttl;
        (!expired && stored.generation == table.page_generation()).then_some(stored.page)
    }

    /// A reader missed: it fetches the page, or waits for the one who already does.
    pub fn start_fill(
        self: &Arc<Self>,
        table: &TableHandle,
        key: &CacheKey,
        now: Instant,
    ) -> PageFillStart<E> {
        let mut flights = self.flights.lock();
        if let Some(page) = self.lookup(table, key.as_bytes(), now) {
            return PageFillStart::Hit(page);
        }
        if let Some(flight) = flights.get(key) {
            return PageFillStart::Join(flight.clone());
        }
        let (sender, receiver) = watch::channel(None);
        flights.insert(key.clone(), receiver);
        PageFillStart::Lead(PageTicket {
            cache: Arc::clone(self),
            key: key.clone(),
            generation: table.page_generation(),
            sender,
        })
    }

    /// How full it is.
    pub fn usage(&self) -> Usage {
        self.store.usage()
    }
}

/// The duty to finish a fill. Dropped unfinished, it wakes those who wait, and one of them fetches.
#[must_use]
pub struct PageTicket<E: Clone> {
    cache: Arc<QueryCache<E>>,
    key: CacheKey,
    generation: (u64, u64),
    sender: watch::Sender<Option<Result<QueryPage, E>>>,
}

impl<E: Clone> PageTicket<E> {
    /// The fill's answer: a page is stored, and all who wait have it. A failure is never stored.
    pub fn finish(self, result: Result<QueryPage, E>, now: Instant) {
        if let Ok(page) = &result {
            let stored = StoredPage {
                page: page.clone(),
                stored_at: now,
                generation: self.generation,
            };
            self.cache.store.insert(self.key.clone(), stored);
        }
        self.sender.send_replace(Some(result));
    }
}

impl<E: Clone> Drop for PageTicket<E> {
    fn drop(&mut self) {
        self.cache.flights.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::store::MokaStore;
    use crate::cache::{Generations, TableId};

    const TTL: Duration = Duration::from_secs(300);

    #[test]
    fn a_page_lives_to_its_ttl_and_misses_are_fetched_once() {
        let generations = Generations::default();
        let table = generations.handle(TableId::from_text("t"));
        let cache = QueryCache::<()>::new(Box::new(MokaStore::new(1 << 20)), TTL);
        let key = CacheKey::new(table.id(), |out| out.extend_from_slice(b"Query{}"));
        let start = Instant::now();
        let PageFillStart::Lead(ticket) = cache.start_fill(&table, &key, start) else {
            panic!()
        };
        let PageFillStart::Join(flight) = cache.start_fill(&table, &key, start) else {
            panic!()
        };
        let page = QueryPage::new(Bytes::from_static(b"{\"Count\":0}"));
        ticket.finish(Ok(page.clone()), start);
        assert_eq!(flight.borrow().clone(), Some(Ok(page.clone())));
        let just_before = start + TTL - Duration::from_millis(1);
        assert_eq!(
            cache.lookup(&table, key.as_bytes(), just_before),
            Some(page)
        );
        assert_eq!(cache.lookup(&table, key.as_bytes(), start + TTL), None);
        assert!(cache.flights.lock().is_empty());
    }

    #[test]
    fn a_failure_is_shared_but_not_kept_and_a_leader_that_leaves_frees_the_rest() {
        let generations = Generations::default();
        let table = generations.handle(TableId::from_text("t"));
        let cache = QueryCache::new(Box::new(MokaStore::new(1 << 20)), TTL);
        let key = CacheKey::new(table.id(), |out| out.push(1));
        let now = Instant::now();
        let PageFillStart::Lead(ticket) = cache.start_fill(&table, &key, now) else {
            panic!()
        };
        ticket.finish(Err("no"), now);
        let PageFillStart::Lead(ticket) = cache.start_fill(&table, &key, now) else {
            panic!()
        };
        drop(ticket);
        assert!(matches!(
            cache.start_fill(&table, &key, now),
            PageFillStart::Lead(_)
        ));
    }
}
