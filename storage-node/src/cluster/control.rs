//! The control plane: changes of the catalog, and knowing the newest one.
//!
//! A change is planned on the leader of the meta group from the applied rows, one at a time, and
//! becomes one log entry: its rows and a new version. Whoever has to be sure of the newest catalog
//! asks for a barrier: the leader confirms itself and names a log index, and the asker waits until it
//! has applied that much. The data path never does either while tables are where it thinks.

mod capacity_plan;
pub mod describe;
mod describe_index;
mod expiry_plan;
mod index_plan;
mod readers;
mod settings_plan;
mod stream_plan;
pub mod tables;
mod unbacked;

#[cfg(test)]
mod plan_tests;

use std::sync::Arc;

use bytes::Bytes;
use stator_model::error::ApiError;
use tokio::time::{Instant, timeout_at};

pub use self::unbacked::UnbackedSettings;
use super::catalog::rows::{COUNTERS_KEY, CountersRow, LastChange, Row};
use super::catalog::{CatalogState, read};
use super::message::{ControlMessage, ControlOperation, DataAnswer, DataRequest, Refusal};
use super::route::{RouteError, Routed, millis_until, refuse, refuse_storage};
use super::{Cluster, LocalGroup};
use crate::engine::Keyspace;
use crate::replication::{
    Cause, ChangeKind, EngineWrite, GroupId, Images, LogCommand, PartitionId, RequestId,
};

/// A planned change of the catalog.
#[derive(Debug)]
pub(super) struct Change {
    /// Rows to write; none for a change that turned out to be none.
    pub(super) writes: Vec<EngineWrite>,
    /// What other nodes have to reload.
    pub(super) last_change: LastChange,
    /// The caller's answer, remembered under the request id.
    pub(super) answer: Bytes,
}

impl Default for Change {
    fn default() -> Self {
        Self {
            writes: Vec::new(),
            last_change: LastChange::All,
            answer: Bytes::new(),
        }
    }
}

/// The write of a catalog row.
pub(super) fn catalog_write<R: Row>(key: Bytes, row: &R) -> EngineWrite {
    EngineWrite {
        keyspace: Keyspace::Catalog,
        key,
        value: Some(row.encode()),
    }
}

impl Cluster {
    /// Runs a control-plane operation that changes the catalog; answers its response body.
    ///
    /// # Errors
    /// The caller's error, or a 500 at the deadline: the outcome is then unknown.
    pub async fn control(
        &self,
        operation: ControlOperation,
        body: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, ApiError> {
        let message = ControlMessage {
            request_id: self.request_id(),
            operation,
            body,
            deadline_millis: millis_until(deadline),
        };
        self.route(&message, deadline)
            .await
            .map_err(|error| match error {
                RouteError::Api(error) => error,
                RouteError::Stale => ApiError::internal("the meta group is not where it was"),
            })
    }

    /// Makes sure that this node's catalog holds every change that was acknowledged before the call.
    ///
    /// # Errors
    /// A 500 when no leader of the meta group answers before the deadline.
    pub async fn barrier(&self, deadline: Instant) -> Result<(), ApiError> {
        let log_index = self
            .route(&Barrier, deadline)
            .await
            .map_err(|error| match error {
                RouteError::Api(error) => error,
                RouteError::Stale => ApiError::internal("the meta group is not where it was"),
            })?;
        let late = || ApiError::internal("the catalog of this node did not catch up in time");
        let meta = self.groups.get(&GroupId::META).ok_or_else(late)?;
        let mut applied = meta.handle.applied();
        timeout_at(deadline, applied.wait_for(|index| *index >= log_index))
            .await
            .map_err(|_| late())?
            .map_err(|_| late())?;
        self.catalog.refresh().map_err(|problem| {
            tracing::error!(%problem, "the catalog cannot be read");
            late()
        })
    }

    /// Confirms this node's leadership of the meta group; the log index to have applied.
    pub(super) async fn barrier_as_leader(&self, deadline: Instant) -> Result<u64, Refusal> {
        let meta = self.local_group(GroupId::META)?;
        meta.handle.read_index(deadline).await?;
        Ok(*meta.handle.applied().borrow())
    }

    /// Runs an operation as the leader of the meta group.
    pub(super) async fn control_as_leader(
        &self,
        message: &ControlMessage,
        deadline: Instant,
    ) -> Result<Bytes, Refusal> {
        let now = self.now_millis();
        let table_id = self.request_id();
        let groups =
            u32::try_from(self.identity.founding.groups.len().saturating_sub(1)).unwrap_or(1);
        let sizes = self.sizes();
        let planner = tables::Planner {
            now_millis: now,
            table_id,
            groups,
            unbacked: self.unbacked,
            sizes: &sizes,
        };
        let request_id = RequestId(message.request_id);
        self.change_catalog(request_id, deadline, |state, counters| {
            planner.plan(message.operation, &message.body, state, counters)
        })
        .await
    }

    /// Plans a change from the applied catalog and logs it, as the leader of the meta group.
    pub(super) async fn change_catalog(
        &self,
        request_id: RequestId,
        deadline: Instant,
        plan: impl FnOnce(&CatalogState, &mut CountersRow) -> Result<Change, ApiError> + Send,
    ) -> Result<Bytes, Refusal> {
        let meta = self.local_group(GroupId::META)?;
        let latch = timeout_at(deadline, Arc::clone(&self.catalog_latch).lock_owned())
            .await
            .map_err(|_| Refusal::NotExecuted)?;
        let leadership = meta.handle.leadership().ok_or_else(|| meta.not_leader())?;
        if let Some(answer) = meta.handle.remembered(request_id) {
            return Ok(answer);
        }
        let (state, mut counters) = self.applied_catalog().map_err(|p| refuse_storage(&*p))?;
        let change = match plan(&state, &mut counters) {
            Ok(change) => change,
            Err(error) => {
                meta.confirm(leadership, deadline).await?;
                return Err(refuse(&error));
            }
        };
        if change.writes.is_empty() {
            meta.confirm(leadership, deadline).await?;
            return Ok(change.answer);
        }
        let command = self.catalog_command(meta, request_id, leadership.term, counters, change);
        let answer = command.outcome.clone();
        let applied = meta
            .handle
            .propose_holding(command, deadline, latch)
            .await?;
        // The next request on this node sees the change without waiting for the follower task.
        if let Err(problem) = self.catalog.refresh() {
            tracing::error!(%problem, "the catalog cannot be read");
        }
        Ok(applied.repeated.unwrap_or(answer))
    }

    fn applied_catalog(
        &self,
    ) -> Result<(Arc<CatalogState>, CountersRow), Box<dyn std::error::Error>> {
        self.catalog.refresh()?;
        let state = self.catalog.current();
        let counters = read(&*self.engine.snapshot(), COUNTERS_KEY)?.unwrap_or_default();
        Ok((state, counters))
    }

    fn catalog_command(
        &self,
        meta: &LocalGroup,
        request_id: RequestId,
        term: u64,
        mut counters: CountersRow,
        change: Change,
    ) -> LogCommand {
        counters.version += 1;
        counters.last_change = change.last_change;
        let mut writes = change.writes;
        writes.push(catalog_write(Bytes::from_static(COUNTERS_KEY), &counters));
        LogCommand {
            request_id,
            partition: PartitionId(0),
            epoch: 0,
            evaluation_term: term,
            hlc: meta.handle.next_hlc(),
            previous_hlc: None,
            writes,
            appends: Vec::new(),
            change: ChangeKind::None,
            cause: Cause::Client,
            origin_region: self.identity.founding.region.clone(),
            images: Images::default(),
            outcome: change.answer,
        }
    }
}

impl Routed for ControlMessage {
    type Output = Bytes;

    fn group(&self) -> GroupId {
        GroupId::META
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<Bytes, Refusal> {
        cluster.control_as_leader(self, deadline).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Control(ControlMessage {
            deadline_millis,
            ..self.clone()
        })
    }

    fn output(&self, answer: DataAnswer) -> Option<Bytes> {
        match answer {
            DataAnswer::Control(body) => Some(body),
            _ => None,
        }
    }
}

struct Barrier;

impl Routed for Barrier {
    type Output = u64;

    fn group(&self) -> GroupId {
        GroupId::META
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<u64, Refusal> {
        cluster.barrier_as_leader(deadline).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Barrier { deadline_millis }
    }

    fn output(&self, answer: DataAnswer) -> Option<u64> {
        match answer {
            DataAnswer::Barrier { log_index } => Some(log_index),
            _ => None,
        }
    }
}
