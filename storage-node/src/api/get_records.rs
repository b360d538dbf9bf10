//! GetRecords.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{GetRecordsRequest, GetRecordsResponse, Record, RecordEvent};
use stator_model::value::Item;
use xxhash_rust::xxh3::xxh3_128;

use super::request::authorize;
use super::service::Call;
use super::shard_iterator::ShardPlace;
use super::streams::{find_stream, no_such_stream};
use crate::cluster::streams::StreamSource;
use crate::hlc::Hlc;
use crate::table::change_log::{ChangePosition, StreamEvent, StreamRecord};
use crate::table::codec::{CodecError, decode_attributes};
use crate::table::shards::sequence_number;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = GetRecordsRequest::parse(&call.body)?;
    let cluster_id = call.cluster.identity().founding.cluster_id;
    let now_millis = call.cluster.now_millis();
    let (arn, place) = ShardPlace::from_iterator(&request.shard_iterator, cluster_id, now_millis)?;
    authorize(&call, "dynamodb:GetRecords", arn)?;
    let source = find_stream(&call, arn).await?;
    if source.storage_id != place.storage_id || source.row.enabled_millis != place.enabled_millis {
        return Err(no_such_stream(arn));
    }
    let shard = (place.start_millis, place.partition_id);
    let limit = u32::try_from(request.page_length()).unwrap_or(u32::MAX);
    let page = call
        .cluster
        .stream_records(
            &source,
            shard,
            place.from,
            place.since_millis,
            limit,
            call.deadline,
        )
        .await?;
    let records = page
        .records
        .iter()
        .map(|(position, stored)| record(&call, &source, place.partition_id, *position, stored))
        .collect::<Result<Vec<_>, CodecError>>()
        .map_err(|problem| {
            tracing::error!(%problem, "a stream record cannot be read");
            ApiError::internal("a stream record cannot be read")
        })?;
    let next = ShardPlace {
        from: page.next,
        // Once the first record of that time or later was met, all that follow are wanted.
        since_millis: place.since_millis.filter(|_| records.is_empty()),
        issued_millis: now_millis,
        ..place
    };
    let response = GetRecordsResponse {
        records,
        next_shard_iterator: (!page.at_end).then(|| next.to_iterator(arn, cluster_id)),
    };
    Ok(response.to_json().into())
}

fn record(
    call: &Call<'_>,
    source: &StreamSource,
    partition_id: u64,
    position: ChangePosition,
    stored: &[u8],
) -> Result<Record, CodecError> {
    let stored = StreamRecord::decode(stored)?;
    let image = |bytes: &Option<Bytes>| -> Result<Option<Item>, CodecError> {
        bytes.as_deref().map(decode_attributes).transpose()
    };
    let sequence_number = sequence_number(position);
    let identity = format!(
        "{}/{}/{partition_id}/{sequence_number}",
        source.storage_id, source.row.enabled_millis
    );
    Ok(Record {
        event_id: format!("{:032x}", xxh3_128(identity.as_bytes())),
        event_name: match stored.event {
            StreamEvent::Insert => RecordEvent::Insert,
            StreamEvent::Modify => RecordEvent::Modify,
            StreamEvent::Remove => RecordEvent::Remove,
        },
        aws_region: call.cluster.region().to_owned(),
        approximate_creation_date_time: Hlc(stored.hlc).millis() / 1_000,
        keys: decode_attributes(&stored.keys)?,
        new_image: image(&stored.new_image)?,
        old_image: image(&stored.old_image)?,
        sequence_number,
        size_bytes: stored.size_bytes,
        stream_view_type: source.row.view.into(),
        by_expiry: stored.is_expiry,
    })
}
