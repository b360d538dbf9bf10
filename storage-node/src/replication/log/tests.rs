//! The log against crashes, damage and failing disks.

use std::collections::BTreeMap;
use std::time::Duration;

use openraft::storage::{IOFlushed, RaftLogReader as _, RaftLogStorage as _};
use openraft::type_config::TypeConfigExt as _;
use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::super::ids::NodeId;
use super::super::metrics::ReplicationMetrics;
use super::super::raft::{Types, to_entry, to_log_id, to_vote};
use super::super::rows::AppliedState;
use super::*;
use crate::engine::{Engine as _, Keyspace, MemoryEngine, WriteBatch};

/// Small segments, so that making and dropping them is among what is tested.
const SEGMENT: u64 = 64 << 10;

const GROUPS: [GroupId; 2] = [GroupId(1), GroupId(2)];

struct Log {
    groups: BTreeMap<GroupId, GroupLogStorage>,
    engine: Arc<MemoryEngine>,
    checkpoint: Arc<Checkpoint>,
    metrics: ReplicationMetrics,
    _owner: TaskOwner,
}

fn open(directory: &LossyDirectory) -> io::Result<Log> {
    let engine = Arc::new(MemoryEngine::new());
    let metrics = ReplicationMetrics::default();
    let checkpoint = Arc::new(Checkpoint::new(
        engine.clone(),
        GROUPS.to_vec(),
        metrics.clone(),
    ));
    let owner = TaskOwner::new("test");
    let execution = Execution::Simulated {
        sync_time: Duration::ZERO,
    };
    let log = Arc::new(directory.clone());
    let log_metrics = metrics.log.clone();
    let groups = open_log(
        log,
        &GROUPS,
        7,
        SEGMENT,
        &checkpoint,
        log_metrics,
        execution,
        &owner,
    )?;
    Ok(Log {
        groups,
        engine,
        checkpoint,
        metrics,
        _owner: owner,
    })
}

impl Log {
    fn group(&mut self, group: GroupId) -> &mut GroupLogStorage {
        self.groups.get_mut(&group).unwrap()
    }

    async fn append(&mut self, group: GroupId, entries: Vec<LogEntry>) -> io::Result<()> {
        let (done, durable) = Types::oneshot();
        let entries: Vec<_> = entries
            .into_iter()
            .map(|entry| to_entry(entry).unwrap())
            .collect();
        self.group(group)
            .append(entries, IOFlushed::signal(done))
            .await?;
        durable.await.unwrap()
    }

    /// Lets the engine say that it has persisted up to `log_index`, then purges.
    async fn purge(&mut self, group: GroupId, position: LogPosition) -> io::Result<()> {
        let state = AppliedState {
            applied: Some(position),
            ..AppliedState::default()
        };
        let mut batch = WriteBatch::new();
        batch.put(Keyspace::System, AppliedState::key(group), state.encode());
        self.engine.write(batch).unwrap();
        self.checkpoint.persist().unwrap();
        self.group(group).purge(to_log_id(position)).await
    }

    fn entries(&mut self, group: GroupId) -> Vec<LogEntry> {
        self.group(group).read(0..u64::MAX).unwrap()
    }
}

fn entry(term: u64, log_index: u64, size: usize) -> LogEntry {
    let payload = vec![u8::try_from(log_index % 251).unwrap(); size];
    LogEntry {
        position: LogPosition { term, log_index },
        payload: Payload::Command(payload.into()),
    }
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

fn no_coins() -> u64 {
    0
}

#[test]
fn entries_votes_and_purge_points_come_back() {
    run(async {
        let directory = LossyDirectory::new();
        let vote = Vote {
            term: 4,
            node: NodeId(2),
            committed: true,
        };
        {
            let mut log = open(&directory).unwrap();
            let entries = (0..10).map(|index| entry(1, index, 100)).collect();
            log.append(GROUPS[0], entries).await.unwrap();
            log.append(GROUPS[1], vec![entry(3, 0, 5)]).await.unwrap();
            log.group(GROUPS[0])
                .truncate_after(Some(to_log_id(LogPosition {
                    term: 1,
                    log_index: 7,
                })))
                .await
                .unwrap();
            log.append(GROUPS[0], vec![entry(2, 8, 9)]).await.unwrap();
            log.group(GROUPS[1])
                .save_vote(&to_vote(vote))
                .await
                .unwrap();
            log.purge(
                GROUPS[0],
                LogPosition {
                    term: 1,
                    log_index: 3,
                },
            )
            .await
            .unwrap();
            // Makes the purge durable, which nobody waits for.
            log.append(GROUPS[1], vec![entry(3, 1, 5)]).await.unwrap();
        }
        directory.crash(Loss::All, &mut no_coins);
        let mut log = open(&directory).unwrap();
        let mut expected: Vec<_> = (4..8).map(|index| entry(1, index, 100)).collect();
        expected.push(entry(2, 8, 9));
        assert_eq!(log.entries(GROUPS[0]), expected);
        assert_eq!(log.entries(GROUPS[1]), [entry(3, 0, 5), entry(3, 1, 5)]);
        let state = log.group(GROUPS[0]).get_log_state().await.unwrap();
        assert_eq!(
            state.last_purged_log_id,
            Some(to_log_id(LogPosition {
                term: 1,
                log_index: 3
            }))
        );
        assert_eq!(
            log.group(GROUPS[1]).read_vote().await.unwrap(),
            Some(to_vote(vote))
        );
        assert_eq!(log.group(GROUPS[0]).read_vote().await.unwrap(), None);
    });
}

#[test]
fn whatever_waits_shares_one_sync() {
    run(async {
        let directory = LossyDirectory::new();
        let mut log = open(&directory).unwrap();
        let before = log.metrics.fsyncs();
        let mut waiting = Vec::new();
        for index in 0..20 {
            for group in GROUPS {
                let (done, durable) = Types::oneshot();
                let entries = [to_entry(entry(1, index, 50)).unwrap()];
                log.group(group)
                    .append(entries, IOFlushed::signal(done))
                    .await
                    .unwrap();
                waiting.push(durable);
            }
        }
        for durable in waiting {
            durable.await.unwrap().unwrap();
        }
        assert_eq!(log.metrics.fsyncs() - before, 1);
        assert_eq!(log.metrics.log.appends.get(), 40);
    });
}

#[test]
fn entries_are_readable_before_they_are_durable() {
    run(async {
        let directory = LossyDirectory::new();
        let mut log = open(&directory).unwrap();
        let entries = [to_entry(entry(1, 0, 50)).unwrap()];
        let (done, durable) = Types::oneshot();
        log.group(GROUPS[0])
            .append(entries, IOFlushed::signal(done))
            .await
            .unwrap();
        assert_eq!(log.entries(GROUPS[0]), [entry(1, 0, 50)]);
        durable.await.unwrap().unwrap();
    });
}

#[test]
fn old_entries_are_read_from_disk_and_purged_segments_go() {
    run(async {
        let directory = LossyDirectory::new();
        let mut log = open(&directory).unwrap();
        let vote = Vote {
            term: 1,
            node: NodeId(9),
            committed: false,
        };
        log.group(GROUPS[1])
            .save_vote(&to_vote(vote))
            .await
            .unwrap();
        // 40 MB: beyond the cache and over three segments.
        for index in 0..40 {
            log.append(GROUPS[0], vec![entry(1, index, 1 << 20)])
                .await
                .unwrap();
        }
        assert!(directory.list().unwrap().len() >= 3);
        assert_eq!(log.entries(GROUPS[0]).len(), 40);
        let limited = log
            .group(GROUPS[0])
            .limited_get_log_entries(0, 40)
            .await
            .unwrap();
        assert!(
            (1..=3).contains(&limited.len()),
            "{} entries",
            limited.len()
        );

        log.purge(
            GROUPS[0],
            LogPosition {
                term: 1,
                log_index: 38,
            },
        )
        .await
        .unwrap();
        log.append(GROUPS[0], vec![entry(1, 40, 10)]).await.unwrap();
        // The segment of the entry that is kept, and perhaps the next.
        assert!(directory.list().unwrap().len() <= 2);
        drop(log);
        directory.crash(Loss::All, &mut no_coins);
        let mut log = open(&directory).unwrap();
        assert_eq!(
            log.entries(GROUPS[0]),
            [entry(1, 39, 1 << 20), entry(1, 40, 10)]
        );
        // The vote stood in a segment that is gone.
        assert_eq!(
            log.group(GROUPS[1]).read_vote().await.unwrap(),
            Some(to_vote(vote))
        );
    });
}

#[test]
fn the_log_is_not_purged_beyond_what_the_engine_has_persisted() {
    run(async {
        let directory = LossyDirectory::new();
        let mut log = open(&directory).unwrap();
        log.append(
            GROUPS[0],
            (0..10).map(|index| entry(1, index, 10)).collect(),
        )
        .await
        .unwrap();
        let too_far = to_log_id(LogPosition {
            term: 1,
            log_index: 5,
        });
        assert!(log.group(GROUPS[0]).purge(too_far).await.is_err());
        log.purge(
            GROUPS[0],
            LogPosition {
                term: 1,
                log_index: 5,
            },
        )
        .await
        .unwrap();
    });
}

#[test]
fn a_closed_log_has_all_before_and_takes_nothing_after() {
    run(async {
        let directory = LossyDirectory::new();
        let mut log = open(&directory).unwrap();
        let (done, durable) = Types::oneshot();
        let entries = [to_entry(entry(1, 0, 50)).unwrap()];
        let appended = log
            .group(GROUPS[0])
            .append(entries, IOFlushed::signal(done))
            .await;
        appended.unwrap();
        log.group(GROUPS[1]).close().await;
        durable.await.unwrap().unwrap();
        assert!(log.append(GROUPS[0], vec![entry(1, 1, 10)]).await.is_err());
        // The writer has ended although handles are left, and a second closing returns.
        log.group(GROUPS[0]).close().await;
        directory.crash(Loss::All, &mut no_coins);
        assert_eq!(
            open(&directory).unwrap().entries(GROUPS[0]),
            [entry(1, 0, 50)]
        );
    });
}

#[test]
fn a_failed_sync_refuses_everything_until_restarted() {
    run(async {
        let directory = LossyDirectory::new();
        let mut log = open(&directory).unwrap();
        log.append(GROUPS[0], vec![entry(1, 0, 10)]).await.unwrap();
        directory.fail_next_sync();
        assert!(log.append(GROUPS[0], vec![entry(1, 1, 10)]).await.is_err());
        // The disk works again, but nobody knows what is on it.
        assert!(log.append(GROUPS[1], vec![entry(1, 0, 10)]).await.is_err());
        let vote = Vote {
            term: 2,
            node: NodeId(1),
            committed: false,
        };
        assert!(
            log.group(GROUPS[1])
                .save_vote(&to_vote(vote))
                .await
                .is_err()
        );
        assert!(log.group(GROUPS[0]).has_failed());
        drop(log);
        directory.crash(Loss::Nothing, &mut no_coins);
        let mut log = open(&directory).unwrap();
        assert_eq!(log.entries(GROUPS[0])[0], entry(1, 0, 10));
        log.append(GROUPS[1], vec![entry(1, 0, 10)]).await.unwrap();
    });
}

/// The name of the only segment and the offset of each batch in it.
fn batches(directory: &LossyDirectory) -> (String, Vec<usize>) {
    let names = directory.list().unwrap();
    let name = names.last().unwrap().clone();
    let bytes = directory.contents(&name);
    let offsets = (0..bytes.len() / format::SECTOR).map(|sector| sector * format::SECTOR);
    let offsets = offsets
        .filter(|offset| bytes[*offset..].starts_with(b"SBCH"))
        .collect();
    (name, offsets)
}

async fn three_batches() -> LossyDirectory {
    let directory = LossyDirectory::new();
    let mut log = open(&directory).unwrap();
    for index in 0..3 {
        log.append(GROUPS[0], vec![entry(1, index, 2000)])
            .await
            .unwrap();
    }
    directory
}

#[test]
fn damage_before_a_whole_batch_is_refused() {
    run(async {
        for offset_in_batch in [0, 9, 30, 1000] {
            let directory = three_batches().await;
            let (name, offsets) = batches(&directory);
            // The first batch holds the marks; damage the second of the three that follow.
            directory.flip_bit(&name, offsets[2] + offset_in_batch);
            let error = open(&directory).err().unwrap();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
        }
    });
}

#[test]
fn damage_of_the_header_is_refused() {
    run(async {
        let directory = three_batches().await;
        let (name, _) = batches(&directory);
        directory.flip_bit(&name, 20);
        assert!(open(&directory).is_err());
    });
}

#[test]
fn a_missing_segment_is_refused() {
    run(async {
        let directory = LossyDirectory::new();
        let mut log = open(&directory).unwrap();
        for index in 0..40 {
            log.append(GROUPS[0], vec![entry(1, index, 1 << 20)])
                .await
                .unwrap();
        }
        drop(log);
        let names = directory.list().unwrap();
        directory.remove(&names[1]).unwrap();
        assert!(open(&directory).is_err());
    });
}

#[test]
fn an_interrupted_last_write_is_cut() {
    run(async {
        let directory = three_batches().await;
        let (name, offsets) = batches(&directory);
        directory.flip_bit(&name, offsets[3] + 700);
        let mut log = open(&directory).unwrap();
        assert_eq!(
            log.entries(GROUPS[0]),
            [entry(1, 0, 2000), entry(1, 1, 2000)]
        );
        // And the log goes on from there, also after another start.
        log.append(GROUPS[0], vec![entry(2, 2, 10)]).await.unwrap();
        drop(log);
        let mut log = open(&directory).unwrap();
        assert_eq!(log.entries(GROUPS[0]).len(), 3);
        assert_eq!(log.entries(GROUPS[0])[2], entry(2, 2, 10));
    });
}

/// What a group's log must hold after a crash.
#[derive(Clone, Debug, Default)]
struct Model {
    durable: Vec<LogEntry>,
    /// Written but not reported as durable.
    possible: Vec<LogEntry>,
    vote: Option<Vote>,
    possible_vote: Option<Vote>,
    purged: u64,
}

/// Cuts the power after every possible number of operations of a run, and checks what is left.
#[test]
fn nothing_reported_as_durable_is_lost_at_any_crash_point() {
    let losses = [Loss::All, Loss::TornLastWrite, Loss::Random, Loss::Nothing];
    for loss in losses {
        for budget in 0..60 {
            run(check_crash(loss, budget, false)).unwrap_or_else(|error| {
                panic!("{loss:?} after {budget} operations: {error}");
            });
        }
    }
}

/// Invariant 1, first half. A log that never syncs must fail the check above, or the check is worth nothing.
#[test]
fn a_log_that_never_syncs_is_caught() {
    let caught = (0..60).filter(|budget| run(check_crash(Loss::All, *budget, true)).is_err());
    assert!(caught.count() > 10);
}

async fn check_crash(loss: Loss, budget: u64, lie: bool) -> Result<(), String> {
    let directory = LossyDirectory::new();
    if lie {
        directory.lie_about_syncs();
    }
    let mut random = StdRng::seed_from_u64(budget);
    let mut models: BTreeMap<GroupId, Model> = BTreeMap::new();
    directory.cut_power_after(budget);
    if let Ok(mut log) = open(&directory) {
        for step in 0..40_u64 {
            let group = GROUPS[random.random_range(0..2_usize)];
            let model = models.entry(group).or_default();
            let next = model
                .durable
                .last()
                .map_or(0, |last| last.position.log_index + 1);
            match random.random_range(0..8) {
                0 => {
                    let vote = Vote {
                        term: step + 1,
                        node: NodeId(1),
                        committed: step % 2 == 0,
                    };
                    model.possible_vote = Some(vote);
                    if log.group(group).save_vote(&to_vote(vote)).await.is_err() {
                        break;
                    }
                    model.vote = Some(vote);
                }
                1 if next > model.purged + 2 => {
                    let position = LogPosition {
                        term: 1,
                        log_index: next - 2,
                    };
                    if log.purge(group, position).await.is_err() {
                        break;
                    }
                    model.purged = next - 2;
                }
                _ => {
                    let count = random.random_range(1..4);
                    let size = random.random_range(1..20_000);
                    let entries: Vec<_> = (next..next + count)
                        .map(|index| entry(1, index, size))
                        .collect();
                    model.possible = entries.clone();
                    if log.append(group, entries.clone()).await.is_err() {
                        break;
                    }
                    model.durable.extend(entries);
                    model.possible.clear();
                }
            }
        }
    }
    directory.crash(loss, &mut || random.next_u64());
    let mut log = open(&directory).map_err(|error| error.to_string())?;
    for group in GROUPS {
        let model = models.remove(&group).unwrap_or_default();
        let found = log.entries(group);
        let first = found.first().map_or(0, |entry| entry.position.log_index);
        if first > model.purged + 1 {
            return Err(format!(
                "group {group} begins at {first}, purged {}",
                model.purged
            ));
        }
        let all: Vec<_> = model.durable.iter().chain(&model.possible).collect();
        for entry in &found {
            let index = usize::try_from(entry.position.log_index).unwrap();
            if all.get(index) != Some(&entry) {
                return Err(format!(
                    "group {group} holds an entry {index} that was never written"
                ));
            }
        }
        let end = found
            .last()
            .map_or(first, |entry| entry.position.log_index + 1);
        let durable = model.durable.len() as u64;
        if end < durable && !(found.is_empty() && model.purged + 1 >= durable) {
            return Err(format!(
                "group {group} ends at {end}, {durable} were durable"
            ));
        }
        let vote = log.group(group).log.lock().vote;
        if vote != model.vote && (vote.is_none() || vote != model.possible_vote) {
            return Err(format!(
                "group {group} voted {:?}, found {vote:?}",
                model.vote
            ));
        }
    }
    // It goes on after the crash.
    let next = log
        .entries(GROUPS[0])
        .last()
        .map(|entry| entry.position.log_index + 1);
    if let Some(next) = next {
        log.append(GROUPS[0], vec![entry(2, next, 10)])
            .await
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}
