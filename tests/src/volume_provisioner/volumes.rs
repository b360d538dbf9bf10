//! Volumes whose claim is gone: directory and object go too, where the reclaim policy says so.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::api::DeleteParams;
use kube::{Api, Client, ResourceExt};

use super::directories::Directories;
use super::{PROVISIONED_BY, PROVISIONER};

/// Brings one volume forward.
pub(super) async fn reconcile(
    volume: &PersistentVolume,
    client: &Client,
    directories: &Directories,
) -> Result<()> {
    if volume
        .annotations()
        .get(PROVISIONED_BY)
        .is_none_or(|by| by != PROVISIONER)
    {
        return Ok(());
    }
    let Some(spec) = &volume.spec else {
        return Ok(());
    };
    let released = volume
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        == Some("Released");
    let delete = spec.persistent_volume_reclaim_policy.as_deref() == Some("Delete");
    if !(released && delete) || volume.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let name = volume.name_any();
    let node = node(volume).context("a volume without a node")?;
    directories.remove(&node, &name)?;
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    volumes.delete(&name, &DeleteParams::default()).await?;
    tracing::info!(volume = name, "volume removed");
    Ok(())
}

fn node(volume: &PersistentVolume) -> Option<String> {
    let terms = &volume
        .spec
        .as_ref()?
        .node_affinity
        .as_ref()?
        .required
        .as_ref()?
        .node_selector_terms;
    let expression = terms.first()?.match_expressions.as_ref()?.first()?;
    expression.values.as_ref()?.first().cloned()
}
