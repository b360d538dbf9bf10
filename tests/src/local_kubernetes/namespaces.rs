//! The control plane's namespaces: their holder, how to enter them, and the cables to the nodes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::addresses::{CONTROL_ADDRESS, NODES, Node, SERVICE_RANGE};
use super::files::{Files, write};
use super::processes::{self, Pid, first_of_namespace, run, wait_for};

fn script(files: &Files) -> PathBuf {
    files.root().join("hold")
}

/// The holder, if it lives.
pub(super) fn holder(files: &Files) -> Result<Option<Pid>> {
    first_of_namespace(&script(files))
}

/// The state directories of other clusters that run on this machine.
pub(super) fn other_clusters(files: &Files) -> Result<Vec<PathBuf>> {
    let own = script(files);
    let scripts = processes::first_scripts_of_namespaces()?;
    Ok(scripts
        .into_iter()
        .filter(|script| script.ends_with("hold") && *script != own)
        .filter_map(|script| script.parent().map(Path::to_path_buf))
        .filter(|root| Files::new(root).is_ok_and(|files| files.exists()))
        .collect())
}

/// Makes the namespaces and their network, and waits until they stand.
pub(super) fn hold(files: &Files) -> Result<Pid> {
    let script = script(files);
    write(&files.root().join("resolv.conf"), &resolver())?;
    write(&script, &hold_script(files))?;
    let log = files.log().join("hold.log");
    start_detached(
        Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh"])
            .arg(&script),
        &log,
    )?;
    wait_for("the namespaces", Duration::from_secs(10), &log, || {
        Ok(files.root().join("held").exists())
    })?;
    holder(files)?.context("the holder of the namespaces ended")
}

/// Ends the holder, and with it everything in the namespaces.
pub(super) fn end(files: &Files) -> Result<()> {
    let script = script(files);
    match first_of_namespace(&script)? {
        Some(pid) => processes::kill_namespace(pid, &script),
        None => Ok(()),
    }
}

fn resolver() -> String {
    format!(
        "nameserver {CONTROL_ADDRESS}\nsearch default.svc.cluster.local svc.cluster.local cluster.local\n\
         options ndots:5\n"
    )
}

fn hold_script(files: &Files) -> String {
    let mut routes = String::new();
    for node in &NODES {
        routes.push_str(&format!(
            "ip route add {} via {}\n",
            node.pod_range, node.address
        ));
    }
    let root = files.text();
    format!(
        "# Holds the namespaces of a local Kubernetes cluster: ending this process ends everything in them.
set -eu
# The machine's run-time files are not for us (resolvers, sockets), nor ours (locks) for the machine.
mount -t tmpfs tmpfs /run
mkdir -p /run/lock
resolver=$(readlink -m /etc/resolv.conf)
[ -e \"$resolver\" ] || {{ mkdir -p \"$(dirname \"$resolver\")\"; touch \"$resolver\"; }}
mount --bind {root}/resolv.conf \"$resolver\"

ip link set lo up
ip link add br0 type bridge
ip addr add {CONTROL_ADDRESS}/24 dev br0
ip link set br0 up
# Without a route the packet is refused before the service rules see it.
ip route add {SERVICE_RANGE} dev br0
{routes}echo 1 >/proc/sys/net/ipv4/ip_forward

touch {root}/held
sleep infinity &
wait
"
    )
}

/// `nsenter` into the namespaces of `target`, to be continued with the program and its arguments.
pub(super) fn enter(target: Pid, which: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command
        .arg(format!("--target={target}"))
        .args(which)
        .arg("--");
    command
}

/// Starts a program in the namespaces that outlives this process and ends with the holder.
pub(super) fn start(files: &Files, holder: Pid, name: &str, command: &[String]) -> Result<()> {
    start_detached(
        enter(holder, &["--mount", "--net", "--pid"])
            .args(command)
            .current_dir("/"),
        &files.log().join(format!("{name}.log")),
    )
}

/// Starts a command that is no child to wait for: no terminal signals, no input, output appended to `log`.
pub(super) fn start_detached(command: &mut Command, log: &Path) -> Result<()> {
    use std::os::unix::process::CommandExt;

    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| log.display().to_string())?;
    command
        .stdin(Stdio::null())
        .stderr(file.try_clone().context("log file")?)
        .stdout(file)
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("HOME", "/")
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    Ok(())
}

/// Lays a cable between the bridge and the node's namespace, where it is called eth0.
pub(super) fn connect(holder: Pid, node: &Node, node_process: Pid) -> Result<()> {
    let process = node_process.to_string();
    // The kernel takes a dead node's interfaces away some time after its last process, so the cable of its last
    // life may still lie. Where it does not, this fails and nothing is amiss.
    run(enter(holder, &["--net"]).args(["ip", "link", "delete", node.link])).ok();
    run(enter(holder, &["--net"]).args([
        "ip", "link", "add", node.link, "type", "veth", "peer", "name", "eth0", "netns", &process,
    ]))?;
    run(enter(holder, &["--net"]).args(["ip", "link", "set", node.link, "master", "br0", "up"]))
}

/// Sets the control plane's end of a node's cable `up` or `down`.
pub(super) fn set_link(holder: Pid, node: &Node, state: &str) -> Result<()> {
    run(enter(holder, &["--net"]).args(["ip", "link", "set", node.link, state]))
}
