//! Answers of TransactGetItems and TransactWriteItems (protocol, section 10.6).

use serde::Deserialize;
use serde_json::value::RawValue;
use stator_model::KeySchema;

use super::super::cbor::Writer;
use super::super::lists::ListIds;
use super::super::request::Paths;
use super::items::write_item;
use super::{Unreadable, Written, capacity};
use crate::wire::{Members, parse_item};

pub(super) fn transact_get(
    items: &[(KeySchema, Paths)],
    members: &Members<'_>,
    ids: &mut ListIds<'_>,
    writer: &mut Writer,
) -> Written<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Response<'a> {
        #[serde(borrow)]
        item: Option<&'a RawValue>,
    }
    let responses: Vec<Response<'_>> =
        serde_json::from_str(members.get("Responses").ok_or(Unreadable)?)?;
    if responses.len() != items.len() {
        return Err(Unreadable);
    }
    writer.array(2);
    writer.array(items.len());
    for ((schema, paths), response) in items.iter().zip(responses) {
        match response.item {
            Some(item) => write_item(schema, paths, &parse_item(item.get())?, ids, writer),
            None => writer.null(),
        }
    }
    capacity::write_extended_array(members, writer)
}

pub(super) fn transact_write(members: &Members<'_>, writer: &mut Writer) -> Written<()> {
    writer.array(3);
    // Go reads the head of this array and nothing of it: it must be empty.
    writer.array(0);
    capacity::write_extended_array(members, writer)?;
    capacity::write_metrics_by_table(members, writer)
}
