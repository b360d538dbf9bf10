//! The operator's entry point: parse, build, wait, drain.

use std::{path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use stator_kit::{
    clock::SystemWallClock,
    http::{ClientOptions, HttpClient},
    sigv4::{AccessKey, AccessKeyArgs},
    task::TaskOwner,
};
use stator_operator::{
    apply_file,
    run::{self, RunArgs},
    service::{Clients as _, SignedClients},
};

/// DynamoDB-compatible tables on Kubernetes.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run in a Kubernetes cluster.
    Run(RunArgs),
    /// Apply the Tables of a manifest to a DynamoDB endpoint, without Kubernetes.
    Apply {
        /// The manifest; one or more YAML documents.
        #[arg(long, short)]
        file: PathBuf,
        /// URL of the DynamoDB API.
        #[arg(long)]
        endpoint: String,
        /// Region in the signature.
        #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
        region: String,
        /// From the environment: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
        #[command(flatten)]
        key: AccessKeyArgs,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    stator_kit::tls::install_crypto_provider();
    match execute().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the last word of a command is for people"
            )]
            {
                eprintln!("error: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn execute() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(args) => run::run(args).await,
        Command::Apply {
            file,
            endpoint,
            region,
            key,
        } => {
            // `storage-node dev` takes any caller.
            let key = key
                .access_key()
                .unwrap_or_else(|| AccessKey::new("local", "local"));
            apply(&file, &endpoint, &region, key).await
        }
    }
}

#[expect(
    clippy::print_stdout,
    reason = "a command for people: its lines are its result"
)]
async fn apply(file: &PathBuf, endpoint: &str, region: &str, key: AccessKey) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let tasks = TaskOwner::new("apply");
    let http = HttpClient::new(ClientOptions::default(), &tasks);
    let clients = SignedClients::new(http, Arc::new(SystemWallClock));
    let service = clients.tables(endpoint, region, key);
    apply_file::apply(&text, service.as_ref(), &mut |line| println!("{line}")).await?;
    Ok(())
}
