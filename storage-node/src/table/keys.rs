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

/// Identifies the data of one table or index on disk. Never reused.
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

/// The storage id that a key of the items keyspace begins with; `None` for bytes that are no such key.
pub fn storage_id_of(key: &[u8]) -> Option<StorageId> {
    let bytes = key.first_chunk::<8>()?;
    Some(StorageId(u64::from_be_bytes(*bytes)))
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

/// The range of a Query: `prefix` is [`partition_key_prefix`] or that of an index's key values, `sort`
/// restricts the next key attribute. More attributes may follow it in the keys.
pub fn query_range(prefix: &[u8], sort: Option<&SortCondition>) -> KeyRange {
    let with = |value: &AttributeValue| {
        let mut key = prefix.to_vec();
        stator_model::memcomparable::encode(value, &mut key);
        key
    };
    let from = |value: &AttributeValue| Bound::Included(with(value));
    let after = |value: &AttributeValue| after_prefix(with(value));
    let start = || Bound::Included(prefix.to_vec());
    let end = || Bound::Excluded(after_prefix(prefix.to_vec()));
    match sort {
        None => (start(), end()),
        Some(SortCondition::Eq(value)) => (from(value), Bound::Excluded(after(value))),
        Some(SortCondition::Lt(value)) => (start(), Bound::Excluded(with(value))),
        Some(SortCondition::Le(value)) => (start(), Bound::Excluded(after(value))),
        Some(SortCondition::Gt(value)) => (Bound::Included(after(value)), end()),
        Some(SortCondition::Ge(value)) => (from(value), end()),
        Some(SortCondition::Between(low, high)) => (from(low), Bound::Excluded(after(high))),
        Some(SortCondition::BeginsWith(value)) => {
            let mut low = prefix.to_vec();
            stator_model::memcomparable::encode_prefix(value, &mut low);
            let high = after_prefix(low.clone());
            (Bound::Included(low), Bound::Excluded(high))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::RangeBounds as _;

    use bytes::Bytes;
    use proptest::prelude::*;
    use stator_model::number::Number;

    use super::*;

    fn sort_values() -> impl Strategy<Value = Vec<AttributeValue>> {
        let text = proptest::collection::vec("[a-c\u{0}\u{ff}]{0,4}", 3..12)
            .prop_map(|all| all.into_iter().map(AttributeValue::S).collect());
        let number = proptest::collection::vec(-20..20_i64, 3..12).prop_map(|all| {
            all.into_iter()
                .map(|n| AttributeValue::N(Number::from(n)))
                .collect()
        });
        let bytes = proptest::collection::vec(
            proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(255)], 0..4),
            3..12,
        )
        .prop_map(|all| {
            all.into_iter()
                .map(|b| AttributeValue::B(Bytes::from(b)))
                .collect()
        });
        prop_oneof![text, number, bytes]
    }

    fn conditions(a: &AttributeValue, b: &AttributeValue) -> Vec<SortCondition> {
        let mut all = vec![
            SortCondition::Eq(a.clone()),
            SortCondition::Lt(a.clone()),
            SortCondition::Le(a.clone()),
            SortCondition::Gt(a.clone()),
            SortCondition::Ge(a.clone()),
            SortCondition::Between(a.clone(), b.clone()),
        ];
        if !matches!(a, AttributeValue::N(_)) {
            all.push(SortCondition::BeginsWith(a.clone()));
        }
        all
    }

    proptest! {
        /// What a range of engine keys holds is what the condition says, value by value, and nothing
        /// of another partition key is ever in it.
        #[test]
        fn a_range_holds_exactly_what_its_condition_matches(values in sort_values()) {
            let storage = StorageId(7);
            let prefix = partition_key_prefix(storage, 9, &AttributeValue::S("pk".to_owned()));
            let other = partition_key_prefix(storage, 9, &AttributeValue::S("pk2".to_owned()));
            let key = |prefix: &[u8], value: &AttributeValue| {
                let mut key = prefix.to_vec();
                stator_model::memcomparable::encode(value, &mut key);
                key
            };
            for condition in conditions(&values[0], &values[1]) {
                let range = query_range(&prefix, Some(&condition));
                for value in &values {
                    let mut found = key(&prefix, value);
                    prop_assert_eq!(range.contains(&found), condition.matches(value), "{:?} {:?}", condition, value);
                    // An index's keys go on with the table's.
                    stator_model::memcomparable::encode(&AttributeValue::S("a".to_owned()), &mut found);
                    prop_assert_eq!(range.contains(&found), condition.matches(value), "{:?} {:?}", condition, value);
                    prop_assert!(!range.contains(&key(&other, value)));
                }
            }
            let whole = query_range(&prefix, None);
            for value in &values {
                prop_assert!(whole.contains(&key(&prefix, value)));
                prop_assert!(!whole.contains(&key(&other, value)));
            }
        }
    }

    #[test]
    fn hash_ranges_meet_without_gap_and_stay_in_their_table() {
        let storage = StorageId(7);
        let low = hash_range(storage, 0, 99);
        let high = hash_range(storage, 100, u64::MAX);
        for hash in [0, 99, 100, u64::MAX] {
            let key = [hash_prefix(storage, hash), vec![0xff; 40]].concat();
            assert!(low.contains(&key) != high.contains(&key), "hash {hash}");
        }
        for neighbour in [StorageId(6), StorageId(8)] {
            let key = hash_prefix(neighbour, u64::MAX);
            assert!(!low.contains(&key) && !high.contains(&key));
        }
    }
}
