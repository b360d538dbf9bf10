//! BatchWriteItem: up to 25 puts and deletes, each by itself.
//!
//! Everything is validated before anything is written. A write that got no answer in time comes back
//! in UnprocessedItems: puts and deletes may be repeated. Only when none was answered does the call
//! fail.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use stator_model::error::{ApiError, ErrorCode};
use stator_model::operations::{
    BatchWriteItemRequest, ReturnConsumedCapacity, ReturnItemCollectionMetrics, WriteRequest,
};
use stator_model::value::Item;

use super::consumed::Consumed;
use super::item_collection;
use super::request::{active_table, authorize_table, table_name};
use super::respond::Body;
use super::service::Call;
use crate::cluster::message::ReturnValuesMessage;
use crate::cluster::{ItemWrite, WriteTexts};
use crate::table::codec_json::{item_to_json, string};
use crate::table::keys::item_key;
use crate::table::{WriteAction, WriteOperation};

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = BatchWriteItemRequest::parse(&call.body)?;
    for given in request.request_items.keys() {
        let name = table_name(&call, given)?;
        authorize_table(&call, "dynamodb:BatchWriteItem", name)?;
    }
    let mut writes: Vec<(&str, ItemWrite)> = Vec::new();
    for (given, asked) in &request.request_items {
        let table = active_table(&call, table_name(&call, given)?).await?;
        let mut seen = BTreeSet::new();
        for write in asked {
            let (key, action) = match write {
                WriteRequest::Put(item) => (
                    table.key_schema.key_of_batch_item(item)?,
                    WriteAction::Put(item.clone()),
                ),
                WriteRequest::Delete(key) => {
                    (table.key_schema.key_from_map(key)?, WriteAction::Delete)
                }
            };
            if !seen.insert(item_key(table.storage_id(), &key)) {
                return Err(ApiError::validation(
                    "Provided list of item keys contains duplicates",
                ));
            }
            let operation = WriteOperation {
                action,
                condition: None,
                return_values: ReturnValuesMessage::None,
                return_item_on_failure: false,
            };
            let texts = WriteTexts::default();
            writes.push((
                given,
                ItemWrite {
                    table: table.clone(),
                    key,
                    operation,
                    texts,
                },
            ));
        }
    }
    let running = writes
        .iter()
        .map(|(_, write)| call.cluster.write(write, call.deadline));
    let results = futures::future::join_all(running).await;

    let mut done: BTreeMap<&str, Done<'_>> = BTreeMap::new();
    let mut left: BTreeMap<&str, Vec<&ItemWrite>> = BTreeMap::new();
    let mut first_error = None;
    for ((given, write), result) in writes.iter().zip(results) {
        match result {
            Ok(outcome) => {
                let done = done.entry(given).or_default();
                done.consumed.add_write(&outcome);
                done.writes.push(write);
            }
            // An item that a transaction holds is soon free; the others are written all the same.
            Err(error)
                if error.code == ErrorCode::InternalServerError
                    || error.code == ErrorCode::TransactionConflictException
                    || error.is_throttled() =>
            {
                left.entry(given).or_default().push(write);
                first_error = first_error.or(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    match first_error {
        Some(error) if done.is_empty() => Err(error),
        _ => Ok(response(&done, &left, &request)),
    }
}

/// What was done to one table.
#[derive(Default)]
struct Done<'a> {
    consumed: Consumed,
    writes: Vec<&'a ItemWrite>,
}

fn response(
    done: &BTreeMap<&str, Done<'_>>,
    left: &BTreeMap<&str, Vec<&ItemWrite>>,
    request: &BatchWriteItemRequest,
) -> Bytes {
    let mode = request.return_consumed_capacity;
    let mut body = Body::begin(64);
    let out = body.member("UnprocessedItems");
    out.push(b'{');
    for (at, (given, writes)) in left.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(given, out);
        out.extend_from_slice(b":[");
        for (at, write) in writes.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            unprocessed(write, out);
        }
        out.push(b']');
    }
    out.push(b'}');
    if mode != ReturnConsumedCapacity::None {
        let out = body.member("ConsumedCapacity");
        out.push(b'[');
        for (at, (given, done)) in done.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            done.consumed.write(mode, given, out);
        }
        out.push(b']');
    }
    collections(done, request.return_item_collection_metrics, &mut body);
    body.end()
}

/// `ItemCollectionMetrics`: of each collection that was written, once, by table.
fn collections(
    done: &BTreeMap<&str, Done<'_>>,
    mode: ReturnItemCollectionMetrics,
    body: &mut Body,
) {
    let mut tables = Vec::new();
    for (given, done) in done {
        let mut seen: BTreeMap<Vec<u8>, &ItemWrite> = BTreeMap::new();
        for write in &done.writes {
            if item_collection::applies(mode, write) {
                let mut key = Vec::new();
                write.key.encode_partition(&mut key);
                seen.insert(key, write);
            }
        }
        if !seen.is_empty() {
            tables.push((given, seen));
        }
    }
    if tables.is_empty() {
        return;
    }
    let out = body.member("ItemCollectionMetrics");
    out.push(b'{');
    for (at, (given, writes)) in tables.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(given, out);
        out.extend_from_slice(b":[");
        for (at, write) in writes.values().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            item_collection::metrics(write, out);
        }
        out.push(b']');
    }
    out.push(b'}');
}

fn unprocessed(write: &ItemWrite, out: &mut Vec<u8>) {
    let key: Item;
    let (kind, member, item) = match &write.operation.action {
        WriteAction::Put(item) => ("PutRequest", "Item", item),
        WriteAction::Update { .. } | WriteAction::Delete => {
            key = write.key.to_item(&write.table.key_schema);
            ("DeleteRequest", "Key", &key)
        }
    };
    out.extend_from_slice(format!("{{\"{kind}\":{{\"{member}\":").as_bytes());
    item_to_json(item, out);
    out.extend_from_slice(b"}}");
}
