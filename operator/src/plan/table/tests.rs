use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

use super::*;
use crate::crd::table::{AttributeDefinition, KeySchemaElement, TableStatorStatus};

/// The table of `examples/orders.yaml`.
pub(crate) fn orders() -> TableSpec {
    let text = include_str!("../../../../examples/orders.yaml");
    serde_yaml_ng::from_str::<Table>(text).unwrap().spec
}

/// The same in the database.
pub(crate) fn orders_in_service() -> ServiceTable {
    let attribute = |name: &str| AttributeDefinition {
        attribute_name: name.to_owned(),
        attribute_type: "S".to_owned(),
    };
    let key = |name: &str, kind: &str| KeySchemaElement {
        attribute_name: name.to_owned(),
        key_type: kind.to_owned(),
    };
    ServiceTable {
        table_id: "id-1".to_owned(),
        arn: "arn:aws:dynamodb:us-east-1:000000000000:table/orders".to_owned(),
        status: "ACTIVE".to_owned(),
        key_schema: vec![key("customerId", "HASH"), key("orderId", "RANGE")],
        attribute_definitions: vec![attribute("customerId"), attribute("orderId")],
        billing_mode: "PAY_PER_REQUEST".to_owned(),
        table_class: "STANDARD".to_owned(),
        ..ServiceTable::default()
    }
}

/// A Table that has been seen before, in a cluster that serves, whose table exists.
pub(crate) fn converged() -> TableObservation {
    let mut table = Table::new("orders", orders());
    table.metadata.namespace = Some("shop".to_owned());
    table.metadata.generation = Some(1);
    table.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
    table.status = Some(TableStatus {
        table_id: Some("id-1".to_owned()),
        stator: Some(TableStatorStatus {
            storage_cluster: "default".to_owned(),
            managed_fields: vec!["billingMode".to_owned()],
        }),
        ..TableStatus::default()
    });
    TableObservation {
        table,
        namespace_deletion_policy: None,
        older_sibling: None,
        cluster: ClusterState::Available,
        default_dax_missing: false,
        service: ServiceState::Present(Box::new(orders_in_service())),
    }
}

pub(crate) fn deleted(observed: &mut TableObservation) {
    observed.table.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
}

/// Step, reason and Events of a world that differs from the converged one.
fn check(
    change: impl FnOnce(&mut TableObservation),
    step: TableStep,
    reason: &str,
    events: &[&str],
) {
    let mut observed = converged();
    change(&mut observed);
    let plan = plan(&observed);
    assert_eq!(plan.step, step);
    assert_eq!(plan.health.words().0, reason, "{:?}", plan.health);
    let reasons: Vec<&str> = plan
        .events
        .iter()
        .map(|event| event.reason.as_str())
        .collect();
    assert_eq!(reasons, events);
}

#[test]
fn a_converged_table_is_only_reported() {
    check(|_| (), TableStep::Report, "Synced", &[]);
}

#[test]
fn the_finalizer_comes_first() {
    check(
        |observed| {
            observed.table.metadata.finalizers = None;
            observed.cluster = ClusterState::Missing;
            observed.service = ServiceState::Unknown;
        },
        TableStep::AddFinalizer,
        "Accepted",
        &[],
    );
}

#[test]
fn the_first_table_makes_the_default_clusters() {
    check(
        |observed| {
            observed.cluster = ClusterState::Missing;
            observed.service = ServiceState::Unknown;
        },
        TableStep::MakeDefaultClusters,
        "WaitingForStorageCluster",
        &[],
    );
    check(
        |observed| observed.default_dax_missing = true,
        TableStep::MakeDefaultClusters,
        "WaitingForStorageCluster",
        &[],
    );
}

#[test]
fn a_named_cluster_is_not_made() {
    check(
        |observed| {
            observed.table.spec.stator = Some(crate::crd::table::TableStator {
                storage_cluster: Some("blue".to_owned()),
            });
            observed.cluster = ClusterState::Missing;
            observed.service = ServiceState::Unknown;
        },
        TableStep::Report,
        "StorageClusterNotFound",
        &[],
    );
}

#[test]
fn a_missing_table_is_created() {
    check(
        |observed| observed.service = ServiceState::Missing,
        TableStep::Create(Box::new(orders())),
        "Creating",
        &[],
    );
}

#[test]
fn nothing_is_created_while_the_database_does_not_answer() {
    check(
        |observed| observed.service = ServiceState::Unreachable("no route".to_owned()),
        TableStep::Report,
        "StorageUnreachable",
        &[],
    );
}

#[test]
fn an_existing_table_is_adopted() {
    check(
        |observed| observed.table.status = None,
        TableStep::Report,
        "Synced",
        &["Adopted"],
    );
}

#[test]
fn a_table_with_another_key_is_not_adopted() {
    check(
        |observed| {
            observed.table.status = None;
            let mut table = orders_in_service();
            table.key_schema.pop();
            observed.service = ServiceState::Present(Box::new(table));
        },
        TableStep::Report,
        "TableDiffers",
        &[],
    );
}

#[test]
fn the_younger_of_two_is_terminal() {
    check(
        |observed| observed.older_sibling = Some("first".to_owned()),
        TableStep::Report,
        "TableNameConflict",
        &[],
    );
}

#[test]
fn what_is_not_built_is_refused_whole() {
    check(
        |observed| {
            observed.table.spec.resource_policy = Some("{}".to_owned());
            observed.service = ServiceState::Missing;
        },
        TableStep::Report,
        "UnsupportedField",
        &[],
    );
}

#[test]
fn an_index_on_its_way_is_waited_for() {
    check(
        |observed| {
            observed.table.spec.deletion_protection_enabled = Some(true);
            let mut table = orders_in_service();
            table.global_secondary_indexes = vec![crate::plan::table_changes::ServiceIndex {
                index_name: "byOrder".to_owned(),
                status: "CREATING".to_owned(),
                ..Default::default()
            }];
            observed.service = ServiceState::Present(Box::new(table));
        },
        TableStep::Report,
        "Updating",
        &[],
    );
}

#[test]
fn provisioned_without_throughput_is_refused_only_for_a_new_table() {
    check(
        |observed| {
            observed.table.spec.billing_mode = None;
            observed.service = ServiceState::Missing;
        },
        TableStep::Report,
        "InvalidSpec",
        &[],
    );
    check(
        |observed| observed.table.spec.billing_mode = None,
        TableStep::Report,
        "Synced",
        &["FieldUnmanaged"],
    );
}

#[test]
fn a_changed_setting_is_updated() {
    let change = TableChange::DeletionProtection(true);
    check(
        |observed| observed.table.spec.deletion_protection_enabled = Some(true),
        TableStep::Update {
            table_name: "orders".to_owned(),
            change,
        },
        "Updating",
        &[],
    );
}

#[test]
fn a_table_that_is_updating_is_left_alone() {
    check(
        |observed| {
            observed.table.spec.deletion_protection_enabled = Some(true);
            let table = ServiceTable {
                status: "UPDATING".to_owned(),
                ..orders_in_service()
            };
            observed.service = ServiceState::Present(Box::new(table));
        },
        TableStep::Report,
        "TableNotActive",
        &[],
    );
}

#[test]
fn read_only_changes_nothing() {
    let read_only = |observed: &mut TableObservation| {
        observed.table.metadata.annotations = Some(
            [(READ_ONLY_ANNOTATION.to_owned(), "true".to_owned())]
                .into_iter()
                .collect(),
        );
    };
    check(
        |observed| {
            read_only(observed);
            observed.table.spec.deletion_protection_enabled = Some(true);
        },
        TableStep::Report,
        "ReadOnly",
        &[],
    );
    check(
        |observed| {
            read_only(observed);
            observed.service = ServiceState::Missing;
        },
        TableStep::Report,
        "TableNotFound",
        &[],
    );
}

#[test]
fn the_status_of_a_converged_table_does_not_move_with_its_data() {
    let mut observed = converged();
    let first = status(&observed.table, &plan(&observed));
    observed.table.status = Some(first.clone());
    let grown = ServiceTable {
        item_count: 1_000,
        size_bytes: 1_000_000,
        ..orders_in_service()
    };
    observed.service = ServiceState::Present(Box::new(grown));
    assert_eq!(status(&observed.table, &plan(&observed)), first);
}

#[test]
fn account_and_region_come_from_the_arn() {
    let metadata = resource_metadata(&orders_in_service().arn).unwrap();
    assert_eq!(
        (metadata.region.as_str(), metadata.owner_account_id.as_str()),
        ("us-east-1", "000000000000")
    );
}
