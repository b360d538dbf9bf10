//! Reading the world into what the planners decide on.

use k8s_openapi::api::{apps::v1::StatefulSet, core::v1::Pod};
use kube::{Api, api::ListParams};

use crate::{
    apply::Kubernetes,
    names::{RACK_LABEL, STORAGE_CLUSTER_LABEL, StorageNames},
    plan::storage_cluster::{PodView, StatefulSetView},
};

/// The pods of a storage cluster, by name.
///
/// # Errors
///
/// Those of the API server.
pub async fn storage_pods(
    kubernetes: &Kubernetes,
    names: &StorageNames,
) -> kube::Result<Vec<PodView>> {
    let api: Api<Pod> = kubernetes.namespaced(&names.namespace);
    let selector = format!("{STORAGE_CLUSTER_LABEL}={}", names.cluster);
    let list = api.list(&ListParams::default().labels(&selector)).await?;
    let mut pods: Vec<PodView> = list.items.into_iter().map(pod_view).collect();
    pods.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(pods)
}

/// A StatefulSet of a storage cluster.
pub fn stateful_set_view(set: &StatefulSet) -> StatefulSetView {
    let label = set
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(RACK_LABEL));
    let template_label = || {
        let template = &set.spec.as_ref()?.template;
        template.metadata.as_ref()?.labels.as_ref()?.get(RACK_LABEL)
    };
    let status = set.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation);
    StatefulSetView {
        rack: label.or_else(template_label).cloned().unwrap_or_default(),
        template_is_observed: observed.is_some() && observed == set.metadata.generation,
        update_revision: status.and_then(|status| status.update_revision.clone()),
    }
}

fn pod_view(pod: Pod) -> PodView {
    let labels = pod.metadata.labels.unwrap_or_default();
    let status = pod.status.unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let container = status
        .container_statuses
        .unwrap_or_default()
        .into_iter()
        .next();
    let state = container
        .and_then(|container| container.state)
        .unwrap_or_default();
    let unscheduled = conditions
        .iter()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")
        .and_then(|condition| condition.message.clone());
    let waiting = state.waiting.map(|waiting| {
        let reason = waiting.reason.unwrap_or_default();
        waiting
            .message
            .map_or_else(|| reason.clone(), |message| format!("{reason}: {message}"))
    });
    PodView {
        name: pod.metadata.name.unwrap_or_default(),
        uid: pod.metadata.uid.unwrap_or_default(),
        rack: labels.get(RACK_LABEL).cloned().unwrap_or_default(),
        revision: labels.get("controller-revision-hash").cloned(),
        is_ready: conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
        is_running: state.running.is_some(),
        is_terminating: pod.metadata.deletion_timestamp.is_some(),
        trouble: waiting.or(unscheduled),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_read() {
        let pod = serde_json::from_value(json!({
            "metadata": {"name": "default-storage-a-0", "uid": "u",
                "labels": {"stator.dev/rack": "a", "controller-revision-hash": "r1"}},
            "status": {
                "conditions": [{"type": "Ready", "status": "False"}],
                "containerStatuses": [{"name": "storage-node", "image": "i", "imageID": "", "ready": false, "restartCount": 3,
                    "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}],
            },
        }))
        .unwrap();
        let view = pod_view(pod);
        assert_eq!(
            (view.rack.as_str(), view.revision.as_deref()),
            ("a", Some("r1"))
        );
        assert!(!view.is_ready && !view.is_running && !view.is_terminating);
        assert_eq!(view.trouble.as_deref(), Some("ErrImagePull: no such image"));
    }

    #[test]
    fn a_template_counts_when_its_controller_has_seen_it() {
        let set = |observed: i64| {
            let set = serde_json::from_value(json!({
                "metadata": {"generation": 2},
                "spec": {"selector": {}, "template": {"metadata": {"labels": {"stator.dev/rack": "b"}}}},
                "status": {"observedGeneration": observed, "updateRevision": "r2", "replicas": 1},
            }))
            .unwrap();
            stateful_set_view(&set)
        };
        assert_eq!(set(2).rack, "b");
        assert!(set(2).template_is_observed);
        assert!(!set(1).template_is_observed);
    }
}
