//! Items and keys from and to JSON: the model's reader and writer.

use stator_model::json::{item_to_json, parse_item as parse};
use stator_model::{ApiError, Item};

/// An item, a `Key` or a map of expression values: all have the same JSON.
///
/// # Errors
/// What DynamoDB says about a value that is none.
pub(crate) fn parse_item(json: &str) -> Result<Item, ApiError> {
    parse(json.as_bytes())
}

/// The same from bytes.
///
/// # Errors
/// As [`parse_item`].
pub(crate) fn parse_item_bytes(json: &[u8]) -> Result<Item, ApiError> {
    parse(json)
}

/// The item as the service writes it.
pub(crate) fn item_json(item: &Item) -> Vec<u8> {
    item_to_json(item)
}
