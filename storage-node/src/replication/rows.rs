//! Replication's own rows in the system keyspace. See `docs/formats.md`, section "System keyspace".
//!
//! All begin with the byte 1 and the group's id, so that a group's rows are one range.

use std::ops::Bound;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::OwnedRange;
use super::ids::{GroupId, RequestId};
use super::log::{LogPosition, Members, get_position, put_position};
use crate::engine::{EngineError, EngineSnapshot, Keyspace};
use crate::hlc::Hlc;

const FORMAT_VERSION: u8 = 1;
const PREFIX: u8 = 1;
const TAG_APPLIED: u8 = 1;
const TAG_REMEMBERED: u8 = 2;
const TAG_ORDER: u8 = 3;
const TAG_INSTALLING: u8 = 4;

fn key(group: GroupId, tag: u8, rest: &[u8]) -> Bytes {
    let mut key = BytesMut::with_capacity(6 + rest.len());
    key.put_u8(PREFIX);
    key.put_u32(group.0);
    key.put_u8(tag);
    key.put_slice(rest);
    key.freeze()
}

/// The rows that every replica of a group has alike: all but the mark of an install.
pub(super) fn replicated_range(group: GroupId) -> OwnedRange {
    (
        Keyspace::System,
        Bound::Included(key(group, TAG_APPLIED, &[]).to_vec()),
        Bound::Excluded(key(group, TAG_INSTALLING, &[]).to_vec()),
    )
}

fn corrupt(what: &str, group: GroupId) -> EngineError {
    EngineError::Io(
        format!("the {what} row of group {group} is damaged or of a newer version").into(),
    )
}

/// How far a group has been applied, in the same batch as the data that it tells of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct AppliedState {
    /// The last entry applied.
    pub(super) applied: Option<LogPosition>,
    /// The greatest time of a command applied.
    pub(super) hlc: Hlc,
    /// The entry that made the members, and who they are.
    pub(super) members_at: Option<LogPosition>,
    pub(super) members: Members,
}

impl AppliedState {
    pub(super) fn key(group: GroupId) -> Bytes {
        key(group, TAG_APPLIED, &[])
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(128);
        out.put_u8(FORMAT_VERSION);
        put_optional(&mut out, self.applied);
        out.put_u64(self.hlc.0);
        put_optional(&mut out, self.members_at);
        self.members.encode(&mut out);
        out.freeze()
    }

    pub(super) fn decode(value: &Bytes) -> Option<Self> {
        let mut rest = value.clone();
        if rest.try_get_u8().ok()? != FORMAT_VERSION {
            return None;
        }
        let state = Self {
            applied: get_optional(&mut rest)?,
            hlc: Hlc(rest.try_get_u64().ok()?),
            members_at: get_optional(&mut rest)?,
            members: Members::decode(&mut rest)?,
        };
        rest.is_empty().then_some(state)
    }

    pub(super) fn read(
        view: &dyn EngineSnapshot,
        group: GroupId,
    ) -> Result<Option<Self>, EngineError> {
        let Some(value) = view.get(Keyspace::System, &Self::key(group))? else {
            return Ok(None);
        };
        Self::decode(&value)
            .map(Some)
            .ok_or_else(|| corrupt("applied", group))
    }
}

fn put_optional(out: &mut BytesMut, position: Option<LogPosition>) {
    out.put_u8(u8::from(position.is_some()));
    put_position(
        out,
        position.unwrap_or(LogPosition {
            term: 0,
            log_index: 0,
        }),
    );
}

fn get_optional(rest: &mut Bytes) -> Option<Option<LogPosition>> {
    let some = rest.try_get_u8().ok()?;
    let position = get_position(rest)?;
    Some((some == 1).then_some(position))
}

/// A request that took effect, so that its repetition does not.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Remembered {
    pub(super) log_index: u64,
    pub(super) hlc: Hlc,
    pub(super) outcome: Bytes,
}

impl Remembered {
    pub(super) fn key(group: GroupId, request: RequestId) -> Bytes {
        key(group, TAG_REMEMBERED, &request.0.to_be_bytes())
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(17 + self.outcome.len());
        out.put_u8(FORMAT_VERSION);
        out.put_u64(self.log_index);
        out.put_u64(self.hlc.0);
        out.put_slice(&self.outcome);
        out.freeze()
    }

    pub(super) fn decode(value: &Bytes, group: GroupId) -> Result<Self, EngineError> {
        let mut rest = value.clone();
        let decode = |rest: &mut Bytes| {
            if rest.try_get_u8().ok()? != FORMAT_VERSION {
                return None;
            }
            Some((rest.try_get_u64().ok()?, Hlc(rest.try_get_u64().ok()?)))
        };
        let (log_index, hlc) = decode(&mut rest).ok_or_else(|| corrupt("remembered", group))?;
        Ok(Self {
            log_index,
            hlc,
            outcome: rest,
        })
    }
}

/// The order in which requests were remembered, so that the oldest can be forgotten first.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct RememberedAt {
    pub(super) log_index: u64,
    pub(super) request: RequestId,
    pub(super) hlc: Hlc,
}

impl RememberedAt {
    pub(super) fn key(group: GroupId, log_index: u64) -> Bytes {
        key(group, TAG_ORDER, &log_index.to_be_bytes())
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(24);
        out.put_u128(self.request.0);
        out.put_u64(self.hlc.0);
        out.freeze()
    }

    /// All of a group's, oldest first.
    pub(super) fn read_all(
        view: &dyn EngineSnapshot,
        group: GroupId,
    ) -> Result<Vec<Self>, EngineError> {
        let first = key(group, TAG_ORDER, &[]);
        let end = key(group, TAG_INSTALLING, &[]);
        let rows = view.scan(
            Keyspace::System,
            Bound::Included(&first),
            Bound::Excluded(&end),
            crate::engine::Direction::Forward,
        );
        let mut all = Vec::new();
        for row in rows {
            let (mut key, mut value) = row?;
            let decode = |key: &mut Bytes, value: &mut Bytes| {
                key.try_get_u32().ok()?;
                key.try_get_u16().ok()?;
                Some(Self {
                    log_index: key.try_get_u64().ok()?,
                    request: RequestId(value.try_get_u128().ok()?),
                    hlc: Hlc(value.try_get_u64().ok()?),
                })
            };
            all.push(decode(&mut key, &mut value).ok_or_else(|| corrupt("order", group))?);
        }
        Ok(all)
    }
}

/// The mark that a snapshot is being installed: until it is gone, the group's data is a mixture.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Installing {
    /// The file that holds the whole snapshot, synced.
    pub(super) file: String,
    /// What has to be deleted first.
    pub(super) ranges: Vec<OwnedRange>,
}

impl Installing {
    pub(super) fn key(group: GroupId) -> Bytes {
        key(group, TAG_INSTALLING, &[])
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_u8(FORMAT_VERSION);
        out.put_u16(u16::try_from(self.file.len()).unwrap_or(u16::MAX));
        out.put_slice(self.file.as_bytes());
        put_ranges(&mut out, &self.ranges);
        out.freeze()
    }

    pub(super) fn read(
        view: &dyn EngineSnapshot,
        group: GroupId,
    ) -> Result<Option<Self>, EngineError> {
        let Some(mut rest) = view.get(Keyspace::System, &Self::key(group))? else {
            return Ok(None);
        };
        let decode = |rest: &mut Bytes| {
            if rest.try_get_u8().ok()? != FORMAT_VERSION {
                return None;
            }
            let length = usize::from(rest.try_get_u16().ok()?);
            if length > rest.len() {
                return None;
            }
            let file = String::from_utf8(rest.split_to(length).to_vec()).ok()?;
            Some(Self {
                file,
                ranges: get_ranges(rest)?,
            })
        };
        decode(&mut rest)
            .map(Some)
            .ok_or_else(|| corrupt("installing", group))
    }
}

pub(super) fn put_ranges(out: &mut BytesMut, ranges: &[OwnedRange]) {
    out.put_u32(u32::try_from(ranges.len()).unwrap_or(u32::MAX));
    for (keyspace, lower, upper) in ranges {
        out.put_u8(keyspace.code());
        for bound in [lower, upper] {
            let (code, bytes): (u8, &[u8]) = match bound {
                Bound::Unbounded => (0, &[]),
                Bound::Included(bytes) => (1, bytes),
                Bound::Excluded(bytes) => (2, bytes),
            };
            out.put_u8(code);
            out.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
            out.put_slice(bytes);
        }
    }
}

pub(super) fn get_ranges(rest: &mut Bytes) -> Option<Vec<OwnedRange>> {
    let mut ranges = Vec::new();
    for _ in 0..rest.try_get_u32().ok()? {
        let keyspace = Keyspace::from_code(rest.try_get_u8().ok()?)?;
        ranges.push((keyspace, get_bound(rest)?, get_bound(rest)?));
    }
    Some(ranges)
}

fn get_bound(rest: &mut Bytes) -> Option<Bound<Vec<u8>>> {
    let code = rest.try_get_u8().ok()?;
    let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
    if length > rest.len() {
        return None;
    }
    let bytes = rest.split_to(length).to_vec();
    match code {
        0 => Some(Bound::Unbounded),
        1 => Some(Bound::Included(bytes)),
        2 => Some(Bound::Excluded(bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::engine::{Engine, MemoryEngine, WriteBatch};
    use crate::replication::NodeId;

    #[test]
    fn rows_are_read_as_they_were_written() {
        let position = LogPosition {
            term: 2,
            log_index: 8,
        };
        let members = Members {
            voters: vec![vec![NodeId(1)]],
            nodes: vec![NodeId(1), NodeId(2)],
        };
        let state = AppliedState {
            applied: Some(position),
            hlc: Hlc(77),
            members_at: None,
            members,
        };
        assert_eq!(AppliedState::decode(&state.encode()), Some(state));

        let remembered = Remembered {
            log_index: 4,
            hlc: Hlc(5),
            outcome: "done".into(),
        };
        assert_eq!(
            Remembered::decode(&remembered.encode(), GroupId(1)).unwrap(),
            remembered
        );

        let group = GroupId(3);
        let installing = Installing {
            file: "snapshot".into(),
            ranges: vec![
                (
                    Keyspace::Catalog,
                    Bound::Unbounded,
                    Bound::Excluded(vec![1, 2]),
                ),
                replicated_range(group),
            ],
        };
        let order = RememberedAt {
            log_index: 4,
            request: RequestId(6),
            hlc: Hlc(5),
        };
        let engine = MemoryEngine::new();
        let mut batch = WriteBatch::new();
        batch.put(
            Keyspace::System,
            Installing::key(group),
            installing.encode(),
        );
        batch.put(
            Keyspace::System,
            RememberedAt::key(group, 4),
            order.encode(),
        );
        batch.put(
            Keyspace::System,
            RememberedAt::key(GroupId(4), 1),
            order.encode(),
        );
        engine.write(batch).unwrap();
        let view = engine.snapshot();
        assert_eq!(Installing::read(&*view, group).unwrap(), Some(installing));
        assert_eq!(RememberedAt::read_all(&*view, group).unwrap(), [order]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Invariant 8 for rows and ranges.
        #[test]
        fn arbitrary_bytes_do_not_panic(noise in vec(any::<u8>(), 0..80)) {
            let mut noise = Bytes::from(noise);
            drop(AppliedState::decode(&noise));
            drop(Remembered::decode(&noise, GroupId(0)));
            drop(get_ranges(&mut noise));
        }
    }
}
