//! `cargo xtask fuzz-requests`: requests that are almost right, to a node and a cache, for a while.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::pair::{CACHE, NODE, ports_are_free, with_temporary};
use crate::process::{build, program_path, run as run_command};

/// Flags of `cargo xtask fuzz-requests`.
#[derive(Args)]
pub(crate) struct Options {
    /// For how long.
    #[arg(long, default_value = "600")]
    seconds: String,
    /// Of the random numbers (default: another one each time, which is printed).
    #[arg(long)]
    seed: Option<String>,
}

/// Ends with an error at the first answer that is neither 200, 400 nor 413, and where a program has ended.
pub(crate) fn run(options: &Options) -> Result<()> {
    ports_are_free()?;
    build("dev")?;
    let mut fuzzer = Command::new(program_path("dev", "request-fuzzer"));
    for endpoint in [NODE, CACHE] {
        fuzzer.args(["--endpoint", &format!("http://{endpoint}")]);
    }
    fuzzer.args(["--seconds", &options.seconds]);
    if let Some(seed) = &options.seed {
        fuzzer.args(["--seed", seed]);
    }
    with_temporary("dev", || run_command(&mut fuzzer))
}
