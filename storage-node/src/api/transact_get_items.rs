//! TransactGetItems: up to 100 items as they were at one moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use stator_model::error::{ApiError, CancellationReason};
use stator_model::expression::{ExpressionContext, ProjectionExpression};
use stator_model::key::PrimaryKey;
use stator_model::operations::{TransactGet, TransactGetItemsRequest};
use stator_model::value::Item;

use super::get_item::write_stored;
use super::request::{active_table, authorize_table, table_name};
use super::respond::Body;
use super::service::Call;
use super::transact_capacity;
use super::transact_write_items::{has_empty_key, two_on_one_item};
use crate::cluster::Table;
use crate::table::StoredItem;
use crate::table::codec_json::item_to_json;
use crate::table::keys::item_key;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = TransactGetItemsRequest::parse(&call.body)?;
    for get in &request.transact_items {
        let name = table_name(&call, &get.table_name)?;
        authorize_table(&call, "dynamodb:GetItem", name)?;
    }
    let projections = request
        .transact_items
        .iter()
        .map(validate)
        .collect::<Result<Vec<_>, _>>()?;
    let mut tables = Vec::with_capacity(request.transact_items.len());
    for get in &request.transact_items {
        tables.push(active_table(&call, table_name(&call, &get.table_name)?).await?);
    }
    let keys = keys_of(&request.transact_items, tables, &projections)?;
    let items = call.cluster.transact_get(&keys, call.deadline).await?;
    let sizes = || {
        items
            .iter()
            .map(|item| item.as_ref().map_or(0, |stored| stored.size_bytes))
    };
    TransactGetItemsRequest::check_returned_sizes(sizes())?;
    let names: Vec<&str> = request
        .transact_items
        .iter()
        .map(|get| get.table_name.as_str())
        .collect();
    let total: usize = sizes().sum();
    let mut body = Body::begin(total + total / 4 + 64);
    let out = body.member("Responses");
    out.push(b'[');
    for (at, (item, projection)) in items.iter().zip(&projections).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_response(item.as_ref(), projection.as_ref(), out)?;
    }
    out.push(b']');
    transact_capacity::read(&mut body, request.return_consumed_capacity, &names, sizes());
    Ok(body.end())
}

fn validate(get: &TransactGet) -> Result<Option<ProjectionExpression>, ApiError> {
    let context = ExpressionContext::new(get.expression_attribute_names.as_ref(), None);
    let projection = get
        .projection_expression
        .as_deref()
        .map(|text| ProjectionExpression::parse(text, &context))
        .transpose()?;
    context.finish()?;
    Ok(projection)
}

fn keys_of(
    gets: &[TransactGet],
    tables: Vec<Arc<Table>>,
    projections: &[Option<ProjectionExpression>],
) -> Result<Vec<(Arc<Table>, PrimaryKey)>, ApiError> {
    let mut keys = Vec::with_capacity(gets.len());
    let mut reasons = Vec::with_capacity(gets.len());
    let mut seen = BTreeSet::new();
    for ((get, table), projection) in gets.iter().zip(tables).zip(projections) {
        let schema = &table.key_schema;
        let key = schema.key_from_map(&get.key).and_then(|key| {
            let projection = projection.as_ref();
            projection.map_or(Ok(()), |projection| {
                projection.check_key_attributes_scalar(schema)
            })?;
            Ok(key)
        });
        match key {
            Ok(key) => {
                if !seen.insert(item_key(table.storage_id(), &key)) {
                    return Err(two_on_one_item());
                }
                keys.push((table, key));
                reasons.push(CancellationReason::none());
            }
            Err(error) if has_empty_key(schema, &get.key) => return Err(error),
            Err(error) => reasons.push(CancellationReason::of(error)),
        }
    }
    if keys.len() < gets.len() {
        return Err(ApiError::transaction_canceled(reasons));
    }
    Ok(keys)
}

/// `{}` for a missing item, and when the projection leaves nothing of it.
fn write_response(
    stored: Option<&StoredItem>,
    projection: Option<&ProjectionExpression>,
    out: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let projected = match (stored, projection) {
        (None, _) => None,
        (Some(stored), None) => {
            out.extend_from_slice(b"{\"Item\":");
            write_stored(stored, None, out)?;
            out.push(b'}');
            return Ok(());
        }
        (Some(stored), Some(projection)) => Some(projection.project(&decoded(stored)?)),
    };
    match projected.filter(|item| !item.is_empty()) {
        None => out.extend_from_slice(b"{}"),
        Some(item) => {
            out.extend_from_slice(b"{\"Item\":");
            item_to_json(&item, out);
            out.push(b'}');
        }
    }
    Ok(())
}

fn decoded(stored: &StoredItem) -> Result<Item, ApiError> {
    stored.item().map_err(|problem| {
        tracing::error!(%problem, "a stored item cannot be read");
        ApiError::internal("a stored item cannot be read")
    })
}
