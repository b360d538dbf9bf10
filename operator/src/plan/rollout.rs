//! Which storage node is restarted next. Invariant 5: no pod is removed while a group depends on it, never two at once.

use super::storage_cluster::{ClusterView, PodView, StatefulSetView};

/// One step of a rolling update.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolloutStep {
    /// Every pod runs the present template.
    Done,
    /// Not now, for this reason.
    Wait(String),
    /// Move the leaders of this node away.
    DrainLeaders {
        /// The pod, which is the name of the node.
        pod: String,
    },
    /// Delete this pod; its StatefulSet makes it again with the present template.
    DeletePod {
        /// Name of the pod.
        pod: String,
        /// Its uid, so that a newer pod of the name is not deleted.
        uid: String,
    },
}

/// Decides. `wanted` are the names of all pods.
pub fn plan(
    sets: &[StatefulSetView],
    pods: &[PodView],
    wanted: &[String],
    cluster: Result<&ClusterView, &str>,
) -> RolloutStep {
    if sets.iter().any(|set| !set.template_is_observed) {
        return RolloutStep::Wait("a StatefulSet has not taken up its template yet".to_owned());
    }
    let outdated: Vec<&PodView> = pods.iter().filter(|pod| is_outdated(pod, sets)).collect();
    if outdated.is_empty() {
        return RolloutStep::Done;
    }
    if let Some(pod) = pods.iter().find(|pod| pod.is_terminating) {
        return RolloutStep::Wait(format!("pod {} is stopping", pod.name));
    }
    if let Some(missing) = wanted
        .iter()
        .find(|name| pods.iter().all(|pod| pod.name != **name))
    {
        return RolloutStep::Wait(format!("pod {missing} is not there yet"));
    }
    // A container that cannot even run (its image is missing, it crashes) is no member that anything could depend on;
    // without this rule a broken template could never be replaced by a right one.
    if let Some(stuck) = outdated.iter().find(|pod| !pod.is_running) {
        return delete(stuck);
    }
    if let Some(pod) = pods.iter().find(|pod| !pod.is_ready) {
        return RolloutStep::Wait(format!("pod {} is not ready", pod.name));
    }
    let cluster = match cluster {
        Ok(cluster) => cluster,
        Err(why) => {
            return RolloutStep::Wait(format!("the cluster does not tell its state: {why}"));
        }
    };
    if let Some(node) = cluster.nodes.iter().find(|node| node.state != "Ready") {
        return RolloutStep::Wait(format!("storage node {} is {}", node.name, node.state));
    }
    if cluster.under_replicated_groups > 0 {
        return RolloutStep::Wait(format!(
            "{} replica groups have a member behind",
            cluster.under_replicated_groups
        ));
    }
    next(&outdated, cluster)
}

/// The node that leads least goes first, so that leaders move as seldom as possible; the name decides between equals.
fn next(outdated: &[&PodView], cluster: &ClusterView) -> RolloutStep {
    let Some(pod) = outdated
        .iter()
        .min_by_key(|pod| (leaders(&pod.name, cluster), pod.name.as_str()))
    else {
        return RolloutStep::Done;
    };
    let can_move = cluster
        .groups
        .iter()
        .any(|group| group.leader.as_deref() == Some(pod.name.as_str()) && group.voters.len() > 1);
    if can_move {
        return RolloutStep::DrainLeaders {
            pod: pod.name.clone(),
        };
    }
    delete(pod)
}

fn delete(pod: &PodView) -> RolloutStep {
    RolloutStep::DeletePod {
        pod: pod.name.clone(),
        uid: pod.uid.clone(),
    }
}

fn leaders(node: &str, cluster: &ClusterView) -> usize {
    cluster
        .groups
        .iter()
        .filter(|group| group.leader.as_deref() == Some(node))
        .count()
}

/// Whether a pod was made from another template than its StatefulSet's present one.
pub fn is_outdated(pod: &PodView, sets: &[StatefulSetView]) -> bool {
    sets.iter()
        .find(|set| set.rack == pod.rack)
        .is_some_and(|set| set.update_revision.is_some() && set.update_revision != pod.revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::storage_cluster::tests::{World, world};

    fn check(change: impl FnOnce(&mut World), expected: RolloutStep) {
        let mut world = world();
        change(&mut world);
        let cluster = world.cluster.as_ref().map_err(String::as_str);
        assert_eq!(
            plan(&world.sets, &world.pods, &world.wanted, cluster),
            expected
        );
    }

    fn all_outdated(world: &mut World) {
        for set in &mut world.sets {
            set.update_revision = Some("new".to_owned());
        }
    }

    fn wait(why: &str) -> RolloutStep {
        RolloutStep::Wait(why.to_owned())
    }

    fn delete_pod(rack: &str) -> RolloutStep {
        RolloutStep::DeletePod {
            pod: format!("default-storage-{rack}-0"),
            uid: format!("uid-{rack}"),
        }
    }

    #[test]
    fn nothing_to_do_when_all_run_the_template() {
        check(|_| (), RolloutStep::Done);
    }

    #[test]
    fn a_follower_goes_first() {
        check(all_outdated, delete_pod("b"));
    }

    #[test]
    fn leaders_move_away_before_their_node_restarts() {
        check(
            |world| {
                all_outdated(world);
                world.pods[1].revision = Some("new".to_owned());
                world.pods[2].revision = Some("new".to_owned());
            },
            RolloutStep::DrainLeaders {
                pod: "default-storage-a-0".to_owned(),
            },
        );
    }

    #[test]
    fn a_drained_leader_restarts() {
        check(
            |world| {
                all_outdated(world);
                world.pods[1].revision = Some("new".to_owned());
                world.pods[2].revision = Some("new".to_owned());
                world.cluster.as_mut().unwrap().groups[0].leader =
                    Some("default-storage-b-0".to_owned());
            },
            delete_pod("a"),
        );
    }

    #[test]
    fn a_single_node_has_nobody_to_hand_over_to() {
        check(
            |world| {
                all_outdated(world);
                world.sets.truncate(1);
                world.pods.truncate(1);
                world.wanted.truncate(1);
                let cluster = world.cluster.as_mut().unwrap();
                cluster.nodes.truncate(1);
                cluster.groups[0].voters.truncate(1);
            },
            delete_pod("a"),
        );
    }

    #[test]
    fn never_two_at_once() {
        check(
            |world| {
                all_outdated(world);
                world.pods[1].is_terminating = true;
            },
            wait("pod default-storage-b-0 is stopping"),
        );
        check(
            |world| {
                all_outdated(world);
                world.pods.remove(1);
            },
            wait("pod default-storage-b-0 is not there yet"),
        );
        check(
            |world| {
                all_outdated(world);
                world.pods[1].is_ready = false;
            },
            wait("pod default-storage-b-0 is not ready"),
        );
    }

    #[test]
    fn not_while_a_member_is_behind() {
        check(
            |world| {
                all_outdated(world);
                world.cluster.as_mut().unwrap().under_replicated_groups = 2;
            },
            wait("2 replica groups have a member behind"),
        );
    }

    #[test]
    fn not_while_a_node_does_not_vote() {
        check(
            |world| {
                all_outdated(world);
                world.cluster.as_mut().unwrap().nodes[2].state = "NotVoting".to_owned();
            },
            wait("storage node default-storage-c-0 is NotVoting"),
        );
    }

    #[test]
    fn not_blindly() {
        check(
            |world| {
                all_outdated(world);
                world.cluster = Err("refused".to_owned());
            },
            wait("the cluster does not tell its state: refused"),
        );
    }

    #[test]
    fn not_before_the_template_was_taken_up() {
        check(
            |world| {
                all_outdated(world);
                world.sets[2].template_is_observed = false;
            },
            wait("a StatefulSet has not taken up its template yet"),
        );
    }

    #[test]
    fn a_broken_template_can_be_replaced() {
        check(
            |world| {
                all_outdated(world);
                world.pods[1].is_ready = false;
                world.pods[1].is_running = false;
                world.cluster.as_mut().unwrap().under_replicated_groups = 1;
            },
            delete_pod("b"),
        );
    }
}
