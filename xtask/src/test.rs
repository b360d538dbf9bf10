//! `cargo xtask test`: everything that decides whether a change may land.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};

use crate::process::{self, cargo, program_path, workspace_root};
use crate::{kubernetes, python, setup};

/// Flags of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs only these phases (default: all).
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Phase>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// System packages, every program of ours, and those of the local Kubernetes.
    Setup,
    /// rustfmt and clippy, with warnings as errors.
    Lint,
    /// Every program and test, in the profile that all phases share.
    Build,
    /// Unit, property, simulation and integration tests.
    Rust,
    /// boto3 against a storage node, directly and through the cache; the DAX client for Python.
    Conformance,
    /// The local cluster itself, then the end-to-end suite on it.
    Kubernetes,
}

const ALL: [Phase; 6] = [
    Phase::Setup,
    Phase::Lint,
    Phase::Build,
    Phase::Rust,
    Phase::Conformance,
    Phase::Kubernetes,
];

/// Runs the phases in order and prints the minutes of each; the first failure ends the run.
pub(crate) fn run(options: &Options) -> Result<()> {
    setup::build_tools()?;
    let mut report = Vec::new();
    let start_of_all = Instant::now();
    let phases: Vec<_> = ALL
        .into_iter()
        .filter(|phase| options.only.is_empty() || options.only.contains(phase))
        .collect();
    for (position, phase) in phases.iter().enumerate() {
        let name = name(*phase);
        println!("==> phase {} of {}: {name}", position + 1, phases.len());
        let start = Instant::now();
        let outcome = match phase {
            Phase::Setup => kubernetes::set_up(),
            Phase::Lint => lint(),
            Phase::Build => build(),
            Phase::Rust => rust(),
            Phase::Conformance => conformance(),
            Phase::Kubernetes => end_to_end(),
        };
        let minutes = start.elapsed().as_secs_f64() / 60.0;
        report.push(format!("{name:<12} {minutes:5.1} min"));
        if let Err(error) = outcome {
            println!("minutes until the failure\n{}", report.join("\n"));
            return Err(error.context(format!("phase {name} failed")));
        }
    }
    let minutes = start_of_all.elapsed().as_secs_f64() / 60.0;
    report.push(format!("{:<12} {minutes:5.1} min", "all"));
    println!("all phases passed\n{}", report.join("\n"));
    Ok(())
}

fn name(phase: Phase) -> String {
    phase
        .to_possible_value()
        .map_or_else(String::new, |value| value.get_name().to_owned())
}

fn lint() -> Result<()> {
    process::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    process::run(&mut cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}

fn build() -> Result<()> {
    process::run(&mut cargo(&[
        "build",
        "--workspace",
        "--all-targets",
        "--locked",
    ]))
}

fn rust() -> Result<()> {
    process::run(&mut cargo(&["test", "--workspace", "--locked"]))
}

fn conformance() -> Result<()> {
    let bin = python::environment()?;
    let runs = [
        (
            "the conformance suite against a node and a cache",
            "conformance",
        ),
        ("the DAX client against a cache", "dax"),
    ];
    for (run, folder) in runs {
        println!("{run}");
        process::run(
            Command::new(bin.join("python"))
                .current_dir(workspace_root().join("tests").join(folder))
                .args(["-m", "pytest", "-q", "-p", "no:cacheprovider"])
                .env("STATOR_STORAGE_NODE", program_path("dev", "storage-node"))
                .env("STATOR_DAX_PROXY", program_path("dev", "dax-proxy")),
        )
        .context(run)?;
    }
    Ok(())
}

fn end_to_end() -> Result<()> {
    let bin = python::environment()?;
    kubernetes::end_to_end(&bin.join("python"))
}
