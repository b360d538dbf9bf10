//! Answers of BatchGetItem, two items, and BatchWriteItem, three (protocol, section 10.6).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use stator_model::KeySchema;
use stator_model::json::parse_items;

use super::super::cbor::Writer;
use super::super::lists::ListIds;
use super::super::request::Paths;
use super::items::{item_key, value_bytes, write_projected};
use super::{Unreadable, Written, capacity};
use crate::wire::{Members, parse_item};

/// A member that is a map from table names to anything.
fn by_table<'a>(members: &Members<'a>, name: &str) -> Written<BTreeMap<String, &'a RawValue>> {
    Ok(match members.get(name) {
        Some(json) => serde_json::from_str(json)?,
        None => BTreeMap::new(),
    })
}

pub(super) fn batch_get(
    tables: &BTreeMap<String, (KeySchema, Paths)>,
    members: &Members<'_>,
    ids: &mut ListIds<'_>,
    writer: &mut Writer,
) -> Written<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Unprocessed<'a> {
        #[serde(borrow)]
        keys: &'a RawValue,
    }
    writer.array(2);
    let responses = by_table(members, "Responses")?;
    writer.map(responses.len());
    for (table, items) in responses {
        let (schema, paths) = tables.get(&table).ok_or(Unreadable)?;
        let items = parse_items(items.get().as_bytes())?;
        writer.text(&table);
        match paths {
            Some(paths) => {
                writer.array(items.len());
                items
                    .iter()
                    .for_each(|item| write_projected(paths, item, writer));
            }
            None => {
                writer.array(items.len() * 2);
                for item in &items {
                    writer.bytes(&item_key(schema, item)?);
                    writer.bytes(&value_bytes(schema, item, ids));
                }
            }
        }
    }
    let unprocessed = by_table(members, "UnprocessedKeys")?;
    writer.map(unprocessed.len());
    for (table, left) in unprocessed {
        let (schema, _) = tables.get(&table).ok_or(Unreadable)?;
        let left: Unprocessed<'_> = serde_json::from_str(left.get())?;
        let keys = parse_items(left.keys.get().as_bytes())?;
        writer.text(&table);
        writer.array(keys.len());
        for key in &keys {
            writer.bytes(&item_key(schema, key)?);
        }
    }
    capacity::write_compact_array(members, writer)
}

pub(super) fn batch_write(
    tables: &BTreeMap<String, KeySchema>,
    members: &Members<'_>,
    ids: &mut ListIds<'_>,
    writer: &mut Writer,
) -> Written<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Unprocessed<'a> {
        #[serde(borrow)]
        put_request: Option<Put<'a>>,
        #[serde(borrow)]
        delete_request: Option<Delete<'a>>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Put<'a> {
        #[serde(borrow)]
        item: &'a RawValue,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Delete<'a> {
        #[serde(borrow)]
        key: &'a RawValue,
    }
    let unprocessed = by_table(members, "UnprocessedItems")?;
    writer.map(unprocessed.len());
    for (table, left) in unprocessed {
        let schema = tables.get(&table).ok_or(Unreadable)?;
        let left: Vec<Unprocessed<'_>> = serde_json::from_str(left.get())?;
        writer.text(&table);
        writer.array(left.len() * 2);
        for one in left {
            match (one.put_request, one.delete_request) {
                (Some(put), None) => {
                    let item = parse_item(put.item.get())?;
                    writer.bytes(&item_key(schema, &item)?);
                    writer.bytes(&value_bytes(schema, &item, ids));
                }
                (None, Some(delete)) => {
                    writer.bytes(&item_key(schema, &parse_item(delete.key.get())?)?);
                    writer.null();
                }
                _ => return Err(Unreadable),
            }
        }
    }
    capacity::write_compact_array(members, writer)?;
    capacity::write_metrics_by_table(members, writer)
}
