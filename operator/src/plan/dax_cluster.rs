//! How a `DaxCluster` stands.

use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;

use super::Health;
use crate::crd::{
    DaxCluster,
    condition::{READY, find},
    dax_cluster::DaxClusterStatus,
};
use crate::names::DaxNames;

/// How soon to look again while something moves; the StatefulSet is watched besides.
pub const LATER: Duration = Duration::from_secs(5);

/// What to say about the object.
#[derive(Clone, Debug, PartialEq)]
pub struct DaxPlan {
    /// How it stands.
    pub health: Health,
    /// The status, conditions left out.
    pub status: DaxClusterStatus,
    /// When to look again; absent means at the usual time.
    pub again: Option<Duration>,
}

/// Decides, from the StatefulSet after our writes.
pub fn plan(object: &DaxCluster, set: &StatefulSet, image: &str, names: &DaxNames) -> DaxPlan {
    let live = set.status.clone().unwrap_or_default();
    let wanted = object.spec.replicas;
    let observed =
        live.observed_generation.is_some() && live.observed_generation == set.metadata.generation;
    let updated = observed && live.updated_replicas.unwrap_or_default() >= wanted;
    let ready = live.ready_replicas.unwrap_or_default();
    let was_ready = object.status.as_ref().is_some_and(|status| {
        find(&status.conditions, READY).is_some_and(crate::crd::condition::Condition::is_true)
    });
    let available = ready > 0;
    let message = format!("{ready} of {wanted} cache nodes are ready");
    let health = if updated && ready >= wanted {
        Health::Synced
    } else if observed && was_ready && updated {
        Health::Recoverable {
            available,
            reason: "NodeNotReady",
            message,
        }
    } else {
        Health::Progressing {
            available,
            reason: "Starting",
            message,
        }
    };
    let again = (health != Health::Synced).then_some(LATER);
    let status = DaxClusterStatus {
        observed_generation: object.metadata.generation,
        conditions: Vec::new(),
        replicas: i64::from(wanted),
        ready_replicas: i64::from(ready),
        image: Some(image.to_owned()),
        endpoint: Some(names.endpoint()),
        tls_endpoint: Some(names.tls_endpoint()),
    };
    DaxPlan {
        health,
        status,
        again,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::crd::DaxClusterSpec;

    fn check(was_ready: bool, set_status: serde_json::Value, expected: &str) {
        let mut object = DaxCluster::new("default", DaxClusterSpec::default());
        if was_ready {
            object.status = Some(DaxClusterStatus {
                conditions: Health::Synced.conditions(),
                ..DaxClusterStatus::default()
            });
        }
        let set: StatefulSet =
            serde_json::from_value(json!({"metadata": {"generation": 2}, "status": set_status}))
                .unwrap();
        let plan = plan(&object, &set, "image", &DaxNames::of(&object));
        assert_eq!(plan.health.words().0, expected);
    }

    #[test]
    fn health_follows_the_stateful_set() {
        let status = |generation: i64, ready: i32| json!({"replicas": 1, "observedGeneration": generation, "updatedReplicas": 1, "readyReplicas": ready});
        check(false, status(2, 1), "Synced");
        check(false, status(2, 0), "Starting");
        check(true, status(2, 0), "NodeNotReady");
        check(true, status(1, 1), "Starting");
    }
}
