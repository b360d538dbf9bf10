//! Reading items by key.
//!
//! Eventually consistent: whatever this node's replica holds, or any replica's when there is none
//! here. Strongly consistent: the leader confirms its leadership after the request arrived, once for
//! all keys of a group, then reads its own store.

use std::sync::Arc;

use bytes::Bytes;
use stator_model::capacity::read_units;
use stator_model::error::{ApiError, Usage};
use stator_model::key::PrimaryKey;
use tokio::time::Instant;

use super::catalog::rows::PartitionRow;
use super::guard::Known;
use super::message::{DataAnswer, DataRequest, ReadMessage, Refusal};
use super::route::{RouteError, Routed, deadline_in, refuse_storage};
use super::{Cluster, Table};
use crate::engine::Keyspace;
use crate::replication::GroupId;
use crate::table::StoredItem;
use crate::table::keys::item_key;

/// Reads of one group.
struct RoutedRead {
    group: GroupId,
    consistent: bool,
    keys: Vec<(u64, Bytes)>,
}

impl Cluster {
    /// Reads one item.
    ///
    /// # Errors
    /// A throttling error, a 500 at the deadline, or when the stored item cannot be read.
    pub async fn get(
        &self,
        table: &Arc<Table>,
        key: &PrimaryKey,
        consistent: bool,
        deadline: Instant,
    ) -> Result<Option<StoredItem>, ApiError> {
        let partition = partition_for(table, key)?.partition_id;
        self.admit(table, Usage::Read, partition)?;
        let item = self.get_admitted(table, key, consistent, deadline).await?;
        self.charge_read(table, partition, item.as_ref(), consistent);
        Ok(item)
    }

    fn charge_read(
        &self,
        table: &Table,
        partition: u64,
        item: Option<&StoredItem>,
        consistent: bool,
    ) {
        let size = item.map_or(0, |item| item.size_bytes);
        let units = read_units(size, consistent);
        self.charge(table, Usage::Read, partition, units);
    }

    async fn get_admitted(
        &self,
        table: &Arc<Table>,
        key: &PrimaryKey,
        consistent: bool,
        deadline: Instant,
    ) -> Result<Option<StoredItem>, ApiError> {
        let mut table = Arc::clone(table);
        loop {
            let partition = partition_for(&table, key)?;
            let engine_key = item_key(table.storage_id(), key);
            if !consistent && self.is_readable(GroupId(partition.group_id)) {
                let bytes = self.engine.get(Keyspace::Items, &engine_key);
                return open(bytes.map_err(|problem| unreadable(&problem))?);
            }
            let routed = RoutedRead {
                group: GroupId(partition.group_id),
                consistent,
                keys: vec![(partition.partition_id, engine_key.into())],
            };
            match self.route(&routed, deadline).await {
                Ok(items) => return open(items.into_iter().next().flatten()),
                Err(RouteError::Api(error)) => return Err(error),
                Err(RouteError::Stale) => table = self.renewed(&table, deadline).await?,
            }
        }
    }

    /// Whether this node has a replica of `group` that may be read: not while it takes in a snapshot.
    fn is_readable(&self, group: GroupId) -> bool {
        self.groups
            .get(&group)
            .is_some_and(|local| local.handle.is_readable())
    }

    /// Reads many items of one table; the answer has one entry a key, in the order of `keys`.
    ///
    /// # Errors
    /// As [`Cluster::get`].
    pub async fn get_many(
        &self,
        table: &Arc<Table>,
        keys: &[PrimaryKey],
        consistent: bool,
        deadline: Instant,
    ) -> Result<Vec<Option<StoredItem>>, ApiError> {
        if let Some(first) = keys.first() {
            let partition = partition_for(table, first)?.partition_id;
            self.admit(table, Usage::Read, partition)?;
        }
        let mut newest = Arc::clone(table);
        let items = loop {
            match self.get_many_of(&newest, keys, consistent, deadline).await {
                Ok(items) => break items,
                Err(RouteError::Api(error)) => return Err(error),
                Err(RouteError::Stale) => newest = self.renewed(&newest, deadline).await?,
            }
        };
        for (key, item) in keys.iter().zip(&items) {
            let partition = partition_for(table, key)?.partition_id;
            self.charge_read(table, partition, item.as_ref(), consistent);
        }
        Ok(items)
    }

    async fn get_many_of(
        &self,
        table: &Table,
        keys: &[PrimaryKey],
        consistent: bool,
        deadline: Instant,
    ) -> Result<Vec<Option<StoredItem>>, RouteError> {
        let mut groups: Vec<(RoutedRead, Vec<usize>)> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let partition = partition_for(table, key).map_err(RouteError::Api)?;
            let group = GroupId(partition.group_id);
            let key = (
                partition.partition_id,
                item_key(table.storage_id(), key).into(),
            );
            match groups.iter_mut().find(|(read, _)| read.group == group) {
                Some((read, places)) => {
                    read.keys.push(key);
                    places.push(at);
                }
                None => {
                    groups.push((
                        RoutedRead {
                            group,
                            consistent,
                            keys: vec![key],
                        },
                        vec![at],
                    ));
                }
            }
        }
        let reads = groups.iter().map(|(read, _)| self.route(read, deadline));
        let answers = futures::future::try_join_all(reads).await?;
        let mut items = vec![None; keys.len()];
        for ((_, places), answer) in groups.iter().zip(answers) {
            for (place, bytes) in places.iter().zip(answer) {
                if let Some(slot) = items.get_mut(*place) {
                    *slot = open(bytes).map_err(RouteError::Api)?;
                }
            }
        }
        Ok(items)
    }

    async fn read_here(
        &self,
        group: GroupId,
        consistent: bool,
        keys: &[(u64, Bytes)],
        deadline: Instant,
    ) -> Result<Vec<Option<Bytes>>, Refusal> {
        let local = self.local_group(group)?;
        if consistent {
            local.handle.read_index(deadline).await?;
            let leadership = local
                .handle
                .leadership()
                .ok_or_else(|| local.not_leader())?;
            for (partition, _) in keys {
                let known = local
                    .guard
                    .known(&*self.engine, group, leadership.term, *partition)
                    .map_err(|problem| refuse_storage(&problem))?;
                if known == Known::Retired {
                    return Err(Refusal::StaleRoute);
                }
            }
        }
        keys.iter()
            .map(|(_, key)| self.engine.get(Keyspace::Items, key))
            .collect::<Result<_, _>>()
            .map_err(|problem| refuse_storage(&problem))
    }

    /// Reads that another node's router sent here.
    pub(super) async fn read_for_router(
        &self,
        message: ReadMessage,
    ) -> Result<Vec<Option<Bytes>>, Refusal> {
        let deadline = deadline_in(message.deadline_millis);
        let group = GroupId(message.group_id);
        self.read_here(group, message.consistent, &message.keys, deadline)
            .await
    }
}

impl Routed for RoutedRead {
    type Output = Vec<Option<Bytes>>;

    fn group(&self) -> GroupId {
        self.group
    }

    fn any_replica(&self) -> bool {
        !self.consistent
    }

    async fn local(
        &self,
        cluster: &Cluster,
        deadline: Instant,
    ) -> Result<Vec<Option<Bytes>>, Refusal> {
        cluster
            .read_here(self.group, self.consistent, &self.keys, deadline)
            .await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Read(ReadMessage {
            group_id: self.group.0,
            consistent: self.consistent,
            deadline_millis,
            keys: self.keys.clone(),
        })
    }

    fn output(&self, answer: DataAnswer) -> Option<Vec<Option<Bytes>>> {
        match answer {
            DataAnswer::Items(items) if items.len() == self.keys.len() => Some(items),
            _ => None,
        }
    }
}

fn partition_for<'a>(table: &'a Table, key: &PrimaryKey) -> Result<&'a PartitionRow, ApiError> {
    table
        .partition_of(key.partition_hash())
        .ok_or_else(|| ApiError::internal("the table has no partition for the key"))
}

fn open(bytes: Option<Bytes>) -> Result<Option<StoredItem>, ApiError> {
    bytes
        .map(StoredItem::open)
        .transpose()
        .map_err(|problem| unreadable(&problem))
}

/// Logs why a stored item cannot be read; the caller sees an internal error.
pub(super) fn unreadable(problem: &dyn std::error::Error) -> ApiError {
    tracing::error!(%problem, "a stored item cannot be read");
    ApiError::internal("a stored item cannot be read")
}
