//! Claims: a volume for one that has its node, a larger volume for one that asks for more.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::directories::Directories;
use super::{PROVISIONED_BY, PROVISIONER};

/// The scheduler's word on where the pod will run.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// Brings one claim forward.
pub(super) async fn reconcile(
    claim: &PersistentVolumeClaim,
    client: &Client,
    directories: &Directories,
) -> Result<()> {
    let Some(spec) = &claim.spec else {
        return Ok(());
    };
    let Some(class) = &spec.storage_class_name else {
        return Ok(());
    };
    if claim.metadata.deletion_timestamp.is_some() {
        return Ok(());
    }
    let classes: Api<StorageClass> = Api::all(client.clone());
    let Some(class) = classes.get_opt(class).await? else {
        return Ok(());
    };
    if class.provisioner != PROVISIONER {
        return Ok(());
    }
    match &spec.volume_name {
        Some(volume) => expand(claim, volume, client).await,
        None => provision(claim, &class, client, directories).await,
    }
}

async fn provision(
    claim: &PersistentVolumeClaim,
    class: &StorageClass,
    client: &Client,
    directories: &Directories,
) -> Result<()> {
    // Without it the scheduler has not decided yet, and will touch the claim when it has.
    let Some(node) = claim.annotations().get(SELECTED_NODE) else {
        return Ok(());
    };
    let uid = claim.uid().context("a claim without uid")?;
    let name = format!("stator-test-{uid}");
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    if volumes.get_opt(&name).await?.is_some() {
        return Ok(());
    }
    directories.make(node, &name)?;
    let spec = claim.spec.as_ref().context("a claim without spec")?;
    let volume = serde_json::from_value(json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "capacity": {"storage": requested(claim)?},
            "accessModes": spec.access_modes,
            "volumeMode": spec.volume_mode,
            "persistentVolumeReclaimPolicy": class.reclaim_policy,
            "storageClassName": class.name_any(),
            "local": {"path": directories.path(&name)},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]},
            ]}]}},
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": claim.namespace(),
                "name": claim.name_any(),
                "uid": uid,
            },
        },
    }))?;
    volumes.create(&PostParams::default(), &volume).await?;
    tracing::info!(volume = name, node, "volume made");
    Ok(())
}

/// Raises the volume's capacity, then the claim's, to what is asked for.
async fn expand(claim: &PersistentVolumeClaim, volume: &str, client: &Client) -> Result<()> {
    let bound = claim
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref())
        == Some("Bound");
    if !bound {
        return Ok(());
    }
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let Some(object) = volumes.get_opt(volume).await? else {
        return Ok(());
    };
    if object
        .annotations()
        .get(PROVISIONED_BY)
        .is_none_or(|by| by != PROVISIONER)
    {
        return Ok(());
    }
    let requested = requested(claim)?;
    let size = object
        .spec
        .and_then(|spec| spec.capacity?.remove("storage"))
        .map(|size| size.0);
    let present = claim
        .status
        .as_ref()
        .and_then(|status| status.capacity.as_ref()?.get("storage"))
        .map(|size| size.0.clone());
    // Kubernetes refuses smaller requests, so another size is a larger one.
    if size.as_deref() != Some(&requested) {
        let patch = json!({"spec": {"capacity": {"storage": requested}}});
        volumes
            .patch(volume, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
    }
    if present.as_deref() != Some(&requested) {
        let namespace = claim.namespace().context("a claim without namespace")?;
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &namespace);
        let patch = json!({"status": {"capacity": {"storage": requested}, "conditions": []}});
        claims
            .patch_status(
                &claim.name_any(),
                &PatchParams::default(),
                &Patch::Merge(patch),
            )
            .await?;
        tracing::info!(volume, size = requested, "volume enlarged");
    }
    Ok(())
}

fn requested(claim: &PersistentVolumeClaim) -> Result<String> {
    claim
        .spec
        .as_ref()
        .and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"))
        .map(|size| size.0.clone())
        .context("a claim that asks for no storage")
}
