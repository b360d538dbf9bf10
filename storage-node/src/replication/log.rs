//! The Raft log of a node: one sequence of segment files for all its groups.
//!
//! One writer owns the files. It takes everything that is waiting, writes it as one batch and syncs once (group commit),
//! so the number of fsyncs does not grow with the number of groups or clients. Votes are in the log too.
//!
//! # Invariants
//! - Nothing is reported as durable before the sync of the batch that holds it.
//! - A batch is written only after the batch before it was synced. So whatever stands before a readable batch was once
//!   durable, and damage there is corruption, never an interrupted write: recovery truncates only after the last batch.
//! - Every segment begins with the votes and purge points of all groups, so any number of the oldest segments can go.
//! - After a failed sync nothing more is written until the log is opened again: the page cache no longer tells what is
//!   on disk (Rebello and others, "Can Applications Recover from fsync Failures?", 2020).
//!
//! Byte format in `docs/formats.md`, section "Log segments".

mod directory;
mod format;
mod group_log;
mod lossy;
mod recovery;
mod segments;
mod storage;
mod writer;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use stator_kit::task::TaskOwner;

pub use self::directory::{DiskDirectory, LogDirectory, LogFile};
pub use self::lossy::{Loss, LossyDirectory};

pub(super) use self::format::{
    LogEntry, LogPosition, Members, Payload, Vote, get_position, put_position,
};
pub(super) use self::storage::GroupLogStorage;

use self::group_log::GroupLog;
use self::recovery::recover;
pub(super) use self::segments::SEGMENT_SIZE;
use self::segments::Segments;
use self::writer::Writer;
use super::Execution;
use super::checkpoint::Checkpoint;
use super::ids::GroupId;
use super::metrics::LogMetrics;

/// The logs of all groups by group, shared with the writer.
type GroupLogs = Arc<RwLock<BTreeMap<GroupId, Arc<Mutex<GroupLog>>>>>;

/// What a log holds of one group, see [`inspect_log`].
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub struct LogExtent {
    /// The index up to which entries were purged, if any.
    pub purged: Option<u64>,
    /// The term and index of the last entry, or of the purge point of an empty log.
    pub last: Option<(u64, u64)>,
}

/// Tells what the log in `directory` holds, by recovering it: an interrupted last write is cut. For tests and tools.
///
/// # Errors
/// As opening the log.
pub fn inspect_log(directory: &dyn LogDirectory) -> io::Result<BTreeMap<GroupId, LogExtent>> {
    let groups = recover(directory)?.groups.into_iter();
    Ok(groups
        .map(|(group, log)| {
            let purged = log.purged().map(|purged| purged.log_index);
            let last = log.last().map(|last| (last.term, last.log_index));
            (group, LogExtent { purged, last })
        })
        .collect())
}

/// Opens the log in `directory`, recovers it, starts its writer and gives the part of each of `groups`.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`] when the log is damaged or of a newer version, else any error of the file system.
#[expect(
    clippy::too_many_arguments,
    reason = "the parts of a log, put together once"
)]
pub(super) fn open_log(
    directory: Arc<dyn LogDirectory>,
    groups: &[GroupId],
    salt: u64,
    segment_size: u64,
    checkpoint: &Arc<Checkpoint>,
    metrics: LogMetrics,
    execution: Execution,
    owner: &TaskOwner,
) -> io::Result<BTreeMap<GroupId, GroupLogStorage>> {
    let recovered = recover(&*directory)?;
    let open = Arc::new(RwLock::new(recovered.open));
    let salt = recovered.salt.unwrap_or(salt);
    let segments = Segments::new(
        directory,
        open.clone(),
        recovered.contents,
        salt,
        segment_size,
    );
    let mut logs: BTreeMap<_, _> = recovered
        .groups
        .into_iter()
        .map(|(group, log)| (group, Arc::new(Mutex::new(log))))
        .collect();
    for group in groups {
        logs.entry(*group).or_default();
    }
    let logs = Arc::new(RwLock::new(logs));
    let (mut writer, handle) = Writer::new(
        segments,
        recovered.marks,
        recovered.next_batch,
        logs.clone(),
        metrics,
    );
    writer.open_segment()?;
    match execution {
        Execution::Threads => {
            drop(owner.spawn_blocking("log writer", move || writer.run_blocking()));
        }
        Execution::Simulated { sync_time } => {
            owner.spawn("log writer", writer.run_simulated(sync_time));
        }
    }
    let storages = groups.iter().filter_map(|group| {
        let storage = GroupLogStorage {
            group: *group,
            log: logs.read().get(group)?.clone(),
            open: open.clone(),
            writer: handle.clone(),
            checkpoint: checkpoint.clone(),
        };
        Some((*group, storage))
    });
    Ok(storages.collect())
}

#[cfg(test)]
mod tests;
