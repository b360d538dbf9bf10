//! A table as the data path sees it: its row, and what is derived from it once.

use std::sync::OnceLock;

use stator_model::key::{KeyAttribute, KeySchema, ScalarType};

use super::rows::{
    ClusterRow, GlobalIndexRow, KeyRow, KeyTypeRow, LocalIndexRow, PartitionRow, ProjectionRow,
    ReadersRow, StreamViewRow, TableRow, TableStatusRow,
};
use crate::cluster::message::Route;
use crate::cluster::metrics::TableCounters;
use crate::table::ItemRules;
use crate::table::changes::{Readers, StreamView};
use crate::table::index::{IndexDefinition, Projection};
use crate::table::keys::StorageId;

/// A table in the catalog.
#[derive(Debug)]
pub struct Table {
    /// The row.
    pub row: TableRow,
    /// Its key schema.
    pub key_schema: KeySchema,
    /// Its ARN.
    pub arn: String,
    /// Its local indexes, in the order of the row.
    pub local_indexes: Vec<IndexDefinition>,
    /// Its global indexes, in the order of the row.
    pub global_indexes: Vec<IndexDefinition>,
    /// What is counted of it, once something is.
    pub(crate) counters: OnceLock<TableCounters>,
}

impl Table {
    /// Derives what the data path needs.
    pub fn new(row: TableRow, cluster: &ClusterRow) -> Self {
        let key_schema = key_schema(&row.partition_key, row.sort_key.as_ref());
        let arn = table_arn(&cluster.region, &cluster.account_id, &row.name);
        let local_indexes = row
            .local_indexes
            .iter()
            .map(|index| local_index(index, &key_schema))
            .collect();
        let global_indexes = row
            .global_indexes
            .iter()
            .map(|index| global_index(index, &key_schema))
            .collect();
        Self {
            row,
            key_schema,
            arn,
            local_indexes,
            global_indexes,
            counters: OnceLock::new(),
        }
    }

    /// Whether the table takes requests.
    pub fn is_active(&self) -> bool {
        matches!(
            self.row.status,
            TableStatusRow::Active | TableStatusRow::Updating
        )
    }

    /// The readers that `owed` names, as far as this catalog still has them: an index that is gone
    /// from it is being deleted and needs nothing more.
    pub fn readers(&self, owed: &ReadersRow) -> Readers<'_> {
        Readers {
            local: &self.local_indexes,
            global: self
                .global_indexes
                .iter()
                .filter(|index| owed.indexes.contains(&index.storage_id.0))
                .collect(),
            stream: owed.stream.map(|stream| StreamView {
                enabled_millis: stream.enabled_millis,
                old_image: matches!(
                    stream.view,
                    StreamViewRow::OldImage | StreamViewRow::NewAndOldImages
                ),
                new_image: matches!(
                    stream.view,
                    StreamViewRow::NewImage | StreamViewRow::NewAndOldImages
                ),
            }),
        }
    }

    /// What items have to fulfil.
    pub fn item_rules(&self) -> ItemRules<'_> {
        ItemRules {
            key: &self.key_schema,
            local: &self.local_indexes,
            global: &self.global_indexes,
        }
    }

    /// The index of that name.
    pub fn index(&self, name: &str) -> Option<&IndexDefinition> {
        self.local_indexes
            .iter()
            .chain(&self.global_indexes)
            .find(|index| index.name == name)
    }

    /// Whether an index has this attribute in its key.
    pub fn is_index_key(&self, attribute: &str) -> bool {
        let indexes = self.local_indexes.iter().chain(&self.global_indexes);
        indexes
            .flat_map(IndexDefinition::key_attributes)
            .any(|key| key.name == attribute)
    }

    /// The row of a global index.
    pub fn global_index_row(&self, storage_id: StorageId) -> Option<&GlobalIndexRow> {
        self.row
            .global_indexes
            .iter()
            .find(|index| index.storage_id == storage_id.0)
    }

    /// Where the items of the table lie, or the entries of `index`: those of a local index lie in
    /// the partitions of their items.
    pub fn partitions(&self, index: Option<&IndexDefinition>) -> &[PartitionRow] {
        match index.filter(|index| !index.is_local) {
            None => &self.row.partitions,
            Some(index) => self
                .global_index_row(index.storage_id)
                .map_or(&[], |row| row.partitions.as_slice()),
        }
    }

    /// The partition of the table or of a global index that `route` means; `None` if it is not
    /// there or has another epoch.
    pub fn partition_at(&self, route: Route) -> Option<&PartitionRow> {
        let partitions = if route.storage_id == self.row.storage_id {
            &self.row.partitions
        } else {
            &self
                .global_index_row(StorageId(route.storage_id))?
                .partitions
        };
        partitions.iter().find(|partition| {
            partition.partition_id == route.partition_id
                && partition.group_id == route.group_id
                && partition.epoch == route.epoch
        })
    }

    /// Prefix of the table's keys.
    pub fn storage_id(&self) -> StorageId {
        StorageId(self.row.storage_id)
    }

    /// The partition that holds `hash`.
    pub fn partition_of(&self, hash: u64) -> Option<&PartitionRow> {
        holder_of(&self.row.partitions, hash)
    }

    /// Where `partition` is, for a message.
    pub fn route(&self, partition: &PartitionRow) -> Route {
        route_to(self.storage_id(), partition)
    }
}

/// The one of `partitions` that holds `hash`.
pub fn holder_of(partitions: &[PartitionRow], hash: u64) -> Option<&PartitionRow> {
    let at = partitions.partition_point(|partition| partition.last_hash < hash);
    partitions
        .get(at)
        .filter(|partition| partition.first_hash <= hash)
}

/// Where a partition of a table or global index is, for a message.
pub fn route_to(storage_id: StorageId, partition: &PartitionRow) -> Route {
    Route {
        storage_id: storage_id.0,
        partition_id: partition.partition_id,
        group_id: partition.group_id,
        epoch: partition.epoch,
    }
}

/// The key schema of rows.
pub fn key_schema(partition_key: &KeyRow, sort_key: Option<&KeyRow>) -> KeySchema {
    KeySchema {
        partition_key: key_attribute(partition_key),
        sort_key: sort_key.map(key_attribute),
    }
}

/// The ARN of a table.
pub fn table_arn(region: &str, account_id: &str, name: &str) -> String {
    format!("arn:aws:dynamodb:{region}:{account_id}:table/{name}")
}

/// `count` even ranges of the whole 64-bit hash space, inclusive at both ends.
pub fn even_ranges(count: u32) -> Vec<(u64, u64)> {
    let count = u128::from(count.max(1));
    let space = u128::from(u64::MAX) + 1;
    let start = |at: u128| u64::try_from(space * at / count).unwrap_or(u64::MAX);
    (0..count)
        .map(|at| {
            let last = if at + 1 == count {
                u64::MAX
            } else {
                start(at + 1) - 1
            };
            (start(at), last)
        })
        .collect()
}

fn local_index(row: &LocalIndexRow, table_key: &KeySchema) -> IndexDefinition {
    IndexDefinition {
        name: row.name.clone(),
        storage_id: StorageId(row.storage_id),
        is_local: true,
        hash_keys: vec![table_key.partition_key.clone()],
        range_keys: vec![key_attribute(&row.sort_key)],
        projection: projection(&row.projection),
        table_key: table_key.clone(),
    }
}

fn global_index(row: &GlobalIndexRow, table_key: &KeySchema) -> IndexDefinition {
    IndexDefinition {
        name: row.name.clone(),
        storage_id: StorageId(row.storage_id),
        is_local: false,
        hash_keys: row.hash_keys.iter().map(key_attribute).collect(),
        range_keys: row.range_keys.iter().map(key_attribute).collect(),
        projection: projection(&row.projection),
        table_key: table_key.clone(),
    }
}

fn projection(row: &ProjectionRow) -> Projection {
    match row {
        ProjectionRow::All => Projection::All,
        ProjectionRow::KeysOnly => Projection::KeysOnly,
        ProjectionRow::Include(names) => Projection::Include(names.iter().cloned().collect()),
    }
}

fn key_attribute(row: &KeyRow) -> KeyAttribute {
    let scalar_type = match row.key_type {
        KeyTypeRow::S => ScalarType::S,
        KeyTypeRow::N => ScalarType::N,
        KeyTypeRow::B => ScalarType::B,
    };
    KeyAttribute {
        name: row.name.clone(),
        scalar_type,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_the_hash_space_without_gap_or_overlap() {
        for count in [1, 2, 3, 4, 7, 1000, 1_000_000] {
            let ranges = even_ranges(count);
            assert_eq!(ranges.len(), count as usize);
            assert_eq!(ranges[0].0, 0);
            assert_eq!(ranges.last().unwrap().1, u64::MAX);
            assert!(
                ranges
                    .windows(2)
                    .all(|pair| pair[0].1.checked_add(1) == Some(pair[1].0))
            );
        }
    }
}
