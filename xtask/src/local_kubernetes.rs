//! `cargo xtask local-kubernetes`: passed on to the program of that name in `tests/`.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::{build, program_path};

/// Everything after the subcommand's name.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// up, down, status, exec -- COMMAND, …; `help` shows them all.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) arguments: Vec<OsString>,
}

/// Builds the program if needed and runs it.
pub(crate) fn run(options: &Options) -> Result<()> {
    build("dev")?;
    // Paths in the arguments are the caller's, so its working directory stays.
    let status = Command::new(program_path("dev", "local-kubernetes"))
        .args(&options.arguments)
        .status()
        .context("cannot start local-kubernetes")?;
    if !status.success() {
        bail!("local-kubernetes ended with {status}");
    }
    Ok(())
}
