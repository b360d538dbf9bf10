//! Invariant 6 under random interleavings, against a naive model of the store and its history.
//!
//! Requests are cut into the steps that the network can separate: begun here, executed there, answered
//! here (or never). A seeded driver interleaves the steps of many requests on few keys, with evictions,
//! passing time and dropped tables. The checker knows the store's whole history and, for each key, the
//! last write that was acknowledged (or executed and then given up for lost); everything served must be
//! from that write or later.
//!
//! Seen failing: each rule's mistake can be planted ([`PlantedBug`]), and
//! `every_planted_bug_is_caught` asserts that the checker finds it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::entry::CachedItem;
use super::fences::PlantedBug;
use super::item_cache::{FillResult, Flight, StoredItem};
use super::store::{MokaStore, Store, Usage};
use super::*;

const KEYS: u8 = 3;
const STEPS: usize = 400;
const TTL: Duration = Duration::from_secs(300);

/// SplitMix64: the run depends on the seed alone.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).unwrap()
    }
}

/// A store that evicts only when the driver says so.
#[derive(Default)]
struct DrivenStore(Mutex<BTreeMap<Vec<u8>, StoredItem>>);

impl Store<StoredItem> for Arc<DrivenStore> {
    fn get(&self, key: &[u8]) -> Option<StoredItem> {
        self.0.lock().get(key).cloned()
    }
    fn insert(&self, key: CacheKey, value: StoredItem) {
        self.0.lock().insert(key.as_bytes().to_vec(), value);
    }
    fn remove(&self, key: &[u8]) {
        self.0.lock().remove(key);
    }
    fn keys(&self) -> Vec<CacheKey> {
        Vec::new()
    }

    fn usage(&self) -> Usage {
        Usage::default()
    }
}

/// The store's state of one key from a commit on. `None`: no item.
type Version = Option<u64>;

fn item(version: Version) -> CachedItem {
    match version {
        Some(n) => CachedItem::from_item_json(format!("{n}").as_bytes()),
        None => CachedItem::Absent,
    }
}

fn version(item: &CachedItem) -> Version {
    item.item_json()
        .map(|json| std::str::from_utf8(json).unwrap().parse().unwrap())
}

#[derive(Default)]
struct KeyModel {
    /// Every state so far, in commit order; it begins without an item.
    history: Vec<Version>,
    /// Position in `history` of the newest acknowledged write.
    floor: usize,
    /// When something that may have been stored last arrived.
    arrived_at: Option<Instant>,
    /// Whether such a thing was begun after the table was last dropped.
    arrived_since_drop: bool,
    writes_in_flight: usize,
    overlapped: bool,
}

enum Pending {
    Write {
        key: u8,
        ticket: WriteTicket<()>,
        image: Version,
        knows_image: bool,
        drops: u64,
        alone: bool,
    },
    /// Executed; the reply is on its way.
    Written {
        key: u8,
        ticket: WriteTicket<()>,
        at: usize,
        knows_image: bool,
        drops: u64,
        alone: bool,
    },
    Fill {
        key: u8,
        ticket: FillTicket<()>,
        floor: usize,
        drops: u64,
    },
    Filled {
        key: u8,
        ticket: FillTicket<()>,
        seen: Version,
        floor: usize,
        drops: u64,
    },
    Joined {
        key: u8,
        flight: Flight<()>,
        floor: usize,
    },
    /// Given up here, and still to be executed there.
    Orphan { key: u8, image: Version },
}

struct World {
    cache: Arc<ItemCache<()>>,
    driven: Option<Arc<DrivenStore>>,
    generations: Generations,
    table: TableHandle,
    now: Instant,
    keys: BTreeMap<u8, KeyModel>,
    pending: Vec<Pending>,
    random: Random,
    next_version: u64,
    drops: u64,
    hits: usize,
}

impl World {
    fn new(seed: u64, moka_bytes: Option<u64>, bug: Option<PlantedBug>) -> Self {
        let driven = moka_bytes.is_none().then(Arc::<DrivenStore>::default);
        let store: Box<dyn Store<StoredItem>> = match (&driven, moka_bytes) {
            (Some(driven), _) => Box::new(Arc::clone(driven)),
            (None, bytes) => Box::new(MokaStore::new(bytes.unwrap_or(0))),
        };
        let cache = ItemCache::new(store, Some(TTL));
        cache.plant(bug);
        let generations = Generations::default();
        let table = generations.handle(TableId::from_text("table"));
        let new_key = || KeyModel {
            history: vec![None],
            ..KeyModel::default()
        };
        Self {
            cache,
            driven,
            generations,
            table,
            now: Instant::now(),
            keys: (0..KEYS).map(|key| (key, new_key())).collect(),
            pending: Vec::new(),
            random: Random(seed),
            next_version: 0,
            drops: 0,
            hits: 0,
        }
    }

    fn key(&self, key: u8) -> CacheKey {
        CacheKey::new(self.table.id(), |out| out.push(key))
    }

    fn model(&mut self, key: u8) -> &mut KeyModel {
        self.keys.get_mut(&key).unwrap()
    }

    /// Whether `seen` is a state at or after `floor`.
    fn check(&mut self, what: &str, key: u8, seen: Version, floor: usize) -> Result<(), String> {
        let model = self.model(key);
        if model.history[floor..].contains(&seen) {
            return Ok(());
        }
        Err(format!(
            "{what} of key {key} saw {seen:?}, acknowledged was {:?}",
            model.history[floor]
        ))
    }

    fn step(&mut self) -> Result<(), String> {
        match self.random.below(100) {
            0..35 => self.read(),
            35..42 => {
                self.begin_write();
                Ok(())
            }
            42..94 => self.advance(),
            94..96 => {
                if let Some(driven) = &self.driven {
                    driven.0.lock().pop_first();
                }
                Ok(())
            }
            96..99 => {
                self.now += TTL / 8;
                Ok(())
            }
            _ => {
                self.generations.drop_table(&self.table);
                self.drops += 1;
                for model in self.keys.values_mut() {
                    model.arrived_since_drop = false;
                }
                Ok(())
            }
        }
    }

    fn check_hit(&mut self, key: u8, hit: &CachedItem) -> Result<(), String> {
        self.hits += 1;
        let now = self.now;
        let model = self.model(key);
        let floor = model.floor;
        if model.arrived_at.is_none_or(|at| now - at >= TTL) {
            return Err(format!("hit of key {key} past its TTL"));
        }
        if !model.arrived_since_drop {
            return Err(format!(
                "hit of key {key} from before its table was dropped"
            ));
        }
        self.check("hit", key, version(hit), floor)
    }

    fn read(&mut self) -> Result<(), String> {
        let key = u8::try_from(self.random.below(KEYS.into())).unwrap();
        let cache_key = self.key(key);
        if let Some(hit) = self
            .cache
            .lookup(&self.table, cache_key.as_bytes(), self.now)
        {
            return self.check_hit(key, &hit);
        }
        let (floor, drops) = (self.model(key).floor, self.drops);
        match self.cache.start_fill(&self.table, &cache_key, self.now) {
            FillStart::Hit(hit) => return self.check_hit(key, &hit),
            FillStart::Lead(ticket) => {
                self.pending.push(Pending::Fill {
                    key,
                    ticket,
                    floor,
                    drops,
                });
            }
            FillStart::Join(flight) => self.pending.push(Pending::Joined { key, flight, floor }),
        }
        Ok(())
    }

    fn begin_write(&mut self) {
        let key = u8::try_from(self.random.below(KEYS.into())).unwrap();
        let ticket = self.cache.start_write(&self.table, self.key(key));
        self.next_version += 1;
        let image = (self.random.below(4) != 0).then_some(self.next_version);
        let knows_image = self.random.below(8) != 0;
        let drops = self.drops;
        let model = self.model(key);
        model.writes_in_flight += 1;
        model.overlapped |= model.writes_in_flight > 1;
        let alone = !model.overlapped;
        self.pending.push(Pending::Write {
            key,
            ticket,
            image,
            knows_image,
            drops,
            alone,
        });
    }

    fn end_write(&mut self, key: u8) -> bool {
        let model = self.model(key);
        let overlapped = model.overlapped;
        model.writes_in_flight -= 1;
        if model.writes_in_flight == 0 {
            model.overlapped = false;
        }
        !overlapped
    }

    fn arrived(&mut self, key: u8, drops: u64) {
        let (now, current) = (self.now, self.drops == drops);
        let model = self.model(key);
        model.arrived_at = Some(now);
        model.arrived_since_drop |= current;
    }

    /// One step of one request in flight.
    fn advance(&mut self) -> Result<(), String> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let index = self.random.below(self.pending.len());
        let chance = self.random.below(10);
        let now = self.now;
        match self.pending.swap_remove(index) {
            Pending::Write {
                key, ticket, image, ..
            } if chance == 0 => {
                // Given up before it was executed; it may still be.
                self.end_write(key);
                ticket.finish(WriteOutcome::Unknown, now);
                self.pending.push(Pending::Orphan { key, image });
            }
            Pending::Write { key, ticket, .. } if chance == 1 => {
                self.end_write(key);
                ticket.finish(WriteOutcome::NotExecuted, now);
            }
            Pending::Write {
                key,
                ticket,
                image,
                knows_image,
                drops,
                alone,
            } => {
                let model = self.model(key);
                model.history.push(image);
                let at = model.history.len() - 1;
                self.pending.push(Pending::Written {
                    key,
                    ticket,
                    at,
                    knows_image,
                    drops,
                    alone,
                });
            }
            Pending::Written {
                key, ticket, at, ..
            } if chance == 0 => {
                // Executed, and the reply is lost; or the request was dropped. Nobody was told that it
                // happened, yet what was there before it must not be served any more.
                self.end_write(key);
                drop(ticket);
                let model = self.model(key);
                model.floor = model.floor.max(at);
            }
            Pending::Written {
                key,
                ticket,
                at,
                knows_image,
                drops,
                alone,
            } => {
                let alone = self.end_write(key) && alone;
                let image = self.model(key).history[at];
                let outcome = match knows_image {
                    true => WriteOutcome::Image(item(image)),
                    false => WriteOutcome::NoImage,
                };
                self.arrived(key, drops);
                ticket.finish(outcome, now);
                let model = self.model(key);
                model.floor = model.floor.max(at);
                // A write alone on its key is there at once: caching nothing would be safe and useless.
                if alone && knows_image && self.driven.is_some() && drops == self.drops {
                    let cache_key = self.key(key);
                    let hit = self.cache.lookup(&self.table, cache_key.as_bytes(), now);
                    if hit.as_ref().map(version) != Some(image) {
                        return Err(format!("write of key {key} is not there: {hit:?}"));
                    }
                }
            }
            Pending::Fill { ticket, .. } if chance == 0 => drop(ticket),
            Pending::Fill {
                key,
                ticket,
                floor,
                drops,
            } => {
                let seen = *self.model(key).history.last().unwrap();
                self.pending.push(Pending::Filled {
                    key,
                    ticket,
                    seen,
                    floor,
                    drops,
                });
            }
            Pending::Filled { ticket, .. } if chance == 0 => ticket.finish(Err(()), now),
            Pending::Filled {
                key,
                ticket,
                seen,
                floor,
                drops,
            } => {
                self.arrived(key, drops);
                ticket.finish(Ok(item(seen)), now);
                self.check("fill", key, seen, floor)?;
            }
            Pending::Joined { key, flight, floor } => {
                let result: Option<FillResult<()>> = flight.borrow().clone();
                match result {
                    Some(Ok(joined)) => self.check("joined fill", key, version(&joined), floor)?,
                    Some(Err(())) => {}
                    None if flight.has_changed().is_err() => {}
                    None => self.pending.push(Pending::Joined { key, flight, floor }),
                }
            }
            Pending::Orphan { key, image } => self.model(key).history.push(image),
        }
        Ok(())
    }
}

fn run(seed: u64, moka_bytes: Option<u64>, bug: Option<PlantedBug>) -> Result<usize, String> {
    let mut world = World::new(seed, moka_bytes, bug);
    for _ in 0..STEPS {
        world
            .step()
            .map_err(|error| format!("seed {seed}: {error}"))?;
    }
    world.pending.clear();
    if world.cache.in_flight() != 0 {
        return Err(format!("seed {seed}: fences are left behind"));
    }
    Ok(world.hits)
}

#[test]
fn a_hit_is_never_older_than_the_last_acknowledged_write() {
    let hits: usize = (0..2_000).map(|seed| run(seed, None, None).unwrap()).sum();
    // Without hits the test would show nothing.
    assert!(hits > 2_000 * STEPS / 50, "only {hits} hits");
}

#[test]
fn the_same_holds_over_moka_when_it_evicts() {
    // Room for about two of the three keys.
    let hits: usize = (0..300)
        .map(|seed| run(seed, Some(750), None).unwrap())
        .sum();
    assert!(hits > 300 * STEPS / 100, "only {hits} hits");
}

#[test]
fn every_planted_bug_is_caught() {
    for bug in [
        PlantedBug::FillOverwritesNewerWrite,
        PlantedBug::ReadersJoinAcrossAWrite,
        PlantedBug::OverlappingWriteIsStored,
        PlantedBug::UnknownWriteLeavesTheEntry,
    ] {
        let caught = (0..2_000).find_map(|seed| run(seed, None, Some(bug)).err());
        assert!(caught.is_some(), "{bug:?} was not caught");
    }
}

#[test]
fn a_run_depends_on_its_seed_alone() {
    for seed in 0..20 {
        assert_eq!(run(seed, None, None), run(seed, None, None));
    }
}
