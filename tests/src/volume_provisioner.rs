//! Volumes for the end-to-end suite: test equipment, not for production.
//!
//! Serves claims of StorageClasses whose provisioner is [`PROVISIONER`] with directories of the chosen node, as
//! `local` PersistentVolumes: fsGroup is applied to them, a pod comes back to its volume, and a larger request
//! enlarges them (on paper: a directory has no size). It runs outside of the cluster, beside the tests, and makes
//! the directories either on this machine (the local cluster) or through Docker (kind).
//!
//! Two loops, one over claims and one over volumes; both are idempotent and hold no state.

mod claims;
mod directories;
mod volumes;

pub use self::directories::{Directories, Where};

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::StreamExt;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Api, Client};

/// The name under which StorageClasses ask for this provisioner.
pub const PROVISIONER: &str = "stator.dev/test-volumes";

/// Marks a volume as made by us.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";

/// How soon a failed step is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What both loops need.
struct Equipment {
    client: Client,
    directories: Directories,
}

/// Why a step failed; it is tried again.
#[derive(Debug)]
struct Failure(anyhow::Error);

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:#}", self.0)
    }
}

impl std::error::Error for Failure {}

/// Serves claims until cancelled.
///
/// # Errors
///
/// If the API server cannot be addressed at all.
pub async fn run(client: Client, place: Where, root: PathBuf) -> Result<()> {
    let context = Arc::new(Equipment {
        client: client.clone(),
        directories: Directories::new(place, root)?,
    });
    let claims: Api<PersistentVolumeClaim> = Api::all(client.clone());
    let volumes: Api<PersistentVolume> = Api::all(client);
    let claims = Controller::new(claims, watcher::Config::default())
        .run(
            |claim, context: Arc<Equipment>| async move {
                let outcome =
                    claims::reconcile(&claim, &context.client, &context.directories).await;
                done(outcome)
            },
            |_, failure, _| again(failure),
            Arc::clone(&context),
        )
        .for_each(|_| std::future::ready(()));
    let volumes = Controller::new(volumes, watcher::Config::default())
        .run(
            |volume, context: Arc<Equipment>| async move {
                let outcome =
                    volumes::reconcile(&volume, &context.client, &context.directories).await;
                done(outcome)
            },
            |_, failure, _| again(failure),
            context,
        )
        .for_each(|_| std::future::ready(()));
    futures::join!(claims, volumes);
    Ok(())
}

fn done(outcome: Result<()>) -> Result<Action, Failure> {
    outcome.map(|()| Action::await_change()).map_err(Failure)
}

fn again(failure: &Failure) -> Action {
    tracing::warn!(error = %failure, "volume not served yet");
    Action::requeue(RETRY)
}

/// A client for a kubeconfig file, or for the one that the environment names.
///
/// # Errors
///
/// If there is no such configuration.
pub async fn client(kubeconfig: Option<PathBuf>) -> Result<Client> {
    let Some(file) = kubeconfig else {
        return Client::try_default().await.context("no KUBECONFIG");
    };
    let file =
        kube::config::Kubeconfig::read_from(&file).with_context(|| file.display().to_string())?;
    let config = kube::Config::from_custom_kubeconfig(file, &Default::default())
        .await
        .context("kubeconfig")?;
    Client::try_from(config).context("Kubernetes client")
}
