//! System packages: installed when root on Debian, otherwise named in one clear message.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::local_kubernetes::{Progress, machine};

/// A file that must exist (a program's name, or one of several absolute paths) and the Debian package with it.
const NEEDED: [(&[&str], &str); 9] = [
    (&["containerd"], "containerd"),
    (&["runc"], "runc"),
    (
        &["/usr/lib/cni/ptp", "/opt/cni/bin/ptp"],
        "containernetworking-plugins",
    ),
    (&["iptables"], "iptables"),
    (&["conntrack"], "conntrack"),
    (&["ip"], "iproute2"),
    (&["ethtool"], "ethtool"),
    (&["socat"], "socat"),
    (&["nsenter"], "util-linux"),
];

/// Makes sure that every system program is there.
///
/// # Errors
///
/// If some are missing and cannot be installed here; the message names them all.
pub fn ensure(progress: Progress<'_>) -> Result<()> {
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let packages = packages.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() || machine::require_root().is_err() {
        bail!("the local cluster needs these packages (Debian's names): {packages}");
    }
    progress(&format!("installing {packages}"));
    // Installing must not start services: the cluster runs its own containerd.
    let script = format!(
        "set -e; apt-get update -qq; RUNLEVEL=1 apt-get install -qq -y --no-install-recommends {packages}"
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()?;
    if !output.status.success() || !missing().is_empty() {
        bail!(
            "installing failed; the local cluster needs: apt-get install {packages}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn missing() -> Vec<&'static str> {
    NEEDED
        .iter()
        .filter(|(files, _)| !files.iter().any(|file| exists(file)))
        .map(|(_, package)| *package)
        .collect()
}

fn exists(file: &str) -> bool {
    if file.starts_with('/') {
        return Path::new(file).exists();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(file).exists())
}
