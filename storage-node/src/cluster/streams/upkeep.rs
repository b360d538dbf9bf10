//! Upkeep of change logs by the leader of each group: records that are too old are removed in
//! bounded batches through the log, and a shard that has been open for long is closed and continued
//! by a child, as the service does every few hours.

use std::time::Duration;

use tokio::time::sleep;

use super::super::catalog::rows::{PartitionRow, PartitionStateRow};
use super::super::group_state::partitions_of;
use super::super::message::Refusal;
use super::super::route::refuse_storage;
use super::super::{Cluster, LocalGroup};
use super::mark::mark_append;
use super::view::PartitionLog;
use crate::engine::{Direction, Keyspace};
use crate::hlc::Hlc;
use crate::replication::{EngineWrite, GroupId, Leadership};
use crate::table::change_log::{
    ChangePosition, MarkKind, ShardMark, StreamRecord, key_at, mark_prefix, stream_prefix,
    trimmed_key,
};
use crate::table::shards::{needless_marks, shards};

/// Records removed by one log entry.
const TRIMMED_AT_ONCE: usize = 500;
/// The longest time between two looks at a change log.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(60);
const LOOK_EVERY_MIN: Duration = Duration::from_millis(100);

impl Cluster {
    /// Looks after the change logs of the groups that this node leads, until it stops.
    pub(in super::super) async fn tend_change_logs(&self) {
        let token = self.tasks.token();
        let shortest = self.upkeep.stream_retention.min(self.upkeep.stream_shard);
        let every = (shortest / 4).clamp(LOOK_EVERY_MIN, LOOK_EVERY_MAX);
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = sleep(every) => {}
            }
            for (group, local) in &self.groups {
                if let Err(refusal) = self.tend_group(*group, local).await {
                    tracing::debug!(%group, ?refusal, "upkeep of change logs is repeated later");
                }
            }
        }
    }

    async fn tend_group(&self, group: GroupId, local: &LocalGroup) -> Result<(), Refusal> {
        let Some(leadership) = local.handle.leadership() else {
            return Ok(());
        };
        let partitions = partitions_of(&*self.engine.snapshot(), group)
            .map_err(|problem| refuse_storage(&problem))?;
        for (partition_id, row) in partitions {
            let partition = PartitionRow {
                partition_id,
                first_hash: row.first_hash,
                last_hash: row.last_hash,
                group_id: group.0,
                epoch: row.epoch,
            };
            while self.trim(local, leadership, &partition).await? {}
            self.tend_marks(local, leadership, &partition, &row).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Removes a batch of records that are too old; says whether more may be there.
    async fn trim(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        partition: &PartitionRow,
    ) -> Result<bool, Refusal> {
        let old = self.old_records(partition.partition_id)?;
        let Some(last) = old.last() else {
            return Ok(false);
        };
        let more = old.len() == TRIMMED_AT_ONCE;
        let trimmed = EngineWrite {
            keyspace: Keyspace::Changes,
            key: trimmed_key(partition.partition_id).into(),
            value: Some(last.encode()),
        };
        let prefix = stream_prefix(partition.partition_id);
        let mut writes = removals(&prefix, &old);
        writes.push(trimmed);
        self.propose_own(local, leadership, partition, writes, Vec::new())
            .await?;
        Ok(more)
    }

    fn old_records(&self, partition_id: u64) -> Result<Vec<ChangePosition>, Refusal> {
        let state = self.engine.snapshot();
        let log = PartitionLog::new(&*state, partition_id);
        let horizon = self.stream_horizon_millis();
        let first = ChangePosition::default();
        let mut old = Vec::new();
        for entry in log.records(first, None, Direction::Forward) {
            let (position, value) = entry?;
            let record =
                StreamRecord::decode(&value).map_err(|problem| refuse_storage(&problem))?;
            if Hlc(record.hlc).millis() >= horizon || old.len() == TRIMMED_AT_ONCE {
                break;
            }
            old.push(position);
        }
        Ok(old)
    }

    /// Removes marks that nothing needs, and ends the shard that was open for long.
    async fn tend_marks(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        partition: &PartitionRow,
        row: &PartitionStateRow,
    ) -> Result<(), Refusal> {
        let partition_id = partition.partition_id;
        let (needless, roll) = {
            let state = self.engine.snapshot();
            let log = PartitionLog::new(&*state, partition_id);
            let marks = log.marks()?;
            let horizon = self.stream_horizon_millis();
            let stream = row.readers.stream.map(|stream| stream.enabled_millis);
            let open = stream.and_then(|enabled| {
                let newest = shards(&marks, enabled, horizon).pop()?;
                newest.end.is_none().then_some((enabled, newest))
            });
            let roll = match open {
                Some((enabled, shard)) if self.has_been_open_for_long(shard.start_millis) => {
                    // An empty shard goes on: a table at rest costs nothing.
                    let first = log
                        .records(shard.start.next(), None, Direction::Forward)
                        .next();
                    first.transpose()?.map(|_| ShardMark {
                        stream_enabled_millis: enabled,
                        millis: self.now_millis(),
                        kind: MarkKind::Rolled,
                    })
                }
                _ => None,
            };
            (needless_marks(&marks, horizon), roll)
        };
        if needless.is_empty() && roll.is_none() {
            return Ok(());
        }
        let writes = removals(&mark_prefix(partition_id), &needless);
        let appends = roll
            .map(|mark| mark_append(partition_id, partition.epoch, mark))
            .into_iter()
            .collect();
        self.propose_own(local, leadership, partition, writes, appends)
            .await
    }

    fn has_been_open_for_long(&self, start_millis: u64) -> bool {
        let open = self.now_millis().saturating_sub(start_millis);
        Duration::from_millis(open) >= self.upkeep.stream_shard
    }
}

fn removals(prefix: &[u8], positions: &[ChangePosition]) -> Vec<EngineWrite> {
    positions
        .iter()
        .map(|position| EngineWrite {
            keyspace: Keyspace::Changes,
            key: key_at(prefix.to_vec(), *position).into(),
            value: None,
        })
        .collect()
}
