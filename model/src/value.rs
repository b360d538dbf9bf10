//! Attribute values and items.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::error::ApiError;
use crate::limits;
use crate::number::Number;

/// The top-level attributes of an item by name.
pub type Item = BTreeMap<String, AttributeValue>;

/// Refuses a name that no attribute can have, at any depth.
///
/// # Errors
/// A ValidationException.
pub(crate) fn check_attribute_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.len() > limits::ATTRIBUTE_NAME_BYTES_MAX {
        return Err(ApiError::invalid_parameter(format_args!(
            "Attribute names must have a length between 1 and {} bytes",
            limits::ATTRIBUTE_NAME_BYTES_MAX
        )));
    }
    Ok(())
}

/// A value as DynamoDB types it; the variants carry the API's names.
///
/// Sets keep the order in which they were given and hold no duplicates. `==` compares the
/// representation, so that tests see differences; DynamoDB's own equality, which ignores the order
/// of sets, is [`AttributeValue::data_equal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeValue {
    /// A string; may be empty outside of keys, and may hold NUL.
    S(String),
    /// A number.
    N(Number),
    /// Bytes; may be empty outside of keys.
    B(Bytes),
    /// A set of strings, never empty.
    Ss(Vec<String>),
    /// A set of numbers, never empty.
    Ns(Vec<Number>),
    /// A set of binary values, never empty.
    Bs(Vec<Bytes>),
    /// A map.
    M(BTreeMap<String, AttributeValue>),
    /// A list.
    L(Vec<AttributeValue>),
    /// True or false.
    Bool(bool),
    /// The NULL type. It is a value: an attribute that holds it exists.
    Null,
}

impl AttributeValue {
    /// The type as the wire format and `attribute_type` spell it.
    pub fn type_name(&self) -> &'static str {
        match self {
            AttributeValue::S(_) => "S",
            AttributeValue::N(_) => "N",
            AttributeValue::B(_) => "B",
            AttributeValue::Ss(_) => "SS",
            AttributeValue::Ns(_) => "NS",
            AttributeValue::Bs(_) => "BS",
            AttributeValue::M(_) => "M",
            AttributeValue::L(_) => "L",
            AttributeValue::Bool(_) => "BOOL",
            AttributeValue::Null => "NULL",
        }
    }

    /// DynamoDB's equality: the same type and deeply equal, numbers by value, sets without order,
    /// lists with order. Nesting is bounded when values come in, so this does not recurse far.
    pub fn data_equal(&self, other: &AttributeValue) -> bool {
        match (self, other) {
            (AttributeValue::Ss(left), AttributeValue::Ss(right)) => sets_equal(left, right),
            (AttributeValue::Ns(left), AttributeValue::Ns(right)) => sets_equal(left, right),
            (AttributeValue::Bs(left), AttributeValue::Bs(right)) => sets_equal(left, right),
            (AttributeValue::L(left), AttributeValue::L(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.data_equal(b))
            }
            (AttributeValue::M(left), AttributeValue::M(right)) => items_data_equal(left, right),
            _ => self == other,
        }
    }

    /// Bytes that this value counts for in the size of an item (developer guide, "Item sizes and
    /// formats"; the rule for numbers is measured).
    pub fn size_bytes(&self) -> usize {
        /// What a list or a map costs by itself.
        const CONTAINER: usize = 3;
        match self {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(number) => number.size_bytes(),
            AttributeValue::B(bytes) => bytes.len(),
            AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
            AttributeValue::Ns(numbers) => numbers.iter().map(Number::size_bytes).sum(),
            AttributeValue::Bs(values) => values.iter().map(Bytes::len).sum(),
            AttributeValue::L(members) => {
                CONTAINER
                    + members
                        .iter()
                        .map(|member| 1 + member.size_bytes())
                        .sum::<usize>()
            }
            AttributeValue::M(members) => {
                CONTAINER
                    + members
                        .iter()
                        .map(|(name, member)| name.len() + 1 + member.size_bytes())
                        .sum::<usize>()
            }
            AttributeValue::Bool(_) | AttributeValue::Null => 1,
        }
    }

    /// A string value.
    pub fn string(text: impl Into<String>) -> AttributeValue {
        AttributeValue::S(text.into())
    }
}

/// The size of an item in bytes: names in UTF-8 and values. At most 409,600 for a stored item.
pub fn item_size_bytes(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value.size_bytes())
        .sum()
}

/// Whether two items (or two maps) are equal as DynamoDB compares them.
pub fn items_data_equal(left: &Item, right: &Item) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .all(|((left_name, left), (right_name, right))| {
                left_name == right_name && left.data_equal(right)
            })
}

fn sets_equal<T: Ord>(left: &[T], right: &[T]) -> bool {
    if left.len() != right.len() {
        return false;
    }
    // Mostly the sets were written by the same client in the same order.
    if left == right {
        return true;
    }
    let mut left: Vec<&T> = left.iter().collect();
    let mut right: Vec<&T> = right.iter().collect();
    left.sort_unstable();
    right.sort_unstable();
    left == right
}

#[cfg(test)]
mod tests;
