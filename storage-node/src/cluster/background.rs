//! What a node does without being asked: following the catalog, writing the cluster's first rows, and
//! starting whatever else is driven by the catalog.
//!
//! Everything here is driven by applied state and may be repeated from the beginning at any time, so
//! a new leader of the meta group simply goes on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::catalog::rows::{
    CLUSTER_KEY, ClusterRow, CountersRow, GroupRow, LastChange, NodeRow, PartitionRow,
    TableStatusRow, group_key, node_key,
};
use super::control::{Change, catalog_write};
use super::message::Refusal;
use super::route::RouteError;
use super::{Cluster, LocalGroup, REQUEST_TIMEOUT};
use crate::replication::{
    Append, Cause, ChangeKind, EngineWrite, GroupId, Images, Leadership, LogCommand, PartitionId,
    RequestId,
};

/// How often unfinished background work is looked at when nothing in the catalog changes.
const LOOK_EVERY: Duration = Duration::from_millis(500);
impl Cluster {
    /// Starts the node's background work.
    pub fn start(self: &Arc<Self>) {
        let cluster = Arc::clone(self);
        self.tasks.spawn(
            "follow catalog",
            async move { cluster.follow_catalog().await },
        );
        let cluster = Arc::clone(self);
        self.tasks
            .spawn("tend catalog", async move { cluster.tend_catalog().await });
        let cluster = Arc::clone(self);
        self.tasks.spawn("tend transactions", async move {
            cluster.tend_transactions().await;
        });
        let cluster = Arc::clone(self);
        self.tasks.spawn("sweep transactions", async move {
            cluster.sweep_transactions().await;
        });
        let cluster = Arc::clone(self);
        self.tasks
            .spawn("tend indexes", async move { cluster.tend_indexes().await });
        for group in self.groups.keys().filter(|group| **group != GroupId::META) {
            let (cluster, group) = (Arc::clone(self), *group);
            self.tasks.spawn("pump outboxes", async move {
                cluster.pump_outboxes(group).await;
            });
        }
        let cluster = Arc::clone(self);
        self.tasks.spawn(
            "spread leaders",
            async move { cluster.spread_leaders().await },
        );
        let cluster = Arc::clone(self);
        self.tasks.spawn("tend change logs", async move {
            cluster.tend_change_logs().await;
        });
        let cluster = Arc::clone(self);
        self.tasks
            .spawn("expire items", async move { cluster.expire_items().await });
        let cluster = Arc::clone(self);
        self.tasks.spawn("measure tables", async move {
            cluster.measure_tables().await;
        });
    }

    /// Takes over what the meta group applies, as it is applied.
    async fn follow_catalog(&self) {
        let token = self.tasks.token();
        let Some(meta) = self.groups.get(&GroupId::META) else {
            return;
        };
        let mut applied = meta.handle.applied();
        let mut known = self.catalog.current();
        loop {
            if let Err(problem) = self.catalog.refresh() {
                tracing::error!(%problem, "the catalog cannot be read");
            }
            let current = self.catalog.current();
            if current.version != known.version {
                self.metrics.forget_gone(&known, &current);
                known = current;
            }
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                changed = applied.changed() => if changed.is_err() { return },
            }
        }
    }

    /// On the leader of the meta group: the first rows, then the removal of deleted tables.
    async fn tend_catalog(&self) {
        let token = self.tasks.token();
        let mut versions = self.catalog.versions();
        loop {
            if let Some(meta) = self.groups.get(&GroupId::META)
                && meta.handle.leadership().is_some()
                && let Err(refusal) = self.tend_once().await
            {
                tracing::debug!(?refusal, "background work of the catalog is repeated");
            }
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                changed = versions.changed() => if changed.is_err() { return },
                () = sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn tend_once(&self) -> Result<(), Refusal> {
        let state = self.catalog.current();
        if state.cluster.is_none() {
            return self.found().await;
        }
        for table in state.tables.values() {
            if table.row.status == TableStatusRow::Deleting {
                self.close_table(&table.row).await?;
            } else if !table.row.readers_settled {
                self.settle_readers(table).await?;
            }
        }
        for dropped in state.dropped.values() {
            self.remove_data(dropped).await?;
        }
        Ok(())
    }

    /// Writes the cluster's first rows, by the founding plan that every volume holds.
    async fn found(&self) -> Result<(), Refusal> {
        let founding = self.identity.founding.clone();
        let now = self.now_millis();
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        self.change_catalog(
            RequestId(self.request_id()),
            deadline,
            move |state, counters| {
                if state.cluster.is_some() {
                    return Ok(Change::default());
                }
                let mut writes = vec![catalog_write(
                    Bytes::from_static(CLUSTER_KEY),
                    &ClusterRow {
                        cluster_id: founding.cluster_id,
                        region: founding.region.clone(),
                        account_id: founding.account_id.clone(),
                        created_millis: now,
                    },
                )];
                for node in &founding.nodes {
                    let row = NodeRow {
                        node_id: node.node_id,
                        name: node.name.clone(),
                        incarnation: 1,
                        rack: node.rack.clone(),
                    };
                    writes.push(catalog_write(node_key(node.node_id), &row));
                    counters.next_node_id = counters.next_node_id.max(node.node_id + 1);
                }
                for (group_id, voters) in (0_u32..).zip(&founding.groups) {
                    let row = GroupRow {
                        group_id,
                        voters: voters.clone(),
                    };
                    writes.push(catalog_write(group_key(group_id), &row));
                }
                Ok(Change {
                    writes,
                    last_change: LastChange::All,
                    answer: Bytes::new(),
                })
            },
        )
        .await
        .map(|_| tracing::info!("wrote the first rows of the catalog"))
    }

    /// Proposes writes that no client asked for and that change no item of a living table.
    pub(super) async fn propose_own(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        partition: &PartitionRow,
        writes: Vec<EngineWrite>,
        appends: Vec<Append>,
    ) -> Result<(), Refusal> {
        let command = LogCommand {
            request_id: RequestId(self.request_id()),
            partition: PartitionId(partition.partition_id),
            epoch: partition.epoch,
            evaluation_term: leadership.term,
            hlc: local.handle.next_hlc(),
            previous_hlc: None,
            writes,
            appends,
            change: ChangeKind::None,
            cause: Cause::Client,
            origin_region: self.identity.founding.region.clone(),
            images: Images::default(),
            outcome: Bytes::new(),
        };
        local
            .handle
            .propose(command, Instant::now() + REQUEST_TIMEOUT)
            .await?;
        Ok(())
    }
}

impl Default for CountersRow {
    fn default() -> Self {
        Self {
            version: 0,
            last_change: LastChange::All,
            next_storage_id: 1,
            next_partition_id: 1,
            next_node_id: 1,
        }
    }
}

/// Background work is simply tried again later.
pub(super) fn again(_: RouteError) -> Refusal {
    Refusal::NotExecuted
}
