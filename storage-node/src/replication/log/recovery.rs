//! Reading a log back after a start: replay every batch, cut an interrupted last write, refuse damage anywhere else.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::super::ids::GroupId;
use super::directory::{LogDirectory, LogFile};
use super::format::{
    BATCH_HEADER_SIZE, BatchHeader, FormatError, Location, LogPosition, Marks, Record, SECTOR,
    SEGMENT_HEADER_SIZE, SegmentHeader, Vote, decode_body, round_up_to_sector, segment_name,
    segment_of_name,
};
use super::group_log::GroupLog;
use super::segments::SegmentContents;

/// What a log held.
pub(super) struct Recovered {
    pub(super) groups: BTreeMap<GroupId, GroupLog>,
    pub(super) marks: Marks,
    pub(super) contents: BTreeMap<u64, SegmentContents>,
    pub(super) open: BTreeMap<u64, Arc<dyn LogFile>>,
    /// The number of the next batch.
    pub(super) next_batch: u64,
    /// The salt of the log, `None` for a log that is empty.
    pub(super) salt: Option<u64>,
}

#[derive(Default)]
struct GroupReplay {
    vote: Option<Vote>,
    purged: Option<LogPosition>,
    entries: BTreeMap<u64, (u64, Location)>,
}

/// Reads the log in `directory` and leaves its last segment cut to what is whole.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] for damage that no interrupted write explains, and for a newer format version.
pub(super) fn recover(directory: &dyn LogDirectory) -> io::Result<Recovered> {
    let mut segments: Vec<u64> = directory
        .list()?
        .iter()
        .filter_map(|name| segment_of_name(name))
        .collect();
    segments.sort_unstable();
    drop_unborn_segment(directory, &mut segments)?;

    let mut replay = Replay::default();
    let last = segments.last().copied();
    for (position, segment) in segments.iter().copied().enumerate() {
        if let Some(before) = position
            .checked_sub(1)
            .and_then(|before| segments.get(before))
            && before + 1 != segment
        {
            return Err(damaged(segment, 0, "a segment before it is missing"));
        }
        replay.segment(directory, segment, Some(segment) == last)?;
    }
    replay.finish()
}

/// Removes a last segment whose making was interrupted: its header never became whole, so nothing was ever written
/// behind it.
fn drop_unborn_segment(directory: &dyn LogDirectory, segments: &mut Vec<u64>) -> io::Result<()> {
    let Some(last) = segments.last().copied() else {
        return Ok(());
    };
    let name = segment_name(last);
    let file = directory.open(&name)?;
    let bytes = read(&*file, 0, file.length()?)?;
    if !matches!(SegmentHeader::decode(&bytes), Err(FormatError::Damaged)) {
        return Ok(());
    }
    let behind = bytes.get(SEGMENT_HEADER_SIZE..).unwrap_or_default();
    if behind.iter().any(|byte| *byte != 0) {
        return Err(damaged(last, 0, "its header is damaged"));
    }
    tracing::info!(
        segment = last,
        "removing a log segment whose making was interrupted"
    );
    directory.remove(&name)?;
    directory.sync()?;
    segments.pop();
    Ok(())
}

#[derive(Default)]
struct Replay {
    groups: BTreeMap<GroupId, GroupReplay>,
    marks: Marks,
    contents: BTreeMap<u64, SegmentContents>,
    open: BTreeMap<u64, Arc<dyn LogFile>>,
    next_batch: Option<u64>,
    salt: Option<u64>,
}

impl Replay {
    fn segment(
        &mut self,
        directory: &dyn LogDirectory,
        segment: u64,
        is_last: bool,
    ) -> io::Result<()> {
        let file = directory.open(&segment_name(segment))?;
        // A segment is a few tens of megabytes, so it is read whole.
        let bytes = Bytes::from(read(&*file, 0, file.length()?)?);
        let header = SegmentHeader::decode(&bytes).map_err(|error| match error {
            FormatError::Version(_) => io::Error::new(
                io::ErrorKind::InvalidData,
                format!("log segment {segment}: {error}"),
            ),
            FormatError::Damaged => damaged(segment, 0, "its header is damaged"),
        })?;
        if header.segment != segment {
            return Err(damaged(segment, 0, "its header names another segment"));
        }
        if self.salt.is_some_and(|salt| salt != header.salt) {
            return Err(damaged(segment, 0, "it belongs to another log"));
        }
        if self
            .next_batch
            .is_some_and(|next| next != header.first_batch)
        {
            return Err(damaged(segment, 0, "batches before it are missing"));
        }
        self.salt = Some(header.salt);
        self.next_batch = Some(header.first_batch);
        self.contents.entry(segment).or_default();

        let mut offset = SEGMENT_HEADER_SIZE;
        while offset < bytes.len() {
            match self.batch(segment, &bytes, offset, header.salt)? {
                Some(length) => offset += length,
                None if !is_last => {
                    return Err(damaged(segment, offset, "it is not the last segment"));
                }
                None => {
                    self.cut(&*file, segment, &bytes, offset, header.salt)?;
                    break;
                }
            }
        }
        self.open.insert(segment, file);
        Ok(())
    }

    /// Replays the batch at `offset` and gives its length, or `None` where no whole batch stands.
    fn batch(
        &mut self,
        segment: u64,
        bytes: &Bytes,
        offset: usize,
        salt: u64,
    ) -> io::Result<Option<usize>> {
        let Some(header) = bytes
            .get(offset..)
            .and_then(|bytes| BatchHeader::decode(bytes, salt))
        else {
            return Ok(None);
        };
        let expected = self.next_batch.unwrap_or(header.sequence);
        if header.sequence != expected {
            return Err(damaged(segment, offset, "a batch out of order"));
        }
        let start = offset + BATCH_HEADER_SIZE;
        let size = usize::try_from(header.body_size).map_err(io::Error::other)?;
        let Some(end) = start.checked_add(size).filter(|end| *end <= bytes.len()) else {
            return Ok(None);
        };
        let Ok(records) = decode_body(&bytes.slice(start..end), header.records) else {
            return Ok(None);
        };
        for (within, length, checksum, record) in records {
            let offset = (start + within) as u64;
            self.record(
                segment,
                Location {
                    segment,
                    offset,
                    length,
                    checksum,
                },
                record,
            );
        }
        self.next_batch = Some(expected + 1);
        Ok(Some(round_up_to_sector(BATCH_HEADER_SIZE + size)))
    }

    fn record(&mut self, segment: u64, location: Location, record: Record) {
        self.marks.note(&record);
        match record {
            Record::Entry(group, entry) => {
                let log_index = entry.position.log_index;
                let last = self.contents.entry(segment).or_default();
                let last = last.last_index.entry(group).or_default();
                *last = (*last).max(log_index);
                let entries = &mut self.groups.entry(group).or_default().entries;
                entries.insert(log_index, (entry.position.term, location));
            }
            Record::Vote(group, vote) => {
                self.groups.entry(group).or_default().vote = Some(vote);
            }
            Record::Truncate(group, last) => {
                let entries = &mut self.groups.entry(group).or_default().entries;
                match last {
                    Some(last) => drop(entries.split_off(&(last + 1))),
                    None => entries.clear(),
                }
            }
            Record::Purge(group, position) => {
                self.groups.entry(group).or_default().purged = Some(position);
            }
        }
    }

    /// Cuts an interrupted last write, after a look at whether it can be one: a batch is written only after the one
    /// before it was synced, so a later batch proves that this place was whole once.
    fn cut(
        &self,
        file: &dyn LogFile,
        segment: u64,
        bytes: &Bytes,
        offset: usize,
        salt: u64,
    ) -> io::Result<()> {
        let expected = self.next_batch.unwrap_or_default();
        let mut later = offset;
        while let Some(rest) = bytes.get(later..).filter(|rest| !rest.is_empty()) {
            if BatchHeader::decode(rest, salt).is_some_and(|header| header.sequence > expected) {
                return Err(damaged(segment, offset, "a later batch is whole"));
            }
            later += SECTOR;
        }
        let torn = bytes
            .get(offset..)
            .unwrap_or_default()
            .iter()
            .any(|byte| *byte != 0);
        if torn {
            tracing::warn!(
                segment,
                offset,
                "cutting an interrupted write off the end of the log"
            );
        }
        file.truncate(offset as u64)?;
        file.sync()
    }

    fn finish(self) -> io::Result<Recovered> {
        let mut groups = BTreeMap::new();
        for (group, mut replay) in self.groups {
            let first = match replay.purged {
                Some(purged) => {
                    replay.entries = replay.entries.split_off(&(purged.log_index + 1));
                    purged.log_index + 1
                }
                None => 0,
            };
            for (expected, found) in (first..).zip(replay.entries.keys()) {
                if expected != *found {
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("the log of group {group} lacks entry {expected}"),
                    ));
                }
            }
            let entries = replay.entries.into_values();
            groups.insert(
                group,
                GroupLog::recovered(replay.vote, replay.purged, entries),
            );
        }
        Ok(Recovered {
            groups,
            marks: self.marks,
            contents: self.contents,
            open: self.open,
            next_batch: self.next_batch.unwrap_or(1),
            salt: self.salt,
        })
    }
}

fn read(file: &dyn LogFile, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_at(offset, &mut bytes)?;
    Ok(bytes)
}

fn damaged(segment: u64, offset: usize, reason: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("log segment {segment} is damaged at byte {offset}: {reason}"),
    )
}
