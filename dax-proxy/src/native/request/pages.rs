//! Query and Scan.

use super::super::answer::Shape;
use super::super::cbor::{Read, Reader};
use super::super::key::{read_index_key, read_key};
use super::super::method::Method;
use super::body::Body;
use super::options::Options;
use super::{DataRequest, Known, Translated};

pub(super) fn page(request: &DataRequest<'_>, known: &Known<'_>) -> Read<Translated> {
    let table = request.argument(0).name()?;
    let schema = known.schema(&table)?;
    let query = request.method == Method::Query;
    let options = Options::read(&mut request.argument(if query { 2 } else { 1 }))?;
    let mut body = Body::new();
    body.text("TableName", Some(&table));
    if query {
        let condition = request.argument(1).optional(Reader::bytes)?;
        body.expression("KeyConditionExpression", condition.as_deref())?;
    }
    body.text("IndexName", options.index_name.as_deref());
    body.expression("FilterExpression", options.filter.as_deref())?;
    if let Some(start) = &options.exclusive_start_key {
        let key = match options.index_name {
            Some(_) => read_index_key(start)?,
            None => read_key(schema, start)?,
        };
        body.item("ExclusiveStartKey", &key);
    }
    body.flag("ConsistentRead", options.consistent_read);
    body.flag("ScanIndexForward", options.scan_index_forward);
    body.integer("Limit", options.limit);
    body.integer("Segment", options.segment);
    body.integer("TotalSegments", options.total_segments);
    body.text("Select", options.select()?);
    body.text(
        "ReturnConsumedCapacity",
        options.return_consumed_capacity()?,
    );
    let paths = body.projection(options.projection.as_deref())?;
    Ok(Translated {
        body: body.into_bytes(),
        shape: Shape::Page {
            schema: schema.clone(),
            paths,
            index: options.index_name.is_some(),
        },
    })
}
