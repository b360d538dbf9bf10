//! Faults of the machines under the cluster, on the local cluster and on kind.

use std::process::Command;

use stator_tests::local_kubernetes::{LocalKubernetes, STATE_VARIABLE};

use super::kubectl::{get, run, try_run};

/// Where the cluster's nodes run.
pub(crate) enum Machine {
    /// In namespaces of this machine.
    Local(LocalKubernetes),
    /// In Docker containers named like the nodes.
    Kind,
}

impl Machine {
    /// The machine under the current cluster; `None` where its nodes cannot be touched.
    pub(crate) fn find() -> Option<Self> {
        if std::env::var_os(STATE_VARIABLE).is_some() {
            return Some(Self::Local(LocalKubernetes::from_environment().unwrap()));
        }
        let context = try_run(Command::new("kubectl").args(["config", "current-context"]));
        let kind = context.is_ok_and(|context| context.starts_with("kind-"));
        kind.then_some(Self::Kind)
    }

    /// Cuts a kube node off.
    pub(crate) fn cut(&self, node: &str) {
        match self {
            Self::Local(cluster) => cluster.cut(node).unwrap(),
            Self::Kind => filter(node, "-I"),
        }
    }

    /// Connects it again.
    pub(crate) fn heal(&self, node: &str) {
        match self {
            Self::Local(cluster) => cluster.heal(node).unwrap(),
            Self::Kind => filter(node, "-D"),
        }
    }

    /// Kills the process in each of the pods with SIGKILL, all at the same moment as far as a shell can.
    pub(crate) fn kill_pods(&self, pods: &[String]) {
        let containers: Vec<_> = pods.iter().map(|pod| Container::of(pod)).collect();
        std::thread::scope(|scope| {
            for container in &containers {
                scope.spawn(|| self.kill(container));
            }
        });
    }

    fn kill(&self, container: &Container) {
        match self {
            Self::Local(cluster) => {
                cluster
                    .kill_container(&container.node, &container.id)
                    .unwrap();
            }
            Self::Kind => {
                let kill = [
                    "ctr", "-n", "k8s.io", "tasks", "kill", "--signal", "SIGKILL",
                ];
                let mut docker = Command::new("docker");
                run(docker
                    .args(["exec", &container.node])
                    .args(kill)
                    .arg(&container.id));
            }
        }
    }
}

/// Drops all packets of a kind node but those of the container's own loopback.
fn filter(node: &str, change: &str) {
    for (chain, direction) in [
        ("INPUT", "-i"),
        ("OUTPUT", "-o"),
        ("FORWARD", "-i"),
        ("FORWARD", "-o"),
    ] {
        let rule = ["iptables", change, chain, direction, "eth0", "-j", "DROP"];
        run(Command::new("docker").args(["exec", node]).args(rule));
    }
}

struct Container {
    node: String,
    id: String,
}

impl Container {
    fn of(pod: &str) -> Self {
        let pod = get(&["pod", pod]);
        let id = pod["status"]["containerStatuses"][0]["containerID"]
            .as_str()
            .unwrap();
        Self {
            node: pod["spec"]["nodeName"].as_str().unwrap().to_owned(),
            id: id.trim_start_matches("containerd://").to_owned(),
        }
    }
}
