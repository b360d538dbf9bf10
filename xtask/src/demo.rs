//! `cargo xtask demo`: a storage node, a cache, a table from its manifest and a stock AWS client on one machine.

mod kubernetes;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;

use crate::pair::{
    CACHE, CACHE_OPS, Cache, NODE, NODE_OPS, client_environment, ports_are_free, start,
};
use crate::process::{OwnedChild, build, program_path, run as run_command, workspace_root};
use crate::{python, setup};

use kubernetes::Target;

/// Flags of `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct Options {
    /// Where the data stays (default: .stator/demo in the workspace).
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// The manifest to apply.
    #[arg(long, default_value = "examples/orders.yaml")]
    manifest: PathBuf,
    /// Ends after the first pass instead of serving until Ctrl-C.
    #[arg(long)]
    once: bool,
    /// The same on a real Kubernetes: kind where Docker is there, else three kubelets on this machine.
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "auto")]
    kubernetes: Option<Target>,
    /// Build profile of the programs: release or dev.
    #[arg(long, default_value = "release")]
    profile: String,
}

/// Runs until Ctrl-C.
pub(crate) fn run(options: &Options) -> Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed)).context("no signal handler")?;
    let root = workspace_root();
    let manifest = root.join(&options.manifest);
    let serving = Serving {
        until: (!options.once).then_some(stop),
        manifest: &manifest,
    };
    setup::build_tools()?;
    if let Some(target) = options.kubernetes {
        let python = python::environment()?;
        return kubernetes::demo(target, &manifest, &options.profile, &python, &serving);
    }
    // Before minutes of building.
    ports_are_free()?;
    let data = options
        .data_dir
        .clone()
        .unwrap_or_else(|| root.join(".stator/demo"));
    let python = python::environment()?;
    build(&options.profile)?;
    let mut children = start(&data, &options.profile, Cache::default())?;
    apply(&manifest, &options.profile)?;
    println!();
    run_command(
        Command::new(python.join("python"))
            .arg(root.join("examples/demo.py"))
            .arg(table_name(&manifest)?)
            .envs(client_environment(CACHE)),
    )?;
    if !options.once {
        print_endpoints(&data, &manifest);
    }
    serving.serve(&mut children, &|| apply(&manifest, &options.profile))?;
    println!("\nstopping; the data stays in {}", data.display());
    // The cache first, so that it does not lose its upstream while it drains.
    while let Some(child) = children.pop() {
        drop(child);
    }
    Ok(())
}

/// How long a demo serves, and what it looks at meanwhile.
struct Serving<'a> {
    /// Set by Ctrl-C; absent where it does not serve at all.
    until: Option<Arc<AtomicBool>>,
    manifest: &'a Path,
}

impl Serving<'_> {
    /// Serves until Ctrl-C or the end of a child, and applies the manifest again each time that it was edited.
    fn serve(&self, children: &mut [OwnedChild], apply: &dyn Fn() -> Result<()>) -> Result<()> {
        let Some(stop) = &self.until else {
            return Ok(());
        };
        let mut applied = std::fs::read(self.manifest).ok();
        while !stop.load(Ordering::Relaxed) {
            for child in children.iter_mut() {
                child.check_running()?;
            }
            std::thread::sleep(Duration::from_millis(100));
            let now = std::fs::read(self.manifest).ok();
            // Editors that write anew leave the file empty or away for a moment.
            if now == applied || now.as_ref().is_none_or(Vec::is_empty) {
                continue;
            }
            println!("\n{} was edited", self.manifest.display());
            // A mistake in it is for its author to mend; the demo goes on.
            if let Err(error) = apply() {
                println!("not applied: {error:#}");
            }
            applied = now;
        }
        Ok(())
    }
}

/// Applies the manifest with the operator's own type and planner.
fn apply(manifest: &Path, profile: &str) -> Result<()> {
    run_command(
        Command::new(program_path(profile, "operator"))
            .arg("apply")
            .arg("--file")
            .arg(manifest)
            .args(["--endpoint", &format!("http://{NODE}")])
            .envs(client_environment(CACHE)),
    )
}

/// The `tableName` of a manifest; whether it is a sound one is the operator's business.
fn table_name(manifest: &Path) -> Result<String> {
    let text = std::fs::read_to_string(manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    text.lines()
        .find_map(|line| line.trim().strip_prefix("tableName:"))
        .map(|name| name.trim().trim_matches(['"', '\'']).to_owned())
        .context("the manifest names no table")
}

fn print_endpoints(data: &Path, manifest: &Path) {
    println!("\nserving until Ctrl-C; the data is in {}", data.display());
    println!("edit {} and the table changes", manifest.display());
    println!("  DynamoDB API          http://{NODE}");
    println!("  the same, cached      http://{CACHE}");
    println!("  for DAX clients       dax://{CACHE}");
    println!("  metrics               http://{NODE_OPS}/metrics and http://{CACHE_OPS}/metrics");
    println!("for an AWS SDK or the AWS CLI:");
    for (name, value) in client_environment(CACHE) {
        println!("  export {name}={value}");
    }
}
