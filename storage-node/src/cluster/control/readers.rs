//! Telling partitions what their changes owe to indexes and streams.
//!
//! A catalog change that adds or removes a reader (a global index, a stream) is not in force when it
//! is logged: leaders of data groups follow the catalog at their own pace, and one that has not heard
//! of an index would acknowledge writes that the index never sees. So the leader of the meta group
//! tells each partition, and the partition keeps its readers in its own replicated state
//! (`ReadersRow`), where every later leader of its group finds them. On the leader, in this order:
//!
//! 1. its catalog holds the readers' version (it waits for that), so that a partition which is opened
//!    by its first write from now on is opened for them;
//! 2. where a stream begins, its first mark is logged (`streams/mark.rs`);
//! 3. the guard has them for every open partition, so that every write evaluated from now on owes
//!    them;
//! 4. every latch was free once, so that every write evaluated before is settled and applied; if
//!    such a write opened a partition for older readers, 3 and 4 are done again;
//! 5. the new row of each partition is logged, with the last mark of a stream that ends. No row for older readers can follow it.
//!
//! When all partitions have answered, every change that is not yet applied owes the readers: what a
//! backfill then reads under an item's latch is complete.

use std::collections::BTreeMap;
use std::sync::Arc;

use stator_model::error::ApiError;
use tokio::time::Instant;

use super::super::catalog::rows::{
    IndexStatusRow, LastChange, PartitionRow, TableRow, TableStatusRow, table_key,
};
use super::super::item_change::LedPartition;
use super::super::message::{DataAnswer, DataRequest, Refusal, SetReadersMessage};
use super::super::route::{RouteError, Routed, refuse_storage};
use super::super::{Cluster, REQUEST_TIMEOUT, Table};
use super::{Change, catalog_write};
use crate::replication::{GroupId, RequestId};

impl Cluster {
    /// Tells every partition of `table` its readers, then marks them as settled in the catalog.
    ///
    /// # Errors
    /// Whatever kept a group from answering; it is done again later.
    pub(in super::super) async fn settle_readers(&self, table: &Table) -> Result<(), Refusal> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut by_group: BTreeMap<u32, Vec<PartitionRow>> = BTreeMap::new();
        for partition in &table.row.partitions {
            by_group
                .entry(partition.group_id)
                .or_default()
                .push(partition.clone());
        }
        for partitions in by_group.into_values() {
            let message = SetReadersMessage {
                table: table.row.name.clone(),
                partitions,
                readers: table.row.readers(),
                deadline_millis: 0,
            };
            self.route(&message, deadline)
                .await
                .map_err(|_: RouteError| Refusal::NotExecuted)?;
        }
        let (name, storage_id) = (table.row.name.clone(), table.row.storage_id);
        let version = table.row.readers_version;
        self.change_catalog(RequestId(self.request_id()), deadline, move |state, _| {
            let held = state.tables.get(name.as_str()).filter(|table| {
                table.row.storage_id == storage_id && table.row.readers_version == version
            });
            Ok(held.map_or_else(Change::default, |table| settled(&table.row)))
        })
        .await?;
        Ok(())
    }

    /// Gives partitions other readers, as the leader of their group. See the module head.
    pub(in super::super) async fn set_readers_as_leader(
        &self,
        message: &SetReadersMessage,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let Some(first) = message.partitions.first() else {
            return Ok(());
        };
        let group = GroupId(first.group_id);
        let local = self.local_group(group)?;
        let table = self.table_with_readers(message, deadline).await?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let readers = Arc::new(message.readers.clone());
        let marks = self.marks_before(&message.partitions, &readers)?;
        if !marks.is_empty() {
            self.propose_own(local, leadership, first, Vec::new(), marks)
                .await?;
        }
        // A write that was evaluated before may be the first of its partition and open it for older
        // readers; the second round finds that. A later first write opens it for these, because the
        // catalog of this node has them.
        loop {
            let mut changed = false;
            for partition in &message.partitions {
                let id = partition.partition_id;
                changed |= local
                    .guard
                    .set_readers(&*self.engine, group, leadership.term, id, &readers)
                    .map_err(|problem| refuse_storage(&problem))?;
            }
            if !self.latches.all_were_free(deadline).await {
                return Err(Refusal::NotExecuted);
            }
            if !changed {
                break;
            }
        }
        let mut opened = Vec::new();
        for partition in &message.partitions {
            let known = self.check_partition(local, leadership, partition)?;
            let led = self.led_partition(&table, partition, known)?;
            opened.push(led);
        }
        let writes = opened.iter().map(LedPartition::opened).collect();
        let marks = self.marks_after(&message.partitions, &readers)?;
        self.propose_own(local, leadership, first, writes, marks)
            .await?;
        for led in &opened {
            let (id, epoch) = (led.partition.partition_id, led.partition.epoch);
            local.guard.opened(leadership.term, id, epoch, &led.readers);
        }
        Ok(())
    }

    /// The table, by a catalog that holds the readers.
    async fn table_with_readers(
        &self,
        message: &SetReadersMessage,
        deadline: Instant,
    ) -> Result<Arc<Table>, Refusal> {
        let find = || {
            self.catalog
                .table(&message.table)
                .filter(|table| table.row.readers_version >= message.readers.catalog_version)
        };
        if let Some(table) = find() {
            return Ok(table);
        }
        self.barrier(deadline)
            .await
            .map_err(|_: ApiError| Refusal::NotExecuted)?;
        find().ok_or(Refusal::StaleRoute)
    }
}

/// The change of the catalog once all partitions know their readers.
fn settled(row: &TableRow) -> Change {
    let mut row = row.clone();
    row.readers_settled = true;
    if matches!(
        row.status,
        TableStatusRow::Creating | TableStatusRow::Updating
    ) {
        row.status = TableStatusRow::Active;
    }
    for index in &mut row.global_indexes {
        if index.status == IndexStatusRow::Creating {
            index.status = IndexStatusRow::Active;
        }
    }
    Change {
        last_change: LastChange::Table(row.name.clone()),
        writes: vec![catalog_write(table_key(&row.name), &row)],
        ..Change::default()
    }
}

impl Routed for SetReadersMessage {
    type Output = ();

    fn group(&self) -> GroupId {
        let first = self.partitions.first();
        GroupId(first.map_or(0, |partition| partition.group_id))
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<(), Refusal> {
        cluster.set_readers_as_leader(self, deadline).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::SetReaders(Self {
            deadline_millis,
            ..self.clone()
        })
    }

    fn output(&self, answer: DataAnswer) -> Option<()> {
        matches!(answer, DataAnswer::Done).then_some(())
    }
}
