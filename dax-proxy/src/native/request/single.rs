//! GetItem, PutItem, DeleteItem and UpdateItem.

use super::super::answer::{Attributes, Shape};
use super::super::cbor::Read;
use super::super::key::read_key;
use super::super::method::Method;
use super::super::value::read_values;
use super::body::Body;
use super::options::Options;
use super::{DataRequest, Known, Translated};

pub(super) fn get_item(request: &DataRequest<'_>, known: &Known<'_>) -> Read<Translated> {
    let table = request.argument(0).name()?;
    let schema = known.schema(&table)?;
    let key = read_key(schema, &request.argument(1).bytes()?)?;
    let options = Options::read(&mut request.argument(2))?;
    let mut body = Body::new();
    body.text("TableName", Some(&table));
    body.item("Key", &key);
    body.flag("ConsistentRead", options.consistent_read);
    body.text(
        "ReturnConsumedCapacity",
        options.return_consumed_capacity()?,
    );
    let paths = body.projection(options.projection.as_deref())?;
    Ok(Translated {
        body: body.into_bytes(),
        shape: Shape::Item {
            schema: schema.clone(),
            paths,
        },
    })
}

pub(super) fn write(request: &DataRequest<'_>, known: &Known<'_>) -> Read<Translated> {
    let table = request.argument(0).name()?;
    let schema = known.schema(&table)?;
    let key = read_key(schema, &request.argument(1).bytes()?)?;
    let put = request.method == Method::PutItem;
    let options = Options::read(&mut request.argument(if put { 3 } else { 2 }))?;
    let mut body = Body::new();
    body.text("TableName", Some(&table));
    if put {
        let mut item = read_values(&request.argument(2).bytes()?, known.lists)?;
        item.extend(key);
        body.item("Item", &item);
    } else {
        body.item("Key", &key);
    }
    body.expression("UpdateExpression", options.update.as_deref())?;
    body.expression("ConditionExpression", options.condition.as_deref())?;
    let returns = options.return_values()?;
    body.text("ReturnValues", returns);
    body.text(
        "ReturnConsumedCapacity",
        options.return_consumed_capacity()?,
    );
    body.text(
        "ReturnItemCollectionMetrics",
        options.return_item_collection_metrics()?,
    );
    let attributes = match returns {
        Some("UPDATED_OLD" | "UPDATED_NEW") => Attributes::Updated,
        _ => Attributes::Whole,
    };
    Ok(Translated {
        body: body.into_bytes(),
        shape: Shape::Write {
            schema: schema.clone(),
            attributes,
        },
    })
}
