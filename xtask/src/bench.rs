//! `cargo xtask bench`: both sides of every figure in one run.

use anyhow::{Result, bail};
use clap::Args;

/// Flags of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct Options {}

/// Runs the benchmarks.
pub(crate) fn run(_options: &Options) -> Result<()> {
    bail!("not built yet")
}
