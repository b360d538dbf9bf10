//! The whole proxy: everything opened, bound, started, and drained again.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use prometheus_client::registry::Registry;
use stator_kit::access::{CredentialsError, CredentialsStore, Principal};
use stator_kit::clock::SharedClock;
use stator_kit::http::{HttpServer, ServerMetrics, ServerOptions};
use stator_kit::ops::{self, Readiness};
use stator_kit::rng::SharedRandom;
use stator_kit::sigv4::{AccessKey, Verifier, VerifierOptions};
use stator_kit::task::{ShutdownReport, TaskOwner};
use stator_kit::telemetry::LogFilterHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::info;

use crate::answer::Failure;
use crate::attribute_lists::ListRegistry;
use crate::cache::store::MokaStore;
use crate::cache::{ItemCache, QueryCache};
use crate::cluster::refuse_peers;
use crate::identity::{Identity, IdentityError};
use crate::metrics::{Metrics, UsageCollector};
use crate::operations::Proxy;
use crate::session::{Access, NativeSession, Protocol, Session, protocol};
use crate::upstream::{Tables, Upstream, UpstreamOptions, UpstreamStartError};

/// How often the credentials file is looked at. Kubernetes takes up to a minute to bring a changed
/// Secret to the volume, so more often would show nothing earlier.
const CREDENTIALS_INTERVAL: Duration = Duration::from_secs(10);

/// Everything that can be set, checked.
#[derive(Debug)]
pub struct Options {
    /// The store.
    pub upstream: Uri,
    /// PEM of the authorities that an https store is verified against.
    pub upstream_ca_file: PathBuf,
    /// Whom the store sees.
    pub upstream_key: AccessKey,
    /// Of the store, and of callers' signatures.
    pub region: String,
    /// Of the store.
    pub account_id: String,
    /// Whose requests are served.
    pub access: AccessOptions,
    /// Clients; port 0 takes any free one, here and below.
    pub listen: SocketAddr,
    /// Peers, if that port is to be bound.
    pub peer_listen: Option<SocketAddr>,
    /// Ops.
    pub ops_listen: SocketAddr,
    /// Where the identity is kept, if at all.
    pub data_dir: Option<PathBuf>,
    /// The caches.
    pub cache: CacheOptions,
}

/// Whose requests are served.
#[derive(Debug)]
pub enum AccessOptions {
    /// Any caller's, unsigned ones included: loopback only.
    Anyone,
    /// Those signed with a key of this file.
    Signed {
        /// The credentials file.
        credentials_file: PathBuf,
    },
}

/// The caches.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// Bytes of both, overhead counted.
    pub size_bytes: u64,
    /// `None`: items do not end by time.
    pub item_ttl: Option<Duration>,
    /// `None`: no query cache.
    pub query_ttl: Option<Duration>,
    /// Whether fills read consistently.
    pub strong_fills: bool,
    /// Requests in flight before more are refused.
    pub requests_max: usize,
}

/// Why the proxy does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The credentials file.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The client for the store.
    #[error(transparent)]
    Upstream(#[from] UpstreamStartError),
    /// A port.
    #[error("{address} cannot be listened on: {source}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// A running proxy.
pub struct Running {
    /// Where clients connect.
    pub address: SocketAddr,
    /// Where peers connect.
    pub peer_address: Option<SocketAddr>,
    /// The ops port.
    pub ops_address: SocketAddr,
    /// Whether it can serve.
    pub readiness: Readiness,
    tasks: TaskOwner,
    ops_tasks: TaskOwner,
    _identity: Option<Identity>,
}

impl Running {
    /// Opens, binds and starts everything. Ready when the store has answered once.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running then.
    pub async fn start(
        options: Options,
        clock: SharedClock,
        random: SharedRandom,
        log_filter: LogFilterHandle,
    ) -> Result<Self, StartError> {
        let Options {
            upstream,
            upstream_ca_file,
            upstream_key,
            region,
            account_id,
            access,
            listen,
            peer_listen,
            ops_listen,
            data_dir,
            cache,
        } = options;
        let identity = match &data_dir {
            Some(directory) => Some(Identity::open(directory, random.as_ref())?),
            None => None,
        };
        let credentials = match &access {
            AccessOptions::Anyone => None,
            AccessOptions::Signed { credentials_file } => Some((
                CredentialsStore::load(credentials_file)?,
                credentials_file.clone(),
            )),
        };
        info!(
            node_id = identity.as_ref().map(|identity| identity.node_id().to_string()),
            %upstream,
            upstream_key = upstream_key.id,
            region,
            account_id,
            ?access,
            ?data_dir,
            ?cache,
            "starting"
        );
        let (tasks, ops_tasks) = (TaskOwner::new("dax-proxy"), TaskOwner::new("ops"));
        let lists = match &data_dir {
            Some(directory) => ListRegistry::open(directory, tasks.clone())?,
            None => ListRegistry::in_memory(tasks.clone()),
        };
        let node_id = match &identity {
            Some(identity) => identity.node_id(),
            None => uuid::Builder::from_random_bytes(random.next_u128().to_be_bytes()).into_uuid(),
        };
        let mut registry = Registry::with_prefix("stator_dax");
        let metrics = Arc::new(Metrics::default());
        metrics.register(&mut registry);
        let store = Upstream::new(
            UpstreamOptions {
                endpoint: upstream,
                key: upstream_key,
                region: region.clone(),
                authorities: upstream_ca_file,
            },
            clock.clone(),
            &mut registry,
            &tasks,
        )?;

        let listener = bind(listen).await?;
        let peers = match peer_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let ops_listener = bind(ops_listen).await?;
        let address = local(&listener, listen)?;
        let peer_address = match (&peers, peer_listen) {
            (Some(peers), Some(asked)) => Some(local(peers, asked)?),
            _ => None,
        };
        let ops_address = local(&ops_listener, ops_listen)?;

        let (access, native_verifier) = match credentials {
            None => (Access::Anyone(Arc::new(Principal::anonymous())), None),
            Some((credentials, file)) => {
                credentials.follow(&file, CREDENTIALS_INTERVAL, &tasks);
                let of_service = |service: &str| {
                    Verifier::new(VerifierOptions::new(&region, service), credentials.clone())
                };
                (
                    Access::Signed(of_service("dynamodb")),
                    Some(of_service("dax")),
                )
            }
        };
        let store = Arc::new(store);
        let (items, queries) = caches(&cache);
        registry.register_collector(Box::new(UsageCollector {
            items: Arc::clone(&items),
            queries: queries.clone(),
            capacity_bytes: cache.size_bytes,
        }));
        let proxy = Arc::new(Proxy {
            tables: Tables::new(Arc::clone(&store), tasks.clone()),
            upstream: Arc::clone(&store),
            items,
            queries,
            metrics: Arc::clone(&metrics),
            strong_fills: cache.strong_fills,
            table_arn_prefix: format!("arn:aws:dynamodb:{region}:{account_id}:table/"),
            tasks: tasks.clone(),
        });
        let session = Arc::new(Session {
            proxy,
            access,
            clock,
            random,
            permits: Arc::new(Semaphore::new(cache.requests_max)),
            region,
        });
        let native = NativeSession {
            session: Arc::clone(&session),
            verifier: native_verifier,
            lists,
            node_id,
        };
        serve_clients(listener, session, native, metrics, &mut registry, &tasks);
        if let Some(peers) = peers {
            tasks.spawn("peers", refuse_peers(peers, tasks.token()));
        }
        let readiness = Readiness::new();
        ops::serve(
            ops_listener,
            Arc::new(registry),
            readiness.clone(),
            log_filter,
            &ops_tasks,
        );
        let watched = readiness.clone();
        let token = tasks.token();
        tasks.spawn("readiness", async move {
            tokio::select! {
                biased;
                () = token.cancelled() => {}
                () = store.wait_until_it_answers(&watched) => {}
            }
        });
        Ok(Self {
            address,
            peer_address,
            ops_address,
            readiness,
            tasks,
            ops_tasks,
            _identity: identity,
        })
    }

    /// Waits until a task fails, which nothing here does by design.
    pub async fn failed(&self) -> stator_kit::task::TaskFailure {
        self.tasks.failed().await
    }

    /// The tasks that end with the proxy.
    pub fn tasks(&self) -> &TaskOwner {
        &self.tasks
    }

    /// Stops accepting, lets requests in flight end within `grace`, and stops.
    pub async fn shutdown(self, grace: Duration) -> ShutdownReport {
        self.readiness.set_not_ready("shutting down".to_owned());
        let report = self.tasks.shutdown(grace).await;
        self.ops_tasks.shutdown(Duration::from_secs(1)).await;
        report
    }
}

type Caches = (Arc<ItemCache<Failure>>, Option<Arc<QueryCache<Failure>>>);

/// Items and pages do not push each other out: a scan of a big table would empty the item cache.
fn caches(options: &CacheOptions) -> Caches {
    let page_bytes = if options.query_ttl.is_some() {
        options.size_bytes / 4
    } else {
        0
    };
    let items = ItemCache::new(
        Box::new(MokaStore::new(options.size_bytes - page_bytes)),
        options.item_ttl,
    );
    let queries = options
        .query_ttl
        .map(|ttl| QueryCache::new(Box::new(MokaStore::new(page_bytes)), ttl));
    (items, queries)
}

fn serve_clients(
    listener: TcpListener,
    session: Arc<Session>,
    native: NativeSession,
    metrics: Arc<Metrics>,
    registry: &mut Registry,
    tasks: &TaskOwner,
) {
    let options = ServerOptions {
        metrics: ServerMetrics::register(registry.sub_registry_with_prefix("client")),
        ..ServerOptions::new("clients")
    };
    let server = HttpServer::new(options, move |request| {
        let session = Arc::clone(&session);
        async move { session.handle(request).await }
    });
    let owner = tasks.clone();
    let (native, stop) = (Arc::new(native), tasks.token());
    tasks.spawn("clients", async move {
        let door = move |stream: TcpStream| {
            let (native, metrics, stop) = (Arc::clone(&native), Arc::clone(&metrics), stop.clone());
            async move {
                match protocol(&stream).await? {
                    Protocol::Http => Some(stream),
                    Protocol::Native => {
                        metrics.native_connections.inc();
                        let local = stream.local_addr().ok()?;
                        native.serve(stream, local, &stop).await;
                        None
                    }
                }
            }
        };
        server.run_with_door(listener, &owner, door).await;
    });
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })
}

fn local(listener: &TcpListener, address: SocketAddr) -> Result<SocketAddr, StartError> {
    listener
        .local_addr()
        .map_err(|source| StartError::Listen { address, source })
}
