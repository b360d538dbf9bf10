//! The files of the log: which segments there are, the one that is written, and which may go.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::RwLock;

use super::super::ids::GroupId;
use super::directory::{LogDirectory, LogFile};
use super::format::{Marks, SEGMENT_HEADER_SIZE, SegmentHeader, segment_name};

/// The bytes that a segment is made with. Small enough to be filled with zeros in a few tens of milliseconds, large
/// enough that making one is rare: at 10,000 writes of 1 KB a second it is once in 1.6 s.
pub(in crate::replication) const SEGMENT_SIZE: u64 = 16 << 20;

/// The open files by segment id, shared with readers.
pub(super) type OpenSegments = Arc<RwLock<BTreeMap<u64, Arc<dyn LogFile>>>>;

/// What the writer knows of a segment.
#[derive(Debug, Default)]
pub(super) struct SegmentContents {
    /// The greatest index of an entry of each group in the segment.
    pub(super) last_index: BTreeMap<GroupId, u64>,
}

/// The segments of a log and the place where the next batch goes.
pub(super) struct Segments {
    directory: Arc<dyn LogDirectory>,
    open: OpenSegments,
    contents: BTreeMap<u64, SegmentContents>,
    current: Option<Current>,
    pub(super) salt: u64,
    segment_size: u64,
}

struct Current {
    segment: u64,
    file: Arc<dyn LogFile>,
    offset: u64,
    capacity: u64,
}

impl Segments {
    pub(super) fn new(
        directory: Arc<dyn LogDirectory>,
        open: OpenSegments,
        contents: BTreeMap<u64, SegmentContents>,
        salt: u64,
        segment_size: u64,
    ) -> Self {
        Self {
            directory,
            open,
            contents,
            current: None,
            salt,
            segment_size,
        }
    }

    pub(super) fn has_room(&self, length: u64) -> bool {
        self.current
            .as_ref()
            .is_some_and(|current| current.offset + length <= current.capacity)
    }

    /// Writes a batch at the end of the current segment, not yet synced, and gives the segment and offset of it.
    pub(super) fn write(&mut self, batch: &[u8]) -> io::Result<(u64, u64)> {
        let current = self.current.as_mut().ok_or_else(no_segment)?;
        current.file.write_at(current.offset, batch)?;
        let offset = current.offset;
        current.offset += batch.len() as u64;
        Ok((current.segment, offset))
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.current.as_ref().ok_or_else(no_segment)?.file.sync()
    }

    /// Closes the current segment at its length and makes the next one, whose first batch has `first_batch` as its
    /// number and at least `room` bytes of room.
    pub(super) fn rotate(&mut self, first_batch: u64, room: u64) -> io::Result<()> {
        if let Some(current) = self.current.take() {
            // A segment that is not the last one holds batches to its very end: recovery relies on it.
            current.file.truncate(current.offset)?;
            current.file.sync()?;
        }
        let segment = self
            .contents
            .last_key_value()
            .map_or(1, |(last, _)| last + 1);
        let capacity = self.segment_size.max(SEGMENT_HEADER_SIZE as u64 + room);
        let file = self.directory.create(&segment_name(segment), capacity)?;
        file.write_at(
            0,
            &SegmentHeader {
                segment,
                first_batch,
                salt: self.salt,
            }
            .encode(),
        )?;
        file.sync()?;
        self.directory.sync()?;
        self.open.write().insert(segment, file.clone());
        self.contents.insert(segment, SegmentContents::default());
        self.current = Some(Current {
            segment,
            file,
            offset: SEGMENT_HEADER_SIZE as u64,
            capacity,
        });
        Ok(())
    }

    pub(super) fn note_entry(&mut self, segment: u64, group: GroupId, log_index: u64) {
        let last = self
            .contents
            .entry(segment)
            .or_default()
            .last_index
            .entry(group)
            .or_default();
        *last = (*last).max(log_index);
    }

    /// Removes the oldest segments that hold nothing above any group's purge point. Call after the purge points are
    /// durable. A crash in between leaves segments that the next call removes.
    pub(super) fn drop_purged(&mut self, marks: &Marks) -> io::Result<()> {
        while self.contents.len() > 1 {
            let Some(oldest) = self.contents.first_entry() else {
                break;
            };
            let needed = oldest.get().last_index.iter().any(|(group, last)| {
                marks
                    .purged(*group)
                    .is_none_or(|purged| purged.log_index < *last)
            });
            if needed {
                break;
            }
            let segment = *oldest.key();
            self.directory.remove(&segment_name(segment))?;
            // One by one, so that a crash never leaves a hole among the names.
            self.directory.sync()?;
            oldest.remove();
            self.open.write().remove(&segment);
        }
        Ok(())
    }

    /// Bytes of all segments on disk.
    pub(super) fn size_bytes(&self) -> u64 {
        self.open
            .read()
            .values()
            .filter_map(|file| file.length().ok())
            .sum()
    }
}

fn no_segment() -> io::Error {
    io::Error::other("the log has no open segment")
}
