//! The state directory: what is where, and its making and removal.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::addresses::{NODES, Node};
use super::programs::Programs;

/// Marks a directory as ours, so that `down` never removes another's.
const MARKER: &str = "made-by-stator-local-kubernetes";

/// Paths below the state directory.
#[derive(Debug, Clone)]
pub(super) struct Files {
    root: PathBuf,
}

impl Files {
    pub(super) fn new(root: &Path) -> Result<Self> {
        let root = std::path::absolute(root)
            .with_context(|| format!("{} cannot be made absolute", root.display()))?;
        let text = root.to_str().context("the state directory is not UTF-8")?;
        if text.contains([' ', '\'', '"', '\n', '\\', ',', ':']) {
            bail!(
                "the state directory {text:?} has characters that shell scripts and mounts dislike"
            );
        }
        if root.starts_with("/var/lib") || root.starts_with("/run") {
            bail!(
                "{text} would be hidden from the nodes, which have a /var/lib and a /run of their own"
            );
        }
        Ok(Self { root })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The root as text: [`Files::new`] made sure that it is.
    pub(super) fn text(&self) -> String {
        self.root.to_string_lossy().into_owned()
    }

    pub(super) fn exists(&self) -> bool {
        self.root.join(MARKER).exists()
    }

    /// Holds other commands off until dropped.
    pub(super) fn lock(&self) -> Result<fs::File> {
        let path = self.root.with_extension("lock");
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        let file = fs::File::create(&path).with_context(|| path.display().to_string())?;
        file.lock().with_context(|| path.display().to_string())?;
        Ok(file)
    }

    pub(super) fn create(&self) -> Result<()> {
        if self.root.exists() && fs::read_dir(&self.root)?.next().is_some() {
            bail!(
                "{} exists and was not made by this program",
                self.root.display()
            );
        }
        let mut directories = vec![self.root.clone(), self.log(), self.certificates()];
        for node in &NODES {
            directories.push(self.node(node));
            for name in ["cni", "containerd", "kubelet", "log", "network", "plugins"] {
                directories.push(self.node(node).join(name));
            }
        }
        for directory in directories {
            // Keys lie below: for root alone. Volumes get their own rights.
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&directory)
                .with_context(|| directory.display().to_string())?;
        }
        write(&self.root.join(MARKER), "")?;
        Ok(())
    }

    pub(super) fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.root).with_context(|| self.root.display().to_string())
    }

    /// There once everything was ready.
    pub(super) fn complete(&self) -> PathBuf {
        self.root.join("complete")
    }

    /// Notes that all is ready, and which programs run.
    pub(super) fn mark_complete(&self, programs: &Programs) -> Result<()> {
        write(&self.complete(), &programs.search_path())
    }

    /// The folders of kubectl and helm, as a `PATH`.
    pub(super) fn program_path(&self) -> Result<OsString> {
        let path = self.complete();
        let text = fs::read_to_string(&path).context("the local cluster is not ready")?;
        Ok(OsString::from(text))
    }

    pub(super) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(super) fn certificates(&self) -> PathBuf {
        self.root.join("certificates")
    }

    pub(super) fn kubeconfig(&self, client: &str) -> PathBuf {
        self.root.join(format!("{client}.kubeconfig"))
    }

    pub(super) fn pause_image(&self) -> PathBuf {
        self.root.join("pause.tar")
    }

    pub(super) fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    pub(super) fn node(&self, node: &Node) -> PathBuf {
        self.root.join("nodes").join(node.name)
    }

    /// The name of the cluster's control groups, one per state directory (FNV-1a of its path).
    pub(super) fn control_group(&self) -> String {
        let hash = self
            .text()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("stator-local-kubernetes-{hash:016x}")
    }
}

/// Writes a file; the error names it.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
