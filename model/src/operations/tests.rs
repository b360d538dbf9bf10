//! The operations seen from outside: what requests are refused with, and that both directions of
//! the wire format agree.

use crate::error::{ApiError, ErrorCode};
use crate::value::{AttributeValue, Item};

mod batches;
mod control;
mod indexes;
mod items;
mod reads;
mod settings;
mod statements;
mod transactions;

fn text(error: ApiError) -> String {
    assert_eq!(error.code, ErrorCode::ValidationException, "{error}");
    error.message.unwrap()
}

fn item(members: &[(&str, &str)]) -> Item {
    members
        .iter()
        .map(|(name, value)| ((*name).to_owned(), AttributeValue::string(*value)))
        .collect()
}

/// The request that remains of `parse` after these parts were put into a JSON object.
fn body(parts: &[&str]) -> Vec<u8> {
    format!("{{{}}}", parts.join(",")).into_bytes()
}
