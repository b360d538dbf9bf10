//! BatchGetItem: reads up to 100 items of one or more tables.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use crate::capacity::ConsumedCapacity;
use crate::error::ApiError;
use crate::json::AttributeMap;
use crate::json::read::{Context, List, MapOf, Member, Members, NewStructure, Text, read_document};
use crate::json::write::{Object, item_json_bytes, write_item, write_list};
use crate::limits;
use crate::operations::constraints::{Constraints, attributes_to_get, batch_table_names};
use crate::operations::data_wire::{attribute_names, names};
use crate::operations::expressions::{ExpressionUse, mixed_forms};
use crate::operations::legacy::{Expressions, Rewriter, check_attributes_to_get};
use crate::operations::messages;
use crate::operations::parameters::ReturnConsumedCapacity;
use crate::value::Item;

/// A BatchGetItem request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchGetItemRequest {
    /// What to read, by the table's name or ARN.
    pub request_items: BTreeMap<String, KeysAndAttributes>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// What to read of one table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeysAndAttributes {
    /// The primary keys.
    pub keys: Vec<Item>,
    /// Whether the answer must reflect all writes that were acknowledged before.
    pub consistent_read: bool,
    /// Which attributes to answer.
    pub projection_expression: Option<String>,
    /// The same in legacy form: names of top-level attributes.
    pub attributes_to_get: Option<Vec<String>>,
    /// What `#name` placeholders stand for.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
}

impl KeysAndAttributes {
    /// The expressions, those that say what legacy parameters say included.
    pub fn expressions(&self) -> Expressions {
        if let Some(attributes) = &self.attributes_to_get {
            let mut rewriter = Rewriter::default();
            rewriter.attributes_to_get(attributes);
            return rewriter.finish();
        }
        Expressions {
            projection: self.projection_expression.clone(),
            names: self.expression_attribute_names.clone(),
            ..Expressions::default()
        }
    }
}

/// A BatchGetItem answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchGetItemResponse {
    /// The items that were found, for each table that was asked for, in no order.
    pub responses: BTreeMap<String, Vec<Item>>,
    /// What to ask for again.
    pub unprocessed_keys: BTreeMap<String, KeysAndAttributes>,
    /// What the reads cost, a report for each table, if asked.
    pub consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

impl BatchGetItemRequest {
    /// Reads a request and makes the checks that come before expressions are parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<BatchGetItemRequest, ApiError> {
        let mut wire = RequestWire::default();
        let context = Context::default();
        read_document(body, &context, &mut wire)?;
        let request_items = wire
            .request_items
            .filter(|tables| !tables.is_empty())
            .ok_or_else(|| ApiError::validation(messages::BATCH_GET_WITHOUT_ITEMS))?;
        batch_table_names(request_items.keys())?;
        let mut constraints = Constraints::default();
        let return_consumed_capacity = constraints
            .parameter(
                "returnConsumedCapacity",
                wire.return_consumed_capacity.as_deref(),
            )
            .unwrap_or_default();
        for (table_name, table) in &request_items {
            match &table.keys {
                None => constraints.add_null(&format!("requestItems.{table_name}.member.keys")),
                Some(keys) if keys.is_empty() => constraints.add(
                    &format!("requestItems.{table_name}.member.keys"),
                    "[]",
                    "have length greater than or equal to 1",
                ),
                Some(_) => {}
            }
            attributes_to_get(
                &format!("requestItems.{table_name}.member.attributesToGet"),
                table.attributes_to_get.as_deref(),
                &mut constraints,
            );
        }
        constraints.finish()?;
        check_key_count(&request_items)?;
        let mut noted = context.take();
        if let Some(noted) = noted.take_if(|noted| !noted.untyped) {
            return Err(noted.error);
        }
        check_one_form(&request_items)?;
        let mut tables = BTreeMap::new();
        for (table_name, table) in request_items {
            tables.insert(table_name, table.check()?);
        }
        if let Some(noted) = noted {
            return Err(noted.error);
        }
        check_distinct_keys(&tables)?;
        Ok(BatchGetItemRequest {
            request_items: tables,
            return_consumed_capacity,
        })
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(1024);
        let mut object = Object::begin(&mut out);
        write_tables(&self.request_items, object.member("RequestItems"));
        object.capacity_mode(self.return_consumed_capacity);
        object.end();
        out
    }
}

/// A batch says which attributes to get in one form, for whatever tables.
fn check_one_form(request_items: &BTreeMap<String, KeysWire>) -> Result<(), ApiError> {
    let tables = || request_items.values();
    let legacy = tables().any(|table| table.attributes_to_get.is_some());
    let expressions = tables().any(|table| table.projection_expression.is_some());
    if legacy && expressions {
        return Err(mixed_forms(&["AttributesToGet"], &["ProjectionExpression"]));
    }
    Ok(())
}

/// The same key twice is told before the tables are looked up; whether they are keys is seen later.
fn check_distinct_keys(tables: &BTreeMap<String, KeysAndAttributes>) -> Result<(), ApiError> {
    for table in tables.values() {
        for (at, key) in table.keys.iter().enumerate() {
            // At most 100 keys of two attributes.
            if table.keys.iter().skip(at + 1).any(|other| other == key) {
                return Err(ApiError::validation(messages::DUPLICATE_KEYS));
            }
        }
    }
    Ok(())
}

fn check_key_count(request_items: &BTreeMap<String, KeysWire>) -> Result<(), ApiError> {
    let count = |table: &KeysWire| table.keys.as_ref().map_or(0, Vec::len);
    let too_many = request_items
        .iter()
        .find(|(_, table)| count(table) > limits::BATCH_GET_KEYS_MAX);
    if let Some((table_name, _)) = too_many {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Value at 'RequestItems.{table_name}.member.Keys' failed \
             to satisfy constraint: Member must have length less than or equal to 100"
        )));
    }
    if request_items.values().map(count).sum::<usize>() > limits::BATCH_GET_KEYS_MAX {
        return Err(ApiError::validation(
            "Too many items requested for the BatchGetItem call",
        ));
    }
    Ok(())
}

impl BatchGetItemResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let bytes: usize = self.responses.values().flatten().map(item_json_bytes).sum();
        let mut out = Vec::with_capacity(bytes + 512);
        let mut object = Object::begin(&mut out);
        let mut responses = Object::begin(object.member("Responses"));
        for (table_name, items) in &self.responses {
            write_list(items, responses.member(table_name), write_item);
        }
        responses.end();
        write_tables(&self.unprocessed_keys, object.member("UnprocessedKeys"));
        object.optional_capacities(self.consumed_capacity.as_deref());
        object.end();
        out
    }

    /// Reads an answer, for clients.
    ///
    /// # Errors
    /// The body is not an answer of this kind.
    pub fn parse(body: &[u8]) -> Result<BatchGetItemResponse, ApiError> {
        let mut wire = ResponseWire::default();
        let context = Context::default();
        read_document(body, &context, &mut wire)?;
        if let Some(error) = context.take_noted() {
            return Err(error);
        }
        let mut response = BatchGetItemResponse {
            consumed_capacity: wire.consumed_capacity,
            ..Default::default()
        };
        for (table_name, items) in wire.responses.unwrap_or_default() {
            let items = items.unwrap_or_default();
            response.responses.insert(
                table_name,
                items.into_iter().map(Option::unwrap_or_default).collect(),
            );
        }
        for (table_name, table) in wire.unprocessed_keys.unwrap_or_default() {
            response.unprocessed_keys.insert(table_name, table.check()?);
        }
        Ok(response)
    }
}

fn write_tables(tables: &BTreeMap<String, KeysAndAttributes>, out: &mut Vec<u8>) {
    let mut object = Object::begin(out);
    for (table_name, table) in tables {
        let mut member = Object::begin(object.member(table_name));
        write_list(&table.keys, member.member("Keys"), write_item);
        member.optional_boolean("ConsistentRead", table.consistent_read.then_some(true));
        member.optional_text(
            "ProjectionExpression",
            table.projection_expression.as_deref(),
        );
        member.attributes_to_get(table.attributes_to_get.as_deref());
        member.placeholders(&table.expression_attribute_names, &None);
        member.end();
    }
    object.end();
}

#[derive(Default)]
struct RequestWire {
    request_items: Option<BTreeMap<String, KeysWire>>,
    return_consumed_capacity: Option<String>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "RequestItems" => self.request_items = value.read(MapOf(NewStructure::new()))?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct ResponseWire {
    responses: Option<BTreeMap<String, Option<Vec<Option<Item>>>>>,
    unprocessed_keys: Option<BTreeMap<String, KeysWire>>,
    consumed_capacity: Option<Vec<ConsumedCapacity>>,
}

impl Members for ResponseWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Responses" => self.responses = value.read(MapOf(List(AttributeMap::ITEM)))?,
            "UnprocessedKeys" => self.unprocessed_keys = value.read(MapOf(NewStructure::new()))?,
            "ConsumedCapacity" => self.consumed_capacity = value.structures()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[derive(Default)]
struct KeysWire {
    keys: Option<Vec<Option<Item>>>,
    consistent_read: Option<bool>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<BTreeMap<String, String>>,
    attributes_to_get: Option<Vec<String>>,
}

impl KeysWire {
    fn check(self) -> Result<KeysAndAttributes, ApiError> {
        let legacy = self.attributes_to_get.as_ref().map(|_| "AttributesToGet");
        ExpressionUse {
            expressions: &[(
                "ProjectionExpression",
                self.projection_expression.as_deref(),
            )],
            legacy: legacy.as_slice(),
            names: self.expression_attribute_names.as_ref(),
            values: None,
            value_error: None,
        }
        .check()?;
        check_attributes_to_get(self.attributes_to_get.as_deref())?;
        let keys = self.keys.unwrap_or_default();
        Ok(KeysAndAttributes {
            keys: keys.into_iter().map(Option::unwrap_or_default).collect(),
            consistent_read: self.consistent_read.unwrap_or_default(),
            projection_expression: self.projection_expression,
            attributes_to_get: self.attributes_to_get,
            expression_attribute_names: self.expression_attribute_names,
        })
    }
}

impl Members for KeysWire {
    const CLASS: &'static str = "KeysAndAttributes";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Keys" => self.keys = value.read(List(AttributeMap::ITEM))?,
            "ConsistentRead" => self.consistent_read = value.boolean()?,
            "ProjectionExpression" => self.projection_expression = value.text()?,
            "ExpressionAttributeNames" => {
                self.expression_attribute_names = names(value.read(MapOf(Text))?);
            }
            "AttributesToGet" => self.attributes_to_get = attribute_names(value.read(List(Text))?),
            _ => value.ignore()?,
        }
        Ok(())
    }
}
