//! Key schemas and primary keys, with the checks that the service makes on them.
//!
//! Source: developer guide, "Core components"; error texts observed on the service.

use crate::error::ApiError;
use crate::limits;
use crate::memcomparable;
use crate::value::{AttributeValue, Item};

/// The types that a key attribute may have.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
pub enum ScalarType {
    /// String.
    S,
    /// Number.
    N,
    /// Binary.
    B,
}

impl ScalarType {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            ScalarType::S => "S",
            ScalarType::N => "N",
            ScalarType::B => "B",
        }
    }

    /// The type with that name in the API.
    pub fn from_name(name: &str) -> Option<ScalarType> {
        match name {
            "S" => Some(ScalarType::S),
            "N" => Some(ScalarType::N),
            "B" => Some(ScalarType::B),
            _ => None,
        }
    }

    /// Whether `value` has this type.
    pub fn matches(self, value: &AttributeValue) -> bool {
        matches!(
            (self, value),
            (ScalarType::S, AttributeValue::S(_))
                | (ScalarType::N, AttributeValue::N(_))
                | (ScalarType::B, AttributeValue::B(_))
        )
    }
}

/// One attribute of a key.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeyAttribute {
    /// Name of the attribute.
    pub name: String,
    /// Its type.
    pub scalar_type: ScalarType,
}

/// The primary key of a table.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct KeySchema {
    /// The attribute that decides the placement (HASH).
    pub partition_key: KeyAttribute,
    /// The attribute that orders the items of one partition key (RANGE).
    pub sort_key: Option<KeyAttribute>,
}

/// A primary key that satisfies its schema: right types, not empty, within the length limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryKey {
    partition_key: AttributeValue,
    sort_key: Option<AttributeValue>,
}

const KEY_DOES_NOT_MATCH: &str = "The provided key element does not match the schema";

impl KeySchema {
    /// The key attributes in order: partition key, then sort key.
    pub fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition_key).chain(&self.sort_key)
    }

    /// Whether the attribute is part of the key.
    pub fn contains(&self, name: &str) -> bool {
        self.attributes().any(|attribute| attribute.name == name)
    }

    /// The key of an item that PutItem writes.
    ///
    /// # Errors
    /// A key attribute is missing, has the wrong type, is empty or too long, in PutItem's words.
    pub fn key_of_item(&self, item: &Item) -> Result<PrimaryKey, ApiError> {
        self.build(|attribute| {
            let value = item.get(&attribute.name).ok_or_else(|| {
                ApiError::invalid_parameter(format!(
                    "Missing the key {} in the item",
                    attribute.name
                ))
            })?;
            if attribute.scalar_type.matches(value) {
                Ok(value)
            } else {
                Err(ApiError::invalid_parameter(format!(
                    "Type mismatch for key {} expected: {} actual: {}",
                    attribute.name,
                    attribute.scalar_type.as_str(),
                    value.type_name()
                )))
            }
        })
    }

    /// The key of an item in a BatchWriteItem put, where the service words a missing or mistyped
    /// key attribute as for a `Key` parameter.
    ///
    /// # Errors
    /// As [`KeySchema::key_of_item`], with the general text.
    pub fn key_of_batch_item(&self, item: &Item) -> Result<PrimaryKey, ApiError> {
        self.build(|attribute| {
            item.get(&attribute.name)
                .filter(|value| attribute.scalar_type.matches(value))
                .ok_or_else(|| ApiError::validation(KEY_DOES_NOT_MATCH))
        })
    }

    /// The key in a `Key` parameter: exactly the key attributes.
    ///
    /// # Errors
    /// An attribute is missing, superfluous, has the wrong type, is empty or too long.
    pub fn key_from_map(&self, key: &Item) -> Result<PrimaryKey, ApiError> {
        if key.len() != self.attributes().count() {
            return Err(ApiError::validation(KEY_DOES_NOT_MATCH));
        }
        self.key_of_batch_item(key)
    }

    /// The key in the `ExclusiveStartKey` of a Query of a table. It need not name an existing item.
    ///
    /// # Errors
    /// As [`KeySchema::key_from_map`], in the words of section "Query and Scan".
    pub fn start_key_from_map(&self, key: &Item) -> Result<PrimaryKey, ApiError> {
        if key.len() != self.attributes().count() {
            return Err(ApiError::validation("The provided starting key is invalid"));
        }
        self.scan_start_key_from_map(key)
    }

    /// The key in the `ExclusiveStartKey` of a Scan of a table.
    ///
    /// # Errors
    /// As [`KeySchema::start_key_from_map`]; a wrong number of attributes is worded differently.
    pub fn scan_start_key_from_map(&self, key: &Item) -> Result<PrimaryKey, ApiError> {
        self.key_from_map(key).map_err(|mut error| {
            let inner = error.message.take().unwrap_or_default();
            ApiError::validation(format!("The provided starting key is invalid: {inner}"))
        })
    }

    fn build<'a>(
        &self,
        mut find: impl FnMut(&KeyAttribute) -> Result<&'a AttributeValue, ApiError>,
    ) -> Result<PrimaryKey, ApiError> {
        let partition_key = find(&self.partition_key)?;
        let sort_key = self.sort_key.as_ref().map(&mut find).transpose()?;
        check_not_empty(&self.partition_key, partition_key)?;
        if let (Some(attribute), Some(value)) = (&self.sort_key, sort_key) {
            check_not_empty(attribute, value)?;
        }
        check_partition_key_size(partition_key)?;
        sort_key.map_or(Ok(()), check_sort_key_size)?;
        Ok(PrimaryKey {
            partition_key: partition_key.clone(),
            sort_key: sort_key.cloned(),
        })
    }
}

impl PrimaryKey {
    /// Value of the partition key.
    pub fn partition_key(&self) -> &AttributeValue {
        &self.partition_key
    }

    /// Value of the sort key, if the table has one.
    pub fn sort_key(&self) -> Option<&AttributeValue> {
        self.sort_key.as_ref()
    }

    /// The placement hash: see [`partition_hash`].
    pub fn partition_hash(&self) -> u64 {
        partition_hash(&self.partition_key)
    }

    /// Appends the partition key in its order-preserving encoding.
    pub fn encode_partition(&self, out: &mut Vec<u8>) {
        memcomparable::encode(&self.partition_key, out);
    }

    /// Appends the sort key in its order-preserving encoding; nothing if there is none.
    pub fn encode_sort(&self, out: &mut Vec<u8>) {
        if let Some(value) = &self.sort_key {
            memcomparable::encode(value, out);
        }
    }

    /// The key attributes by name.
    pub fn to_item(&self, schema: &KeySchema) -> Item {
        let values = std::iter::once(&self.partition_key).chain(&self.sort_key);
        schema
            .attributes()
            .zip(values)
            .map(|(attribute, value)| (attribute.name.clone(), value.clone()))
            .collect()
    }
}

/// Where a partition key belongs: XXH3-64 with seed 0 over its encoding with the type tag
/// ([`memcomparable`]). Frozen: stored data depends on it.
pub fn partition_hash(partition_key: &AttributeValue) -> u64 {
    let mut encoded = Vec::with_capacity(key_bytes(partition_key) + 8);
    memcomparable::encode(partition_key, &mut encoded);
    xxhash_rust::xxh3::xxh3_64(&encoded)
}

/// Where a partition key of one or several attributes belongs: XXH3-64 with seed 0 over their
/// encodings one after another; of a single attribute the same as [`partition_hash`]. Frozen.
pub fn partition_hash_of(values: &[&AttributeValue]) -> u64 {
    let mut encoded = Vec::with_capacity(64);
    for value in values {
        memcomparable::encode(value, &mut encoded);
    }
    xxhash_rust::xxh3::xxh3_64(&encoded)
}

fn check_not_empty(attribute: &KeyAttribute, value: &AttributeValue) -> Result<(), ApiError> {
    let kind = match value {
        AttributeValue::S(text) if text.is_empty() => "string",
        AttributeValue::B(bytes) if bytes.is_empty() => "binary",
        _ => return Ok(()),
    };
    Err(ApiError::validation(format!(
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
         contain an empty {kind} value. Key: {}",
        attribute.name
    )))
}

/// Refuses a value that is too long for a partition key.
pub(crate) fn check_partition_key_size(value: &AttributeValue) -> Result<(), ApiError> {
    if key_bytes(value) > limits::PARTITION_KEY_BYTES_MAX {
        return Err(ApiError::invalid_parameter(
            "Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ));
    }
    Ok(())
}

/// Refuses a value that is too long for a sort key.
pub(crate) fn check_sort_key_size(value: &AttributeValue) -> Result<(), ApiError> {
    if key_bytes(value) > limits::SORT_KEY_BYTES_MAX {
        return Err(ApiError::invalid_parameter(
            "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        ));
    }
    Ok(())
}

/// The length that the key limits are about: raw bytes, UTF-8, and never a concern for numbers.
fn key_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::B(bytes) => bytes.len(),
        other => other.size_bytes(),
    }
}

#[cfg(test)]
mod tests;
