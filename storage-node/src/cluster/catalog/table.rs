//! A table as the data path sees it: its row, and what is derived from it once.

use stator_model::key::{KeyAttribute, KeySchema, ScalarType};

use super::rows::{ClusterRow, KeyRow, KeyTypeRow, PartitionRow, TableRow, TableStatusRow};
use crate::cluster::message::Route;
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
}

impl Table {
    /// Derives what the data path needs.
    pub fn new(row: TableRow, cluster: &ClusterRow) -> Self {
        let key_schema = KeySchema {
            partition_key: key_attribute(&row.partition_key),
            sort_key: row.sort_key.as_ref().map(key_attribute),
        };
        let arn = table_arn(&cluster.region, &cluster.account_id, &row.name);
        Self {
            row,
            key_schema,
            arn,
        }
    }

    /// Whether the table takes requests.
    pub fn is_active(&self) -> bool {
        self.row.status == TableStatusRow::Active
    }

    /// Prefix of the table's keys.
    pub fn storage_id(&self) -> StorageId {
        StorageId(self.row.storage_id)
    }

    /// The partition that holds `hash`.
    pub fn partition_of(&self, hash: u64) -> Option<&PartitionRow> {
        let at = self
            .row
            .partitions
            .partition_point(|partition| partition.last_hash < hash);
        self.row
            .partitions
            .get(at)
            .filter(|partition| partition.first_hash <= hash)
    }

    /// Where `partition` is, for a message.
    pub fn route(&self, partition: &PartitionRow) -> Route {
        Route {
            storage_id: self.row.storage_id,
            partition_id: partition.partition_id,
            group_id: partition.group_id,
            epoch: partition.epoch,
        }
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
