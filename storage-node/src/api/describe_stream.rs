//! DescribeStream.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{
    DescribeStreamRequest, DescribeStreamResponse, SequenceNumberRange, Shard,
};

use super::request::{authorize, newest_catalog};
use super::service::Call;
use super::streams::find_stream;
use crate::cluster::message::ShardOutcome;
use crate::table::shards::{sequence_number, shard_id};

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = DescribeStreamRequest::parse(&call.body)?;
    authorize(&call, "dynamodb:DescribeStream", &request.stream_arn)?;
    newest_catalog(&call).await?;
    let source = find_stream(&call, &request.stream_arn).await?;
    let by_partition = call.cluster.stream_shards(&source, call.deadline).await?;
    let mut shards: Vec<Shard> = by_partition
        .iter()
        .flat_map(|(partition, shards)| shards.iter().map(|outcome| shard(*partition, outcome)))
        .collect();
    shards.sort_by(|a, b| a.shard_id.cmp(&b.shard_id));
    if let Some(parent) = &request.child_shards_of {
        shards.retain(|shard| shard.parent_shard_id.as_ref() == Some(parent));
    }
    if let Some(start) = &request.exclusive_start_shard_id {
        shards.retain(|shard| shard.shard_id > *start);
    }
    let is_cut = shards.len() > request.page_length();
    shards.truncate(request.page_length());
    let last = shards.last().map(|shard| shard.shard_id.clone());
    let response = DescribeStreamResponse {
        stream_label: source.label(),
        stream_arn: request.stream_arn,
        stream_status: source.status,
        stream_view_type: source.row.view.into(),
        creation_request_date_time: seconds(source.row.enabled_millis),
        table_name: source.table_name,
        key_schema: source.key_schema,
        last_evaluated_shard_id: last.filter(|_| is_cut),
        shards,
    };
    Ok(response.to_json().into())
}

fn shard(partition_id: u64, outcome: &ShardOutcome) -> Shard {
    let parent = outcome.parent_start_millis;
    Shard {
        shard_id: shard_id(outcome.start_millis, partition_id),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: sequence_number(outcome.starting),
            ending_sequence_number: outcome.ending.map(sequence_number),
        },
        parent_shard_id: parent.map(|parent| shard_id(parent, partition_id)),
    }
}

/// Seconds since 1970 with milliseconds.
fn seconds(millis: u64) -> f64 {
    let whole = f64::from(u32::try_from(millis / 1_000).unwrap_or(u32::MAX));
    let fraction = f64::from(u32::try_from(millis % 1_000).unwrap_or(0));
    whole + fraction / 1_000.0
}
