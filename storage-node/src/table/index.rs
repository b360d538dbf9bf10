//! Secondary indexes: which entry an item has in an index, and where the entry lies.
//!
//! ```text
//! local   storage id 8 | hash of the table's partition key 8 | partition key | index sort key | sort key
//! global  storage id 8 | hash of the index's HASH attributes 8 | HASH attributes | RANGE attributes
//!         | partition key of the table | sort key of the table
//! ```
//! All attributes memcomparable. The table's key ends each entry's key, since index keys are not
//! unique; ties are thereby in the order of the table's key. The value is a stored item with the
//! projected attributes and the HLC of the change that made it.
//! An item that lacks one of the index's key attributes has no entry (a sparse index).

use std::collections::BTreeSet;

use bytes::Bytes;
use stator_model::key::{KeyAttribute, KeySchema, partition_hash_of};
use stator_model::limits::{PARTITION_KEY_BYTES_MAX, SORT_KEY_BYTES_MAX};
use stator_model::memcomparable;
use stator_model::value::{AttributeValue, Item};

use super::keys::{PREFIX_LEN, StorageId, hash_prefix};

/// `Projection`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Projection {
    /// Every attribute.
    All,
    /// The key attributes of table and index.
    KeysOnly,
    /// Those and the named ones.
    Include(BTreeSet<String>),
}

/// A secondary index as the data path sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexDefinition {
    /// Its name.
    pub name: String,
    /// Prefix of its keys.
    pub storage_id: StorageId,
    /// Local rather than global.
    pub is_local: bool,
    /// Partition key; of a local index that of the table.
    pub hash_keys: Vec<KeyAttribute>,
    /// Sort key; of a local index exactly one attribute.
    pub range_keys: Vec<KeyAttribute>,
    /// What an entry holds.
    pub projection: Projection,
    /// The table's key.
    pub table_key: KeySchema,
}

impl IndexDefinition {
    /// The index's own key attributes, HASH first.
    pub fn key_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        self.hash_keys.iter().chain(&self.range_keys)
    }

    /// The attributes in an entry's key in order: the index's own, then those of the table's key
    /// that the layout repeats.
    pub fn entry_attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        let skipped = usize::from(self.is_local);
        self.key_attributes()
            .chain(self.table_key.attributes().skip(skipped))
    }

    /// The key of the entry that `item` has here; `None` if it has none.
    ///
    /// An attribute that the index cannot hold (of another type, empty, too long) counts as absent:
    /// writes are checked, but a backfill meets items that were written before the index was asked
    /// for.
    pub fn entry_key(&self, item: &Item) -> Option<Bytes> {
        let hash_values = values_of(item, &self.hash_keys)?;
        let range_values = values_of(item, &self.range_keys)?;
        let total = |values: &[&AttributeValue]| -> usize {
            values.iter().map(|value| key_len(value)).sum()
        };
        if total(&hash_values) > PARTITION_KEY_BYTES_MAX
            || total(&range_values) > SORT_KEY_BYTES_MAX
        {
            return None;
        }
        let mut key = hash_prefix(self.storage_id, partition_hash_of(&hash_values));
        for attribute in self.entry_attributes() {
            memcomparable::encode(value_of(item, attribute)?, &mut key);
        }
        Some(Bytes::from(key))
    }

    /// What the entry of `item` holds.
    pub fn project(&self, item: &Item) -> Item {
        match &self.projection {
            Projection::All => item.clone(),
            Projection::KeysOnly => self.project_with(item, &BTreeSet::new()),
            Projection::Include(names) => self.project_with(item, names),
        }
    }

    fn project_with(&self, item: &Item, names: &BTreeSet<String>) -> Item {
        let keys = self.key_attributes().chain(self.table_key.attributes());
        keys.map(|attribute| &attribute.name)
            .chain(names)
            .filter_map(|name| item.get_key_value(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether every entry holds `attribute`, if its item does.
    pub fn projects(&self, attribute: &str) -> bool {
        let mut keys = self.key_attributes().chain(self.table_key.attributes());
        match &self.projection {
            Projection::All => true,
            _ if keys.any(|key| key.name == attribute) => true,
            Projection::KeysOnly => false,
            Projection::Include(names) => names.contains(attribute),
        }
    }

    /// The key schema of an index whose keys are one attribute each.
    pub fn single_key_schema(&self) -> Option<KeySchema> {
        match (&*self.hash_keys, &*self.range_keys) {
            ([hash], []) => Some(KeySchema {
                partition_key: hash.clone(),
                sort_key: None,
            }),
            ([hash], [range]) => Some(KeySchema {
                partition_key: hash.clone(),
                sort_key: Some(range.clone()),
            }),
            _ => None,
        }
    }

    /// The common prefix of the entries with these values of the HASH attributes, then of the first
    /// RANGE attributes; and the hash that finds their partition.
    pub fn key_prefix(&self, hash: &[AttributeValue], range: &[AttributeValue]) -> (u64, Vec<u8>) {
        let values: Vec<&AttributeValue> = hash.iter().collect();
        let placement = partition_hash_of(&values);
        let mut prefix = hash_prefix(self.storage_id, placement);
        for value in hash.iter().chain(range) {
            memcomparable::encode(value, &mut prefix);
        }
        (placement, prefix)
    }

    /// The key of the item in `table` that an entry of this local index belongs to; `None` for
    /// bytes that are no such key.
    pub fn item_key(&self, entry_key: &[u8], table: StorageId) -> Option<Vec<u8>> {
        let hash = entry_key.get(8..PREFIX_LEN)?;
        let rest = entry_key.get(PREFIX_LEN..)?;
        let (_, partition_key) = memcomparable::decode(rest)?;
        let (_, index_key) = memcomparable::decode(rest.get(partition_key..)?)?;
        let mut key = Vec::with_capacity(entry_key.len());
        key.extend_from_slice(&table.0.to_be_bytes());
        key.extend_from_slice(hash);
        key.extend_from_slice(rest.get(..partition_key)?);
        key.extend_from_slice(rest.get(partition_key + index_key..)?);
        Some(key)
    }

    /// The key attributes of index and table in an entry's key: a `LastEvaluatedKey`.
    /// `None` for bytes that are no such key.
    pub fn key_item(&self, entry_key: &[u8]) -> Option<Item> {
        let mut rest = entry_key.get(PREFIX_LEN..)?;
        let mut item = Item::new();
        for attribute in self.entry_attributes() {
            let (value, used) = memcomparable::decode(rest)?;
            item.insert(attribute.name.clone(), value);
            rest = rest.get(used..)?;
        }
        rest.is_empty().then_some(item)
    }
}

fn value_of<'a>(item: &'a Item, attribute: &KeyAttribute) -> Option<&'a AttributeValue> {
    item.get(&attribute.name)
        .filter(|value| attribute.scalar_type.matches(value))
        .filter(|value| !is_empty(value))
}

fn values_of<'a>(item: &'a Item, attributes: &[KeyAttribute]) -> Option<Vec<&'a AttributeValue>> {
    attributes
        .iter()
        .map(|attribute| value_of(item, attribute))
        .collect()
}

fn is_empty(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::S(_) | AttributeValue::B(_)) && key_len(value) == 0
}

/// The length that the limits of keys are about: raw bytes or UTF-8; of a number its size.
pub(super) fn key_len(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.len(),
        other => other.size_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use stator_model::key::ScalarType;

    use super::*;

    fn attribute(name: &str) -> KeyAttribute {
        KeyAttribute {
            name: name.to_owned(),
            scalar_type: ScalarType::S,
        }
    }

    fn schema() -> KeySchema {
        KeySchema {
            partition_key: attribute("pk"),
            sort_key: Some(attribute("sk")),
        }
    }

    fn index(
        is_local: bool,
        hash: &[&str],
        range: &[&str],
        projection: Projection,
    ) -> IndexDefinition {
        IndexDefinition {
            name: "i".to_owned(),
            storage_id: StorageId(9),
            is_local,
            hash_keys: hash.iter().map(|name| attribute(name)).collect(),
            range_keys: range.iter().map(|name| attribute(name)).collect(),
            projection,
            table_key: schema(),
        }
    }

    fn item(pairs: &[(&str, &str)]) -> Item {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), AttributeValue::S((*value).to_owned())))
            .collect()
    }

    #[test]
    fn an_item_without_an_index_key_attribute_has_no_entry() {
        let index = index(false, &["a", "b"], &["c"], Projection::All);
        let whole = item(&[("pk", "1"), ("sk", "2"), ("a", "x"), ("b", "y"), ("c", "z")]);
        assert!(index.entry_key(&whole).is_some());
        for missing in ["a", "b", "c"] {
            let mut part = whole.clone();
            part.remove(missing);
            assert_eq!(index.entry_key(&part), None, "{missing}");
            part.insert(missing.to_owned(), AttributeValue::Bool(true));
            assert_eq!(index.entry_key(&part), None, "{missing} of another type");
            part.insert(missing.to_owned(), AttributeValue::S(String::new()));
            assert_eq!(index.entry_key(&part), None, "{missing} empty");
            part.insert(missing.to_owned(), AttributeValue::S("x".repeat(2049)));
            assert_eq!(index.entry_key(&part), None, "{missing} too long");
        }
    }

    #[test]
    fn the_key_of_an_entry_gives_back_the_keys_of_index_and_table() {
        let whole = item(&[("pk", "1"), ("sk", "2"), ("a", "x"), ("c", "z"), ("d", "w")]);
        let global = index(false, &["a"], &["c"], Projection::KeysOnly);
        let keys = item(&[("pk", "1"), ("sk", "2"), ("a", "x"), ("c", "z")]);
        assert_eq!(
            global.key_item(&global.entry_key(&whole).unwrap()),
            Some(keys.clone())
        );
        assert_eq!(global.project(&whole), keys);
        let local = index(
            true,
            &["pk"],
            &["c"],
            Projection::Include(["d".to_owned()].into()),
        );
        let keys = item(&[("pk", "1"), ("sk", "2"), ("c", "z")]);
        assert_eq!(
            local.key_item(&local.entry_key(&whole).unwrap()),
            Some(keys)
        );
        assert!(local.projects("d") && local.projects("pk") && !local.projects("a"));
        assert_eq!(local.key_item(b"short"), None);
    }

    #[test]
    fn an_entry_of_a_local_index_lies_in_the_hash_range_of_its_item() {
        let local = index(true, &["pk"], &["c"], Projection::All);
        let whole = item(&[("pk", "1"), ("sk", "2"), ("c", "z")]);
        let key = local.entry_key(&whole).unwrap();
        let item_key = schema().key_of_item(&whole).unwrap();
        assert_eq!(key[8..16], item_key.partition_hash().to_be_bytes());
        assert_eq!(
            local.item_key(&key, StorageId(3)),
            Some(super::super::keys::item_key(StorageId(3), &item_key))
        );
    }
}
