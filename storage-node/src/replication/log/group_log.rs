//! One group's log in memory: where each entry stands, and the newest entries themselves.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::directory::LogFile;
use super::format::{Location, LogEntry, LogPosition, Payload, Record, Vote, decode_record};
use super::segments::OpenSegments;

/// Bytes of entries that each group keeps in memory behind those that are not yet written.
/// Followers that keep up and the state machine read from here; catch-up reads from disk.
const CACHE_SIZE_BYTES: usize = 2 << 20;

/// The log of one group. Entries stand at `first..first + slots.len()`, without holes.
#[derive(Debug, Default)]
pub(super) struct GroupLog {
    pub(super) vote: Option<Vote>,
    purged: Option<LogPosition>,
    slots: VecDeque<Slot>,
    /// Bytes held by the payloads of slots.
    cached_bytes: usize,
    /// The number of slots from the front whose payload was let go.
    uncached: usize,
}

#[derive(Debug)]
struct Slot {
    term: u64,
    /// Set once the entry is in a segment.
    location: Option<Location>,
    /// Gone only when `location` is set.
    payload: Option<Payload>,
}

/// An entry, or where to read it.
pub(super) enum Found {
    Cached(LogEntry),
    OnDisk(LogPosition, Location, Arc<dyn LogFile>),
}

impl GroupLog {
    /// A log as recovery found it.
    pub(super) fn recovered(
        vote: Option<Vote>,
        purged: Option<LogPosition>,
        entries: impl Iterator<Item = (u64, Location)>,
    ) -> Self {
        let slots: VecDeque<_> = entries
            .map(|(term, location)| Slot {
                term,
                location: Some(location),
                payload: None,
            })
            .collect();
        let uncached = slots.len();
        Self {
            vote,
            purged,
            slots,
            cached_bytes: 0,
            uncached,
        }
    }

    pub(super) fn purged(&self) -> Option<LogPosition> {
        self.purged
    }

    fn first(&self) -> u64 {
        self.purged.map_or(0, |purged| purged.log_index + 1)
    }

    fn end(&self) -> u64 {
        self.first() + self.slots.len() as u64
    }

    pub(super) fn last(&self) -> Option<LogPosition> {
        match self.slots.back() {
            Some(slot) => Some(LogPosition {
                term: slot.term,
                log_index: self.end() - 1,
            }),
            None => self.purged,
        }
    }

    fn slot_number(&self, log_index: u64) -> Option<usize> {
        log_index
            .checked_sub(self.first())
            .and_then(|number| usize::try_from(number).ok())
    }

    /// Adds the next entry; readable at once.
    ///
    /// # Errors
    /// An entry that does not continue the log, which would be a hole.
    pub(super) fn append(&mut self, entry: &LogEntry) -> io::Result<()> {
        if entry.position.log_index != self.end() {
            return Err(io::Error::other(format!(
                "entry {} does not continue the log that ends before {}",
                entry.position.log_index,
                self.end()
            )));
        }
        self.cached_bytes += entry.payload.size_bytes();
        self.slots.push_back(Slot {
            term: entry.position.term,
            location: None,
            payload: Some(entry.payload.clone()),
        });
        Ok(())
    }

    /// Removes the entries after `last`.
    pub(super) fn truncate(&mut self, last: Option<u64>) {
        let keep = last.map_or(0, |last| (last + 1).saturating_sub(self.first()));
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        while self.slots.len() > keep {
            let Some(slot) = self.slots.pop_back() else {
                break;
            };
            self.cached_bytes -= slot.payload.as_ref().map_or(0, Payload::size_bytes);
        }
        self.uncached = self.uncached.min(self.slots.len());
    }

    /// Forgets the entries up to `position`, which may lie behind the end.
    pub(super) fn purge(&mut self, position: LogPosition) {
        if self
            .purged
            .is_some_and(|purged| purged.log_index >= position.log_index)
        {
            return;
        }
        let gone = (position.log_index + 1).saturating_sub(self.first());
        for _ in 0..gone {
            let Some(slot) = self.slots.pop_front() else {
                break;
            };
            self.cached_bytes -= slot.payload.as_ref().map_or(0, Payload::size_bytes);
            self.uncached = self.uncached.saturating_sub(1);
        }
        self.purged = Some(position);
    }

    /// Notes where an entry was written, unless it was replaced or purged meanwhile, and lets old payloads go.
    pub(super) fn written(&mut self, position: LogPosition, location: Location) {
        let slot = self
            .slot_number(position.log_index)
            .and_then(|at| self.slots.get_mut(at));
        if let Some(slot) = slot
            && slot.term == position.term
        {
            slot.location = Some(location);
        }
        while self.cached_bytes > CACHE_SIZE_BYTES {
            match self.slots.get_mut(self.uncached) {
                Some(slot) if slot.location.is_some() => {
                    let payload = slot.payload.take();
                    self.cached_bytes -= payload.as_ref().map_or(0, Payload::size_bytes);
                    self.uncached += 1;
                }
                _ => break,
            }
        }
    }

    /// What of `range` is in the log.
    ///
    /// # Errors
    /// An entry that is neither in memory nor in an open segment, which is a broken invariant.
    pub(super) fn find(&self, range: Range<u64>, open: &OpenSegments) -> io::Result<Vec<Found>> {
        let start = range.start.max(self.first());
        let end = range.end.min(self.end());
        let mut found = Vec::new();
        for log_index in start..end {
            let slot = self
                .slot_number(log_index)
                .and_then(|at| self.slots.get(at));
            let slot = slot.ok_or_else(|| io::Error::other("hole in the log"))?;
            let position = LogPosition {
                term: slot.term,
                log_index,
            };
            found.push(match (&slot.payload, slot.location) {
                (Some(payload), _) => Found::Cached(LogEntry {
                    position,
                    payload: payload.clone(),
                }),
                (None, Some(location)) => {
                    let file = open.read().get(&location.segment).cloned();
                    let file = file.ok_or_else(|| io::Error::other("entry in no open segment"))?;
                    Found::OnDisk(position, location, file)
                }
                (None, None) => {
                    return Err(io::Error::other("entry neither written nor in memory"));
                }
            });
        }
        Ok(found)
    }
}

impl Found {
    /// The entry, read from disk and checked where it is not in memory.
    pub(super) fn read(self) -> io::Result<LogEntry> {
        let (position, location, file) = match self {
            Self::Cached(entry) => return Ok(entry),
            Self::OnDisk(position, location, file) => (position, location, file),
        };
        let mut body = vec![0; usize::try_from(location.length).map_err(io::Error::other)?];
        file.read_at(location.offset, &mut body)?;
        match decode_record(&Bytes::from(body), location.checksum) {
            Ok(Record::Entry(_, entry)) if entry.position == position => Ok(entry),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("log entry {} is damaged on disk", position.log_index),
            )),
        }
    }
}
