//! `cargo xtask local-kubernetes`: passed on to the program of that name in `tests/`.

use std::ffi::OsString;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::process::cargo;

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
    let mut command = cargo(&["run", "--quiet", "--locked", "--package", "stator-tests"]);
    command.args(["--bin", "local-kubernetes", "--"]);
    if let Some(directory) = std::env::var_os("PWD") {
        // Paths in the arguments are the caller's.
        command.current_dir(directory);
    }
    let status = command
        .args(&options.arguments)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("local-kubernetes ended with {status}");
    }
    Ok(())
}
