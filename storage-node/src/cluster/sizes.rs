//! How many items a table or an index has, and their bytes, as DescribeTable says them.
//!
//! As in the service the figures are those of the last walk, not of this moment (semantics section
//! 18). Each node walks over its own replicas, as slowly as it likes, and keeps what it found in memory; of
//! partitions that lie elsewhere it takes what its own let expect, since hashes are even.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::catalog::CatalogState;
use super::catalog::rows::PartitionRow;
use super::message::Refusal;
use super::route::refuse_storage;
use super::{Cluster, Table};
use crate::engine::{Direction, Keyspace};
use crate::replication::GroupId;
use crate::table::StoredItem;
use crate::table::keys::storage_id_of;

/// Items and bytes that one step reads.
const STEP_ITEMS: usize = 512;
const STEP_BYTES: usize = 1024 * 1024;
/// A pause lasts this many times as long as the step before it: a walk takes a tenth of a core.
const PAUSE_PER_STEP: u32 = 9;

/// The items of a table, or the entries of an index.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Size {
    /// How many.
    pub items: u64,
    /// Bytes of all of them, as items are measured (semantics section 2).
    pub bytes: u64,
}

impl Size {
    fn add(&mut self, item_size_bytes: usize) {
        self.items += 1;
        self.bytes += u64::try_from(item_size_bytes).unwrap_or(u64::MAX);
    }

    /// What `all` partitions hold if `here` of them hold this.
    fn extrapolated(self, here: usize, all: usize) -> Self {
        if here == 0 || here == all {
            return self;
        }
        let scale = |value: u64| {
            let scaled = u128::from(value) * all as u128 / here as u128;
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        Self {
            items: scale(self.items),
            bytes: scale(self.bytes),
        }
    }
}

/// Sizes by storage id.
#[derive(Debug, Default)]
pub struct Sizes(BTreeMap<u64, Size>);

impl Sizes {
    /// Nothing was counted.
    #[cfg(test)]
    pub const EMPTY: Self = Self(BTreeMap::new());

    /// What the last walk found there; nothing if that was before it was made.
    pub fn of(&self, storage_id: u64) -> Size {
        self.0.get(&storage_id).copied().unwrap_or_default()
    }

    /// What a walk found, with what lies on other nodes.
    fn with_elsewhere(
        mut self,
        state: &CatalogState,
        is_here: impl Fn(&PartitionRow) -> bool,
    ) -> Self {
        let mut fill = |storage_id: u64, partitions: &[PartitionRow]| {
            let here = partitions.iter().filter(|partition| is_here(partition));
            let (here, all) = (here.count(), partitions.len());
            if let Some(size) = self.0.get_mut(&storage_id) {
                *size = size.extrapolated(here, all);
            }
        };
        for table in state.tables.values() {
            let row = &table.row;
            fill(row.storage_id, &row.partitions);
            for index in &row.local_indexes {
                fill(index.storage_id, &row.partitions);
            }
            for index in &row.global_indexes {
                fill(index.storage_id, &index.partitions);
            }
        }
        self
    }
}

impl Cluster {
    /// What the last walk found.
    pub(super) fn sizes(&self) -> Arc<Sizes> {
        Arc::clone(&self.sizes.lock())
    }

    /// What DescribeTable says of a table.
    pub fn describe(&self, table: &Table) -> stator_model::table::TableDescription {
        table.description(self.now_millis(), &self.sizes())
    }

    /// Walks over all items from time to time, until the node stops.
    pub(super) async fn measure_tables(&self) {
        let token = self.tasks.token();
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                walked = self.measure_once() => match walked {
                    Ok(sizes) => *self.sizes.lock() = Arc::new(sizes),
                    Err(refusal) => tracing::warn!(?refusal, "the sizes of tables stay as they are"),
                }
            }
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = sleep(self.upkeep.table_sizes) => {}
            }
        }
    }

    async fn measure_once(&self) -> Result<Sizes, Refusal> {
        let mut sizes = Sizes::default();
        let mut after = None;
        loop {
            let started = Instant::now();
            after = self.measure_step(after.as_deref(), &mut sizes)?;
            if after.is_none() {
                break;
            }
            sleep(started.elapsed().max(Duration::from_millis(1)) * PAUSE_PER_STEP).await;
        }
        Ok(sizes.with_elsewhere(&self.catalog.current(), |partition| {
            self.groups.contains_key(&GroupId(partition.group_id))
        }))
    }

    /// Adds the next items; the last key of them if there may be more.
    fn measure_step(
        &self,
        after: Option<&[u8]>,
        sizes: &mut Sizes,
    ) -> Result<Option<Vec<u8>>, Refusal> {
        let lower = after.map_or(Bound::Unbounded, Bound::Excluded);
        let items = self
            .engine
            .scan(Keyspace::Items, lower, Bound::Unbounded, Direction::Forward);
        let mut bytes = 0;
        for (read, entry) in (1..).zip(items) {
            let (key, value) = entry.map_err(|problem| refuse_storage(&problem))?;
            bytes += value.len();
            let stored = StoredItem::open(value).map_err(|problem| refuse_storage(&problem))?;
            if let Some(storage_id) = storage_id_of(&key) {
                let size = sizes.0.entry(storage_id.0).or_default();
                size.add(stored.size_bytes);
            }
            if read >= STEP_ITEMS || bytes >= STEP_BYTES {
                return Ok(Some(key.to_vec()));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_elsewhere_is_expected_to_be_as_what_lies_here() {
        let size = Size {
            items: 10,
            bytes: 1_001,
        };
        assert_eq!(size.extrapolated(4, 4), size);
        assert_eq!(size.extrapolated(0, 4), size);
        let twice = Size {
            items: 20,
            bytes: 2_002,
        };
        assert_eq!(size.extrapolated(2, 4), twice);
    }
}
