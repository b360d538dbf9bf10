//! Snapshots: a group's keys at one moment, as a sequence of checked blocks.
//!
//! A snapshot is made by scanning the group's ranges in a view of the engine, and sent block by block.
//! The receiver writes the blocks to a file of the log's directory and syncs it before anything is replaced, so that an
//! install that a crash interrupts is taken up again from the file.
//!
//! Byte format in `docs/formats.md`, section "Snapshots".

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::ids::GroupId;
use super::log::{LogDirectory, LogFile};
use super::rows::{AppliedState, get_ranges, put_ranges, replicated_range};
use super::{GroupData, OwnedRange};
use crate::engine::{Direction, EngineError, EngineSnapshot, Keyspace};

const FORMAT_VERSION: u8 = 1;
const BLOCK_HEADER: u8 = 1;
const BLOCK_PAIRS: u8 = 2;
const BLOCK_END: u8 = 3;

/// Bytes of pairs after which a block is full. A block is one message, and the largest value is some 400 KB.
const BLOCK_SIZE_BYTES: usize = 512 << 10;

/// Length and checksum before each block.
const BLOCK_PREFIX: usize = 8;

/// A snapshot as openraft passes it around.
pub(super) enum SnapshotData {
    /// A view of this node's engine, to be sent.
    View(SnapshotView),
    /// The name of a received file, whole and synced, to be installed.
    Received(String),
}

/// A group's part of a view of the engine.
pub(super) struct SnapshotView {
    pub(super) group: GroupId,
    pub(super) state: AppliedState,
    pub(super) ranges: Vec<OwnedRange>,
    view: Box<dyn EngineSnapshot>,
}

/// All ranges of a group: those of the layer above, and replication's own rows.
pub(super) fn ranges_of(
    view: &dyn EngineSnapshot,
    data: &dyn GroupData,
    group: GroupId,
) -> Result<Vec<OwnedRange>, EngineError> {
    let mut ranges = data.ranges(view, group)?;
    ranges.push(replicated_range(group));
    Ok(ranges)
}

impl SnapshotView {
    /// The newest state of `group`, or `None` when nothing was applied yet.
    ///
    /// # Errors
    /// [`EngineError`] when the engine cannot be read.
    pub(super) fn take(
        view: Box<dyn EngineSnapshot>,
        data: &dyn GroupData,
        group: GroupId,
    ) -> Result<Option<Self>, EngineError> {
        let Some(state) = AppliedState::read(&*view, group)? else {
            return Ok(None);
        };
        let ranges = ranges_of(&*view, data, group)?;
        Ok(Some(Self {
            group,
            state,
            ranges,
            view,
        }))
    }

    /// The blocks of this snapshot, each read when it is asked for.
    pub(super) fn blocks(&self) -> impl Iterator<Item = Result<Bytes, EngineError>> + Send + '_ {
        let mut header = BytesMut::new();
        header.put_u8(BLOCK_HEADER);
        header.put_u8(FORMAT_VERSION);
        header.put_u32(self.group.0);
        let state = self.state.encode();
        header.put_u32(u32::try_from(state.len()).unwrap_or(u32::MAX));
        header.put_slice(&state);
        put_ranges(&mut header, &self.ranges);
        let pairs = self.ranges.iter().flat_map(|(keyspace, lower, upper)| {
            let rows = self
                .view
                .scan(*keyspace, slice(lower), slice(upper), Direction::Forward);
            rows.map(|row| row.map(|(key, value)| (*keyspace, key, value)))
        });
        let rest = PairBlocks {
            pairs: pairs.peekable(),
            total: 0,
            ended: false,
        };
        std::iter::once(Ok(frame(&header))).chain(rest)
    }
}

pub(super) fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

struct PairBlocks<I: Iterator> {
    pairs: std::iter::Peekable<I>,
    total: u64,
    ended: bool,
}

impl<I> Iterator for PairBlocks<I>
where
    I: Iterator<Item = Result<(Keyspace, Bytes, Bytes), EngineError>>,
{
    type Item = Result<Bytes, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let mut block = BytesMut::new();
        if self.pairs.peek().is_none() {
            self.ended = true;
            block.put_u8(BLOCK_END);
            block.put_u64(self.total);
            return Some(Ok(frame(&block)));
        }
        block.put_u8(BLOCK_PAIRS);
        while block.len() < BLOCK_SIZE_BYTES {
            let (keyspace, key, value) = match self.pairs.next() {
                Some(Ok(pair)) => pair,
                Some(Err(error)) => {
                    self.ended = true;
                    return Some(Err(error));
                }
                None => break,
            };
            block.put_u8(keyspace.code());
            block.put_u32(u32::try_from(key.len()).unwrap_or(u32::MAX));
            block.put_slice(&key);
            block.put_u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
            block.put_slice(&value);
            self.total += 1;
        }
        Some(Ok(frame(&block)))
    }
}

fn frame(block: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(BLOCK_PREFIX + block.len());
    framed.put_u32(u32::try_from(block.len()).unwrap_or(u32::MAX));
    framed.put_u32(crc32c::crc32c(block));
    framed.put_slice(block);
    framed.freeze()
}

/// A block as the receiver reads it.
#[derive(Debug)]
pub(super) enum Block {
    Header {
        group: GroupId,
        state: AppliedState,
        ranges: Vec<OwnedRange>,
    },
    Pairs(Vec<(Keyspace, Bytes, Bytes)>),
    End {
        pairs: u64,
    },
}

impl Block {
    /// Reads one framed block; `None` for anything that is not exactly that.
    pub(super) fn decode(framed: &Bytes) -> Option<Self> {
        let mut rest = framed.clone();
        let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
        let checksum = rest.try_get_u32().ok()?;
        if rest.len() != length || crc32c::crc32c(&rest) != checksum {
            return None;
        }
        match rest.try_get_u8().ok()? {
            BLOCK_HEADER => {
                if rest.try_get_u8().ok()? != FORMAT_VERSION {
                    return None;
                }
                let group = GroupId(rest.try_get_u32().ok()?);
                let state = AppliedState::decode(&take(&mut rest)?)?;
                let ranges = get_ranges(&mut rest)?;
                rest.is_empty().then_some(Self::Header {
                    group,
                    state,
                    ranges,
                })
            }
            BLOCK_PAIRS => {
                let mut pairs = Vec::new();
                while !rest.is_empty() {
                    let keyspace = Keyspace::from_code(rest.try_get_u8().ok()?)?;
                    let key = take(&mut rest).filter(|key| !key.is_empty())?;
                    pairs.push((keyspace, key, take(&mut rest)?));
                }
                Some(Self::Pairs(pairs))
            }
            BLOCK_END => {
                let pairs = rest.try_get_u64().ok()?;
                rest.is_empty().then_some(Self::End { pairs })
            }
            _ => None,
        }
    }
}

fn take(rest: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(rest.try_get_u32().ok()?).ok()?;
    (length <= rest.len()).then(|| rest.split_to(length))
}

/// Whether a file of the log's directory is a received snapshot.
pub(super) fn is_snapshot_file(name: &str) -> bool {
    name.ends_with(".snapshot")
}

/// A snapshot that is arriving, block by block.
pub(super) struct Receiving {
    /// The sender's number of this transfer.
    pub(super) transfer: u64,
    pub(super) name: String,
    file: Arc<dyn LogFile>,
    /// Bytes written so far, which is where the next block has to begin.
    pub(super) offset: u64,
    header: Option<AppliedState>,
    pairs: u64,
    ended: bool,
}

impl Receiving {
    /// Starts to receive into a new file.
    ///
    /// # Errors
    /// Any error of the file system.
    pub(super) fn start(
        directory: &dyn LogDirectory,
        group: GroupId,
        transfer: u64,
    ) -> io::Result<Self> {
        let name = format!("{:010}-{transfer:020}.snapshot", group.0);
        let file = directory.create(&name, 0)?;
        Ok(Self {
            transfer,
            name,
            file,
            offset: 0,
            header: None,
            pairs: 0,
            ended: false,
        })
    }

    /// Takes the next block.
    ///
    /// # Errors
    /// A damaged block, one of another group or out of order, or any error of the file system.
    pub(super) fn block(&mut self, group: GroupId, framed: &Bytes) -> io::Result<()> {
        match Block::decode(framed) {
            Some(Block::Header {
                group: of, state, ..
            }) if of == group && self.header.is_none() => {
                self.header = Some(state);
            }
            Some(Block::Pairs(pairs)) if self.header.is_some() && !self.ended => {
                self.pairs += pairs.len() as u64;
            }
            Some(Block::End { pairs }) if !self.ended && pairs == self.pairs => self.ended = true,
            _ => {
                return Err(invalid(
                    "a block of the snapshot is damaged or out of order",
                ));
            }
        }
        self.file.write_at(self.offset, framed)?;
        self.offset += framed.len() as u64;
        Ok(())
    }

    /// Makes the whole snapshot durable and tells what state it holds.
    ///
    /// # Errors
    /// A snapshot that is not whole, or any error of the file system.
    pub(super) fn finish(&self, directory: &dyn LogDirectory) -> io::Result<AppliedState> {
        if !self.ended {
            return Err(invalid("the snapshot has no end"));
        }
        self.file.sync()?;
        directory.sync()?;
        self.header
            .clone()
            .ok_or_else(|| invalid("the snapshot has no header"))
    }
}

/// Reads a received snapshot block by block.
pub(super) struct SnapshotReader {
    file: Arc<dyn LogFile>,
    offset: u64,
    length: u64,
}

impl SnapshotReader {
    /// # Errors
    /// Any error of the file system.
    pub(super) fn open(directory: &dyn LogDirectory, name: &str) -> io::Result<Self> {
        let file = directory.open(name)?;
        let length = file.length()?;
        Ok(Self {
            file,
            offset: 0,
            length,
        })
    }

    /// The next block, or `None` after the last.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for a damaged block, or any error of the file system.
    pub(super) fn next(&mut self) -> io::Result<Option<Block>> {
        if self.offset == self.length {
            return Ok(None);
        }
        let mut prefix = [0; BLOCK_PREFIX];
        self.file.read_at(self.offset, &mut prefix)?;
        let length = u64::from((&prefix[..]).get_u32()) + BLOCK_PREFIX as u64;
        if length > self.length - self.offset {
            return Err(invalid("a block of the snapshot is cut"));
        }
        let mut framed = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.file.read_at(self.offset, &mut framed)?;
        self.offset += length;
        let block = Block::decode(&framed.into());
        block
            .map(Some)
            .ok_or_else(|| invalid("a block of the snapshot is damaged"))
    }
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Invariant 8 for snapshots.
        #[test]
        fn arbitrary_bytes_do_not_panic(noise in vec(any::<u8>(), 0..80)) {
            drop(Block::decode(&frame(&noise)));
            drop(Block::decode(&Bytes::from(noise)));
        }
    }
}
