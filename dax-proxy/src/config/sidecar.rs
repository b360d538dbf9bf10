//! Flags of `sidecar`: a cache in a pod.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use http::Uri;
use stator_kit::sigv4::AccessKeyArgs;
use stator_kit::telemetry::TelemetryArgs;

use super::{ConfigError, SizeArgs, checked_upstream};
use crate::run::{AccessOptions, Options};

/// Flags of `sidecar`.
#[derive(Args, Debug)]
pub struct SidecarArgs {
    /// Endpoint of the cache cluster, http or https.
    #[arg(long, env = "STATOR_CLUSTER")]
    cluster: Uri,
    /// PEM file of the authorities that an https endpoint is verified against; read again when it changes.
    #[arg(
        long,
        env = "STATOR_CLUSTER_CA_FILE",
        default_value = "/etc/ssl/certs/ca-certificates.crt"
    )]
    cluster_ca_file: PathBuf,
    /// Region that callers sign for; by default as the cluster names it.
    #[arg(long, env = "STATOR_REGION")]
    region: Option<String>,
    /// Where the programs of this pod connect; a loopback address.
    #[arg(long, env = "STATOR_LISTEN", default_value = "127.0.0.1:8111")]
    listen: SocketAddr,
    /// Liveness, readiness, metrics, log filter. Not the port of a cache node, which the pod's own programs may want.
    #[arg(long, env = "STATOR_OPS_LISTEN", default_value = "0.0.0.0:19091")]
    ops_listen: SocketAddr,
    /// Where attribute lists are kept for clients that outlive this process; they are forgotten unless it is given.
    #[arg(long, env = "STATOR_DATA_DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    size: SizeArgs,
    #[command(flatten)]
    key: AccessKeyArgs,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
}

impl SidecarArgs {
    pub(super) fn options(self) -> Result<Options, ConfigError> {
        let Self {
            cluster,
            cluster_ca_file,
            region,
            listen,
            ops_listen,
            data_dir,
            size,
            key,
            telemetry: _,
        } = self;
        if !listen.ip().is_loopback() {
            return Err(ConfigError::NotLoopback(listen));
        }
        Ok(Options {
            upstream: checked_upstream(cluster)?,
            upstream_ca_file: cluster_ca_file,
            upstream_key: key.access_key().ok_or(ConfigError::NoKey)?,
            region,
            // Part of the ARNs that policies name; those are the cluster's.
            account_id: "000000000000".to_owned(),
            access: AccessOptions::OwnKey,
            listen,
            tls: None,
            cluster: None,
            sidecar: true,
            ops_listen,
            data_dir,
            coherence: None,
            // The cluster answers an eventually consistent read with nothing older than the last acknowledged write.
            cache: size.options(false),
        })
    }
}
