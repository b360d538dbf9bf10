//! Dropping all that is held of a table at once, in constant time.
//!
//! Every entry carries the generation of its table at the moment when the request that made it began.
//! Raising the generation makes all of them misses, and what is in flight is stored under a number that
//! is already past. The bytes leave by LRU.
//!
//! Pages have a number of their own beside it, which is raised alone where a table's items have changed and what is
//! held of them is dropped one by one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::key::TableId;

/// How many tables are remembered before those without a handle are forgotten. A number is never given
/// twice, so forgetting costs hits and nothing else.
const REMEMBERED_MAX: usize = 16_384;

/// A table as the caches know it.
#[derive(Clone, Debug)]
pub struct TableHandle {
    id: TableId,
    numbers: Arc<Numbers>,
}

#[derive(Debug)]
struct Numbers {
    all: AtomicU64,
    pages: AtomicU64,
}

impl TableHandle {
    /// Which table.
    pub fn id(&self) -> TableId {
        self.id
    }

    /// The generation in force.
    pub fn generation(&self) -> u64 {
        self.numbers.all.load(Ordering::Acquire)
    }

    /// The generation in force for pages; another one than before whenever [`Self::generation`] is.
    pub fn page_generation(&self) -> (u64, u64) {
        (
            self.generation(),
            self.numbers.pages.load(Ordering::Acquire),
        )
    }
}

/// Gives each table its generation.
#[derive(Debug, Default)]
pub struct Generations {
    next: AtomicU64,
    tables: Mutex<BTreeMap<TableId, Weak<Numbers>>>,
}

impl Generations {
    /// The handle of a table. All handles of one table share their generation.
    pub fn handle(&self, id: TableId) -> TableHandle {
        let mut tables = self.tables.lock();
        if let Some(numbers) = tables.get(&id).and_then(Weak::upgrade) {
            return TableHandle { id, numbers };
        }
        if tables.len() >= REMEMBERED_MAX {
            tables.retain(|_, numbers| numbers.strong_count() > 0);
        }
        let numbers = Arc::new(Numbers {
            all: AtomicU64::new(self.fresh()),
            pages: AtomicU64::new(0),
        });
        tables.insert(id, Arc::downgrade(&numbers));
        TableHandle { id, numbers }
    }

    /// The handle of a table that somebody has a handle of. Of any other nothing is held that could be served.
    pub fn known(&self, id: TableId) -> Option<TableHandle> {
        let numbers = self.tables.lock().get(&id).and_then(Weak::upgrade)?;
        Some(TableHandle { id, numbers })
    }

    /// Makes every entry of the table a miss, those of requests in flight included.
    pub fn drop_table(&self, table: &TableHandle) {
        table.numbers.all.store(self.fresh(), Ordering::Release);
    }

    /// Makes every page of the table a miss, those of requests in flight included.
    pub fn drop_pages(&self, table: &TableHandle) {
        table.numbers.pages.store(self.fresh(), Ordering::Release);
    }

    /// The same for every table that is known.
    pub fn drop_all(&self) {
        let tables = self.tables.lock();
        for numbers in tables.values().filter_map(Weak::upgrade) {
            numbers.all.store(self.fresh(), Ordering::Release);
        }
    }

    fn fresh(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_of_one_table_share_a_generation_and_a_number_never_returns() {
        let generations = Generations::default();
        let id = TableId::from_text("a");
        let (one, two) = (generations.handle(id), generations.handle(id));
        let other = generations.handle(TableId::from_text("b"));
        let (before, other_before) = (one.generation(), other.generation());
        generations.drop_table(&one);
        assert_eq!(one.generation(), two.generation());
        assert_ne!(two.generation(), before);
        assert_eq!(other.generation(), other_before);

        let last = one.generation();
        drop((one, two));
        assert_ne!(
            generations.handle(id).generation(),
            last,
            "forgotten, so nothing may match"
        );
    }
}
