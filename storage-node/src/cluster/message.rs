//! What nodes say to each other about data: one versioned message in, one out.
//!
//! A message is a format version byte and postcard. Another version is refused with a clear error.
//! Items travel in the encoding of `table::codec`. New kinds of message are added at the end of the
//! enums, never in between.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::transaction::message::{TransactionAnswer, TransactionRequest};
use crate::table::change_log::ChangePosition;

/// Newest format version of a message, and the one sent.
///
/// Version 1 is that of 0.1; since 2 an outcome tells what indexes consumed. Nodes of different
/// versions refuse each other's messages.
pub const MESSAGE_VERSION: u8 = 2;

/// A message that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Sent by another release.
    #[error("message has format version {found}, this release speaks {MESSAGE_VERSION}")]
    OtherVersion {
        /// The version found.
        found: u8,
    },
    /// Not a message.
    #[error("message is corrupt")]
    Corrupt,
}

/// Writes a message.
pub fn encode<T: Serialize>(message: &T) -> Bytes {
    let encoded = postcard::to_extend(message, vec![MESSAGE_VERSION]);
    assert!(
        encoded.is_ok(),
        "messages hold only types that postcard can write"
    );
    Bytes::from(encoded.unwrap_or_default())
}

/// Reads a message.
///
/// # Errors
/// A newer format version, or bytes that are no such message.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    let (&version, body) = bytes.split_first().ok_or(MessageError::Corrupt)?;
    if version != MESSAGE_VERSION {
        return Err(MessageError::OtherVersion { found: version });
    }
    postcard::from_bytes(body).map_err(|_| MessageError::Corrupt)
}

/// Asked of another node.
#[derive(Debug, Serialize, Deserialize)]
pub enum DataRequest {
    /// Write one item. Only the leader of its group does so.
    Write(WriteMessage),
    /// Read items of one group.
    Read(ReadMessage),
    /// Read a page of one partition.
    Page(PageMessage),
    /// Run a control-plane operation on the leader of the meta group.
    Control(ControlMessage),
    /// Confirm leadership of the meta group and tell the log index that is current.
    Barrier {
        /// Milliseconds left for it.
        deadline_millis: u32,
    },
    /// Say who you are and how your groups are.
    NodeInfo,
    /// Hand every leadership of yours to another node.
    DrainLeaders,
    /// Hand the leadership of a group to the asking node, which is preferred and caught up.
    YieldLeader {
        /// The group.
        group: u32,
        /// The node that asks.
        to: u64,
    },
    /// Close partitions for ever: their table was deleted.
    Retire {
        /// The partitions, all of one group.
        partitions: Vec<super::catalog::rows::PartitionRow>,
    },
    /// Remove a bounded batch of the items of a retired partition.
    Purge {
        /// Prefix of the keys.
        storage_id: u64,
        /// The partition.
        partition: super::catalog::rows::PartitionRow,
        /// Prefixes of the keys of the table's local indexes.
        local_indexes: Vec<u64>,
        /// Leave what the table's streams keep.
        keep_streams: bool,
    },
    /// Tell partitions what their changes owe to readers from now on.
    SetReaders(SetReadersMessage),
    /// Part of a transaction.
    Transaction(TransactionRequest),
    /// Read a stream in partitions of one group.
    Stream(StreamMessage),
    /// Take in changes of a global index.
    Deliver(super::delivery::Parcel),
    /// Carry a bounded number of existing items of a partition to a new global index.
    Backfill(super::backfill::BackfillMessage),
}

/// Something about a stream in partitions of one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StreamMessage {
    /// The group.
    pub group_id: u32,
    /// The partitions; one, unless shards are asked for.
    pub partitions: Vec<u64>,
    /// The stream's identity within its table.
    pub enabled_millis: u64,
    /// The stream is known to be closed in every partition.
    pub closed: bool,
    /// What is asked.
    pub ask: StreamAsk,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
}

/// What is asked about a stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum StreamAsk {
    /// Its shards.
    Shards,
    /// A position in a shard.
    Place {
        /// When the shard began.
        start_millis: u64,
        /// Which position.
        place: StreamPlace,
    },
    /// Records of a shard.
    Records {
        /// When the shard began.
        start_millis: u64,
        /// The first position.
        from: ChangePosition,
        /// Pass over records before that time.
        since_millis: Option<u64>,
        /// Most records.
        limit: u32,
    },
}

/// A place in a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamPlace {
    /// At the oldest record that is there.
    Horizon,
    /// After the newest.
    Latest,
    /// At a record.
    At(ChangePosition),
    /// After a record.
    After(ChangePosition),
}

/// To what was asked about a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum StreamAnswer {
    /// Shards by partition, oldest first.
    Shards(Vec<(u64, Vec<ShardOutcome>)>),
    /// The position to read from.
    Place(ChangePosition),
    /// Records.
    Page(StreamPage),
}

/// A shard of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardOutcome {
    /// When it began.
    pub start_millis: u64,
    /// No record of it lies before this.
    pub starting: ChangePosition,
    /// Its last record, or its beginning when it has none; only of a closed shard.
    pub ending: Option<ChangePosition>,
    /// When the shard began that it continues.
    pub parent_start_millis: Option<u64>,
}

/// Records of a shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPage {
    /// Stored records with their places.
    pub records: Vec<(ChangePosition, Bytes)>,
    /// Where to go on.
    pub next: ChangePosition,
    /// The shard is closed and nothing comes any more.
    pub at_end: bool,
}

/// New readers for partitions of one table in one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetReadersMessage {
    /// The table.
    pub table: String,
    /// The partitions, all of one group.
    pub partitions: Vec<super::catalog::rows::PartitionRow>,
    /// What they owe.
    pub readers: super::catalog::rows::ReadersRow,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
}

/// Where an item lives, as the router sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Prefix of the table's keys.
    pub storage_id: u64,
    /// The partition.
    pub partition_id: u64,
    /// The group that holds it.
    pub group_id: u32,
    /// Version of the partition's range and group.
    pub epoch: u64,
}

/// One write, whole.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WriteMessage {
    /// The same for every repetition of the request.
    pub request_id: u128,
    /// Table by name, for the catalog look-up of the leader.
    pub table: String,
    /// Where the router thinks the item lives.
    pub route: Route,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
    /// What to do.
    pub action: WriteMessageAction,
    /// `ConditionExpression`.
    pub condition: Option<String>,
    /// `ExpressionAttributeNames`.
    pub names: Option<BTreeMap<String, String>>,
    /// `ExpressionAttributeValues` as an item.
    pub values: Option<Bytes>,
    /// `ReturnValues`.
    pub return_values: ReturnValuesMessage,
    /// `ReturnValuesOnConditionCheckFailure` is `ALL_OLD`.
    pub return_item_on_failure: bool,
}

/// What a write does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum WriteMessageAction {
    /// Replace the item.
    Put {
        /// The item.
        item: Bytes,
    },
    /// Update the item.
    Update {
        /// The key attributes.
        key: Bytes,
        /// `UpdateExpression`.
        expression: Option<String>,
    },
    /// Remove the item.
    Delete {
        /// The key attributes.
        key: Bytes,
    },
}

/// `ReturnValues`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ReturnValuesMessage {
    /// Nothing.
    #[default]
    None,
    /// The whole old item.
    AllOld,
    /// The old values of what was updated.
    UpdatedOld,
    /// The whole new item.
    AllNew,
    /// The new values of what was updated.
    UpdatedNew,
}

/// What a write did; also what a group remembers of it under its request id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WriteOutcome {
    /// `Attributes`, as an item.
    pub attributes: Option<Bytes>,
    /// Write capacity units consumed by the table.
    pub units: f64,
    /// Write capacity units consumed by each index whose entry changed.
    pub index_units: Vec<crate::table::IndexUnits>,
}

/// Reads of items of one group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadMessage {
    /// The group.
    pub group_id: u32,
    /// Strongly consistent.
    pub consistent: bool,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
    /// Partition and engine key of each item.
    pub keys: Vec<(u64, Bytes)>,
}

/// A page of a Query or Scan inside one partition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PageMessage {
    /// The table's name.
    pub table: String,
    /// The partition, of the table or of a global index.
    pub route: Route,
    /// Strongly consistent.
    pub consistent: bool,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
    /// Engine range.
    pub lower: std::ops::Bound<Bytes>,
    /// Engine range.
    pub upper: std::ops::Bound<Bytes>,
    /// Descending.
    pub backward: bool,
    /// Most items to evaluate.
    pub limit: u32,
    /// Most bytes to evaluate.
    pub size_bytes_max: u32,
    /// The first item may be larger than `size_bytes_max`.
    pub first_always: bool,
    /// Count only.
    pub count_only: bool,
    /// `FilterExpression`.
    pub filter: Option<String>,
    /// `ProjectionExpression`.
    pub projection: Option<String>,
    /// `ExpressionAttributeNames`.
    pub names: Option<BTreeMap<String, String>>,
    /// `ExpressionAttributeValues` as an item.
    pub values: Option<Bytes>,
    /// The range is one of this local index (by storage id), and the items of its entries are asked
    /// for rather than the entries.
    pub fetch_for_index: Option<u64>,
}

/// What one partition gave to a page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PageOutcome {
    /// Matching items as JSON objects separated by commas, without the brackets.
    pub items_json: Bytes,
    /// Items that passed the filter.
    pub count: u32,
    /// Items evaluated.
    pub scanned_count: u32,
    /// Bytes evaluated.
    pub scanned_size_bytes: u32,
    /// Engine key of the last item evaluated.
    pub last_key: Option<Bytes>,
    /// The page was cut, by a limit, its size or its time.
    pub stopped: bool,
    /// Bytes of items that were fetched for entries of a local index.
    pub fetched_size_bytes: u32,
    /// Read capacity units of those items, each rounded by itself.
    pub fetched_units: f64,
}

/// Operations that change the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlOperation {
    /// `CreateTable`.
    CreateTable,
    /// `UpdateTable`.
    UpdateTable,
    /// `DeleteTable`.
    DeleteTable,
    /// `UpdateTimeToLive`.
    UpdateTimeToLive,
    /// `TagResource`.
    TagResource,
    /// `UntagResource`.
    UntagResource,
    /// `UpdateContinuousBackups`.
    UpdateContinuousBackups,
    /// `UpdateContributorInsights`.
    UpdateContributorInsights,
    /// `PutResourcePolicy`.
    PutResourcePolicy,
    /// `DeleteResourcePolicy`.
    DeleteResourcePolicy,
}

/// A control-plane operation.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ControlMessage {
    /// The same for every repetition of the request.
    pub request_id: u128,
    /// Which.
    pub operation: ControlOperation,
    /// The request body, JSON.
    pub body: Bytes,
    /// Milliseconds left for it.
    pub deadline_millis: u32,
}

/// The answer of another node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum DataAnswer {
    /// To `Write`.
    Written(WriteOutcome),
    /// To `Read`: stored items as they lie in the engine.
    Items(Vec<Option<Bytes>>),
    /// To `Page`.
    Page(PageOutcome),
    /// To `Control`: the response body, JSON.
    Control(Bytes),
    /// To `Barrier`.
    Barrier {
        /// Log index of the meta group that the asker must have applied.
        log_index: u64,
    },
    /// To `NodeInfo`: admin JSON.
    NodeInfo(Bytes),
    /// To `DrainLeaders`.
    Drained {
        /// How many leaderships were handed over.
        moved_leaders: u32,
    },
    /// Done, or nothing to do.
    Done,
    /// To `Purge`: whether anything is left.
    Purged {
        /// Ask again.
        more: bool,
    },
    /// Not done.
    Refused(Refusal),
    /// To `Transaction`.
    Transaction(TransactionAnswer),
    /// To `Stream`.
    Stream(StreamAnswer),
    /// To `Backfill`.
    Backfilled(super::backfill::BackfillProgress),
}

/// Why a node did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// Another node leads, or none. Surely not executed.
    NotLeader {
        /// The leader, if known.
        hint: Option<u64>,
    },
    /// Surely not executed; may be repeated.
    NotExecuted,
    /// May or may not be executed; may be repeated under the same request id.
    Unknown,
    /// The partition is not here, is closed, or has another epoch. Surely not executed.
    StaleRoute,
    /// The store of the node failed. Surely not executed.
    StorageFailed,
    /// The answer is an error of the API.
    Api {
        /// HTTP status.
        status: u16,
        /// The error body, JSON.
        body: Bytes,
    },
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_another_node_sends_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _request = decode::<DataRequest>(&bytes);
            let _answer = decode::<DataAnswer>(&bytes);
            let current = [vec![MESSAGE_VERSION], bytes].concat();
            let _request = decode::<DataRequest>(&current);
            let _answer = decode::<DataAnswer>(&current);
        }
    }

    #[test]
    fn a_message_of_another_version_is_refused_by_name() {
        let mut bytes = encode(&DataRequest::NodeInfo).to_vec();
        assert!(decode::<DataRequest>(&bytes).is_ok());
        bytes[0] = MESSAGE_VERSION + 1;
        let refused = decode::<DataRequest>(&bytes).unwrap_err().to_string();
        assert_eq!(
            refused,
            "message has format version 3, this release speaks 2"
        );
    }
}
