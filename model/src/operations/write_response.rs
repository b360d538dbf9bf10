//! What PutItem, UpdateItem and DeleteItem answer, and what their requests share on the way out.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use crate::capacity::ConsumedCapacity;
use crate::error::ApiError;
use crate::json::AttributeMap;
use crate::json::read::{Context, Member, Members, read_document};
use crate::json::write::{Object, item_json_bytes, write_list, write_text};
use crate::operations::parameters::{
    ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValuesOnConditionCheckFailure,
};
use crate::value::Item;

/// The answer to a write of one item; `{}` when there is nothing to tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteResponse {
    /// The attributes that `ReturnValues` asked for; absent when there are none.
    pub attributes: Option<Item>,
    /// What the write cost, if asked.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

impl WriteResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.attributes.as_ref().map_or(0, item_json_bytes) + 128);
        let mut object = Object::begin(&mut out);
        object.optional_item(
            "Attributes",
            self.attributes
                .as_ref()
                .filter(|attributes| !attributes.is_empty()),
        );
        object.optional_capacity(self.consumed_capacity.as_ref());
        object.end();
        out
    }

    /// Reads an answer, for clients.
    ///
    /// # Errors
    /// The body is not an answer of this kind.
    pub fn parse(body: &[u8]) -> Result<WriteResponse, ApiError> {
        let mut response = WriteResponse::default();
        let context = Context::default();
        read_document(body, &context, &mut response)?;
        context.take_noted().map_or(Ok(response), Err)
    }
}

impl Members for WriteResponse {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Attributes" => self.attributes = value.read(AttributeMap::ITEM)?,
            "ConsumedCapacity" => self.consumed_capacity = value.new_structure()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl Object<'_> {
    /// Writes what a request cost, if the answer tells.
    pub(crate) fn optional_capacity(&mut self, capacity: Option<&ConsumedCapacity>) {
        if let Some(capacity) = capacity {
            capacity.write(self.member("ConsumedCapacity"));
        }
    }

    /// Writes what a batch cost, a report for each table, if the answer tells.
    pub(crate) fn optional_capacities(&mut self, capacities: Option<&[ConsumedCapacity]>) {
        if let Some(capacities) = capacities {
            write_list(
                capacities,
                self.member("ConsumedCapacity"),
                ConsumedCapacity::write,
            );
        }
    }

    /// Writes the placeholders of a request's expressions.
    pub(crate) fn placeholders(
        &mut self,
        names: &Option<BTreeMap<String, String>>,
        values: &Option<Item>,
    ) {
        if let Some(names) = names {
            let mut object = Object::begin(self.member("ExpressionAttributeNames"));
            for (placeholder, name) in names {
                write_text(name, object.member(placeholder));
            }
            object.end();
        }
        self.optional_item("ExpressionAttributeValues", values.as_ref());
    }

    /// Writes what a write asks to be told about, where it differs from nothing.
    pub(crate) fn write_reports(
        &mut self,
        capacity: ReturnConsumedCapacity,
        metrics: ReturnItemCollectionMetrics,
        on_failure: ReturnValuesOnConditionCheckFailure,
    ) {
        self.capacity_mode(capacity);
        if metrics != ReturnItemCollectionMetrics::None {
            self.text("ReturnItemCollectionMetrics", metrics.as_str());
        }
        if on_failure != ReturnValuesOnConditionCheckFailure::None {
            self.text("ReturnValuesOnConditionCheckFailure", on_failure.as_str());
        }
    }

    /// Writes whether the answer tells what it cost, if it does.
    pub(crate) fn capacity_mode(&mut self, capacity: ReturnConsumedCapacity) {
        if capacity != ReturnConsumedCapacity::None {
            self.text("ReturnConsumedCapacity", capacity.as_str());
        }
    }
}
