//! Scan.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::expression::{ConditionExpression, ExpressionKind, ProjectionExpression};
use stator_model::operations::{Expressions, ScanRequest};

use super::query::{consumed, response, texts};
use super::read_source;
use super::request::{authorize_table, table_name};
use super::service::Call;
use crate::cluster::PageQuery;
use crate::table::keys::item_key;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let mut request = ScanRequest::parse(&call.body)?;
    authorize_table(
        &call,
        "dynamodb:Scan",
        table_name(&call, &request.table_name)?,
    )?;
    let (parsed, expressions) = validate(&mut request)?;
    let (filter, projection) = parsed;
    let name = table_name(&call, &request.table_name)?;
    let table = read_source::table_with(&call, name, request.index_name.as_deref()).await?;
    let index = read_source::index(
        &table,
        request.index_name.as_deref(),
        request.consistent_read,
    )?;
    let schema = &table.key_schema;
    let start = request.exclusive_start_key.as_ref();
    let start = start.map(|key| match index {
        Some(index) => read_source::start_of_index(index, key),
        None => {
            let start = schema.scan_start_key_from_map(key)?;
            Ok((start.partition_hash(), item_key(table.storage_id(), &start)))
        }
    });
    let start = start.transpose()?;
    if let Some(filter) = &filter {
        filter.check_key_attributes_scalar(schema)?;
    }
    if let Some(projection) = &projection {
        projection.check_key_attributes_scalar(schema)?;
    }
    let (segment, total) = (
        request.segment.unwrap_or(0),
        request.total_segments.unwrap_or(1),
    );
    let hashes = segment_hashes(segment, total);
    if let Some((hash, _)) = &start
        && (*hash < hashes.0 || *hash > hashes.1)
    {
        return Err(ApiError::validation(format!(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use \
             ExclusiveStartKey with correct Segment. TotalSegments: {total} Segment: {segment}"
        )));
    }
    let source = read_source::source(
        &table,
        index,
        request.select,
        filter.as_ref(),
        projection.as_ref(),
    )?;
    let counts_only = request.counts_only();
    let query = PageQuery {
        filter,
        projection,
        backward: false,
        count_only: counts_only,
        consistent: request.consistent_read,
        limit: request.limit,
        texts: texts(expressions),
    };
    let page = call
        .cluster
        .scan(source, hashes, start, &query, call.deadline)
        .await?;
    call.cluster
        .count_returned(&table.row.name, "Scan", page.count);
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

type Parsed = (Option<ConditionExpression>, Option<ProjectionExpression>);

fn validate(request: &mut ScanRequest) -> Result<(Parsed, Expressions), ApiError> {
    let expressions = request.take_expressions()?;
    let context = expressions.context();
    let filter = expressions
        .filter
        .as_deref()
        .map(|text| ConditionExpression::parse(ExpressionKind::Filter, text, &context))
        .transpose()?;
    let projection = expressions
        .projection
        .as_deref()
        .map(|text| ProjectionExpression::parse(text, &context))
        .transpose()?;
    request.check_select()?;
    request.check_segments()?;
    context.finish()?;
    drop(context);
    Ok(((filter, projection), expressions))
}

/// The hashes of one of `total` even parts of the hash space, inclusive at both ends: the same cuts
/// whatever the table's partitions are.
fn segment_hashes(segment: u32, total: u32) -> (u64, u64) {
    let space = u128::from(u64::MAX) + 1;
    let start = |at: u32| space * u128::from(at) / u128::from(total.max(1));
    let first = u64::try_from(start(segment)).unwrap_or(u64::MAX);
    let last = u64::try_from(start(segment + 1) - 1).unwrap_or(u64::MAX);
    (first, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_cover_every_hash_once() {
        for total in [1, 2, 3, 7, 1_000, 1_000_000] {
            assert_eq!(segment_hashes(0, total).0, 0);
            assert_eq!(segment_hashes(total - 1, total).1, u64::MAX);
            for segment in 0..total.min(100) - 1 {
                let (end, next) = (
                    segment_hashes(segment, total).1,
                    segment_hashes(segment + 1, total).0,
                );
                assert_eq!(end + 1, next);
            }
        }
    }
}
