//! ListStreams: the streams of one table or of all.

use serde::de::MapAccess;

use super::{STREAM_ARN_LENGTH, optional_length};
use crate::error::ApiError;
use crate::json::read::{Context, Member, Members, read_document};
use crate::json::write::{Object, write_list};
use crate::operations::constraints::Constraints;
use crate::table::table_name_of;

/// Streams on one page.
const PAGE_MAX: usize = 100;

/// A ListStreams request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStreamsRequest {
    /// Name or ARN of the table; absent for all tables.
    pub table_name: Option<String>,
    /// The most streams to answer: 1 to 100; absent means 100.
    pub limit: Option<usize>,
    /// The stream after which to go on.
    pub exclusive_start_stream_arn: Option<String>,
}

impl ListStreamsRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<ListStreamsRequest, ApiError> {
        let mut wire = RequestWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let mut constraints = Constraints::default();
        constraints.name("tableName", wire.table_name.as_deref().map(table_name_of));
        constraints.range("limit", wire.limit, 1, i64::try_from(PAGE_MAX).unwrap_or(1));
        let start = wire.exclusive_start_stream_arn;
        optional_length(
            &mut constraints,
            "exclusiveStartStreamArn",
            start.as_deref(),
            STREAM_ARN_LENGTH,
        );
        constraints.finish()?;
        Ok(ListStreamsRequest {
            table_name: wire.table_name,
            limit: wire.limit.and_then(|limit| usize::try_from(limit).ok()),
            exclusive_start_stream_arn: start,
        })
    }

    /// The most streams to answer.
    pub fn page_length(&self) -> usize {
        self.limit.unwrap_or(PAGE_MAX)
    }
}

/// A stream in a list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamSummary {
    /// Its ARN.
    pub stream_arn: String,
    /// Name of its table.
    pub table_name: String,
    /// Its label.
    pub stream_label: String,
}

/// A ListStreams answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListStreamsResponse {
    /// The streams in the order of their ARNs.
    pub streams: Vec<StreamSummary>,
    /// The ARN to go on after; absent at the end.
    pub last_evaluated_stream_arn: Option<String>,
}

impl ListStreamsResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.streams.len() * 200 + 64);
        let mut object = Object::begin(&mut out);
        write_list(&self.streams, object.member("Streams"), |stream, out| {
            let mut object = Object::begin(out);
            object.text("StreamArn", &stream.stream_arn);
            object.text("TableName", &stream.table_name);
            object.text("StreamLabel", &stream.stream_label);
            object.end();
        });
        let last = self.last_evaluated_stream_arn.as_deref();
        object.optional_text("LastEvaluatedStreamArn", last);
        object.end();
        out
    }
}

#[derive(Default)]
struct RequestWire {
    table_name: Option<String>,
    limit: Option<i64>,
    exclusive_start_stream_arn: Option<String>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TableName" => self.table_name = value.text()?,
            "Limit" => self.limit = value.integer()?,
            "ExclusiveStartStreamArn" => self.exclusive_start_stream_arn = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
