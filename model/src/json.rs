//! The wire format: JSON in both directions, without a generic tree in between.

mod attribute;
pub(crate) mod read;
pub(crate) mod write;

pub(crate) use attribute::{AttributeMap, NO_TYPE, OptionalValue, SEVERAL_TYPES, Value};
pub use write::{write_item, write_text, write_value};

use crate::error::ApiError;
use crate::value::Item;

/// Reads an item written as the API writes it: `{"pk":{"S":"a"},…}`.
///
/// # Errors
/// A SerializationException if the text has the wrong shape, a ValidationException if a value
/// breaks a rule, in the service's words.
pub fn parse_item(text: &[u8]) -> Result<Item, ApiError> {
    let context = read::Context::default();
    let item = read::read_value(text, &context, AttributeMap::ITEM)?;
    match context.take_noted() {
        Some(error) => Err(error),
        None => Ok(item.unwrap_or_default()),
    }
}

/// Reads a list of items written as the API writes it: `[{"pk":{"S":"a"},…},…]`.
///
/// # Errors
/// As [`parse_item`].
pub fn parse_items(text: &[u8]) -> Result<Vec<Item>, ApiError> {
    let context = read::Context::default();
    let items = read::read_value(text, &context, read::List(AttributeMap::ITEM))?;
    match context.take_noted() {
        Some(error) => Err(error),
        None => Ok(items
            .unwrap_or_default()
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect()),
    }
}

/// An item as the API writes it.
pub fn item_to_json(item: &Item) -> Vec<u8> {
    let mut out = Vec::with_capacity(write::item_json_bytes(item));
    write_item(item, &mut out);
    out
}

#[cfg(test)]
mod tests;
