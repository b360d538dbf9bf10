//! Driving a transaction, as the leader of the group that coordinates it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use stator_model::error::{ApiError, CancellationReason};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::super::message::Refusal;
use super::super::route::{RouteError, refuse, refuse_storage};
use super::super::{Cluster, LocalGroup};
use super::evaluate::Changes;
use super::message::{
    ActionMessage, Attempt, Charge, FinishMessage, Outcome, OutcomeMessage, PrepareMessage,
    Prepared, RunMessage, TransactWritten,
};
use super::participate::COMMAND_SIZE_BYTES_MAX;
use super::rows::{RecordRow, commit_hlc, decode, record_key, record_writes};
use super::running::{Entered, Ran, Registration};
use super::{TOKEN_KEPT_FOR, not_executed};
use crate::engine::Keyspace;
use crate::hlc::Hlc;
use crate::replication::{GroupId, Leadership, LogCommand, PartitionId, ProposeError, RequestId};

/// How long all participants together may take to lock: a leader's election and a little. Whoever
/// waits for the locked items gets a conflict meanwhile.
const PREPARE_WITHIN: Duration = Duration::from_millis(3_500);
/// How long the decision may take to reach the log.
const DECIDE_WITHIN: Duration = Duration::from_millis(1_500);
/// How long the participants are asked to carry it out; after that they ask by themselves.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
/// How long an abort waits for its participants before the client is answered.
const ABORT_WITHIN: Duration = Duration::from_secs(1);

/// Where in the client's order the actions of each group stand.
type ByGroup = BTreeMap<u32, Vec<usize>>;

impl Cluster {
    /// Runs a transaction, or joins the one that runs for the same request.
    pub(super) async fn run_as_coordinator(
        &self,
        message: Arc<RunMessage>,
        deadline: Instant,
    ) -> Ran {
        let local = self.local_group(GroupId(message.coordinator))?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let attempt = Attempt {
            record: message.record,
            term: leadership.term,
            number: local.handle.next_hlc().0,
        };
        let entered = self
            .running
            .enter(attempt, message.request_id, message.fingerprint);
        let result = match entered {
            Entered::First(registration) => {
                let result = registration.result();
                self.spawn_drive(message, leadership, registration)?;
                result
            }
            Entered::Same(result) => result,
            Entered::Other {
                same_parameters: true,
            } => return Err(refuse(&ApiError::transaction_in_progress())),
            Entered::Other {
                same_parameters: false,
            } => return Err(refuse(&ApiError::idempotent_parameter_mismatch())),
            Entered::Full => return Err(Refusal::NotExecuted),
        };
        wait(result, deadline).await
    }

    /// A transaction goes on to its end without the request that began it.
    fn spawn_drive(
        &self,
        message: Arc<RunMessage>,
        leadership: Leadership,
        registration: Arc<Registration>,
    ) -> Result<(), Refusal> {
        let cluster = self.this.upgrade().ok_or(Refusal::NotExecuted)?;
        self.tasks.spawn("transaction", async move {
            let drive = cluster.drive(&message, leadership, &registration);
            let ran = Box::pin(drive).await;
            registration.publish(ran);
        });
        Ok(())
    }

    async fn drive(
        &self,
        message: &RunMessage,
        leadership: Leadership,
        registration: &Arc<Registration>,
    ) -> Ran {
        let local = self.local_group(GroupId(message.coordinator))?;
        if let Some(record) = self.record(local.handle.id(), message.record)? {
            // Also of a record whose time is over: nothing of it may be open when it is replaced.
            self.finish_everywhere(&record, Instant::now() + FINISH_WITHIN)
                .await?;
            if record.expires_millis > self.now_millis() {
                return replay(message, record);
            }
        }
        let groups = by_group(&message.actions);
        if groups.len() == 1 && groups.contains_key(&message.coordinator) {
            let alone = self.drive_alone(message, local, leadership, registration);
            if let Some(ran) = Box::pin(alone).await? {
                return Ok(ran);
            }
        }
        let attempt = registration.attempt;
        let answers = self.prepare_everywhere(message, attempt, &groups).await;
        let (locked, charges) = match gather(message.actions.len(), &groups, answers) {
            Ok(locked) => locked,
            Err(refusal) => {
                self.abort(attempt, &groups).await;
                return Err(refusal);
            }
        };
        let hlc = commit_hlc(locked.into_iter(), local.handle.next_hlc());
        let record = self.record_row(message, attempt, hlc, &groups, charges);
        match self
            .propose_record(
                local,
                leadership,
                registration,
                &record,
                Changes::default(),
                (),
            )
            .await
        {
            Ok(()) => {}
            // Whether it was decided is seen by whoever asks next.
            Err(Refusal::Unknown) => return Err(Refusal::Unknown),
            Err(_) => {
                self.abort(attempt, &groups).await;
                return Err(Refusal::NotExecuted);
            }
        }
        self.finish_everywhere(&record, Instant::now() + FINISH_WITHIN)
            .await?;
        Ok(TransactWritten {
            replayed: false,
            charges: record.charges,
        })
    }

    /// A transaction with all of its items in the coordinator's own group: one command. `None` if it
    /// would be too large for one.
    async fn drive_alone(
        &self,
        message: &RunMessage,
        local: &LocalGroup,
        leadership: Leadership,
        registration: &Arc<Registration>,
    ) -> Result<Option<TransactWritten>, Refusal> {
        let deadline = Instant::now() + PREPARE_WITHIN;
        let ready = self.ready_actions(&message.actions, deadline).await?;
        let keys = ready.iter().map(|action| &*action.key);
        let latches = self
            .latches
            .lock_all(keys, deadline)
            .await
            .ok_or(Refusal::NotExecuted)?;
        let attempt = registration.attempt;
        let decided = match self.decide(local, leadership, attempt, &ready)? {
            Ok(decided) => decided,
            Err(reasons) => {
                local.confirm(leadership, deadline).await?;
                return Err(refuse(&ApiError::transaction_canceled(reasons)));
            }
        };
        let hlc = local.handle.next_hlc();
        let mut changes = self.changes(&decided, hlc)?;
        if changes.size_bytes() > COMMAND_SIZE_BYTES_MAX {
            return Ok(None);
        }
        // An older attempt of this very request may have left locks here: they end with it.
        for one in &decided {
            if self.holder(local, leadership, &one.key)?.is_some() {
                let partition_id = one.led.partition.partition_id;
                changes
                    .writes
                    .push(super::rows::lock_write(partition_id, &one.key, None));
            }
        }
        let groups = by_group(&message.actions);
        let charges: Vec<Charge> = decided.iter().map(|one| one.charge.clone()).collect();
        let record = self.record_row(message, attempt, hlc, &groups, charges);
        let guard = self.lock_guard(local, &decided, latches);
        self.propose_record(local, leadership, registration, &record, changes, guard)
            .await?;
        for one in &decided {
            self.opened(local, leadership, one);
        }
        Ok(Some(TransactWritten {
            replayed: false,
            charges: record.charges,
        }))
    }

    fn record_row(
        &self,
        message: &RunMessage,
        attempt: Attempt,
        hlc: Hlc,
        groups: &ByGroup,
        charges: Vec<Charge>,
    ) -> RecordRow {
        let kept_for = u64::try_from(TOKEN_KEPT_FOR.as_millis()).unwrap_or(u64::MAX);
        RecordRow {
            attempt,
            request_id: message.request_id,
            fingerprint: message.fingerprint,
            hlc: hlc.0,
            participants: groups.keys().copied().collect(),
            charges,
            expires_millis: self.now_millis().max(hlc.millis()).saturating_add(kept_for),
        }
    }

    /// Logs the decision, with whatever else is to be written with it.
    async fn propose_record<G: Send + 'static>(
        &self,
        local: &LocalGroup,
        leadership: Leadership,
        registration: &Arc<Registration>,
        record: &RecordRow,
        mut changes: Changes,
        guard: G,
    ) -> Result<(), Refusal> {
        let group = local.handle.id();
        local.handle.observe_hlc(Hlc(record.hlc));
        changes.writes.extend(record_writes(group, record));
        let command = LogCommand {
            request_id: RequestId(self.request_id()),
            partition: PartitionId(0),
            hlc: Hlc(record.hlc),
            outcome: Bytes::new(),
            ..self.transaction_command(leadership, changes)
        };
        let deadline = Instant::now() + DECIDE_WITHIN;
        // The attempt counts as running until the log has settled it.
        let held = (guard, Arc::clone(registration));
        match local.handle.propose_holding(command, deadline, held).await {
            Ok(_) => Ok(()),
            Err(ProposeError::Unknown) => Err(Refusal::Unknown),
            Err(refused) => Err(refused.into()),
        }
    }

    async fn prepare_everywhere(
        &self,
        message: &RunMessage,
        attempt: Attempt,
        groups: &ByGroup,
    ) -> Vec<Result<Prepared, RouteError>> {
        let deadline = Instant::now() + PREPARE_WITHIN;
        let messages: Vec<PrepareMessage> = groups
            .iter()
            .map(|(group, places)| PrepareMessage {
                group: *group,
                attempt,
                coordinator: message.coordinator,
                actions: places
                    .iter()
                    .filter_map(|place| message.actions.get(*place))
                    .cloned()
                    .collect(),
                deadline_millis: 0,
            })
            .collect();
        let asked = messages.iter().map(|message| self.route(message, deadline));
        join_all(asked).await
    }

    /// Frees whatever was locked. What cannot be told now finds out by itself.
    async fn abort(&self, attempt: Attempt, groups: &ByGroup) {
        let deadline = Instant::now() + ABORT_WITHIN;
        let groups: Vec<u32> = groups.keys().copied().collect();
        if self
            .finish(&groups, attempt, Outcome::Aborted, deadline)
            .await
            .is_err()
        {
            tracing::debug!("the locks of an aborted transaction are left to time");
        }
    }

    /// Has a decided transaction carried out by all of its participants.
    pub(super) async fn finish_everywhere(
        &self,
        record: &RecordRow,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let outcome = Outcome::Committed { hlc: record.hlc };
        self.finish(&record.participants, record.attempt, outcome, deadline)
            .await
    }

    async fn finish(
        &self,
        groups: &[u32],
        attempt: Attempt,
        outcome: Outcome,
        deadline: Instant,
    ) -> Result<(), Refusal> {
        let messages: Vec<FinishMessage> = groups
            .iter()
            .map(|group| FinishMessage {
                group: *group,
                attempt,
                outcome,
                deadline_millis: 0,
            })
            .collect();
        let asked = messages.iter().map(|message| self.route(message, deadline));
        // Until it is visible everywhere nobody may be told that it happened.
        for finished in join_all(asked).await {
            finished.map_err(|_| Refusal::Unknown)?;
        }
        Ok(())
    }

    fn record(&self, group: GroupId, record: u128) -> Result<Option<RecordRow>, Refusal> {
        self.engine
            .get(Keyspace::System, &record_key(group, record))
            .and_then(|value| value.map(|value| decode(&value)).transpose())
            .map_err(|problem| refuse_storage(&problem))
    }

    /// What was decided about an attempt, as the leader of the group that coordinates it.
    pub(super) async fn outcome_as_coordinator(
        &self,
        message: OutcomeMessage,
        deadline: Instant,
    ) -> Result<Outcome, Refusal> {
        let local = self.local_group(GroupId(message.coordinator))?;
        let leadership = local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let attempt = message.attempt;
        // In this order: an attempt ends by writing its record first.
        if attempt.term == leadership.term && self.running.has(attempt) {
            return Ok(Outcome::Pending);
        }
        let record = self.record(local.handle.id(), attempt.record)?;
        if let Some(record) = record.filter(|record| record.attempt == attempt) {
            return Ok(Outcome::Committed { hlc: record.hlc });
        }
        local.confirm(leadership, deadline).await?;
        Ok(Outcome::Aborted)
    }
}

async fn wait(mut result: watch::Receiver<Option<Ran>>, deadline: Instant) -> Ran {
    match timeout_at(deadline, result.wait_for(Option::is_some)).await {
        Ok(Ok(ran)) => ran.clone().unwrap_or(Err(Refusal::Unknown)),
        Ok(Err(_)) | Err(_) => Err(Refusal::Unknown),
    }
}

fn by_group(actions: &[ActionMessage]) -> ByGroup {
    let mut groups = ByGroup::new();
    for (place, action) in actions.iter().enumerate() {
        groups
            .entry(action.write.route.group_id)
            .or_default()
            .push(place);
    }
    groups
}

/// The answer to a request whose record is there already.
fn replay(message: &RunMessage, record: RecordRow) -> Ran {
    if record.fingerprint != message.fingerprint {
        return Err(refuse(&ApiError::idempotent_parameter_mismatch()));
    }
    Ok(TransactWritten {
        replayed: record.request_id != message.request_id,
        charges: record.charges,
    })
}

/// The stamps of all locks and the charges in the client's order, or why there is no transaction.
fn gather(
    count: usize,
    groups: &ByGroup,
    answers: Vec<Result<Prepared, RouteError>>,
) -> Result<(Vec<u64>, Vec<Charge>), Refusal> {
    let mut stamps = Vec::with_capacity(answers.len());
    let mut charges = vec![Charge::default(); count];
    let mut reasons = vec![CancellationReason::none(); count];
    let mut is_cancelled = false;
    let mut refusal = None;
    for (places, answer) in groups.values().zip(answers) {
        match answer {
            Ok(Prepared::Locked { hlc, charges: own }) => {
                stamps.push(hlc);
                put_in_place(&mut charges, places, own);
            }
            Ok(Prepared::Failed(own)) => {
                is_cancelled = true;
                put_in_place(&mut reasons, places, own.into_iter().map(Into::into));
            }
            Err(RouteError::Stale) => refusal = Some(Refusal::StaleRoute),
            Err(RouteError::Api(error)) => {
                // A timeout: nothing was decided, so nothing was executed.
                let is_internal = error.http_status() >= 500;
                let error = if is_internal { not_executed() } else { error };
                refusal = refusal.or_else(|| Some(refuse(&error)));
            }
        }
    }
    match refusal {
        Some(refusal) => Err(refusal),
        None if is_cancelled => Err(refuse(&ApiError::transaction_canceled(reasons))),
        None => Ok((stamps, charges)),
    }
}

fn put_in_place<T>(all: &mut [T], places: &[usize], own: impl IntoIterator<Item = T>) {
    for (place, one) in places.iter().zip(own) {
        if let Some(slot) = all.get_mut(*place) {
            *slot = one;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Reason;
    use super::*;

    fn groups() -> ByGroup {
        ByGroup::from([(1, vec![0, 2]), (2, vec![1])])
    }

    fn locked(hlc: u64, sizes: &[u32]) -> Result<Prepared, RouteError> {
        let charge = |size: &u32| Charge {
            size_bytes: *size,
            index_units: Vec::new(),
        };
        Ok(Prepared::Locked {
            hlc,
            charges: sizes.iter().map(charge).collect(),
        })
    }

    fn failed(reasons: Vec<CancellationReason>) -> Result<Prepared, RouteError> {
        Ok(Prepared::Failed(
            reasons.into_iter().map(Reason::from).collect(),
        ))
    }

    #[test]
    fn charges_stand_in_the_clients_order() {
        let answers = vec![locked(5, &[10, 30]), locked(6, &[20])];
        let (stamps, charges) = gather(3, &groups(), answers).unwrap();
        assert_eq!(stamps, [5, 6]);
        let sizes: Vec<u32> = charges.iter().map(|charge| charge.size_bytes).collect();
        assert_eq!(sizes, [10, 20, 30]);
    }

    #[test]
    fn every_failed_condition_is_told_in_its_place() {
        let check = || CancellationReason::of(ApiError::conditional_check_failed(None));
        let answers = vec![
            failed(vec![check(), CancellationReason::none()]),
            failed(vec![CancellationReason::conflict()]),
        ];
        let Err(Refusal::Api { status: 400, body }) = gather(3, &groups(), answers) else {
            panic!("cancelled");
        };
        let error = ApiError::from_json_body(400, &body);
        let codes: Vec<&str> = error
            .cancellation_reasons
            .iter()
            .map(|reason| reason.code.as_str())
            .collect();
        assert_eq!(
            codes,
            ["ConditionalCheckFailed", "TransactionConflict", "None"]
        );
    }

    #[test]
    fn a_stale_route_is_looked_up_again_whatever_else_failed() {
        let answers = vec![
            failed(vec![
                CancellationReason::conflict(),
                CancellationReason::none(),
            ]),
            Err(RouteError::Stale),
        ];
        assert_eq!(
            gather(3, &groups(), answers).unwrap_err(),
            Refusal::StaleRoute
        );
    }
}
