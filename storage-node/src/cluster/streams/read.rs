//! Shards and records of a stream, read on the leaders of its partitions.
//!
//! A leader's applied log is a prefix of the committed one even when it has been deposed, so that
//! what is read is never wrong, at most not the newest. Only that a stream is at its end needs more
//! than a prefix: there is a mark in the log, or the leader is confirmed first.

use std::collections::BTreeMap;

use stator_model::error::ApiError;
use tokio::time::Instant;

use super::super::Cluster;
use super::super::message::{
    DataAnswer, DataRequest, Refusal, ShardOutcome, StreamAnswer, StreamAsk, StreamMessage,
    StreamPage, StreamPlace,
};
use super::super::route::{RouteError, Routed, deadline_in};
use super::StreamSource;
use super::view::{PartitionLog, ShardsView, no_such_shard};
use crate::replication::GroupId;
use crate::table::change_log::ChangePosition;

impl Cluster {
    /// The shards of a stream by partition, oldest first in each.
    ///
    /// # Errors
    /// A 500 when a partition has no leader before the deadline.
    pub async fn stream_shards(
        &self,
        source: &StreamSource,
        deadline: Instant,
    ) -> Result<Vec<(u64, Vec<ShardOutcome>)>, ApiError> {
        let mut by_group: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for partition in &source.partitions {
            let of_group = by_group.entry(partition.group_id).or_default();
            of_group.push(partition.partition_id);
        }
        let messages: Vec<StreamMessage> = by_group
            .into_iter()
            .map(|(group_id, partitions)| message(source, group_id, partitions, StreamAsk::Shards))
            .collect();
        let routed = messages.iter().map(|message| self.route(message, deadline));
        let answers = futures::future::try_join_all(routed)
            .await
            .map_err(api_error)?;
        let mut all = Vec::new();
        for answer in answers {
            match answer {
                StreamAnswer::Shards(shards) => all.extend(shards),
                _ => return Err(unexpected()),
            }
        }
        Ok(all)
    }

    /// The position from which to read a shard.
    ///
    /// # Errors
    /// What GetShardIterator answers: no such shard, or trimmed data.
    pub async fn stream_place(
        &self,
        source: &StreamSource,
        shard: (u64, u64),
        place: StreamPlace,
        deadline: Instant,
    ) -> Result<ChangePosition, ApiError> {
        let (start_millis, partition_id) = shard;
        let ask = StreamAsk::Place {
            start_millis,
            place,
        };
        match self
            .ask_partition(source, partition_id, ask, deadline)
            .await?
        {
            StreamAnswer::Place(position) => Ok(position),
            _ => Err(unexpected()),
        }
    }

    /// Records of a shard from `from` on. With `since_millis`, records before that time are passed
    /// over.
    ///
    /// # Errors
    /// What GetRecords answers: no such shard, or trimmed data.
    pub async fn stream_records(
        &self,
        source: &StreamSource,
        shard: (u64, u64),
        from: ChangePosition,
        since_millis: Option<u64>,
        limit: u32,
        deadline: Instant,
    ) -> Result<StreamPage, ApiError> {
        let (start_millis, partition_id) = shard;
        let ask = StreamAsk::Records {
            start_millis,
            from,
            since_millis,
            limit,
        };
        match self
            .ask_partition(source, partition_id, ask, deadline)
            .await?
        {
            StreamAnswer::Page(page) => Ok(page),
            _ => Err(unexpected()),
        }
    }

    async fn ask_partition(
        &self,
        source: &StreamSource,
        partition_id: u64,
        ask: StreamAsk,
        deadline: Instant,
    ) -> Result<StreamAnswer, ApiError> {
        let partition = source
            .partitions
            .iter()
            .find(|partition| partition.partition_id == partition_id)
            .ok_or_else(no_such_shard)?;
        let message = message(source, partition.group_id, vec![partition_id], ask);
        self.route(&message, deadline).await.map_err(api_error)
    }

    /// Answers as the leader of the group.
    pub(in super::super) async fn stream_as_leader(
        &self,
        message: &StreamMessage,
        deadline: Instant,
    ) -> Result<StreamAnswer, Refusal> {
        let local = self.local_group(GroupId(message.group_id))?;
        if message.closed {
            local.handle.read_index(deadline).await?;
        }
        local
            .handle
            .leadership()
            .ok_or_else(|| local.not_leader())?;
        let state = self.engine.snapshot();
        let horizon_millis = self.stream_horizon_millis();
        let view = |partition_id| ShardsView {
            log: PartitionLog::new(&*state, partition_id),
            enabled_millis: message.enabled_millis,
            closed: message.closed,
            horizon_millis,
        };
        let first = message.partitions.first().copied().unwrap_or_default();
        match &message.ask {
            StreamAsk::Shards => message
                .partitions
                .iter()
                .map(|id| Ok((*id, view(*id).outcomes()?)))
                .collect::<Result<_, Refusal>>()
                .map(StreamAnswer::Shards),
            StreamAsk::Place {
                start_millis,
                place,
            } => view(first)
                .place(*start_millis, *place)
                .map(StreamAnswer::Place),
            StreamAsk::Records {
                start_millis,
                from,
                since_millis,
                limit,
            } => view(first)
                .page(*start_millis, *from, *since_millis, *limit)
                .map(StreamAnswer::Page),
        }
    }

    /// What another node's router asks.
    pub(in super::super) async fn stream_for_router(
        &self,
        message: StreamMessage,
    ) -> Result<StreamAnswer, Refusal> {
        let deadline = deadline_in(message.deadline_millis);
        self.stream_as_leader(&message, deadline).await
    }
}

fn message(
    source: &StreamSource,
    group_id: u32,
    partitions: Vec<u64>,
    ask: StreamAsk,
) -> StreamMessage {
    StreamMessage {
        group_id,
        partitions,
        enabled_millis: source.row.enabled_millis,
        closed: source.is_closed(),
        ask,
        deadline_millis: 0,
    }
}

fn unexpected() -> ApiError {
    ApiError::internal("another node answered something else than it was asked")
}

fn api_error(error: RouteError) -> ApiError {
    match error {
        RouteError::Api(error) => error,
        RouteError::Stale => ApiError::internal("the partition is not where it was"),
    }
}

impl Routed for StreamMessage {
    type Output = StreamAnswer;

    fn group(&self) -> GroupId {
        GroupId(self.group_id)
    }

    async fn local(&self, cluster: &Cluster, deadline: Instant) -> Result<StreamAnswer, Refusal> {
        cluster.stream_as_leader(self, deadline).await
    }

    fn request(&self, deadline_millis: u32) -> DataRequest {
        DataRequest::Stream(Self {
            deadline_millis,
            ..self.clone()
        })
    }

    fn output(&self, answer: DataAnswer) -> Option<StreamAnswer> {
        match answer {
            DataAnswer::Stream(answer) => Some(answer),
            _ => None,
        }
    }
}
