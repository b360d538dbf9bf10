//! The whole proxy: everything opened, bound, started, and drained again.

mod clients;
mod joining;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use prometheus_client::registry::Registry;
use stator_kit::access::{CredentialsError, CredentialsStore, Principal};
use stator_kit::clock::SharedClock;
use stator_kit::http::ServerMetrics;
use stator_kit::ops::{self, Readiness};
use stator_kit::rng::SharedRandom;
use stator_kit::sigv4::{AccessKey, Verifier, VerifierOptions};
use stator_kit::task::{ShutdownReport, TaskOwner};
use stator_kit::telemetry::LogFilterHandle;
use stator_kit::tls::{MutualTls, ReloadingServerConfig, TlsError, TlsFiles};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tracing::info;
use uuid::Uuid;

use self::clients::{Clients, Sealing};
use self::joining::Joining;
pub use self::joining::{ClusterOptions, PrimaryOptions};
use crate::answer::Failure;
use crate::attribute_lists::ListRegistry;
use crate::cache::store::MokaStore;
use crate::cache::{ItemCache, Observer, QueryCache};
use crate::cluster::election::LeaseError;
use crate::cluster::{Cluster, Member, Sessions};
use crate::coherence::{Coherence, streams_endpoint};
use crate::identity::{Identity, IdentityError};
use crate::metrics::{ClusterCollector, Metrics, SidecarCollector, UsageCollector};
use crate::node::{LocalCaches, PeerDoor, Telling};
use crate::operations::Proxy;
use crate::session::{Access, FOLLOWERS_MAX, NativeSession, Session};
use crate::sidecar::{Feed, Follower};
use crate::upstream::{Nodes, Tables, Upstream, UpstreamOptions, UpstreamStartError, region_of};

/// How often the credentials file and the certificate are looked at. Kubernetes takes up to a minute to bring a changed
/// Secret to the volume, so more often would show nothing earlier.
const FILES_INTERVAL: Duration = Duration::from_secs(10);

/// Everything that can be set, checked.
#[derive(Debug)]
pub struct Options {
    /// The store.
    pub upstream: Uri,
    /// PEM of the authorities that an https store is verified against.
    pub upstream_ca_file: PathBuf,
    /// Whom the store sees.
    pub upstream_key: AccessKey,
    /// Of the store, and of callers' signatures; `None`: as the store names it.
    pub region: Option<String>,
    /// Of the store.
    pub account_id: String,
    /// Whose requests are served.
    pub access: AccessOptions,
    /// Clients; port 0 takes any free one, here and below.
    pub listen: SocketAddr,
    /// Clients under TLS, if that port is to be bound.
    pub tls: Option<TlsOptions>,
    /// The other nodes, if this is one of several.
    pub cluster: Option<ClusterOptions>,
    /// Whether the store is a cache cluster, whose changes are followed.
    pub sidecar: bool,
    /// Ops.
    pub ops_listen: SocketAddr,
    /// Where the identity is kept, if at all.
    pub data_dir: Option<PathBuf>,
    /// Whether changes of others are followed, and where.
    pub coherence: Option<CoherenceOptions>,
    /// The caches.
    pub cache: CacheOptions,
}

/// Coherent mode.
#[derive(Clone, Debug)]
pub struct CoherenceOptions {
    /// Endpoint of the streams; `None`: as it follows from the store's.
    pub streams: Option<Uri>,
}

/// The port for clients under TLS. Both protocols, as on the other port.
#[derive(Clone, Debug)]
pub struct TlsOptions {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Directory with `tls.crt` and `tls.key`, as a `kubernetes.io/tls` Secret is mounted; read again when they change.
    pub directory: PathBuf,
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
    /// Those signed with the key that this process has itself. A sidecar passes all others on.
    OwnKey,
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
    /// The certificate for clients.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The client for the store.
    #[error(transparent)]
    Upstream(#[from] UpstreamStartError),
    /// The lease by which the primary is found.
    #[error(transparent)]
    Lease(#[from] LeaseError),
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
    /// Where clients connect under TLS.
    pub tls_address: Option<SocketAddr>,
    /// Where peers connect.
    pub peer_address: Option<SocketAddr>,
    /// The ops port.
    pub ops_address: SocketAddr,
    /// Whether it can serve.
    pub readiness: Readiness,
    tasks: TaskOwner,
    ops_tasks: TaskOwner,
    cluster: Option<Arc<Cluster>>,
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
            tls,
            cluster,
            sidecar,
            ops_listen,
            data_dir,
            coherence,
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
                Some(credentials_file.clone()),
            )),
            AccessOptions::OwnKey => Some((CredentialsStore::of_key(&upstream_key)?, None)),
        };
        let (tasks, ops_tasks) = (TaskOwner::new("dax-proxy"), TaskOwner::new("ops"));
        let region = match region {
            Some(region) => region,
            None => region_of(&upstream, upstream_ca_file.clone(), &tasks).await?,
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
        let lists = match &data_dir {
            Some(directory) => ListRegistry::open(directory, tasks.clone())?,
            None => ListRegistry::in_memory(tasks.clone()),
        };
        let lists = Arc::new(lists);
        let node_id = match &identity {
            Some(identity) => identity.node_id(),
            None => uuid::Builder::from_random_bytes(random.next_u128().to_be_bytes()).into_uuid(),
        };
        let mut registry = Registry::with_prefix("stator_dax");
        let metrics = Arc::new(Metrics::default());
        metrics.register(&mut registry);
        let upstream = UpstreamOptions {
            endpoint: upstream,
            key: upstream_key,
            region: region.clone(),
            authorities: upstream_ca_file,
        };
        let streams = match coherence {
            Some(CoherenceOptions { streams }) => {
                let options = UpstreamOptions {
                    endpoint: streams.unwrap_or_else(|| streams_endpoint(&upstream.endpoint)),
                    ..upstream.clone()
                };
                let registry = registry.sub_registry_with_prefix("streams");
                Some(Upstream::new(options, clock.clone(), registry, &tasks)?)
            }
            None => None,
        };
        let store = Upstream::new(upstream, clock.clone(), &mut registry, &tasks)?;

        let listener = bind(listen).await?;
        let sealed = match &tls {
            Some(tls) => Some(Sealing {
                listener: bind(tls.listen).await?,
                config: ReloadingServerConfig::load(
                    TlsFiles::in_directory(&tls.directory),
                    MutualTls::Off,
                    // Native clients name no protocol, and HTTP clients do without.
                    &[],
                )?,
            }),
            None => None,
        };
        let peers = match &cluster {
            Some(cluster) => Some(bind(cluster.listen).await?),
            None => None,
        };
        let ops_listener = bind(ops_listen).await?;
        let address = local(&listener, listen)?;
        let tls_address = match (&sealed, &tls) {
            (Some(sealed), Some(asked)) => Some(local(&sealed.listener, asked.listen)?),
            _ => None,
        };
        let peer_address = match (&peers, &cluster) {
            (Some(peers), Some(cluster)) => Some(local(peers, cluster.listen)?),
            _ => None,
        };
        let ops_address = local(&ops_listener, ops_listen)?;

        let (access, native_verifier) = match credentials {
            None => (Access::Anyone(Arc::new(Principal::anonymous())), None),
            Some((credentials, file)) => {
                if let Some(file) = file {
                    credentials.follow(&file, FILES_INTERVAL, &tasks);
                }
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
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any 64 random bits will do"
        )]
        let feed = Arc::new(Feed::new(random.next_u128() as u64));
        let telling = Telling::new(Arc::new(Sessions::default()), Arc::clone(&feed));
        let (items, queries) = caches(&cache, Arc::clone(&telling) as Arc<dyn Observer>);
        registry.register_collector(Box::new(UsageCollector {
            items: Arc::clone(&items),
            queries: queries.clone(),
            capacity_bytes: cache.size_bytes,
        }));
        let nodes = Arc::clone(&telling) as Arc<dyn Nodes>;
        let tables = Tables::among(Some(nodes), Arc::clone(&store), tasks.clone());
        let follower = sidecar.then(|| {
            Arc::new(Follower::new(
                Arc::clone(&store),
                Arc::clone(&items),
                Arc::clone(&tables),
                Arc::clone(&metrics),
            ))
        });
        let coherence = streams.map(|streams| {
            Coherence::new(
                streams,
                Arc::clone(&tables),
                Arc::clone(&items),
                Arc::clone(&metrics),
                tasks.clone(),
            )
        });
        let joining = match (cluster, peers) {
            (Some(cluster), Some(listener)) => {
                let caches =
                    LocalCaches::new(Arc::clone(&items), Arc::clone(&tables), Arc::clone(&feed));
                let me = Member {
                    name: cluster.name.clone(),
                    node_id: native_node_id(node_id),
                    address: SocketAddr::new(cluster.advertise, address.port()),
                    tls_port: tls_address.map(|address| address.port()),
                    leader: false,
                };
                let random = Arc::clone(&random);
                Some(Joining::prepare(
                    cluster, me, caches, &telling, listener, random, &tasks,
                )?)
            }
            _ => None,
        };
        let proxy = Arc::new(Proxy {
            tables,
            coherence,
            cluster: joining.as_ref().map(|joining| Arc::clone(&joining.cluster)),
            follower: follower.clone(),
            upstream: Arc::clone(&store),
            items,
            queries,
            metrics: Arc::clone(&metrics),
            strong_fills: cache.strong_fills,
            table_arn_prefix: format!("arn:aws:dynamodb:{region}:{account_id}:table/"),
            tasks: tasks.clone(),
        });
        let cluster = joining.as_ref().map(|joining| Arc::clone(&joining.cluster));
        if let Some(joining) = joining {
            registry
                .register_collector(Box::new(ClusterCollector(Arc::downgrade(&joining.cluster))));
            let door = PeerDoor {
                proxy: Arc::clone(&proxy),
                lists: Arc::clone(&lists),
                permits: Arc::new(Semaphore::new(cache.requests_max)),
            };
            joining.start(door, clock.clone(), &tasks).await?;
        }
        let session = Arc::new(Session {
            proxy,
            access,
            clock,
            random,
            permits: Arc::new(Semaphore::new(cache.requests_max)),
            region,
            // A sidecar's caches are nobody's business: who follows one is to follow its cluster.
            feed: follower.is_none().then_some(feed),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
        });
        if let Some(follower) = follower {
            registry.register_collector(Box::new(SidecarCollector(Arc::clone(&follower))));
            let token = tasks.token();
            tasks.spawn("follower", async move {
                tokio::select! {
                    biased;
                    () = token.cancelled() => {}
                    () = follower.run() => {}
                }
            });
        }
        let native = NativeSession {
            session: Arc::clone(&session),
            verifier: native_verifier,
            lists,
            node_id: native_node_id(node_id),
        };
        if let Some(sealed) = &sealed {
            sealed.config.follow(FILES_INTERVAL, &tasks);
        }
        Clients {
            session,
            native: Arc::new(native),
            metrics,
            server_metrics: ServerMetrics::register(registry.sub_registry_with_prefix("client")),
            tasks: tasks.clone(),
        }
        .serve(listener, sealed);
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
            tls_address,
            peer_address,
            ops_address,
            readiness,
            tasks,
            ops_tasks,
            cluster,
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

    /// Is not ready any more, tells clients and peers to go elsewhere, and serves on for so long, for those who have not heard
    /// of it.
    pub async fn serve_on(&self, lame_duck: Duration) {
        self.readiness.set_not_ready("shutting down".to_owned());
        if let Some(cluster) = self.cluster.as_ref().filter(|_| !lame_duck.is_zero()) {
            cluster.retire();
        }
        tokio::time::sleep(lame_duck).await;
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
fn caches(options: &CacheOptions, observer: Arc<dyn Observer>) -> Caches {
    let page_bytes = if options.query_ttl.is_some() {
        options.size_bytes / 4
    } else {
        0
    };
    let items = ItemCache::observed(
        Box::new(MokaStore::new(options.size_bytes - page_bytes)),
        options.item_ttl,
        Some(observer),
    );
    let queries = options
        .query_ttl
        .map(|ttl| QueryCache::new(Box::new(MokaStore::new(page_bytes)), ttl));
    (items, queries)
}

/// A node's id for native clients: below 2^53, the integers of JavaScript.
fn native_node_id(id: Uuid) -> i64 {
    let (high, _) = id.as_u64_pair();
    (high >> 12).cast_signed()
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
