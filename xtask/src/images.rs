//! `cargo xtask images`: one small image per program, with no Docker.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::process::{build, program_path, run as run_command, workspace_root};

/// The programs that are images.
pub(crate) const PROGRAMS: [&str; 3] = ["storage-node", "dax-proxy", "operator"];

/// Flags of `cargo xtask images`.
#[derive(Args)]
pub(crate) struct Options {
    /// The cargo profile of the programs: dev or release.
    #[arg(long, default_value = "release")]
    pub(crate) profile: String,
    /// The tag of `local/stator-<program>`; by default the one that the chart asks for.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    pub(crate) tag: String,
    /// Where the archives go; `target/images` by default.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
}

/// Builds and packs; gives the archives' paths.
pub(crate) fn run(options: &Options) -> Result<Vec<PathBuf>> {
    build(&options.profile)?;
    let binaries = program_path(&options.profile, "storage-node");
    let binaries = binaries.parent().context("a program without a folder")?;
    let out = options
        .out
        .clone()
        .unwrap_or_else(|| workspace_root().join("target/images"));
    let mut pack = Command::new(program_path(&options.profile, "images"));
    pack.args(["--tag", &options.tag, "--binaries"])
        .arg(binaries)
        .arg("--out")
        .arg(&out)
        .args(PROGRAMS);
    run_command(&mut pack)?;
    Ok(PROGRAMS
        .map(|program| out.join(format!("{program}.tar")))
        .to_vec())
}
