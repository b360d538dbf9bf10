//! A kube node: its namespaces, containerd, kubelet and kube-proxy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::addresses::{CONTROL_ADDRESS, NODES, Node, SERVICE_RANGE};
use super::files::{Files, write};
use super::processes::{self, Pid, first_of_namespace, run, wait_for};
use super::programs::Programs;
use super::{cgroups, control_plane, namespaces};

fn script(files: &Files, node: &Node) -> PathBuf {
    files.node(node).join("init")
}

fn socket(files: &Files, node: &Node) -> PathBuf {
    files.node(node).join("containerd.sock")
}

/// The first process of the node, if it lives.
pub(super) fn process(files: &Files, node: &Node) -> Result<Option<Pid>> {
    first_of_namespace(&script(files, node))
}

/// Starts a node and connects it. Its programs become ready later.
pub(super) fn start(files: &Files, programs: &Programs, holder: Pid, node: &Node) -> Result<()> {
    let directory = files.node(node);
    let socket = socket(files, node);
    if socket.exists() {
        fs::remove_file(&socket).context("old socket")?;
    }
    write(
        &directory.join("containerd.toml"),
        &containerd_config(&directory, &plugins()?),
    )?;
    write(
        &directory.join("network/10-ptp.conflist"),
        &network_config(node),
    )?;
    write(
        &directory.join("kubelet.yaml"),
        &kubelet_config(files, node),
    )?;
    write(
        &directory.join("kube-proxy.yaml"),
        &control_plane::proxy_config(files, node.name),
    )?;
    let script = script(files, node);
    write(&script, &init_script(programs, node, &directory))?;

    let log = directory.join("log/init.log");
    namespaces::start_detached(
        namespaces::enter(holder, &["--mount", "--net", "--pid"])
            .args([
                "unshare",
                "--mount",
                "--net",
                "--pid",
                "--fork",
                "--kill-child",
                "sh",
            ])
            .arg(&script)
            .current_dir("/"),
        &log,
    )?;
    let mut found = None;
    wait_for(
        &format!("node {}", node.name),
        Duration::from_secs(10),
        &log,
        || {
            found = process(files, node)?;
            Ok(found.is_some())
        },
    )?;
    namespaces::connect(holder, node, found.context("the node's first process")?)
}

/// Kills all processes of the node. Its mounts, interfaces and containers go with them.
pub(super) fn kill(files: &Files, node: &Node) -> Result<()> {
    match process(files, node)? {
        Some(pid) => processes::kill_namespace(pid, &script(files, node)),
        None => Ok(()),
    }
}

/// Waits until images can be imported.
pub(super) fn wait_for_containerd(files: &Files, node: &Node) -> Result<()> {
    wait_for(
        &format!("containerd on {}", node.name),
        Duration::from_secs(20),
        &files.node(node).join("log/containerd.log"),
        || {
            Ok(socket(files, node).exists()
                && ctr(files, node)
                    .arg("version")
                    .output()
                    .is_ok_and(|output| output.status.success()))
        },
    )
}

/// Imports a docker-archive.
pub(super) fn import_image(files: &Files, node: &Node, archive: &Path) -> Result<()> {
    run(ctr(files, node).args(["images", "import"]).arg(archive))
}

/// Kills the first process of a container with SIGKILL; the others in it go with it.
pub(super) fn kill_container(files: &Files, node: &Node, container: &str) -> Result<()> {
    run(ctr(files, node).args(["tasks", "kill", "--signal", "SIGKILL", container]))
}

fn ctr(files: &Files, node: &Node) -> Command {
    let mut command = Command::new("ctr");
    command
        .arg("--address")
        .arg(socket(files, node))
        .args(["--namespace", "k8s.io"]);
    command
}

/// Where the network plugins are: Debian's place, or everyone else's.
fn plugins() -> Result<PathBuf> {
    ["/usr/lib/cni", "/opt/cni/bin"]
        .map(PathBuf::from)
        .into_iter()
        .find(|directory| directory.join("ptp").exists())
        .context("the network plugin ptp is neither in /usr/lib/cni nor in /opt/cni/bin")
}

fn init_script(programs: &Programs, node: &Node, directory: &Path) -> String {
    let directory = directory.display();
    let address = node.address;
    let mut routes = String::new();
    for other in NODES.iter().filter(|other| *other != node) {
        routes.push_str(&format!(
            "ip route add {} via {}\n",
            other.pod_range, other.address
        ));
    }
    let kubelet = programs.kubelet();
    let kubelet = kubelet.display();
    let kube_proxy = programs.kube_proxy();
    let kube_proxy = kube_proxy.display();
    format!(
        "# The first process of a kube node: ending it ends the node with all its containers and mounts.
set -eu
mount --make-rprivate /
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/var-lib/upper /run/var-lib/work
mount --bind {directory}/log /var/log
# kubelet and the network plugins insist on directories in /var/lib. The machine's own is not a place for mount
# points: who removes such a directory takes the mounts on it away from every namespace, another cluster's too.
mount -t overlay overlay -o lowerdir=/var/lib,upperdir=/run/var-lib/upper,workdir=/run/var-lib/work /var/lib
mkdir -p /var/lib/kubelet /var/lib/cni
mount --bind {directory}/kubelet /var/lib/kubelet
mount --bind {directory}/cni /var/lib/cni
# Addresses handed out before a restart belong to containers that are gone.
rm -rf /var/lib/cni/*
mount --make-rshared /

until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip link set lo up
ip addr add {address}/24 dev eth0
ip link set eth0 up
ip route add {SERVICE_RANGE} dev eth0
{routes}echo 1 >/proc/sys/net/ipv4/ip_forward

# Restarts a program that ends, as an init system would.
keep() {{
    name=$1
    shift
    while :; do
        \"$@\" >>/var/log/$name.log 2>&1 || true
        sleep 1
    done
}}
keep containerd containerd --config {directory}/containerd.toml &
until ctr --address {directory}/containerd.sock version >/dev/null 2>&1; do sleep 0.05; done
keep kube-proxy {kube_proxy} --config={directory}/kube-proxy.yaml &
keep kubelet {kubelet} --config={directory}/kubelet.yaml --kubeconfig={directory}/../../{name}.kubeconfig \\
    --hostname-override={name} --node-ip={address} --node-labels=topology.kubernetes.io/zone={zone} &
wait
",
        name = node.name,
        zone = node.zone,
    )
}

fn containerd_config(directory: &Path, plugins: &Path) -> String {
    let directory = directory.display();
    let plugins = plugins.display();
    let pause = crate::images::PAUSE_REFERENCE;
    // State lives in the node's own /run, which is new at every start, like a machine's.
    // restrict_oom_score_adj: without CAP_SYS_RESOURCE runc could not lower it and would fail.
    format!(
        r#"version = 2
root = "{directory}/containerd"
state = "/run/containerd"

[grpc]
  address = "{directory}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
  path = "{directory}/plugins"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
  snapshotter = "overlayfs"
  default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{plugins}"
  conf_dir = "{directory}/network"
"#
    )
}

/// Point to point and not a bridge: services between pods of one bridge need a kernel module.
fn network_config(node: &Node) -> String {
    let subnet = node.pod_range;
    format!(
        r#"{{
  "cniVersion": "0.4.0",
  "name": "local",
  "plugins": [
    {{
      "type": "ptp",
      "ipMasq": false,
      "ipam": {{"type": "host-local", "subnet": "{subnet}", "routes": [{{"dst": "0.0.0.0/0"}}]}}
    }}
  ]
}}
"#
    )
}

fn kubelet_config(files: &Files, node: &Node) -> String {
    let certificates = files.certificates();
    let certificates = certificates.display();
    let directory = files.node(node);
    let directory = directory.display();
    let name = node.name;
    let control_group = cgroups::of_node(files, name);
    // failCgroupV1 is left alone: the default of the pinned release takes both versions.
    format!(
        r#"apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://{directory}/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: {control_group}
enforceNodeAllocatable: []
failSwapOn: false
evictionHard:
  memory.available: 100Mi
  nodefs.available: 0%
  nodefs.inodesFree: 0%
  imagefs.available: 0%
  imagefs.inodesFree: 0%
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
resolvConf: /dev/null
clusterDomain: cluster.local
clusterDNS: ["{CONTROL_ADDRESS}"]
volumePluginDir: {directory}/plugins
serverTLSBootstrap: false
tlsCertFile: {certificates}/{name}.crt
tlsPrivateKeyFile: {certificates}/{name}.key
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {certificates}/ca.crt}}
authorization: {{mode: Webhook}}
"#
    )
}
