//! Query.

use std::ops::Bound;

use bytes::Bytes;
use stator_model::capacity::read_units;
use stator_model::error::ApiError;
use stator_model::expression::{
    ConditionExpression, ExpressionKind, KeyCondition, KeyConditionExpression, ProjectionExpression,
};
use stator_model::key::{KeySchema, PrimaryKey};
use stator_model::operations::{Expressions, QueryRequest, ReturnConsumedCapacity};
use stator_model::value::Item;

use super::request::{active_table, authorize_table, no_such_index, table_name};
use super::respond::Body;
use super::service::Call;
use crate::cluster::{Page, PageQuery, PageTexts, Table};
use crate::table::codec_json::item_to_json;
use crate::table::keys::{KeyRange, item_key, partition_key_prefix, query_range};

const OUTSIDE: &str = "The provided starting key is outside query boundaries based on provided \
                       conditions";

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let mut request = QueryRequest::parse(&call.body)?;
    authorize_table(
        &call,
        "dynamodb:Query",
        table_name(&call, &request.table_name)?,
    )?;
    let Parsed {
        key_condition,
        filter,
        projection,
        expressions,
    } = validate(&mut request)?;
    let table = active_table(&call, table_name(&call, &request.table_name)?).await?;
    if let Some(index) = &request.index_name {
        return Err(no_such_index(index));
    }
    let schema = &table.key_schema;
    let start = request
        .exclusive_start_key
        .as_ref()
        .map(|key| start_key(schema, key))
        .transpose()?;
    let condition = key_condition.resolve(schema)?;
    if let Some(filter) = &filter {
        filter.check_no_key_attributes(schema)?;
    }
    if let Some(projection) = &projection {
        projection.check_key_attributes_scalar(schema)?;
    }
    let counts_only = request.counts_only();
    let (hash, range) = range(
        &table,
        &condition,
        start.as_ref(),
        request.scan_index_forward,
    )?;
    let query = PageQuery {
        filter,
        projection,
        backward: !request.scan_index_forward,
        count_only: counts_only,
        consistent: request.consistent_read,
        limit: request.limit,
        texts: texts(expressions),
    };
    let page = call
        .cluster
        .query(&table, hash, range, &query, call.deadline)
        .await?;
    let mode = request.return_consumed_capacity;
    Ok(response(
        &page,
        counts_only,
        request.consistent_read,
        mode,
        &request.table_name,
    ))
}

struct Parsed {
    key_condition: KeyConditionExpression,
    filter: Option<ConditionExpression>,
    projection: Option<ProjectionExpression>,
    expressions: Expressions,
}

/// The expressions as text, for a node elsewhere; of Scan too.
pub(super) fn texts(expressions: Expressions) -> PageTexts {
    PageTexts {
        filter: expressions.filter,
        projection: expressions.projection,
        names: expressions.names,
        values: expressions.values,
    }
}

fn validate(request: &mut QueryRequest) -> Result<Parsed, ApiError> {
    let expressions = request.take_expressions()?;
    let context = expressions.context();
    let filter = expressions
        .filter
        .as_deref()
        .map(|text| ConditionExpression::parse(ExpressionKind::Filter, text, &context))
        .transpose()?;
    let key_condition = expressions.key_condition.as_deref().unwrap_or_default();
    let key_condition = KeyConditionExpression::parse(key_condition, &context)?;
    let projection = expressions
        .projection
        .as_deref()
        .map(|text| ProjectionExpression::parse(text, &context))
        .transpose()?;
    request.check_select()?;
    context.finish()?;
    drop(context);
    Ok(Parsed {
        key_condition,
        filter,
        projection,
        expressions,
    })
}

/// The `ExclusiveStartKey` of a Query; a table without a sort key has at most one item a partition
/// key, so nothing can come after any.
fn start_key(schema: &KeySchema, key: &Item) -> Result<PrimaryKey, ApiError> {
    let start = schema.start_key_from_map(key)?;
    if schema.sort_key.is_none() {
        return Err(ApiError::validation(OUTSIDE));
    }
    Ok(start)
}

/// The engine range that is left to read, and the hash that finds its partition.
fn range(
    table: &Table,
    condition: &KeyCondition,
    start: Option<&PrimaryKey>,
    forward: bool,
) -> Result<(u64, KeyRange), ApiError> {
    let hash = stator_model::key::partition_hash(&condition.partition_key);
    let prefix = partition_key_prefix(table.storage_id(), hash, &condition.partition_key);
    let (mut lower, mut upper) = query_range(&prefix, condition.sort.as_ref());
    if let Some(start) = start {
        if start.partition_key() != &condition.partition_key {
            return Err(ApiError::validation(OUTSIDE));
        }
        let key = item_key(table.storage_id(), start);
        let inside = above(&lower, &key) && below(&upper, &key);
        if !inside {
            return Err(ApiError::validation(
                "The provided starting key does not match the range key predicate",
            ));
        }
        if forward {
            lower = Bound::Excluded(key);
        } else {
            upper = Bound::Excluded(key);
        }
    }
    Ok((hash, (lower, upper)))
}

fn above(lower: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match lower {
        Bound::Included(low) => key >= low.as_slice(),
        Bound::Excluded(low) => key > low.as_slice(),
        Bound::Unbounded => true,
    }
}

fn below(upper: &Bound<Vec<u8>>, key: &[u8]) -> bool {
    match upper {
        Bound::Included(high) => key <= high.as_slice(),
        Bound::Excluded(high) => key < high.as_slice(),
        Bound::Unbounded => true,
    }
}

/// The response body of a page, of Scan too.
pub(super) fn response(
    page: &Page,
    counts_only: bool,
    consistent: bool,
    mode: ReturnConsumedCapacity,
    table_name: &str,
) -> Bytes {
    let mut body = Body::begin(page.items_json.len() + 256);
    if !counts_only {
        let items = body.member("Items");
        items.push(b'[');
        items.extend_from_slice(&page.items_json);
        items.push(b']');
    }
    body.number("Count", u64::from(page.count));
    body.number("ScannedCount", u64::from(page.scanned_count));
    if let Some(last) = &page.last_key {
        item_to_json(last, body.member("LastEvaluatedKey"));
    }
    let size = usize::try_from(page.scanned_size_bytes).unwrap_or(usize::MAX);
    body.capacity(mode, table_name, read_units(size, consistent));
    body.end()
}
