//! Streams as the catalog knows them: those of its tables, and for as long as records are kept those
//! of tables that are gone.
//!
//! [`read`] finds shards and records on the leaders of the partitions, [`upkeep`] removes what is too
//! old and begins new shards.

mod mark;
mod read;
mod upkeep;
mod view;

pub(crate) use self::view::no_such_shard;

use std::sync::Arc;

use stator_model::key::KeySchema;
use stator_model::operations::{StreamStatus, stream_label};

use super::catalog::rows::{DroppedRow, KeyRow, PartitionRow, StreamRow, TableRow, TableStatusRow};
use super::catalog::table::key_schema;
use super::{Cluster, Table};

/// A stream of a table that is there, or was there not long ago.
#[derive(Debug, Clone)]
pub struct StreamSource {
    /// Name of the table.
    pub table_name: String,
    /// Key of the table.
    pub key_schema: KeySchema,
    /// Prefix of the table's keys: tells it from another one of the same name.
    pub storage_id: u64,
    /// Where its records are.
    pub partitions: Vec<PartitionRow>,
    /// The stream.
    pub row: StreamRow,
    /// Where it is in its life.
    pub status: StreamStatus,
}

impl StreamSource {
    /// The stream's label.
    #[must_use]
    pub fn label(&self) -> String {
        stream_label(self.row.enabled_millis)
    }

    /// Nothing will be added to it any more.
    fn is_closed(&self) -> bool {
        self.status == StreamStatus::Disabled
    }

    fn of_table(row: &TableRow, stream: &StreamRow) -> Self {
        let is_newest = row.streams.last() == Some(stream);
        let settled = row.readers_settled || !is_newest;
        let status = match (stream.is_enabled(), settled) {
            (true, _) if row.status == TableStatusRow::Deleting => StreamStatus::Disabling,
            (true, false) => StreamStatus::Enabling,
            (true, true) => StreamStatus::Enabled,
            (false, false) => StreamStatus::Disabling,
            (false, true) => StreamStatus::Disabled,
        };
        Self {
            table_name: row.name.clone(),
            key_schema: key_schema(&row.partition_key, row.sort_key.as_ref()),
            storage_id: row.storage_id,
            partitions: row.partitions.clone(),
            row: stream.clone(),
            status,
        }
    }

    fn of_dropped(row: &DroppedRow, partition_key: &KeyRow, stream: &StreamRow) -> Self {
        Self {
            table_name: row.name.clone(),
            key_schema: key_schema(partition_key, row.sort_key.as_ref()),
            storage_id: row.storage_id,
            partitions: row.partitions.clone(),
            row: stream.clone(),
            status: StreamStatus::Disabled,
        }
    }
}

impl Cluster {
    /// The streams whose records can be read, of the table of that name or of all tables, by this
    /// node's catalog; in no order.
    pub fn streams(&self, table_name: Option<&str>) -> Vec<StreamSource> {
        let state = self.catalog.current();
        let horizon = self.stream_horizon_millis();
        let is_kept = |stream: &&StreamRow| stream.is_readable(horizon);
        let mut found = Vec::new();
        let tables: Vec<&Arc<Table>> = match table_name {
            Some(name) => state.tables.get(name).into_iter().collect(),
            None => state.tables.values().collect(),
        };
        for table in tables {
            let streams = table.row.streams.iter().filter(is_kept);
            found.extend(streams.map(|stream| StreamSource::of_table(&table.row, stream)));
        }
        for dropped in state.dropped.values() {
            if let Some(key) = &dropped.partition_key
                && table_name.is_none_or(|name| name == dropped.name)
            {
                let streams = dropped.streams.iter().filter(is_kept);
                found.extend(streams.map(|stream| StreamSource::of_dropped(dropped, key, stream)));
            }
        }
        found
    }

    /// The stream of that table with that label, by this node's catalog.
    pub fn stream(&self, table_name: &str, label: &str) -> Option<StreamSource> {
        let streams = self.streams(Some(table_name));
        streams.into_iter().find(|source| source.label() == label)
    }

    /// Records that are older than this are removed.
    pub(super) fn stream_horizon_millis(&self) -> u64 {
        let kept = u64::try_from(self.upkeep.stream_retention.as_millis()).unwrap_or(u64::MAX);
        self.now_millis().saturating_sub(kept)
    }
}
