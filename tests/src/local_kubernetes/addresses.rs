//! Names and addresses inside the cluster's own networks. They can clash with nothing outside: there is no way out.

use anyhow::{Context, Result};

/// The control plane's address on the bridge that connects the nodes; also the cluster's DNS server.
pub(super) const CONTROL_ADDRESS: &str = "192.168.250.1";
/// The API server as everything inside addresses it.
pub(super) const API_SERVER: &str = "https://192.168.250.1:6443";
/// ClusterIPs of Services.
pub(super) const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The first address of the range, which Kubernetes gives to its own Service.
pub(super) const API_SERVER_SERVICE: &str = "10.96.0.1";
/// Addresses of all pods; each node has a part of it.
pub(super) const POD_RANGE: &str = "10.244.0.0/16";

/// A kube node.
#[derive(Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, also as a Kubernetes object.
    pub name: &'static str,
    /// Its `topology.kubernetes.io/zone`.
    pub zone: &'static str,
    /// Its address.
    pub address: &'static str,
    pub(super) pod_range: &'static str,
    /// The control plane's end of its cable.
    pub(super) link: &'static str,
}

/// Three nodes in three zones.
pub const NODES: [Node; 3] = [
    Node {
        name: "node-1",
        zone: "zone-1",
        address: "192.168.250.11",
        pod_range: "10.244.1.0/24",
        link: "veth1",
    },
    Node {
        name: "node-2",
        zone: "zone-2",
        address: "192.168.250.12",
        pod_range: "10.244.2.0/24",
        link: "veth2",
    },
    Node {
        name: "node-3",
        zone: "zone-3",
        address: "192.168.250.13",
        pod_range: "10.244.3.0/24",
        link: "veth3",
    },
];

/// The node of this name.
pub(super) fn node(name: &str) -> Result<&'static Node> {
    NODES
        .iter()
        .find(|node| node.name == name)
        .with_context(|| format!("there is no node {name:?}; there are node-1, node-2 and node-3"))
}
