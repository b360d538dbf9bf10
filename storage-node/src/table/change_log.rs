//! Records of a partition's change log, in `Keyspace::Changes`.
//!
//! ```text
//! key                                                       record
//! 0x01 | partition 8 | epoch 8 | log index 8 | number 2     StreamRecord: for the table's stream
//! 0x02 | partition 8 | epoch 8 | log index 8 | number 2     OutboxRecord: for a global secondary index
//! 0x03 | partition 8 | epoch 8 | log index 8 | number 2     ShardMark: where a shard of a stream begins or ends
//! 0x04 | partition 8                                        ChangePosition: of the last record trimmed
//! ```
//! The last two parts are added when the change is applied ([`crate::replication::Append`]), so the
//! records of a partition lie in commit order, and in the order of epochs when the partition moves
//! to another group with another log. A record is a format version byte and postcard.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::codec::CodecError;
use crate::replication::APPEND_SUFFIX_LEN;

const STREAM: u8 = 0x01;
const OUTBOX: u8 = 0x02;
const MARK: u8 = 0x03;
const TRIMMED: u8 = 0x04;
const RECORD_VERSION: u8 = 1;

/// Where a record lies in its partition's change log; positions ascend in commit order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct ChangePosition {
    /// Version of the partition's range and group.
    pub epoch: u64,
    /// Log index of the entry in its group's log.
    pub log_index: u64,
    /// Number within the entry.
    pub number: u16,
}

impl ChangePosition {
    /// Before every record: epochs begin with 1, and the first entry of a log holds no change.
    pub const FIRST: Self = Self {
        epoch: 1,
        log_index: 0,
        number: 0,
    };

    /// The least position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        match self.number.checked_add(1) {
            Some(number) => Self { number, ..self },
            None => Self {
                log_index: self.log_index.saturating_add(1),
                number: 0,
                ..self
            },
        }
    }
}

/// What a change did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamEvent {
    /// `INSERT`.
    Insert,
    /// `MODIFY`.
    Modify,
    /// `REMOVE`.
    Remove,
}

/// One change of one item, for the stream of its table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// The stream that was enabled.
    pub stream_enabled_millis: u64,
    /// HLC of the change.
    pub hlc: u64,
    /// What happened.
    pub event: StreamEvent,
    /// The expiry of the item rather than a request.
    pub is_expiry: bool,
    /// The key attributes, as `codec` writes them.
    pub keys: Bytes,
    /// The item before, if the stream's view has it.
    pub old_image: Option<Bytes>,
    /// The item after, if the stream's view has it.
    pub new_image: Option<Bytes>,
    /// `SizeBytes`: of the key and the images by DynamoDB's item size.
    pub size_bytes: u64,
}

/// A change of one entry of a global secondary index that waits to be carried there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxRecord {
    /// Storage id of the index.
    pub index: u64,
    /// Entry key to remove, carried out before the put.
    pub remove: Option<Bytes>,
    /// Entry key and stored item to put.
    pub put: Option<(Bytes, Bytes)>,
}

/// What happens to a stream at a place in the change log of one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MarkKind {
    /// No record of the stream lies before it.
    Opened,
    /// One shard ends and the next begins.
    Rolled,
    /// No record of the stream lies after it.
    Closed,
}

/// Where a shard of a stream begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMark {
    /// The stream.
    pub stream_enabled_millis: u64,
    /// When, milliseconds since 1970.
    pub millis: u64,
    /// What.
    pub kind: MarkKind,
}

macro_rules! record {
    ($name:ident) => {
        impl $name {
            /// The record as stored.
            #[must_use]
            pub fn encode(&self) -> Bytes {
                encode(self)
            }

            /// Reads a stored record.
            ///
            /// # Errors
            /// A newer format version, or bytes that are no such record.
            pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
                decode(bytes)
            }
        }
    };
}
record!(StreamRecord);
record!(OutboxRecord);
record!(ShardMark);
record!(ChangePosition);

fn encode<T: Serialize>(record: &T) -> Bytes {
    let encoded = postcard::to_extend(record, vec![RECORD_VERSION]);
    assert!(
        encoded.is_ok(),
        "records hold only types that postcard can write"
    );
    Bytes::from(encoded.unwrap_or_default())
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (&version, body) = bytes
        .split_first()
        .ok_or(CodecError::Corrupt("an empty change record"))?;
    if version > RECORD_VERSION {
        return Err(CodecError::NewerVersion {
            found: version,
            known: RECORD_VERSION,
        });
    }
    postcard::from_bytes(body).map_err(|_| CodecError::Corrupt("a change record"))
}

/// Prefix of all stream records of a partition, of every epoch.
#[must_use]
pub fn stream_prefix(partition_id: u64) -> Vec<u8> {
    prefix(STREAM, partition_id)
}

/// Prefix of all shard marks of a partition, of every epoch.
#[must_use]
pub fn mark_prefix(partition_id: u64) -> Vec<u8> {
    prefix(MARK, partition_id)
}

/// What a shard mark of this partition and epoch is appended to.
#[must_use]
pub fn mark_append_prefix(partition_id: u64, epoch: u64) -> Bytes {
    append_prefix(MARK, partition_id, epoch)
}

/// Key of the position of the last stream record that was trimmed from a partition.
#[must_use]
pub fn trimmed_key(partition_id: u64) -> Vec<u8> {
    prefix(TRIMMED, partition_id)
}

/// Prefix of all outbox records of a partition, of every epoch.
#[must_use]
pub fn outbox_prefix(partition_id: u64) -> Vec<u8> {
    prefix(OUTBOX, partition_id)
}

/// What a stream record of this partition and epoch is appended to.
#[must_use]
pub fn stream_append_prefix(partition_id: u64, epoch: u64) -> Bytes {
    append_prefix(STREAM, partition_id, epoch)
}

/// What an outbox record of this partition and epoch is appended to.
#[must_use]
pub fn outbox_append_prefix(partition_id: u64, epoch: u64) -> Bytes {
    append_prefix(OUTBOX, partition_id, epoch)
}

/// The partition whose outbox is appended to under `prefix`; `None` for another prefix.
#[must_use]
pub fn outbox_partition(prefix: &[u8]) -> Option<u64> {
    let rest = prefix.strip_prefix(&[OUTBOX])?;
    rest.first_chunk().map(|id| u64::from_be_bytes(*id))
}

fn prefix(kind: u8, partition_id: u64) -> Vec<u8> {
    let mut key = Vec::with_capacity(17 + APPEND_SUFFIX_LEN);
    key.push(kind);
    key.extend_from_slice(&partition_id.to_be_bytes());
    key
}

fn append_prefix(kind: u8, partition_id: u64, epoch: u64) -> Bytes {
    let mut key = prefix(kind, partition_id);
    key.extend_from_slice(&epoch.to_be_bytes());
    Bytes::from(key)
}

/// The position in a record's key; `None` for bytes that are no such key.
#[must_use]
pub fn position_of(key: &[u8]) -> Option<ChangePosition> {
    position_in(key.get(9..)?)
}

/// The position that these 18 bytes are; `None` for other bytes.
#[must_use]
pub fn position_in(bytes: &[u8]) -> Option<ChangePosition> {
    let rest = bytes;
    let (epoch, rest) = rest.split_first_chunk::<8>()?;
    let (log_index, rest) = rest.split_first_chunk::<8>()?;
    let number: [u8; 2] = rest.try_into().ok()?;
    Some(ChangePosition {
        epoch: u64::from_be_bytes(*epoch),
        log_index: u64::from_be_bytes(*log_index),
        number: u16::from_be_bytes(number),
    })
}

/// The key of the record at `position` under `prefix` ([`stream_prefix`] or [`outbox_prefix`]).
#[must_use]
pub fn key_at(mut prefix: Vec<u8>, position: ChangePosition) -> Vec<u8> {
    prefix.extend_from_slice(&position.epoch.to_be_bytes());
    prefix.extend_from_slice(&position.log_index.to_be_bytes());
    prefix.extend_from_slice(&position.number.to_be_bytes());
    prefix
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::Keyspace;
    use crate::replication::Append;

    proptest! {
        #[test]
        fn a_position_is_read_from_the_key_and_orders_as_the_keys_do(
            left in any::<(u64, u64, u16)>(),
            right in any::<(u64, u64, u16)>(),
        ) {
            let at = |(epoch, log_index, number)| ChangePosition { epoch, log_index, number };
            let (left, right) = (at(left), at(right));
            let key = |position| key_at(stream_prefix(7), position);
            prop_assert_eq!(position_of(&key(left)), Some(left));
            prop_assert_eq!(key(left).cmp(&key(right)), left.cmp(&right));
        }

        #[test]
        fn arbitrary_bytes_are_no_record_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _stream = StreamRecord::decode(&bytes);
            let _outbox = OutboxRecord::decode(&bytes);
            let _mark = ShardMark::decode(&bytes);
            let _trimmed = ChangePosition::decode(&bytes);
            let _position = position_of(&bytes);
        }
    }

    #[test]
    fn an_append_makes_the_key_that_a_position_names() {
        let append = Append {
            keyspace: Keyspace::Changes,
            prefix: outbox_append_prefix(3, 2),
            value: Bytes::new(),
        };
        let position = ChangePosition {
            epoch: 2,
            log_index: 9,
            number: 4,
        };
        assert_eq!(append.key(9, 4), key_at(outbox_prefix(3), position));
        assert_eq!(outbox_partition(&append.prefix), Some(3));
        assert_eq!(outbox_partition(&stream_append_prefix(3, 2)), None);
    }

    #[test]
    fn a_record_of_a_newer_version_is_refused() {
        let record = OutboxRecord {
            index: 1,
            remove: None,
            put: None,
        };
        let mut bytes = record.encode().to_vec();
        assert_eq!(OutboxRecord::decode(&bytes), Ok(record));
        bytes[0] += 1;
        assert!(matches!(
            OutboxRecord::decode(&bytes),
            Err(CodecError::NewerVersion { .. })
        ));
    }
}
