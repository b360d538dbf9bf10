//! BatchGetItem and BatchWriteItem.

use std::collections::BTreeMap;

use super::super::answer::Shape;
use super::super::cbor::{Read, Reader, unreadable};
use super::super::key::read_key;
use super::super::value::read_values;
use super::body::{Body, object};
use super::options::Options;
use super::{DataRequest, Known, Translated};
use crate::wire::{ObjectWriter, array, item_json};

pub(super) fn batch_get_item(request: &DataRequest<'_>, known: &Known<'_>) -> Read<Translated> {
    let options = Options::read(&mut request.argument(1))?;
    let mut by_table = ObjectWriter::new();
    let mut tables = BTreeMap::new();
    request.argument(0).entries(|reader| {
        let table = reader.text()?;
        let schema = known.schema(&table)?;
        if reader.array_of()? != 3 {
            return Err(unreadable("a table of a batch has three parts"));
        }
        let mut body = Body::new();
        body.flag("ConsistentRead", Some(reader.flag()?));
        let paths = body.projection(reader.optional(Reader::bytes)?.as_deref())?;
        let mut keys = Vec::new();
        reader.elements(|reader| {
            keys.push(item_json(&read_key(schema, &reader.bytes()?)?));
            Ok(())
        })?;
        body.json("Keys", &array(keys.iter().map(Vec::as_slice)));
        by_table.member(&table, &body.finish());
        tables.insert(table.into_owned(), (schema.clone(), paths));
        Ok(())
    })?;
    let mut body = Body::new();
    body.json("RequestItems", &by_table.finish());
    body.text(
        "ReturnConsumedCapacity",
        options.return_consumed_capacity()?,
    );
    Ok(Translated {
        body: body.into_bytes(),
        shape: Shape::BatchGet { tables },
    })
}

pub(super) fn batch_write_item(request: &DataRequest<'_>, known: &Known<'_>) -> Read<Translated> {
    let options = Options::read(&mut request.argument(1))?;
    let mut by_table = ObjectWriter::new();
    let mut tables = BTreeMap::new();
    request.argument(0).entries(|reader| {
        let table = reader.text()?;
        let schema = known.schema(&table)?;
        let mut writes = Vec::new();
        let mut key = None;
        // Keys and values in turn, flat in one array.
        reader.elements(|reader| {
            let Some(of) = key.take() else {
                key = Some(read_key(schema, &reader.bytes()?)?);
                return Ok(());
            };
            let values = reader.optional(Reader::bytes)?;
            writes.push(match values {
                None => object("DeleteRequest", &object("Key", &item_json(&of))),
                Some(values) => {
                    let mut item = read_values(&values, known.lists)?;
                    item.extend(of);
                    object("PutRequest", &object("Item", &item_json(&item)))
                }
            });
            Ok(())
        })?;
        if key.is_some() {
            return Err(unreadable("a key of a batch has no values"));
        }
        by_table.member(&table, &array(writes.iter().map(Vec::as_slice)));
        tables.insert(table.into_owned(), schema.clone());
        Ok(())
    })?;
    let mut body = Body::new();
    body.json("RequestItems", &by_table.finish());
    body.text(
        "ReturnConsumedCapacity",
        options.return_consumed_capacity()?,
    );
    body.text(
        "ReturnItemCollectionMetrics",
        options.return_item_collection_metrics()?,
    );
    Ok(Translated {
        body: body.into_bytes(),
        shape: Shape::BatchWrite { tables },
    })
}
