//! Packs built programs into container images without Docker.
//!
//! Usually called as `cargo xtask images`, which builds the programs first.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks to its terminal"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use stator_tests::images;

#[derive(Parser)]
#[command(about = "Packs built programs into container images without Docker")]
struct Arguments {
    /// The folder with the built programs.
    #[arg(long)]
    binaries: PathBuf,
    /// The tag of the images.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// Where the archives go, one `<program>.tar` each.
    #[arg(long)]
    out: PathBuf,
    /// The programs.
    #[arg(required = true)]
    programs: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    fs::create_dir_all(&arguments.out).with_context(|| arguments.out.display().to_string())?;
    for program in &arguments.programs {
        let image = images::service(program, arguments.binaries.join(program), &arguments.tag);
        pack(&image, &arguments.out.join(format!("{program}.tar")))?;
    }
    pack(&images::pause()?, &arguments.out.join("pause.tar"))
}

fn pack(image: &images::Image, target: &Path) -> Result<()> {
    images::write(image, target)?;
    let size = fs::metadata(target).context("the archive")?.len();
    println!(
        "{} {} ({} MiB)",
        image.reference,
        target.display(),
        size >> 20
    );
    Ok(())
}
