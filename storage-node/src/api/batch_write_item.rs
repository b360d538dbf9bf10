//! BatchWriteItem: up to 25 puts and deletes, each by itself.
//!
//! Everything is validated before anything is written. A write that got no answer in time comes back
//! in UnprocessedItems: puts and deletes may be repeated. Only when none was answered does the call
//! fail.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use stator_model::error::{ApiError, ErrorCode};
use stator_model::operations::{BatchWriteItemRequest, ReturnConsumedCapacity, WriteRequest};
use stator_model::value::Item;

use super::request::{active_table, authorize_table, table_name};
use super::respond::{Body, write_capacity};
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

    let mut units: BTreeMap<&str, f64> = BTreeMap::new();
    let mut left: BTreeMap<&str, Vec<&ItemWrite>> = BTreeMap::new();
    let mut first_error = None;
    for ((given, write), result) in writes.iter().zip(results) {
        match result {
            Ok(outcome) => *units.entry(given).or_default() += outcome.units,
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
        Some(error) if units.is_empty() => Err(error),
        _ => Ok(response(&units, &left, request.return_consumed_capacity)),
    }
}

fn response(
    units: &BTreeMap<&str, f64>,
    left: &BTreeMap<&str, Vec<&ItemWrite>>,
    mode: ReturnConsumedCapacity,
) -> Bytes {
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
        for (at, (given, units)) in units.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_capacity(mode, given, *units, out);
        }
        out.push(b']');
    }
    body.end()
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
