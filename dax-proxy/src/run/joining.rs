//! Becoming a node of a cluster.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use stator_kit::clock::SharedClock;
use stator_kit::rng::SharedRandom;
use stator_kit::task::TaskOwner;
use stator_kit::tls::{
    ALPN_HTTP1, MutualTls, ReloadingClientConfig, ReloadingServerConfig, TlsFiles,
};
use tokio::net::TcpListener;

use super::{FILES_INTERVAL, StartError};
use crate::cluster::election::{Electorate, LeaseStore};
use crate::cluster::kubernetes::KubernetesLease;
use crate::cluster::peer::Peer;
use crate::cluster::{self, Cluster, HttpTransport, Member, Parts};
use crate::node::{LocalCaches, PeerDoor, Telling};

/// The cluster that this node is one of.
#[derive(Debug)]
pub struct ClusterOptions {
    /// Where peers connect.
    pub listen: SocketAddr,
    /// This node's name among the peers.
    pub name: String,
    /// All nodes that may be, this one among them.
    pub peers: Vec<Peer>,
    /// The address that clients reach this node at.
    pub advertise: IpAddr,
    /// How the primary is found.
    pub primary: PrimaryOptions,
    /// Directory with `ca.crt`, `tls.crt` and `tls.key` of the nodes, for mutual TLS between them; `None`: in the clear.
    pub tls_dir: Option<PathBuf>,
}

/// How the primary is found.
pub enum PrimaryOptions {
    /// By the Lease of this name in the pod's namespace.
    Kubernetes(String),
    /// By a lease that is kept elsewhere.
    Lease(Box<dyn LeaseStore>),
    /// It is this node for ever.
    Fixed(String),
}

impl std::fmt::Debug for PrimaryOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kubernetes(name) => formatter.debug_tuple("Kubernetes").field(name).finish(),
            Self::Lease(_) => formatter.write_str("Lease"),
            Self::Fixed(name) => formatter.debug_tuple("Fixed").field(name).finish(),
        }
    }
}

/// This node's part in a cluster, before it takes part.
pub(super) struct Joining {
    pub(super) cluster: Arc<Cluster>,
    listener: TcpListener,
    tls: Option<ReloadingServerConfig>,
    primary: PrimaryOptions,
}

impl Joining {
    /// Everything that can fail, but for the lease.
    pub(super) fn prepare(
        options: ClusterOptions,
        me: Member,
        caches: LocalCaches,
        telling: &Arc<Telling>,
        listener: TcpListener,
        random: SharedRandom,
        tasks: &TaskOwner,
    ) -> Result<Self, StartError> {
        let (server, client) = match &options.tls_dir {
            None => (None, None),
            Some(directory) => {
                let files = TlsFiles::in_directory(directory);
                let server =
                    ReloadingServerConfig::load(files.clone(), MutualTls::Required, &[ALPN_HTTP1])?;
                let client =
                    ReloadingClientConfig::load(files, MutualTls::Required, &[ALPN_HTTP1])?;
                server.follow(FILES_INTERVAL, tasks);
                client.follow(FILES_INTERVAL, tasks);
                (Some(server), Some(client))
            }
        };
        let cluster = Cluster::new(Parts {
            me,
            peers: options.peers,
            sessions: telling.sessions(),
            caches: Arc::new(caches),
            transport: Arc::new(HttpTransport::new(client, tasks)),
            random,
            tasks: tasks.clone(),
        });
        telling.belongs_to(&cluster);
        Ok(Self {
            cluster,
            listener,
            tls: server,
            primary: options.primary,
        })
    }

    /// Serves peers and takes part, as tasks of `tasks`.
    pub(super) async fn start(
        self,
        door: PeerDoor,
        clock: SharedClock,
        tasks: &TaskOwner,
    ) -> Result<(), StartError> {
        let electorate = match self.primary {
            PrimaryOptions::Fixed(name) => Electorate::Fixed(name),
            PrimaryOptions::Lease(store) => Electorate::Lease(store),
            PrimaryOptions::Kubernetes(name) => {
                let lease = KubernetesLease::in_cluster(&name, clock).await?;
                Electorate::Lease(Box::new(lease))
            }
        };
        let cluster = Arc::clone(&self.cluster);
        cluster::serve(self.listener, self.tls, cluster, Arc::new(door), tasks);
        self.cluster.start(electorate);
        Ok(())
    }
}
