//! Answering other nodes.

use std::sync::Arc;

use bytes::Bytes;

use super::Cluster;
use super::message::{DataAnswer, DataRequest, Refusal, decode, encode};
use super::route::deadline_in;
use crate::replication::{GroupId, NodeId};
use crate::rpc::RpcError;

impl Cluster {
    /// Answers one message of another node. Never panics on what it is sent.
    ///
    /// # Errors
    /// [`RpcError::Refused`] for a message that cannot be read; nothing was done.
    pub async fn handle(self: Arc<Self>, payload: Bytes) -> Result<Bytes, RpcError> {
        let request: DataRequest =
            decode(&payload).map_err(|problem| RpcError::Refused(problem.to_string()))?;
        let answer = self
            .answer(request)
            .await
            .unwrap_or_else(DataAnswer::Refused);
        Ok(encode(&answer))
    }

    async fn answer(&self, request: DataRequest) -> Result<DataAnswer, Refusal> {
        match request {
            DataRequest::Write(message) => self
                .write_for_router(message)
                .await
                .map(DataAnswer::Written),
            DataRequest::Read(message) => {
                self.read_for_router(message).await.map(DataAnswer::Items)
            }
            DataRequest::Page(message) => self.page_for_router(message).await.map(DataAnswer::Page),
            DataRequest::Control(message) => {
                let deadline = deadline_in(message.deadline_millis);
                self.control_as_leader(&message, deadline)
                    .await
                    .map(DataAnswer::Control)
            }
            DataRequest::Barrier { deadline_millis } => {
                let log_index = self.barrier_as_leader(deadline_in(deadline_millis)).await?;
                Ok(DataAnswer::Barrier { log_index })
            }
            DataRequest::NodeInfo => Ok(DataAnswer::NodeInfo(self.node_report_json())),
            DataRequest::DrainLeaders => Ok(DataAnswer::Drained {
                moved_leaders: self.drain_leaders().await,
            }),
            DataRequest::YieldLeader { group, to } => {
                self.yield_leader(GroupId(group), NodeId(to)).await;
                Ok(DataAnswer::Done)
            }
            DataRequest::Retire { partitions } => self
                .retire_as_leader(&partitions)
                .await
                .map(|()| DataAnswer::Done),
            DataRequest::Purge {
                storage_id,
                partition,
                local_indexes,
                keep_streams,
            } => {
                let more = self
                    .purge_as_leader(storage_id, &partition, &local_indexes, keep_streams)
                    .await?;
                Ok(DataAnswer::Purged { more })
            }
            DataRequest::SetReaders(message) => {
                let deadline = deadline_in(message.deadline_millis);
                self.set_readers_as_leader(&message, deadline).await?;
                Ok(DataAnswer::Done)
            }
            DataRequest::Transaction(request) => {
                let answer = Box::pin(self.transaction_for_router(request)).await?;
                Ok(DataAnswer::Transaction(answer))
            }
            DataRequest::Stream(message) => self
                .stream_for_router(message)
                .await
                .map(DataAnswer::Stream),
            DataRequest::Deliver(parcel) => {
                self.take_parcel(parcel).await?;
                Ok(DataAnswer::Done)
            }
            DataRequest::Backfill(message) => self
                .backfill_as_leader(&message)
                .await
                .map(DataAnswer::Backfilled),
        }
    }
}
