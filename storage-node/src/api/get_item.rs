//! GetItem.

use bytes::Bytes;
use stator_model::capacity::read_units;
use stator_model::error::ApiError;
use stator_model::expression::ProjectionExpression;
use stator_model::operations::{Expressions, GetItemRequest};

use super::request::{active_table, authorize_table, table_name};
use super::respond::Body;
use super::service::Call;
use crate::table::StoredItem;
use crate::table::codec_json::item_to_json;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let mut request = GetItemRequest::parse(&call.body)?;
    authorize_table(
        &call,
        "dynamodb:GetItem",
        table_name(&call, &request.table_name)?,
    )?;
    let projection = validate(&mut request)?;
    let table = active_table(&call, table_name(&call, &request.table_name)?).await?;
    let key = table.key_schema.key_from_map(&request.key)?;
    if let Some(projection) = &projection {
        projection.check_key_attributes_scalar(&table.key_schema)?;
    }
    let stored = call
        .cluster
        .get(&table, &key, request.consistent_read, call.deadline)
        .await?;
    let size = stored.as_ref().map_or(0, |stored| stored.size_bytes);
    // JSON adds quotes, names of types and escapes: about a quarter for typical items.
    let mut body = Body::begin(size + size / 4 + 64);
    if let Some(stored) = &stored {
        write_stored(stored, projection.as_ref(), body.member("Item"))?;
    }
    let units = read_units(size, request.consistent_read);
    body.capacity(request.return_consumed_capacity, &request.table_name, units);
    Ok(body.end())
}

/// Appends a stored item, projected if asked for.
///
/// # Errors
/// An internal error for bytes that cannot be read.
pub(super) fn write_stored(
    stored: &StoredItem,
    projection: Option<&ProjectionExpression>,
    out: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let written = match projection {
        None => stored.write_json(out),
        Some(projection) => stored
            .item()
            .map(|item| item_to_json(&projection.project(&item), out)),
    };
    written.map_err(|problem| {
        tracing::error!(%problem, "a stored item cannot be read");
        ApiError::internal("a stored item cannot be read")
    })
}

fn validate(request: &mut GetItemRequest) -> Result<Option<ProjectionExpression>, ApiError> {
    parse_projection(&request.take_expressions())
}

/// The projection of a read that has no other expression.
///
/// # Errors
/// A ValidationException.
pub(super) fn parse_projection(
    expressions: &Expressions,
) -> Result<Option<ProjectionExpression>, ApiError> {
    let context = expressions.context();
    let projection = expressions
        .projection
        .as_deref()
        .map(|text| ProjectionExpression::parse(text, &context))
        .transpose()?;
    context.finish()?;
    Ok(projection)
}
