//! BatchGetItem: up to 100 items of any tables, 16 MB; the rest comes back as UnprocessedKeys.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use stator_model::capacity::read_units;
use stator_model::error::ApiError;
use stator_model::expression::ProjectionExpression;
use stator_model::key::PrimaryKey;
use stator_model::limits::BATCH_GET_SIZE_BYTES_MAX;
use stator_model::operations::{BatchGetItemRequest, KeysAndAttributes, ReturnConsumedCapacity};

use super::get_item::{parse_projection, write_stored};
use super::request::{active_table, authorize_table, table_name};
use super::respond::{Body, write_capacity};
use super::service::Call;
use crate::cluster::Table;
use crate::table::codec_json::{item_to_json, string};
use crate::table::keys::item_key;

/// One table of the request, ready to be read.
struct TableRead<'a> {
    given: &'a str,
    table: Arc<Table>,
    asked: &'a KeysAndAttributes,
    keys: Vec<PrimaryKey>,
    projection: Option<ProjectionExpression>,
}

/// What one table gives to the answer.
#[derive(Default)]
struct TableAnswer {
    items_json: Vec<u8>,
    units: f64,
    /// How many keys were read; the rest are unprocessed.
    processed: usize,
}

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = BatchGetItemRequest::parse(&call.body)?;
    let mut reads = Vec::with_capacity(request.request_items.len());
    for (given, asked) in &request.request_items {
        let name = table_name(&call, given)?;
        authorize_table(&call, "dynamodb:BatchGetItem", name)?;
        let projection = parse_projection(&asked.expressions())?;
        reads.push((given, name, asked, projection));
    }
    let mut ready = Vec::with_capacity(reads.len());
    for (given, name, asked, projection) in reads {
        let table = active_table(&call, name).await?;
        let keys = keys_of(&table, asked)?;
        if let Some(projection) = &projection {
            projection.check_key_attributes_scalar(&table.key_schema)?;
        }
        ready.push(TableRead {
            given,
            table,
            asked,
            keys,
            projection,
        });
    }
    let mut room = BATCH_GET_SIZE_BYTES_MAX;
    let mut answers = Vec::with_capacity(ready.len());
    let mut throttled = None;
    for read in &ready {
        match read_table(&call, read, &mut room).await {
            Ok(answer) => answers.push(answer),
            Err(error) if error.is_throttled() => {
                answers.push(TableAnswer::default());
                throttled = throttled.or(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(error) = throttled
        && answers.iter().all(|answer| answer.processed == 0)
    {
        return Err(error);
    }
    Ok(response(&ready, &answers, request.return_consumed_capacity))
}

fn keys_of(table: &Table, asked: &KeysAndAttributes) -> Result<Vec<PrimaryKey>, ApiError> {
    let keys: Vec<PrimaryKey> = asked
        .keys
        .iter()
        .map(|key| table.key_schema.key_from_map(key))
        .collect::<Result<_, _>>()?;
    let mut seen = BTreeSet::new();
    if keys
        .iter()
        .all(|key| seen.insert(item_key(table.storage_id(), key)))
    {
        Ok(keys)
    } else {
        Err(ApiError::validation(
            "Provided list of item keys contains duplicates",
        ))
    }
}

async fn read_table(
    call: &Call<'_>,
    read: &TableRead<'_>,
    room: &mut usize,
) -> Result<TableAnswer, ApiError> {
    let mut answer = TableAnswer::default();
    if *room == 0 {
        return Ok(answer);
    }
    let consistent = read.asked.consistent_read;
    let items = call
        .cluster
        .get_many(&read.table, &read.keys, consistent, call.deadline)
        .await?;
    for stored in &items {
        let size = stored.as_ref().map_or(0, |stored| stored.size_bytes);
        if size > *room {
            *room = 0;
            break;
        }
        *room -= size;
        answer.processed += 1;
        answer.units += read_units(size, consistent);
        if let Some(stored) = stored {
            if !answer.items_json.is_empty() {
                answer.items_json.push(b',');
            }
            write_stored(stored, read.projection.as_ref(), &mut answer.items_json)?;
        }
    }
    Ok(answer)
}

fn response(
    reads: &[TableRead<'_>],
    answers: &[TableAnswer],
    mode: ReturnConsumedCapacity,
) -> Bytes {
    let size: usize = answers
        .iter()
        .map(|answer| answer.items_json.len() + 128)
        .sum();
    let mut body = Body::begin(size);
    let both = || reads.iter().zip(answers);
    let out = body.member("Responses");
    out.push(b'{');
    for (at, (read, answer)) in both().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(read.given, out);
        out.extend_from_slice(b":[");
        out.extend_from_slice(&answer.items_json);
        out.push(b']');
    }
    out.push(b'}');
    let out = body.member("UnprocessedKeys");
    out.push(b'{');
    let left = both().filter(|(read, answer)| answer.processed < read.asked.keys.len());
    for (at, (read, answer)) in left.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(read.given, out);
        out.push(b':');
        unprocessed(read.asked, answer.processed, out);
    }
    out.push(b'}');
    if mode != ReturnConsumedCapacity::None {
        let out = body.member("ConsumedCapacity");
        out.push(b'[');
        for (at, (read, answer)) in both().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_capacity(mode, read.given, answer.units, out);
        }
        out.push(b']');
    }
    body.end()
}

/// The keys that were not read, as a request that can be sent again.
fn unprocessed(asked: &KeysAndAttributes, processed: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"Keys\":[");
    for (at, key) in asked.keys.iter().skip(processed).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        item_to_json(key, out);
    }
    out.push(b']');
    if asked.consistent_read {
        out.extend_from_slice(b",\"ConsistentRead\":true");
    }
    if let Some(projection) = &asked.projection_expression {
        out.extend_from_slice(b",\"ProjectionExpression\":");
        string(projection, out);
    }
    if let Some(attributes) = &asked.attributes_to_get {
        out.extend_from_slice(b",\"AttributesToGet\":[");
        for (at, name) in attributes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            string(name, out);
        }
        out.push(b']');
    }
    if let Some(names) = &asked.expression_attribute_names {
        out.extend_from_slice(b",\"ExpressionAttributeNames\":{");
        for (at, (placeholder, name)) in names.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            string(placeholder, out);
            out.push(b':');
            string(name, out);
        }
        out.push(b'}');
    }
    out.push(b'}');
}
