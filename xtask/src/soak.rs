//! `cargo xtask soak`: three cache nodes and a storage node that come and go, under the DAX client and boto3, for a while.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::process::{build, program_path, run as run_command, workspace_root};
use crate::python;

/// Flags of `cargo xtask soak`.
#[derive(Args)]
pub(crate) struct Options {
    /// For how long.
    #[arg(long, default_value = "600")]
    seconds: String,
    /// Of the random numbers (default: another one each time, which is printed).
    #[arg(long)]
    seed: Option<String>,
}

/// Ends with an error where an answer was wrong, or where nodes and store do not agree at the end.
pub(crate) fn run(options: &Options) -> Result<()> {
    let bin = python::environment()?;
    build("dev")?;
    let mut soak = Command::new(bin.join("python"));
    soak.arg(workspace_root().join("tests/dax/soak.py"))
        .args(["--seconds", &options.seconds])
        .env("STATOR_STORAGE_NODE", program_path("dev", "storage-node"))
        .env("STATOR_DAX_PROXY", program_path("dev", "dax-proxy"));
    if let Some(seed) = &options.seed {
        soak.args(["--seed", seed]);
    }
    run_command(&mut soak)
}
