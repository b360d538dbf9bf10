//! `operator run`: the process in the cluster.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use clap::Args;
use kube::{Client, client::ClientBuilder};
use prometheus_client::registry::Registry;
use stator_kit::{
    clock::{SharedClock, SystemWallClock},
    http::{ClientOptions, HttpClient},
    ops::{self, Readiness},
    rng::OsRandom,
    shutdown,
    task::TaskOwner,
    telemetry::{self, TelemetryArgs},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    apply::Kubernetes,
    controller::{self, Context},
    defaults::Defaults,
    lease::Elector,
    metrics::Metrics,
    service::SignedClients,
    webhook::{
        Webhook,
        certificate::{Authority, Names},
    },
};

/// Time for running reconciles to end. They may stop anywhere, so that it is short.
const GRACE: Duration = Duration::from_secs(5);

/// Configuration of `operator run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    /// File with the images and the specs of the clusters `default`; see the Helm chart's ConfigMap.
    #[arg(long, env = "STATOR_DEFAULTS_FILE")]
    pub defaults_file: Option<PathBuf>,
    /// Name of the Lease that the leading operator holds.
    #[arg(long, env = "STATOR_LEASE_NAME", default_value = "stator-operator")]
    pub lease_name: String,
    /// Namespace of the operator and of the Lease.
    #[arg(long, env = "STATOR_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// Name of this pod: who holds the Lease and writes Events.
    #[arg(long, env = "STATOR_POD_NAME")]
    pub pod_name: Option<String>,
    /// How often a converged object is looked at again, in seconds; 1 to 3600.
    #[arg(long, env = "STATOR_RESYNC_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub resync_seconds: u64,
    /// Where liveness, readiness, metrics and log filter are served.
    #[arg(long, env = "STATOR_OPS_LISTEN", default_value = "0.0.0.0:9092")]
    pub ops_listen: std::net::SocketAddr,
    /// Where the API server asks about pods, over TLS.
    #[arg(long, env = "STATOR_WEBHOOK_LISTEN", default_value = "0.0.0.0:9443")]
    pub webhook_listen: std::net::SocketAddr,
    /// Name of the Service that leads there; without it there is no webhook.
    #[arg(long, env = "STATOR_WEBHOOK_SERVICE")]
    pub webhook_service: Option<String>,
    /// Name of the MutatingWebhookConfiguration that registers it, which is told of the certificate's authority.
    #[arg(
        long,
        env = "STATOR_WEBHOOK_CONFIGURATION",
        default_value = "stator-operator"
    )]
    pub webhook_configuration: String,
    /// Log.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// Runs until a signal, or until the lease is lost.
///
/// # Errors
///
/// What keeps it from starting, a lost lease, or a task that failed.
pub async fn run(args: RunArgs) -> anyhow::Result<()> {
    let RunArgs {
        defaults_file,
        lease_name,
        namespace,
        pod_name,
        resync_seconds,
        ops_listen,
        webhook_listen,
        webhook_service,
        webhook_configuration,
        telemetry,
    } = args;
    let log_filter = telemetry::init(&telemetry)?;
    let defaults = match &defaults_file {
        None => Defaults::default(),
        Some(path) => read_defaults(path)?,
    };
    tracing::info!(
        ?defaults_file, lease_name, namespace, ?pod_name, resync_seconds, %ops_listen,
        storage_node_image = defaults.storage_node_image, dax_proxy_image = defaults.dax_proxy_image,
        "starting"
    );

    let metrics = Metrics::default();
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let readiness = Readiness::new();
    let listener = TcpListener::bind(ops_listen)
        .await
        .with_context(|| format!("cannot listen on {ops_listen}"))?;
    let ops_tasks = TaskOwner::new("ops");
    ops::serve(
        listener,
        Arc::new(registry),
        readiness.clone(),
        log_filter,
        &ops_tasks,
    );

    let clock: SharedClock = Arc::new(SystemWallClock);
    let client = client(&metrics).await?;
    let identity = pod_name
        .clone()
        .unwrap_or_else(|| format!("operator-{}", std::process::id()));
    let tasks = TaskOwner::new("operator");
    let context = Arc::new(Context::new(
        Kubernetes::new(client.clone(), pod_name),
        Arc::new(SignedClients::new(
            HttpClient::new(ClientOptions::default(), &tasks),
            Arc::clone(&clock),
        )),
        defaults,
        Arc::clone(&clock),
        Arc::new(OsRandom),
        metrics.clone(),
        Duration::from_secs(resync_seconds),
    ));
    if let Some(service) = webhook_service {
        let names = Names {
            namespace: namespace.clone(),
            service,
            configuration: webhook_configuration,
        };
        let listener = TcpListener::bind(webhook_listen)
            .await
            .with_context(|| format!("cannot listen on {webhook_listen}"))?;
        let webhook = Webhook::new(context.defaults.clone(), metrics.clone());
        let (context, owner) = (Arc::clone(&context), ops_tasks.clone());
        ops_tasks.spawn("webhook", async move {
            let authority = Authority {
                names,
                kubernetes: context.kubernetes.clone(),
                clock: Arc::clone(&context.clock),
            };
            webhook.run(listener, &authority, &owner).await;
        });
    }
    let mut elector = Elector::new(client, &namespace, &lease_name, &identity, clock);

    // A standby is ready: an upgrade waits for that before it stops the leader.
    readiness.set_ready();
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    let signal_tasks = ops_tasks.clone();
    ops_tasks.spawn_background("signals", async move {
        match shutdown::signal(&signal_tasks).await {
            Ok(_) => signalled.cancel(),
            Err(error) => signal_tasks.report_failure("signals", &error.to_string()),
        }
    });

    let result = lead(&mut elector, &context, &tasks, &stop, &metrics).await;
    readiness.set_not_ready("shutting down".to_owned());
    let report = tasks.shutdown(GRACE).await;
    if !report.overdue.is_empty() {
        tracing::warn!(overdue = ?report.overdue, "tasks were cut off");
    }
    drop(ops_tasks.shutdown(GRACE).await);
    result
}

async fn lead(
    elector: &mut Elector,
    context: &Arc<Context>,
    tasks: &TaskOwner,
    stop: &CancellationToken,
    metrics: &Metrics,
) -> anyhow::Result<()> {
    tracing::info!("waiting for the lease");
    if !elector.acquire(stop).await {
        return Ok(());
    }
    tracing::info!("leading");
    metrics.leading.set(1);
    controller::start(context, tasks);
    let held = tokio::select! {
        biased;
        failure = tasks.failed() => Err(anyhow::Error::new(failure)),
        held = elector.hold(stop) => held.map_err(anyhow::Error::new),
    };
    metrics.leading.set(0);
    held
}

fn read_defaults(path: &PathBuf) -> anyhow::Result<Defaults> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_yaml_ng::from_str(&text).with_context(|| format!("{} is not usable", path.display()))
}

/// A client that counts its writes.
async fn client(metrics: &Metrics) -> anyhow::Result<Client> {
    let config = kube::Config::infer()
        .await
        .context("no way to the Kubernetes API")?;
    let metrics = metrics.clone();
    let count =
        tower::util::MapRequestLayer::new(move |request: http::Request<kube::client::Body>| {
            metrics.observe_request(&request);
            request
        });
    Ok(ClientBuilder::try_from(config)?.with_layer(&count).build())
}
