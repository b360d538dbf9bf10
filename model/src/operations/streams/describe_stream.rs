//! DescribeStream: what a stream is, and its shards.

use serde::de::MapAccess;

use super::{SHARD_ID_LENGTH, STREAM_ARN_LENGTH, optional_length, required_length};
use crate::error::ApiError;
use crate::json::read::{Context, Member, Members, read_document};
use crate::json::write::{Object, write_double, write_list};
use crate::key::KeySchema;
use crate::operations::constraints::Constraints;
use crate::table::StreamViewType;

/// Shards on one page.
const PAGE_MAX: usize = 100;

/// A DescribeStream request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeStreamRequest {
    /// The stream.
    pub stream_arn: String,
    /// The most shards to answer: 1 to 100; absent means 100.
    pub limit: Option<usize>,
    /// The shard after which to go on.
    pub exclusive_start_shard_id: Option<String>,
    /// Only the children of that shard.
    pub child_shards_of: Option<String>,
}

impl DescribeStreamRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<DescribeStreamRequest, ApiError> {
        let mut wire = RequestWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let mut constraints = Constraints::default();
        let arn = wire.stream_arn;
        required_length(
            &mut constraints,
            "streamArn",
            arn.as_deref(),
            STREAM_ARN_LENGTH,
        );
        constraints.range("limit", wire.limit, 1, i64::try_from(PAGE_MAX).unwrap_or(1));
        let start = wire.exclusive_start_shard_id;
        optional_length(
            &mut constraints,
            "exclusiveStartShardId",
            start.as_deref(),
            SHARD_ID_LENGTH,
        );
        let filter = wire.shard_filter.unwrap_or_default();
        let child_shards = |name: &str| (name == "CHILD_SHARDS").then_some(());
        let kind = constraints.word(
            "shardFilter.type",
            filter.kind.as_deref(),
            "[CHILD_SHARDS]",
            child_shards,
        );
        optional_length(
            &mut constraints,
            "shardFilter.shardId",
            filter.shard_id.as_deref(),
            SHARD_ID_LENGTH,
        );
        constraints.finish()?;
        if kind.is_some() && filter.shard_id.is_none() {
            return Err(ApiError::validation(
                "ShardFilter of type CHILD_SHARDS requires a ShardId",
            ));
        }
        Ok(DescribeStreamRequest {
            stream_arn: arn.unwrap_or_default(),
            limit: wire.limit.and_then(|limit| usize::try_from(limit).ok()),
            exclusive_start_shard_id: start,
            child_shards_of: kind.and(filter.shard_id),
        })
    }

    /// The most shards to answer.
    pub fn page_length(&self) -> usize {
        self.limit.unwrap_or(PAGE_MAX)
    }
}

/// Where a stream is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamStatus {
    /// `ENABLING`
    Enabling,
    /// `ENABLED`
    Enabled,
    /// `DISABLING`
    Disabling,
    /// `DISABLED`: nothing is added, what is there stays readable for 24 hours.
    Disabled,
}

impl StreamStatus {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            StreamStatus::Enabling => "ENABLING",
            StreamStatus::Enabled => "ENABLED",
            StreamStatus::Disabling => "DISABLING",
            StreamStatus::Disabled => "DISABLED",
        }
    }
}

/// A shard of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its id.
    pub shard_id: String,
    /// Which sequence numbers it holds.
    pub sequence_number_range: SequenceNumberRange,
    /// The shard that it continues.
    pub parent_shard_id: Option<String>,
}

/// The sequence numbers of a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequenceNumberRange {
    /// None of its records has a smaller one.
    pub starting_sequence_number: String,
    /// The greatest; only of a closed shard.
    pub ending_sequence_number: Option<String>,
}

/// A DescribeStream answer.
#[derive(Clone, Debug, PartialEq)]
pub struct DescribeStreamResponse {
    /// The stream.
    pub stream_arn: String,
    /// When it was enabled, as its ARN says it.
    pub stream_label: String,
    /// Where it is in its life.
    pub stream_status: StreamStatus,
    /// What its records hold.
    pub stream_view_type: StreamViewType,
    /// When it was enabled: seconds since 1970 with a fraction.
    pub creation_request_date_time: f64,
    /// Name of the table.
    pub table_name: String,
    /// Key of the table.
    pub key_schema: KeySchema,
    /// One page of the shards, in the order of their ids.
    pub shards: Vec<Shard>,
    /// The shard to go on after; absent at the end.
    pub last_evaluated_shard_id: Option<String>,
}

impl DescribeStreamResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.shards.len() * 256 + 512);
        let mut outer = Object::begin(&mut out);
        let mut object = Object::begin(outer.member("StreamDescription"));
        object.text("StreamArn", &self.stream_arn);
        object.text("StreamLabel", &self.stream_label);
        object.text("StreamStatus", self.stream_status.as_str());
        object.text("StreamViewType", self.stream_view_type.as_str());
        write_double(
            self.creation_request_date_time,
            object.member("CreationRequestDateTime"),
        );
        object.text("TableName", &self.table_name);
        let sort = self.key_schema.sort_key.as_ref();
        let elements = std::iter::once((&self.key_schema.partition_key, "HASH"))
            .chain(sort.map(|key| (key, "RANGE")));
        write_list(elements, object.member("KeySchema"), |(key, role), out| {
            let mut element = Object::begin(out);
            element.text("AttributeName", &key.name);
            element.text("KeyType", role);
            element.end();
        });
        write_list(&self.shards, object.member("Shards"), write_shard);
        let last = self.last_evaluated_shard_id.as_deref();
        object.optional_text("LastEvaluatedShardId", last);
        object.end();
        outer.end();
        out
    }
}

fn write_shard(shard: &Shard, out: &mut Vec<u8>) {
    let range = &shard.sequence_number_range;
    let mut object = Object::begin(out);
    object.text("ShardId", &shard.shard_id);
    let mut numbers = Object::begin(object.member("SequenceNumberRange"));
    numbers.text("StartingSequenceNumber", &range.starting_sequence_number);
    let ending = range.ending_sequence_number.as_deref();
    numbers.optional_text("EndingSequenceNumber", ending);
    numbers.end();
    object.optional_text("ParentShardId", shard.parent_shard_id.as_deref());
    object.end();
}

#[derive(Default)]
struct RequestWire {
    stream_arn: Option<String>,
    limit: Option<i64>,
    exclusive_start_shard_id: Option<String>,
    shard_filter: Option<FilterWire>,
}

#[derive(Default)]
struct FilterWire {
    kind: Option<String>,
    shard_id: Option<String>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "StreamArn" => self.stream_arn = value.text()?,
            "Limit" => self.limit = value.integer()?,
            "ExclusiveStartShardId" => self.exclusive_start_shard_id = value.text()?,
            "ShardFilter" => self.shard_filter = value.new_structure()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl Members for FilterWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Type" => self.kind = value.text()?,
            "ShardId" => self.shard_id = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
