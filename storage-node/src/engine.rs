//! Keys and bytes: the one embedded store of a node, behind a small trait.
//!
//! An engine knows nothing of tables, groups or logs.
//! It keeps a few fixed keyspaces, each an ordered map from bytes to bytes, and writes batches to them atomically.
//! A write is *not* durable when [`Engine::write`] returns: the Raft log is what makes it so, and [`Engine::persist`]
//! moves the point from which the log has to be replayed.
//!
//! Two implementations: [`FjallEngine`] on disk, and [`MemoryEngine`], deterministic, which a test can set back to
//! what it had persisted.
//!
//! Invariant: after a failed [`Engine::persist`] the engine refuses every write until it is opened again, because the
//! operating system may have dropped the pages it could not write (`ADR 0004`).

mod fjall;
mod memory;

use std::ops::Bound;

use bytes::Bytes;

pub use self::fjall::{FjallEngine, FjallOptions};
pub use self::memory::MemoryEngine;

/// The longest key an engine takes, in bytes.
///
/// Fjall's limit is 65,535; the longest key of ours is a group prefix, a table prefix and both key attributes with
/// every byte escaped: 4 + 16 + 2 × 2,048 + 2 × 1,024 and a few terminators, so this leaves a tenfold margin.
pub const KEY_SIZE_BYTES_MAX: usize = 65_535;

/// One of the fixed maps of an engine. Tables are key prefixes, never keyspaces.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash)]
#[repr(u8)]
pub enum Keyspace {
    /// What the replication layer and the node remember for themselves: applied index, remembered requests, identity.
    System = 0,
    /// Rows of the meta group: tables, partitions, nodes.
    Catalog = 1,
    /// Stored items, and entries of indexes.
    Items = 2,
    /// Change logs of partitions: records of streams, and what waits to be carried to global secondary indexes.
    Changes = 3,
}

impl Keyspace {
    /// Every keyspace, in the order of their codes.
    pub const ALL: [Self; 4] = [Self::System, Self::Catalog, Self::Items, Self::Changes];

    /// The code that stands for this keyspace on disk and on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The keyspace of a code that was read, or `None` for a code of a newer version.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::System),
            1 => Some(Self::Catalog),
            2 => Some(Self::Items),
            3 => Some(Self::Changes),
            _ => None,
        }
    }
}

/// The order in which a scan yields its keys.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Direction {
    /// Ascending key order.
    Forward,
    /// Descending key order.
    Backward,
}

/// One put or delete of a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BatchWrite {
    /// The map that is written.
    pub keyspace: Keyspace,
    /// The key; never empty, at most [`KEY_SIZE_BYTES_MAX`].
    pub key: Bytes,
    /// The new value, or `None` to delete the key.
    pub value: Option<Bytes>,
}

/// Puts and deletes that take effect together or not at all. A later write of one key wins over an earlier one.
#[derive(Clone, Debug, Default)]
pub struct WriteBatch {
    writes: Vec<BatchWrite>,
}

impl WriteBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`.
    pub fn put(&mut self, keyspace: Keyspace, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.writes.push(BatchWrite {
            keyspace,
            key: key.into(),
            value: Some(value.into()),
        });
    }

    /// Removes `key`; removing an absent key is not an error.
    pub fn delete(&mut self, keyspace: Keyspace, key: impl Into<Bytes>) {
        self.writes.push(BatchWrite {
            keyspace,
            key: key.into(),
            value: None,
        });
    }

    /// The writes in the order they were added.
    #[must_use]
    pub fn writes(&self) -> &[BatchWrite] {
        &self.writes
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Checks the keys before anything is written, so that a bad one leaves the engine as it was.
    fn check(&self) -> Result<(), EngineError> {
        for write in &self.writes {
            check_key(&write.key)?;
        }
        Ok(())
    }
}

fn check_key(key: &[u8]) -> Result<(), EngineError> {
    if key.is_empty() || key.len() > KEY_SIZE_BYTES_MAX {
        return Err(EngineError::KeySize {
            size_bytes: key.len(),
        });
    }
    Ok(())
}

/// The iterator of a scan: pairs of key and value, or the error at which it stopped.
pub type ScanIterator<'a> =
    Box<dyn Iterator<Item = Result<(Bytes, Bytes), EngineError>> + Send + 'a>;

/// An embedded store of a few ordered maps.
///
/// All methods may block on disk; callers on an async runtime keep the work between two awaits small.
pub trait Engine: Send + Sync + 'static {
    /// The newest value of `key`.
    ///
    /// # Errors
    /// [`EngineError::Io`] when the store cannot be read.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// A view of all keyspaces at one moment between two batches.
    ///
    /// It holds back space from being freed, so keep it only as long as it is read.
    fn snapshot(&self) -> Box<dyn EngineSnapshot>;

    /// The pairs between two bounds, each no older than the call.
    /// Bounds that cross each other yield nothing.
    fn scan(
        &self,
        keyspace: Keyspace,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
    ) -> ScanIterator<'_>;

    /// Applies a batch atomically. Visible to readers on return, durable only after [`Engine::persist`].
    ///
    /// # Errors
    /// [`EngineError::Poisoned`] after a failed persist; [`EngineError::KeySize`] for a key that is empty or too long
    /// (nothing is written); [`EngineError::Io`] when the store cannot be written.
    fn write(&self, batch: WriteBatch) -> Result<(), EngineError>;

    /// Makes everything written before the call durable, by fsync.
    ///
    /// # Errors
    /// Any error poisons the engine: it refuses all later writes and persists.
    fn persist(&self) -> Result<(), EngineError>;

    /// Bytes of the engine's own journals on disk, for the metric; 0 where there is none.
    fn journal_size_bytes(&self) -> u64 {
        0
    }
}

/// A consistent view of an [`Engine`], see [`Engine::snapshot`].
pub trait EngineSnapshot: Send + Sync {
    /// The value of `key` in this view.
    ///
    /// # Errors
    /// [`EngineError::Io`] when the store cannot be read.
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// The pairs of this view between two bounds; bounds that cross each other yield nothing.
    fn scan(
        &self,
        keyspace: Keyspace,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
    ) -> ScanIterator<'_>;
}

/// Why an engine refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// An earlier persist failed, so nothing may be written until the engine is opened again.
    #[error("the engine refuses writes after a failed persist")]
    Poisoned,
    /// The key is empty or longer than [`KEY_SIZE_BYTES_MAX`].
    #[error("an engine key has 1 to 65535 bytes, not {size_bytes}")]
    KeySize {
        /// The length of the refused key.
        size_bytes: usize,
    },
    /// The store failed to read or write.
    #[error("engine: {0}")]
    Io(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Whether no key can lie between two bounds, which ordered maps of the standard library answer with a panic.
fn is_empty_range(lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> bool {
    match (lower, upper) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(low), Bound::Included(high)) => low > high,
        (Bound::Included(low) | Bound::Excluded(low), Bound::Excluded(high))
        | (Bound::Excluded(low), Bound::Included(high)) => low >= high,
    }
}

#[cfg(test)]
mod tests;
