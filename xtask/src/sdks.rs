//! `cargo xtask sdks`: one short program with each of the AWS SDKs that are not Python.
//!
//! A command of its own, because the SDKs are large: what they are made of is fetched and built into the cache folder,
//! not into the clone. boto3 and the AWS CLI are in the conformance suite.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use crate::pair::{CACHE, NODE, client_environment, ports_are_free, with_temporary};
use crate::process::{build, cache_directory, on_path, run as run_command, workspace_root};

/// Flags of `cargo xtask sdks`.
#[derive(Args)]
pub(crate) struct Options {
    /// Runs only these (default: all).
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Sdk>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sdk {
    /// The AWS SDK for JavaScript v3.
    Javascript,
    /// The AWS SDK for Go v2.
    Go,
    /// The AWS SDK for Java 2.x.
    Java,
    /// The AWS SDK for Rust.
    Rust,
}

const ALL: [Sdk; 4] = [Sdk::Javascript, Sdk::Go, Sdk::Java, Sdk::Rust];

/// Builds everything first, then runs each program against the node and through the cache.
pub(crate) fn run(options: &Options) -> Result<()> {
    let chosen: Vec<_> = ALL
        .into_iter()
        .filter(|sdk| options.only.is_empty() || options.only.contains(sdk))
        .collect();
    for sdk in &chosen {
        let tool = sdk.tool();
        ensure!(
            on_path(tool),
            "{tool} is missing, which builds the {sdk:?} program; --only names the others"
        );
    }
    ports_are_free()?;
    let cache = cache_directory()?.join("sdks");
    let mut programs = Vec::new();
    for sdk in chosen {
        println!("==> building the {sdk:?} program");
        programs.push(sdk.build(&cache)?);
    }
    build("dev")?;
    with_temporary("dev", || {
        for endpoint in [NODE, CACHE] {
            println!("==> against http://{endpoint}");
            for program in &mut programs {
                run_command(program.envs(client_environment(endpoint)))?;
            }
        }
        Ok(())
    })
}

impl Sdk {
    fn tool(self) -> &'static str {
        match self {
            Self::Javascript => "npm",
            Self::Go => "go",
            Self::Java => "mvn",
            Self::Rust => "cargo",
        }
    }

    /// Fetches and builds, and returns the command that runs the program.
    fn build(self, cache: &Path) -> Result<Command> {
        let sources = workspace_root().join("tests/sdks");
        match self {
            Self::Javascript => javascript(
                &sources.join("javascript"),
                &cache.join("javascript"),
                "orders.mjs",
            ),
            Self::Go => go(&sources.join("go"), &cache.join("go")),
            Self::Java => java(
                &sources.join("java"),
                &cache.join("java"),
                "dev.stator.Orders",
            ),
            Self::Rust => rust(&sources.join("rust"), &cache.join("rust")),
        }
    }
}

/// Fetches what a program of Node.js needs, and returns the command that runs it. Packages are found beside the program
/// or above it, so the program is copied to where they are installed.
pub(crate) fn javascript(sources: &Path, cache: &Path, program: &str) -> Result<Command> {
    std::fs::create_dir_all(cache).context("cannot make the cache folder")?;
    for file in ["package.json", "package-lock.json", program] {
        std::fs::copy(sources.join(file), cache.join(file))
            .with_context(|| format!("cannot copy {file}"))?;
    }
    run_command(
        Command::new("npm")
            .args(["ci", "--no-audit", "--no-fund", "--silent"])
            .current_dir(cache),
    )?;
    let mut command = Command::new("node");
    command.arg(cache.join(program));
    Ok(command)
}

fn go(sources: &Path, cache: &Path) -> Result<Command> {
    let program = cache.join("orders");
    run_command(
        Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(sources),
    )?;
    Ok(Command::new(program))
}

/// Fetches and builds a Maven project, and returns the command that runs its class `main`.
pub(crate) fn java(sources: &Path, cache: &Path, main: &str) -> Result<Command> {
    std::fs::create_dir_all(cache).context("cannot make the cache folder")?;
    let classes = cache.join("dependencies");
    run_command(
        Command::new("mvn")
            .args(["--quiet", "--batch-mode", "--file"])
            .arg(sources.join("pom.xml"))
            .arg(format!("-Dstator.build={}", cache.display()))
            .args(["package", "dependency:copy-dependencies"])
            .arg(format!("-DoutputDirectory={}", classes.display())),
    )?;
    let mut command = Command::new("java");
    command
        .arg("-cp")
        .arg(format!(
            "{}:{}/*",
            cache.join("classes").display(),
            classes.display()
        ))
        .arg(main);
    Ok(command)
}

fn rust(sources: &Path, cache: &Path) -> Result<Command> {
    run_command(
        Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["build", "--locked"])
            .current_dir(sources)
            .env("CARGO_TARGET_DIR", cache),
    )?;
    Ok(Command::new(cache.join("debug/stator-sdk-check")))
}
