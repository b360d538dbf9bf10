//! The engine on disk, on fjall.
//!
//! Fjall's known troubles and how they are lived with (ADR 0004):
//! few fixed keyspaces; `clear()` is never called (fjall #241); an idle keyspace pins sealed journals (fjall #288), so
//! persisting rotates the memtables once sealed journals pile up; the journal's size is bounded and measured.
//! Fjall syncs a journal before it seals it, so a table file never holds a batch whose journal can still be lost.

use std::ops::Bound;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use fjall::{Database, KeyspaceCreateOptions, PersistMode, Readable};

use super::{
    Direction, Engine, EngineError, EngineSnapshot, Keyspace, ScanIterator, WriteBatch,
    is_empty_range,
};

/// Sealed journals that may wait before persisting flushes every memtable to let them go.
///
/// A journal is sealed at 64 MB; four of them replay within a few seconds, well inside a start-up probe.
const SEALED_JOURNALS_MAX: usize = 4;

/// Sizes of a [`FjallEngine`].
#[derive(Clone, Debug)]
pub struct FjallOptions {
    /// Bytes of the block cache shared by all keyspaces.
    pub cache_size_bytes: u64,
    /// Bytes of journals on disk above which fjall flushes memtables; at least 64 MiB.
    pub journal_size_bytes_max: u64,
    /// Bytes of one memtable before it is flushed.
    pub memtable_size_bytes_max: u64,
}

impl Default for FjallOptions {
    /// Fits a pod of 512 MiB: 64 MiB of cache, 16 MiB a memtable, 256 MiB of journals.
    fn default() -> Self {
        Self {
            cache_size_bytes: 64 << 20,
            journal_size_bytes_max: 256 << 20,
            memtable_size_bytes_max: 16 << 20,
        }
    }
}

/// An [`Engine`] in a directory. See the module head.
pub struct FjallEngine {
    keyspaces: Keyspaces,
    database: Database,
    poisoned: AtomicBool,
}

#[derive(Clone)]
struct Keyspaces([fjall::Keyspace; Keyspace::ALL.len()]);

impl Keyspaces {
    fn of(&self, keyspace: Keyspace) -> &fjall::Keyspace {
        let [system, catalog, items, changes] = &self.0;
        match keyspace {
            Keyspace::System => system,
            Keyspace::Catalog => catalog,
            Keyspace::Items => items,
            Keyspace::Changes => changes,
        }
    }
}

impl FjallEngine {
    /// Opens the store in `directory`, making it when absent, and recovers it after a crash.
    ///
    /// # Errors
    /// [`EngineError::Io`] when the directory cannot be read or written, or another process has it open.
    pub fn open(directory: &Path, options: &FjallOptions) -> Result<Self, EngineError> {
        let database = Database::builder(directory)
            .cache_size(options.cache_size_bytes)
            .max_journaling_size(options.journal_size_bytes_max.max(64 << 20))
            .worker_threads(1)
            .open()
            .map_err(error)?;
        let open = |name| {
            let create = || {
                KeyspaceCreateOptions::default().max_memtable_size(options.memtable_size_bytes_max)
            };
            database.keyspace(name, create).map_err(error)
        };
        let keyspaces = Keyspaces([
            open("system")?,
            open("catalog")?,
            open("items")?,
            // A volume of 0.1 has none yet; it is made here.
            open("changes")?,
        ]);
        Ok(Self {
            keyspaces,
            database,
            poisoned: AtomicBool::new(false),
        })
    }
}

impl Engine for FjallEngine {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let value = self.keyspaces.of(keyspace).get(key).map_err(error)?;
        Ok(value.map(Bytes::from))
    }

    fn snapshot(&self) -> Box<dyn EngineSnapshot> {
        Box::new(FjallSnapshot {
            snapshot: self.database.snapshot(),
            keyspaces: self.keyspaces.clone(),
        })
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
    ) -> ScanIterator<'_> {
        // Through a snapshot, so that a batch is never seen by half.
        scan(
            &self.database.snapshot(),
            self.keyspaces.of(keyspace),
            lower,
            upper,
            direction,
        )
    }

    fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        batch.check()?;
        if self.poisoned.load(Ordering::Acquire) {
            return Err(EngineError::Poisoned);
        }
        let mut writes = self.database.batch();
        for write in batch.writes {
            let keyspace = self.keyspaces.of(write.keyspace);
            match write.value {
                Some(value) => writes.insert(keyspace, write.key, value),
                None => writes.remove(keyspace, write.key),
            }
        }
        writes.commit().map_err(error)
    }

    fn persist(&self) -> Result<(), EngineError> {
        if self.poisoned.load(Ordering::Acquire) {
            return Err(EngineError::Poisoned);
        }
        self.database
            .persist(PersistMode::SyncAll)
            .map_err(|cause| {
                self.poisoned.store(true, Ordering::Release);
                error(cause)
            })?;
        if self.database.journal_count() > SEALED_JOURNALS_MAX {
            for keyspace in Keyspace::ALL {
                self.keyspaces
                    .of(keyspace)
                    .rotate_memtable()
                    .map_err(error)?;
            }
        }
        Ok(())
    }

    fn journal_size_bytes(&self) -> u64 {
        self.database.journal_disk_space().unwrap_or(0)
    }
}

struct FjallSnapshot {
    snapshot: fjall::Snapshot,
    keyspaces: Keyspaces,
}

impl EngineSnapshot for FjallSnapshot {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let value = self
            .snapshot
            .get(self.keyspaces.of(keyspace), key)
            .map_err(error)?;
        Ok(value.map(Bytes::from))
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
    ) -> ScanIterator<'_> {
        scan(
            &self.snapshot,
            self.keyspaces.of(keyspace),
            lower,
            upper,
            direction,
        )
    }
}

fn scan<'a>(
    snapshot: &fjall::Snapshot,
    keyspace: &fjall::Keyspace,
    lower: Bound<&[u8]>,
    upper: Bound<&[u8]>,
    direction: Direction,
) -> ScanIterator<'a> {
    if is_empty_range(lower, upper) {
        return Box::new(std::iter::empty());
    }
    let range = snapshot.range::<&[u8], _>(keyspace, (lower, upper));
    let row = |guard: fjall::Guard| {
        let (key, value) = guard.into_inner().map_err(error)?;
        Ok((Bytes::from(key), Bytes::from(value)))
    };
    match direction {
        Direction::Forward => Box::new(range.map(row)),
        Direction::Backward => Box::new(range.rev().map(row)),
    }
}

fn error(cause: fjall::Error) -> EngineError {
    match cause {
        fjall::Error::Poisoned => EngineError::Poisoned,
        cause => EngineError::Io(Box::new(cause)),
    }
}
