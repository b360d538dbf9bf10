//! How the secondary indexes of a table differ from its manifest.
//!
//! The list of global indexes is managed as a whole when the manifest has it, matched by name: an index that is not in it
//! is deleted (its entries can be made again from the table). UpdateTable makes or deletes one index at a time, so the
//! planner waits while any index is on its way.

use std::collections::BTreeSet;

use crate::crd::table::{
    GlobalSecondaryIndex, KeySchemaElement, OnDemandThroughput, Projection, ProvisionedThroughput,
    TableSpec,
};

use super::{ServiceTable, TableChange, bounds, key_text};

/// A secondary index as DescribeTable shows it. Of a local one the last fields say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceIndex {
    /// Its name.
    pub index_name: String,
    /// Its key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it holds.
    pub projection: Projection,
    /// Its ARN.
    pub arn: String,
    /// Number of entries, approximately.
    pub item_count: i64,
    /// Size, approximately.
    pub size_bytes: i64,
    /// `CREATING`, `ACTIVE` and so on; empty for a local index, which has none.
    pub status: String,
    /// It is being filled from the table.
    pub backfilling: Option<bool>,
    /// Zeros for an on-demand table.
    pub provisioned_throughput: ProvisionedThroughput,
    /// Bounds of an on-demand table's index.
    pub on_demand_throughput: Option<OnDemandThroughput>,
}

/// Why the manifest can never describe the indexes of this table.
pub(super) fn mismatch(spec: &TableSpec, table: &ServiceTable) -> Option<String> {
    for wanted in spec.global_secondary_indexes.iter().flatten() {
        let name = &wanted.index_name;
        let Some(real) = table
            .global_secondary_indexes
            .iter()
            .find(|index| index.index_name == *name && index.status != "DELETING")
        else {
            continue;
        };
        if let Some(difference) = difference(&wanted.key_schema, wanted.projection.as_ref(), real) {
            return Some(format!(
                "spec.globalSecondaryIndexes: {name} exists with {difference}; an index cannot be changed: take it out of \
                 the manifest, wait until it is gone, and put it in again"
            ));
        }
    }
    let wanted = spec.local_secondary_indexes.as_ref()?;
    for index in wanted {
        let real = table
            .local_secondary_indexes
            .iter()
            .find(|real| real.index_name == index.index_name);
        let problem = match real {
            None => Some("is not in the table, and cannot be added to it".to_owned()),
            Some(real) => difference(&index.key_schema, index.projection.as_ref(), real)
                .map(|difference| format!("exists with {difference}")),
        };
        if let Some(problem) = problem {
            return Some(format!(
                "spec.localSecondaryIndexes: {} {problem}",
                index.index_name
            ));
        }
    }
    let names: BTreeSet<&str> = wanted
        .iter()
        .map(|index| index.index_name.as_str())
        .collect();
    table
        .local_secondary_indexes
        .iter()
        .find(|real| !names.contains(real.index_name.as_str()))
        .map(|real| {
            format!(
                "spec.localSecondaryIndexes: the table has {} besides, and it cannot be removed",
                real.index_name
            )
        })
}

fn difference(
    key: &[KeySchemaElement],
    projection: Option<&Projection>,
    real: &ServiceIndex,
) -> Option<String> {
    if key != real.key_schema {
        return Some(format!("another key: {}", key_text(&real.key_schema)));
    }
    let parts = |projection: &Projection| {
        let kind = projection.projection_type.clone();
        let names: BTreeSet<String> = projection
            .non_key_attributes
            .iter()
            .flatten()
            .cloned()
            .collect();
        (kind, names)
    };
    let wanted = projection.map(parts)?;
    (wanted != parts(&real.projection)).then(|| "another projection".to_owned())
}

/// The index that is on its way, and where it is.
pub(super) fn busy(table: &ServiceTable) -> Option<String> {
    let index = table
        .global_secondary_indexes
        .iter()
        .find(|index| index.status != "ACTIVE")?;
    Some(match index.backfilling {
        Some(true) => format!(
            "index {} is {} (backfilling)",
            index.index_name, index.status
        ),
        _ => format!("index {} is {}", index.index_name, index.status),
    })
}

/// The next change of the global indexes.
pub(super) fn next_change(spec: &TableSpec, table: &ServiceTable) -> Option<TableChange> {
    let wanted = spec.global_secondary_indexes.as_ref()?;
    let by_name = |name: &str| wanted.iter().find(|index| index.index_name == name);
    for real in &table.global_secondary_indexes {
        let Some(index) = by_name(&real.index_name) else {
            return Some(TableChange::DeleteIndex(real.index_name.clone()));
        };
        if let Some(change) = throughput_change(index, real, table) {
            return Some(change);
        }
    }
    wanted
        .iter()
        .find(|index| {
            let has = |real: &ServiceIndex| real.index_name == index.index_name;
            !table.global_secondary_indexes.iter().any(has)
        })
        .map(|index| TableChange::CreateIndex {
            index: Box::new(index.clone()),
            attribute_definitions: spec.attribute_definitions.clone(),
        })
}

fn throughput_change(
    wanted: &GlobalSecondaryIndex,
    real: &ServiceIndex,
    table: &ServiceTable,
) -> Option<TableChange> {
    let is_provisioned = table.billing_mode == "PROVISIONED";
    let provisioned = wanted
        .provisioned_throughput
        .as_ref()
        .filter(|units| is_provisioned && **units != real.provisioned_throughput);
    let on_demand = wanted.on_demand_throughput.as_ref().filter(|units| {
        !is_provisioned && bounds(Some(units)) != bounds(real.on_demand_throughput.as_ref())
    });
    (provisioned.is_some() || on_demand.is_some()).then(|| TableChange::IndexThroughput {
        index_name: wanted.index_name.clone(),
        provisioned_throughput: provisioned.cloned(),
        on_demand_throughput: on_demand.cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::table::AttributeDefinition;
    use crate::plan::table::tests::{orders, orders_in_service};
    use crate::plan::table_changes::{mismatch, next_change};

    fn key(name: &str) -> Vec<KeySchemaElement> {
        vec![KeySchemaElement {
            attribute_name: name.to_owned(),
            key_type: "HASH".to_owned(),
        }]
    }

    fn projection() -> Projection {
        Projection {
            projection_type: Some("INCLUDE".to_owned()),
            non_key_attributes: Some(vec!["b".to_owned(), "a".to_owned()]),
        }
    }

    fn wanted(name: &str) -> GlobalSecondaryIndex {
        GlobalSecondaryIndex {
            index_name: name.to_owned(),
            key_schema: key("status"),
            projection: Some(projection()),
            ..GlobalSecondaryIndex::default()
        }
    }

    fn real(name: &str) -> ServiceIndex {
        ServiceIndex {
            index_name: name.to_owned(),
            key_schema: key("status"),
            projection: Projection {
                non_key_attributes: Some(vec!["a".to_owned(), "b".to_owned()]),
                ..projection()
            },
            status: "ACTIVE".to_owned(),
            ..ServiceIndex::default()
        }
    }

    fn spec(indexes: Option<Vec<GlobalSecondaryIndex>>) -> TableSpec {
        let mut spec = orders();
        spec.attribute_definitions.push(AttributeDefinition {
            attribute_name: "status".to_owned(),
            attribute_type: "S".to_owned(),
        });
        spec.global_secondary_indexes = indexes;
        spec
    }

    fn table(indexes: Vec<ServiceIndex>) -> ServiceTable {
        ServiceTable {
            global_secondary_indexes: indexes,
            ..orders_in_service()
        }
    }

    #[test]
    fn an_index_of_the_manifest_is_made_and_one_that_left_it_is_deleted_one_at_a_time() {
        let spec = spec(Some(vec![wanted("one"), wanted("two")]));
        let made = |change: Option<TableChange>| match change {
            Some(TableChange::CreateIndex { index, .. }) => index.index_name,
            other => panic!("{other:?}"),
        };
        assert_eq!(made(next_change(&spec, &table(vec![]))), "one");
        assert_eq!(made(next_change(&spec, &table(vec![real("one")]))), "two");
        assert_eq!(
            next_change(&spec, &table(vec![real("old"), real("one")])),
            Some(TableChange::DeleteIndex("old".to_owned()))
        );
        assert_eq!(
            next_change(&spec, &table(vec![real("one"), real("two")])),
            None
        );
    }

    #[test]
    fn a_manifest_without_the_list_leaves_the_indexes_alone() {
        assert_eq!(next_change(&spec(None), &table(vec![real("old")])), None);
        let none_wanted = spec(Some(Vec::new()));
        assert_eq!(
            next_change(&none_wanted, &table(vec![real("old")])),
            Some(TableChange::DeleteIndex("old".to_owned()))
        );
    }

    #[test]
    fn an_index_with_another_key_or_projection_is_a_mismatch() {
        let spec = spec(Some(vec![wanted("one")]));
        assert_eq!(mismatch(&spec, &table(vec![real("one")])), None);
        let mut other = real("one");
        other.key_schema = key("customerId");
        let text = mismatch(&spec, &table(vec![other.clone()])).unwrap();
        assert!(text.starts_with("spec.globalSecondaryIndexes: one exists with another key"));
        other.status = "DELETING".to_owned();
        assert_eq!(mismatch(&spec, &table(vec![other])), None);
        let mut other = real("one");
        other.projection = Projection::default();
        assert!(mismatch(&spec, &table(vec![other])).is_some());
    }

    #[test]
    fn the_throughput_of_an_index_follows_the_manifest() {
        let units = |n| ProvisionedThroughput {
            read_capacity_units: n,
            write_capacity_units: n,
        };
        let mut index = wanted("one");
        index.provisioned_throughput = Some(units(5));
        let spec = spec(Some(vec![index]));
        let mut have = real("one");
        have.provisioned_throughput = units(1);
        let mut table = table(vec![have]);
        assert_eq!(next_change(&spec, &table), None, "on demand");
        table.billing_mode = "PROVISIONED".to_owned();
        let mut spec = spec;
        spec.billing_mode = Some("PROVISIONED".to_owned());
        assert_eq!(
            next_change(&spec, &table),
            Some(TableChange::IndexThroughput {
                index_name: "one".to_owned(),
                provisioned_throughput: Some(units(5)),
                on_demand_throughput: None,
            })
        );
    }

    #[test]
    fn an_index_on_its_way_is_waited_for() {
        let mut index = real("one");
        assert_eq!(busy(&table(vec![index.clone()])), None);
        index.status = "CREATING".to_owned();
        index.backfilling = Some(true);
        assert_eq!(
            busy(&table(vec![index])).as_deref(),
            Some("index one is CREATING (backfilling)")
        );
    }
}
