//! The wire format: JSON in both directions, without a generic tree in between.

mod attribute;
pub(crate) mod read;
pub(crate) mod write;

pub(crate) use attribute::{AttributeMap, OptionalValue, Value};
pub use write::{write_item, write_value};

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

/// An item as the API writes it.
pub fn item_to_json(item: &Item) -> Vec<u8> {
    let mut out = Vec::with_capacity(write::item_json_bytes(item));
    write_item(item, &mut out);
    out
}

#[cfg(test)]
mod tests;
