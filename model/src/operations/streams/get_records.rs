//! GetRecords: the records after a place in a shard.

use serde::de::MapAccess;

use super::{SHARD_ITERATOR_LENGTH, required_length};
use crate::error::ApiError;
use crate::json::read::{Context, Member, Members, read_document};
use crate::json::write::{Object, write_list};
use crate::operations::constraints::Constraints;
use crate::table::StreamViewType;
use crate::value::Item;

/// Records in one answer.
const PAGE_MAX: usize = 1_000;

/// A GetRecords request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GetRecordsRequest {
    /// Where to read.
    pub shard_iterator: String,
    /// The most records to answer: 1 to 1,000; absent means 1,000.
    pub limit: Option<usize>,
}

impl GetRecordsRequest {
    /// Reads a request and checks it whole.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<GetRecordsRequest, ApiError> {
        let mut wire = RequestWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let mut constraints = Constraints::default();
        let iterator = wire.shard_iterator;
        required_length(
            &mut constraints,
            "shardIterator",
            iterator.as_deref(),
            SHARD_ITERATOR_LENGTH,
        );
        constraints.range("limit", wire.limit, 1, i64::try_from(PAGE_MAX).unwrap_or(1));
        constraints.finish()?;
        Ok(GetRecordsRequest {
            shard_iterator: iterator.unwrap_or_default(),
            limit: wire.limit.and_then(|limit| usize::try_from(limit).ok()),
        })
    }

    /// The most records to answer.
    pub fn page_length(&self) -> usize {
        self.limit.unwrap_or(PAGE_MAX)
    }
}

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordEvent {
    /// `INSERT`
    Insert,
    /// `MODIFY`
    Modify,
    /// `REMOVE`
    Remove,
}

impl RecordEvent {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            RecordEvent::Insert => "INSERT",
            RecordEvent::Modify => "MODIFY",
            RecordEvent::Remove => "REMOVE",
        }
    }
}

/// A record of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// 32 hexadecimal digits, the same whenever the record is read.
    pub event_id: String,
    /// What happened.
    pub event_name: RecordEvent,
    /// Region.
    pub aws_region: String,
    /// When, in whole seconds since 1970.
    pub approximate_creation_date_time: u64,
    /// Key of the item.
    pub keys: Item,
    /// The item after the change.
    pub new_image: Option<Item>,
    /// The item before the change.
    pub old_image: Option<Item>,
    /// Its place in the shard.
    pub sequence_number: String,
    /// Size of key and images by the size of items.
    pub size_bytes: u64,
    /// What the stream's records hold.
    pub stream_view_type: StreamViewType,
    /// The item expired: the service itself removed it.
    pub by_expiry: bool,
}

/// A GetRecords answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetRecordsResponse {
    /// The records in the order of their sequence numbers.
    pub records: Vec<Record>,
    /// Where to go on; absent once a closed shard was read to its end.
    pub next_shard_iterator: Option<String>,
}

impl GetRecordsResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let size: u64 = self.records.iter().map(|record| record.size_bytes).sum();
        let size = usize::try_from(size).unwrap_or(0) * 2 + self.records.len() * 400 + 512;
        let mut out = Vec::with_capacity(size);
        let mut object = Object::begin(&mut out);
        write_list(&self.records, object.member("Records"), write_record);
        let next = self.next_shard_iterator.as_deref();
        object.optional_text("NextShardIterator", next);
        object.end();
        out
    }
}

fn write_record(record: &Record, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    object.text("eventID", &record.event_id);
    object.text("eventName", record.event_name.as_str());
    object.text("eventVersion", "1.1");
    object.text("eventSource", "aws:dynamodb");
    object.text("awsRegion", &record.aws_region);
    let mut change = Object::begin(object.member("dynamodb"));
    change.whole(
        "ApproximateCreationDateTime",
        record.approximate_creation_date_time,
    );
    change.optional_item("Keys", Some(&record.keys));
    change.optional_item("NewImage", record.new_image.as_ref());
    change.optional_item("OldImage", record.old_image.as_ref());
    change.text("SequenceNumber", &record.sequence_number);
    change.whole("SizeBytes", record.size_bytes);
    change.text("StreamViewType", record.stream_view_type.as_str());
    change.end();
    if record.by_expiry {
        let mut identity = Object::begin(object.member("userIdentity"));
        identity.text("PrincipalId", "dynamodb.amazonaws.com");
        identity.text("Type", "Service");
        identity.end();
    }
    object.end();
}

#[derive(Default)]
struct RequestWire {
    shard_iterator: Option<String>,
    limit: Option<i64>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "ShardIterator" => self.shard_iterator = value.text()?,
            "Limit" => self.limit = value.integer()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
