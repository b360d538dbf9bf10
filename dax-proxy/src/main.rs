//! The program: parse, build, wait, drain.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use stator_dax_proxy::config::{Cli, Command};
use stator_dax_proxy::run::Running;
use stator_kit::clock::SystemWallClock;
use stator_kit::rng::OsRandom;
use stator_kit::{shutdown, telemetry, tls};
use tracing::{info, warn};

/// Time for requests in flight at a shutdown; their deadlines at the store are shorter.
const GRACE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Cli { command } = Cli::parse();
    let dev = matches!(command, Command::Dev(_));
    let telemetry = command.telemetry().clone();
    let lame_duck = command.lame_duck();
    let options = command.options()?;
    let log_filter = telemetry::init(&telemetry)?;
    tls::install_crypto_provider();
    let running = Running::start(
        options,
        Arc::new(SystemWallClock),
        Arc::new(OsRandom),
        log_filter,
    )
    .await
    .context("the proxy did not start")?;
    info!(clients = %running.address, tls = ?running.tls_address, ops = %running.ops_address, "serving");
    if dev {
        warn!("dev: any caller is served without a signature, on loopback only");
    }
    tokio::select! {
        biased;
        signal = shutdown::signal(running.tasks()) => { signal?; }
        failure = running.failed() => return Err(failure.into()),
    }
    running.serve_on(lame_duck).await;
    let report = running.shutdown(GRACE).await;
    anyhow::ensure!(
        report.overdue.is_empty(),
        "still running after {GRACE:?}: {:?}",
        report.overdue
    );
    Ok(())
}
