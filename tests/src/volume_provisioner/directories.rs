//! Making and removing a volume's directory on the node where it lives.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

/// Where the nodes' directories are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Where {
    /// Nodes share this machine's files: the local cluster.
    ThisMachine,
    /// A node is a Docker container of the same name: kind.
    Docker,
}

/// Makes and removes directories.
#[derive(Debug)]
pub struct Directories {
    place: Where,
    root: PathBuf,
}

impl Directories {
    /// Directories below `root`.
    ///
    /// # Errors
    ///
    /// If `root` is not absolute: a node has no working directory.
    pub fn new(place: Where, root: PathBuf) -> Result<Self> {
        if !root.is_absolute() {
            bail!("{} is not an absolute path", root.display());
        }
        Ok(Self { place, root })
    }

    /// The directory of a volume.
    pub(super) fn path(&self, volume: &str) -> PathBuf {
        self.root.join(volume)
    }

    /// Makes the directory if it is not there.
    pub(super) fn make(&self, node: &str, volume: &str) -> Result<()> {
        let path = self.path(volume);
        match self.place {
            Where::ThisMachine => {
                fs::create_dir_all(&path).with_context(|| path.display().to_string())
            }
            Where::Docker => docker(node, &["mkdir", "-p"], &path),
        }
    }

    /// Removes the directory with everything in it, if it is there.
    pub(super) fn remove(&self, node: &str, volume: &str) -> Result<()> {
        let path = self.path(volume);
        match self.place {
            Where::ThisMachine if path.exists() => {
                fs::remove_dir_all(&path).with_context(|| path.display().to_string())
            }
            Where::ThisMachine => Ok(()),
            Where::Docker => docker(node, &["rm", "-rf"], &path),
        }
    }
}

fn docker(node: &str, command: &[&str], path: &Path) -> Result<()> {
    let output = Command::new("docker")
        .args(["exec", node])
        .args(command)
        .arg(path)
        .output()
        .context("docker")?;
    if !output.status.success() {
        bail!(
            "on {node}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_made_and_removed_twice_without_complaint() {
        let root = tempfile::tempdir().unwrap();
        let directories =
            Directories::new(Where::ThisMachine, root.path().join("volumes")).unwrap();
        for _ in 0..2 {
            directories.make("node-1", "a").unwrap();
            assert!(directories.path("a").is_dir());
        }
        fs::write(directories.path("a").join("data"), "x").unwrap();
        for _ in 0..2 {
            directories.remove("node-1", "a").unwrap();
            assert!(!directories.path("a").exists());
        }
    }

    #[test]
    fn a_relative_root_is_refused() {
        assert!(Directories::new(Where::ThisMachine, PathBuf::from("volumes")).is_err());
    }
}
