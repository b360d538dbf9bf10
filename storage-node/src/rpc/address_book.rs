//! Where the nodes are: addresses by id, apart from Raft's membership.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::replication::NodeId;

/// The addresses of nodes as `host:port`. Clones share the entries. Names are resolved at each connect, so that a pod
/// that moves is found under its old name.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    addresses: Arc<RwLock<BTreeMap<NodeId, String>>>,
}

impl AddressBook {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes or replaces the address of a node.
    pub fn set(&self, node: NodeId, address: impl Into<String>) {
        self.addresses.write().insert(node, address.into());
    }

    /// The address of a node.
    #[must_use]
    pub fn get(&self, node: NodeId) -> Option<String> {
        self.addresses.read().get(&node).cloned()
    }

    /// All entries, by id.
    #[must_use]
    pub fn all(&self) -> Vec<(NodeId, String)> {
        self.addresses
            .read()
            .iter()
            .map(|(node, address)| (*node, address.clone()))
            .collect()
    }
}
