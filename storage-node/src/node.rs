//! One node, put together: volume, bootstrap, engine, groups, cluster, ports.
//!
//! Starting: everything is validated and every port bound first, then RPC answers bootstrap
//! questions, and once the volume has an identity the engine, the groups and the cluster start and
//! the API begins to serve. Stopping: not ready, stop accepting, hand leaderships away, drain, flush.

mod first_elections;
mod ready;
mod rpc_handler;
mod transport;
mod volume;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::registry::Registry;
use stator_kit::access::CredentialsStore;
use stator_kit::clock::WallClock;
use stator_kit::http::{ServerMetrics, ServerOptions};
use stator_kit::ops::Readiness;
use stator_kit::rng::RandomSource;
use stator_kit::sigv4::{Verifier, VerifierOptions};
use stator_kit::task::{TaskFailure, TaskOwner};
use stator_kit::telemetry::LogFilterHandle;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::rpc_handler::NodeRpc;
use self::volume::Volume;
use crate::api::admin::Admin;
use crate::api::{Access, Api, ApiMetrics};
use crate::cluster::group_state::GroupRanges;
use crate::cluster::{Cluster, ClusterMetrics, ClusterOptions, UnbackedSettings, Upkeep};
use crate::config::Peer;
use crate::error::StartError;
use crate::identity::bootstrap::{BootstrapOptions, node_id_at};
use crate::identity::{Bootstrap, VolumeIdentity};
use crate::replication::{
    Execution, GroupConfig, GroupHandle, GroupId, NodeId, Replication, ReplicationMetrics,
    ReplicationOptions, Timing,
};
use crate::rpc::{RpcHandler, Transport};
use crate::throttle::Throttling;

/// How long requests in flight get to end after the node stopped accepting.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a changed credentials file is looked for.
const CREDENTIALS_EVERY: Duration = Duration::from_secs(2);

/// Where the data is.
#[derive(Debug, Clone)]
pub enum DataDir {
    /// On disk.
    Disk(PathBuf),
    /// In memory, until the process ends.
    Memory,
}

/// How node-to-node RPC is secured.
#[derive(Debug, Clone)]
pub enum Security {
    /// Not at all.
    Insecure,
    /// Mutual TLS with the files in this directory.
    Tls(PathBuf),
}

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Where the data is.
    pub data: DataDir,
    /// This node's name.
    pub name: String,
    /// This node's failure domain.
    pub rack: String,
    /// All nodes in name order, this one included.
    pub peers: Vec<Peer>,
    /// Region of the cluster.
    pub region: String,
    /// Account of the cluster.
    pub account_id: String,
    /// Data groups of a new cluster.
    pub groups: u32,
    /// Who may call; without it anybody.
    pub credentials_file: Option<PathBuf>,
    /// How node-to-node RPC is secured.
    pub security: Security,
    /// The DynamoDB API.
    pub api_listen: SocketAddr,
    /// Node-to-node RPC; a lone node needs none.
    pub rpc_listen: Option<SocketAddr>,
    /// The admin API.
    pub admin_listen: Option<SocketAddr>,
    /// The ops port.
    pub ops_listen: Option<SocketAddr>,
    /// What throughput is held to.
    pub throttling: Throttling,
    /// What becomes of settings with nothing behind them.
    pub unbacked: UnbackedSettings,
    /// Times of background work.
    pub upkeep: Upkeep,
}

/// What a node takes from its surroundings, so that tests hold it.
#[derive(Clone)]
pub struct Seams {
    /// Wall clock.
    pub clock: Arc<dyn WallClock>,
    /// Randomness.
    pub random: Arc<dyn RandomSource>,
    /// The log filter behind the ops port.
    pub log_filter: LogFilterHandle,
}

/// Where a node listens, with the ports that were chosen for port 0.
#[derive(Debug, Clone, Copy)]
pub struct Addresses {
    /// The DynamoDB API.
    pub api: SocketAddr,
    /// Node-to-node RPC.
    pub rpc: Option<SocketAddr>,
    /// The admin API.
    pub admin: Option<SocketAddr>,
    /// The ops port.
    pub ops: Option<SocketAddr>,
}

/// A running node.
pub struct Node {
    addresses: Addresses,
    readiness: Readiness,
    /// Cancelled when the node begins to stop.
    stopping: CancellationToken,
    /// Locked, and there, for as long as the node runs.
    _volume: Arc<Volume>,
    cluster: Arc<OnceLock<Arc<Cluster>>>,
    rpc: Arc<NodeRpc>,
    /// Connections of clients: the first to drain.
    clients: TaskOwner,
    /// RPC, background work.
    inner: TaskOwner,
    /// The groups and their log.
    groups: TaskOwner,
    /// The ops port: the last to go, so that a draining node still says so.
    ops: TaskOwner,
}

struct Listeners {
    api: TcpListener,
    rpc: Option<TcpListener>,
    admin: Option<TcpListener>,
    ops: Option<TcpListener>,
}

impl Node {
    /// Starts a node. Returns when its ports are bound and its volume is locked; it becomes ready by
    /// itself.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(options: NodeOptions, seams: Seams) -> Result<Self, StartError> {
        let clients = TaskOwner::new("clients");
        let inner = TaskOwner::new("node");
        let groups = TaskOwner::new("groups");
        let ops = TaskOwner::new("ops");
        let mut registry = Registry::with_prefix("stator");
        let credentials = options
            .credentials_file
            .as_deref()
            .map(|path| {
                let store = CredentialsStore::load(path)?;
                store.follow(path, CREDENTIALS_EVERY, &inner);
                Ok::<_, StartError>(store)
            })
            .transpose()?;
        let volume = Arc::new(Volume::open(&options.data)?);
        let bootstrap = Bootstrap::open(bootstrap_options(&options, &volume))?;
        let transport::Ways {
            transport,
            server_tls,
        } = transport::ways(&options, &inner)?;
        let listeners = Listeners::bind(&options).await?;
        let addresses = listeners.addresses(&options)?;

        let readiness = Readiness::new();
        let cluster = Arc::new(OnceLock::new());
        let metrics = ReplicationMetrics::default();
        metrics.register(&mut registry);
        let cluster_metrics = ClusterMetrics::register(&mut registry);
        let access = |service: &str| match &credentials {
            Some(store) => Access::Signed(Verifier::new(
                VerifierOptions::new(&options.region, service),
                store.clone(),
            )),
            None => Access::AnyCaller,
        };
        let api = Api::new(
            Arc::clone(&cluster),
            access("dynamodb"),
            options.region.clone(),
            Arc::clone(&seams.clock),
            Arc::clone(&seams.random),
            ApiMetrics::register(&mut registry),
        );
        let http_metrics = ServerMetrics::register(registry.sub_registry_with_prefix("api"));
        let rpc = Arc::new(NodeRpc::new(Arc::clone(&bootstrap)));
        let Listeners {
            api: api_listener,
            rpc: rpc_listener,
            admin,
            ops: ops_listener,
        } = listeners;
        if let Some(listener) = rpc_listener {
            let handler: Arc<dyn RpcHandler> = Arc::<NodeRpc>::clone(&rpc);
            crate::rpc::serve(listener, server_tls, handler, &inner);
        }
        if let Some(listener) = admin {
            let admin = Admin::new(
                Arc::clone(&cluster),
                Arc::clone(&bootstrap),
                access("stator-admin"),
                Arc::clone(&seams.clock),
            );
            admin.serve(listener, &inner);
        }
        if let Some(listener) = ops_listener {
            let registry = Arc::new(registry);
            let filter = seams.log_filter.clone();
            stator_kit::ops::serve(listener, registry, readiness.clone(), filter, &ops);
        }
        let http = ServerOptions {
            metrics: http_metrics,
            ..ServerOptions::new("api")
        };
        stator_kit::http::serve(
            api_listener,
            http,
            move |request| Arc::clone(&api).answer(request),
            &clients,
        );

        let node = Self {
            addresses,
            readiness,
            stopping: CancellationToken::new(),
            _volume: Arc::clone(&volume),
            cluster,
            rpc,
            clients,
            inner,
            groups,
            ops,
        };
        let joining = Joining {
            options,
            seams,
            volume,
            bootstrap,
            transport,
            metrics,
            cluster_metrics,
            readiness: node.readiness.clone(),
            stopping: node.stopping.clone(),
            cluster: Arc::clone(&node.cluster),
            rpc: Arc::clone(&node.rpc),
            tasks: node.inner.clone(),
            groups: node.groups.clone(),
        };
        node.inner.spawn("join", async move {
            let (token, tasks) = (joining.tasks.token(), joining.tasks.clone());
            tokio::select! {
                biased;
                () = token.cancelled() => {}
                joined = joining.run() => if let Err(problem) = joined {
                    tasks.report_failure("join", &problem.to_string());
                }
            }
        });
        Ok(node)
    }

    /// Where the node listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Whether the node is ready, and why not.
    pub fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    /// The database, once the node is part of it.
    pub fn cluster(&self) -> Option<Arc<Cluster>> {
        self.cluster.get().cloned()
    }

    /// Resolves when a task of the node has failed and the process has to end.
    pub async fn failed(&self) -> TaskFailure {
        tokio::select! {
            failure = self.clients.failed() => failure,
            failure = self.inner.failed() => failure,
            failure = self.groups.failed() => failure,
            failure = self.ops.failed() => failure,
        }
    }

    /// Drains and stops: not ready, leaderships handed away, no new connections, requests in flight
    /// ended, everything flushed.
    pub async fn shutdown(self) {
        let Self {
            readiness,
            stopping,
            _volume,
            cluster,
            rpc,
            clients,
            inner,
            groups,
            ops,
            ..
        } = self;
        stopping.cancel();
        readiness.set_not_ready("shutting down".to_owned());
        if let Some(cluster) = cluster.get() {
            let moved = cluster.drain_leaders().await;
            tracing::info!(moved, "leaderships handed away");
        }
        report("clients", clients.shutdown(DRAIN_TIMEOUT).await.overdue);
        report("node", inner.shutdown(DRAIN_TIMEOUT).await.overdue);
        if let Some(replication) = rpc.stop() {
            replication.shutdown().await;
        }
        // The log's writer ends with the last handle to its groups.
        drop((cluster, rpc));
        report("groups", groups.shutdown(DRAIN_TIMEOUT).await.overdue);
        report("ops", ops.shutdown(Duration::from_secs(1)).await.overdue);
        tracing::info!("stopped");
    }
}

fn report(owner: &str, overdue: Vec<&'static str>) {
    if !overdue.is_empty() {
        tracing::warn!(owner, ?overdue, "tasks did not end in time");
    }
}

fn bootstrap_options(options: &NodeOptions, volume: &Volume) -> BootstrapOptions {
    BootstrapOptions {
        data_dir: volume.path().to_owned(),
        name: options.name.clone(),
        rack: options.rack.clone(),
        peers: options.peers.iter().map(|peer| peer.name.clone()).collect(),
        region: options.region.clone(),
        account_id: options.account_id.clone(),
        groups: options.groups,
    }
}

impl Listeners {
    async fn bind(options: &NodeOptions) -> Result<Self, StartError> {
        Ok(Self {
            api: bind(options.api_listen).await?,
            rpc: bind_some(options.rpc_listen).await?,
            admin: bind_some(options.admin_listen).await?,
            ops: bind_some(options.ops_listen).await?,
        })
    }

    fn addresses(&self, options: &NodeOptions) -> Result<Addresses, StartError> {
        let of = |listener: &TcpListener| {
            let address = options.api_listen;
            listener
                .local_addr()
                .map_err(|source| StartError::Listen { address, source })
        };
        Ok(Addresses {
            api: of(&self.api)?,
            rpc: self.rpc.as_ref().map(of).transpose()?,
            admin: self.admin.as_ref().map(of).transpose()?,
            ops: self.ops.as_ref().map(of).transpose()?,
        })
    }
}

async fn bind_some(address: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    match address {
        Some(address) => bind(address).await.map(Some),
        None => Ok(None),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })
}

/// What becomes of a started node once its volume has an identity.
struct Joining {
    options: NodeOptions,
    seams: Seams,
    volume: Arc<Volume>,
    bootstrap: Arc<Bootstrap>,
    transport: Arc<dyn Transport>,
    metrics: ReplicationMetrics,
    cluster_metrics: ClusterMetrics,
    readiness: Readiness,
    stopping: CancellationToken,
    cluster: Arc<OnceLock<Arc<Cluster>>>,
    rpc: Arc<NodeRpc>,
    tasks: TaskOwner,
    groups: TaskOwner,
}

impl Joining {
    async fn run(self) -> Result<(), StartError> {
        ready::show_bootstrap(&self.bootstrap, &self.readiness, &self.tasks);
        let identity = self
            .bootstrap
            .run(&*self.transport, &*self.seams.random)
            .await?;
        let engine = self.volume.engine()?;
        let replication = Replication::start(ReplicationOptions {
            node_id: NodeId(identity.node_id),
            groups: group_configs(&identity),
            engine: Arc::clone(&engine),
            data: Arc::new(GroupRanges),
            log: self.volume.log()?,
            transport: Arc::clone(&self.transport),
            clock: Arc::clone(&self.seams.clock),
            seed: self.seams.random.next_u64(),
            owner: self.groups.clone(),
            metrics: self.metrics,
            timing: Timing::default(),
            execution: Execution::Threads,
        })
        .await
        .map_err(|e| StartError::Replication(Box::new(e)))?;
        let cluster = Cluster::open(ClusterOptions {
            identity: identity.clone(),
            rack: self.options.rack.clone(),
            engine,
            groups: replication.groups(),
            transport: self.transport,
            clock: self.seams.clock,
            random: self.seams.random,
            tasks: self.tasks.clone(),
            throttling: self.options.throttling,
            unbacked: self.options.unbacked,
            upkeep: self.options.upkeep,
            metrics: self.cluster_metrics,
        })?;
        self.rpc.begin(replication.clone(), Arc::clone(&cluster));
        begin_groups(&identity, &replication, &cluster, &self.tasks).await?;
        cluster.start();
        first_elections::begin(
            Arc::clone(&cluster),
            replication.groups(),
            NodeId(identity.node_id),
            &self.tasks,
        );
        let _first = self.cluster.set(Arc::clone(&cluster));
        let Self {
            bootstrap,
            readiness,
            stopping,
            tasks,
            ..
        } = self;
        ready::watch(cluster, bootstrap, readiness, stopping, &tasks);
        Ok(())
    }
}

/// Lets the groups of a new cluster begin; it changes nothing once they have.
///
/// The founder begins those that it votes in, when every peer has stored the plan. In a larger
/// cluster the rest are begun by their first voters, which know of that from the catalog.
async fn begin_groups(
    identity: &VolumeIdentity,
    replication: &Replication,
    cluster: &Arc<Cluster>,
    tasks: &TaskOwner,
) -> Result<(), StartError> {
    let alone = identity.founding.nodes.len() == 1;
    let is_founder = identity.node_id == node_id_at(0).0;
    if identity.complete && is_founder {
        let voted = |group: &GroupHandle| {
            let at = usize::try_from(group.id().0).unwrap_or(usize::MAX);
            identity
                .founding
                .groups
                .get(at)
                .is_some_and(|v| v.contains(&identity.node_id))
        };
        for group in replication.groups().into_iter().filter(voted) {
            begin_group(replication, group.id()).await?;
            if alone {
                // Nobody else can be leading, so there is no reason to wait for an election timeout.
                group
                    .elect()
                    .await
                    .map_err(|e| StartError::Replication(Box::new(e)))?;
            }
        }
    }
    let me = identity.node_id;
    let mine: Vec<GroupId> = (0_u32..)
        .zip(&identity.founding.groups)
        .filter(|(_, voters)| voters.first() == Some(&me) && !voters.contains(&node_id_at(0).0))
        .map(|(id, _)| GroupId(id))
        .collect();
    if mine.is_empty() {
        return Ok(());
    }
    let (cluster, replication) = (Arc::clone(cluster), replication.clone());
    let (token, owner) = (tasks.token(), tasks.clone());
    tasks.spawn("begin groups", async move {
        let mut versions = cluster.catalog().versions();
        while cluster.catalog().current().cluster.is_none() {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                changed = versions.changed() => if changed.is_err() { return },
            }
        }
        for group in mine {
            if let Err(problem) = begin_group(&replication, group).await {
                owner.report_failure("begin groups", &problem.to_string());
            }
        }
    });
    Ok(())
}

async fn begin_group(replication: &Replication, group: GroupId) -> Result<(), StartError> {
    let begun = replication.initialize_group(group).await;
    begun.map_err(|e| StartError::Replication(Box::new(e)))
}

/// The groups of this node, by the founding plan: those it votes in, and the meta group, which every
/// node follows.
fn group_configs(identity: &VolumeIdentity) -> Vec<GroupConfig> {
    let me = identity.node_id;
    let nodes = identity.founding.nodes.iter().map(|node| node.node_id);
    let all: Vec<u64> = nodes.collect();
    (0_u32..)
        .zip(&identity.founding.groups)
        .map(|(id, voters)| {
            let learners: Vec<NodeId> = if id == GroupId::META.0 {
                all.iter()
                    .filter(|node| !voters.contains(node))
                    .map(|node| NodeId(*node))
                    .collect()
            } else {
                Vec::new()
            };
            GroupConfig {
                id: GroupId(id),
                voters: voters.iter().map(|node| NodeId(*node)).collect(),
                learners,
            }
        })
        .filter(|group| group.voters.contains(&NodeId(me)) || group.learners.contains(&NodeId(me)))
        .collect()
}
