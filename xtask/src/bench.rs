//! `cargo xtask bench`: both sides of every figure in one run, written to docs/benchmarks.md.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::process::{cargo, on_path, program_path, run as run_command, workspace_root};
use crate::setup::{Needed, packages};

/// Flags of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {
    /// Seconds that each row is measured in each round.
    #[arg(long, default_value = "3")]
    seconds: String,
    /// Rounds.
    #[arg(long, default_value = "3")]
    rounds: String,
    /// Instead of all rows: a table of `--items` items of 100 bytes beside one of ten thousand, written to
    /// docs/benchmarks-scale.md.
    #[arg(long)]
    scale: bool,
    /// Instead of all rows: the cache, its hits, misses and memory, written to docs/benchmarks-dax.md.
    #[arg(long, conflicts_with = "scale")]
    dax: bool,
    /// Items of the large table.
    #[arg(long, default_value = "10000000")]
    items: String,
}

/// Builds the release programs and runs the benchmarks.
pub(crate) fn run(options: &Options) -> Result<()> {
    if let Err(error) = packages(&[Needed {
        what: "redis-server",
        package: "redis-server",
        found: || on_path("redis-server"),
    }]) {
        println!("the rows of Redis are left out: {error}");
    }
    build()?;
    let program = program_path("release", "bench");
    let bin = program.parent().unwrap_or(&program);
    let mut bench = Command::new(&program);
    bench.arg("--bin-dir").arg(bin).args([
        "--seconds",
        &options.seconds,
        "--rounds",
        &options.rounds,
    ]);
    let page = if options.scale {
        bench.args(["--scale", &options.items]);
        "docs/benchmarks-scale.md"
    } else if options.dax {
        bench.arg("--dax");
        "docs/benchmarks-dax.md"
    } else {
        "docs/benchmarks.md"
    };
    run_command(bench.arg("--out").arg(workspace_root().join(page)))
}

/// The programs under test and the load generator, without the Kubernetes parts of the workspace.
fn build() -> Result<()> {
    println!("building the release programs");
    run_command(&mut cargo(&[
        "build",
        "--release",
        "--locked",
        "--no-default-features",
        "--package=stator-storage-node",
        "--package=stator-dax-proxy",
        "--package=stator-tests",
        "--bin=storage-node",
        "--bin=dax-proxy",
        "--bin=bench",
    ]))
}
