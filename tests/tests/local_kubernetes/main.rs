//! The local cluster itself: what the end-to-end suite relies on, and that nothing of it is left behind.
//!
//! Takes root, minutes on a cold cache, and a machine that may make namespaces: ignored unless asked for, which
//! `cargo xtask test` does.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "a test of real processes in real time"
)]

mod residue;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use stator_tests::images;
use stator_tests::local_kubernetes::{LocalKubernetes, NODES, Status, UpOptions};

use self::residue::Residue;

/// Ends the cluster also when the test fails.
struct Cluster(LocalKubernetes);

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.0.down() {
            eprintln!("the cluster could not be ended: {error:#}");
        }
    }
}

impl Cluster {
    fn try_run(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let output = self
            .0
            .command(program)
            .unwrap()
            .args(arguments)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| text.trim().to_owned())
    }

    #[track_caller]
    fn wait_for(&self, expected: &str, program: &str, arguments: &[&str]) {
        let until = Instant::now() + Duration::from_secs(90);
        loop {
            let found = self.try_run(program, arguments);
            if found.as_deref() == Some(expected) {
                return;
            }
            assert!(
                Instant::now() < until,
                "{program} {arguments:?}: expected {expected:?}, found {found:?}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
#[ignore = "starts a Kubernetes cluster: takes root; cargo xtask test --only setup,kubernetes runs it"]
fn a_cluster_serves_survives_cuts_and_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("cluster");
    let before = Residue::before(&state);
    let cluster = Cluster(LocalKubernetes::new(&state).unwrap());
    let options = UpOptions {
        provisioner_program: env!("CARGO_BIN_EXE_local-kubernetes").into(),
    };
    let progress = |line: &str| eprintln!("{line}");
    cluster.0.up(&options, &progress).unwrap();
    cluster.0.up(&options, &progress).unwrap(); // nothing to do
    let first = before.running();

    pods_keep_their_names_and_volumes(&cluster, folder.path());
    nothing_leads_out(&cluster);
    another_cluster_comes_and_goes(folder.path());
    a_cut_node_is_missed_and_comes_back(&cluster);
    a_killed_node_comes_back_with_its_volumes(&cluster);
    a_volume_grows(&cluster);

    // As if this run had crashed: another one finds what it left and starts anew.
    cluster.0.kill_node("node-1").unwrap();
    cluster.0.up(&options, &progress).unwrap();
    cluster.wait_for("", "kubectl", &["get", "pods", "--output=name"]);
    let second = before.running();

    cluster.0.down().unwrap();
    cluster.0.down().unwrap(); // nothing to do
    let stopped = Status {
        running: false,
        nodes: Vec::new(),
    };
    assert_eq!(cluster.0.status().unwrap(), stopped);
    assert!(!folder.path().join("cluster").exists());
    before.assert_nothing_of(&first);
    before.assert_nothing_of(&second);
}

fn pods_keep_their_names_and_volumes(cluster: &Cluster, folder: &Path) {
    let image = images::from_machine(
        "local/smoke:1",
        &["sh", "cat", "hostname", "socat"],
        &["/bin/sh"],
    )
    .unwrap();
    let archive = folder.join("smoke.tar");
    images::write(&image, &archive).unwrap();
    cluster.0.load_images(&[archive]).unwrap();
    let manifest = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/local_kubernetes/smoke.yaml"
    );
    cluster
        .try_run("kubectl", &["apply", "-f", manifest])
        .unwrap();
    cluster
        .try_run(
            "kubectl",
            &["rollout", "status", "statefulset/echo", "--timeout=120s"],
        )
        .unwrap();

    let nodes = ["get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"];
    let nodes = cluster.try_run("kubectl", &nodes).unwrap();
    for node in &NODES {
        assert!(
            nodes.contains(node.name),
            "no pod on {}: {nodes}",
            node.name
        );
    }
    // By name from the control plane's side, by name from pod to pod, and by ClusterIP.
    cluster.wait_for(
        "echo-1",
        "socat",
        &["-", "TCP:echo-1.echo.default.svc:8080"],
    );
    let exec = ["exec", "echo-0", "--", "socat", "-", "TCP:echo-2.echo:8080"];
    cluster.wait_for("echo-2", "kubectl", &exec);
    let through_service = cluster.try_run("socat", &["-", "TCP:any:8080"]).unwrap();
    assert!(through_service.starts_with("echo-"), "{through_service:?}");
    let exec = ["exec", "echo-0", "--", "socat", "-", "TCP:any:8080"];
    assert!(
        cluster
            .try_run("kubectl", &exec)
            .unwrap()
            .starts_with("echo-")
    );
}

fn nothing_leads_out(cluster: &Cluster) {
    let default = cluster.try_run("ip", &["route", "show", "default"]);
    assert_eq!(default.as_deref(), Some(""));
    // An address of the documentation range: no route is an error at once, not a time-out.
    let start = Instant::now();
    assert_eq!(cluster.try_run("socat", &["-", "TCP:192.0.2.1:80"]), None);
    assert_eq!(cluster.try_run("getent", &["hosts", "example.com"]), None);
    assert!(start.elapsed() < Duration::from_secs(5));
}

/// The end of one cluster once took mounts away from another: the parts of the test after this one need them.
fn another_cluster_comes_and_goes(folder: &Path) {
    let other = Cluster(LocalKubernetes::new(&folder.join("other")).unwrap());
    let options = UpOptions {
        provisioner_program: env!("CARGO_BIN_EXE_local-kubernetes").into(),
    };
    other.0.up(&options, &|_| ()).unwrap();
    other.0.down().unwrap();
}

/// The answer about node-2's readiness.
const READY: [&str; 5] = [
    "get",
    "node",
    "node-2",
    "-o",
    "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}",
];

fn a_cut_node_is_missed_and_comes_back(cluster: &Cluster) {
    cluster.0.cut("node-2").unwrap();
    cluster.wait_for("Unknown", "kubectl", &READY);
    cluster.0.heal("node-2").unwrap();
    cluster.wait_for("True", "kubectl", &READY);
    assert!(cluster.0.cut("node-9").is_err());
}

fn a_killed_node_comes_back_with_its_volumes(cluster: &Cluster) {
    let on_node = [
        "get",
        "pods",
        "--field-selector=spec.nodeName=node-2",
        "-o",
        "jsonpath={.items[0].metadata.name}",
    ];
    let pod = cluster.try_run("kubectl", &on_node).unwrap();
    let address = format!("TCP:{pod}.echo.default.svc:8080");
    cluster.0.kill_node("node-2").unwrap();
    assert!(!cluster.0.status().unwrap().nodes.contains(&"node-2"));
    cluster.0.start_node("node-2").unwrap();
    // hostname is written on the first start only: the answer comes from the volume.
    cluster.wait_for(&pod, "socat", &["-", &address]);
    cluster.wait_for("True", "kubectl", &READY);
}

fn a_volume_grows(cluster: &Cluster) {
    let patch = r#"{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}"#;
    cluster
        .try_run("kubectl", &["patch", "pvc", "data-echo-0", "-p", patch])
        .unwrap();
    let capacity = "jsonpath={.status.capacity.storage}";
    cluster.wait_for(
        "2Gi",
        "kubectl",
        &["get", "pvc", "data-echo-0", "-o", capacity],
    );
}

#[test]
#[ignore = "takes root; cargo xtask test --only setup,kubernetes runs it"]
fn a_directory_of_another_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "x").unwrap();
    let cluster = LocalKubernetes::new(folder.path()).unwrap();
    cluster.down().unwrap();
    let options = UpOptions {
        provisioner_program: "/bin/true".into(),
    };
    assert!(cluster.up(&options, &|_| ()).is_err());
    assert!(folder.path().join("mine").exists());
    let lock = folder.path().with_extension("lock");
    assert!(Command::new("rm").arg(lock).status().unwrap().success());
}
