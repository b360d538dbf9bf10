//! Secondary indexes in the catalog's changes: making, changing and removing them. Pure.

use stator_model::error::ApiError;
use stator_model::key::KeyAttribute;
use stator_model::operations::{UpdateTableRequest, one_online_index_at_a_time};
use stator_model::table::{
    GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, LocalSecondaryIndex, Projection,
    TableSettings,
};

use super::capacity_plan::take_index_capacity;
use super::describe::key_row;
use super::tables::Planner;
use crate::cluster::catalog::rows::{
    CountersRow, GlobalIndexRow, IndexBillingRow, IndexStatusRow, KeyRow, LocalIndexRow,
    ProjectionRow, TableRow,
};

impl Planner<'_> {
    /// Gives a new table its indexes, which its partitions know from their first write on.
    pub(super) fn make_indexes(
        self,
        row: &mut TableRow,
        settings: &TableSettings,
        counters: &mut CountersRow,
    ) {
        for index in &settings.local_secondary_indexes {
            row.local_indexes.push(local_row(index, counters));
        }
        for index in &settings.global_secondary_indexes {
            let made = self.global_row(index, IndexStatusRow::Active, counters);
            row.global_indexes.push(made);
        }
    }

    /// Makes the global indexes of `row` as `settings` have them; says whether that changed who
    /// reads the table's changes, so that its partitions have to be told.
    pub(super) fn take_indexes(
        self,
        row: &mut TableRow,
        settings: &TableSettings,
        counters: &mut CountersRow,
    ) -> bool {
        let mut readers_changed = false;
        for held in &mut row.global_indexes {
            if held.status == IndexStatusRow::Deleting {
                continue;
            }
            let wanted = settings
                .global_secondary_indexes
                .iter()
                .find(|index| index.index_name == held.name);
            match wanted {
                Some(wanted) => take_index_capacity(&mut held.billing, wanted, self.now_millis),
                None => {
                    held.status = IndexStatusRow::Deleting;
                    readers_changed = true;
                }
            }
        }
        for wanted in &settings.global_secondary_indexes {
            let held = row.global_indexes.iter().any(|index| {
                index.name == wanted.index_name && index.status != IndexStatusRow::Deleting
            });
            if !held {
                let made = self.global_row(wanted, IndexStatusRow::Backfilling, counters);
                row.global_indexes.push(made);
                readers_changed = true;
            }
        }
        readers_changed
    }

    fn global_row(
        self,
        index: &GlobalSecondaryIndex,
        status: IndexStatusRow,
        counters: &mut CountersRow,
    ) -> GlobalIndexRow {
        let storage_id = take_storage_id(counters);
        let mut billing = IndexBillingRow::default();
        take_index_capacity(&mut billing, index, self.now_millis);
        GlobalIndexRow {
            name: index.index_name.clone(),
            storage_id,
            hash_keys: index.key_schema.partition_keys.iter().map(key).collect(),
            range_keys: index.key_schema.sort_keys.iter().map(key).collect(),
            projection: projection_row(&index.projection),
            status,
            billing,
            partitions: self.partitions(counters),
        }
    }
}

/// One index at a time is made or removed; the one that is being filled may be removed.
///
/// # Errors
/// LimitExceededException.
pub(super) fn check_one_online(
    row: &TableRow,
    request: &UpdateTableRequest,
) -> Result<(), ApiError> {
    let online = request
        .global_secondary_index_updates
        .iter()
        .find(|update| !matches!(update, GlobalSecondaryIndexUpdate::Update(_)));
    let Some(online) = online else { return Ok(()) };
    let removed = match online {
        GlobalSecondaryIndexUpdate::Delete(name) => Some(name.index_name.as_str()),
        _ => None,
    };
    let in_flight = row.global_indexes.iter().any(|index| match index.status {
        IndexStatusRow::Active | IndexStatusRow::Updating => false,
        IndexStatusRow::Backfilling => removed != Some(index.name.as_str()),
        IndexStatusRow::Creating | IndexStatusRow::Deleting => true,
    });
    if in_flight {
        return Err(one_online_index_at_a_time());
    }
    Ok(())
}

/// An id on disk that was never used.
fn take_storage_id(counters: &mut CountersRow) -> u64 {
    let id = counters.next_storage_id;
    counters.next_storage_id += 1;
    id
}

fn local_row(index: &LocalSecondaryIndex, counters: &mut CountersRow) -> LocalIndexRow {
    LocalIndexRow {
        name: index.index_name.clone(),
        storage_id: take_storage_id(counters),
        sort_key: index.key_schema.sort_keys.first().map_or_else(
            // The model's checks refuse a local index without a sort key.
            || key_row("", stator_model::key::ScalarType::S),
            key,
        ),
        projection: projection_row(&index.projection),
    }
}

fn key(attribute: &KeyAttribute) -> KeyRow {
    key_row(&attribute.name, attribute.scalar_type)
}

fn projection_row(projection: &Projection) -> ProjectionRow {
    match projection {
        Projection::All => ProjectionRow::All,
        Projection::KeysOnly => ProjectionRow::KeysOnly,
        Projection::Include(names) => ProjectionRow::Include(names.clone()),
    }
}
