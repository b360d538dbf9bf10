//! The one writer of a node's log: takes what waits, writes it as one batch, syncs once, then tells everyone.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;

use super::super::ids::GroupId;
use super::super::metrics::LogMetrics;
use super::GroupLogs;
use super::format::{
    BatchEncoder, Location, LogEntry, LogPosition, Marks, Record, Vote, round_up_to_sector,
};
use super::segments::Segments;

/// Requests that may wait for the writer. Each holds at most what Raft appends at once, so the queue is bounded by
/// Raft's own limits; a full one makes Raft wait, which is the back-pressure on proposals.
const QUEUE_LENGTH: usize = 1024;

/// Bytes after which no more requests join a batch: large enough for throughput, small enough that a sync of it takes
/// some tens of milliseconds on a slow disk.
const BATCH_SIZE_BYTES: usize = 4 << 20;

/// How often, and after how long each time, a batch that is smaller than the last ones were looks for more before it is
/// synced. On a fast disk a sync is over before the next of many concurrent writes arrives, so that each would pay for
/// one of its own; the waiting, half a millisecond at most, is what a sync takes on a disk that is not.
const LINGER_ROUNDS: u32 = 6;
const LINGER_ROUND: Duration = Duration::from_micros(60);

/// The largest batch that is waited for.
const LINGER_BATCH_MAX: usize = 64;

/// Called with the fate of a request.
pub(super) type Completion = Box<dyn FnOnce(io::Result<()>) + Send>;

/// One thing to make durable.
pub(super) struct Request {
    pub(super) group: GroupId,
    pub(super) work: Work,
    pub(super) completion: Completion,
}

pub(super) enum Work {
    Append(Vec<LogEntry>),
    Vote(Vote),
    Truncate(Option<u64>),
    Purge(LogPosition),
    /// Ends the writer once everything before it is durable.
    Close,
}

/// The way to the writer. The writer ends when the last handle is gone.
#[derive(Clone)]
pub(super) struct LogHandle {
    requests: mpsc::Sender<Request>,
    failed: Arc<AtomicBool>,
}

impl LogHandle {
    /// Waits for room in the queue. Reserve first, change memory next, send last: then nothing is half-done when the
    /// caller goes away.
    pub(super) async fn reserve(&self) -> io::Result<mpsc::Permit<'_, Request>> {
        self.requests.reserve().await.map_err(|_| refused())
    }

    /// Whether a write has failed, after which the log refuses everything.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }
}

pub(super) struct Writer {
    requests: mpsc::Receiver<Request>,
    failed: Arc<AtomicBool>,
    segments: Segments,
    marks: Marks,
    next_batch: u64,
    encoder: BatchEncoder,
    groups: GroupLogs,
    metrics: LogMetrics,
    /// Requests that a batch waits for. It grows only when requests were waiting behind a sync, which is when writers are
    /// concurrent, and falls to what came when waiting was in vain: a lone writer never waits.
    expected: usize,
}

/// The entries of a batch that is written but not yet synced.
struct Unsynced {
    entries: Vec<(GroupId, LogPosition, Location)>,
    purged: bool,
}

impl Writer {
    pub(super) fn new(
        segments: Segments,
        marks: Marks,
        next_batch: u64,
        groups: GroupLogs,
        metrics: LogMetrics,
    ) -> (Self, LogHandle) {
        let (sender, requests) = mpsc::channel(QUEUE_LENGTH);
        let failed = Arc::new(AtomicBool::new(false));
        let handle = LogHandle {
            requests: sender,
            failed: failed.clone(),
        };
        let encoder = BatchEncoder::default();
        (
            Self {
                requests,
                failed,
                segments,
                marks,
                next_batch,
                encoder,
                groups,
                metrics,
                expected: 1,
            },
            handle,
        )
    }

    /// Makes the first segment of this start, so that a full or read-only disk is found before anything is served.
    pub(super) fn open_segment(&mut self) -> io::Result<()> {
        self.rotate(0)
    }

    /// Serves requests on a thread of its own until it is closed or all handles are gone.
    pub(super) fn run_blocking(mut self) {
        while let Some(first) = self.requests.blocking_recv() {
            let mut batch = vec![first];
            self.take_waiting(&mut batch);
            for _ in 0..LINGER_ROUNDS {
                if batch.len() >= self.expected || closes(&batch) {
                    break;
                }
                std::thread::sleep(LINGER_ROUND);
                self.take_waiting(&mut batch);
            }
            let came = batch.len();
            let closes = closes(&batch);
            let written = self.write(&batch);
            self.sync_and_complete(batch, written);
            if closes {
                return;
            }
            let waiting = self.requests.len();
            self.expected = if waiting > 0 {
                (came + waiting).min(LINGER_BATCH_MAX)
            } else {
                self.expected.min(came)
            };
        }
    }

    /// Serves requests as a task, with a pause in place of the disk's sync time. For the simulation, where a thread
    /// would not follow the simulated clock.
    pub(super) async fn run_simulated(mut self, sync_time: Duration) {
        while let Some(first) = self.requests.recv().await {
            let mut batch = vec![first];
            self.take_waiting(&mut batch);
            let closes = closes(&batch);
            let written = self.write(&batch);
            tokio::time::sleep(sync_time).await;
            self.sync_and_complete(batch, written);
            if closes {
                return;
            }
        }
    }

    /// Adds what waits to a batch, up to its size.
    fn take_waiting(&mut self, batch: &mut Vec<Request>) {
        let mut size: usize = batch.iter().map(Request::size_bytes).sum();
        while size < BATCH_SIZE_BYTES {
            let Ok(next) = self.requests.try_recv() else {
                break;
            };
            size += next.size_bytes();
            batch.push(next);
        }
    }

    fn write(&mut self, batch: &[Request]) -> io::Result<Unsynced> {
        if self.failed.load(Ordering::Acquire) {
            return Err(refused());
        }
        let mut entries = Vec::new();
        let mut purged = false;
        self.encoder.start();
        for request in batch {
            let group = request.group;
            match &request.work {
                Work::Append(appended) => {
                    for entry in appended {
                        let record = Record::Entry(group, entry.clone());
                        entries.push((group, entry.position, self.encoder.add(&record)));
                    }
                }
                Work::Vote(vote) => self.mark(&Record::Vote(group, *vote)),
                Work::Truncate(last) => {
                    self.encoder.add(&Record::Truncate(group, *last));
                }
                Work::Purge(position) => {
                    self.mark(&Record::Purge(group, *position));
                    purged = true;
                }
                Work::Close => {}
            }
        }
        let room = round_up_to_sector(self.encoder.len()) as u64;
        if !self.segments.has_room(room) {
            self.rotate(room)?;
        }
        let bytes = self.encoder.finish(self.next_batch, self.segments.salt);
        let (segment, offset) = self.segments.write(bytes)?;
        self.next_batch += 1;
        let entries = entries
            .into_iter()
            .map(|(group, position, (within, length, checksum))| {
                let offset = offset + within as u64;
                (
                    group,
                    position,
                    Location {
                        segment,
                        offset,
                        length,
                        checksum,
                    },
                )
            })
            .collect();
        Ok(Unsynced { entries, purged })
    }

    fn mark(&mut self, record: &Record) {
        self.marks.note(record);
        self.encoder.add(record);
    }

    /// Makes the next segment and begins it with the marks of all groups, synced.
    fn rotate(&mut self, room: u64) -> io::Result<()> {
        let mut encoder = BatchEncoder::default();
        encoder.start();
        for record in self.marks.records() {
            encoder.add(&record);
        }
        let marks = encoder.finish(self.next_batch, self.segments.salt);
        self.segments
            .rotate(self.next_batch, marks.len() as u64 + room)?;
        self.segments.write(marks)?;
        self.sync()?;
        self.next_batch += 1;
        self.note_size();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.metrics.fsyncs.inc();
        self.segments.sync()
    }

    fn sync_and_complete(&mut self, batch: Vec<Request>, written: io::Result<Unsynced>) {
        let result = written.and_then(|written| {
            self.sync()?;
            self.metrics.appends.inc_by(written.entries.len() as u64);
            for (group, position, location) in written.entries {
                self.segments
                    .note_entry(location.segment, group, position.log_index);
                if let Some(log) = self.groups.read().get(&group) {
                    log.lock().written(position, location);
                }
            }
            if written.purged {
                self.segments.drop_purged(&self.marks)?;
                self.note_size();
            }
            Ok(())
        });
        if let Err(error) = &result
            && !self.failed.swap(true, Ordering::AcqRel)
        {
            tracing::error!(%error, "the log failed to write, this node refuses writes until restarted");
        }
        for request in batch {
            (request.completion)(
                result
                    .as_ref()
                    .copied()
                    .map_err(|error| io::Error::new(error.kind(), error.to_string())),
            );
        }
    }

    fn note_size(&self) {
        let size = self.segments.size_bytes();
        self.metrics
            .size_bytes
            .set(i64::try_from(size).unwrap_or(i64::MAX));
    }
}

/// Requests behind the closing one are dropped with the queue, and refused by that.
fn closes(batch: &[Request]) -> bool {
    batch
        .iter()
        .any(|request| matches!(request.work, Work::Close))
}

impl Request {
    fn size_bytes(&self) -> usize {
        match &self.work {
            Work::Append(entries) => entries.iter().map(|entry| entry.payload.size_bytes()).sum(),
            Work::Vote(_) | Work::Truncate(_) | Work::Purge(_) | Work::Close => 64,
        }
    }
}

pub(super) fn refused() -> io::Error {
    io::Error::other("the log refuses writes after a failure, until this node is restarted")
}
