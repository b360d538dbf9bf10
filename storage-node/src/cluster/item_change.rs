//! Everything that one change of one item writes: the item or its deletion mark, the entries of
//! local indexes, the records of the change log. One place, for single writes, transactions and
//! expiry alike.

use std::sync::Arc;

use bytes::Bytes;
use stator_model::value::Item;

use super::catalog::rows::{PartitionRow, ReadersRow};
use super::group_state::{deletion_mark, partition_opened};
use super::guard::Known;
use super::message::Refusal;
use super::{Cluster, Table};
use crate::engine::Keyspace;
use crate::hlc::Hlc;
use crate::replication::{Append, Cause, EngineWrite};
use crate::table::changes::{IndexUnits, ItemChange, owed};
use crate::table::codec::CodecError;
use crate::table::{StoredItem, changes};

/// A partition as the leader of its group knows it, and who reads its changes.
#[derive(Debug, Clone)]
pub(super) struct LedPartition {
    /// The table, by a catalog that knows every one of `readers`.
    pub(super) table: Arc<Table>,
    /// The partition.
    pub(super) partition: PartitionRow,
    /// The next write has to make the partition known to its group.
    pub(super) is_new: bool,
    /// What every change owes.
    pub(super) readers: Arc<ReadersRow>,
}

/// A change of one item, decided.
#[derive(Debug)]
pub(super) struct DecidedChange<'a> {
    /// Engine key of the item.
    pub(super) key: &'a Bytes,
    /// The item before.
    pub(super) old: Option<&'a StoredItem>,
    /// The item after.
    pub(super) new: Option<&'a Item>,
    /// When.
    pub(super) hlc: Hlc,
    /// Who asked.
    pub(super) cause: Cause,
}

/// What a change writes.
#[derive(Debug, Default)]
pub(super) struct ItemWrites {
    /// Puts and deletes.
    pub(super) writes: Vec<EngineWrite>,
    /// Records of the change log.
    pub(super) appends: Vec<Append>,
    /// Write units of each index that changes.
    pub(super) index_units: Vec<IndexUnits>,
}

impl Cluster {
    /// `partition` with who reads its changes, for a leader that has just read `known`.
    ///
    /// # Errors
    /// [`Refusal::NotExecuted`] while this node's catalog is older than what the partition owes.
    pub(super) fn led_partition(
        &self,
        table: &Arc<Table>,
        partition: &PartitionRow,
        known: Known,
    ) -> Result<LedPartition, Refusal> {
        let newest = || {
            // The router that resolved the table may have had an older catalog than this node.
            self.catalog
                .table(&table.row.name)
                .filter(|newer| newer.row.storage_id == table.row.storage_id)
                .ok_or(Refusal::StaleRoute)
        };
        let (table, is_new, readers) = match known {
            Known::Retired => return Err(Refusal::StaleRoute),
            Known::New => {
                let table = newest()?;
                let readers = Arc::new(table.row.readers());
                (table, true, readers)
            }
            Known::Open { readers, .. } if table.row.readers_version >= readers.catalog_version => {
                (Arc::clone(table), false, readers)
            }
            Known::Open { readers, .. } => {
                let table = newest()?;
                if table.row.readers_version < readers.catalog_version {
                    return Err(Refusal::NotExecuted);
                }
                (table, false, readers)
            }
        };
        Ok(LedPartition {
            table,
            partition: partition.clone(),
            is_new,
            readers,
        })
    }
}

impl LedPartition {
    /// What `change` writes; before and after must differ.
    ///
    /// # Errors
    /// [`CodecError`] if the stored item cannot be read.
    pub(super) fn item_writes(&self, change: &DecidedChange<'_>) -> Result<ItemWrites, CodecError> {
        let mut out = ItemWrites::default();
        let item = |value| EngineWrite {
            keyspace: Keyspace::Items,
            key: change.key.clone(),
            value,
        };
        match change.new {
            Some(new) => out
                .writes
                .push(item(Some(StoredItem::encode(new, change.hlc)))),
            None => {
                let partition_id = self.partition.partition_id;
                out.writes
                    .push(deletion_mark(partition_id, change.key, change.hlc));
                out.writes.push(item(None));
            }
        }
        let readers = self.table.readers(&self.readers);
        if !readers.is_empty() {
            let old = change.old.map(StoredItem::item).transpose()?;
            let owed = owed(
                ItemChange {
                    partition_id: self.partition.partition_id,
                    epoch: self.partition.epoch,
                    schema: &self.table.key_schema,
                    old: old.as_ref(),
                    new: change.new,
                    hlc: change.hlc,
                    cause: change.cause,
                },
                &readers,
            );
            let changes::Owed {
                writes,
                appends,
                index_units,
            } = owed;
            out.writes.extend(writes);
            out.appends = appends;
            out.index_units = index_units;
        }
        if self.is_new {
            out.writes.push(self.opened());
        }
        Ok(out)
    }

    /// The write that makes the partition known to its group.
    pub(super) fn opened(&self) -> EngineWrite {
        let local_indexes = self
            .table
            .row
            .local_indexes
            .iter()
            .map(|index| index.storage_id)
            .collect();
        partition_opened(
            &self.partition,
            self.table.row.storage_id,
            local_indexes,
            &self.readers,
        )
    }
}
