//! Kernel settings that kubelet changes for the whole machine: saved before and put back after.
//!
//! With several clusters on one machine the values of before the first one go from note to note, and the last one to
//! end puts them back.

use std::fs;
use std::path::{Path, PathBuf};

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

const NOTE: &str = "kernel-settings";

/// Notes the present values, or those that one of the `others`, state directories of running clusters, has noted.
/// To be called before the first kubelet starts.
pub(super) fn save(files: &Files, others: &[PathBuf]) -> Result<()> {
    let note = files.root().join(NOTE);
    for other in others {
        if let Ok(saved) = fs::read_to_string(other.join(NOTE)) {
            return write(&note, &saved);
        }
    }
    let mut saved = String::new();
    for name in SETTINGS {
        let path = Path::new("/proc/sys").join(name);
        if let Ok(value) = fs::read_to_string(&path) {
            saved.push_str(&format!("{name} {}\n", value.trim()));
        }
    }
    write(&note, &saved)
}

/// Puts back what differs from the note.
pub(super) fn restore(files: &Files) -> Result<()> {
    let Ok(saved) = fs::read_to_string(files.root().join(NOTE)) else {
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
