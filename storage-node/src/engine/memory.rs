//! The engine in memory: deterministic, and able to forget what was not persisted.
//!
//! Used by `dev --in-memory`, by tests and by the simulation.
//! Instead of two copies of the data it keeps the newest state and an undo record of every batch since the last
//! persist, so that persisting is cheap and a crash undoes batches from the newest back.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::{
    Direction, Engine, EngineError, EngineSnapshot, Keyspace, ScanIterator, WriteBatch, check_key,
    is_empty_range,
};

type Map = BTreeMap<Bytes, Bytes>;

/// How many rows a scan copies under one hold of the lock: small enough that a writer waits microseconds.
const SCAN_CHUNK_ROWS: usize = 64;

/// An [`Engine`] in memory. See the module head.
#[derive(Default)]
pub struct MemoryEngine {
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    /// The newest data. Shared with snapshots, copied when written while one is alive.
    maps: [Arc<Map>; Keyspace::ALL.len()],
    /// One record per batch since the last persist, oldest first: what each key held before.
    undo: VecDeque<Vec<(Keyspace, Bytes, Option<Bytes>)>>,
    /// Whether undo records are kept, which only a test that crashes needs.
    keeps_undo: bool,
    poisoned: bool,
    fail_next_persist: bool,
    persists: u64,
}

impl MemoryEngine {
    /// An empty engine for production use in memory: it keeps no undo records.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty engine that [`Self::crash`] can set back to what it had persisted.
    #[must_use]
    pub fn crashable() -> Self {
        let engine = Self::default();
        engine.state.write().keeps_undo = true;
        engine
    }

    /// Sets the engine back to its last persist plus the `surviving` oldest batches after it, as a crash would,
    /// and lifts a poisoned state, as opening again would.
    ///
    /// A real store may survive with any prefix of its unsynced batches, hence the parameter.
    pub fn crash(&self, surviving: usize) {
        let mut state = self.state.write();
        assert!(state.keeps_undo, "only a crashable engine can be set back");
        while state.undo.len() > surviving {
            let Some(batch) = state.undo.pop_back() else {
                break;
            };
            for (keyspace, key, value) in batch.into_iter().rev() {
                let map = state.map_mut(keyspace);
                match value {
                    Some(value) => map.insert(key, value),
                    None => map.remove(&key),
                };
            }
        }
        // What survived a crash is on disk, so a second crash cannot lose it.
        state.undo.clear();
        state.poisoned = false;
        state.fail_next_persist = false;
    }

    /// The number of batches that a crash might lose now.
    #[must_use]
    pub fn unpersisted_batches(&self) -> usize {
        self.state.read().undo.len()
    }

    /// The number of successful persists.
    #[must_use]
    pub fn persists(&self) -> u64 {
        self.state.read().persists
    }

    /// Makes the next persist fail, which poisons the engine.
    pub fn fail_next_persist(&self) {
        self.state.write().fail_next_persist = true;
    }
}

impl State {
    fn map(&self, keyspace: Keyspace) -> &Map {
        let [system, catalog, items, changes] = &self.maps;
        match keyspace {
            Keyspace::System => system,
            Keyspace::Catalog => catalog,
            Keyspace::Items => items,
            Keyspace::Changes => changes,
        }
    }

    fn map_mut(&mut self, keyspace: Keyspace) -> &mut Map {
        let [system, catalog, items, changes] = &mut self.maps;
        Arc::make_mut(match keyspace {
            Keyspace::System => system,
            Keyspace::Catalog => catalog,
            Keyspace::Items => items,
            Keyspace::Changes => changes,
        })
    }
}

impl Engine for MemoryEngine {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.state.read().map(keyspace).get(key).cloned())
    }

    fn snapshot(&self) -> Box<dyn EngineSnapshot> {
        Box::new(MemorySnapshot {
            maps: self.state.read().maps.clone(),
        })
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
    ) -> ScanIterator<'_> {
        Box::new(ChunkedScan {
            read_chunk: move |lower: Bound<&[u8]>, upper: Bound<&[u8]>| {
                rows(self.state.read().map(keyspace), lower, upper, direction)
            },
            lower: lower.map(Bytes::copy_from_slice),
            upper: upper.map(Bytes::copy_from_slice),
            direction,
            chunk: VecDeque::new(),
            finished: false,
        })
    }

    fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        batch.check()?;
        let mut state = self.state.write();
        if state.poisoned {
            return Err(EngineError::Poisoned);
        }
        let mut undo = Vec::new();
        for write in batch.writes {
            let map = state.map_mut(write.keyspace);
            let before = match write.value {
                Some(value) => map.insert(write.key.clone(), value),
                None => map.remove(&write.key),
            };
            undo.push((write.keyspace, write.key, before));
        }
        if state.keeps_undo {
            state.undo.push_back(undo);
        }
        Ok(())
    }

    fn persist(&self) -> Result<(), EngineError> {
        let mut state = self.state.write();
        if state.poisoned {
            return Err(EngineError::Poisoned);
        }
        if std::mem::take(&mut state.fail_next_persist) {
            state.poisoned = true;
            return Err(EngineError::Io("fsync failed (injected)".into()));
        }
        state.undo.clear();
        state.persists += 1;
        Ok(())
    }
}

struct MemorySnapshot {
    maps: [Arc<Map>; Keyspace::ALL.len()],
}

impl MemorySnapshot {
    fn map(&self, keyspace: Keyspace) -> &Map {
        let [system, catalog, items, changes] = &self.maps;
        match keyspace {
            Keyspace::System => system,
            Keyspace::Catalog => catalog,
            Keyspace::Items => items,
            Keyspace::Changes => changes,
        }
    }
}

impl EngineSnapshot for MemorySnapshot {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        check_key(key)?;
        Ok(self.map(keyspace).get(key).cloned())
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
    ) -> ScanIterator<'_> {
        if is_empty_range(lower, upper) {
            return Box::new(std::iter::empty());
        }
        let range = self.map(keyspace).range::<[u8], _>((lower, upper));
        let copy = |(key, value): (&Bytes, &Bytes)| Ok((key.clone(), value.clone()));
        match direction {
            Direction::Forward => Box::new(range.map(copy)),
            Direction::Backward => Box::new(range.rev().map(copy)),
        }
    }
}

fn rows(
    map: &Map,
    lower: Bound<&[u8]>,
    upper: Bound<&[u8]>,
    direction: Direction,
) -> VecDeque<(Bytes, Bytes)> {
    if is_empty_range(lower, upper) {
        return VecDeque::new();
    }
    let range = map.range::<[u8], _>((lower, upper));
    let copy = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
    match direction {
        Direction::Forward => range.map(copy).take(SCAN_CHUNK_ROWS).collect(),
        Direction::Backward => range.rev().map(copy).take(SCAN_CHUNK_ROWS).collect(),
    }
}

/// A scan that takes the lock once per chunk and continues after the last key it has seen.
struct ChunkedScan<F> {
    read_chunk: F,
    lower: Bound<Bytes>,
    upper: Bound<Bytes>,
    direction: Direction,
    chunk: VecDeque<(Bytes, Bytes)>,
    finished: bool,
}

impl<F> Iterator for ChunkedScan<F>
where
    F: Fn(Bound<&[u8]>, Bound<&[u8]>) -> VecDeque<(Bytes, Bytes)>,
{
    type Item = Result<(Bytes, Bytes), EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.is_empty() && !self.finished {
            self.chunk = (self.read_chunk)(
                self.lower.as_ref().map(|bytes| bytes.as_ref()),
                self.upper.as_ref().map(|bytes| bytes.as_ref()),
            );
            self.finished = self.chunk.len() < SCAN_CHUNK_ROWS;
            if let Some((last, _)) = self.chunk.back() {
                match self.direction {
                    Direction::Forward => self.lower = Bound::Excluded(last.clone()),
                    Direction::Backward => self.upper = Bound::Excluded(last.clone()),
                }
            }
        }
        self.chunk.pop_front().map(Ok)
    }
}
