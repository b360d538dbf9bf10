//! What a hit costs inside the process, from the key's bytes to the finished answer; the floor is 2 µs (docs/testing.md has what was measured).
//!
//! A hundred thousand items of 1 KB, asked for in an order that no processor cache likes.

#![expect(
    clippy::expect_used,
    reason = "a benchmark that cannot begin has nothing to say"
)]

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use stator_dax_proxy::cache::store::MokaStore;
use stator_dax_proxy::cache::{
    CacheKey, CachedItem, Generations, ItemCache, TableHandle, TableId, WriteOutcome,
};
use tokio::time::Instant;

const ITEMS: usize = 100_000;
const VALUE_BYTES: usize = 1_000;
/// Coprime to [`ITEMS`], and far: each step lands somewhere else in memory.
const STRIDE: usize = 76_543;

struct Cache {
    items: Arc<ItemCache<()>>,
    table: TableHandle,
    keys: Vec<CacheKey>,
}

/// A cache that holds every item in both forms.
fn filled() -> Cache {
    let items = ItemCache::new(Box::new(MokaStore::new(1 << 30)), None);
    let table = Generations::default().handle(TableId::from_text("orders"));
    let keys: Vec<CacheKey> = (0..ITEMS)
        .map(|number| {
            CacheKey::new(table.id(), |bytes| {
                bytes.extend_from_slice(format!("item-{number}").as_bytes());
            })
        })
        .collect();
    let value = "v".repeat(VALUE_BYTES);
    for (number, key) in keys.iter().enumerate() {
        let json = format!(r#"{{"pk":{{"S":"item-{number}"}},"v":{{"S":"{value}"}}}}"#);
        let item = CachedItem::from_item_json(json.as_bytes());
        items
            .start_write(&table, key.clone())
            .finish(WriteOutcome::Image(item), Instant::now());
        let held = items
            .lookup(&table, key.as_bytes(), Instant::now())
            .expect("what was written is held");
        items.add_native(key.clone(), &held, Bytes::from(vec![7; VALUE_BYTES]));
    }
    Cache { items, table, keys }
}

impl Cache {
    fn lookup(&self, turn: usize) -> CachedItem {
        let key = self.keys.get(turn * STRIDE % ITEMS).expect("a key");
        self.items
            .lookup(&self.table, black_box(key.as_bytes()), Instant::now())
            .expect("every item is held")
    }
}

fn hits(criterion: &mut Criterion) {
    let cache = filled();
    let mut turn = 0;
    criterion.bench_function("hit, native protocol", |bencher| {
        bencher.iter(|| {
            turn += 1;
            cache.lookup(turn).native().cloned()
        });
    });
    criterion.bench_function("hit, JSON with its checksum", |bencher| {
        bencher.iter(|| {
            turn += 1;
            cache.lookup(turn).answer()
        });
    });
}

criterion_group!(benches, hits);
criterion_main!(benches);
