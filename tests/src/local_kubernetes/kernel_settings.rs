//! Kernel settings that kubelet changes for the whole machine: saved before and put back after.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::files::{Files, write};

/// What kubelet's container manager insists on (`setupKernelTunables`).
const SETTINGS: [&str; 6] = [
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
];

/// Notes the present values. To be called before the first kubelet starts.
pub(super) fn save(files: &Files) -> Result<()> {
    let mut saved = String::new();
    for name in SETTINGS {
        let path = Path::new("/proc/sys").join(name);
        if let Ok(value) = fs::read_to_string(&path) {
            saved.push_str(&format!("{name} {}\n", value.trim()));
        }
    }
    write(&files.root().join("kernel-settings"), &saved)
}

/// Puts back what differs from the note.
pub(super) fn restore(files: &Files) -> Result<()> {
    let Ok(saved) = fs::read_to_string(files.root().join("kernel-settings")) else {
        return Ok(()); // Ended before it was written, so before any kubelet.
    };
    for (name, value) in saved.lines().filter_map(|line| line.split_once(' ')) {
        let path = Path::new("/proc/sys").join(name);
        let now = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if now.trim() != value {
            write(&path, value)?;
        }
    }
    Ok(())
}
