//! Development commands. `cargo xtask --help` lists them.
//!
//! Kept light on purpose (no async runtime, no Kubernetes client): it orchestrates cargo, the programs of the
//! workspace and the test equipment in `tests/`, so that `cargo xtask` itself compiles in seconds.

#![expect(
    clippy::disallowed_types,
    reason = "real time: nothing here is simulated"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks to its terminal"
)]

mod bench;
mod dax_clients;
mod demo;
mod fuzz;
mod images;
mod kubernetes;
mod local_kubernetes;
mod pair;
mod process;
mod python;
mod sdks;
mod setup;
mod soak;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Development commands of Stator")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds and runs a storage node and a cache on this machine and applies examples/orders.yaml.
    Demo(demo::Options),
    /// Sets up what the tests need and runs all of them; prints the minutes of each phase.
    Test(test::Options),
    /// Packs storage-node, dax-proxy and operator into container images, without Docker.
    Images(images::Options),
    /// A real Kubernetes on this machine: three kube nodes in three zones (`cargo xtask local-kubernetes help`).
    LocalKubernetes(local_kubernetes::Options),
    /// Measures Stator beside Redis in one run and writes docs/benchmarks.md.
    Bench(bench::Options),
    /// Runs the DAX clients for JavaScript and Java against a cache and compares each result with plain DynamoDB.
    DaxClients,
    /// Sends requests that are almost right to a node and a cache for ten minutes.
    FuzzRequests(fuzz::Options),
    /// Cache nodes and a storage node come and go for ten minutes, under clients that check every answer.
    Soak(soak::Options),
    /// Runs one short program with each of the AWS SDKs, against a node and through a cache.
    Sdks(sdks::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Images(options) => images::run(&options).map(|_| ()),
        Command::LocalKubernetes(options) => local_kubernetes::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::DaxClients => dax_clients::run(),
        Command::FuzzRequests(options) => fuzz::run(&options),
        Command::Soak(options) => soak::run(&options),
        Command::Sdks(options) => sdks::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
