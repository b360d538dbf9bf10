//! Marking in a partition's change log where streams begin and end.
//!
//! The order of marks and records is what shards are made of, so each mark is logged at the one
//! moment at which nothing can come on its wrong side: a stream's first before any write is evaluated
//! for it, its last after every write that was. See `control/readers.rs` for how that is known.

use super::super::Cluster;
use super::super::catalog::rows::{PartitionRow, PartitionStateRow, ReadersRow};
use super::super::group_state::partition_state;
use super::super::message::Refusal;
use super::super::route::refuse_storage;
use super::view::PartitionLog;
use crate::engine::Keyspace;
use crate::replication::Append;
use crate::table::change_log::{MarkKind, ShardMark, mark_append_prefix};

/// The record that puts a mark at the end of a partition's change log.
pub(super) fn mark_append(partition_id: u64, epoch: u64, mark: ShardMark) -> Append {
    Append {
        keyspace: Keyspace::Changes,
        prefix: mark_append_prefix(partition_id, epoch),
        value: mark.encode(),
    }
}

impl Cluster {
    /// Marks that have to be logged before any write is evaluated for `readers`.
    pub(in super::super) fn marks_before(
        &self,
        partitions: &[PartitionRow],
        readers: &ReadersRow,
    ) -> Result<Vec<Append>, Refusal> {
        let Some(stream) = readers.stream else {
            return Ok(Vec::new());
        };
        let state = self.engine.snapshot();
        let mut appends = Vec::new();
        for partition in partitions {
            let log = PartitionLog::new(&*state, partition.partition_id);
            // A partition that no write has opened has no record of anything.
            let Some(row) = self.older_state(partition, readers)? else {
                continue;
            };
            let enabled = stream.enabled_millis;
            let known = row.readers.stream.map(|stream| stream.enabled_millis);
            let marked = log
                .marks()?
                .iter()
                .any(|(_, mark)| mark.stream_enabled_millis == enabled);
            if known != Some(enabled) && !marked {
                appends.push(self.mark(partition, enabled, MarkKind::Opened));
            }
        }
        Ok(appends)
    }

    /// Marks that have to be logged together with `readers`, once every write that was evaluated for
    /// older ones is settled.
    pub(in super::super) fn marks_after(
        &self,
        partitions: &[PartitionRow],
        readers: &ReadersRow,
    ) -> Result<Vec<Append>, Refusal> {
        let wanted = readers.stream.map(|stream| stream.enabled_millis);
        let mut appends = Vec::new();
        for partition in partitions {
            let row = self.older_state(partition, readers)?;
            let known = row.and_then(|row| row.readers.stream);
            if let Some(known) = known
                && Some(known.enabled_millis) != wanted
            {
                appends.push(self.mark(partition, known.enabled_millis, MarkKind::Closed));
            }
        }
        Ok(appends)
    }

    fn older_state(
        &self,
        partition: &PartitionRow,
        readers: &ReadersRow,
    ) -> Result<Option<PartitionStateRow>, Refusal> {
        let row = partition_state(&*self.engine.snapshot(), partition)
            .map_err(|problem| refuse_storage(&problem))?;
        Ok(row.filter(|row| row.readers.catalog_version < readers.catalog_version))
    }

    fn mark(&self, partition: &PartitionRow, stream: u64, kind: MarkKind) -> Append {
        let mark = ShardMark {
            stream_enabled_millis: stream,
            millis: self.now_millis(),
            kind,
        };
        mark_append(partition.partition_id, partition.epoch, mark)
    }
}
