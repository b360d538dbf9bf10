//! The router's side of transactions, and how each message finds its leader.

use std::collections::BTreeMap;
use std::sync::Arc;

use stator_model::error::ApiError;
use tokio::time::Instant;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use super::super::message::{DataAnswer, DataRequest, Refusal};
use super::super::route::{RouteError, Routed};
use super::super::write::to_message;
use super::super::{Cluster, Table};
use super::message::{
    ActionMessage, FinishMessage, Outcome, OutcomeMessage, PrepareMessage, Prepared,
    ReadVersionsMessage, RunMessage, TransactWritten, TransactionAnswer, TransactionRequest,
    Version,
};
use super::{TransactAction, TransactWrite};
use crate::replication::GroupId;

impl Cluster {
    /// Makes all the changes of a transaction, or none.
    ///
    /// # Errors
    /// TransactionCanceledException with a reason for each action; the errors of tokens; a 500 at
    /// the deadline: the outcome is then unknown.
    ///
    /// # Cancel safety
    /// A transaction that reached its coordinator runs to its end without the caller.
    pub async fn transact_write(
        &self,
        request: &TransactWrite,
        deadline: Instant,
    ) -> Result<TransactWritten, ApiError> {
        let request_id = self.request_id();
        let (record, fingerprint) = match &request.token {
            Some(token) => (record_of_token(&token.token), token.fingerprint),
            None => (request_id, 0),
        };
        let mut tables: Vec<Arc<Table>> = request
            .actions
            .iter()
            .map(|action| Arc::clone(&action.write.table))
            .collect();
        loop {
            let actions = messages(&request.actions, &tables)?;
            let coordinator = match &request.token {
                Some(_) => self.group_of_token(record),
                None => actions.first().map(|action| action.write.route.group_id),
            };
            let routed = RoutedRun(Arc::new(RunMessage {
                request_id,
                record,
                fingerprint,
                coordinator: coordinator.unwrap_or(GroupId::META.0),
                actions,
                deadline_millis: 0,
            }));
            match Box::pin(self.route(&routed, deadline)).await {
                Ok(written) => return Ok(written),
                Err(RouteError::Api(error)) => return Err(error),
                Err(RouteError::Stale) => {
                    let mut renewed = BTreeMap::new();
                    for table in &mut tables {
                        *table = self.renewed_once(&mut renewed, table, deadline).await?;
                    }
                }
            }
        }
    }

    /// The group that coordinates the transactions with a token, whatever items they name, so that a
    /// repetition finds the first one. Each data group has its own hash of the record and the
    /// greatest wins: where groups come or go, most tokens stay where they are.
    fn group_of_token(&self, record: u128) -> Option<u32> {
        let catalog = self.catalog.current();
        let groups = catalog.groups.keys().copied();
        groups
            .filter(|group| *group != GroupId::META.0)
            .max_by_key(|group| {
                let mut bytes = record.to_be_bytes().to_vec();
                bytes.extend_from_slice(&group.to_be_bytes());
                xxh3_64(&bytes)
            })
    }

    /// [`Cluster::renewed`], once for each table of a request.
    pub(super) async fn renewed_once(
        &self,
        renewed: &mut BTreeMap<u64, Arc<Table>>,
        table: &Arc<Table>,
        deadline: Instant,
    ) -> Result<Arc<Table>, ApiError> {
        let id = table.row.storage_id;
        if let Some(fresh) = renewed.get(&id) {
            return Ok(Arc::clone(fresh));
        }
        let fresh = self.renewed(table, deadline).await?;
        renewed.insert(id, Arc::clone(&fresh));
        Ok(fresh)
    }
}

/// The record of the transactions with a token.
fn record_of_token(token: &str) -> u128 {
    xxh3_128(&[b"token", token.as_bytes()].concat())
}

fn messages(
    actions: &[TransactAction],
    tables: &[Arc<Table>],
) -> Result<Vec<ActionMessage>, ApiError> {
    actions
        .iter()
        .zip(tables)
        .map(|(action, table)| {
            let partition = table
                .partition_of(action.write.key.partition_hash())
                .ok_or_else(|| ApiError::internal("the table has no partition for the key"))?;
            Ok(ActionMessage {
                write: to_message(&action.write, table, partition),
                check_only: action.check_only,
            })
        })
        .collect()
}

struct RoutedRun(Arc<RunMessage>);

impl Routed for RoutedRun {
    type Output = TransactWritten;

    fn group(&self) -> GroupId {
        GroupId(self.0.coordinator)
    }

    async fn local(
        &self,
        cluster: &Cluster,
        deadline: Instant,
    ) -> Result<TransactWritten, Refusal> {
        cluster
            .run_as_coordinator(Arc::clone(&self.0), deadline)
            .await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Transaction(TransactionRequest::Run(RunMessage {
            deadline_millis,
            ..(*self.0).clone()
        }))
    }

    fn output(&self, answer: DataAnswer) -> Option<TransactWritten> {
        match answer {
            DataAnswer::Transaction(TransactionAnswer::Ran(written)) => Some(written),
            _ => None,
        }
    }
}

impl Routed for PrepareMessage {
    type Output = Prepared;

    fn group(&self) -> GroupId {
        GroupId(self.group)
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<Prepared, Refusal> {
        Box::pin(cluster.prepare_as_leader(self, deadline)).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Transaction(TransactionRequest::Prepare(Self {
            deadline_millis,
            ..self.clone()
        }))
    }

    fn output(&self, answer: DataAnswer) -> Option<Prepared> {
        match answer {
            DataAnswer::Transaction(TransactionAnswer::Prepared(prepared)) => Some(prepared),
            _ => None,
        }
    }
}

impl Routed for FinishMessage {
    type Output = ();

    fn group(&self) -> GroupId {
        GroupId(self.group)
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<(), Refusal> {
        Box::pin(cluster.finish_as_leader(*self, deadline)).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Transaction(TransactionRequest::Finish(Self {
            deadline_millis,
            ..*self
        }))
    }

    fn output(&self, answer: DataAnswer) -> Option<()> {
        let finished = matches!(answer, DataAnswer::Transaction(TransactionAnswer::Finished));
        finished.then_some(())
    }
}

impl Routed for OutcomeMessage {
    type Output = Outcome;

    fn group(&self) -> GroupId {
        GroupId(self.coordinator)
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<Outcome, Refusal> {
        cluster.outcome_as_coordinator(*self, deadline).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Transaction(TransactionRequest::Outcome(Self {
            deadline_millis,
            ..*self
        }))
    }

    fn output(&self, answer: DataAnswer) -> Option<Outcome> {
        match answer {
            DataAnswer::Transaction(TransactionAnswer::Outcome(outcome)) => Some(outcome),
            _ => None,
        }
    }
}

impl Routed for ReadVersionsMessage {
    type Output = Vec<Version>;

    fn group(&self) -> GroupId {
        GroupId(self.group)
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<Vec<Version>, Refusal> {
        cluster.versions_as_leader(self, deadline).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Transaction(TransactionRequest::Read(Self {
            deadline_millis,
            keys: self.keys.clone(),
            ..*self
        }))
    }

    fn output(&self, answer: DataAnswer) -> Option<Vec<Version>> {
        match answer {
            DataAnswer::Transaction(TransactionAnswer::Versions(versions))
                if versions.len() == self.keys.len() =>
            {
                Some(versions)
            }
            _ => None,
        }
    }
}

/// A question for the oldest lock of a group.
pub(super) struct OldestLock(pub(super) u32);

impl Routed for OldestLock {
    type Output = Option<u64>;

    fn group(&self) -> GroupId {
        GroupId(self.0)
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<Option<u64>, Refusal> {
        cluster.oldest_lock_as_leader(self.0, deadline).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Transaction(TransactionRequest::OldestLock {
            group: self.0,
            deadline_millis,
        })
    }

    fn output(&self, answer: DataAnswer) -> Option<Option<u64>> {
        match answer {
            DataAnswer::Transaction(TransactionAnswer::OldestLock(oldest)) => Some(oldest),
            _ => None,
        }
    }
}
