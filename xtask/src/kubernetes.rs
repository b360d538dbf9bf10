//! The phases of `cargo xtask test` that need a Kubernetes cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::images;
use crate::process::{self, cargo, program_path};

/// System packages, and the programs of the local cluster: minutes on a cold cache, nothing afterwards.
pub(crate) fn set_up() -> Result<()> {
    process::build("dev")?;
    process::run(local().arg("setup"))
}

/// The harness's own test, then the end-to-end suite on a cluster made for it.
pub(crate) fn end_to_end(python: &Path) -> Result<()> {
    process::run(&mut suite(cargo(&[]), "local_kubernetes"))?;
    let archives = images::run(&images::Options {
        profile: "dev".to_owned(),
        tag: env!("CARGO_PKG_VERSION").to_owned(),
        out: None,
    })?;
    process::run(local().arg("up"))?;
    let outcome = load_and_test(&archives, python);
    if outcome.is_err() {
        println!(
            "the logs of the cluster and its pods are kept until `cargo xtask local-kubernetes down`"
        );
        return outcome;
    }
    process::run(local().arg("down"))
}

fn load_and_test(archives: &[PathBuf], python: &Path) -> Result<()> {
    process::run(local().arg("load-image").args(archives))?;
    let mut inside = local();
    inside.args(["exec", "--"]).arg(cargo(&[]).get_program());
    process::run(suite(inside, "kube").env("STATOR_PYTHON", python)).context("end-to-end suite")
}

/// Tests share a cluster and take turns: one thread, and their output as it comes.
fn suite(mut command: Command, name: &str) -> Command {
    command.current_dir(process::workspace_root());
    command.args([
        "test",
        "--workspace",
        "--locked",
        "--offline",
        "--test",
        name,
    ]);
    command.args(["--", "--ignored", "--nocapture", "--test-threads=1"]);
    command
}

fn local() -> Command {
    Command::new(program_path("dev", "local-kubernetes"))
}
