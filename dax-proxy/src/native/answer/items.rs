//! Items in answers (protocol, section 10.3), and the answers about one of them.

use stator_model::expression::DocumentPath;
use stator_model::{Item, KeySchema};

use super::super::cbor::Writer;
use super::super::key::key_bytes;
use super::super::lists::ListIds;
use super::super::request::Paths;
use super::super::value::write_value;
use super::{Attributes, Entries, Maps, Unreadable, Written, capacity};
use crate::wire::{Members, parse_item};

/// Numbers of the members of an answer.
pub(super) mod member {
    pub(in super::super) const ITEM: i128 = 0;
    pub(in super::super) const CONSUMED_CAPACITY: i128 = 1;
    pub(in super::super) const ATTRIBUTES: i128 = 2;
    pub(in super::super) const ITEM_COLLECTION_METRICS: i128 = 3;
    pub(in super::super) const ITEMS: i128 = 7;
    pub(in super::super) const COUNT: i128 = 8;
    pub(in super::super) const LAST_EVALUATED_KEY: i128 = 9;
    pub(in super::super) const SCANNED_COUNT: i128 = 10;
}

/// `list id | values` of an item's attributes outside of its key.
pub(super) fn value_bytes(schema: &KeySchema, item: &Item, ids: &mut ListIds<'_>) -> Vec<u8> {
    let attributes = || item.iter().filter(|(name, _)| !schema.contains(name));
    let mut writer = Writer::new();
    writer.integer(
        ids.id(attributes().map(|(name, _)| name.clone()).collect())
            .into(),
    );
    attributes().for_each(|(_, value)| write_value(value, &mut writer));
    writer.finish()
}

/// Key bytes of an item of a table.
pub(super) fn item_key(schema: &KeySchema, item: &Item) -> Written<Vec<u8>> {
    key_bytes(schema, item).ok_or(Unreadable)
}

/// What each path of a projection leads to, by the path's place.
pub(super) fn write_projected(paths: &[DocumentPath], item: &Item, writer: &mut Writer) {
    let found: Vec<_> = paths
        .iter()
        .enumerate()
        .filter_map(|(place, path)| Some((place, path.resolve(item)?)))
        .collect();
    writer.map(found.len());
    for (place, value) in found {
        writer.count(place);
        write_value(value, writer);
    }
}

/// An item alone: whole, as value bytes; else what its paths lead to.
pub(super) fn write_item(
    schema: &KeySchema,
    paths: &Paths,
    item: &Item,
    ids: &mut ListIds<'_>,
    writer: &mut Writer,
) {
    match paths {
        Some(paths) => write_projected(paths, item, writer),
        None => writer.bytes(&value_bytes(schema, item, ids)),
    }
}

/// The item under `name`, if there is one.
pub(super) fn item_member(members: &Members<'_>, name: &str) -> Written<Option<Item>> {
    Ok(members.get(name).map(parse_item).transpose()?)
}

/// Answer of GetItem.
pub(super) fn item(
    schema: &KeySchema,
    paths: &Paths,
    maps: Maps,
    members: &Members<'_>,
    ids: &mut ListIds<'_>,
    writer: &mut Writer,
) -> Written<()> {
    let mut entries = Entries::default();
    if let Some(item) = item_member(members, "Item")? {
        entries.push(member::ITEM, |writer| {
            write_item(schema, paths, &item, ids, writer)
        });
    }
    capacity::push(members, &mut entries)?;
    entries.write_answer(maps, writer);
    Ok(())
}

/// Answer of PutItem, DeleteItem and UpdateItem.
pub(super) fn written(
    schema: &KeySchema,
    attributes: Attributes,
    maps: Maps,
    members: &Members<'_>,
    ids: &mut ListIds<'_>,
    writer: &mut Writer,
) -> Written<()> {
    let mut entries = Entries::default();
    let item = item_member(members, "Attributes")?.filter(|item| !item.is_empty());
    if let Some(item) = item {
        let bytes = match attributes {
            Attributes::Whole => value_bytes(schema, &item, ids),
            Attributes::Updated => updated_bytes(&item, maps, ids),
        };
        entries.push(member::ATTRIBUTES, |writer| writer.bytes(&bytes));
    }
    capacity::push(members, &mut entries)?;
    if let Some(metrics) = members.get("ItemCollectionMetrics") {
        let bytes = capacity::metrics(metrics)?;
        entries.push(member::ITEM_COLLECTION_METRICS, |writer| {
            writer.bytes(&bytes)
        });
    }
    entries.write_answer(maps, writer);
    Ok(())
}

/// `list id | map of place to value` of what an update touched.
fn updated_bytes(item: &Item, maps: Maps, ids: &mut ListIds<'_>) -> Vec<u8> {
    let mut writer = Writer::new();
    writer.integer(ids.id(item.keys().cloned().collect()).into());
    maps.begin(item.len(), &mut writer);
    for (place, value) in item.values().enumerate() {
        writer.count(place);
        write_value(value, &mut writer);
    }
    maps.end(&mut writer);
    writer.finish()
}
