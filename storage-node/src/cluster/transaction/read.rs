//! Reading several items as they were at one moment, without writing anything.
//!
//! Items of one group are read from one view of its leader's engine, which is a moment. Items of
//! several groups are looked at twice: what was neither locked nor changed from the first look to
//! the second was so at every moment in between, and all of it at the moment after the first look
//! ended and before the second began. A transaction that has happened in one group and not yet in
//! another is seen by the lock that it has there. Whatever was locked or changed is a conflict, which
//! the caller learns at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::try_join_all;
use stator_model::capacity::read_units;
use stator_model::error::{ApiError, CancellationReason, Usage};
use stator_model::key::PrimaryKey;
use tokio::time::Instant;

use super::super::group_state::deletion_mark_of;
use super::super::guard::Known;
use super::super::message::Refusal;
use super::super::route::{RouteError, refuse_storage};
use super::super::{Cluster, Table};
use super::message::{ReadVersionsMessage, Version};
use super::rows::lock_key;
use crate::engine::{EngineSnapshot, Keyspace};
use crate::replication::GroupId;
use crate::table::StoredItem;
use crate::table::keys::item_key;

/// The reads of one group with their places in the client's order.
struct GroupReads {
    message: ReadVersionsMessage,
    places: Vec<usize>,
}

impl Cluster {
    /// Reads items of any tables as they were at one moment; one entry a key, in their order.
    ///
    /// # Errors
    /// TransactionCanceledException with a conflict for each item that is being written; a 500 at
    /// the deadline.
    pub async fn transact_get(
        &self,
        keys: &[(Arc<Table>, PrimaryKey)],
        deadline: Instant,
    ) -> Result<Vec<Option<StoredItem>>, ApiError> {
        let mut keys = keys.to_vec();
        loop {
            match Box::pin(self.transact_get_of(&keys, deadline)).await {
                Ok(items) => return Ok(items),
                Err(RouteError::Api(error)) => return Err(error),
                Err(RouteError::Stale) => {
                    let mut renewed: BTreeMap<u64, Arc<Table>> = BTreeMap::new();
                    for (table, _) in &mut keys {
                        *table = self.renewed_once(&mut renewed, table, deadline).await?;
                    }
                }
            }
        }
    }

    async fn transact_get_of(
        &self,
        keys: &[(Arc<Table>, PrimaryKey)],
        deadline: Instant,
    ) -> Result<Vec<Option<StoredItem>>, RouteError> {
        let mut groups = by_group(keys).map_err(RouteError::Api)?;
        self.admit_reads(keys).map_err(RouteError::Api)?;
        let first = self.look(&groups, keys.len(), deadline).await?;
        let mut conflicts: Vec<bool> = first.iter().map(|version| version.is_locked).collect();
        // A known conflict needs no second look.
        if groups.len() > 1 && !conflicts.contains(&true) {
            for group in &mut groups {
                group.message.with_items = false;
            }
            let second = self.look(&groups, keys.len(), deadline).await?;
            for (conflict, (before, after)) in conflicts.iter_mut().zip(first.iter().zip(&second)) {
                *conflict = differ(before, after);
            }
        }
        if conflicts.contains(&true) {
            for ((table, _), _) in keys
                .iter()
                .zip(&conflicts)
                .filter(|(_, conflict)| **conflict)
            {
                self.metrics.conflicted(&table.row.name);
            }
            let reasons = conflicts.into_iter().map(|conflict| match conflict {
                true => CancellationReason::conflict(),
                false => CancellationReason::none(),
            });
            let error = ApiError::transaction_canceled(reasons.collect());
            return Err(RouteError::Api(error));
        }
        let items = first
            .into_iter()
            .map(|version| version.item.map(StoredItem::open).transpose())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|problem| RouteError::Api(super::super::read::unreadable(&problem)))?;
        for ((table, key), item) in keys.iter().zip(&items) {
            let size = item.as_ref().map_or(0, |stored| stored.size_bytes);
            if let Some(partition) = table.partition_of(key.partition_hash()) {
                let units = 2.0 * read_units(size, true);
                self.charge(table, Usage::Read, partition.partition_id, units);
            }
        }
        Ok(items)
    }

    /// Whether every table has capacity for its reads.
    fn admit_reads(&self, keys: &[(Arc<Table>, PrimaryKey)]) -> Result<(), ApiError> {
        let mut is_throttled = false;
        let mut reasons = Vec::with_capacity(keys.len());
        for (table, key) in keys {
            let admitted = table
                .partition_of(key.partition_hash())
                .map_or(Ok(()), |partition| {
                    self.admit(table, Usage::Read, partition.partition_id)
                });
            is_throttled |= admitted.is_err();
            reasons.push(
                admitted
                    .err()
                    .map_or_else(CancellationReason::none, CancellationReason::of),
            );
        }
        if is_throttled {
            return Err(ApiError::transaction_canceled(reasons));
        }
        Ok(())
    }

    async fn look(
        &self,
        groups: &[GroupReads],
        count: usize,
        deadline: Instant,
    ) -> Result<Vec<Version>, RouteError> {
        let asked = groups
            .iter()
            .map(|group| self.route(&group.message, deadline));
        let answers = try_join_all(asked).await?;
        let mut versions = vec![Version::default(); count];
        for (group, answer) in groups.iter().zip(answers) {
            for (place, version) in group.places.iter().zip(answer) {
                if let Some(slot) = versions.get_mut(*place) {
                    *slot = version;
                }
            }
        }
        Ok(versions)
    }

    /// Reads items with their versions, as the leader of their group.
    pub(super) async fn versions_as_leader(
        &self,
        message: &ReadVersionsMessage,
        deadline: Instant,
    ) -> Result<Vec<Version>, Refusal> {
        let group = GroupId(message.group);
        let local = self.local_group(group)?;
        local.handle.read_index(deadline).await?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        for (partition, _) in &message.keys {
            let known = local
                .guard
                .known(&*self.engine, group, leadership.term, *partition)
                .map_err(|problem| refuse_storage(&problem))?;
            if known == Known::Retired {
                return Err(Refusal::StaleRoute);
            }
        }
        let state = self.engine.snapshot();
        message
            .keys
            .iter()
            .map(|(partition, key)| version(&*state, *partition, key, message.with_items))
            .collect()
    }
}

fn version(
    state: &dyn EngineSnapshot,
    partition_id: u64,
    key: &Bytes,
    with_item: bool,
) -> Result<Version, Refusal> {
    let read = |keyspace, key: &[u8]| {
        state
            .get(keyspace, key)
            .map_err(|problem| refuse_storage(&problem))
    };
    let is_locked = read(Keyspace::System, &lock_key(partition_id, key))?.is_some();
    let stored = read(Keyspace::Items, key)?
        .map(StoredItem::open)
        .transpose()
        .map_err(|problem| refuse_storage(&problem))?;
    let hlc = match &stored {
        Some(stored) => stored.hlc,
        None => deletion_mark_of(state, partition_id, key)
            .map_err(|problem| refuse_storage(&problem))?,
    };
    Ok(Version {
        exists: stored.is_some(),
        item: stored
            .filter(|_| with_item)
            .map(|stored| stored.as_bytes().clone()),
        hlc: hlc.0,
        is_locked,
    })
}

/// Whether an item was, or may have been, changed between two looks.
fn differ(before: &Version, after: &Version) -> bool {
    before.is_locked || after.is_locked || before.exists != after.exists || before.hlc != after.hlc
}

fn by_group(keys: &[(Arc<Table>, PrimaryKey)]) -> Result<Vec<GroupReads>, ApiError> {
    let mut groups: BTreeMap<u32, GroupReads> = BTreeMap::new();
    for (place, (table, key)) in keys.iter().enumerate() {
        let partition = table
            .partition_of(key.partition_hash())
            .ok_or_else(|| ApiError::internal("the table has no partition for the key"))?;
        let reads = groups
            .entry(partition.group_id)
            .or_insert_with(|| GroupReads {
                message: ReadVersionsMessage {
                    group: partition.group_id,
                    keys: Vec::new(),
                    with_items: true,
                    deadline_millis: 0,
                },
                places: Vec::new(),
            });
        let engine_key = Bytes::from(item_key(table.storage_id(), key));
        reads
            .message
            .keys
            .push((partition.partition_id, engine_key));
        reads.places.push(place);
    }
    Ok(groups.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_the_same_only_if_nothing_touched_it() {
        let version = |exists, hlc, is_locked| Version {
            item: None,
            exists,
            hlc,
            is_locked,
        };
        let before = version(true, 5, false);
        assert!(!differ(&before, &version(true, 5, false)));
        assert!(differ(&before, &version(true, 6, false)));
        assert!(differ(&before, &version(false, 5, false)));
        assert!(differ(&before, &version(true, 5, true)));
        let absent = version(false, 5, false);
        assert!(
            differ(&absent, &version(false, 6, false)),
            "made and removed"
        );
    }
}
