//! TransactWriteItems: up to 100 writes and checks, all or none.
//!
//! What is wrong with the request as such is a ValidationException; what is wrong with an action in
//! view of its table's schema cancels the transaction, with the first such reason standing alone
//! (semantics section 13).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use stator_model::error::{ApiError, CancellationReason};
use stator_model::expression::{ConditionExpression, ExpressionContext, UpdateExpression};
use stator_model::key::{KeyAttribute, KeySchema, PrimaryKey};
use stator_model::operations::{
    ReturnItemCollectionMetrics, TransactWriteAction, TransactWriteItem, TransactWriteItemsRequest,
};
use stator_model::value::{AttributeValue, Item};

use super::request::{active_table, authorize_table, table_name};
use super::respond::Body;
use super::service::Call;
use super::{transact_capacity, write};
use crate::cluster::message::ReturnValuesMessage;
use crate::cluster::{
    ItemWrite, Table, TransactAction, TransactWrite, TransactionToken, WriteTexts,
};
use crate::table::codec_json::{item_to_json, string};
use crate::table::keys::item_key;
use crate::table::{WriteAction, WriteOperation};

/// The error for two actions on one item.
pub(super) fn two_on_one_item() -> ApiError {
    ApiError::validation("Transaction request cannot include multiple operations on one item")
}

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = TransactWriteItemsRequest::parse(&call.body)?;
    for item in &request.transact_items {
        let name = table_name(&call, &item.table_name)?;
        authorize_table(&call, item.action.permission(), name)?;
    }
    let expressions = request
        .transact_items
        .iter()
        .map(validate)
        .collect::<Result<Vec<_>, _>>()?;
    request.check_sizes()?;
    let mut tables = Vec::with_capacity(request.transact_items.len());
    for item in &request.transact_items {
        tables.push(active_table(&call, table_name(&call, &item.table_name)?).await?);
    }
    let token = request
        .client_request_token
        .as_ref()
        .map(|token| TransactionToken::new(token, &request.parameters()));
    let keys = keys_of(&request.transact_items, &tables, &expressions)?;
    let actions = request
        .transact_items
        .iter()
        .zip(expressions)
        .zip(tables.iter().zip(keys))
        .map(|((item, expressions), (table, key))| action(item, expressions, table, key))
        .collect();
    let transaction = TransactWrite { actions, token };
    let written = call
        .cluster
        .transact_write(&transaction, call.deadline)
        .await?;
    let names: Vec<&str> = request
        .transact_items
        .iter()
        .map(|item| item.table_name.as_str())
        .collect();
    let mut body = Body::begin(64);
    transact_capacity::written(
        &mut body,
        request.return_consumed_capacity,
        &names,
        &written,
    );
    if request.return_item_collection_metrics == ReturnItemCollectionMetrics::Size {
        item_collections(&mut body, &names, &transaction);
    }
    Ok(body.end())
}

#[derive(Default)]
struct Expressions {
    update: Option<UpdateExpression>,
    condition: Option<ConditionExpression>,
}

fn validate(item: &TransactWriteItem) -> Result<Expressions, ApiError> {
    let context = ExpressionContext::new(
        item.expression_attribute_names.as_ref(),
        item.expression_attribute_values.as_ref(),
    );
    let update = match &item.action {
        TransactWriteAction::Update {
            update_expression, ..
        } => Some(UpdateExpression::parse(update_expression, &context)?),
        _ => None,
    };
    let condition = write::condition(item.condition_expression.as_deref(), &context)?;
    context.finish()?;
    Ok(Expressions { update, condition })
}

/// The key of each action.
fn keys_of(
    items: &[TransactWriteItem],
    tables: &[Arc<Table>],
    expressions: &[Expressions],
) -> Result<Vec<PrimaryKey>, ApiError> {
    let mut keys = Vec::with_capacity(items.len());
    let mut reasons = Vec::with_capacity(items.len());
    let mut seen = BTreeSet::new();
    for ((item, table), expressions) in items.iter().zip(tables).zip(expressions) {
        let schema = &table.key_schema;
        match key_of(schema, &item.action, expressions) {
            Ok(key) => {
                if !seen.insert(item_key(table.storage_id(), &key)) {
                    return Err(two_on_one_item());
                }
                if let TransactWriteAction::Put { item } = &item.action
                    && has_empty_index_key(table, item)
                {
                    table.item_rules().check_put(item)?;
                }
                keys.push(key);
                reasons.push(CancellationReason::none());
            }
            Err(error) if has_empty_key(schema, item.action.key_or_item()) => return Err(error),
            Err(error) => reasons.push(CancellationReason::of(error)),
        }
    }
    if keys.len() < items.len() {
        return Err(ApiError::transaction_canceled(reasons));
    }
    Ok(keys)
}

fn key_of(
    schema: &KeySchema,
    action: &TransactWriteAction,
    expressions: &Expressions,
) -> Result<PrimaryKey, ApiError> {
    let key = match action {
        TransactWriteAction::Put { item } => schema.key_of_item(item)?,
        TransactWriteAction::ConditionCheck { key }
        | TransactWriteAction::Update { key, .. }
        | TransactWriteAction::Delete { key } => schema.key_from_map(key)?,
    };
    if let Some(update) = &expressions.update {
        update.check_key_targets(schema)?;
    }
    if let Some(condition) = &expressions.condition {
        condition.check_key_attributes_scalar(schema)?;
    }
    Ok(key)
}

/// Whether a key attribute of the right type is empty, which is wrong whatever the table holds.
pub(super) fn has_empty_key(schema: &KeySchema, key_or_item: &Item) -> bool {
    schema
        .attributes()
        .any(|attribute| is_empty(attribute, key_or_item))
}

/// The same of the keys of indexes.
fn has_empty_index_key(table: &Table, item: &Item) -> bool {
    let mut indexes = table.local_indexes.iter().chain(&table.global_indexes);
    indexes.any(|index| {
        let mut attributes = index.key_attributes();
        attributes.any(|attribute| is_empty(attribute, item))
    })
}

fn is_empty(attribute: &KeyAttribute, item: &Item) -> bool {
    item.get(&attribute.name).is_some_and(|value| match value {
        AttributeValue::S(text) => text.is_empty() && attribute.scalar_type.matches(value),
        AttributeValue::B(bytes) => bytes.is_empty() && attribute.scalar_type.matches(value),
        _ => false,
    })
}

fn action(
    item: &TransactWriteItem,
    expressions: Expressions,
    table: &Arc<Table>,
    key: PrimaryKey,
) -> TransactAction {
    let mut texts = WriteTexts {
        condition: item.condition_expression.clone(),
        update: None,
        names: item.expression_attribute_names.clone(),
        values: item.expression_attribute_values.clone(),
    };
    let (write_action, check_only) = match &item.action {
        TransactWriteAction::ConditionCheck { .. } => (WriteAction::Delete, true),
        TransactWriteAction::Delete { .. } => (WriteAction::Delete, false),
        TransactWriteAction::Put { item } => (WriteAction::Put(item.clone()), false),
        TransactWriteAction::Update {
            key,
            update_expression,
        } => {
            texts.update = Some(update_expression.clone());
            let update = WriteAction::Update {
                key: key.clone(),
                expression: expressions.update,
            };
            (update, false)
        }
    };
    TransactAction {
        write: ItemWrite {
            table: Arc::clone(table),
            key,
            operation: WriteOperation {
                action: write_action,
                condition: expressions.condition,
                return_values: ReturnValuesMessage::None,
                return_item_on_failure: write::item_on_failure(
                    item.return_values_on_condition_check_failure,
                ),
            },
            texts,
        },
        check_only,
    }
}

/// `ItemCollectionMetrics`: the collections that were written to, in tables that have local indexes.
fn item_collections(body: &mut Body, names: &[&str], transaction: &TransactWrite) {
    let mut by_table: BTreeMap<&str, Vec<Item>> = BTreeMap::new();
    for (name, action) in names.iter().zip(&transaction.actions) {
        let table = &action.write.table;
        if action.check_only || table.local_indexes.is_empty() {
            continue;
        }
        let collection = Item::from([(
            table.key_schema.partition_key.name.clone(),
            action.write.key.partition_key().clone(),
        )]);
        let collections = by_table.entry(name).or_default();
        if !collections.contains(&collection) {
            collections.push(collection);
        }
    }
    if by_table.is_empty() {
        return;
    }
    let out = body.member("ItemCollectionMetrics");
    out.push(b'{');
    for (at, (name, collections)) in by_table.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(name, out);
        out.extend_from_slice(b":[");
        for (at, key) in collections.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(b"{\"ItemCollectionKey\":");
            item_to_json(key, out);
            out.extend_from_slice(b",\"SizeEstimateRangeGB\":[0.0,1.0]}");
        }
        out.push(b']');
    }
    out.push(b'}');
}
