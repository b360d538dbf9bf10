//! Between the rows of indexes and what the API says of them.

use stator_model::key::KeyAttribute;
use stator_model::table::{
    GlobalSecondaryIndex, IndexFacts, IndexKeySchema, IndexStatus, LocalSecondaryIndex, Projection,
};

use super::capacity_plan::warm_of;
use super::describe::{provisioned, scalar_type, upper_limits};
use crate::cluster::catalog::rows::{
    GlobalIndexRow, IndexStatusRow, KeyRow, LocalIndexRow, ProjectionRow,
};

/// A local index as requests define it.
pub(super) fn local_index(row: &LocalIndexRow, partition_key: &KeyRow) -> LocalSecondaryIndex {
    LocalSecondaryIndex {
        index_name: row.name.clone(),
        key_schema: IndexKeySchema {
            partition_keys: vec![attribute(partition_key)],
            sort_keys: vec![attribute(&row.sort_key)],
        },
        projection: projection(&row.projection),
    }
}

/// A global index as requests define it.
pub(super) fn global_index(row: &GlobalIndexRow, on_demand: bool) -> GlobalSecondaryIndex {
    let billing = &row.billing;
    GlobalSecondaryIndex {
        index_name: row.name.clone(),
        key_schema: IndexKeySchema {
            partition_keys: row.hash_keys.iter().map(attribute).collect(),
            sort_keys: row.range_keys.iter().map(attribute).collect(),
        },
        projection: projection(&row.projection),
        provisioned_throughput: (!on_demand)
            .then(|| provisioned(billing.read_units, billing.write_units)),
        on_demand_throughput: upper_limits(
            billing.max_read_request_units,
            billing.max_write_request_units,
        ),
        warm_throughput: billing.warm.map(warm_of),
    }
}

/// Where a global index is in its life. Its items are not copied before all partitions of the table
/// know of it.
pub(super) fn facts(row: &GlobalIndexRow, readers_settled: bool) -> IndexFacts {
    let (index_status, backfilling) = match row.status {
        IndexStatusRow::Creating => (IndexStatus::Creating, Some(false)),
        IndexStatusRow::Backfilling => (IndexStatus::Creating, Some(readers_settled)),
        IndexStatusRow::Active => (IndexStatus::Active, None),
        IndexStatusRow::Updating => (IndexStatus::Updating, None),
        IndexStatusRow::Deleting => (IndexStatus::Deleting, None),
    };
    IndexFacts {
        index_status,
        backfilling,
        ..IndexFacts::default()
    }
}

fn attribute(row: &KeyRow) -> KeyAttribute {
    KeyAttribute {
        name: row.name.clone(),
        scalar_type: scalar_type(row),
    }
}

fn projection(row: &ProjectionRow) -> Projection {
    match row {
        ProjectionRow::All => Projection::All,
        ProjectionRow::KeysOnly => Projection::KeysOnly,
        ProjectionRow::Include(names) => Projection::Include(names.clone()),
    }
}
