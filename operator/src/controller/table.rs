//! Reconciling a `Table`.

use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Resource as _, core::DeserializeGuard, runtime::controller::Action};

use super::{Context, ReconcileError, readable};
use crate::{
    crd::{
        DaxCluster, StorageCluster, Table,
        condition::{self, AVAILABLE},
        table::DEFAULT_STORAGE_CLUSTER,
    },
    names::StorageNames,
    plan::{
        EventDraft, Health,
        deletion::NAMESPACE_POLICY_ANNOTATION,
        table::{
            ClusterState, FINALIZER, LATER, ServiceState, TableObservation, TablePlan, TableStep,
            plan, status,
        },
    },
    service::{ServiceError, TableService},
};

/// Reconciles one Table; `known` are all that the watch has seen.
pub(super) async fn reconcile(
    object: Arc<DeserializeGuard<Table>>,
    known: Vec<Arc<DeserializeGuard<Table>>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let table = readable(&object)?;
    let others: Vec<&Table> = known
        .iter()
        .filter_map(|other| other.0.as_ref().ok())
        .collect();
    let older = older_sibling(&table, &others);
    reconcile_table(&table, older, &context).await
}

/// Reads, plans one step, does it, reports.
///
/// # Errors
///
/// Those of the API server; what the database says becomes a condition.
///
/// # Cancel safety
///
/// May be dropped at any await: the next call reads again.
pub async fn reconcile_table(
    seen: &Table,
    older_sibling: Option<String>,
    context: &Context,
) -> Result<Action, ReconcileError> {
    let meta = seen.meta();
    let (name, namespace) = (
        meta.name.clone().unwrap_or_default(),
        meta.namespace.clone().unwrap_or_default(),
    );
    // Fresh, since the watch may lag behind our own last write.
    let api: Api<Table> = context.kubernetes.namespaced(&namespace);
    let Some(table) = api.get_opt(&name).await? else {
        return Ok(Action::await_change());
    };

    let (observed, service) = observe(table, older_sibling, context).await?;
    let mut plan = plan(&observed);
    let table = &observed.table;
    let about = table.object_ref(&());
    match do_step(&plan, table, service.as_deref(), context).await? {
        Outcome::Done(events) => plan.events.extend(events),
        Outcome::Created(created) => {
            let note = format!("table {} is created", table.spec.table_name);
            plan.events.push(EventDraft::normal("Created", note));
            plan.service = Some(created);
        }
        Outcome::Refused(error) => {
            plan.events.clear();
            plan.health = refused(&plan.health, &error);
            plan.again = Some(LATER);
        }
    }
    for event in &plan.events {
        context.kubernetes.publish(&about, event).await;
    }
    if plan.step == TableStep::RemoveFinalizer {
        context
            .kubernetes
            .remove_finalizer(table, FINALIZER)
            .await?;
        return Ok(Action::await_change());
    }
    report(table, &plan, context).await?;
    Ok(context.again(plan.again))
}

async fn observe(
    table: Table,
    older_sibling: Option<String>,
    context: &Context,
) -> Result<(TableObservation, Option<Arc<dyn TableService>>), ReconcileError> {
    let kubernetes = &context.kubernetes;
    let namespace = table.metadata.namespace.clone().unwrap_or_default();
    let cluster_name = table.spec.storage_cluster().to_owned();
    let namespace_deletion_policy = if table.metadata.deletion_timestamp.is_some() {
        let namespaces: Api<Namespace> = Api::all(kubernetes.client());
        let annotations = namespaces
            .get_opt(&namespace)
            .await?
            .and_then(|namespace| namespace.metadata.annotations);
        annotations.and_then(|annotations| annotations.get(NAMESPACE_POLICY_ANNOTATION).cloned())
    } else {
        None
    };
    let cluster = kubernetes
        .namespaced::<StorageCluster>(&namespace)
        .get_opt(&cluster_name)
        .await?;
    let default_dax_missing = context.defaults.dax_cluster.enabled
        && cluster_name == DEFAULT_STORAGE_CLUSTER
        && kubernetes
            .namespaced::<DaxCluster>(&namespace)
            .get_opt(DEFAULT_STORAGE_CLUSTER)
            .await?
            .is_none();
    let mut observed = TableObservation {
        cluster: cluster
            .as_ref()
            .map_or(ClusterState::Missing, cluster_state),
        table,
        namespace_deletion_policy,
        older_sibling,
        default_dax_missing,
        service: ServiceState::Unknown,
    };
    let Some(cluster) = cluster.filter(|_| observed.cluster == ClusterState::Available) else {
        return Ok((observed, None));
    };
    let names = StorageNames::of(&cluster);
    let Some(key) = context.operator_key(&names).await? else {
        observed.cluster =
            ClusterState::NotAvailable(format!("Secret {} is missing", names.operator_secret()));
        return Ok((observed, None));
    };
    let service = context
        .clients
        .tables(&names.endpoint(), &cluster.spec.region, key.access_key());
    observed.service = match service.describe(&observed.table.spec).await {
        Ok(Some(table)) => ServiceState::Present(Box::new(table)),
        Ok(None) => ServiceState::Missing,
        Err(error) => ServiceState::Unreachable(error.to_string()),
    };
    Ok((observed, Some(service)))
}

fn cluster_state(cluster: &StorageCluster) -> ClusterState {
    let conditions = cluster
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    match condition::find(conditions, AVAILABLE) {
        Some(available) if available.is_true() => ClusterState::Available,
        Some(available) => {
            ClusterState::NotAvailable(available.message.clone().unwrap_or_default())
        }
        None => ClusterState::NotAvailable("it is new".to_owned()),
    }
}

/// Another Table for the same table that was made earlier; the uid decides within one second.
fn older_sibling(table: &Table, others: &[&Table]) -> Option<String> {
    let age = |table: &Table| {
        let created = table
            .metadata
            .creation_timestamp
            .as_ref()
            .map(|time| time.0);
        (created, table.metadata.uid.clone())
    };
    others
        .iter()
        .filter(|other| {
            other.metadata.namespace == table.metadata.namespace
                && other.metadata.uid != table.metadata.uid
                && other.spec.table_name == table.spec.table_name
                && other.spec.storage_cluster() == table.spec.storage_cluster()
                && age(other) < age(table)
        })
        .filter_map(|other| other.metadata.name.clone())
        .next()
}

enum Outcome {
    Done(Option<EventDraft>),
    Created(Box<crate::plan::table_changes::ServiceTable>),
    Refused(ServiceError),
}

async fn do_step(
    plan: &TablePlan,
    table: &Table,
    service: Option<&dyn TableService>,
    context: &Context,
) -> Result<Outcome, ReconcileError> {
    let kubernetes = &context.kubernetes;
    let refused = |result: Result<(), ServiceError>, event: Option<EventDraft>| match result {
        Ok(()) => Outcome::Done(event),
        Err(error) => Outcome::Refused(error),
    };
    let silent = || ServiceError::Unreachable("the storage cluster does not serve".to_owned());
    Ok(match &plan.step {
        // The finalizer goes last, after the Events.
        TableStep::Report | TableStep::RemoveFinalizer => Outcome::Done(None),
        TableStep::AddFinalizer => {
            kubernetes.add_finalizer(table, FINALIZER).await?;
            Outcome::Done(None)
        }
        TableStep::MakeDefaultClusters => {
            make_default_clusters(table, context).await?;
            Outcome::Done(None)
        }
        TableStep::Create(spec) => match service {
            None => Outcome::Refused(silent()),
            Some(service) => match service.create(spec).await {
                Ok(created) => Outcome::Created(Box::new(created)),
                Err(error) => Outcome::Refused(error),
            },
        },
        TableStep::Update { table_name, change } => match service {
            None => Outcome::Refused(silent()),
            Some(service) => {
                let note = format!("{} of table {table_name} is changed", change.field());
                let event = EventDraft::normal("Updated", note);
                refused(service.update(table_name, change).await, Some(event))
            }
        },
        TableStep::Delete { table_name } => match service {
            None => Outcome::Refused(silent()),
            Some(service) => refused(service.delete(table_name).await, None),
        },
    })
}

/// `default` and its cache, from the chart's values, without owner: they outlive the tables.
async fn make_default_clusters(table: &Table, context: &Context) -> Result<(), ReconcileError> {
    let namespace = table.metadata.namespace.clone();
    let mut storage = StorageCluster::new(
        DEFAULT_STORAGE_CLUSTER,
        context.defaults.storage_cluster.clone(),
    );
    storage.metadata.namespace = namespace.clone();
    context.kubernetes.apply_if_missing(&storage).await?;
    if context.defaults.dax_cluster.enabled {
        let mut dax = DaxCluster::new(
            DEFAULT_STORAGE_CLUSTER,
            context.defaults.dax_cluster.spec.clone(),
        );
        dax.metadata.namespace = namespace;
        context.kubernetes.apply_if_missing(&dax).await?;
    }
    Ok(())
}

/// How it stands after the database said no.
fn refused(planned: &Health, error: &ServiceError) -> Health {
    let available = matches!(
        planned,
        Health::Progressing {
            available: true,
            ..
        }
    );
    let message = error.to_string();
    match error {
        ServiceError::Refused { code, .. } if code == "ValidationException" => Health::Terminal {
            available,
            reason: "Refused",
            message,
        },
        ServiceError::Refused { .. } => Health::Recoverable {
            available,
            reason: "Refused",
            message,
        },
        ServiceError::Unreachable(_) => Health::Recoverable {
            available,
            reason: "StorageUnreachable",
            message,
        },
    }
}

async fn report(table: &Table, plan: &TablePlan, context: &Context) -> Result<(), ReconcileError> {
    let before = table.status.as_ref();
    let old = before
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let mut wanted = status(table, plan);
    wanted.conditions = condition::merge(
        old,
        plan.health.conditions(),
        table.metadata.generation,
        context.now(),
    );
    context.kubernetes.report(table, before, &wanted).await?;
    if let Some(event) = plan.health.transition(old) {
        context
            .kubernetes
            .publish(&table.object_ref(&()), &event)
            .await;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

    use super::*;
    use crate::plan::table::tests::orders;

    fn table(name: &str, created: i64, table_name: &str) -> Table {
        let mut table = Table::new(name, orders());
        table.spec.table_name = table_name.to_owned();
        table.metadata.namespace = Some("shop".to_owned());
        table.metadata.uid = Some(name.to_owned());
        table.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
        table
    }

    #[test]
    fn the_elder_of_two_is_found() {
        let (old, young) = (table("old", 1, "orders"), table("young", 2, "orders"));
        assert_eq!(
            older_sibling(&young, &[&old, &young]).as_deref(),
            Some("old")
        );
        assert_eq!(older_sibling(&old, &[&old, &young]), None);
    }

    #[test]
    fn within_a_second_the_uid_decides() {
        let (one, two) = (table("a", 1, "orders"), table("b", 1, "orders"));
        assert_eq!(older_sibling(&two, &[&one, &two]).as_deref(), Some("a"));
        assert_eq!(older_sibling(&one, &[&one, &two]), None);
    }

    #[test]
    fn other_tables_are_no_siblings() {
        let (one, two) = (table("a", 1, "orders"), table("b", 2, "customers"));
        assert_eq!(older_sibling(&two, &[&one, &two]), None);
    }
}
