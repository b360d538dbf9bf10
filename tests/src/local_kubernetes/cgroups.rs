//! Control groups for the nodes' pods, in version 1, version 2 or both, whatever the machine has.
//!
//! Namespaces do not hold them: they are made below one name in every hierarchy and removed by that name.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::addresses::NODES;
use super::files::Files;
use super::processes;

/// The group of a node's pods, as kubelet's `cgroupRoot`.
pub(super) fn of_node(files: &Files, node: &str) -> String {
    format!("/{}/{node}", files.control_group())
}

/// Makes a group for every node in every hierarchy.
pub(super) fn create(files: &Files) -> Result<()> {
    for hierarchy in hierarchies()? {
        let ours = hierarchy.join(files.control_group());
        prepare(&ours)?;
        for node in &NODES {
            prepare(&ours.join(node.name))?;
        }
    }
    Ok(())
}

/// Removes the groups. Their processes must have ended.
pub(super) fn remove(files: &Files) -> Result<()> {
    for hierarchy in hierarchies()? {
        let ours = hierarchy.join(files.control_group());
        // The kernel lets go of the last processes a moment after they are gone.
        processes::wait_for(
            &format!("control group {} to be empty", ours.display()),
            Duration::from_secs(10),
            &ours.join("cgroup.procs"),
            || Ok(remove_tree(&ours).is_ok()),
        )?;
    }
    Ok(())
}

/// Whether groups can be made at all: in a container they are often mounted read-only.
pub(super) fn check_writable() -> Result<()> {
    let hierarchies = hierarchies()?;
    ensure!(
        !hierarchies.is_empty(),
        "a local cluster needs control groups, and none are mounted on this machine"
    );
    for hierarchy in hierarchies {
        let probe = hierarchy.join(format!("stator-probe-{}", std::process::id()));
        fs::create_dir(&probe)
            .and_then(|()| fs::remove_dir(&probe))
            .with_context(|| {
                format!(
                    "a local cluster makes control groups, and {} cannot be written",
                    hierarchy.display()
                )
            })?;
    }
    Ok(())
}

fn hierarchies() -> Result<Vec<PathBuf>> {
    let mounts = fs::read_to_string("/proc/self/mounts").context("/proc/self/mounts")?;
    Ok(mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let path = fields.nth(1)?;
            matches!(fields.next()?, "cgroup" | "cgroup2").then(|| PathBuf::from(path))
        })
        .collect())
}

fn prepare(group: &Path) -> Result<()> {
    fs::create_dir_all(group).with_context(|| group.display().to_string())?;
    let Some(parent) = group.parent() else {
        return Ok(());
    };
    // Version 1: an empty cpuset takes no process.
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let (from, to) = (parent.join(name), group.join(name));
        if parent.join("cgroup.controllers").exists() || !from.exists() {
            continue;
        }
        let value = fs::read_to_string(&from).with_context(|| from.display().to_string())?;
        fs::write(&to, value.trim()).with_context(|| to.display().to_string())?;
    }
    // Version 2: a controller is there for children only where the parent hands it down.
    if let Ok(controllers) = fs::read_to_string(parent.join("cgroup.controllers")) {
        for controller in controllers.split_whitespace() {
            // Not every controller can be handed down everywhere; kubelet names what it misses.
            fs::write(
                parent.join("cgroup.subtree_control"),
                format!("+{controller}"),
            )
            .ok();
        }
        if let Ok(controllers) = fs::read_to_string(group.join("cgroup.controllers")) {
            for controller in controllers.split_whitespace() {
                fs::write(
                    group.join("cgroup.subtree_control"),
                    format!("+{controller}"),
                )
                .ok();
            }
        }
    }
    Ok(())
}

fn remove_tree(group: &Path) -> std::io::Result<()> {
    if !group.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    // The kernel's own files in it go with the directory.
    fs::remove_dir(group)
}
