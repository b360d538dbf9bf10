//! GetItem: reads one item.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use crate::capacity::ConsumedCapacity;
use crate::error::ApiError;
use crate::json::AttributeMap;
use crate::json::read::{Context, Member, Members, read_document};
use crate::json::write::{Object, item_json_bytes};
use crate::operations::constraints::{Constraints, attributes_to_get};
use crate::operations::data_wire::DataWire;
use crate::operations::legacy::{Expressions, Rewriter, check_attributes_to_get};
use crate::operations::parameters::ReturnConsumedCapacity;
use crate::value::Item;

/// A GetItem request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetItemRequest {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The item's primary key.
    pub key: Item,
    /// Whether the answer must reflect all writes that were acknowledged before.
    pub consistent_read: bool,
    /// Which attributes to answer.
    pub projection_expression: Option<String>,
    /// The same in legacy form: names of top-level attributes.
    pub attributes_to_get: Option<Vec<String>>,
    /// What `#name` placeholders stand for.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// A GetItem answer; `{}` for a missing item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GetItemResponse {
    /// The item, or what the projection left of it, which may be nothing: `Item: {}`.
    pub item: Option<Item>,
    /// What the read cost, if asked.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

const MEMBERS: &[&str] = &[
    "TableName",
    "Key",
    "AttributesToGet",
    "ConsistentRead",
    "ReturnConsumedCapacity",
    "ProjectionExpression",
    "ExpressionAttributeNames",
];

impl GetItemRequest {
    /// Reads a request and makes the checks that come before expressions are parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<GetItemRequest, ApiError> {
        let mut wire = DataWire::read(body, MEMBERS)?;
        let table_name = wire.take_table_name()?;
        let mut constraints = Constraints::default();
        let return_consumed_capacity = constraints
            .parameter(
                "returnConsumedCapacity",
                wire.return_consumed_capacity.as_deref(),
            )
            .unwrap_or_default();
        attributes_to_get(
            "attributesToGet",
            wire.attributes_to_get.as_deref(),
            &mut constraints,
        );
        constraints.require("key", wire.key.as_ref());
        constraints.finish()?;
        wire.check_values_and_expressions(|wire| {
            [(
                "ProjectionExpression",
                wire.projection_expression.as_deref(),
            )]
        })?;
        check_attributes_to_get(wire.attributes_to_get.as_deref())?;
        Ok(GetItemRequest {
            table_name,
            key: wire.key.unwrap_or_default(),
            consistent_read: wire.consistent_read.unwrap_or_default(),
            projection_expression: wire.projection_expression,
            attributes_to_get: wire.attributes_to_get,
            expression_attribute_names: wire.expression_attribute_names,
            return_consumed_capacity,
        })
    }

    /// Takes the expressions out, those that say what legacy parameters say included.
    pub fn take_expressions(&mut self) -> Expressions {
        if let Some(attributes) = self.attributes_to_get.take() {
            let mut rewriter = Rewriter::default();
            rewriter.attributes_to_get(&attributes);
            return rewriter.finish();
        }
        Expressions {
            projection: self.projection_expression.take(),
            names: self.expression_attribute_names.take(),
            ..Expressions::default()
        }
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(item_json_bytes(&self.key) + 192);
        let mut object = Object::begin(&mut out);
        object.text("TableName", &self.table_name);
        object.optional_item("Key", Some(&self.key));
        object.optional_boolean("ConsistentRead", self.consistent_read.then_some(true));
        object.optional_text(
            "ProjectionExpression",
            self.projection_expression.as_deref(),
        );
        object.attributes_to_get(self.attributes_to_get.as_deref());
        object.placeholders(&self.expression_attribute_names, &None);
        object.capacity_mode(self.return_consumed_capacity);
        object.end();
        out
    }
}

impl GetItemResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.item.as_ref().map_or(0, item_json_bytes) + 128);
        let mut object = Object::begin(&mut out);
        object.optional_item("Item", self.item.as_ref());
        object.optional_capacity(self.consumed_capacity.as_ref());
        object.end();
        out
    }

    /// Reads an answer, for clients.
    ///
    /// # Errors
    /// The body is not an answer of this kind.
    pub fn parse(body: &[u8]) -> Result<GetItemResponse, ApiError> {
        let mut response = GetItemResponse::default();
        let context = Context::default();
        read_document(body, &context, &mut response)?;
        context.take_noted().map_or(Ok(response), Err)
    }
}

impl Members for GetItemResponse {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Item" => self.item = value.read(AttributeMap::ITEM)?,
            "ConsumedCapacity" => self.consumed_capacity = value.new_structure()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
