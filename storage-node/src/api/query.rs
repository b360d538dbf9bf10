//! Query.

use std::ops::Bound;

use bytes::Bytes;
use stator_model::capacity::read_units;
use stator_model::error::ApiError;
use stator_model::expression::{
    ConditionExpression, ExpressionContext, ExpressionKind, KeyConditionExpression,
    ProjectionExpression,
};
use stator_model::operations::{Expressions, QueryRequest, ReturnConsumedCapacity};
use stator_model::value::Item;

use super::consumed::Consumed;
use super::read_source;
use super::request::{authorize_table, table_name};
use super::respond::Body;
use super::service::Call;
use crate::cluster::{Page, PageQuery, PageTexts, Table};
use crate::table::IndexDefinition;
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
    let name = table_name(&call, &request.table_name)?;
    let table = read_source::table_with(&call, name, request.index_name.as_deref()).await?;
    let index = read_source::index(
        &table,
        request.index_name.as_deref(),
        request.consistent_read,
    )?;
    let start = request.exclusive_start_key.as_ref();
    let start = start.map(|key| match index {
        Some(index) => read_source::start_of_index(index, key),
        None => start_key(&table, key),
    });
    let start = start.transpose()?;
    let (hash, range) = match index {
        Some(index) => read_source::query_of_index(index, &key_condition)?,
        None => query_of_table(&table, &key_condition)?,
    };
    if let Some(filter) = &filter {
        match index {
            Some(index) => read_source::check_filter(index, filter)?,
            None => filter.check_no_key_attributes(&table.key_schema)?,
        }
    }
    if let Some(projection) = &projection {
        projection.check_key_attributes_scalar(&table.key_schema)?;
    }
    let source = read_source::source(
        &table,
        index,
        request.select,
        filter.as_ref(),
        projection.as_ref(),
    )?;
    let counts_only = request.counts_only();
    let range = range_after(hash, range, start, request.scan_index_forward)?;
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
        .query(source, hash, range, &query, call.deadline)
        .await?;
    call.cluster
        .count_returned(&table.row.name, "Query", page.count);
    let mode = request.return_consumed_capacity;
    let consumed = consumed(&page, index, request.consistent_read);
    Ok(response(
        &page,
        counts_only,
        &consumed,
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
    let legacy_keys = request.take_key_conditions()?;
    let context = expressions.context();
    let filter = expressions
        .filter
        .as_deref()
        .map(|text| ConditionExpression::parse(ExpressionKind::Filter, text, &context))
        .transpose()?;
    let key_condition = match &legacy_keys {
        Some(keys) => parse_key_condition(keys, &keys.context())?,
        None => parse_key_condition(&expressions, &context)?,
    };
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

fn parse_key_condition(
    expressions: &Expressions,
    context: &ExpressionContext<'_>,
) -> Result<KeyConditionExpression, ApiError> {
    let text = expressions.key_condition.as_deref().unwrap_or_default();
    KeyConditionExpression::parse(text, context)
}

/// The hash and engine key of the `ExclusiveStartKey` of a Query; a table without a sort key has at
/// most one item a partition key, so nothing can come after any.
fn start_key(table: &Table, key: &Item) -> Result<(u64, Vec<u8>), ApiError> {
    let start = table.key_schema.start_key_from_map(key)?;
    if table.key_schema.sort_key.is_none() {
        return Err(ApiError::validation(OUTSIDE));
    }
    Ok((start.partition_hash(), item_key(table.storage_id(), &start)))
}

/// The hash that finds the partition of a Query of a table, and the engine range.
fn query_of_table(
    table: &Table,
    condition: &KeyConditionExpression,
) -> Result<(u64, KeyRange), ApiError> {
    let condition = condition.resolve(&table.key_schema)?;
    let hash = stator_model::key::partition_hash(&condition.partition_key);
    let prefix = partition_key_prefix(table.storage_id(), hash, &condition.partition_key);
    Ok((hash, query_range(&prefix, condition.sort.as_ref())))
}

/// What is left of `range` after `start`, which has to lie in it.
fn range_after(
    hash: u64,
    range: KeyRange,
    start: Option<(u64, Vec<u8>)>,
    forward: bool,
) -> Result<KeyRange, ApiError> {
    let (lower, upper) = range;
    let Some((start_hash, key)) = start else {
        return Ok((lower, upper));
    };
    if start_hash != hash {
        return Err(ApiError::validation(OUTSIDE));
    }
    if !above(&lower, &key) || !below(&upper, &key) {
        return Err(ApiError::validation(
            "The provided starting key does not match the range key predicate",
        ));
    }
    Ok(if forward {
        (Bound::Excluded(key), upper)
    } else {
        (lower, Bound::Excluded(key))
    })
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

/// What a page consumed, of Scan too.
pub(super) fn consumed(page: &Page, index: Option<&IndexDefinition>, consistent: bool) -> Consumed {
    let size = usize::try_from(page.scanned_size_bytes).unwrap_or(usize::MAX);
    let units = read_units(size, consistent);
    match index {
        Some(index) => Consumed::of_index(index, units, page.fetched_units),
        None => Consumed::of_table(units),
    }
}

/// The response body of a page, of Scan too.
pub(super) fn response(
    page: &Page,
    counts_only: bool,
    consumed: &Consumed,
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
    body.consumed(mode, table_name, consumed);
    body.end()
}
