//! One group's part of the log, as openraft wants to see it.

use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{OptionalSend, RaftTypeConfig};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::super::checkpoint::Checkpoint;
use super::super::ids::GroupId;
use super::super::raft::{
    RaftEntry, RaftLogId, RaftVote, Types, from_entry, from_log_id, from_vote, to_entry, to_log_id,
    to_vote,
};
use super::format::LogEntry;
use super::group_log::GroupLog;
use super::segments::OpenSegments;
use super::writer::{LogHandle, Request, Work};

/// Bytes of entries after which a message to a follower is full: far below the transport's limit, large enough that
/// catching up is not bound by round trips.
const READ_SIZE_BYTES: usize = 2 << 20;

/// The log of one group.
#[derive(Clone)]
pub(in crate::replication) struct GroupLogStorage {
    pub(super) group: GroupId,
    pub(super) log: Arc<Mutex<GroupLog>>,
    pub(super) open: OpenSegments,
    pub(super) writer: LogHandle,
    /// How far the engine has persisted, for the assertion in `purge`.
    pub(super) checkpoint: Arc<Checkpoint>,
}

impl GroupLogStorage {
    /// Whether a write has failed, after which the log refuses everything.
    pub(in crate::replication) fn has_failed(&self) -> bool {
        self.writer.has_failed()
    }

    /// Ends the writer of the whole log once everything before is durable. The log refuses all that comes after.
    pub(in crate::replication) async fn close(&self) {
        // A writer that has ended already is closed, too.
        drop(self.submit_and_wait(Work::Close, |_, _| Ok(())).await);
    }

    pub(super) fn read(&self, range: Range<u64>) -> io::Result<Vec<LogEntry>> {
        // The lock is held to look up, not to read from disk.
        let found = self.log.lock().find(range, &self.open)?;
        found.into_iter().map(|found| found.read()).collect()
    }

    /// Changes memory and hands the work to the writer, in one step that other callers cannot come between.
    async fn submit(
        &self,
        work: Work,
        change: impl FnOnce(&mut GroupLog, &Work) -> io::Result<()>,
        completion: impl FnOnce(io::Result<()>) + Send + 'static,
    ) -> io::Result<()> {
        let permit = self.writer.reserve().await?;
        change(&mut self.log.lock(), &work)?;
        permit.send(Request {
            group: self.group,
            work,
            completion: Box::new(completion),
        });
        Ok(())
    }

    /// Submits and waits until it is durable.
    async fn submit_and_wait(
        &self,
        work: Work,
        change: impl FnOnce(&mut GroupLog, &Work) -> io::Result<()>,
    ) -> io::Result<()> {
        let (done, durable) = oneshot::channel();
        let completion = move |result| drop(done.send(result));
        self.submit(work, change, completion).await?;
        durable
            .await
            .map_err(|_| io::Error::other("the log's writer has ended"))?
    }
}

fn range_of(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(start) => start.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(end) => end.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}

fn entries(found: Vec<LogEntry>) -> io::Result<Vec<RaftEntry>> {
    found
        .into_iter()
        .map(|entry| to_entry(entry).map_err(io::Error::other))
        .collect()
}

impl RaftLogReader<Types> for GroupLogStorage {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<RaftEntry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        entries(self.read(range_of(&range))?)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> io::Result<Vec<RaftEntry>> {
        let found = self.log.lock().find(start..end, &self.open)?;
        let mut limited = Vec::new();
        let mut size = 0;
        for found in found {
            let entry = found.read()?;
            size += entry.payload.size_bytes();
            // The first entry goes whatever its size, so that there is progress.
            if size > READ_SIZE_BYTES && !limited.is_empty() {
                break;
            }
            limited.push(entry);
        }
        entries(limited)
    }

    async fn read_vote(&mut self) -> io::Result<Option<RaftVote>> {
        Ok(self.log.lock().vote.map(to_vote))
    }
}

impl RaftLogStorage<Types> for GroupLogStorage {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        let log = self.log.lock();
        Ok(LogState {
            last_purged_log_id: log.purged().map(to_log_id),
            last_log_id: log.last().map(to_log_id),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &RaftVote) -> io::Result<()> {
        let vote = from_vote(vote);
        // The vote counts only once it is durable, so memory changes after the wait.
        self.submit_and_wait(Work::Vote(vote), |_, _| Ok(()))
            .await?;
        self.log.lock().vote = Some(vote);
        Ok(())
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = <Types as RaftTypeConfig>::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().map(from_entry).collect();
        let change = |log: &mut GroupLog, work: &Work| {
            let Work::Append(entries) = work else {
                return Ok(());
            };
            entries.iter().try_for_each(|entry| log.append(entry))
        };
        let completion = move |result| callback.io_completed(result);
        self.submit(Work::Append(entries), change, completion).await
    }

    async fn truncate_after(&mut self, last: Option<RaftLogId>) -> io::Result<()> {
        let last = last.map(|last| last.index);
        let change = |log: &mut GroupLog, _: &Work| {
            log.truncate(last);
            Ok(())
        };
        self.submit_and_wait(Work::Truncate(last), change).await
    }

    async fn purge(&mut self, upto: RaftLogId) -> io::Result<()> {
        let position = from_log_id(&upto);
        let persisted = self.checkpoint.persisted(self.group);
        // Invariant: the log goes only where the engine has persisted what it said.
        if persisted.is_none_or(|persisted| persisted < position.log_index) {
            return Err(io::Error::other(format!(
                "purge of the log up to {} although the engine has persisted only {persisted:?}",
                position.log_index
            )));
        }
        let change = |log: &mut GroupLog, _: &Work| {
            log.purge(position);
            Ok(())
        };
        // Nobody waits for a purge: lost in a crash, it is done again.
        self.submit(Work::Purge(position), change, |_| ()).await
    }
}
