//! Flags and environment variables.

mod sidecar;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use http::Uri;
use stator_kit::sigv4::{AccessKey, AccessKeyArgs};
use stator_kit::telemetry::TelemetryArgs;

pub use self::sidecar::SidecarArgs;
use crate::cluster::peer::Peer;
use crate::run::{
    AccessOptions, CacheOptions, ClusterOptions, CoherenceOptions, Options, PrimaryOptions,
    TlsOptions,
};

/// A DAX-compatible cache in front of any DynamoDB endpoint.
#[derive(Debug, Parser)]
#[command(name = "dax-proxy", version)]
pub struct Cli {
    /// How it runs.
    #[command(subcommand)]
    pub command: Command,
}

/// How it runs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// On a developer's machine: takes any caller and listens on loopback only.
    Dev(DevArgs),
    /// As a cache node: verifies every signature and signs what it sends with its own key.
    Serve(ServeArgs),
    /// In a pod, in front of a cache cluster: listens on loopback, serves hits to whoever has its key, passes on the rest.
    Sidecar(SidecarArgs),
}

/// Flags of `dev`.
#[derive(Args, Debug)]
pub struct DevArgs {
    /// Endpoint of the store, http or https.
    #[arg(long, env = "STATOR_UPSTREAM", default_value = "http://127.0.0.1:8000")]
    upstream: Uri,
    /// Where clients connect; a loopback address.
    #[arg(long, env = "STATOR_LISTEN", default_value = "127.0.0.1:8111")]
    listen: SocketAddr,
    /// Liveness, readiness, metrics, log filter.
    #[arg(long, env = "STATOR_OPS_LISTEN", default_value = "127.0.0.1:9091")]
    ops_listen: SocketAddr,
    /// Where clients connect under TLS, with --tls-dir; a loopback address.
    #[arg(long, env = "STATOR_TLS_LISTEN", default_value = "127.0.0.1:9111")]
    tls_listen: SocketAddr,
    /// Directory with tls.crt and tls.key for the TLS port, read again when they change; without it there is none.
    #[arg(long, env = "STATOR_TLS_DIR")]
    tls_dir: Option<PathBuf>,
    /// Where other nodes of the cache cluster connect, with --peers.
    #[arg(long, env = "STATOR_PEER_LISTEN", default_value = "127.0.0.1:8112")]
    peer_listen: SocketAddr,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Where the node keeps its identity; it has none unless it is given.
    #[arg(long, env = "STATOR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Region that requests to the store are signed for.
    #[arg(long, env = "STATOR_REGION", default_value = "us-east-1")]
    region: String,
    #[command(flatten)]
    tls: UpstreamTlsArgs,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    key: AccessKeyArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

/// Flags of `serve`.
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Endpoint of the store, http or https.
    #[arg(long, env = "STATOR_UPSTREAM")]
    upstream: Uri,
    /// Region of the store; callers' signatures are scoped to it.
    #[arg(long, env = "STATOR_REGION", default_value = "us-east-1")]
    region: String,
    /// Account of the store, 12 digits; part of the ARNs that policies name.
    #[arg(long, env = "STATOR_ACCOUNT_ID", default_value = "000000000000")]
    account_id: String,
    /// Who may call: a JSON file, read again when it changes.
    #[arg(long, env = "STATOR_CREDENTIALS_FILE")]
    credentials_file: PathBuf,
    /// Where clients connect.
    #[arg(long, env = "STATOR_LISTEN", default_value = "0.0.0.0:8111")]
    listen: SocketAddr,
    /// Where clients connect under TLS, with --tls-dir.
    #[arg(long, env = "STATOR_TLS_LISTEN", default_value = "0.0.0.0:9111")]
    tls_listen: SocketAddr,
    /// Directory with tls.crt and tls.key for the TLS port, read again when they change; without it there is none.
    #[arg(long, env = "STATOR_TLS_DIR")]
    tls_dir: Option<PathBuf>,
    /// Where other nodes of the cache cluster connect, with --peers.
    #[arg(long, env = "STATOR_PEER_LISTEN", default_value = "0.0.0.0:8112")]
    peer_listen: SocketAddr,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// Liveness, readiness, metrics, log filter.
    #[arg(long, env = "STATOR_OPS_LISTEN", default_value = "0.0.0.0:9091")]
    ops_listen: SocketAddr,
    /// Where the node keeps its identity.
    #[arg(long, env = "STATOR_DATA_DIR")]
    data_dir: PathBuf,
    /// Milliseconds between SIGTERM and the closing of the ports, in which new clients are still served: for load balancers
    /// to learn that this node goes.
    #[arg(long, env = "STATOR_LAME_DUCK_MILLIS", default_value_t = 0,
          value_parser = clap::value_parser!(u64).range(..=60_000))]
    lame_duck_millis: u64,
    #[command(flatten)]
    tls: UpstreamTlsArgs,
    #[command(flatten)]
    cache: CacheArgs,
    #[command(flatten)]
    key: AccessKeyArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

/// Flags of a cluster of several nodes.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// All nodes of the cache cluster, this one among them: NAME=HOST:PORT of their ports for peers, separated by commas.
    /// Without it this node is alone.
    #[arg(long, env = "STATOR_PEERS", value_delimiter = ',')]
    peers: Vec<Peer>,
    /// This node's name among the peers.
    #[arg(long, env = "STATOR_NODE_NAME")]
    node_name: Option<String>,
    /// The address that clients reach this node at; by default the one that it listens on.
    #[arg(long, env = "STATOR_ADVERTISE")]
    advertise: Option<IpAddr>,
    /// Name of the Lease in the pod's namespace by which the primary is found. Without it the first peer is the primary for
    /// ever: while it is away the others serve from the store, and take writes only if they can tell that it does not run.
    #[arg(long, env = "STATOR_LEASE")]
    lease: Option<String>,
    /// Directory with ca.crt, tls.crt and tls.key of the nodes, for mutual TLS between them; read again when they change.
    #[arg(long, env = "STATOR_PEER_TLS_DIR")]
    peer_tls_dir: Option<PathBuf>,
    /// Let nodes speak with each other in the clear: whoever reaches the port for peers may write as anybody.
    #[arg(long, env = "STATOR_INSECURE_PEERS")]
    insecure_peers: bool,
}

/// Flags of an https store.
#[derive(Args, Clone, Debug)]
pub struct UpstreamTlsArgs {
    /// PEM file of the authorities that an https store is verified against; read again when it changes.
    #[arg(
        long,
        env = "STATOR_UPSTREAM_CA_FILE",
        default_value = "/etc/ssl/certs/ca-certificates.crt"
    )]
    upstream_ca_file: PathBuf,
}

/// Flags of the caches.
#[derive(Args, Clone, Debug)]
pub struct CacheArgs {
    #[command(flatten)]
    size: SizeArgs,
    /// Follow the stream of every table that has one, and drop what others than this cache change, within a second.
    /// Tables without a stream are cached as ever. Needs consistent fills.
    #[arg(long, env = "STATOR_COHERENT")]
    coherent: bool,
    /// Endpoint of the store's streams; by default the store's own, with Amazon's `streams.` before its name.
    #[arg(long, env = "STATOR_STREAMS_UPSTREAM")]
    streams_upstream: Option<Uri>,
    /// How a missing item is read from the store. `eventual` halves the cost of a miss, and lets a miss
    /// right after a write bring back, for one TTL, what was there before it.
    #[arg(long, env = "STATOR_FILL_CONSISTENCY", default_value = "strong")]
    fill_consistency: FillConsistency,
}

/// What the caches hold, and how long.
#[derive(Args, Clone, Debug)]
pub struct SizeArgs {
    /// Bytes that both caches may hold, overhead counted: three quarters for items and one for pages.
    #[arg(long, env = "STATOR_CACHE_SIZE_BYTES", default_value_t = 256 * 1024 * 1024,
          value_parser = clap::value_parser!(u64).range(1024 * 1024..))]
    cache_size_bytes: u64,
    /// Milliseconds that an item is served after it was read or written; 0: until it is evicted
    /// (DAX: record-ttl-millis).
    #[arg(long, env = "STATOR_ITEM_TTL_MILLIS", default_value_t = 300_000)]
    item_ttl_millis: u64,
    /// Milliseconds that a page of Query or Scan is served; 0: pages are not cached
    /// (DAX: query-ttl-millis).
    #[arg(long, env = "STATOR_QUERY_TTL_MILLIS", default_value_t = 300_000)]
    query_ttl_millis: u64,
    /// Requests in flight; more are answered ThrottlingException. Each holds its body and its answer,
    /// which are of some kilobytes as a rule and of 16 MB at most.
    #[arg(long, env = "STATOR_REQUESTS_MAX", default_value_t = 1_024,
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    requests_max: u32,
}

/// How a fill reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FillConsistency {
    /// Strongly consistent: what an acknowledged write wrote is read.
    Strong,
    /// Eventually consistent.
    Eventual,
}

/// A setting that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The upstream is no http or https URL of a host.
    #[error("{0}: not an http or https URL of an endpoint")]
    Upstream(Uri),
    /// `dev` takes any caller, and a sidecar is for its own pod.
    #[error("--listen {0}: dev and sidecar listen on loopback addresses only")]
    NotLoopback(SocketAddr),
    /// What is sent is signed.
    #[error("a key is needed in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")]
    NoKey,
    /// A fill from a replica that lags would bring back what a stream has said to be gone.
    #[error("--coherent needs --fill-consistency strong")]
    CoherentFills,
    /// The name is missing, or is none of the peers'.
    #[error("--node-name must be one of --peers: {0:?}")]
    NodeName(Option<String>),
    /// Clients would be told of an address that is none.
    #[error(
        "--listen {0}: a cluster's nodes are told to clients, so --advertise must name this one's address"
    )]
    Advertise(SocketAddr),
    /// Peers are believed.
    #[error(
        "--peers needs --peer-tls-dir, or --insecure-peers if nobody else can reach the ports for peers"
    )]
    PeersInTheClear,
    /// Not 12 digits.
    #[error("--account-id {0}: not 12 digits")]
    AccountId(String),
}

impl Command {
    /// How it logs.
    pub fn telemetry(&self) -> &TelemetryArgs {
        match self {
            Self::Dev(args) => &args.telemetry,
            Self::Serve(args) => &args.telemetry,
            Self::Sidecar(args) => &args.telemetry,
        }
    }

    /// How long new clients are served after SIGTERM.
    pub fn lame_duck(&self) -> Duration {
        match self {
            Self::Dev(_) | Self::Sidecar(_) => Duration::ZERO,
            Self::Serve(args) => Duration::from_millis(args.lame_duck_millis),
        }
    }

    /// Everything checked, nothing opened yet.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn options(self) -> Result<Options, ConfigError> {
        match self {
            Self::Dev(args) => args.options(),
            Self::Serve(args) => args.options(),
            Self::Sidecar(args) => args.options(),
        }
    }
}

impl DevArgs {
    fn options(self) -> Result<Options, ConfigError> {
        let Self {
            upstream,
            listen,
            ops_listen,
            tls_listen,
            tls_dir,
            peer_listen,
            cluster,
            data_dir,
            region,
            tls,
            cache,
            key,
            telemetry: _,
        } = self;
        for address in [
            Some(listen),
            Some(ops_listen),
            Some(tls_listen),
            Some(peer_listen),
        ]
        .into_iter()
        .flatten()
        {
            if !address.ip().is_loopback() {
                return Err(ConfigError::NotLoopback(address));
            }
        }
        Ok(Options {
            upstream: checked_upstream(upstream)?,
            upstream_ca_file: tls.upstream_ca_file,
            // The store's own `dev` takes any key.
            upstream_key: key
                .access_key()
                .unwrap_or_else(|| AccessKey::new("dev", "dev")),
            region: Some(region),
            account_id: "000000000000".to_owned(),
            access: AccessOptions::Anyone,
            listen,
            tls: tls_options(tls_listen, tls_dir),
            // All of it is on loopback.
            cluster: cluster.options(peer_listen, listen, true)?,
            sidecar: false,
            ops_listen,
            data_dir,
            coherence: cache.coherence()?,
            cache: cache.options(),
        })
    }
}

impl ServeArgs {
    fn options(self) -> Result<Options, ConfigError> {
        let Self {
            upstream,
            region,
            account_id,
            credentials_file,
            listen,
            tls_listen,
            tls_dir,
            peer_listen,
            cluster,
            ops_listen,
            data_dir,
            lame_duck_millis: _,
            tls,
            cache,
            key,
            telemetry: _,
        } = self;
        if account_id.len() != 12 || !account_id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ConfigError::AccountId(account_id));
        }
        Ok(Options {
            upstream: checked_upstream(upstream)?,
            upstream_ca_file: tls.upstream_ca_file,
            upstream_key: key.access_key().ok_or(ConfigError::NoKey)?,
            region: Some(region),
            account_id,
            access: AccessOptions::Signed { credentials_file },
            listen,
            tls: tls_options(tls_listen, tls_dir),
            cluster: cluster.options(peer_listen, listen, false)?,
            sidecar: false,
            ops_listen,
            data_dir: Some(data_dir),
            coherence: cache.coherence()?,
            cache: cache.options(),
        })
    }
}

impl ClusterArgs {
    fn options(
        self,
        peer_listen: SocketAddr,
        listen: SocketAddr,
        insecure: bool,
    ) -> Result<Option<ClusterOptions>, ConfigError> {
        let Self {
            peers,
            node_name,
            advertise,
            lease,
            peer_tls_dir,
            insecure_peers,
        } = self;
        let Some(first) = peers.first().map(|peer| peer.name.clone()) else {
            return Ok(None);
        };
        let name = match node_name {
            Some(name) if peers.iter().any(|peer| peer.name == name) => name,
            other => return Err(ConfigError::NodeName(other)),
        };
        let advertise = match advertise {
            Some(address) => address,
            None if listen.ip().is_unspecified() => return Err(ConfigError::Advertise(listen)),
            None => listen.ip(),
        };
        if peer_tls_dir.is_none() && !insecure && !insecure_peers {
            return Err(ConfigError::PeersInTheClear);
        }
        Ok(Some(ClusterOptions {
            listen: peer_listen,
            name,
            peers,
            advertise,
            primary: match lease {
                Some(lease) => PrimaryOptions::Kubernetes(lease),
                None => PrimaryOptions::Fixed(first),
            },
            tls_dir: peer_tls_dir,
        }))
    }
}

impl CacheArgs {
    fn coherence(&self) -> Result<Option<CoherenceOptions>, ConfigError> {
        if !self.coherent {
            return Ok(None);
        }
        if self.fill_consistency != FillConsistency::Strong {
            return Err(ConfigError::CoherentFills);
        }
        let streams = self.streams_upstream.clone();
        Ok(Some(CoherenceOptions {
            streams: streams.map(checked_upstream).transpose()?,
        }))
    }

    fn options(self) -> CacheOptions {
        let Self {
            size,
            coherent: _,
            streams_upstream: _,
            fill_consistency,
        } = self;
        size.options(fill_consistency == FillConsistency::Strong)
    }
}

impl SizeArgs {
    fn options(self, strong_fills: bool) -> CacheOptions {
        let Self {
            cache_size_bytes,
            item_ttl_millis,
            query_ttl_millis,
            requests_max,
        } = self;
        let ttl = |millis| (millis != 0).then(|| Duration::from_millis(millis));
        CacheOptions {
            size_bytes: cache_size_bytes,
            item_ttl: ttl(item_ttl_millis),
            query_ttl: ttl(query_ttl_millis),
            strong_fills,
            requests_max: usize::try_from(requests_max).unwrap_or(usize::MAX),
        }
    }
}

fn tls_options(listen: SocketAddr, directory: Option<PathBuf>) -> Option<TlsOptions> {
    directory.map(|directory| TlsOptions { listen, directory })
}

fn checked_upstream(upstream: Uri) -> Result<Uri, ConfigError> {
    let scheme = matches!(upstream.scheme_str(), Some("http" | "https"));
    if scheme && upstream.host().is_some() && matches!(upstream.path(), "" | "/") {
        Ok(upstream)
    } else {
        Err(ConfigError::Upstream(upstream))
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;

    /// What the arguments alone say: keys in the environment of whoever runs the tests are not meant.
    fn options(arguments: &[&str]) -> Result<Options, ConfigError> {
        let command = Cli::command().mut_subcommands(|command| {
            command.mut_args(|argument| argument.env(clap::builder::Resettable::Reset))
        });
        let matches = command.try_get_matches_from(arguments).unwrap();
        Cli::from_arg_matches(&matches).unwrap().command.options()
    }

    #[test]
    fn the_flags_are_consistent_and_each_has_a_variable() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            for argument in command
                .get_arguments()
                .filter(|argument| argument.get_id() != "help")
            {
                assert!(argument.get_env().is_some(), "{}", argument.get_id());
            }
        }
    }

    #[test]
    fn dev_stays_on_loopback_and_serve_needs_a_key() {
        assert!(options(&["dax-proxy", "dev"]).is_ok());
        let kept = options(&[
            "dax-proxy",
            "dev",
            "--data-dir",
            "d",
            "--peer-listen",
            "127.0.0.1:0",
        ]);
        assert!(kept.unwrap().data_dir.is_some());
        let logged = ["dax-proxy", "dev", "--log-filter=debug"];
        assert_eq!(
            Cli::parse_from(logged).command.telemetry().log_filter,
            "debug"
        );
        let open = options(&["dax-proxy", "dev", "--listen", "0.0.0.0:8111"]);
        assert!(matches!(open, Err(ConfigError::NotLoopback(_))));
        let serve = [
            "dax-proxy",
            "serve",
            "--upstream",
            "http://db:8000",
            "--credentials-file",
            "c",
            "--data-dir",
            "d",
        ];
        assert!(matches!(options(&serve), Err(ConfigError::NoKey)));
        let with_key = [
            &serve[..],
            &["--aws-access-key-id", "a", "--aws-secret-access-key", "b"],
        ]
        .concat();
        assert!(options(&with_key).is_ok());
    }

    #[test]
    fn a_sidecar_stays_on_loopback_and_has_a_key() {
        let sidecar = ["dax-proxy", "sidecar", "--cluster", "http://dax:8111"];
        assert!(matches!(options(&sidecar), Err(ConfigError::NoKey)));
        let with_key = [
            &sidecar[..],
            &["--aws-access-key-id", "a", "--aws-secret-access-key", "b"],
        ]
        .concat();
        let made = options(&with_key).unwrap();
        assert!(made.sidecar && made.region.is_none() && !made.cache.strong_fills);
        let open = [&with_key[..], &["--listen", "0.0.0.0:8111"]].concat();
        assert!(matches!(options(&open), Err(ConfigError::NotLoopback(_))));
    }

    #[test]
    fn a_ttl_of_zero_is_for_ever_for_items_and_never_for_pages() {
        let options = options(&[
            "dax-proxy",
            "dev",
            "--item-ttl-millis",
            "0",
            "--query-ttl-millis",
            "0",
        ]);
        let cache = options.unwrap().cache;
        assert_eq!((cache.item_ttl, cache.query_ttl), (None, None));
    }

    #[test]
    fn the_coherent_mode_reads_consistently() {
        let coherent = ["dax-proxy", "dev", "--coherent"];
        assert!(options(&coherent).unwrap().coherence.is_some());
        let eventual = [&coherent[..], &["--fill-consistency", "eventual"]].concat();
        assert!(matches!(
            options(&eventual),
            Err(ConfigError::CoherentFills)
        ));
        assert!(options(&["dax-proxy", "dev"]).unwrap().coherence.is_none());
    }

    #[test]
    fn an_upstream_is_an_endpoint() {
        for bad in ["db:8000", "ftp://db", "http://db:8000/path"] {
            let result = options(&["dax-proxy", "dev", "--upstream", bad]);
            assert!(matches!(result, Err(ConfigError::Upstream(_))), "{bad}");
        }
    }
}
