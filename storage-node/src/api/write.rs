//! What PutItem, UpdateItem and DeleteItem share.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::expression::{ConditionExpression, ExpressionContext, ExpressionKind};
use stator_model::operations::{
    Expressions, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValues,
    ReturnValuesOnConditionCheckFailure,
};

use super::consumed::Consumed;
use super::item_collection;
use super::respond::Body;
use crate::cluster::message::{ReturnValuesMessage, WriteOutcome};
use crate::cluster::{ItemWrite, WriteTexts};

/// Parses a `ConditionExpression`.
///
/// # Errors
/// A ValidationException, not yet worded for PutItem and UpdateItem.
pub(super) fn condition(
    text: Option<&str>,
    context: &ExpressionContext<'_>,
) -> Result<Option<ConditionExpression>, ApiError> {
    text.map(|text| ConditionExpression::parse(ExpressionKind::Condition, text, context))
        .transpose()
}

/// The expressions as text, for a leader elsewhere.
pub(super) fn texts(expressions: Expressions) -> WriteTexts {
    WriteTexts {
        condition: expressions.condition,
        update: expressions.update,
        names: expressions.names,
        values: expressions.values,
    }
}

/// `ReturnValues` as nodes say it to each other.
pub(super) fn return_values(mode: ReturnValues) -> ReturnValuesMessage {
    match mode {
        ReturnValues::None => ReturnValuesMessage::None,
        ReturnValues::AllOld => ReturnValuesMessage::AllOld,
        ReturnValues::UpdatedOld => ReturnValuesMessage::UpdatedOld,
        ReturnValues::AllNew => ReturnValuesMessage::AllNew,
        ReturnValues::UpdatedNew => ReturnValuesMessage::UpdatedNew,
    }
}

/// Whether the error of a failed condition carries the item.
pub(super) fn item_on_failure(mode: ReturnValuesOnConditionCheckFailure) -> bool {
    mode == ReturnValuesOnConditionCheckFailure::AllOld
}

/// The response body of a write.
///
/// # Errors
/// An internal error for an answer of another node that cannot be read.
pub(super) fn response(
    outcome: &WriteOutcome,
    write: &ItemWrite,
    mode: ReturnConsumedCapacity,
    collection: ReturnItemCollectionMetrics,
    table_name: &str,
) -> Result<Bytes, ApiError> {
    /// An encoding of no attributes: a count of 0.
    const NO_ATTRIBUTES: &[u8] = &[0];
    let attributes = outcome
        .attributes
        .as_deref()
        .filter(|bytes| *bytes != NO_ATTRIBUTES);
    let mut body = Body::begin(attributes.map_or(0, |bytes| bytes.len() * 2));
    if let Some(attributes) = attributes {
        body.encoded_item("Attributes", attributes)?;
    }
    body.consumed(mode, table_name, &Consumed::of_write(outcome));
    item_collection::member(collection, write, &mut body);
    Ok(body.end())
}
