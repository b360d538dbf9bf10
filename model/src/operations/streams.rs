//! DynamoDB Streams: ListStreams, DescribeStream, GetShardIterator, GetRecords.
//!
//! Source: public service model of DynamoDB Streams; developer guide, "Change data capture for
//! DynamoDB Streams". What the model does not word (malformed ARNs and iterators) has the shortest
//! text that names the member.

mod arn;
mod describe_stream;
mod get_records;
mod get_shard_iterator;
mod list_streams;

pub use arn::StreamArn;
pub use describe_stream::{
    DescribeStreamRequest, DescribeStreamResponse, SequenceNumberRange, Shard, StreamStatus,
};
pub use get_records::{GetRecordsRequest, GetRecordsResponse, Record, RecordEvent};
pub use get_shard_iterator::{
    GetShardIteratorRequest, GetShardIteratorResponse, ShardIteratorStart,
};
pub use list_streams::{ListStreamsRequest, ListStreamsResponse, StreamSummary};

use super::constraints::Constraints;

const STREAM_ARN_LENGTH: (usize, usize) = (37, 1_024);
const SHARD_ID_LENGTH: (usize, usize) = (28, 65);
const SEQUENCE_NUMBER_LENGTH: (usize, usize) = (21, 40);
const SHARD_ITERATOR_LENGTH: (usize, usize) = (1, 2_048);

/// A member that must be there and whose length is bounded.
fn required_length(
    constraints: &mut Constraints,
    path: &str,
    value: Option<&str>,
    bounds: (usize, usize),
) {
    match value {
        None => constraints.add_null(path),
        Some(value) => constraints.length(path, value, bounds.0, bounds.1),
    }
}

/// A member whose length is bounded if it is there.
fn optional_length(
    constraints: &mut Constraints,
    path: &str,
    value: Option<&str>,
    bounds: (usize, usize),
) {
    if let Some(value) = value {
        constraints.length(path, value, bounds.0, bounds.1);
    }
}

#[cfg(test)]
mod tests;
