//! The controllers: each reads, plans, applies and reports. They decide nothing; see `plan`.

mod context;
pub mod dax_cluster;
mod later;
mod secrets;
pub mod storage_cluster;
pub mod table;

use std::{fmt::Debug, sync::Arc, time::Duration};

use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::{
    Api, Resource,
    core::DeserializeGuard,
    runtime::{Controller, controller::Action, reflector::ObjectRef, watcher},
};
use serde::de::DeserializeOwned;
use stator_kit::task::TaskOwner;
use thiserror::Error;

use crate::crd::{Backup, DaxCluster, GlobalTable, StorageCluster, Table};

pub use context::Context;

/// Why a reconcile did not come to its end. It is tried again, later each time.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The API server.
    #[error("Kubernetes API: {0}")]
    Kubernetes(#[from] kube::Error),
    /// An object that does not have the shape of its kind.
    #[error("the object cannot be read: {0}")]
    Malformed(String),
    /// A certificate that cannot be made or read.
    #[error("certificates: {0}")]
    Certificates(#[from] stator_kit::tls::TlsError),
    /// A Secret of ours that lacks a member.
    #[error(
        "Secret {name} lacks {member}; it is never overwritten: restore it, or delete it to have it made anew"
    )]
    BrokenSecret {
        /// The Secret.
        name: String,
        /// What is missing.
        member: &'static str,
    },
}

impl ReconcileError {
    /// For the metric.
    fn name(&self) -> &'static str {
        match self {
            Self::Kubernetes(_) => "kubernetes",
            Self::Malformed(_) => "malformed",
            Self::Certificates(_) => "certificates",
            Self::BrokenSecret { .. } => "broken_secret",
        }
    }
}

/// The first retry comes after this, each further one after twice the time.
const RETRY_MIN: Duration = Duration::from_secs(1);
/// No retry comes later than this.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Reconciles of one kind that run at a time. They mostly wait for answers; the bound keeps a restart with thousands of
/// objects from flooding the API server.
const CONCURRENCY: u16 = 8;

/// Starts all controllers. They end when `tasks` shuts down.
pub fn start(context: &Arc<Context>, tasks: &TaskOwner) {
    let client = context.kubernetes.client();
    let config = || kube::runtime::controller::Config::default().concurrency(CONCURRENCY);

    let tables = Controller::new(
        Api::<DeserializeGuard<Table>>::all(client.clone()),
        watcher::Config::default(),
    );
    let store = tables.store();
    let siblings = tables.store();
    let tables = tables.with_config(config()).watches(
        Api::<DeserializeGuard<StorageCluster>>::all(client.clone()),
        watcher::Config::default(),
        // A table waits for its storage cluster.
        move |cluster| {
            let namespace = cluster.meta().namespace.clone();
            let waiting: Vec<ObjectRef<DeserializeGuard<Table>>> = store
                .state()
                .iter()
                .filter(|table| table.meta().namespace == namespace)
                .map(|table| ObjectRef::from_obj(&**table))
                .collect();
            waiting
        },
    );
    run(tables, "Table", context, tasks, move |object, context| {
        let known: Vec<Arc<DeserializeGuard<Table>>> = siblings.state();
        table::reconcile(object, known, context)
    });

    let children =
        watcher::Config::default().labels("app.kubernetes.io/managed-by=stator-operator");
    let clusters = Controller::new(
        Api::<DeserializeGuard<StorageCluster>>::all(client.clone()),
        watcher::Config::default(),
    )
    .with_config(config())
    .owns(Api::<StatefulSet>::all(client.clone()), children.clone());
    run(
        clusters,
        "StorageCluster",
        context,
        tasks,
        storage_cluster::reconcile,
    );

    let caches = Controller::new(
        Api::<DeserializeGuard<DaxCluster>>::all(client.clone()),
        watcher::Config::default(),
    )
    .with_config(config())
    .owns(Api::<StatefulSet>::all(client.clone()), children);
    run(caches, "DaxCluster", context, tasks, dax_cluster::reconcile);

    let global_tables = Controller::new(
        Api::<DeserializeGuard<GlobalTable>>::all(client.clone()),
        watcher::Config::default(),
    );
    run(
        global_tables.with_config(config()),
        "GlobalTable",
        context,
        tasks,
        later::reconcile_global_table,
    );
    let backups = Controller::new(
        Api::<DeserializeGuard<Backup>>::all(client),
        watcher::Config::default(),
    );
    run(
        backups.with_config(config()),
        "Backup",
        context,
        tasks,
        later::reconcile_backup,
    );
}

/// Runs a controller as a task. Objects that cannot be read stop neither the watch nor the others.
fn run<K, F>(
    controller: Controller<DeserializeGuard<K>>,
    kind: &'static str,
    context: &Arc<Context>,
    tasks: &TaskOwner,
    mut reconcile: impl FnMut(Arc<DeserializeGuard<K>>, Arc<Context>) -> F + Send + 'static,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    F: Future<Output = Result<Action, ReconcileError>> + Send + 'static,
{
    let stop = tasks.token().cancelled_owned();
    let stream = controller.graceful_shutdown_on(stop).run(
        move |object, context| {
            let metrics = context.metrics.clone();
            let key = format!(
                "{kind}/{}/{}",
                object.meta().namespace.as_deref().unwrap_or_default(),
                object.meta().name.as_deref().unwrap_or_default()
            );
            let context_after = Arc::clone(&context);
            let future = reconcile(object, context);
            async move {
                let start = tokio::time::Instant::now();
                let result = future.await;
                metrics.durations.observe(start.elapsed().as_secs_f64());
                let label = result.as_ref().map_or_else(ReconcileError::name, |_| "ok");
                metrics.reconciles.get_or_create(&crate::metrics::ReconcileLabels { kind, result: label }).inc();
                context_after.note_result(&key, result.is_ok());
                result
            }
            .boxed()
        },
        move |object, error, context| {
            let key = format!(
                "{kind}/{}/{}",
                object.meta().namespace.as_deref().unwrap_or_default(),
                object.meta().name.as_deref().unwrap_or_default()
            );
            let delay = context.retry_delay(&key, RETRY_MIN, RETRY_MAX);
            tracing::warn!(%error, object = key, retry_seconds = delay.as_secs(), "cannot reconcile");
            Action::requeue(delay)
        },
        Arc::clone(context),
    );
    tasks.spawn(kind, async move {
        let mut stream = std::pin::pin!(stream);
        while let Some(result) = stream.next().await {
            match result {
                Ok((object, _)) => tracing::debug!(%object, "reconciled"),
                // Logged by the error policy.
                Err(kube::runtime::controller::Error::ReconcilerFailed(..)) => (),
                // The object went while its reconcile was in the queue.
                Err(kube::runtime::controller::Error::ObjectNotFound(_)) => (),
                Err(error) => tracing::warn!(%error, kind, "watch failed and is begun again"),
            }
        }
    });
}

/// The object behind the guard.
fn readable<K: Clone>(object: &DeserializeGuard<K>) -> Result<K, ReconcileError> {
    match &object.0 {
        Ok(object) => Ok(object.clone()),
        Err(error) => Err(ReconcileError::Malformed(error.to_string())),
    }
}
