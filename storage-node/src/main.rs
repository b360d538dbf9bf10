//! Parses, builds, waits, drains.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use stator_kit::clock::SystemWallClock;
use stator_kit::rng::OsRandom;
use stator_kit::shutdown::Signals;
use stator_kit::task::TaskOwner;
use stator_storage_node::cluster::UnbackedSettings;
use stator_storage_node::config::{Cli, Command, DevArgs, Peer, ServeArgs};
use stator_storage_node::node::{DataDir, Node, NodeOptions, Seams, Security};

/// Data groups of `dev`: one a partition of a table, all in one process.
const DEV_GROUPS: u32 = 4;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            tracing::error!("{problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let Cli {
        command,
        wording,
        telemetry,
    } = cli;
    let log_filter = stator_kit::telemetry::init(&telemetry)?;
    stator_model::wording::choose(wording);
    let options = match command {
        Command::Dev(args) => dev(args)?,
        Command::Serve(args) => serve(args)?,
    };
    stator_kit::tls::install_crypto_provider();
    let seams = Seams {
        clock: Arc::new(SystemWallClock),
        random: Arc::new(OsRandom),
        log_filter,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(until_stopped(options, seams))
}

async fn until_stopped(options: NodeOptions, seams: Seams) -> anyhow::Result<()> {
    let mut signals = Signals::install()?;
    let node = Node::start(options, seams).await?;
    let failure = tokio::select! {
        signal = signals.next() => {
            tracing::info!(?signal, "stopping");
            None
        }
        failure = node.failed() => Some(failure),
    };
    let watcher = TaskOwner::new("signals");
    signals.exit_on_next(&watcher);
    node.shutdown().await;
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(()),
    }
}

fn dev(args: DevArgs) -> anyhow::Result<NodeOptions> {
    args.validate()?;
    let DevArgs {
        data_dir,
        listen,
        ops_listen,
        in_memory,
        credentials_file,
        throttling,
        upkeep,
    } = args;
    if credentials_file.is_none() {
        tracing::warn!(%listen, "dev takes any signature without verifying it, on loopback only");
    }
    let data = if in_memory {
        DataDir::Memory
    } else {
        DataDir::Disk(data_dir)
    };
    tracing::info!(?data, %listen, %ops_listen, "effective configuration");
    let name = "dev".to_owned();
    Ok(NodeOptions {
        data,
        rack: "local".to_owned(),
        peers: vec![Peer {
            name: name.clone(),
            address: "127.0.0.1:0".to_owned(),
        }],
        name,
        region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
        groups: DEV_GROUPS,
        credentials_file,
        security: Security::Insecure,
        api_listen: listen,
        rpc_listen: None,
        admin_listen: None,
        ops_listen: Some(ops_listen),
        throttling,
        unbacked: UnbackedSettings::Store,
        upkeep: upkeep.upkeep(),
    })
}

fn serve(args: ServeArgs) -> anyhow::Result<NodeOptions> {
    let sorted = args.validate()?;
    let ServeArgs {
        data_dir,
        node_name,
        rack,
        peers: _,
        region,
        account_id,
        credentials_file,
        tls_dir,
        insecure: _,
        api_listen,
        rpc_listen,
        admin_listen,
        ops_listen,
        groups,
        throttling,
        upkeep,
    } = args;
    let groups = groups.unwrap_or_else(|| default_groups(sorted.len()));
    let security = match tls_dir {
        Some(dir) => Security::Tls(dir),
        None => {
            tracing::warn!(%rpc_listen, "node-to-node RPC without TLS: whoever reaches the port reads and writes everything");
            Security::Insecure
        }
    };
    let names: Vec<&str> = sorted.iter().map(|peer| peer.name.as_str()).collect();
    tracing::info!(
        ?data_dir, node_name, rack, ?names, region, account_id, ?credentials_file, ?security,
        %api_listen, %rpc_listen, %admin_listen, %ops_listen, groups, "effective configuration"
    );
    let alone = sorted.len() == 1;
    let rpc_listen: Option<SocketAddr> = (!alone).then_some(rpc_listen);
    Ok(NodeOptions {
        data: DataDir::Disk(data_dir),
        name: node_name,
        rack,
        peers: sorted,
        region,
        account_id,
        groups,
        credentials_file: Some(credentials_file),
        security,
        api_listen,
        rpc_listen,
        admin_listen: Some(admin_listen),
        ops_listen: Some(ops_listen),
        throttling,
        unbacked: UnbackedSettings::Refuse,
        upkeep: upkeep.upkeep(),
    })
}

/// Two data groups a node, so that leaders spread evenly and a lost node's load spreads too.
fn default_groups(nodes: usize) -> u32 {
    u32::try_from(nodes)
        .unwrap_or(u32::MAX)
        .saturating_mul(2)
        .clamp(4, 256)
}
