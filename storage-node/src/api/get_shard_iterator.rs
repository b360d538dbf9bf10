//! GetShardIterator.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{
    GetShardIteratorRequest, GetShardIteratorResponse, ShardIteratorStart,
};

use super::request::authorize;
use super::service::Call;
use super::shard_iterator::ShardPlace;
use super::streams::find_stream;
use crate::cluster::message::StreamPlace;
use crate::cluster::streams::no_such_shard;
use crate::table::change_log::ChangePosition;
use crate::table::shards::{parse_sequence_number, parse_shard_id};

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = GetShardIteratorRequest::parse(&call.body)?;
    authorize(&call, "dynamodb:GetShardIterator", &request.stream_arn)?;
    let now_millis = call.cluster.now_millis();
    let (place, since_millis) = place(&request.start, now_millis)?;
    let source = find_stream(&call, &request.stream_arn).await?;
    let shard = parse_shard_id(&request.shard_id).ok_or_else(no_such_shard)?;
    let from = call
        .cluster
        .stream_place(&source, shard, place, call.deadline)
        .await?;
    let place = ShardPlace {
        storage_id: source.storage_id,
        enabled_millis: source.row.enabled_millis,
        partition_id: shard.1,
        start_millis: shard.0,
        from,
        since_millis,
        issued_millis: now_millis,
    };
    let cluster_id = call.cluster.identity().founding.cluster_id;
    let response = GetShardIteratorResponse {
        shard_iterator: place.to_iterator(&request.stream_arn, cluster_id),
    };
    Ok(response.to_json().into())
}

/// The place that a request means, and the time before which records are passed over.
fn place(
    start: &ShardIteratorStart,
    now_millis: u64,
) -> Result<(StreamPlace, Option<u64>), ApiError> {
    Ok(match start {
        ShardIteratorStart::TrimHorizon => (StreamPlace::Horizon, None),
        ShardIteratorStart::Latest => (StreamPlace::Latest, None),
        ShardIteratorStart::AtSequenceNumber(number) => (StreamPlace::At(position(number)?), None),
        ShardIteratorStart::AfterSequenceNumber(number) => {
            (StreamPlace::After(position(number)?), None)
        }
        ShardIteratorStart::AtTimestamp(seconds) => {
            let millis = millis(*seconds);
            if millis > now_millis {
                return Err(ApiError::validation("Timestamp is in the future"));
            }
            (StreamPlace::Horizon, Some(millis))
        }
    })
}

fn position(number: &str) -> Result<ChangePosition, ApiError> {
    parse_sequence_number(number).ok_or_else(|| ApiError::validation("Invalid SequenceNumber"))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, as wanted"
)]
fn millis(seconds: f64) -> u64 {
    (seconds * 1_000.0) as u64
}
