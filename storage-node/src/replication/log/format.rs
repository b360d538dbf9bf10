//! The bytes of a segment: header, batches, records. See `docs/formats.md`, section "Log segments".

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::super::ids::{GroupId, NodeId};

/// The version this build writes, and the newest it reads.
pub(super) const FORMAT_VERSION: u16 = 1;
/// Batches begin at multiples of this, so that a write never touches a sector that an earlier sync made durable.
pub(super) const SECTOR: usize = 512;
/// The header takes the first sector.
pub(super) const SEGMENT_HEADER_SIZE: usize = SECTOR;
pub(super) const BATCH_HEADER_SIZE: usize = 24;
/// Length and checksum before each record.
pub(super) const RECORD_HEADER_SIZE: usize = 8;

const SEGMENT_MAGIC: &[u8; 8] = b"STATORLG";
const BATCH_MAGIC: &[u8; 4] = b"SBCH";

/// A place in a group's log. The term comes first, so that positions compare as Raft compares logs.
#[derive(Copy, Clone, Debug, Eq, PartialEq, Ord, PartialOrd)]
pub(in crate::replication) struct LogPosition {
    pub(in crate::replication) term: u64,
    pub(in crate::replication) log_index: u64,
}

/// What a node has promised: to whom, in which term, and whether that node has become leader.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(in crate::replication) struct Vote {
    pub(in crate::replication) term: u64,
    pub(in crate::replication) node: NodeId,
    pub(in crate::replication) committed: bool,
}

/// One entry of a group's log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::replication) struct LogEntry {
    pub(in crate::replication) position: LogPosition,
    pub(in crate::replication) payload: Payload,
}

/// What an entry holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::replication) enum Payload {
    /// Nothing: the first entry of a leader's term.
    Blank,
    /// A command, in the bytes of `LogCommand::encode`.
    Command(Bytes),
    /// The members from here on.
    Members(Members),
}

/// Who belongs to a group: joint voter sets (one of them outside a change) and all members, learners included.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::replication) struct Members {
    pub(in crate::replication) voters: Vec<Vec<NodeId>>,
    pub(in crate::replication) nodes: Vec<NodeId>,
}

/// One record of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Record {
    Entry(GroupId, LogEntry),
    Vote(GroupId, Vote),
    /// Entries after this index are void; `None` voids all.
    Truncate(GroupId, Option<u64>),
    /// Entries up to here are no longer needed.
    Purge(GroupId, LogPosition),
}

/// Where a record's body stands in its segment.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct Location {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) checksum: u32,
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct SegmentHeader {
    pub(super) segment: u64,
    /// The sequence number of the first batch.
    pub(super) first_batch: u64,
    /// Random, so that a stored value can never pass for a batch of this log.
    pub(super) salt: u64,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FormatError {
    #[error("format version {0}, this version reads up to {FORMAT_VERSION}")]
    Version(u16),
    #[error("damaged")]
    Damaged,
}

pub(super) fn segment_name(segment: u64) -> String {
    format!("{segment:020}.log")
}

/// The id in a segment's file name, `None` for another file.
pub(super) fn segment_of_name(name: &str) -> Option<u64> {
    name.strip_suffix(".log")
        .filter(|digits| digits.len() == 20)?
        .parse()
        .ok()
}

pub(super) fn round_up_to_sector(length: usize) -> usize {
    length.next_multiple_of(SECTOR)
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> BytesMut {
        let mut out = BytesMut::with_capacity(SEGMENT_HEADER_SIZE);
        out.put_slice(SEGMENT_MAGIC);
        out.put_u16(FORMAT_VERSION);
        out.put_bytes(0, 6);
        out.put_u64(self.segment);
        out.put_u64(self.first_batch);
        out.put_u64(self.salt);
        let checksum = crc32c::crc32c(&out);
        out.put_u32(checksum);
        out.resize(SEGMENT_HEADER_SIZE, 0);
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let (covered, mut rest) = bytes.split_at_checked(40).ok_or(FormatError::Damaged)?;
        let checksum = rest.try_get_u32().map_err(|_| FormatError::Damaged)?;
        let mut fields = covered
            .strip_prefix(SEGMENT_MAGIC)
            .ok_or(FormatError::Damaged)?;
        if crc32c::crc32c(covered) != checksum {
            return Err(FormatError::Damaged);
        }
        let version = fields.get_u16();
        if version != FORMAT_VERSION {
            return Err(FormatError::Version(version));
        }
        fields.advance(6);
        Ok(Self {
            segment: fields.get_u64(),
            first_batch: fields.get_u64(),
            salt: fields.get_u64(),
        })
    }
}

#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub(super) struct BatchHeader {
    pub(super) body_size: u32,
    pub(super) sequence: u64,
    pub(super) records: u32,
}

impl BatchHeader {
    fn encode(self, salt: u64) -> [u8; BATCH_HEADER_SIZE] {
        let mut out = [0; BATCH_HEADER_SIZE];
        let mut rest = out.as_mut_slice();
        rest.put_slice(BATCH_MAGIC);
        rest.put_u32(self.body_size);
        rest.put_u64(self.sequence);
        rest.put_u32(self.records);
        let checksum = checksum_with(salt, out.get(..20).unwrap_or_default());
        let mut rest = out.get_mut(20..).unwrap_or_default();
        rest.put_u32(checksum);
        out
    }

    /// The header at the start of `bytes`, or `None` where none stands.
    pub(super) fn decode(bytes: &[u8], salt: u64) -> Option<Self> {
        let (covered, mut rest) = bytes.split_at_checked(20)?;
        let checksum = rest.try_get_u32().ok()?;
        let mut fields = covered.strip_prefix(BATCH_MAGIC)?;
        if checksum_with(salt, covered) != checksum {
            return None;
        }
        Some(Self {
            body_size: fields.get_u32(),
            sequence: fields.get_u64(),
            records: fields.get_u32(),
        })
    }
}

fn checksum_with(salt: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&salt.to_be_bytes()), bytes)
}

/// Encodes batches; keeps its buffer.
#[derive(Debug, Default)]
pub(super) struct BatchEncoder {
    buffer: BytesMut,
    records: u32,
}

impl BatchEncoder {
    /// Starts a batch.
    pub(super) fn start(&mut self) {
        self.buffer.clear();
        self.buffer.put_bytes(0, BATCH_HEADER_SIZE);
        self.records = 0;
    }

    /// Adds a record and tells where its body stands, counted from the start of the batch.
    pub(super) fn add(&mut self, record: &Record) -> (usize, u32, u32) {
        let start = self.buffer.len();
        self.buffer.put_bytes(0, RECORD_HEADER_SIZE);
        let body_start = self.buffer.len();
        record.encode(&mut self.buffer);
        let body = self.buffer.get(body_start..).unwrap_or_default();
        // The writer bounds a batch far below 4 GiB.
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let checksum = crc32c::crc32c(body);
        let mut header = self.buffer.get_mut(start..body_start).unwrap_or_default();
        header.put_u32(length);
        header.put_u32(checksum);
        self.records += 1;
        (body_start, length, checksum)
    }

    /// The bytes of the batch, padded to whole sectors.
    pub(super) fn finish(&mut self, sequence: u64, salt: u64) -> &[u8] {
        let body_size = u32::try_from(self.buffer.len() - BATCH_HEADER_SIZE).unwrap_or(u32::MAX);
        let header = BatchHeader {
            body_size,
            sequence,
            records: self.records,
        }
        .encode(salt);
        if let Some(place) = self.buffer.get_mut(..BATCH_HEADER_SIZE) {
            place.copy_from_slice(&header);
        }
        self.buffer.resize(round_up_to_sector(self.buffer.len()), 0);
        &self.buffer
    }

    pub(super) fn len(&self) -> usize {
        self.buffer.len()
    }
}

/// The records of a batch's body with the place of each, counted from the start of the body.
pub(super) fn decode_body(
    body: &Bytes,
    records: u32,
) -> Result<Vec<(usize, u32, u32, Record)>, FormatError> {
    let mut rest = body.clone();
    let mut decoded = Vec::new();
    for _ in 0..records {
        let length = rest.try_get_u32().map_err(|_| FormatError::Damaged)?;
        let checksum = rest.try_get_u32().map_err(|_| FormatError::Damaged)?;
        let offset = body.len() - rest.len();
        let size = usize::try_from(length).map_err(|_| FormatError::Damaged)?;
        if size > rest.len() {
            return Err(FormatError::Damaged);
        }
        let record = rest.split_to(size);
        decoded.push((offset, length, checksum, decode_record(&record, checksum)?));
    }
    if rest.is_empty() {
        Ok(decoded)
    } else {
        Err(FormatError::Damaged)
    }
}

/// A record from its body, once its checksum is found right.
pub(super) fn decode_record(body: &Bytes, checksum: u32) -> Result<Record, FormatError> {
    if crc32c::crc32c(body) != checksum {
        return Err(FormatError::Damaged);
    }
    Record::decode(body).ok_or(FormatError::Damaged)
}

impl Record {
    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Entry(group, entry) => {
                out.put_u8(1);
                out.put_u32(group.0);
                put_position(out, entry.position);
                entry.payload.encode(out);
            }
            Self::Vote(group, vote) => {
                out.put_u8(2);
                out.put_u32(group.0);
                out.put_u64(vote.term);
                out.put_u64(vote.node.0);
                out.put_u8(u8::from(vote.committed));
            }
            Self::Truncate(group, last) => {
                out.put_u8(3);
                out.put_u32(group.0);
                out.put_u8(u8::from(last.is_some()));
                out.put_u64(last.unwrap_or(0));
            }
            Self::Purge(group, position) => {
                out.put_u8(4);
                out.put_u32(group.0);
                put_position(out, *position);
            }
        }
    }

    fn decode(body: &Bytes) -> Option<Self> {
        let mut rest = body.clone();
        let kind = rest.try_get_u8().ok()?;
        let group = GroupId(rest.try_get_u32().ok()?);
        let record = match kind {
            1 => {
                let position = get_position(&mut rest)?;
                let payload = Payload::decode(&rest)?;
                return Some(Self::Entry(group, LogEntry { position, payload }));
            }
            2 => Self::Vote(
                group,
                Vote {
                    term: rest.try_get_u64().ok()?,
                    node: NodeId(rest.try_get_u64().ok()?),
                    committed: get_bool(&mut rest)?,
                },
            ),
            3 => {
                let some = get_bool(&mut rest)?;
                let last = rest.try_get_u64().ok()?;
                Self::Truncate(group, some.then_some(last))
            }
            4 => Self::Purge(group, get_position(&mut rest)?),
            _ => return None,
        };
        rest.is_empty().then_some(record)
    }
}

impl Payload {
    pub(in crate::replication) fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Blank => out.put_u8(0),
            Self::Command(bytes) => {
                out.put_u8(1);
                out.put_slice(bytes);
            }
            Self::Members(members) => {
                out.put_u8(2);
                members.encode(out);
            }
        }
    }

    pub(in crate::replication) fn decode(bytes: &Bytes) -> Option<Self> {
        let mut rest = bytes.clone();
        match rest.try_get_u8().ok()? {
            0 => rest.is_empty().then_some(Self::Blank),
            1 => Some(Self::Command(rest)),
            2 => Members::decode(&mut rest)
                .filter(|_| rest.is_empty())
                .map(Self::Members),
            _ => None,
        }
    }

    /// About how much memory the payload holds, in bytes.
    pub(in crate::replication) fn size_bytes(&self) -> usize {
        match self {
            Self::Command(bytes) => 64 + bytes.len(),
            Self::Blank | Self::Members(_) => 64,
        }
    }
}

impl Members {
    pub(in crate::replication) fn encode(&self, out: &mut BytesMut) {
        // A group has a handful of members, so the counts fit.
        out.put_u32(u32::try_from(self.voters.len()).unwrap_or(u32::MAX));
        for set in &self.voters {
            put_nodes(out, set);
        }
        put_nodes(out, &self.nodes);
    }

    pub(in crate::replication) fn decode(rest: &mut Bytes) -> Option<Self> {
        let mut voters = Vec::new();
        for _ in 0..rest.try_get_u32().ok()? {
            voters.push(get_nodes(rest)?);
        }
        Some(Self {
            voters,
            nodes: get_nodes(rest)?,
        })
    }
}

fn put_nodes(out: &mut BytesMut, nodes: &[NodeId]) {
    out.put_u32(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
    for node in nodes {
        out.put_u64(node.0);
    }
}

fn get_nodes(rest: &mut Bytes) -> Option<Vec<NodeId>> {
    let mut nodes = Vec::new();
    for _ in 0..rest.try_get_u32().ok()? {
        nodes.push(NodeId(rest.try_get_u64().ok()?));
    }
    Some(nodes)
}

pub(in crate::replication) fn put_position(out: &mut BytesMut, position: LogPosition) {
    out.put_u64(position.term);
    out.put_u64(position.log_index);
}

pub(in crate::replication) fn get_position(rest: &mut Bytes) -> Option<LogPosition> {
    Some(LogPosition {
        term: rest.try_get_u64().ok()?,
        log_index: rest.try_get_u64().ok()?,
    })
}

fn get_bool(rest: &mut Bytes) -> Option<bool> {
    match rest.try_get_u8().ok()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// The newest vote and purge point of each group, which every segment begins with.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks(BTreeMap<GroupId, (Option<Vote>, Option<LogPosition>)>);

impl Marks {
    pub(super) fn note(&mut self, record: &Record) {
        match record {
            Record::Vote(group, vote) => self.0.entry(*group).or_default().0 = Some(*vote),
            Record::Purge(group, position) => {
                let purged = &mut self.0.entry(*group).or_default().1;
                if purged.is_none_or(|purged| purged.log_index < position.log_index) {
                    *purged = Some(*position);
                }
            }
            Record::Entry(..) | Record::Truncate(..) => {}
        }
    }

    pub(super) fn purged(&self, group: GroupId) -> Option<LogPosition> {
        self.0.get(&group).and_then(|(_, purged)| *purged)
    }

    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        for (group, (vote, purged)) in &self.0 {
            records.extend(vote.map(|vote| Record::Vote(*group, vote)));
            records.extend(purged.map(|purged| Record::Purge(*group, purged)));
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        let position = LogPosition {
            term: 3,
            log_index: 9,
        };
        let members = Members {
            voters: vec![vec![NodeId(1), NodeId(2)], vec![NodeId(2), NodeId(3)]],
            nodes: vec![NodeId(1), NodeId(2), NodeId(3), NodeId(4)],
        };
        let group = GroupId(7);
        let records = [
            Record::Entry(
                group,
                LogEntry {
                    position,
                    payload: Payload::Blank,
                },
            ),
            Record::Entry(
                group,
                LogEntry {
                    position,
                    payload: Payload::Command("abc".into()),
                },
            ),
            Record::Entry(
                group,
                LogEntry {
                    position,
                    payload: Payload::Members(members),
                },
            ),
            Record::Vote(
                group,
                Vote {
                    term: 5,
                    node: NodeId(2),
                    committed: true,
                },
            ),
            Record::Truncate(group, Some(4)),
            Record::Truncate(group, None),
            Record::Purge(group, position),
        ];
        let mut encoder = BatchEncoder::default();
        encoder.start();
        for record in &records {
            encoder.add(record);
        }
        let bytes = Bytes::copy_from_slice(encoder.finish(11, 5));
        assert_eq!(bytes.len() % SECTOR, 0);
        assert_eq!(BatchHeader::decode(&bytes, 6), None);
        let header = BatchHeader::decode(&bytes, 5).unwrap();
        assert_eq!((header.sequence, header.records), (11, 7));
        let body = bytes.slice(BATCH_HEADER_SIZE..BATCH_HEADER_SIZE + header.body_size as usize);
        let decoded = decode_body(&body, header.records).unwrap();
        assert_eq!(
            decoded
                .into_iter()
                .map(|(.., record)| record)
                .collect::<Vec<_>>(),
            records
        );
    }

    #[test]
    fn a_segment_of_a_newer_version_is_refused() {
        let header = SegmentHeader {
            segment: 1,
            first_batch: 2,
            salt: 3,
        };
        let mut bytes = header.encode();
        assert_eq!(SegmentHeader::decode(&bytes).unwrap(), header);
        bytes[9] = 2;
        let checksum = crc32c::crc32c(&bytes[..40]);
        bytes[40..44].copy_from_slice(&checksum.to_be_bytes());
        assert!(matches!(
            SegmentHeader::decode(&bytes),
            Err(FormatError::Version(2))
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Invariant 8 for the log's files.
        #[test]
        fn arbitrary_bytes_do_not_panic(noise in vec(any::<u8>(), 0..100), records in 0..4_u32) {
            let noise = Bytes::from(noise);
            drop(SegmentHeader::decode(&noise));
            prop_assert!(BatchHeader::decode(&noise, 0).is_none());
            drop(decode_body(&noise, records));
            drop(Record::decode(&noise));
            drop(Payload::decode(&noise));
        }
    }
}
