//! What the machine must allow before a cluster can be made on it. Each lack is one clear message.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::cgroups;

/// Root, namespaces, control groups and overlay mounts.
///
/// # Errors
///
/// Names what this machine or container does not allow.
pub fn check() -> Result<()> {
    require_root()?;
    let tried = Command::new("unshare")
        .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
        // In the new mount namespace only, and gone with it.
        .args(["sh", "-c", "mount -t tmpfs tmpfs /mnt && ip link set lo up"])
        .output()
        .context("unshare")?;
    ensure!(
        tried.status.success(),
        "a local cluster needs network, mount and PID namespaces, which this machine does not allow \
         (in a container: run it privileged): {}",
        String::from_utf8_lossy(&tried.stderr).trim()
    );
    let filesystems = fs::read_to_string("/proc/filesystems").context("/proc/filesystems")?;
    if !filesystems.lines().any(|line| line.ends_with("\toverlay")) {
        // It may be a module that nobody has needed yet.
        let loaded = Command::new("modprobe").arg("overlay").output();
        ensure!(
            loaded.is_ok_and(|output| output.status.success()),
            "a local cluster's containers need the overlay file system, which this kernel does not have"
        );
    }
    cgroups::check_writable()
}

/// # Errors
///
/// If another user runs this.
pub(in crate::local_kubernetes) fn require_root() -> Result<()> {
    let output = Command::new("id").arg("-u").output().context("id")?;
    if output.stdout != b"0\n" {
        bail!("a local cluster makes namespaces and control groups, which takes root");
    }
    Ok(())
}
