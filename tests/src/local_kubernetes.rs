//! A real Kubernetes on one machine, without a container registry and without Docker.
//!
//! Purpose: an API server with its controllers and scheduler, and three kube nodes (kubelet, containerd, runc)
//! in three zones, for the end-to-end suite and the demo; with node loss and network cuts as test verbs.
//! Where Docker is present, kind is what users have: the suite itself only needs a `KUBECONFIG`.
//!
//! How it stays contained:
//! - One *holder* process is the first of its own PID, mount and network namespace; everything else is started
//!   inside, each node in namespaces of its own below it. Ending the holder therefore ends every process,
//!   container, mount, interface and packet filter rule of the cluster; the kernel sees to it.
//! - No namespace has a default route, and none is connected to the machine's network: nothing can leave.
//! - What namespaces do not hold (control groups, kernel settings that kubelet changes, the state directory) is
//!   written down or found by name, and undone by `down`.
//! - There is no database of process ids: processes are found by the script that they run, whose path is in the
//!   state directory. A crashed run leaves nothing that the next `up` would not find.
//!
//! Concurrency: commands are synchronous; `up` and `down` on one state directory exclude each other by a lock.

#![expect(
    clippy::disallowed_types,
    reason = "real processes take real time: nothing here is simulated"
)]

mod addresses;
mod certificates;
mod cgroups;
mod control_plane;
mod files;
mod kernel_settings;
pub mod machine;
mod namespaces;
mod node;
mod processes;
mod programs;

pub use self::addresses::{NODES, Node};
pub use self::programs::{Programs, cache_directory, packages};

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use self::files::Files;
use crate::images;

/// The name of a cluster's control groups, one per state directory.
///
/// # Errors
///
/// As [`LocalKubernetes::new`].
pub fn control_group(state: &Path) -> Result<String> {
    Ok(Files::new(state)?.control_group())
}

/// The environment variable that names the state directory; set for commands that run inside.
pub const STATE_VARIABLE: &str = "STATOR_LOCAL_KUBERNETES";

/// Receives a line for every step that takes a noticeable time.
pub type Progress<'a> = &'a dyn Fn(&str);

/// A local cluster, running or not, known by its state directory.
#[derive(Debug, Clone)]
pub struct LocalKubernetes {
    files: Files,
}

/// What `up` needs to know.
#[derive(Debug)]
pub struct UpOptions {
    /// The `local-kubernetes` program; a copy of it runs inside as the volume provisioner.
    pub provisioner_program: PathBuf,
}

/// What is running.
#[derive(Debug, PartialEq, Eq)]
pub struct Status {
    /// Whether the holder of the namespaces lives.
    pub running: bool,
    /// The nodes whose processes live.
    pub nodes: Vec<&'static str>,
}

impl LocalKubernetes {
    /// The cluster whose files are in `state`, which need not exist yet.
    ///
    /// # Errors
    ///
    /// If the path cannot be made absolute, or holds something that is not ours.
    pub fn new(state: &Path) -> Result<Self> {
        Ok(Self {
            files: Files::new(state)?,
        })
    }

    /// The cluster named by `STATOR_LOCAL_KUBERNETES`, else the one in the cache directory.
    ///
    /// # Errors
    ///
    /// As [`LocalKubernetes::new`], or if no cache directory can be told.
    pub fn from_environment() -> Result<Self> {
        match std::env::var_os(STATE_VARIABLE) {
            Some(state) => Self::new(Path::new(&state)),
            None => Self::new(&cache_directory()?.join("local-kubernetes")),
        }
    }

    /// Starts the cluster and waits until its nodes are ready. Does nothing if it is up already; removes what an
    /// earlier run left behind if that is only half there.
    ///
    /// # Errors
    ///
    /// If a program is missing, cannot be built or started, or does not become ready in time.
    /// What was started is left for inspection; `down` removes it.
    pub fn up(&self, options: &UpOptions, progress: Progress<'_>) -> Result<()> {
        packages::ensure(progress)?;
        machine::check()?;
        let programs = Programs::ensure(progress)?;
        let _lock = self.files.lock()?;
        let status = self.status()?;
        if status.running && status.nodes.len() == NODES.len() && self.files.complete().exists() {
            progress("the local cluster is up already");
            return Ok(());
        }
        if status.running || self.files.exists() {
            progress("removing what an earlier run left behind");
            self.remove()?;
        }
        let start = Instant::now();
        self.start(&programs, options, progress)?;
        progress(&format!(
            "the local cluster is ready ({:.1} s)",
            start.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    fn start(
        &self,
        programs: &Programs,
        options: &UpOptions,
        progress: Progress<'_>,
    ) -> Result<()> {
        let files = &self.files;
        files.create()?;
        kernel_settings::save(files, &namespaces::other_clusters(files)?)?;
        certificates::issue(files)?;
        cgroups::create(files)?;
        let pause = files.pause_image();
        images::write(&images::pause()?, &pause)?;

        progress("starting the control plane");
        let holder = namespaces::hold(files)?;
        control_plane::start(files, programs, holder)?;
        progress("starting three kube nodes");
        for node in &NODES {
            node::start(files, programs, holder, node)?;
        }
        control_plane::start_service_rules(files, programs, holder)?;
        for node in &NODES {
            node::wait_for_containerd(files, node)?;
            node::import_image(files, node, &pause)?;
        }
        control_plane::start_volume_provisioner(files, holder, &options.provisioner_program)?;
        self.kubectl_apply(programs, control_plane::STORAGE_CLASS)?;
        for node in &NODES {
            self.wait_ready(programs, node)?;
        }
        control_plane::wait_for_service_rules(files, programs, holder)?;
        control_plane::wait_for_dns(files, holder)?;
        files.mark_complete(programs)
    }

    /// Ends the cluster and removes everything of it. Does nothing if nothing is there.
    ///
    /// # Errors
    ///
    /// If something resists for more than a few seconds; it is named.
    pub fn down(&self) -> Result<()> {
        machine::require_root()?;
        let _lock = self.files.lock()?;
        self.remove()
    }

    fn remove(&self) -> Result<()> {
        namespaces::end(&self.files)?;
        cgroups::remove(&self.files)?;
        if !self.files.exists() {
            return Ok(());
        }
        // They are the whole machine's: the last cluster on it puts them back.
        if namespaces::other_clusters(&self.files)?.is_empty() {
            kernel_settings::restore(&self.files)?;
        }
        self.files.remove()
    }

    /// Looks at what is running.
    ///
    /// # Errors
    ///
    /// If `/proc` cannot be read.
    pub fn status(&self) -> Result<Status> {
        let running = namespaces::holder(&self.files)?.is_some();
        let mut nodes = Vec::new();
        for node in &NODES {
            if node::process(&self.files, node)?.is_some() {
                nodes.push(node.name);
            }
        }
        Ok(Status { running, nodes })
    }

    /// The administrator's kubeconfig. Its address answers only inside: see [`LocalKubernetes::command`].
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.files.kubeconfig("admin")
    }

    /// Imports docker-archive files on every running node.
    ///
    /// # Errors
    ///
    /// If a file is no image archive.
    pub fn load_images(&self, archives: &[PathBuf]) -> Result<()> {
        for node in &NODES {
            if node::process(&self.files, node)?.is_none() {
                continue;
            }
            for archive in archives {
                node::import_image(&self.files, node, archive)?;
            }
        }
        Ok(())
    }

    /// Cuts a node off from the control plane and the other nodes. Its processes live on.
    ///
    /// # Errors
    ///
    /// If the node is unknown or not running.
    pub fn cut(&self, node: &str) -> Result<()> {
        self.set_link(node, "down")
    }

    /// Connects a cut node again.
    ///
    /// # Errors
    ///
    /// If the node is unknown or not running.
    pub fn heal(&self, node: &str) -> Result<()> {
        self.set_link(node, "up")
    }

    fn set_link(&self, node: &str, state: &str) -> Result<()> {
        let node = addresses::node(node)?;
        namespaces::set_link(self.holder()?, node, state)
    }

    /// Kills all processes of a node at once, as if its machine had lost power. Volumes stay.
    ///
    /// # Errors
    ///
    /// If the node is unknown or resists.
    pub fn kill_node(&self, node: &str) -> Result<()> {
        node::kill(&self.files, addresses::node(node)?)
    }

    /// Starts a killed node again, with its volumes and images.
    ///
    /// # Errors
    ///
    /// If the node is unknown or cannot be started.
    pub fn start_node(&self, node: &str) -> Result<()> {
        let node = addresses::node(node)?;
        if node::process(&self.files, node)?.is_some() {
            return Ok(());
        }
        let programs = Programs::ensure(&|_| ())?;
        cgroups::create(&self.files)?;
        node::start(&self.files, &programs, self.holder()?, node)?;
        node::wait_for_containerd(&self.files, node)
    }

    /// Kills a container with SIGKILL, as the kernel does when memory runs out. kubelet starts it again.
    ///
    /// # Errors
    ///
    /// If the node is unknown, or no such container runs on it.
    pub fn kill_container(&self, node: &str, container: &str) -> Result<()> {
        node::kill_container(&self.files, addresses::node(node)?, container)
    }

    /// A command that runs inside the control plane's namespaces: the API server, Services by address and by
    /// name, and pods can be reached from it, and nothing else. `KUBECONFIG` is set; kubectl and helm are on
    /// the `PATH`.
    ///
    /// # Errors
    ///
    /// If the cluster is not running.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Result<Command> {
        let directory = std::env::current_dir().context("cannot tell the working directory")?;
        // Entering a mount namespace loses the working directory, hence the shell.
        let mut command = namespaces::enter(self.holder()?, &["--mount", "--net"]);
        command
            .args(["sh", "-c", "cd \"$1\" && shift && exec \"$@\"", "sh"])
            .arg(directory)
            .arg(program);
        let mut path = self.files.program_path()?;
        if let Some(outer) = std::env::var_os("PATH") {
            path.push(":");
            path.push(outer);
        }
        command
            .env("PATH", path)
            .env("KUBECONFIG", self.kubeconfig())
            .env(STATE_VARIABLE, self.files.root());
        // There is no way out, so a proxy could only make requests fail that would have worked.
        for name in ["http_proxy", "https_proxy", "all_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        Ok(command)
    }

    fn holder(&self) -> Result<processes::Pid> {
        namespaces::holder(&self.files)?
            .context("the local cluster is not running: `cargo xtask local-kubernetes up`")
    }

    fn kubectl(&self, programs: &Programs) -> Result<Command> {
        let mut command = namespaces::enter(self.holder()?, &["--net"]);
        command
            .arg(programs.kubectl())
            .arg("--kubeconfig")
            .arg(self.kubeconfig());
        Ok(command)
    }

    fn kubectl_apply(&self, programs: &Programs, manifest: &str) -> Result<()> {
        let file = self.files.root().join("manifest.yaml");
        files::write(&file, manifest)?;
        processes::run(self.kubectl(programs)?.args(["apply", "-f"]).arg(file))
    }

    fn wait_ready(&self, programs: &Programs, node: &Node) -> Result<()> {
        processes::wait_for(
            &format!("node {} to be ready", node.name),
            Duration::from_secs(60),
            &self.files.node(node).join("log/kubelet.log"),
            || {
                let output = self
                    .kubectl(programs)?
                    .args(["get", "node", node.name, "--ignore-not-found", "-o"])
                    .arg("jsonpath={.status.conditions[?(@.type==\"Ready\")].status}")
                    .output()
                    .context("kubectl")?;
                Ok(output.stdout == b"True")
            },
        )
    }
}
