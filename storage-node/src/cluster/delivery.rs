//! Taking in changes of a global secondary index, as the leader of one of its partitions.
//!
//! A parcel holds the changes that one partition of the table has for one partition of the index, in
//! order. The index partition's group keeps a mark for each partition that feeds it, the position of
//! the last change it has taken, and raises it in the command that writes the entries. Whatever is at
//! or below the mark is skipped: a parcel may come again, or late from a leader that was deposed. One
//! parcel of a source is taken at a time (a latch), so that marks never run backwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::Cluster;
use super::catalog::rows::{PartitionRow, ReadersRow};
use super::catalog::table::route_to;
use super::group_state::{delivery_mark, delivery_mark_key, partition_opened, read_delivery_mark};
use super::guard::Known;
use super::message::{DataAnswer, DataRequest, Refusal, Route};
use super::outbox::EntryChange;
use super::route::{RouteError, Routed, deadline_in, refuse_storage};
use crate::engine::Keyspace;
use crate::replication::{
    Cause, ChangeKind, EngineWrite, GroupId, Images, LogCommand, PartitionId, RequestId,
};
use crate::table::change_log::ChangePosition;
use crate::table::keys::StorageId;

/// Changes from one partition of a table for one partition of a global index of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Parcel {
    /// The table's name.
    pub table: String,
    /// The partition of the index.
    pub route: Route,
    /// The partition of the table.
    pub source: u64,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
    /// The changes, in order.
    pub changes: Vec<ParcelChange>,
}

/// One change of an index's entries.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ParcelChange {
    /// Where it lies in the source's change log.
    pub position: ChangePosition,
    /// Key of the entry to remove, before the put.
    pub remove: Option<Bytes>,
    /// Key and stored item of the entry to put.
    pub put: Option<(Bytes, Bytes)>,
}

impl Parcel {
    /// An empty parcel from `source` to `partition` of the index.
    pub(super) fn new(table: &str, index: u64, partition: &PartitionRow, source: u64) -> Self {
        Self {
            table: table.to_owned(),
            route: route_to(StorageId(index), partition),
            source,
            deadline_millis: 0,
            changes: Vec::new(),
        }
    }

    /// Adds a change, which comes after those that are there.
    pub(super) fn add(&mut self, position: ChangePosition, (remove, put): EntryChange) {
        self.changes.push(ParcelChange {
            position,
            remove,
            put,
        });
    }

    /// What remains to be written by a group that has taken everything up to `mark`: the last word
    /// on each key, and the position of the last change. `None` if nothing remains.
    fn remaining(self, mark: Option<ChangePosition>) -> Option<(Vec<EngineWrite>, ChangePosition)> {
        let mut entries: BTreeMap<Bytes, Option<Bytes>> = BTreeMap::new();
        let mut last = None;
        for change in self.changes {
            if mark.is_some_and(|mark| change.position <= mark) {
                continue;
            }
            if let Some(key) = change.remove {
                entries.insert(key, None);
            }
            if let Some((key, value)) = change.put {
                entries.insert(key, Some(value));
            }
            last = Some(change.position);
        }
        let writes = entries
            .into_iter()
            .map(|(key, value)| EngineWrite {
                keyspace: Keyspace::Items,
                key,
                value,
            })
            .collect();
        Some((writes, last?))
    }
}

impl Cluster {
    /// Sends a parcel to the leader of its index partition; it has taken it when this returns.
    pub(super) async fn send_parcel(
        &self,
        parcel: &Parcel,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        self.route(parcel, deadline)
            .await
            .map_err(|error| match error {
                RouteError::Stale => Refusal::StaleRoute,
                RouteError::Api(_) => Refusal::NotExecuted,
            })
    }

    /// Takes a parcel in, as the leader of the group that holds the index partition.
    pub(super) async fn take_parcel(&self, parcel: Parcel) -> Result<(), Refusal> {
        let deadline = deadline_in(parcel.deadline_millis);
        let (_, partition) = self
            .resolve_route(&parcel.table, parcel.route, deadline)
            .await?;
        let local = self.local_group(GroupId(partition.group_id))?;
        let mark_key = delivery_mark_key(partition.partition_id, parcel.source);
        let latch = self
            .latches
            .lock(&mark_key, deadline)
            .await
            .ok_or(Refusal::NotExecuted)?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let known = self.check_partition(local, leadership, &partition)?;
        let mark = read_delivery_mark(&*self.engine, &mark_key)
            .map_err(|problem| refuse_storage(&problem))?;
        let (source, storage_id) = (parcel.source, parcel.route.storage_id);
        let Some((mut writes, last)) = parcel.remaining(mark) else {
            // What is applied here was committed, whoever leads by now.
            return Ok(());
        };
        writes.push(delivery_mark(partition.partition_id, source, last));
        let readers = Arc::new(ReadersRow::default());
        if known == Known::New {
            writes.push(partition_opened(
                &partition,
                storage_id,
                Vec::new(),
                &readers,
            ));
        }
        let command = LogCommand {
            request_id: RequestId(self.request_id()),
            partition: PartitionId(partition.partition_id),
            epoch: partition.epoch,
            evaluation_term: leadership.term,
            hlc: local.handle.next_hlc(),
            previous_hlc: None,
            writes,
            appends: Vec::new(),
            change: ChangeKind::None,
            cause: Cause::Client,
            origin_region: self.identity.founding.region.clone(),
            images: Images::default(),
            outcome: Bytes::new(),
        };
        local
            .handle
            .propose_holding(command, deadline, latch)
            .await?;
        local.guard.opened(
            leadership.term,
            partition.partition_id,
            partition.epoch,
            &readers,
        );
        Ok(())
    }
}

impl Routed for Parcel {
    type Output = ();

    fn group(&self) -> GroupId {
        GroupId(self.route.group_id)
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<(), Refusal> {
        let parcel = Self {
            deadline_millis: super::route::millis_until(deadline),
            ..self.clone()
        };
        cluster.take_parcel(parcel).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Deliver(Self {
            deadline_millis,
            ..self.clone()
        })
    }

    fn output(&self, answer: DataAnswer) -> Option<()> {
        matches!(answer, DataAnswer::Done).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(log_index: u64) -> ChangePosition {
        ChangePosition {
            epoch: 1,
            log_index,
            number: 0,
        }
    }

    /// Position, key to remove, entry to put.
    type Given = (
        u64,
        Option<&'static str>,
        Option<(&'static str, &'static str)>,
    );

    fn parcel(changes: &[Given]) -> Parcel {
        let route = Route {
            storage_id: 9,
            partition_id: 1,
            group_id: 1,
            epoch: 1,
        };
        Parcel {
            table: "t".to_owned(),
            route,
            source: 2,
            deadline_millis: 0,
            changes: changes
                .iter()
                .map(|(log_index, remove, put)| ParcelChange {
                    position: at(*log_index),
                    remove: remove.map(Bytes::from),
                    put: put.map(|(key, value)| (key.into(), value.into())),
                })
                .collect(),
        }
    }

    #[test]
    fn what_was_taken_before_is_skipped_and_the_last_word_on_a_key_wins() {
        let parcel = parcel(&[
            (1, None, Some(("a", "1"))),
            (2, Some("a"), Some(("b", "2"))),
            (3, Some("b"), Some(("a", "3"))),
        ]);
        let written = |mark: Option<u64>| {
            let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
            let (writes, last) = parcel.clone().remaining(mark.map(at))?;
            let writes: Vec<(String, Option<String>)> = writes
                .iter()
                .map(|write| (text(&write.key), write.value.as_ref().map(text)))
                .collect();
            Some((writes, last.log_index))
        };
        let all = vec![
            ("a".to_owned(), Some("3".to_owned())),
            ("b".to_owned(), None),
        ];
        assert_eq!(written(None), Some((all.clone(), 3)));
        assert_eq!(written(Some(2)), Some((all, 3)));
        assert_eq!(written(Some(3)), None);
    }
}
