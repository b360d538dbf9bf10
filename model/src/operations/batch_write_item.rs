//! BatchWriteItem: puts and deletes up to 25 items of one or more tables, each by itself.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use crate::capacity::ConsumedCapacity;
use crate::error::ApiError;
use crate::json::read::{Context, List, MapOf, Member, Members, NewStructure, read_document};
use crate::json::write::{Object, item_json_bytes, write_item, write_list};
use crate::json::{AttributeMap, NO_TYPE, SEVERAL_TYPES};
use crate::limits;
use crate::operations::constraints::{Constraints, batch_table_names};
use crate::operations::messages;
use crate::operations::parameters::{ReturnConsumedCapacity, ReturnItemCollectionMetrics};
use crate::operations::put_item::check_put_size;
use crate::value::{Item, item_size_bytes};

/// A BatchWriteItem request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchWriteItemRequest {
    /// What to write, by the table's name or ARN.
    pub request_items: BTreeMap<String, Vec<WriteRequest>>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether the answer tells the sizes of the item collections.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
}

/// One write of a batch.
#[derive(Clone, Debug, PartialEq)]
pub enum WriteRequest {
    /// Puts this item.
    Put(Item),
    /// Deletes the item with this key.
    Delete(Item),
}

/// A BatchWriteItem answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchWriteItemResponse {
    /// What to send again; always in the answer, also when it is empty.
    pub unprocessed_items: BTreeMap<String, Vec<WriteRequest>>,
    /// What the writes cost, a report for each table, if asked.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

impl BatchWriteItemRequest {
    /// Reads a request and makes all checks that need no table.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<BatchWriteItemRequest, ApiError> {
        let mut wire = RequestWire::default();
        let context = Context::default();
        read_document(body, &context, &mut wire)?;
        let tables = wire
            .request_items
            .filter(|tables| !tables.is_empty())
            .ok_or_else(|| ApiError::validation(messages::BATCH_WRITE_WITHOUT_ITEMS))?;
        batch_table_names(tables.keys())?;
        let mut constraints = Constraints::default();
        let return_consumed_capacity = constraints
            .parameter(
                "returnConsumedCapacity",
                wire.return_consumed_capacity.as_deref(),
            )
            .unwrap_or_default();
        let return_item_collection_metrics = constraints
            .parameter(
                "returnItemCollectionMetrics",
                wire.return_item_collection_metrics.as_deref(),
            )
            .unwrap_or_default();
        for (table_name, requests) in &tables {
            for (at, request) in requests.iter().flatten().enumerate() {
                request.require_members(table_name, at, &mut constraints);
            }
        }
        constraints.finish()?;
        check_counts(&tables)?;
        if let Some(error) = context.take_noted() {
            return Err(error);
        }
        let mut request_items = BTreeMap::new();
        let mut size_bytes = 0usize;
        for (table_name, requests) in tables {
            let mut writes = Vec::new();
            for request in requests.unwrap_or_default() {
                let write = request.check()?;
                if let WriteRequest::Put(item) = &write {
                    check_put_size(item)?;
                    size_bytes += item_size_bytes(item);
                }
                writes.push(write);
            }
            request_items.insert(table_name, writes);
        }
        if size_bytes > limits::BATCH_WRITE_SIZE_BYTES_MAX {
            return Err(ApiError::validation(
                "Items in the BatchWriteItem request have exceeded the maximum allowed size",
            ));
        }
        Ok(BatchWriteItemRequest {
            request_items,
            return_consumed_capacity,
            return_item_collection_metrics,
        })
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(batch_json_bytes(&self.request_items));
        let mut object = Object::begin(&mut out);
        write_tables(&self.request_items, object.member("RequestItems"));
        object.write_reports(
            self.return_consumed_capacity,
            self.return_item_collection_metrics,
            Default::default(),
        );
        object.end();
        out
    }
}

fn check_counts(tables: &BTreeMap<String, Option<Vec<WriteRequestWire>>>) -> Result<(), ApiError> {
    let count = |requests: &Option<Vec<WriteRequestWire>>| requests.as_ref().map_or(0, Vec::len);
    let allowed = 1..=limits::BATCH_WRITE_REQUESTS_MAX;
    if tables
        .values()
        .any(|requests| !allowed.contains(&count(requests)))
    {
        let shown: Vec<String> = tables
            .iter()
            .map(|(name, requests)| match count(requests) {
                0 => format!("{name}=[]"),
                _ => format!("{name}=[...]"),
            })
            .collect();
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value '{{{}}}' at 'requestItems' failed to satisfy \
             constraint: Map value must satisfy constraint: [Member must have length less than or \
             equal to 25, Member must have length greater than or equal to 1]",
            shown.join(", ")
        )));
    }
    if tables.values().map(count).sum::<usize>() > limits::BATCH_WRITE_REQUESTS_MAX {
        return Err(ApiError::validation(
            "Too many items requested for the BatchWriteItem call",
        ));
    }
    Ok(())
}

impl BatchWriteItemResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(batch_json_bytes(&self.unprocessed_items));
        let mut object = Object::begin(&mut out);
        write_tables(&self.unprocessed_items, object.member("UnprocessedItems"));
        object.optional_capacities(self.consumed_capacity.as_deref());
        object.end();
        out
    }

    /// Reads an answer, for clients.
    ///
    /// # Errors
    /// The body is not an answer of this kind.
    pub fn parse(body: &[u8]) -> Result<BatchWriteItemResponse, ApiError> {
        let mut wire = ResponseWire::default();
        let context = Context::default();
        read_document(body, &context, &mut wire)?;
        if let Some(error) = context.take_noted() {
            return Err(error);
        }
        let mut response = BatchWriteItemResponse {
            consumed_capacity: wire.consumed_capacity,
            ..Default::default()
        };
        for (table_name, requests) in wire.unprocessed_items.unwrap_or_default() {
            let requests = requests.unwrap_or_default();
            let writes = requests.into_iter().map(WriteRequestWire::check);
            response
                .unprocessed_items
                .insert(table_name, writes.collect::<Result<_, _>>()?);
        }
        Ok(response)
    }
}

fn batch_json_bytes(tables: &BTreeMap<String, Vec<WriteRequest>>) -> usize {
    let bytes = |write: &WriteRequest| match write {
        WriteRequest::Put(item) | WriteRequest::Delete(item) => item_json_bytes(item) + 32,
    };
    tables.values().flatten().map(bytes).sum::<usize>() + 256
}

fn write_tables(tables: &BTreeMap<String, Vec<WriteRequest>>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    for (table_name, writes) in tables {
        write_list(writes, object.member(table_name), |write, out| {
            let (outer, inner, item) = match write {
                WriteRequest::Put(item) => ("PutRequest", "Item", item),
                WriteRequest::Delete(key) => ("DeleteRequest", "Key", key),
            };
            let mut member = Object::begin(out);
            let mut request = Object::begin(member.member(outer));
            write_item(item, request.member(inner));
            request.end();
            member.end();
        });
    }
    object.end();
}

#[derive(Default)]
struct RequestWire {
    request_items: Option<BTreeMap<String, Option<Vec<WriteRequestWire>>>>,
    return_consumed_capacity: Option<String>,
    return_item_collection_metrics: Option<String>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "RequestItems" => self.request_items = value.read(MapOf(List(NewStructure::new())))?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = value.text()?,
            "ReturnItemCollectionMetrics" => self.return_item_collection_metrics = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct ResponseWire {
    unprocessed_items: Option<BTreeMap<String, Option<Vec<WriteRequestWire>>>>,
    consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

impl Members for ResponseWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "UnprocessedItems" => {
                self.unprocessed_items = value.read(MapOf(List(NewStructure::new())))?;
            }
            "ConsumedCapacity" => self.consumed_capacity = value.structures()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct WriteRequestWire {
    put: Option<PutWire>,
    delete: Option<DeleteWire>,
}

impl WriteRequestWire {
    /// Takes note of a put without an item and of a delete without a key; `at` counts from 0.
    fn require_members(&self, table_name: &str, at: usize, constraints: &mut Constraints) {
        let path = format!("requestItems.{table_name}.member.{}.member", at + 1);
        if self.put.as_ref().is_some_and(|put| put.item.is_none()) {
            constraints.add_null(&format!("{path}.putRequest.item"));
        }
        if self
            .delete
            .as_ref()
            .is_some_and(|delete| delete.key.is_none())
        {
            constraints.add_null(&format!("{path}.deleteRequest.key"));
        }
    }

    fn check(self) -> Result<WriteRequest, ApiError> {
        match (self.put, self.delete) {
            (Some(put), None) => Ok(WriteRequest::Put(put.item.unwrap_or_default())),
            (None, Some(delete)) => Ok(WriteRequest::Delete(delete.key.unwrap_or_default())),
            (Some(_), Some(_)) => Err(ApiError::validation(SEVERAL_TYPES)),
            (None, None) => Err(ApiError::validation(NO_TYPE)),
        }
    }
}

impl Members for WriteRequestWire {
    const CLASS: &'static str = "WriteRequest";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "PutRequest" => self.put = value.new_structure()?,
            "DeleteRequest" => self.delete = value.new_structure()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct PutWire {
    item: Option<Item>,
}

impl Members for PutWire {
    const CLASS: &'static str = "PutRequest";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Item" => self.item = value.read(AttributeMap::ITEM)?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct DeleteWire {
    key: Option<Item>,
}

impl Members for DeleteWire {
    const CLASS: &'static str = "DeleteRequest";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Key" => self.key = value.read(AttributeMap::ITEM)?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
