//! GetShardIterator: a place in a shard.

use serde::de::MapAccess;

use super::{SEQUENCE_NUMBER_LENGTH, SHARD_ID_LENGTH, STREAM_ARN_LENGTH};
use super::{optional_length, required_length};
use crate::error::ApiError;
use crate::json::read::{Context, Double, Member, Members, read_document};
use crate::json::write::Object;
use crate::operations::constraints::Constraints;

/// Where an iterator begins.
#[derive(Clone, Debug, PartialEq)]
pub enum ShardIteratorStart {
    /// `TRIM_HORIZON`: at the oldest record that is still there.
    TrimHorizon,
    /// `LATEST`: after the newest record.
    Latest,
    /// `AT_SEQUENCE_NUMBER`: at that record.
    AtSequenceNumber(String),
    /// `AFTER_SEQUENCE_NUMBER`: after that record.
    AfterSequenceNumber(String),
    /// `AT_TIMESTAMP`: at the first record of that time or later, seconds since 1970.
    AtTimestamp(f64),
}

/// A GetShardIterator request.
#[derive(Clone, Debug, PartialEq)]
pub struct GetShardIteratorRequest {
    /// The stream.
    pub stream_arn: String,
    /// The shard.
    pub shard_id: String,
    /// Where to begin.
    pub start: ShardIteratorStart,
}

#[derive(Clone, Copy)]
enum Kind {
    TrimHorizon,
    Latest,
    AtSequenceNumber,
    AfterSequenceNumber,
    AtTimestamp,
}

impl Kind {
    fn from_name(name: &str) -> Option<Kind> {
        Some(match name {
            "TRIM_HORIZON" => Kind::TrimHorizon,
            "LATEST" => Kind::Latest,
            "AT_SEQUENCE_NUMBER" => Kind::AtSequenceNumber,
            "AFTER_SEQUENCE_NUMBER" => Kind::AfterSequenceNumber,
            "AT_TIMESTAMP" => Kind::AtTimestamp,
            _ => return None,
        })
    }
}

impl GetShardIteratorRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<GetShardIteratorRequest, ApiError> {
        let mut wire = RequestWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let mut constraints = Constraints::default();
        let (arn, shard_id) = (wire.stream_arn, wire.shard_id);
        required_length(
            &mut constraints,
            "streamArn",
            arn.as_deref(),
            STREAM_ARN_LENGTH,
        );
        required_length(
            &mut constraints,
            "shardId",
            shard_id.as_deref(),
            SHARD_ID_LENGTH,
        );
        constraints.require("shardIteratorType", wire.shard_iterator_type.as_ref());
        let kind = constraints.word(
            "shardIteratorType",
            wire.shard_iterator_type.as_deref(),
            "[AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]",
            Kind::from_name,
        );
        let number = wire.sequence_number;
        optional_length(
            &mut constraints,
            "sequenceNumber",
            number.as_deref(),
            SEQUENCE_NUMBER_LENGTH,
        );
        constraints.finish()?;
        let needs = |member: &str, kind: &str| {
            ApiError::validation(format!("{member} is required for ShardIteratorType {kind}"))
        };
        let start = match kind.unwrap_or(Kind::TrimHorizon) {
            Kind::TrimHorizon => ShardIteratorStart::TrimHorizon,
            Kind::Latest => ShardIteratorStart::Latest,
            Kind::AtSequenceNumber => ShardIteratorStart::AtSequenceNumber(
                number.ok_or_else(|| needs("SequenceNumber", "AT_SEQUENCE_NUMBER"))?,
            ),
            Kind::AfterSequenceNumber => ShardIteratorStart::AfterSequenceNumber(
                number.ok_or_else(|| needs("SequenceNumber", "AFTER_SEQUENCE_NUMBER"))?,
            ),
            Kind::AtTimestamp => ShardIteratorStart::AtTimestamp(
                wire.timestamp
                    .ok_or_else(|| needs("Timestamp", "AT_TIMESTAMP"))?,
            ),
        };
        Ok(GetShardIteratorRequest {
            stream_arn: arn.unwrap_or_default(),
            shard_id: shard_id.unwrap_or_default(),
            start,
        })
    }
}

/// A GetShardIterator answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetShardIteratorResponse {
    /// The iterator.
    pub shard_iterator: String,
}

impl GetShardIteratorResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.shard_iterator.len() + 32);
        let mut object = Object::begin(&mut out);
        object.text("ShardIterator", &self.shard_iterator);
        object.end();
        out
    }
}

#[derive(Default)]
struct RequestWire {
    stream_arn: Option<String>,
    shard_id: Option<String>,
    shard_iterator_type: Option<String>,
    sequence_number: Option<String>,
    timestamp: Option<f64>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "StreamArn" => self.stream_arn = value.text()?,
            "ShardId" => self.shard_id = value.text()?,
            "ShardIteratorType" => self.shard_iterator_type = value.text()?,
            "SequenceNumber" => self.sequence_number = value.text()?,
            "Timestamp" => self.timestamp = value.read(Double)?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
