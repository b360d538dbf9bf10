//! Reconciling a `StorageCluster`.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{Api, Resource as _, core::DeserializeGuard, runtime::controller::Action};

use super::{Context, ReconcileError, readable, secrets};
use crate::{
    children::{secrets::Keys, storage},
    crd::{
        StorageCluster,
        condition::{self},
        storage_cluster::StorageClusterStatus,
    },
    names::{ADMIN_PORT, PAUSED_ANNOTATION, StorageNames},
    observe,
    plan::{
        EventDraft, Health,
        rollout::RolloutStep,
        storage_cluster::{
            ClusterView, PodView, StatefulSetView, StorageObservation, StoragePlan, plan,
        },
    },
    service::AdminService,
};

/// Reconciles one StorageCluster.
pub(super) async fn reconcile(
    object: Arc<DeserializeGuard<StorageCluster>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    reconcile_storage_cluster(&readable(&object)?, &context).await
}

/// Reads, writes what differs, plans one step of a rolling update, does it, reports.
///
/// # Errors
///
/// Those of the API server and of certificates; what the storage nodes say becomes a condition.
///
/// # Cancel safety
///
/// May be dropped at any await: the next call reads again.
pub async fn reconcile_storage_cluster(
    seen: &StorageCluster,
    context: &Context,
) -> Result<Action, ReconcileError> {
    let names = StorageNames::of(seen);
    let api: Api<StorageCluster> = context.kubernetes.namespaced(&names.namespace);
    let Some(cluster) = api.get_opt(&names.cluster).await? else {
        return Ok(Action::await_change());
    };
    // Kubernetes removes what has the object as its owner; volumes and Secrets stay.
    if cluster.metadata.deletion_timestamp.is_some() || is_paused(&cluster) {
        return Ok(Action::await_change());
    }
    let (keys, sets) = match apply(&cluster, &names, context).await {
        Ok(applied) => applied,
        Err(error) => {
            report_failure(&cluster, &error, context).await?;
            return Err(error);
        }
    };
    let pods = observe::storage_pods(&context.kubernetes, &names).await?;
    let observed = StorageObservation {
        image: storage::image(&cluster, &context.defaults).to_owned(),
        endpoint: names.endpoint(),
        wanted: storage::pod_names(&cluster),
        cluster: cluster_view(&cluster, &pods, &keys, context).await,
        sets,
        pods,
        object: cluster,
    };
    let mut plan = plan(&observed);
    roll(&observed, &mut plan, &names, &keys, context).await?;
    report(&observed.object, plan.status, &plan.health, context).await?;
    Ok(context.again(plan.again))
}

fn is_paused(cluster: &StorageCluster) -> bool {
    let annotations = cluster.metadata.annotations.as_ref();
    annotations
        .and_then(|annotations| annotations.get(PAUSED_ANNOTATION))
        .is_some_and(|value| value == "true")
}

/// Secrets first, since pods wait for them; then names, then pods.
async fn apply(
    cluster: &StorageCluster,
    names: &StorageNames,
    context: &Context,
) -> Result<(Keys, Vec<StatefulSetView>), ReconcileError> {
    let keys = secrets::keys(names, context).await?;
    secrets::certificates(names, context).await?;
    context
        .kubernetes
        .converge(&keys.credentials(names))
        .await?;
    let mut sets = Vec::new();
    for child in storage::children(cluster, &context.defaults) {
        let (live, _) = context.kubernetes.converge(&child).await?;
        if child.kind == "StatefulSet" {
            let set: StatefulSet = serde_json::from_value(live).map_err(kube::Error::SerdeError)?;
            sets.push(observe::stateful_set_view(&set));
        }
    }
    Ok((keys, sets))
}

/// Asks the nodes, the ready ones first, until one answers.
async fn cluster_view(
    cluster: &StorageCluster,
    pods: &[PodView],
    keys: &Keys,
    context: &Context,
) -> Result<ClusterView, String> {
    let mut running: Vec<&PodView> = pods
        .iter()
        .filter(|pod| pod.is_running && !pod.is_terminating)
        .collect();
    running.sort_by_key(|pod| !pod.is_ready);
    let mut why = "no storage node runs".to_owned();
    for pod in running {
        match admin(cluster, &pod.name, keys, context).cluster().await {
            Ok(view) => return Ok(view),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

fn admin(
    cluster: &StorageCluster,
    pod: &str,
    keys: &Keys,
    context: &Context,
) -> Arc<dyn AdminService> {
    let endpoint = format!(
        "http://{}:{ADMIN_PORT}",
        StorageNames::of(cluster).pod_host(pod)
    );
    context
        .clients
        .admin(&endpoint, &cluster.spec.region, keys.operator.access_key())
}

async fn roll(
    observed: &StorageObservation,
    plan: &mut StoragePlan,
    names: &StorageNames,
    keys: &Keys,
    context: &Context,
) -> Result<(), ReconcileError> {
    let about = observed.object.object_ref(&());
    match &plan.rollout {
        RolloutStep::Done | RolloutStep::Wait(_) => (),
        RolloutStep::DrainLeaders { pod } => {
            let moved = admin(&observed.object, pod, keys, context)
                .drain_leaders(pod)
                .await;
            match moved {
                Ok(moved) => tracing::info!(pod, moved, "leaders moved away"),
                Err(error) => {
                    let message =
                        format!("rolling update: leaders cannot move away from {pod}: {error}");
                    plan.health = Health::Progressing {
                        available: true,
                        reason: "RollingUpdate",
                        message,
                    };
                }
            }
        }
        RolloutStep::DeletePod { pod, uid } => {
            let note = format!("{pod} restarts with the present template");
            context
                .kubernetes
                .publish(&about, &EventDraft::normal("NodeRestart", note))
                .await;
            context
                .kubernetes
                .delete_pod(&names.namespace, pod, uid)
                .await?;
        }
    }
    Ok(())
}

async fn report(
    cluster: &StorageCluster,
    mut wanted: StorageClusterStatus,
    health: &Health,
    context: &Context,
) -> Result<(), ReconcileError> {
    let before = cluster.status.as_ref();
    let old = before
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    wanted.conditions =
        condition::merge(old, own(health), cluster.metadata.generation, context.now());
    context.kubernetes.report(cluster, before, &wanted).await?;
    if let Some(event) = health.transition(old) {
        context
            .kubernetes
            .publish(&cluster.object_ref(&()), &event)
            .await;
    }
    Ok(())
}

/// ACK knows no storage clusters: only our own conditions.
fn own(health: &Health) -> Vec<condition::Condition> {
    health
        .conditions()
        .into_iter()
        .filter(|condition| !condition.condition_type.starts_with("ACK."))
        .collect()
}

/// An object that cannot be applied says so; what runs goes on running.
async fn report_failure(
    cluster: &StorageCluster,
    error: &ReconcileError,
    context: &Context,
) -> Result<(), ReconcileError> {
    let status = cluster.status.clone().unwrap_or_default();
    let available = condition::find(&status.conditions, condition::AVAILABLE)
        .is_some_and(condition::Condition::is_true);
    let health = Health::Recoverable {
        available,
        reason: "ApplyFailed",
        message: error.to_string(),
    };
    let wanted = StorageClusterStatus {
        observed_generation: cluster.metadata.generation,
        ..status
    };
    report(cluster, wanted, &health, context).await
}
