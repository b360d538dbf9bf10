//! How a `DaxCluster` stands.

use std::time::Duration;

use k8s_openapi::api::{apps::v1::StatefulSet, coordination::v1::Lease};

use super::{EventDraft, Health};
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
    /// Another node is the primary than was known.
    pub event: Option<EventDraft>,
}

/// How soon to look who is the primary. Its pod's death is seen at once, by the StatefulSet.
const PRIMARY_LATER: Duration = Duration::from_secs(15);

/// Decides, from the StatefulSet after our writes and the Lease as the nodes hold it.
pub fn plan(
    object: &DaxCluster,
    set: &StatefulSet,
    lease: &Lease,
    image: &str,
    names: &DaxNames,
) -> DaxPlan {
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
    let again = match health {
        Health::Synced => PRIMARY_LATER,
        _ => LATER,
    };
    let known = object.status.as_ref();
    let known = known.and_then(|status| status.primary.clone());
    let holder = lease.spec.as_ref();
    let holder = holder.and_then(|spec| spec.holder_identity.clone());
    // Between two primaries nobody is, which is not worth telling.
    let primary = holder
        .filter(|name| !name.is_empty())
        .or_else(|| known.clone());
    let event = primary
        .as_ref()
        .filter(|primary| known.as_ref() != Some(primary))
        .map(|primary| promoted(primary, known.as_deref()));
    let status = DaxClusterStatus {
        observed_generation: object.metadata.generation,
        conditions: Vec::new(),
        replicas: i64::from(wanted),
        ready_replicas: i64::from(ready),
        image: Some(image.to_owned()),
        endpoint: Some(names.endpoint()),
        tls_endpoint: Some(names.tls_endpoint()),
        primary,
    };
    DaxPlan {
        health,
        status,
        again: Some(again),
        event,
    }
}

fn promoted(primary: &str, before: Option<&str>) -> EventDraft {
    let note = match before {
        Some(before) => format!("{primary} is the primary; it was {before}"),
        None => format!("{primary} is the primary"),
    };
    EventDraft::normal("PrimaryChanged", note)
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
        let lease = Lease::default();
        let plan = plan(&object, &set, &lease, "image", &DaxNames::of(&object));
        assert_eq!(plan.health.words().0, expected);
        assert_eq!(plan.event, None);
    }

    fn check_primary(known: Option<&str>, holder: Option<&str>, expected: (Option<&str>, bool)) {
        let mut object = DaxCluster::new("default", DaxClusterSpec::default());
        object.status = Some(DaxClusterStatus {
            primary: known.map(ToOwned::to_owned),
            ..DaxClusterStatus::default()
        });
        let lease = json!({"spec": {"holderIdentity": holder}});
        let lease: Lease = serde_json::from_value(lease).unwrap();
        let set = StatefulSet::default();
        let plan = plan(&object, &set, &lease, "image", &DaxNames::of(&object));
        let found = (plan.status.primary.as_deref(), plan.event.is_some());
        assert_eq!(found, expected, "{known:?}, {holder:?}");
    }

    #[test]
    fn the_primary_is_told_when_it_is_another() {
        check_primary(None, None, (None, false));
        check_primary(None, Some("a"), (Some("a"), true));
        check_primary(Some("a"), Some("a"), (Some("a"), false));
        check_primary(Some("a"), Some("b"), (Some("b"), true));
        check_primary(Some("a"), Some(""), (Some("a"), false));
        check_primary(Some("a"), None, (Some("a"), false));
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
