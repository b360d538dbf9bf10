//! What a cluster could leave behind on the machine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A look at everything that the cluster's namespaces should have held.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Residue {
    processes: BTreeSet<String>,
    network_namespaces: BTreeSet<String>,
    mounts: BTreeSet<String>,
    links: String,
    routes: String,
    packet_filter: String,
    control_groups: BTreeSet<String>,
    kernel_settings: Vec<Option<String>>,
    directories: Vec<bool>,
}

impl Residue {
    pub(crate) fn of_machine() -> Self {
        Self {
            processes: processes(),
            network_namespaces: namespaces(),
            mounts: lines("/proc/self/mounts"),
            links: said("ip", &["-oneline", "link"]),
            routes: said("ip", &["route", "show", "table", "all"]),
            packet_filter: said("iptables-save", &[]),
            control_groups: control_groups(),
            kernel_settings: [
                "vm/overcommit_memory",
                "vm/panic_on_oom",
                "kernel/panic",
                "kernel/panic_on_oops",
                "net/ipv4/ip_forward",
            ]
            .map(|name| fs::read_to_string(Path::new("/proc/sys").join(name)).ok())
            .to_vec(),
            directories: [
                "/var/lib/cni",
                "/var/lib/kubelet",
                "/opt/containerd",
                "/etc/cni",
            ]
            .map(|path| Path::new(path).exists())
            .to_vec(),
        }
    }

    /// Waits a little: the kernel frees the last of a namespace after its last process is gone.
    #[track_caller]
    pub(crate) fn assert_unchanged(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let now = Self::of_machine();
            if now == *self {
                return;
            }
            if Instant::now() > until {
                assert_eq!(now, *self);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Programs of a cluster that run; ended ones that nobody has reaped yet have no command line.
fn processes() -> BTreeSet<String> {
    let names = [
        "kube",
        "etcd",
        "coredns",
        "containerd",
        "nsenter",
        "unshare",
        "volume-provisioner",
    ];
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read(entry.ok()?.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| {
            let program = line.split(' ').next().unwrap_or_default();
            let program = program.rsplit('/').next().unwrap_or_default();
            names.iter().any(|name| program.starts_with(name))
        })
        .collect()
}

fn namespaces() -> BTreeSet<String> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.ok()?.path().join("ns/net")).ok())
        .map(|link| link.display().to_string())
        .collect()
}

fn control_groups() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in lines("/proc/self/mounts") {
        let mut fields = line.split(' ').skip(1);
        let (path, kind) = (fields.next().unwrap(), fields.next().unwrap());
        if kind.starts_with("cgroup") {
            found.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path().display().to_string())
                    .filter(|path| path.contains("stator")),
            );
        }
    }
    found
}

fn lines(path: &str) -> BTreeSet<String> {
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    // Counters and times change by themselves.
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with(':'))
        .collect::<Vec<_>>()
        .join("\n")
}
