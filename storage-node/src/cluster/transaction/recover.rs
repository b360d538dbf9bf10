//! Finishing what others left open, and forgetting what nobody asks for any more.
//!
//! Every leader looks after its own locks: one that is older than [`LOCK_OLD`] makes it ask the
//! coordinator's group for the outcome, and carry it out. Whoever coordinates has nothing to do but
//! answer. Records are removed when their time is over and no participant has a lock of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep};

use super::super::message::Refusal;
use super::super::route::refuse_storage;
use super::super::{Cluster, LocalGroup};
use super::evaluate::Changes;
use super::locks::Holder;
use super::message::{Attempt, FinishMessage, Outcome, OutcomeMessage};
use super::route::OldestLock;
use super::rows::{Due, RecordRow, decode, due_records, due_removal, record_key, record_removal};
use crate::engine::Keyspace;
use crate::hlc::Hlc;
use crate::replication::{GroupId, Leadership, LogCommand, RequestId};

/// How often locks are looked at: nothing when there are none.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// A lock of this age belongs to a transaction that was left open, or waits for an election: all
/// else takes milliseconds. With the coordinator's election (3 s at most) and this, nothing stays
/// locked for more than 5 s.
const LOCK_OLD: Duration = Duration::from_millis(1_500);
/// How long one round may ask.
const ASK_WITHIN: Duration = Duration::from_millis(1_500);
/// Transactions that are finished at once in one group.
const FINISHED_AT_ONCE: usize = 32;
/// Records are kept for minutes, so seconds do not matter.
const SWEEP_EVERY: Duration = Duration::from_secs(10);
/// Records removed by one command.
const SWEPT_AT_ONCE: usize = 500;
/// Commands of one group in a row; together 10,000 transactions a second, more than a group decides.
const SWEEPS_MAX: usize = 200;

impl Cluster {
    /// Looks after the locks of the groups that this node leads.
    pub(in super::super) async fn tend_transactions(&self) {
        let token = self.tasks.token();
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = sleep(LOOK_EVERY) => {}
            }
            let tended = self
                .led_groups()
                .map(|(local, leadership)| self.finish_old(local, leadership));
            for result in join_all(tended).await {
                if let Err(refusal) = result {
                    tracing::debug!(?refusal, "old locks are looked at again");
                }
            }
        }
    }

    fn led_groups(&self) -> impl Iterator<Item = (&LocalGroup, Leadership)> {
        self.groups.values().filter_map(|local| {
            let leadership = local.handle.leadership()?;
            Some((local, leadership))
        })
    }

    /// Removes the records of the groups that this node leads when their time is over. Apart from
    /// the locks, which must not wait for it.
    pub(in super::super) async fn sweep_transactions(&self) {
        let token = self.tasks.token();
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = sleep(SWEEP_EVERY) => {}
            }
            for (local, leadership) in self.led_groups() {
                for _ in 0..SWEEPS_MAX {
                    match Box::pin(self.sweep(local, leadership)).await {
                        Ok(more) if more && !token.is_cancelled() => {}
                        Ok(_) => break,
                        Err(refusal) => {
                            tracing::debug!(?refusal, "records of transactions are swept later");
                            break;
                        }
                    }
                }
            }
        }
    }

    /// Finishes the transactions whose locks in a led group are old.
    async fn finish_old(&self, local: &LocalGroup, leadership: Leadership) -> Result<(), Refusal> {
        let now_millis = self.now_millis();
        let locks = self.locks(local, leadership, |holder| is_old(holder, now_millis))?;
        let old = old_attempts(locks.into_iter().map(|(_, holder)| holder));
        let group = local.handle.id().0;
        let finished = old
            .into_iter()
            .map(|(attempt, coordinator)| self.finish_one(group, attempt, coordinator));
        for result in join_all(finished).await {
            result?;
        }
        Ok(())
    }

    async fn finish_one(
        &self,
        group: u32,
        attempt: Attempt,
        coordinator: u32,
    ) -> Result<(), Refusal> {
        let deadline = Instant::now() + ASK_WITHIN;
        let question = OutcomeMessage {
            coordinator,
            attempt,
            deadline_millis: 0,
        };
        let outcome = self
            .route(&question, deadline)
            .await
            .map_err(|_| Refusal::NotExecuted)?;
        if outcome == Outcome::Pending {
            return Ok(());
        }
        tracing::info!(
            group,
            ?outcome,
            "finishing a transaction that was left open"
        );
        let message = FinishMessage {
            group,
            attempt,
            outcome,
            deadline_millis: 0,
        };
        Box::pin(self.finish_as_leader(message, deadline)).await
    }

    /// Removes records of a led group whose time is over; says whether there may be more.
    async fn sweep(&self, local: &LocalGroup, leadership: Leadership) -> Result<bool, Refusal> {
        let group = local.handle.id();
        let due = due_records(
            &*self.engine.snapshot(),
            group,
            self.now_millis(),
            SWEPT_AT_ONCE,
        )
        .map_err(|problem| refuse_storage(&problem))?;
        if due.is_empty() {
            return Ok(false);
        }
        let is_full = due.len() == SWEPT_AT_ONCE;
        let mut expired = Vec::with_capacity(due.len());
        for due in due {
            let record = self
                .engine
                .get(Keyspace::System, &record_key(group, due.record))
                .and_then(|value| value.map(|value| decode::<RecordRow>(&value)).transpose())
                .map_err(|problem| refuse_storage(&problem))?;
            // A token that was used again after its time has a newer record.
            expired.push((due, record.filter(|row| row.expires_millis == due.millis)));
        }
        let oldest = self.oldest_locks(&expired).await;
        let mut changes = Changes::default();
        for (due, record) in &expired {
            match record {
                Some(record) if may_have_locks(record, &oldest) => continue,
                Some(_) => changes.writes.push(record_removal(group, due.record)),
                None => {}
            }
            changes.writes.push(due_removal(group, *due));
        }
        if changes.writes.is_empty() {
            return Ok(false);
        }
        let command = LogCommand {
            request_id: RequestId(self.request_id()),
            hlc: local.handle.next_hlc(),
            ..self.transaction_command(leadership, changes)
        };
        local
            .handle
            .propose(command, Instant::now() + ASK_WITHIN)
            .await?;
        Ok(is_full)
    }

    /// The oldest lock of each participant; those that do not answer are missing.
    async fn oldest_locks(
        &self,
        expired: &[(Due, Option<RecordRow>)],
    ) -> BTreeMap<u32, Option<u64>> {
        let groups: BTreeSet<u32> = expired
            .iter()
            .filter_map(|(_, record)| record.as_ref())
            .flat_map(|record| record.participants.iter().copied())
            .collect();
        let deadline = Instant::now() + ASK_WITHIN;
        let questions: Vec<OldestLock> = groups.into_iter().map(OldestLock).collect();
        let asked = questions
            .iter()
            .map(|question| self.route(question, deadline));
        let answers = join_all(asked).await;
        questions
            .iter()
            .zip(answers)
            .filter_map(|(question, answer)| Some((question.0, answer.ok()?)))
            .collect()
    }

    /// The stamp of the oldest lock of a group, as its leader.
    pub(super) async fn oldest_lock_as_leader(
        &self,
        group: u32,
        deadline: Instant,
    ) -> Result<Option<u64>, Refusal> {
        let local = self.local_group(GroupId(group))?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let locks = self.locks(local, leadership, |_| true)?;
        local.confirm(leadership, deadline).await?;
        Ok(locks.into_iter().map(|(_, holder)| holder.hlc).min())
    }
}

fn is_old(holder: &Holder, now_millis: u64) -> bool {
    let old_for = u64::try_from(LOCK_OLD.as_millis()).unwrap_or(u64::MAX);
    Hlc(holder.hlc).millis().saturating_add(old_for) <= now_millis
}

/// The attempts with these locks, each with its coordinator; the oldest first, not too many.
fn old_attempts(holders: impl Iterator<Item = Holder>) -> Vec<(Attempt, u32)> {
    let old: BTreeMap<(u64, Attempt), u32> = holders
        .map(|holder| ((holder.hlc, holder.attempt), holder.coordinator))
        .collect();
    old.into_iter()
        .map(|((_, attempt), coordinator)| (attempt, coordinator))
        .take(FINISHED_AT_ONCE)
        .collect()
}

/// Whether a participant may still have a lock of the record: locks are made before the decision.
fn may_have_locks(record: &RecordRow, oldest: &BTreeMap<u32, Option<u64>>) -> bool {
    record.participants.iter().any(|group| {
        oldest
            .get(group)
            .is_none_or(|oldest| oldest.is_some_and(|oldest| oldest <= record.hlc))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(record: u128) -> Attempt {
        Attempt {
            record,
            term: 1,
            number: 1,
        }
    }

    fn holder(record: u128, millis: u64) -> Holder {
        Holder {
            partition_id: 1,
            attempt: attempt(record),
            coordinator: 2,
            hlc: millis << 16,
        }
    }

    #[test]
    fn only_old_locks_are_asked_about_once_for_each_attempt() {
        let holders = [
            holder(1, 5_000),
            holder(2, 1_000),
            holder(2, 1_000),
            holder(3, 8_500),
        ];
        let old = holders.into_iter().filter(|holder| is_old(holder, 9_000));
        let old = old_attempts(old);
        assert_eq!(old, [(attempt(2), 2), (attempt(1), 2)]);
    }

    #[test]
    fn a_record_stays_while_a_participant_may_have_its_lock() {
        let record = RecordRow {
            attempt: attempt(1),
            request_id: 1,
            fingerprint: 1,
            hlc: 50,
            participants: vec![1, 2],
            charges: Vec::new(),
            expires_millis: 1,
        };
        let oldest = |first, second| BTreeMap::from([(1, first), (2, second)]);
        assert!(!may_have_locks(&record, &oldest(None, None)));
        assert!(!may_have_locks(&record, &oldest(Some(51), None)));
        assert!(may_have_locks(&record, &oldest(Some(50), None)));
        let silent = BTreeMap::from([(1, None)]);
        assert!(may_have_locks(&record, &silent), "one did not answer");
    }
}
