//! The names of everything that the operator makes. The contract with users: Services and Secrets are found by these.

use crate::crd::{DaxCluster, StorageCluster, table::DEFAULT_STORAGE_CLUSTER};

/// The pods' label with the name of their `StorageCluster`.
pub const STORAGE_CLUSTER_LABEL: &str = "stator.dev/storage-cluster";
/// Most nodes of a `DaxCluster`: one primary and ten replicas, as in DAX.
pub const DAX_REPLICAS_MAX: u32 = 11;

/// The pods' label with the name of their `DaxCluster`.
pub const DAX_CLUSTER_LABEL: &str = "stator.dev/dax-cluster";
/// The pods' label with the name of their rack.
pub const RACK_LABEL: &str = "stator.dev/rack";
/// Stops all work on a StorageCluster or DaxCluster while it is `true`.
pub const PAUSED_ANNOTATION: &str = "stator.dev/paused";

/// DynamoDB API of a storage node.
pub const API_PORT: u16 = 8000;
/// Node-to-node RPC.
pub const RPC_PORT: u16 = 7000;
/// Admin API.
pub const ADMIN_PORT: u16 = 7001;
/// Ops port of a storage node.
pub const STORAGE_OPS_PORT: u16 = 9090;
/// Clients of the cache.
pub const DAX_PORT: u16 = 8111;
/// Clients of a cache node under TLS.
pub const DAX_TLS_PORT: u16 = 9111;
/// Between cache nodes.
pub const DAX_PEER_PORT: u16 = 8112;
/// Ops port of a cache node.
pub const DAX_OPS_PORT: u16 = 9091;

/// Names around a `StorageCluster`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageNames {
    /// Name of the `StorageCluster`.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
}

impl StorageNames {
    /// Of that cluster in that namespace.
    pub fn new(cluster: &str, namespace: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            namespace: namespace.to_owned(),
        }
    }

    /// Of that object.
    pub fn of(cluster: &StorageCluster) -> Self {
        Self::new(
            cluster.metadata.name.as_deref().unwrap_or_default(),
            cluster.metadata.namespace.as_deref().unwrap_or_default(),
        )
    }

    /// The headless Service of the storage nodes, and the PodDisruptionBudget over them.
    pub fn storage(&self) -> String {
        format!("{}-storage", self.cluster)
    }

    /// The StatefulSet of a rack.
    pub fn rack(&self, rack: &str) -> String {
        format!("{}-storage-{rack}", self.cluster)
    }

    /// A pod, which is also the name of its storage node.
    pub fn pod(&self, rack: &str, ordinal: i32) -> String {
        format!("{}-{ordinal}", self.rack(rack))
    }

    /// The Service that clients use.
    pub fn service(&self) -> String {
        if self.cluster == DEFAULT_STORAGE_CLUSTER {
            "dynamodb".to_owned()
        } else {
            format!("{}-dynamodb", self.cluster)
        }
    }

    /// The host of one storage node. Without the cluster's domain, which the resolver's search list supplies.
    pub fn pod_host(&self, pod: &str) -> String {
        format!("{pod}.{}.{}.svc", self.storage(), self.namespace)
    }

    /// The DynamoDB API for clients in the cluster.
    pub fn endpoint(&self) -> String {
        format!(
            "http://{}.{}.svc:{API_PORT}",
            self.service(),
            self.namespace
        )
    }

    /// Secret with the root access key.
    pub fn root_secret(&self) -> String {
        format!("{}-root", self.cluster)
    }

    /// Secret with the operator's own access key.
    pub fn operator_secret(&self) -> String {
        format!("{}-operator", self.cluster)
    }

    /// Secret with the access key that caches use upstream.
    pub fn dax_secret(&self) -> String {
        format!("{}-dax-upstream", self.cluster)
    }

    /// Secret with the list of all callers, mounted into storage nodes and caches.
    pub fn credentials_secret(&self) -> String {
        format!("{}-credentials", self.cluster)
    }

    /// Secret with the certificate authority of the cluster.
    pub fn ca_secret(&self) -> String {
        format!("{}-ca", self.cluster)
    }

    /// Secret with the certificate of the storage nodes.
    pub fn node_tls_secret(&self) -> String {
        format!("{}-node-tls", self.cluster)
    }
}

/// Names around a `DaxCluster`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaxNames {
    /// Name of the `DaxCluster`.
    pub cluster: String,
    /// Its namespace.
    pub namespace: String,
}

impl DaxNames {
    /// Of that object.
    pub fn of(cluster: &DaxCluster) -> Self {
        Self {
            cluster: cluster.metadata.name.clone().unwrap_or_default(),
            namespace: cluster.metadata.namespace.clone().unwrap_or_default(),
        }
    }

    /// The StatefulSet.
    pub fn stateful_set(&self) -> String {
        format!("{}-dax", self.cluster)
    }

    /// The headless Service of the cache nodes.
    pub fn nodes(&self) -> String {
        format!("{}-dax-nodes", self.cluster)
    }

    /// The Service that clients use.
    pub fn service(&self) -> String {
        if self.cluster == DEFAULT_STORAGE_CLUSTER {
            "dax".to_owned()
        } else {
            format!("{}-dax", self.cluster)
        }
    }

    /// Where clients connect.
    pub fn endpoint(&self) -> String {
        format!(
            "http://{}.{}.svc:{DAX_PORT}",
            self.service(),
            self.namespace
        )
    }

    /// Where clients of the native protocol connect under TLS.
    pub fn tls_endpoint(&self) -> String {
        let (service, namespace) = (self.service(), &self.namespace);
        format!("daxs://{service}.{namespace}.svc.cluster.local:{DAX_TLS_PORT}")
    }

    /// The Secret with the authority that the operator makes for clients to trust.
    pub fn ca_secret(&self) -> String {
        format!("{}-dax-ca", self.cluster)
    }

    /// The Secret with the certificate that the operator makes.
    pub fn tls_secret(&self) -> String {
        format!("{}-dax-tls", self.cluster)
    }

    /// The Lease by which the cache nodes find their primary, and what a pod needs to hold it: its service account, the role
    /// and the binding between them.
    pub fn lease(&self) -> String {
        self.stateful_set()
    }

    /// The pod of a node.
    pub fn pod(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.stateful_set())
    }

    /// All nodes that may ever be, as they find each other: `NAME=HOST:PORT`. Always as many, so that scaling changes no pod.
    pub fn peers(&self) -> String {
        let (nodes, namespace) = (self.nodes(), &self.namespace);
        let peers: Vec<String> = (0..DAX_REPLICAS_MAX)
            .map(|ordinal| {
                let pod = self.pod(ordinal);
                format!("{pod}={pod}.{nodes}.{namespace}.svc:{DAX_PEER_PORT}")
            })
            .collect();
        peers.join(",")
    }

    /// The Secret with the authority of the cache nodes among themselves. Not the one that clients trust: whoever has a
    /// certificate of this one may write as anybody.
    pub fn peer_ca_secret(&self) -> String {
        format!("{}-dax-peer-ca", self.cluster)
    }

    /// The Secret with the certificate that cache nodes show each other.
    pub fn peer_tls_secret(&self) -> String {
        format!("{}-dax-peer-tls", self.cluster)
    }

    /// Names that it is valid for.
    pub fn peer_certificate_names(&self) -> Vec<String> {
        vec![format!("*.{}.{}.svc", self.nodes(), self.namespace)]
    }

    /// Names that its certificate is valid for. Clients check the name in their URL, so the Service's come first.
    pub fn certificate_names(&self) -> Vec<String> {
        let (service, namespace) = (self.service(), &self.namespace);
        let mut all = vec![service.clone(), format!("{service}.{namespace}")];
        for host in [service, format!("*.{}", self.nodes())] {
            for suffix in ["svc", "svc.cluster.local"] {
                all.push(format!("{host}.{namespace}.{suffix}"));
            }
        }
        all.push("localhost".to_owned());
        all
    }
}
