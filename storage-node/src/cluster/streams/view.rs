//! What the change log of one partition holds of a stream, at one moment.

use std::ops::Bound;

use bytes::Bytes;
use stator_model::error::{ApiError, ErrorCode};

use super::super::message::{Refusal, ShardOutcome, StreamPage, StreamPlace};
use super::super::route::{refuse, refuse_storage};
use crate::engine::{Direction, EngineSnapshot, Keyspace};
use crate::hlc::Hlc;
use crate::table::change_log::{
    ChangePosition, ShardMark, StreamRecord, key_at, mark_prefix, position_of, stream_prefix,
    trimmed_key,
};
use crate::table::keys::after_prefix;
use crate::table::shards::{StreamShard, shards};

/// Bytes of the records of one answer, by the size of items.
const PAGE_SIZE_BYTES_MAX: u64 = 1024 * 1024;
/// Records and bytes that one call looks at, those that it passes over included.
const SCANNED_MAX: usize = 10_000;
const SCANNED_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The change log of one partition at one moment.
#[derive(Clone, Copy)]
pub(super) struct PartitionLog<'a> {
    state: &'a dyn EngineSnapshot,
    partition_id: u64,
}

type Entry = Result<(ChangePosition, Bytes), Refusal>;

impl<'a> PartitionLog<'a> {
    pub(super) fn new(state: &'a dyn EngineSnapshot, partition_id: u64) -> Self {
        Self {
            state,
            partition_id,
        }
    }

    /// The marks of all streams, in log order.
    pub(super) fn marks(self) -> Result<Vec<(ChangePosition, ShardMark)>, Refusal> {
        let lower = mark_prefix(self.partition_id);
        let upper = after_prefix(lower.clone());
        self.scan(lower, upper, Direction::Forward)
            .map(|entry| {
                let (position, value) = entry?;
                let mark = ShardMark::decode(&value).map_err(|problem| refuse_storage(&problem))?;
                Ok((position, mark))
            })
            .collect()
    }

    /// Where the last record lay that was trimmed.
    pub(super) fn trimmed(self) -> Result<Option<ChangePosition>, Refusal> {
        self.state
            .get(Keyspace::Changes, &trimmed_key(self.partition_id))
            .map_err(|problem| refuse_storage(&problem))?
            .map(|value| ChangePosition::decode(&value))
            .transpose()
            .map_err(|problem| refuse_storage(&problem))
    }

    /// Records of all streams between two positions, the second one excluded.
    pub(super) fn records(
        self,
        from: ChangePosition,
        end: Option<ChangePosition>,
        direction: Direction,
    ) -> impl Iterator<Item = Entry> + 'a {
        let prefix = stream_prefix(self.partition_id);
        let upper = match end {
            Some(end) => key_at(prefix.clone(), end),
            None => after_prefix(prefix.clone()),
        };
        self.scan(key_at(prefix, from), upper, direction)
    }

    fn scan(
        self,
        lower: Vec<u8>,
        upper: Vec<u8>,
        direction: Direction,
    ) -> impl Iterator<Item = Entry> + 'a {
        self.state
            .scan(
                Keyspace::Changes,
                Bound::Included(&lower),
                Bound::Excluded(&upper),
                direction,
            )
            .map(|entry| {
                let (key, value) = entry.map_err(|problem| refuse_storage(&problem))?;
                let position = position_of(&key).ok_or(Refusal::StorageFailed)?;
                Ok((position, value))
            })
    }
}

/// One stream in one partition.
pub(super) struct ShardsView<'a> {
    /// The partition's log.
    pub(super) log: PartitionLog<'a>,
    /// The stream's identity within its table.
    pub(super) enabled_millis: u64,
    /// The stream is known to be closed.
    pub(super) closed: bool,
    /// What is older is gone, or will be soon.
    pub(super) horizon_millis: u64,
}

impl ShardsView<'_> {
    fn shards(&self) -> Result<Vec<StreamShard>, Refusal> {
        let marks = self.log.marks()?;
        Ok(shards(&marks, self.enabled_millis, self.horizon_millis))
    }

    /// All shards that are shown.
    pub(super) fn outcomes(&self) -> Result<Vec<ShardOutcome>, Refusal> {
        let outcome = |shard: StreamShard| -> Result<ShardOutcome, Refusal> {
            let ending = if self.is_closed(&shard) {
                Some(self.newest(&shard)?.unwrap_or(shard.start))
            } else {
                None
            };
            Ok(ShardOutcome {
                start_millis: shard.start_millis,
                starting: shard.start,
                ending,
                parent_start_millis: shard.parent_start_millis,
            })
        };
        self.shards()?.into_iter().map(outcome).collect()
    }

    /// The shard that began then. One that is not there any more was trimmed; one that never was
    /// does not exist.
    fn shard(&self, start_millis: u64) -> Result<StreamShard, Refusal> {
        let shards = self.shards()?;
        let found = shards
            .iter()
            .find(|shard| shard.start_millis == start_millis);
        let was_there = start_millis >= self.enabled_millis
            && shards
                .first()
                .is_none_or(|oldest| start_millis < oldest.start_millis);
        match found {
            Some(shard) => Ok(*shard),
            None if was_there => Err(refuse(&trimmed_data())),
            None => Err(refuse(&no_such_shard())),
        }
    }

    fn is_closed(&self, shard: &StreamShard) -> bool {
        shard.end.is_some() || self.closed
    }

    /// Where the newest record of a shard lies, or lay.
    fn newest(&self, shard: &StreamShard) -> Result<Option<ChangePosition>, Refusal> {
        for entry in self
            .log
            .records(shard.start, shard.end, Direction::Backward)
        {
            let (position, value) = entry?;
            if decode(&value)?.stream_enabled_millis == self.enabled_millis {
                return Ok(Some(position));
            }
        }
        let trimmed = self.log.trimmed()?;
        Ok(trimmed
            .filter(|trimmed| *trimmed > shard.start && shard.end.is_none_or(|end| *trimmed < end)))
    }

    /// The first position to read for that place in a shard.
    pub(super) fn place(
        &self,
        start_millis: u64,
        place: StreamPlace,
    ) -> Result<ChangePosition, Refusal> {
        let shard = self.shard(start_millis)?;
        let trimmed = self.log.trimmed()?;
        let named = match place {
            StreamPlace::Horizon => {
                let oldest = trimmed.map_or(shard.start, |trimmed| trimmed.max(shard.start));
                return Ok(oldest.next());
            }
            StreamPlace::Latest => {
                let newest = self
                    .log
                    .records(shard.start, shard.end, Direction::Backward)
                    .next()
                    .transpose()?
                    .map(|(position, _)| position);
                let newest = newest.max(trimmed).unwrap_or(shard.start);
                return Ok(newest.max(shard.start).next());
            }
            StreamPlace::At(position) | StreamPlace::After(position) => position,
        };
        if named < shard.start || shard.end.is_some_and(|end| named > end) {
            return Err(refuse(&ApiError::validation("Invalid SequenceNumber")));
        }
        let from = match place {
            StreamPlace::After(position) => position.next(),
            _ => named,
        };
        if trimmed.is_some_and(|trimmed| trimmed >= from) {
            return Err(refuse(&trimmed_data()));
        }
        Ok(from)
    }

    /// Records of a shard from `from` on.
    pub(super) fn page(
        &self,
        start_millis: u64,
        from: ChangePosition,
        since_millis: Option<u64>,
        limit: u32,
    ) -> Result<StreamPage, Refusal> {
        let shard = self.shard(start_millis)?;
        if self.log.trimmed()?.is_some_and(|trimmed| trimmed >= from) {
            return Err(refuse(&trimmed_data()));
        }
        let mut page = StreamPage {
            records: Vec::new(),
            next: from.max(shard.start),
            at_end: false,
        };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let (mut scanned, mut scanned_bytes, mut size) = (0, 0, 0_u64);
        for entry in self.log.records(page.next, shard.end, Direction::Forward) {
            let (position, value) = entry?;
            scanned += 1;
            scanned_bytes += value.len();
            if scanned > SCANNED_MAX || scanned_bytes > SCANNED_BYTES_MAX && scanned > 1 {
                return Ok(page);
            }
            let record = decode(&value)?;
            let is_early = page.records.is_empty()
                && since_millis.is_some_and(|since| Hlc(record.hlc).millis() < since);
            if record.stream_enabled_millis == self.enabled_millis && !is_early {
                let size_after = size + record.size_bytes;
                let is_full = page.records.len() >= limit
                    || size_after > PAGE_SIZE_BYTES_MAX && !page.records.is_empty();
                if is_full {
                    return Ok(page);
                }
                size = size_after;
                page.records.push((position, value));
            }
            page.next = position.next();
        }
        page.at_end = self.is_closed(&shard);
        Ok(page)
    }
}

fn decode(value: &[u8]) -> Result<StreamRecord, Refusal> {
    StreamRecord::decode(value).map_err(|problem| refuse_storage(&problem))
}

/// The error for a shard that the stream does not have.
pub(crate) fn no_such_shard() -> ApiError {
    ApiError::new(
        ErrorCode::ResourceNotFoundException,
        "Requested resource not found: Shard does not exist",
    )
}

fn trimmed_data() -> ApiError {
    ApiError::new(
        ErrorCode::TrimmedDataAccessException,
        "The operation attempted to read past the oldest stream record in a shard",
    )
}
