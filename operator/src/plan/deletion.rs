//! What to do for a `Table` that is being deleted. Data is kept unless the manifest says otherwise and nothing speaks against it.

use super::{
    EventDraft, Health,
    table::{
        ClusterState, FINALIZER, LATER, SOON, ServiceState, TableObservation, TablePlan, TableStep,
        deletion_policy, is_read_only,
    },
    table_changes::{ServiceTable, TableChange},
};

/// ACK: `delete` or `retain`, on the object.
pub const POLICY_ANNOTATION: &str = "services.k8s.aws/deletion-policy";
/// ACK: the same on the namespace, where the object says nothing.
pub const NAMESPACE_POLICY_ANNOTATION: &str = "dynamodb.services.k8s.aws/deletion-policy";

/// What happens to the data. Unlike ACK's, ours defaults to retain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// The table stays.
    Retain,
    /// The table goes.
    Delete,
}

impl Policy {
    /// The object decides, then the namespace. Anything but `delete` retains: a misspelt word must not cost data.
    pub fn of(object: Option<&str>, namespace: Option<&str>) -> Self {
        match object.or(namespace) {
            Some("delete") => Self::Delete,
            _ => Self::Retain,
        }
    }
}

/// Decides.
pub fn plan(observed: &TableObservation) -> TablePlan {
    let object = &observed.table;
    let name = &object.spec.table_name;
    let ours = object
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|finalizer| finalizer == FINALIZER);
    if !ours {
        return TablePlan::new(TableStep::Report, Health::Synced);
    }
    let known_id = object
        .status
        .as_ref()
        .and_then(|status| status.table_id.as_deref());
    // An object that never stood for the table (a conflict, a refused spec) has no say over it.
    let Some(known_id) = known_id.filter(|_| observed.older_sibling.is_none()) else {
        return release(EventDraft::normal(
            "NothingToDelete",
            "this object stood for no table",
        ));
    };
    if is_read_only(object) || deletion_policy(observed) == Policy::Retain {
        return release(EventDraft::normal(
            "DataRetained",
            format!(
                "table {name} and its data are retained; applying a Table with this tableName again adopts it"
            ),
        ));
    }
    if observed.cluster == ClusterState::Missing {
        return release(EventDraft::warning(
            "DataRetained",
            format!(
                "the StorageCluster of table {name} is gone, so the table cannot be deleted; its volumes are retained"
            ),
        ));
    }
    match &observed.service {
        ServiceState::Unknown | ServiceState::Unreachable(_) => recoverable(
            "StorageUnreachable",
            format!("table {name} can be deleted only when its storage cluster serves"),
        ),
        ServiceState::Missing => release(EventDraft::normal(
            "TableDeleted",
            format!("table {name} is deleted"),
        )),
        ServiceState::Present(table) if table.table_id != known_id => release(EventDraft::warning(
            "DataRetained",
            format!(
                "table {name} is another table than the one that this object stood for; it is retained"
            ),
        )),
        ServiceState::Present(table) => delete(observed, table),
    }
}

fn delete(observed: &TableObservation, table: &ServiceTable) -> TablePlan {
    let spec = &observed.table.spec;
    let table_name = spec.table_name.clone();
    let health = Health::Progressing {
        available: false,
        reason: "Deleting",
        message: format!("table {table_name} is being deleted"),
    };
    if table.status != "ACTIVE" {
        return TablePlan::new(TableStep::Report, health).again(SOON);
    }
    if !table.deletion_protection_enabled {
        return TablePlan::new(TableStep::Delete { table_name }, health).again(SOON);
    }
    // Switched off in the manifest, before or while the object is being deleted.
    if spec.deletion_protection_enabled == Some(false) {
        let change = TableChange::DeletionProtection(false);
        return TablePlan::new(TableStep::Update { table_name, change }, health).again(SOON);
    }
    recoverable(
        "DeletionProtected",
        format!(
            "table {table_name} has deletion protection; set deletionProtectionEnabled to false, \
             or annotate {POLICY_ANNOTATION}=retain"
        ),
    )
}

fn release(event: EventDraft) -> TablePlan {
    TablePlan::new(TableStep::RemoveFinalizer, Health::Synced).event(event)
}

fn recoverable(reason: &'static str, message: String) -> TablePlan {
    TablePlan::new(
        TableStep::Report,
        Health::Recoverable {
            available: false,
            reason,
            message,
        },
    )
    .again(LATER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::table::{
        READ_ONLY_ANNOTATION, plan,
        tests::{converged, deleted, orders_in_service},
    };

    fn annotate(observed: &mut TableObservation, name: &str, value: &str) {
        observed
            .table
            .metadata
            .annotations
            .get_or_insert_default()
            .insert(name.to_owned(), value.to_owned());
    }

    /// A deleted Table whose annotation says `delete`, and what happens in a world that differs a little.
    fn check(change: impl FnOnce(&mut TableObservation), step: TableStep, reason: &str) {
        let mut observed = converged();
        deleted(&mut observed);
        annotate(&mut observed, POLICY_ANNOTATION, "delete");
        change(&mut observed);
        let plan = plan(&observed);
        assert_eq!(plan.step, step);
        let said = plan
            .events
            .first()
            .map_or_else(|| plan.health.words().0, |event| event.reason.as_str());
        assert_eq!(said, reason);
    }

    #[test]
    fn data_is_retained_by_default() {
        check(
            |observed| observed.table.metadata.annotations = None,
            TableStep::RemoveFinalizer,
            "DataRetained",
        );
    }

    #[test]
    fn the_object_overrules_the_namespace() {
        check(
            |observed| {
                annotate(observed, POLICY_ANNOTATION, "retain");
                observed.namespace_deletion_policy = Some("delete".to_owned());
            },
            TableStep::RemoveFinalizer,
            "DataRetained",
        );
        check(
            |observed| {
                observed.table.metadata.annotations = None;
                observed.namespace_deletion_policy = Some("delete".to_owned());
            },
            TableStep::Delete {
                table_name: "orders".to_owned(),
            },
            "Deleting",
        );
    }

    #[test]
    fn a_misspelt_policy_retains() {
        check(
            |observed| annotate(observed, POLICY_ANNOTATION, "Delete"),
            TableStep::RemoveFinalizer,
            "DataRetained",
        );
    }

    #[test]
    fn a_read_only_object_deletes_nothing() {
        check(
            |observed| annotate(observed, READ_ONLY_ANNOTATION, "true"),
            TableStep::RemoveFinalizer,
            "DataRetained",
        );
    }

    #[test]
    fn deletion_protection_holds_the_object() {
        check(
            |observed| {
                let table = ServiceTable {
                    deletion_protection_enabled: true,
                    ..orders_in_service()
                };
                observed.service = ServiceState::Present(Box::new(table));
            },
            TableStep::Report,
            "DeletionProtected",
        );
    }

    #[test]
    fn deletion_protection_that_the_manifest_takes_away_is_taken_away() {
        check(
            |observed| {
                observed.table.spec.deletion_protection_enabled = Some(false);
                let table = ServiceTable {
                    deletion_protection_enabled: true,
                    ..orders_in_service()
                };
                observed.service = ServiceState::Present(Box::new(table));
            },
            TableStep::Update {
                table_name: "orders".to_owned(),
                change: TableChange::DeletionProtection(false),
            },
            "Deleting",
        );
    }

    #[test]
    fn the_finalizer_goes_when_the_table_is_gone() {
        check(
            |observed| observed.service = ServiceState::Missing,
            TableStep::RemoveFinalizer,
            "TableDeleted",
        );
    }

    #[test]
    fn the_younger_of_two_deletes_nothing() {
        check(
            |observed| observed.older_sibling = Some("first".to_owned()),
            TableStep::RemoveFinalizer,
            "NothingToDelete",
        );
    }

    #[test]
    fn a_table_made_again_by_others_is_not_deleted() {
        check(
            |observed| {
                let table = ServiceTable {
                    table_id: "id-2".to_owned(),
                    ..orders_in_service()
                };
                observed.service = ServiceState::Present(Box::new(table));
            },
            TableStep::RemoveFinalizer,
            "DataRetained",
        );
    }

    #[test]
    fn a_namespace_without_its_cluster_can_go() {
        check(
            |observed| {
                observed.cluster = ClusterState::Missing;
                observed.service = ServiceState::Unknown;
            },
            TableStep::RemoveFinalizer,
            "DataRetained",
        );
    }
}
