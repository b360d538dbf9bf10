//! The phases of `cargo xtask test` that need a Kubernetes cluster.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process::{self, cache_directory, cargo, program_path};
use crate::{images, setup};

/// The tag of the image that the end-to-end suite rolls out.
const NEXT: &str = "next";

/// System packages, and the programs of the local cluster: minutes on a cold cache, nothing afterwards.
pub(crate) fn set_up() -> Result<()> {
    setup::for_local_kubernetes()?;
    process::build("dev")?;
    process::run(local().arg("setup"))
}

/// The harness's own test, then the end-to-end suite on a cluster made for it, which is not the one that a user may
/// have up.
pub(crate) fn end_to_end(python: &Path) -> Result<()> {
    process::run(&mut suite(cargo(&[]), "local_kubernetes")).context("the local cluster's test")?;
    let pack = |tag: &str, out: Option<PathBuf>| {
        images::run(&images::Options {
            profile: "dev".to_owned(),
            tag: tag.to_owned(),
            out,
        })
    };
    let mut archives = pack(env!("CARGO_PKG_VERSION"), None)?;
    // Something to roll out: the same program in an image of another name.
    let next = pack(
        NEXT,
        Some(process::workspace_root().join("target/images/next")),
    )?;
    archives.extend(next.into_iter().take(1));
    let state = cache_directory()?.join("end-to-end");
    let cluster = || {
        let mut command = local();
        command.arg("--state").arg(&state);
        command
    };
    process::run(cluster().arg("down")).context("what a run that failed has left")?;
    process::run(cluster().arg("up"))?;
    let outcome = load_and_test(&cluster, &archives, python);
    if outcome.is_err() {
        println!(
            "the cluster and the logs of its pods are kept until the next run, or until \
             cargo xtask local-kubernetes --state {} down",
            state.display()
        );
        return outcome;
    }
    process::run(cluster().arg("down"))
}

fn load_and_test(cluster: &dyn Fn() -> Command, archives: &[PathBuf], python: &Path) -> Result<()> {
    process::run(cluster().arg("load-image").args(archives))?;
    let mut inside = cluster();
    inside.args(["exec", "--"]).arg(cargo(&[]).get_program());
    let next = format!("local/stator-{}:{NEXT}", images::PROGRAMS[0]);
    let mut suite = suite(inside, "kube");
    suite.env("STATOR_PYTHON", python);
    suite.env("STATOR_NEXT_STORAGE_NODE_IMAGE", next);
    process::run(&mut suite).context("end-to-end suite")
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
