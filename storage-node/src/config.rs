//! Flags, and what they mean together.
//!
//! Every flag can also be given as `STATOR_*`. All of it is validated before a port is bound.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use stator_kit::telemetry::TelemetryArgs;
use stator_model::wording::Wording;

use crate::cluster::Upkeep;
use crate::throttle::Throttling;

/// A node of a replicated DynamoDB-compatible database.
#[derive(Debug, Parser)]
#[command(name = "storage-node", version)]
pub struct Cli {
    /// What to run as.
    #[command(subcommand)]
    pub command: Command,
    /// Words of refusals of which DynamoDB has two: `classic` or `current`. Alike on all nodes of a cluster.
    #[arg(long, env = "STATOR_WORDING", default_value_t = Wording::Classic, global = true)]
    pub wording: Wording,
    /// Logging.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// What to run as.
#[derive(Debug, Subcommand)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one, for the length of start-up"
)]
pub enum Command {
    /// One node for local development: takes any signature, listens on loopback only.
    Dev(DevArgs),
    /// A node of a cluster of one, or of three or more: verifies every signature.
    Serve(ServeArgs),
}

/// Flags of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Directory of the data; created when missing.
    #[arg(long, env = "STATOR_DATA_DIR", default_value = ".stator/dev")]
    pub data_dir: PathBuf,
    /// Address of the DynamoDB API; must be loopback.
    #[arg(long, env = "STATOR_LISTEN", default_value = "127.0.0.1:8000")]
    pub listen: SocketAddr,
    /// Address of the ops port: liveness, readiness, metrics, log filter.
    #[arg(long, env = "STATOR_OPS_LISTEN", default_value = "127.0.0.1:9090")]
    pub ops_listen: SocketAddr,
    /// Keep everything in memory; nothing survives the process.
    #[arg(long, env = "STATOR_IN_MEMORY")]
    pub in_memory: bool,
    /// Credentials file; when given, signatures are verified as `serve` does.
    #[arg(long, env = "STATOR_CREDENTIALS_FILE")]
    pub credentials_file: Option<PathBuf>,
    /// What throughput is held to; local programs are not slowed down by default.
    #[arg(long, env = "STATOR_THROTTLING", value_enum, default_value_t = Throttling::Off)]
    pub throttling: Throttling,
    /// Background work.
    #[command(flatten)]
    pub upkeep: UpkeepArgs,
}

/// Times of what a node does without being asked.
#[derive(Debug, Clone, Copy, Args)]
pub struct UpkeepArgs {
    /// Seconds between two looks for expired items (TTL).
    #[arg(long, env = "STATOR_TTL_SCAN_SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub ttl_scan_seconds: u64,
    /// Seconds for which records of streams are kept.
    #[arg(long, env = "STATOR_STREAM_RETENTION_SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub stream_retention_seconds: u64,
    /// Seconds for which a shard of a stream stays open before a child shard continues it.
    #[arg(long, env = "STATOR_STREAM_SHARD_SECONDS", default_value_t = 14_400, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub stream_shard_seconds: u64,
    /// Seconds between two walks that count items for ItemCount and TableSizeBytes.
    #[arg(long, env = "STATOR_TABLE_SIZE_SECONDS", default_value_t = 21_600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    pub table_size_seconds: u64,
}

impl UpkeepArgs {
    /// The times.
    #[must_use]
    pub fn upkeep(self) -> Upkeep {
        Upkeep {
            stream_retention: Duration::from_secs(self.stream_retention_seconds),
            stream_shard: Duration::from_secs(self.stream_shard_seconds),
            expiry_scan: Duration::from_secs(self.ttl_scan_seconds),
            table_sizes: Duration::from_secs(self.table_size_seconds),
        }
    }
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Directory of the data, on a volume of this node's own; created when missing.
    #[arg(long, env = "STATOR_DATA_DIR")]
    pub data_dir: PathBuf,
    /// This node's name, one of `--peers`; the pod's name in Kubernetes. Never changes.
    #[arg(long, env = "STATOR_NODE_NAME")]
    pub node_name: String,
    /// Failure domain of this node, such as a zone.
    #[arg(long, env = "STATOR_RACK", default_value = "default")]
    pub rack: String,
    /// All nodes of the cluster, this one included: `name=host:port,...` (the RPC port).
    #[arg(long, env = "STATOR_PEERS", value_delimiter = ',', value_parser = parse_peer, required = true)]
    pub peers: Vec<Peer>,
    /// Region of the cluster, in ARNs and in the scope of signatures. Fixed at creation.
    #[arg(long, env = "STATOR_REGION", default_value = "us-east-1")]
    pub region: String,
    /// Account of the cluster, twelve digits. Fixed at creation.
    #[arg(long, env = "STATOR_ACCOUNT_ID", default_value = "000000000000")]
    pub account_id: String,
    /// Credentials file: who may call; reloaded when it changes.
    #[arg(long, env = "STATOR_CREDENTIALS_FILE")]
    pub credentials_file: PathBuf,
    /// Directory with ca.crt, tls.crt and tls.key for the RPC port; reloaded when they change.
    #[arg(
        long,
        env = "STATOR_TLS_DIR",
        conflicts_with = "insecure",
        required_unless_present = "insecure"
    )]
    pub tls_dir: Option<PathBuf>,
    /// Node-to-node RPC without TLS: whoever reaches the port can read and write everything.
    #[arg(long, env = "STATOR_INSECURE")]
    pub insecure: bool,
    /// Address of the DynamoDB API.
    #[arg(long, env = "STATOR_API_LISTEN", default_value = "0.0.0.0:8000")]
    pub api_listen: SocketAddr,
    /// Address of node-to-node RPC.
    #[arg(long, env = "STATOR_RPC_LISTEN", default_value = "0.0.0.0:7000")]
    pub rpc_listen: SocketAddr,
    /// Address of the admin API.
    #[arg(long, env = "STATOR_ADMIN_LISTEN", default_value = "0.0.0.0:7001")]
    pub admin_listen: SocketAddr,
    /// Address of the ops port: liveness, readiness, metrics, log filter.
    #[arg(long, env = "STATOR_OPS_LISTEN", default_value = "0.0.0.0:9090")]
    pub ops_listen: SocketAddr,
    /// Data groups of a new cluster, 1 to 256. Default: two a node, so that leaders spread evenly.
    #[arg(long, env = "STATOR_GROUPS", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub groups: Option<u32>,
    /// What throughput is held to: nothing, what tables ask for (provisioned units and
    /// OnDemandThroughput), or also the ceilings of the service for partitions and on-demand tables.
    #[arg(long, env = "STATOR_THROTTLING", value_enum, default_value_t = Throttling::Configured)]
    pub throttling: Throttling,
    /// Background work.
    #[command(flatten)]
    pub upkeep: UpkeepArgs,
}

/// One node in `--peers`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Where its RPC port is, `host:port`; the host is looked up at every connect.
    pub address: String,
}

fn parse_peer(text: &str) -> Result<Peer, String> {
    let (name, address) = text.split_once('=').ok_or("expected name=host:port")?;
    let (host, port) = address.rsplit_once(':').ok_or("expected name=host:port")?;
    if name.is_empty() || host.is_empty() || port.parse::<u16>().is_err() {
        return Err("expected name=host:port".to_owned());
    }
    Ok(Peer {
        name: name.to_owned(),
        address: address.to_owned(),
    })
}

/// Flags that make no sense, alone or together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// `dev` on an address that others can reach.
    #[error("dev takes any caller and so listens on loopback only, not on {0}; use serve")]
    NotLoopback(IpAddr),
    /// Two peers cannot keep a majority when one fails, and neither can be told from a mistake.
    #[error("--peers names {0} nodes; a cluster has one node, or three or more")]
    PeerCount(usize),
    /// A name twice.
    #[error("--peers names {0} twice")]
    PeerTwice(String),
    /// The node itself is missing.
    #[error("--peers does not name this node, {0}")]
    NotAPeer(String),
    /// Not twelve digits.
    #[error("--account-id must be twelve digits, not {0:?}")]
    AccountId(String),
    /// Not a Region name.
    #[error("--region must be letters, digits and dashes, not {0:?}")]
    Region(String),
}

impl DevArgs {
    /// Checks the flags.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        if !self.listen.ip().is_loopback() && self.credentials_file.is_none() {
            return Err(ConfigError::NotLoopback(self.listen.ip()));
        }
        Ok(())
    }
}

impl ServeArgs {
    /// Checks the flags; peers in name order come back.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn validate(&self) -> Result<Vec<Peer>, ConfigError> {
        let mut peers = self.peers.clone();
        peers.sort_by(|a, b| a.name.cmp(&b.name));
        for pair in peers.windows(2) {
            if let [a, b] = pair
                && a.name == b.name
            {
                return Err(ConfigError::PeerTwice(a.name.clone()));
            }
        }
        if peers.is_empty() || peers.len() == 2 {
            return Err(ConfigError::PeerCount(peers.len()));
        }
        if !peers.iter().any(|peer| peer.name == self.node_name) {
            return Err(ConfigError::NotAPeer(self.node_name.clone()));
        }
        if self.account_id.len() != 12 || !self.account_id.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ConfigError::AccountId(self.account_id.clone()));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if self.region.is_empty() || !self.region.bytes().all(plain) {
            return Err(ConfigError::Region(self.region.clone()));
        }
        Ok(peers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(extra: &[&str]) -> Result<ServeArgs, clap::Error> {
        let mut line = vec![
            "storage-node",
            "serve",
            "--data-dir",
            "/d",
            "--credentials-file",
            "/c",
        ];
        line.extend(extra);
        let cli = Cli::try_parse_from(line)?;
        match cli.command {
            Command::Serve(args) => Ok(args),
            Command::Dev(_) => panic!("parsed as dev"),
        }
    }

    const THREE: &str = "--peers=b=h:1,a=h:2,c=h:3";

    #[test]
    fn peers_come_back_in_name_order() {
        let args = serve(&["--node-name=a", THREE, "--insecure"]).unwrap();
        let names: Vec<_> = args
            .validate()
            .unwrap()
            .into_iter()
            .map(|p| p.name)
            .collect();
        assert_eq!(names, ["a", "b", "c"]);
    }

    #[test]
    fn mistakes_are_named() {
        let check = |extra: &[&str]| serve(extra).unwrap().validate().unwrap_err();
        assert_eq!(
            check(&["--node-name=a", "--peers=a=h:1,b=h:2", "--insecure"]),
            ConfigError::PeerCount(2)
        );
        assert_eq!(
            check(&["--node-name=x", THREE, "--insecure"]),
            ConfigError::NotAPeer("x".to_owned())
        );
        assert_eq!(
            check(&["--node-name=a", "--peers=a=h:1,a=h:2,b=h:3", "--insecure"]),
            ConfigError::PeerTwice("a".to_owned())
        );
        assert_eq!(
            check(&["--node-name=a", THREE, "--insecure", "--account-id=12"]),
            ConfigError::AccountId("12".to_owned())
        );
    }

    #[test]
    fn serve_without_certificates_needs_an_explicit_insecure() {
        assert!(serve(&["--node-name=a", THREE]).is_err());
        assert!(serve(&["--node-name=a", THREE, "--tls-dir=/t"]).is_ok());
        assert!(serve(&["--node-name=a", "--peers=a", "--insecure"]).is_err());
    }

    #[test]
    fn dev_refuses_an_address_that_others_can_reach() {
        let cli = Cli::try_parse_from(["storage-node", "dev", "--listen", "0.0.0.0:8000"]).unwrap();
        let Command::Dev(args) = cli.command else {
            panic!("parsed as serve")
        };
        assert!(matches!(args.validate(), Err(ConfigError::NotLoopback(_))));
    }
}
