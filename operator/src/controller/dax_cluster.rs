//! Reconciling a `DaxCluster`.

use std::sync::Arc;

use k8s_openapi::api::{apps::v1::StatefulSet, coordination::v1::Lease};
use kube::{Api, Resource as _, core::DeserializeGuard, runtime::controller::Action};

use super::{Context, ReconcileError, readable, secrets};
use crate::{
    children::dax::{self, DaxError},
    crd::{
        DaxCluster, StorageCluster,
        condition::{self, Condition},
        dax_cluster::DaxClusterStatus,
    },
    names::{DaxNames, PAUSED_ANNOTATION},
    plan::{
        Health,
        dax_cluster::{LATER, plan},
    },
};

/// Reconciles one DaxCluster.
pub(super) async fn reconcile(
    object: Arc<DeserializeGuard<DaxCluster>>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    reconcile_dax_cluster(&readable(&object)?, &context).await
}

/// Reads, writes what differs, reports.
///
/// # Errors
///
/// Those of the API server.
///
/// # Cancel safety
///
/// May be dropped at any await: the next call reads again.
pub async fn reconcile_dax_cluster(
    seen: &DaxCluster,
    context: &Context,
) -> Result<Action, ReconcileError> {
    let names = DaxNames::of(seen);
    let api: Api<DaxCluster> = context.kubernetes.namespaced(&names.namespace);
    let Some(cluster) = api.get_opt(&names.cluster).await? else {
        return Ok(Action::await_change());
    };
    let annotations = cluster.metadata.annotations.as_ref();
    let is_paused = annotations
        .and_then(|map| map.get(PAUSED_ANNOTATION))
        .is_some_and(|value| value == "true");
    if cluster.metadata.deletion_timestamp.is_some() || is_paused {
        return Ok(Action::await_change());
    }
    let storage = match dax::storage_cluster_name(&cluster) {
        Some(name) => {
            context
                .kubernetes
                .namespaced::<StorageCluster>(&names.namespace)
                .get_opt(&name)
                .await?
        }
        None => None,
    };
    let children = dax::resolve(&cluster, storage.as_ref())
        .and_then(|upstream| dax::children(&cluster, &upstream, &context.defaults));
    let children = match children {
        Ok(children) => children,
        Err(error) => {
            report(&cluster, unresolved(&cluster), &trouble(&error), context).await?;
            return Ok(context.again(Some(LATER)));
        }
    };
    // A pod whose Secret is missing does not start and says so only to those who look at pods.
    if let Some(name) = &cluster.spec.tls.secret_name {
        let missing =
            secrets::missing_of_given_certificate(&names.namespace, name, context).await?;
        if let Some(message) = missing {
            let health = Health::Recoverable {
                available: false,
                reason: "TlsSecretNotUsable",
                message,
            };
            report(&cluster, unresolved(&cluster), &health, context).await?;
            return Ok(context.again(Some(LATER)));
        }
    } else {
        secrets::dax_certificates(&names, context).await?;
    }
    secrets::dax_peer_certificates(&names, context).await?;
    let (mut set, mut lease) = (StatefulSet::default(), Lease::default());
    for child in children {
        let (live, _) = context.kubernetes.converge(&child).await?;
        match child.kind {
            "StatefulSet" => set = serde_json::from_value(live).map_err(kube::Error::SerdeError)?,
            "Lease" => lease = serde_json::from_value(live).map_err(kube::Error::SerdeError)?,
            _ => (),
        }
    }
    let plan = plan(
        &cluster,
        &set,
        &lease,
        dax::image(&cluster, &context.defaults),
        &names,
    );
    report(&cluster, plan.status, &plan.health, context).await?;
    if let Some(event) = plan.event {
        let object = cluster.object_ref(&());
        context.kubernetes.publish(&object, &event).await;
    }
    Ok(context.again(plan.again))
}

/// A storage cluster may still come; a value that cannot be read waits for a change of the spec.
fn trouble(error: &DaxError) -> Health {
    let message = error.to_string();
    match error {
        DaxError::NoStorageCluster(_) => Health::Recoverable {
            available: false,
            reason: "StorageClusterNotFound",
            message,
        },
        DaxError::BadValue { .. } => Health::Terminal {
            available: false,
            reason: "InvalidSpec",
            message,
        },
    }
}

fn unresolved(cluster: &DaxCluster) -> DaxClusterStatus {
    DaxClusterStatus {
        observed_generation: cluster.metadata.generation,
        replicas: i64::from(cluster.spec.replicas),
        ..cluster.status.clone().unwrap_or_default()
    }
}

async fn report(
    cluster: &DaxCluster,
    mut wanted: DaxClusterStatus,
    health: &Health,
    context: &Context,
) -> Result<(), ReconcileError> {
    let before = cluster.status.as_ref();
    let old = before
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let own: Vec<Condition> = health
        .conditions()
        .into_iter()
        .filter(|condition| !condition.condition_type.starts_with("ACK."))
        .collect();
    wanted.conditions = condition::merge(old, own, cluster.metadata.generation, context.now());
    context.kubernetes.report(cluster, before, &wanted).await?;
    if let Some(event) = health.transition(old) {
        context
            .kubernetes
            .publish(&cluster.object_ref(&()), &event)
            .await;
    }
    Ok(())
}
