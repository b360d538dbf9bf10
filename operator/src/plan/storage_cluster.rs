//! How a `StorageCluster` stands, from its pods and from what the storage nodes say of themselves.

use std::time::Duration;

use super::{
    Health,
    rollout::{self, RolloutStep},
};
use crate::crd::{
    StorageCluster,
    condition::{READY, find},
    storage_cluster::{StorageClusterStatus, UnwellNode},
};

/// How soon to look again while something moves.
pub const SOON: Duration = Duration::from_secs(1);

/// A StatefulSet, reduced to what matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatefulSetView {
    /// The rack.
    pub rack: String,
    /// Whether its controller has seen the present spec, so that `update_revision` belongs to it.
    pub template_is_observed: bool,
    /// The revision that new pods get.
    pub update_revision: Option<String>,
}

/// A pod, reduced to what matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodView {
    /// Name of the pod and of the storage node.
    pub name: String,
    /// Identity of this incarnation.
    pub uid: String,
    /// The rack.
    pub rack: String,
    /// The revision that it was made from.
    pub revision: Option<String>,
    /// Its `Ready` condition.
    pub is_ready: bool,
    /// Whether its container runs.
    pub is_running: bool,
    /// Whether it is being deleted.
    pub is_terminating: bool,
    /// Why its container waits, or why it was not scheduled.
    pub trouble: Option<String>,
}

/// What the storage nodes say: the admin API's `ClusterStatus`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// The identity that they minted.
    pub cluster_id: String,
    /// Each node.
    pub nodes: Vec<NodeView>,
    /// Each replica group.
    pub groups: Vec<GroupView>,
    /// Groups with a member that is behind or away.
    pub under_replicated_groups: u32,
}

/// A storage node in the words of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// `Ready`, `Bootstrapping`, `NotVoting` or `Unreachable`.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
}

/// A replica group in the words of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// The node that leads it.
    pub leader: Option<String>,
    /// The names of its voters.
    pub voters: Vec<String>,
}

/// Everything that the decision depends on.
#[derive(Clone, Debug)]
pub struct StorageObservation {
    /// The object.
    pub object: StorageCluster,
    /// The image of the present template.
    pub image: String,
    /// Where the DynamoDB API is.
    pub endpoint: String,
    /// The names of all pods that there shall be.
    pub wanted: Vec<String>,
    /// Its StatefulSets, after our writes.
    pub sets: Vec<StatefulSetView>,
    /// Its pods.
    pub pods: Vec<PodView>,
    /// What the storage nodes say, or why they say nothing.
    pub cluster: Result<ClusterView, String>,
}

/// The step, and what to say about the object.
#[derive(Clone, Debug, PartialEq)]
pub struct StoragePlan {
    /// What to do.
    pub rollout: RolloutStep,
    /// How it stands.
    pub health: Health,
    /// The status, conditions left out.
    pub status: StorageClusterStatus,
    /// When to look again; absent means at the usual time.
    pub again: Option<Duration>,
}

/// Decides.
pub fn plan(observed: &StorageObservation) -> StoragePlan {
    let cluster = observed.cluster.as_ref().map_err(String::as_str);
    let rollout = rollout::plan(&observed.sets, &observed.pods, &observed.wanted, cluster);
    let unwell = unwell_nodes(observed);
    let health = health(observed, &rollout, &unwell);
    let again = (health != Health::Synced).then_some(SOON);
    StoragePlan {
        status: status(observed, unwell),
        rollout,
        health,
        again,
    }
}

fn health(observed: &StorageObservation, rollout: &RolloutStep, unwell: &[UnwellNode]) -> Health {
    let bootstrapped_before = observed
        .object
        .status
        .as_ref()
        .is_some_and(|status| status.cluster_id.is_some());
    let cluster = match &observed.cluster {
        Ok(cluster) => cluster,
        Err(_) if !bootstrapped_before => {
            let message = format!(
                "waiting for {} storage nodes: {}",
                observed.wanted.len(),
                first(unwell)
            );
            return Health::Progressing {
                available: false,
                reason: "Starting",
                message,
            };
        }
        Err(why) => {
            return Health::Recoverable {
                available: false,
                reason: "Unreachable",
                message: why.clone(),
            };
        }
    };
    if let Some(other) = identity_changed(observed, cluster) {
        return Health::Terminal {
            available: true,
            reason: "ClusterIdentityChanged",
            message: other,
        };
    }
    let leaderless = cluster
        .groups
        .iter()
        .filter(|group| group.leader.is_none())
        .count();
    let available = !cluster.groups.is_empty()
        && leaderless == 0
        && observed.pods.iter().any(|pod| pod.is_ready);
    if *rollout != RolloutStep::Done {
        let message = match rollout {
            RolloutStep::Wait(why) => format!("rolling update: {why}"),
            RolloutStep::DrainLeaders { pod } => {
                format!("rolling update: leaders move away from {pod}")
            }
            RolloutStep::DeletePod { pod, .. } => format!("rolling update: {pod} restarts"),
            RolloutStep::Done => String::new(),
        };
        return Health::Progressing {
            available,
            reason: "RollingUpdate",
            message,
        };
    }
    let behind = cluster.under_replicated_groups;
    let (trouble, message) = if !unwell.is_empty() {
        ("NodeNotReady", first(unwell))
    } else if leaderless > 0 {
        (
            "NoLeader",
            format!("{leaderless} replica groups have no leader"),
        )
    } else if behind > 0 {
        (
            "UnderReplicated",
            format!("{behind} replica groups have a member behind"),
        )
    } else {
        return Health::Synced;
    };
    match under_way(observed) {
        Some(reason) => Health::Progressing {
            available,
            reason,
            message,
        },
        None if bootstrapped_before => Health::Recoverable {
            available,
            reason: trouble,
            message,
        },
        None => Health::Progressing {
            available,
            reason: "Starting",
            message,
        },
    }
}

fn first(unwell: &[UnwellNode]) -> String {
    let Some(node) = unwell.first() else {
        return "no node answers yet".to_owned();
    };
    let why = node
        .reason
        .as_deref()
        .map_or_else(String::new, |reason| format!(": {reason}"));
    let more = if unwell.len() > 1 {
        format!(" (and {} more)", unwell.len() - 1)
    } else {
        String::new()
    };
    format!("{} is {}{why}{more}", node.name, node.state)
}

/// What was begun and has not come to its end: the last node of a rolling update, or of the first start, is still on its
/// way, which is no trouble.
fn under_way(observed: &StorageObservation) -> Option<&'static str> {
    let conditions = observed
        .object
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice());
    let before = find(conditions.unwrap_or_default(), READY)?
        .reason
        .as_deref()?;
    ["Starting", "RollingUpdate"]
        .into_iter()
        .find(|reason| *reason == before)
}

/// The nodes mint the identity; the operator mirrors it and says when it is another one.
fn identity_changed(observed: &StorageObservation, cluster: &ClusterView) -> Option<String> {
    let known = observed.object.status.as_ref()?.cluster_id.as_deref()?;
    (known != cluster.cluster_id && !cluster.cluster_id.is_empty()).then(|| {
        format!("the storage nodes are cluster {}, and were {known} before: their volumes were exchanged", cluster.cluster_id)
    })
}

fn unwell_nodes(observed: &StorageObservation) -> Vec<UnwellNode> {
    observed
        .wanted
        .iter()
        .filter_map(|name| unwell_node(observed, name))
        .collect()
}

fn unwell_node(observed: &StorageObservation, name: &str) -> Option<UnwellNode> {
    let unwell = |state: &str, reason: Option<String>| {
        Some(UnwellNode {
            name: name.to_owned(),
            state: state.to_owned(),
            reason,
        })
    };
    let Some(pod) = observed.pods.iter().find(|pod| pod.name == name) else {
        return unwell("Missing", None);
    };
    let said = observed
        .cluster
        .as_ref()
        .ok()
        .and_then(|cluster| cluster.nodes.iter().find(|node| node.name == name));
    match said {
        Some(node) if node.state != "Ready" => unwell(
            &node.state,
            node.reason.clone().or_else(|| pod.trouble.clone()),
        ),
        _ if !pod.is_ready => unwell("NotReady", pod.trouble.clone()),
        _ => None,
    }
}

fn status(observed: &StorageObservation, unwell_nodes: Vec<UnwellNode>) -> StorageClusterStatus {
    let count = |predicate: &dyn Fn(&&PodView) -> bool| {
        i64::try_from(observed.pods.iter().filter(predicate).count()).unwrap_or(i64::MAX)
    };
    let known = observed
        .object
        .status
        .as_ref()
        .and_then(|status| status.cluster_id.clone());
    let said = observed
        .cluster
        .as_ref()
        .ok()
        .map(|cluster| cluster.cluster_id.clone())
        .filter(|id| !id.is_empty());
    StorageClusterStatus {
        observed_generation: observed.object.metadata.generation,
        conditions: Vec::new(),
        cluster_id: known.or(said),
        nodes: i64::try_from(observed.wanted.len()).unwrap_or(i64::MAX),
        ready_nodes: count(&|pod| pod.is_ready && !pod.is_terminating),
        updated_nodes: count(&|pod| !rollout::is_outdated(pod, &observed.sets)),
        image: Some(observed.image.clone()),
        endpoint: Some(observed.endpoint.clone()),
        unwell_nodes,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::crd::StorageClusterSpec;

    /// Three nodes that are well; `a` leads the only group.
    pub(crate) struct World {
        pub(crate) sets: Vec<StatefulSetView>,
        pub(crate) pods: Vec<PodView>,
        pub(crate) wanted: Vec<String>,
        pub(crate) cluster: Result<ClusterView, String>,
    }

    pub(crate) fn world() -> World {
        let racks = ["a", "b", "c"];
        let name = |rack: &str| format!("default-storage-{rack}-0");
        World {
            sets: racks
                .map(|rack| StatefulSetView {
                    rack: rack.to_owned(),
                    template_is_observed: true,
                    update_revision: Some("old".to_owned()),
                })
                .to_vec(),
            pods: racks
                .map(|rack| PodView {
                    name: name(rack),
                    uid: format!("uid-{rack}"),
                    rack: rack.to_owned(),
                    revision: Some("old".to_owned()),
                    is_ready: true,
                    is_running: true,
                    is_terminating: false,
                    trouble: None,
                })
                .to_vec(),
            wanted: racks.map(name).to_vec(),
            cluster: Ok(ClusterView {
                cluster_id: "id".to_owned(),
                nodes: racks
                    .map(|rack| NodeView {
                        name: name(rack),
                        state: "Ready".to_owned(),
                        reason: None,
                    })
                    .to_vec(),
                groups: vec![GroupView {
                    leader: Some(name("a")),
                    voters: racks.map(name).to_vec(),
                }],
                under_replicated_groups: 0,
            }),
        }
    }

    fn observation(world: World) -> StorageObservation {
        StorageObservation {
            object: StorageCluster::new("default", StorageClusterSpec::default()),
            image: "image".to_owned(),
            endpoint: "http://dynamodb.shop.svc:8000".to_owned(),
            wanted: world.wanted,
            sets: world.sets,
            pods: world.pods,
            cluster: world.cluster,
        }
    }

    fn known(observed: &mut StorageObservation, id: &str) {
        observed.object.status = Some(StorageClusterStatus {
            cluster_id: Some(id.to_owned()),
            ..StorageClusterStatus::default()
        });
    }

    fn check(change: impl FnOnce(&mut StorageObservation), expected: &str) {
        let mut observed = observation(world());
        change(&mut observed);
        let plan = plan(&observed);
        assert_eq!(plan.health.words().0, expected, "{:?}", plan.health);
    }

    #[test]
    fn three_well_nodes_are_synced() {
        check(|_| (), "Synced");
    }

    #[test]
    fn a_new_cluster_starts() {
        check(
            |observed| {
                observed.pods.clear();
                observed.cluster = Err("no such host".to_owned());
            },
            "Starting",
        );
    }

    #[test]
    fn a_known_cluster_that_is_silent_is_in_trouble() {
        check(
            |observed| {
                known(observed, "id");
                observed.cluster = Err("refused".to_owned());
            },
            "Unreachable",
        );
    }

    #[test]
    fn a_lost_node_degrades() {
        check(
            |observed| {
                known(observed, "id");
                observed.pods.pop();
            },
            "NodeNotReady",
        );
    }

    #[test]
    fn the_last_node_of_a_rolling_update_is_no_trouble() {
        let mut observed = observation(world());
        known(&mut observed, "id");
        observed.pods[2].is_ready = false;
        assert_eq!(plan(&observed).health.words().0, "NodeNotReady");
        let rolling = Health::Progressing {
            available: true,
            reason: "RollingUpdate",
            message: String::new(),
        };
        observed.object.status.as_mut().unwrap().conditions = rolling.conditions();
        assert_eq!(plan(&observed).health.words().0, "RollingUpdate");
    }

    #[test]
    fn a_node_that_does_not_vote_says_why() {
        let mut observed = observation(world());
        known(&mut observed, "id");
        let node = &mut observed.cluster.as_mut().unwrap().nodes[2];
        node.state = "NotVoting".to_owned();
        node.reason = Some("its volume is empty".to_owned());
        let plan = plan(&observed);
        assert_eq!(plan.status.unwell_nodes[0].state, "NotVoting");
        assert!(plan.health.words().1.contains("its volume is empty"));
    }

    #[test]
    fn the_identity_is_mirrored_and_never_overwritten() {
        let mut observed = observation(world());
        assert_eq!(plan(&observed).status.cluster_id.as_deref(), Some("id"));
        known(&mut observed, "another");
        let plan = plan(&observed);
        assert_eq!(plan.status.cluster_id.as_deref(), Some("another"));
        assert_eq!(plan.health.words().0, "ClusterIdentityChanged");
    }

    #[test]
    fn a_group_without_leader_is_not_available() {
        let mut observed = observation(world());
        known(&mut observed, "id");
        observed.cluster.as_mut().unwrap().groups[0].leader = None;
        let health = plan(&observed).health;
        assert!(
            matches!(
                health,
                Health::Recoverable {
                    available: false,
                    reason: "NoLeader",
                    ..
                }
            ),
            "{health:?}"
        );
    }

    #[test]
    fn a_rolling_update_is_available_progress() {
        let mut observed = observation(world());
        known(&mut observed, "id");
        observed.sets[0].update_revision = Some("new".to_owned());
        let plan = plan(&observed);
        assert_eq!(plan.status.updated_nodes, 2);
        assert!(matches!(
            plan.health,
            Health::Progressing {
                available: true,
                reason: "RollingUpdate",
                ..
            }
        ));
    }
}
