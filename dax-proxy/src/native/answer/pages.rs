//! Answers of Query and Scan.

use stator_model::KeySchema;
use stator_model::json::parse_items;

use super::super::cbor::Writer;
use super::super::key::index_key_bytes;
use super::super::lists::ListIds;
use super::super::request::Paths;
use super::items::{item_key, item_member, member, value_bytes, write_projected};
use super::{Entries, Maps, Written, capacity};
use crate::wire::Members;

pub(super) fn page(
    schema: &KeySchema,
    paths: &Paths,
    index: bool,
    maps: Maps,
    members: &Members<'_>,
    ids: &mut ListIds<'_>,
    writer: &mut Writer,
) -> Written<()> {
    let mut entries = Entries::default();
    capacity::push(members, &mut entries)?;
    if let Some(items) = members.get("Items") {
        let mut written = Writer::new();
        let items = parse_items(items.as_bytes())?;
        written.array(items.len());
        for item in &items {
            match paths {
                Some(paths) => write_projected(paths, item, &mut written),
                None => {
                    written.array(2);
                    written.bytes(&item_key(schema, item)?);
                    written.bytes(&value_bytes(schema, item, ids));
                }
            }
        }
        entries.push(member::ITEMS, |writer| writer.raw(&written.finish()));
    }
    for (number, name) in [
        (member::COUNT, "Count"),
        (member::SCANNED_COUNT, "ScannedCount"),
    ] {
        if let Some(count) = members.get(name) {
            let count: i64 = serde_json::from_str(count)?;
            entries.push(number, |writer| writer.integer(count.into()));
        }
    }
    if let Some(key) = item_member(members, "LastEvaluatedKey")? {
        let bytes = if index {
            index_key_bytes(&key)
        } else {
            item_key(schema, &key)?
        };
        entries.push(member::LAST_EVALUATED_KEY, |writer| writer.bytes(&bytes));
    }
    entries.write_answer(maps, writer);
    Ok(())
}
