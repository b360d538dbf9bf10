//! TransactGetItems and TransactWriteItems: columns of equal length (protocol, section 10.1).

use super::super::answer::Shape;
use super::super::cbor::{Read, Reader, unreadable};
use super::super::key::read_key;
use super::super::value::read_values;
use super::body::{Body, object};
use super::options::Options;
use super::{DataRequest, Known, Translated};
use crate::wire::array;

/// The items of a transaction, one row each.
fn rows<'r, const N: usize>(
    request: &'r DataRequest<'_>,
    places: [usize; N],
) -> Read<Vec<[Reader<'r>; N]>> {
    let mut columns = Vec::new();
    for place in places {
        columns.push(request.column(place)?);
    }
    let length = columns.first().map_or(0, Vec::len);
    if columns.iter().any(|column| column.len() != length) {
        return Err(unreadable(
            "the columns of a transaction have different lengths",
        ));
    }
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let mut rows = Vec::new();
    for _ in 0..length {
        let row: Vec<_> = columns.iter_mut().filter_map(Iterator::next).collect();
        rows.push(
            row.try_into()
                .map_err(|_| unreadable("a row of a transaction is short"))?,
        );
    }
    Ok(rows)
}

pub(super) fn transact_get_items(request: &DataRequest<'_>, known: &Known<'_>) -> Read<Translated> {
    let options = Options::read(&mut request.argument(3))?;
    let (mut gets, mut items) = (Vec::new(), Vec::new());
    for [mut table, mut key, mut projection] in rows(request, [0, 1, 2])? {
        let table = table.name()?;
        let schema = known.schema(&table)?;
        let mut body = Body::new();
        body.text("TableName", Some(&table));
        body.item("Key", &read_key(schema, &key.bytes()?)?);
        let paths = body.projection(projection.optional(Reader::bytes)?.as_deref())?;
        gets.push(object("Get", &body.finish()));
        items.push((schema.clone(), paths));
    }
    let mut body = Body::new();
    body.json("TransactItems", &array(gets.iter().map(Vec::as_slice)));
    body.text(
        "ReturnConsumedCapacity",
        options.return_consumed_capacity()?,
    );
    Ok(Translated {
        body: body.into_bytes(),
        shape: Shape::TransactGet { items },
    })
}

pub(super) fn transact_write_items(
    request: &DataRequest<'_>,
    known: &Known<'_>,
) -> Read<Translated> {
    let options = Options::read(&mut request.argument(8))?;
    let (mut writes, mut schemas) = (Vec::new(), Vec::new());
    for [operation, table, key, values, returns, condition, update] in
        rows(request, [0, 1, 2, 3, 5, 6, 7])?
    {
        let (mut operation, mut table, mut key, mut values) = (operation, table, key, values);
        let (mut returns, mut condition, mut update) = (returns, condition, update);
        let table = table.name()?;
        let schema = known.schema(&table)?;
        let key = read_key(schema, &key.bytes()?)?;
        let name = match operation.integer()? {
            2 => "Put",
            7 => "Delete",
            9 => "Update",
            12 => "ConditionCheck",
            _ => return Err(unreadable("an unknown operation in a transaction")),
        };
        let mut body = Body::new();
        body.text("TableName", Some(&table));
        if name == "Put" {
            let mut item = read_values(&values.bytes()?, known.lists)?;
            item.extend(key);
            body.item("Item", &item);
        } else {
            body.item("Key", &key);
        }
        body.expression(
            "UpdateExpression",
            update.optional(Reader::bytes)?.as_deref(),
        )?;
        body.expression(
            "ConditionExpression",
            condition.optional(Reader::bytes)?.as_deref(),
        )?;
        if returns.optional(Reader::integer)? == Some(2) {
            body.text("ReturnValuesOnConditionCheckFailure", Some("ALL_OLD"));
        }
        writes.push(object(name, &body.finish()));
        schemas.push((table, schema.clone()));
    }
    let mut body = Body::new();
    body.json("TransactItems", &array(writes.iter().map(Vec::as_slice)));
    body.text(
        "ClientRequestToken",
        options.client_request_token.as_deref(),
    );
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
        shape: Shape::TransactWrite { schemas },
    })
}
