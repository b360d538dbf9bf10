//! What a cluster could leave behind on the machine.
//!
//! Only what can be told to be this cluster's counts: another one may come and go on the same machine meanwhile.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use stator_tests::local_kubernetes::NODES;

/// A look at everything that the cluster's namespaces should hold, and at what they cannot hold.
#[derive(Debug)]
pub(crate) struct Residue {
    state: PathBuf,
    network: BTreeSet<String>,
    kernel_settings: Option<String>,
    directories: Vec<&'static str>,
}

impl Residue {
    /// The machine before the cluster whose files will be in `state` exists.
    pub(crate) fn before(state: &Path) -> Self {
        Self {
            state: state.to_owned(),
            network: network(),
            kernel_settings: kernel_settings(),
            directories: directories(),
        }
    }

    /// What a running cluster has, so that the look after its end knows its namespaces.
    pub(crate) fn running(&self) -> Running {
        let processes = self.processes();
        let namespaces = processes.iter().flat_map(|pid| namespaces(pid)).collect();
        let own = namespaces_of_this_process();
        let namespaces: BTreeSet<String> = namespaces;
        let namespaces: BTreeSet<_> = namespaces.difference(&own).cloned().collect();
        assert!(
            processes.len() > 20
                && namespaces.len() > 10
                && !control_groups(&self.state).is_empty(),
            "the look at a running cluster sees too little: {processes:?} {namespaces:?}"
        );
        Running { namespaces }
    }

    /// Waits a little: the kernel frees the last of a namespace after its last process is gone.
    #[track_caller]
    pub(crate) fn assert_nothing_of(&self, running: &Running) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let left = self.left(running);
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < until, "left behind:\n{}", left.join("\n"));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn left(&self, running: &Running) -> Vec<String> {
        let mut left: Vec<_> = self.processes().iter().map(|pid| describe(pid)).collect();
        for pid in pids() {
            let kept = namespaces(&pid);
            left.extend(
                kept.intersection(&running.namespaces)
                    .map(|namespace| format!("{namespace} of {}", describe(&pid))),
            );
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let state = self.state.to_str().unwrap();
        let ours = |mount: &&str| {
            mount.contains(state) || running.namespaces.iter().any(|id| mount.contains(id))
        };
        left.extend(mounts.lines().filter(ours).map(str::to_owned));
        left.extend(control_groups(&self.state));
        left.extend(network().difference(&self.network).cloned());
        // Kernel settings are the machine's: the last cluster puts them back.
        if !another_cluster_runs(&self.state) && kernel_settings() != self.kernel_settings {
            left.push(format!(
                "kernel settings {:?}, before: {:?}",
                kernel_settings(),
                self.kernel_settings
            ));
        }
        let new = directories()
            .into_iter()
            .filter(|path| !self.directories.contains(path));
        left.extend(new.map(str::to_owned));
        left
    }

    /// Processes that name the state directory, or have something below it mounted: those in containers.
    fn processes(&self) -> BTreeSet<String> {
        let state = self.state.to_str().unwrap();
        pids()
            .into_iter()
            .filter(|pid| {
                command_line(pid).contains(state)
                    || fs::read_to_string(format!("/proc/{pid}/mountinfo"))
                        .is_ok_and(|mounts| mounts.contains(state))
            })
            .collect()
    }
}

/// The namespaces of a running cluster.
#[derive(Debug)]
pub(crate) struct Running {
    namespaces: BTreeSet<String>,
}

fn pids() -> Vec<String> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

/// Empty for a process that has ended and that nobody has reaped yet.
fn command_line(pid: &str) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).replace('\0', " ")
}

fn describe(pid: &str) -> String {
    format!("process {pid}: {}", command_line(pid))
}

/// As `net:[4026532281]`. A process may end while one looks at it: that is no error.
fn namespaces(pid: &str) -> BTreeSet<String> {
    ["net", "mnt", "pid"]
        .into_iter()
        .filter_map(|kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok())
        .map(|link| link.display().to_string())
        .collect()
}

/// `nsenter` waits outside for what it started inside.
fn namespaces_of_this_process() -> BTreeSet<String> {
    namespaces("self")
}

fn control_groups(state: &Path) -> Vec<String> {
    let name = stator_tests::local_kubernetes::control_group(state).unwrap();
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (path, kind) = (fields.next()?, fields.next()?);
            kind.starts_with("cgroup")
                .then(|| Path::new(path).join(&name))
        })
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect()
}

/// Links, routes and packet filter rules of the machine's own network that carry a name or address of a cluster.
fn network() -> BTreeSet<String> {
    let looks: [(&str, &[&str]); 3] = [
        ("ip", &["-oneline", "link"]),
        ("ip", &["route", "show", "table", "all"]),
        ("iptables-save", &[]),
    ];
    let mut marks = vec!["192.168.250.", "10.244.", "10.96.", "KUBE-", " br0"];
    marks.extend(NODES.iter().map(|node| node.address));
    let links = ["veth1", "veth2", "veth3"].map(|link| format!(" {link}@"));
    marks.extend(links.iter().map(String::as_str));
    let mut found = BTreeSet::new();
    for (program, arguments) in looks {
        let output = Command::new(program).args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let ours = |line: &&str| marks.iter().any(|mark| line.contains(mark));
        found.extend(text.lines().filter(ours).map(str::to_owned));
    }
    found
}

fn kernel_settings() -> Option<String> {
    let names = [
        "vm/overcommit_memory",
        "vm/panic_on_oom",
        "kernel/panic",
        "kernel/panic_on_oops",
        "net/ipv4/ip_forward",
    ];
    names
        .map(|name| fs::read_to_string(Path::new("/proc/sys").join(name)).ok())
        .into_iter()
        .collect()
}

/// Whether the kernel settings belong to another cluster now.
fn another_cluster_runs(state: &Path) -> bool {
    let own = state.join("hold").display().to_string();
    pids().iter().map(|pid| command_line(pid)).any(|line| {
        let mut words = line.split(' ');
        words.next() == Some("sh")
            && words
                .next()
                .is_some_and(|script| script.ends_with("/hold") && script != own)
    })
}

/// Where containers and kubelets of other set-ups keep their things; ours keep them elsewhere.
fn directories() -> Vec<&'static str> {
    [
        "/var/lib/cni",
        "/var/lib/kubelet",
        "/opt/containerd",
        "/etc/cni",
    ]
    .into_iter()
    .filter(|path| Path::new(path).exists())
    .collect()
}
