//! Running other programs: one place for working directory, errors and owned children.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The root folder of the workspace.
pub(crate) fn workspace_root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where caches live that outlast a clone: `STATOR_CACHE`, else `XDG_CACHE_HOME/stator`, else `~/.cache/stator`.
pub(crate) fn cache_directory() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("STATOR_CACHE") {
        return Ok(PathBuf::from(directory));
    }
    if let Some(directory) = std::env::var_os("XDG_CACHE_HOME") {
        return Ok(PathBuf::from(directory).join("stator"));
    }
    let home = std::env::var_os("HOME").context("neither STATOR_CACHE nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache/stator"))
}

/// A cargo command in the workspace root, with the cargo that runs this program.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root()).args(arguments);
    command
}

/// Runs to the end; an error names the command and how it ended.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command
        .status()
        .with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// Builds every program of the workspace in `profile`: always the whole of it, so that features are unified in one
/// way and dependencies are built once.
pub(crate) fn build(profile: &str) -> Result<()> {
    println!("building the workspace ({profile} profile)");
    let targets: &[&str] = if profile == "dev" {
        &["--all-targets"]
    } else {
        &["--bins"]
    };
    run(cargo(&["build", "--workspace", "--locked", "--profile", profile]).args(targets))
}

/// Where `cargo build` puts programs of `profile` (`dev` or `release`).
pub(crate) fn program_path(profile: &str, name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace_root().join("target"), PathBuf::from);
    let folder = if profile == "dev" { "debug" } else { profile };
    target.join(folder).join(name)
}

/// Whether a program of this name is on the `PATH`.
pub(crate) fn on_path(name: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
}

/// A child process that is stopped (SIGTERM, then SIGKILL after `grace`) when dropped.
pub(crate) struct OwnedChild {
    name: &'static str,
    child: Child,
    grace: Duration,
}

impl OwnedChild {
    /// Starts the command, out of reach of the terminal's Ctrl-C: it is asked once to end, by us.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self {
            name,
            child,
            grace: Duration::from_secs(10),
        })
    }

    /// An error if the process has ended.
    pub(crate) fn check_running(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().context("cannot wait for a child")? {
            bail!("{} ended with {status}", self.name);
        }
        Ok(())
    }
}

impl Drop for OwnedChild {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status();
        let until = Instant::now() + self.grace;
        while asked.is_ok() && Instant::now() < until {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}
