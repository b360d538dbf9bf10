//! Filling a global index that was asked for on an existing table, and removing one.
//!
//! When every partition of the table owes its changes to a new index (`control/readers.rs`), what was
//! there before is carried over: the leader of the meta group asks the leader of each partition for
//! one bounded step after the other, until all say that they are done; then the index is active.
//!
//! A step goes on after a cursor in the partition's replicated state. It latches the next items, reads
//! them, and appends a record of each to the outbox, in the command that moves the cursor: from there
//! they are delivered like any change, in order with the changes that come before and after, so an
//! older item never replaces a newer entry. Whoever leads next goes on at the cursor. Items whose
//! attributes the index cannot hold are skipped.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::catalog::rows::{
    GlobalIndexRow, IndexStatusRow, LastChange, PartitionRow, Row, TableRow, TableStatusRow,
    table_key,
};
use super::control::{Change, catalog_write};
use super::group_state::backfill_key;
use super::latch::{Latch, latch_of};
use super::message::{DataAnswer, DataRequest, Refusal, Route};
use super::removal::dropped_index;
use super::route::{RouteError, Routed, deadline_in, millis_until, refuse_storage};
use super::{Cluster, LocalGroup, REQUEST_TIMEOUT, Table};
use crate::engine::{Direction, EngineError, Keyspace};
use crate::replication::{
    Cause, ChangeKind, EngineWrite, GroupId, Images, Leadership, LogCommand, PartitionId, RequestId,
};
use crate::table::change_log::{outbox_prefix, position_of};
use crate::table::keys::{StorageId, after_prefix, hash_range};
use crate::table::{IndexDefinition, StoredItem, changes};

/// Items and bytes of one step: small enough that no writer waits long for a latch.
const STEP_ITEMS_MAX: usize = 128;
const STEP_SIZE_BYTES_MAX: usize = 1 << 20;
/// A step waits while so many records are still to be delivered: clients' changes queue behind them.
const WAITING_MAX: u64 = 2_000;
/// How often unfinished work on indexes is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A pause after a step that could do nothing.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the steps of one index may go on before the catalog is looked at again: the index may be
/// being deleted.
const SLICE: Duration = Duration::from_secs(2);

/// Asks for one step of a backfill.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackfillMessage {
    /// The table's name.
    pub table: String,
    /// The partition of the table.
    pub route: Route,
    /// Storage id of the index.
    pub index: u64,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
}

/// What a step came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackfillProgress {
    /// Everything that was there is in the index.
    pub done: bool,
    /// Items that this step went past.
    pub items: u32,
}

/// How far the backfill of one index has come in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum BackfillRow {
    /// Items up to this key have been carried to the outbox.
    Running {
        /// Engine key of an item.
        after: Bytes,
    },
    /// All have; the records lie at or below this log index of the partition's group.
    Carried {
        /// The partition's epoch.
        epoch: u64,
        /// Log index.
        log_index: u64,
    },
}

impl Row for BackfillRow {
    const KIND: &'static str = "backfill";
}

impl Cluster {
    /// On the leader of the meta group: fills new indexes and removes deleted ones.
    pub(super) async fn tend_indexes(&self) {
        let token = self.tasks.token();
        let mut versions = self.catalog.versions();
        loop {
            let leads = self
                .groups
                .get(&GroupId::META)
                .is_some_and(|meta| meta.handle.leadership().is_some());
            let mut unfinished = false;
            if leads {
                tokio::select! {
                    biased;
                    () = token.cancelled() => return,
                    left = self.tend_indexes_once() => unfinished = left,
                }
            }
            let pause = if unfinished { PAUSE } else { LOOK_EVERY };
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                changed = versions.changed() => if changed.is_err() { return },
                () = sleep(pause) => {}
            }
        }
    }

    /// One round over all indexes that are not settled, side by side; says whether any is left.
    async fn tend_indexes_once(&self) -> bool {
        let state = self.catalog.current();
        let mut work = Vec::new();
        for table in state.tables.values() {
            let settled = table.row.readers_settled && table.row.status != TableStatusRow::Deleting;
            for index in table.row.global_indexes.iter().filter(|_| settled) {
                if matches!(
                    index.status,
                    IndexStatusRow::Backfilling | IndexStatusRow::Deleting
                ) {
                    work.push((table, index));
                }
            }
        }
        let rounds = work.iter().map(|(table, index)| async move {
            let ended = match index.status {
                IndexStatusRow::Deleting => self.remove_index(&table.row, index).await,
                _ => self.fill_index(table, index).await,
            };
            if let Err(refusal) = ended {
                tracing::debug!(index = index.name, ?refusal, "work on an index is repeated");
            }
        });
        futures::future::join_all(rounds).await;
        !work.is_empty()
    }

    /// Steps of every partition for a while; makes the index active when all are done.
    async fn fill_index(&self, table: &Table, index: &GlobalIndexRow) -> Result<(), Refusal> {
        let until = Instant::now() + SLICE;
        let steps = table.row.partitions.iter().map(|partition| async move {
            loop {
                let message = BackfillMessage {
                    table: table.row.name.clone(),
                    route: table.route(partition),
                    index: index.storage_id,
                    deadline_millis: 0,
                };
                let deadline = Instant::now() + REQUEST_TIMEOUT;
                let progress = self
                    .route(&message, deadline)
                    .await
                    .map_err(|_: RouteError| Refusal::NotExecuted)?;
                if progress.done || Instant::now() >= until {
                    return Ok(progress.done);
                }
                if progress.items == 0 {
                    sleep(PAUSE).await;
                }
            }
        });
        let done: Result<Vec<bool>, Refusal> = futures::future::try_join_all(steps).await;
        if done?.contains(&false) {
            return Ok(());
        }
        self.activate_index(&table.row, index).await?;
        tracing::info!(
            table = table.row.name,
            index = index.name,
            "a new index is filled and active"
        );
        Ok(())
    }

    /// Closes the partitions of a deleted index, takes it from its table, and has its entries removed.
    async fn remove_index(&self, table: &TableRow, index: &GlobalIndexRow) -> Result<(), Refusal> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        self.retire(index.partitions.iter(), deadline).await?;
        let (name, storage_id) = (table.name.clone(), table.storage_id);
        let index_id = index.storage_id;
        self.change_catalog(RequestId(self.request_id()), deadline, move |state, _| {
            let held = state.tables.get(name.as_str());
            let held = held.filter(|table| table.row.storage_id == storage_id);
            let Some(table) = held else {
                return Ok(Change::default());
            };
            let mut row = table.row.clone();
            let Some(at) = row.global_indexes.iter().position(|index| {
                index.storage_id == index_id && index.status == IndexStatusRow::Deleting
            }) else {
                return Ok(Change::default());
            };
            let index = row.global_indexes.remove(at);
            Ok(Change {
                writes: vec![
                    catalog_write(table_key(&row.name), &row),
                    dropped_index(&row.name, &index),
                ],
                last_change: LastChange::Table(row.name.clone()),
                answer: Bytes::new(),
            })
        })
        .await?;
        tracing::info!(
            table = table.name,
            index = index.name,
            "index deleted, its data is being removed"
        );
        Ok(())
    }

    /// Says in the catalog that an index is filled.
    async fn activate_index(
        &self,
        table: &TableRow,
        index: &GlobalIndexRow,
    ) -> Result<(), Refusal> {
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let (name, storage_id) = (table.name.clone(), table.storage_id);
        let index_id = index.storage_id;
        self.change_catalog(RequestId(self.request_id()), deadline, move |state, _| {
            let held = state.tables.get(name.as_str());
            let held = held.filter(|table| table.row.storage_id == storage_id);
            let Some(table) = held else {
                return Ok(Change::default());
            };
            let mut row = table.row.clone();
            let index = row.global_indexes.iter_mut().find(|index| {
                index.storage_id == index_id && index.status == IndexStatusRow::Backfilling
            });
            let Some(index) = index else {
                return Ok(Change::default());
            };
            index.status = IndexStatusRow::Active;
            Ok(Change {
                writes: vec![catalog_write(table_key(&row.name), &row)],
                last_change: LastChange::Table(row.name.clone()),
                answer: Bytes::new(),
            })
        })
        .await?;
        Ok(())
    }

    /// One step, as the leader of the partition's group.
    pub(super) async fn backfill_as_leader(
        &self,
        message: &BackfillMessage,
    ) -> Result<BackfillProgress, Refusal> {
        let deadline = deadline_in(message.deadline_millis);
        let (table, partition) = self
            .resolve_route(&message.table, message.route, deadline)
            .await?;
        let table = self
            .table_with_index(table, message.index, deadline)
            .await?;
        let index = table
            .global_indexes
            .iter()
            .find(|index| index.storage_id.0 == message.index)
            .ok_or(Refusal::StaleRoute)?;
        let local = self.local_group(GroupId(partition.group_id))?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        self.check_partition(local, leadership, &partition)?;
        let step = Step {
            cluster: self,
            local,
            leadership,
            partition: &partition,
            table: &table,
            index,
        };
        match step.row()? {
            Some(BackfillRow::Carried { epoch, log_index }) => Ok(BackfillProgress {
                done: step.delivered((epoch, log_index))?,
                items: 0,
            }),
            _ if local.outbox.waiting(partition.partition_id) > WAITING_MAX => {
                Ok(BackfillProgress {
                    done: false,
                    items: 0,
                })
            }
            row => step.carry(row, deadline).await,
        }
    }

    /// The table by a catalog that has the index.
    async fn table_with_index(
        &self,
        table: Arc<Table>,
        index: u64,
        deadline: Instant,
    ) -> Result<Arc<Table>, Refusal> {
        if table.global_index_row(StorageId(index)).is_some() {
            return Ok(table);
        }
        self.barrier(deadline)
            .await
            .map_err(|_| Refusal::NotExecuted)?;
        self.catalog
            .table(&table.row.name)
            .filter(|newer| newer.row.storage_id == table.row.storage_id)
            .ok_or(Refusal::StaleRoute)
    }
}

/// One step of a backfill in one partition.
struct Step<'a> {
    cluster: &'a Cluster,
    local: &'a LocalGroup,
    leadership: Leadership,
    partition: &'a PartitionRow,
    table: &'a Table,
    index: &'a IndexDefinition,
}

impl Step<'_> {
    fn key(&self) -> Bytes {
        backfill_key(self.partition.partition_id, self.index.storage_id.0)
    }

    fn row(&self) -> Result<Option<BackfillRow>, Refusal> {
        self.cluster
            .engine
            .get(Keyspace::System, &self.key())
            .map_err(|problem| refuse_storage(&problem))?
            .map(|bytes| BackfillRow::decode(&bytes))
            .transpose()
            .map_err(|problem| refuse_storage(&problem))
    }

    /// Whether every record at or below a log index has been delivered.
    fn delivered(&self, through: (u64, u64)) -> Result<bool, Refusal> {
        let prefix = outbox_prefix(self.partition.partition_id);
        let end = after_prefix(prefix.clone());
        let first = self
            .cluster
            .engine
            .scan(
                Keyspace::Changes,
                Bound::Included(&prefix),
                Bound::Excluded(&end),
                Direction::Forward,
            )
            .next()
            .transpose()
            .map_err(|problem| refuse_storage(&problem))?;
        let position = first.and_then(|(key, _)| position_of(&key));
        Ok(position.is_none_or(|first| (first.epoch, first.log_index) > through))
    }

    /// Carries the next items to the outbox.
    async fn carry(
        &self,
        row: Option<BackfillRow>,
        deadline: Instant,
    ) -> Result<BackfillProgress, Refusal> {
        let after = match row.clone() {
            Some(BackfillRow::Running { after }) => Some(after),
            _ => None,
        };
        let keys = self
            .next_keys(after.as_deref())
            .map_err(|problem| refuse_storage(&problem))?;
        let Some((keys, latches)) = self.latch(keys, deadline).await? else {
            return Ok(BackfillProgress {
                done: false,
                items: 0,
            });
        };
        // Only now is nobody else carrying: another leader of the meta group may have asked too.
        if self.row()? != row {
            return Err(Refusal::NotExecuted);
        }
        let mut appends = Vec::new();
        for key in &keys {
            let stored = self
                .cluster
                .engine
                .get(Keyspace::Items, key)
                .map_err(|problem| refuse_storage(&problem))?;
            // Deleted since the look: its outbox record, if any, comes before.
            let Some(stored) = stored else { continue };
            let stored = StoredItem::open(stored).map_err(|problem| refuse_storage(&problem))?;
            let item = stored.item().map_err(|problem| refuse_storage(&problem))?;
            let (id, epoch) = (self.partition.partition_id, self.partition.epoch);
            appends.extend(changes::backfill(id, epoch, self.index, &item, stored.hlc));
        }
        let next = match keys.last() {
            Some(last) => BackfillRow::Running {
                after: last.clone(),
            },
            None => BackfillRow::Carried {
                epoch: self.partition.epoch,
                log_index: *self.local.handle.applied().borrow(),
            },
        };
        let command = LogCommand {
            request_id: RequestId(self.cluster.request_id()),
            partition: PartitionId(self.partition.partition_id),
            epoch: self.partition.epoch,
            evaluation_term: self.leadership.term,
            hlc: self.local.handle.next_hlc(),
            previous_hlc: None,
            writes: vec![EngineWrite {
                keyspace: Keyspace::System,
                key: self.key(),
                value: Some(next.encode()),
            }],
            appends,
            change: ChangeKind::None,
            cause: Cause::Client,
            origin_region: self.cluster.identity.founding.region.clone(),
            images: Images::default(),
            outcome: Bytes::new(),
        };
        self.local
            .handle
            .propose_holding(command, deadline, latches)
            .await?;
        Ok(BackfillProgress {
            done: false,
            items: u32::try_from(keys.len()).unwrap_or(u32::MAX),
        })
    }

    fn next_keys(&self, after: Option<&[u8]>) -> Result<Vec<Bytes>, EngineError> {
        let partition = self.partition;
        let (lower, upper) = hash_range(
            self.table.storage_id(),
            partition.first_hash,
            partition.last_hash,
        );
        let lower = match after {
            Some(after) => Bound::Excluded(after),
            None => lower.as_ref().map(Vec::as_slice),
        };
        let upper = upper.as_ref().map(Vec::as_slice);
        let entries = self
            .cluster
            .engine
            .scan(Keyspace::Items, lower, upper, Direction::Forward);
        let mut keys = Vec::new();
        let mut size = 0;
        for entry in entries {
            let (key, value) = entry?;
            size += value.len();
            keys.push(key);
            if keys.len() >= STEP_ITEMS_MAX || size >= STEP_SIZE_BYTES_MAX {
                break;
            }
        }
        Ok(keys)
    }

    /// Latches the backfill, and as many of the items from the first on as are free. Only for the
    /// first latch is waited, while none is held, so that nobody waits in a circle.
    async fn latch(
        &self,
        mut keys: Vec<Bytes>,
        deadline: Instant,
    ) -> Result<Option<(Vec<Bytes>, Vec<Latch>)>, Refusal> {
        let latches = &self.cluster.latches;
        let row = self.key();
        let first = keys.first().unwrap_or(&row);
        let mut held = vec![
            latches
                .lock(first, deadline)
                .await
                .ok_or(Refusal::NotExecuted)?,
        ];
        let mut slots = BTreeSet::from([latch_of(first)]);
        let mut take = |key: &Bytes| {
            if slots.contains(&latch_of(key)) {
                return true;
            }
            let Some(latch) = latches.try_lock(key) else {
                return false;
            };
            slots.insert(latch_of(key));
            held.push(latch);
            true
        };
        if !take(&row) {
            return Ok(None);
        }
        let free = keys.iter().take_while(|key| take(key)).count();
        keys.truncate(free);
        Ok(Some((keys, held)))
    }
}

impl Routed for BackfillMessage {
    type Output = BackfillProgress;

    fn group(&self) -> GroupId {
        GroupId(self.route.group_id)
    }

    async fn local(
        &self,
        cluster: &Cluster,
        deadline: Instant,
    ) -> Result<BackfillProgress, Refusal> {
        let message = Self {
            deadline_millis: millis_until(deadline),
            ..self.clone()
        };
        cluster.backfill_as_leader(&message).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Backfill(Self {
            deadline_millis,
            ..self.clone()
        })
    }

    fn output(&self, answer: DataAnswer) -> Option<BackfillProgress> {
        match answer {
            DataAnswer::Backfilled(progress) => Some(progress),
            _ => None,
        }
    }
}
