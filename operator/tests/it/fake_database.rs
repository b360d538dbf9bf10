//! A storage cluster in memory: tables for the DynamoDB API, and a state for the admin API that tests set.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use parking_lot::Mutex;
use stator_kit::sigv4::AccessKey;
use stator_operator::{
    crd::TableSpec,
    plan::{
        storage_cluster::{ClusterView, GroupView, NodeView},
        table_changes::{ServiceTable, TableChange},
    },
    service::{AdminService, Clients, ServiceError, TableService},
};

/// The cluster. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct FakeDatabase {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    tables: BTreeMap<String, ServiceTable>,
    cluster: Option<ClusterView>,
    drained: Vec<String>,
}

impl FakeDatabase {
    /// All nodes are well, and the first leads the only group.
    pub(crate) fn form(&self, nodes: &[&str]) {
        let cluster = ClusterView {
            cluster_id: "cluster-1".to_owned(),
            nodes: nodes
                .iter()
                .map(|name| NodeView {
                    name: (*name).to_owned(),
                    state: "Ready".to_owned(),
                    reason: None,
                })
                .collect(),
            groups: vec![GroupView {
                leader: nodes.first().map(|name| (*name).to_owned()),
                voters: nodes.iter().map(|name| (*name).to_owned()).collect(),
            }],
            under_replicated_groups: 0,
        };
        self.state.lock().cluster = Some(cluster);
    }

    /// Changes what the admin API says.
    pub(crate) fn change(&self, change: impl FnOnce(&mut ClusterView)) {
        change(self.state.lock().cluster.as_mut().unwrap());
    }

    /// A table.
    pub(crate) fn table(&self, name: &str) -> Option<ServiceTable> {
        self.state.lock().tables.get(name).cloned()
    }

    /// The nodes that were drained, in order.
    pub(crate) fn drained(&self) -> Vec<String> {
        self.state.lock().drained.clone()
    }
}

impl Clients for FakeDatabase {
    fn tables(&self, _: &str, _: &str, _: AccessKey) -> Arc<dyn TableService> {
        Arc::new(self.clone())
    }

    fn admin(&self, _: &str, _: &str, _: AccessKey) -> Arc<dyn AdminService> {
        Arc::new(self.clone())
    }
}

impl TableService for FakeDatabase {
    fn describe<'a>(
        &'a self,
        spec: &'a TableSpec,
    ) -> BoxFuture<'a, Result<Option<ServiceTable>, ServiceError>> {
        Box::pin(async move { Ok(self.table(&spec.table_name)) })
    }

    fn create<'a>(
        &'a self,
        spec: &'a TableSpec,
    ) -> BoxFuture<'a, Result<ServiceTable, ServiceError>> {
        Box::pin(async move {
            let table = ServiceTable {
                table_id: "table-1".to_owned(),
                arn: format!(
                    "arn:aws:dynamodb:us-east-1:000000000000:table/{}",
                    spec.table_name
                ),
                status: "ACTIVE".to_owned(),
                key_schema: spec.key_schema.clone(),
                attribute_definitions: spec.attribute_definitions.clone(),
                billing_mode: spec
                    .billing_mode
                    .clone()
                    .unwrap_or_else(|| "PROVISIONED".to_owned()),
                table_class: "STANDARD".to_owned(),
                ..ServiceTable::default()
            };
            self.state
                .lock()
                .tables
                .insert(spec.table_name.clone(), table.clone());
            Ok(table)
        })
    }

    fn update<'a>(
        &'a self,
        table: &'a str,
        change: &'a TableChange,
    ) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(async move {
            if let TableChange::DeletionProtection(enabled) = change {
                self.state
                    .lock()
                    .tables
                    .get_mut(table)
                    .unwrap()
                    .deletion_protection_enabled = *enabled;
            }
            Ok(())
        })
    }

    fn delete<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(async move {
            self.state.lock().tables.remove(table);
            Ok(())
        })
    }
}

impl AdminService for FakeDatabase {
    fn cluster(&self) -> BoxFuture<'_, Result<ClusterView, ServiceError>> {
        Box::pin(async {
            let cluster = self.state.lock().cluster.clone();
            cluster.ok_or_else(|| ServiceError::Unreachable("connection refused".to_owned()))
        })
    }

    fn drain_leaders<'a>(&'a self, node: &'a str) -> BoxFuture<'a, Result<u32, ServiceError>> {
        Box::pin(async move {
            let mut state = self.state.lock();
            state.drained.push(node.to_owned());
            let mut moved = 0;
            for group in &mut state.cluster.as_mut().unwrap().groups {
                if group.leader.as_deref() == Some(node) {
                    group.leader = group.voters.iter().find(|voter| *voter != node).cloned();
                    moved += 1;
                }
            }
            Ok(moved)
        })
    }
}
