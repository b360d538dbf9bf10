//! `cargo xtask demo`: the whole of Stator on one machine.

use anyhow::{Result, bail};
use clap::Args;

/// Flags of `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct Options {}

/// Runs until Ctrl-C.
pub(crate) fn run(_options: &Options) -> Result<()> {
    bail!("not built yet")
}
