//! Where items lie in `Keyspace::Items`.
//!
//! ```text
//! storage id     8 bytes, big endian: allocated by the catalog for a table, never used again
//! partition hash 8 bytes, big endian: XXH3-64 of the partition key (model::key)
//! partition key  memcomparable: tag, bytes, end
//! sort key       memcomparable; absent in a table without one
//! ```
//! So a partition of a table is one contiguous range, a Query one range inside it, and a table that
//! was deleted and made again under its old name shares no key with the old one.

use std::ops::Bound;

use stator_model::expression::SortCondition;
use stator_model::key::PrimaryKey;
use stator_model::value::AttributeValue;

/// Identifies the data of one table (later: of one index) on disk. Never reused.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct StorageId(pub u64);

/// Bytes before the partition key: storage id and hash.
pub const PREFIX_LEN: usize = 16;

/// The key of one item.
pub fn item_key(storage: StorageId, key: &PrimaryKey) -> Vec<u8> {
    let mut out = hash_prefix(storage, key.partition_hash());
    key.encode_partition(&mut out);
    key.encode_sort(&mut out);
    out
}

/// The common prefix of all items with this partition key, whose hash is `hash`.
pub fn partition_key_prefix(
    storage: StorageId,
    hash: u64,
    partition_key: &AttributeValue,
) -> Vec<u8> {
    let mut out = hash_prefix(storage, hash);
    stator_model::memcomparable::encode(partition_key, &mut out);
    out
}

/// The first key that an item of `storage` hashed to `hash` could have.
pub fn hash_prefix(storage: StorageId, hash: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.extend_from_slice(&storage.0.to_be_bytes());
    out.extend_from_slice(&hash.to_be_bytes());
    out
}

/// An engine range: lower and upper bound.
pub type KeyRange = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// All items of `storage` whose hash lies in `first..=last`.
pub fn hash_range(storage: StorageId, first: u64, last: u64) -> KeyRange {
    let upper = match last.checked_add(1) {
        Some(next) => Bound::Excluded(hash_prefix(storage, next)),
        None => Bound::Excluded(after_prefix(storage.0.to_be_bytes().to_vec())),
    };
    (Bound::Included(hash_prefix(storage, first)), upper)
}

/// The hash in an item key; `None` for bytes that are no item key.
pub fn hash_of_key(key: &[u8]) -> Option<u64> {
    let bytes = key.get(8..PREFIX_LEN)?;
    Some(bytes.iter().fold(0, |acc, &b| acc << 8 | u64::from(b)))
}

/// The smallest key that is greater than every key beginning with `prefix`.
pub fn after_prefix(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return prefix;
        }
    }
    // Only an all-0xff prefix gets here. Storage ids start at 1 and never come near.
    vec![0xff; PREFIX_LEN + 1]
}

/// The range of a Query: `prefix` is [`partition_key_prefix`], `sort` restricts the sort key.
pub fn query_range(prefix: &[u8], sort: Option<&SortCondition>) -> KeyRange {
    let with = |value: &AttributeValue| {
        let mut key = prefix.to_vec();
        stator_model::memcomparable::encode(value, &mut key);
        key
    };
    let start = || Bound::Included(prefix.to_vec());
    let end = || Bound::Excluded(after_prefix(prefix.to_vec()));
    match sort {
        None => (start(), end()),
        Some(SortCondition::Eq(value)) => {
            (Bound::Included(with(value)), Bound::Included(with(value)))
        }
        Some(SortCondition::Lt(value)) => (start(), Bound::Excluded(with(value))),
        Some(SortCondition::Le(value)) => (start(), Bound::Included(with(value))),
        Some(SortCondition::Gt(value)) => (Bound::Excluded(with(value)), end()),
        Some(SortCondition::Ge(value)) => (Bound::Included(with(value)), end()),
        Some(SortCondition::Between(low, high)) => {
            (Bound::Included(with(low)), Bound::Included(with(high)))
        }
        Some(SortCondition::BeginsWith(value)) => {
            let mut low = prefix.to_vec();
            stator_model::memcomparable::encode_prefix(value, &mut low);
            let high = after_prefix(low.clone());
            (Bound::Included(low), Bound::Excluded(high))
        }
    }
}
