//! PutItem: replaces an item, or makes it.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::json::write::{Object, item_json_bytes};
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::operations::data_wire::DataWire;
use crate::operations::legacy::{
    Expected, Expressions, Rewriter, check_conditional_operator, checked,
};
use crate::operations::parameters::{
    ConditionalOperator, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValues,
    ReturnValuesOnConditionCheckFailure,
};
use crate::operations::write_response::WriteResponse;
use crate::value::{Item, item_size_bytes};

/// A PutItem request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PutItemRequest {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The whole new item.
    pub item: Item,
    /// What must hold for the item that is there.
    pub condition_expression: Option<String>,
    /// The same in legacy form.
    pub expected: Option<Expected>,
    /// How the conditions of `expected` go together.
    pub conditional_operator: Option<ConditionalOperator>,
    /// What `#name` placeholders stand for.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// What `:value` placeholders stand for.
    pub expression_attribute_values: Option<Item>,
    /// NONE or ALL_OLD.
    pub return_values: ReturnValues,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether the answer tells the size of the item collection.
    pub return_item_collection_metrics: ReturnItemCollectionMetrics,
    /// Whether the error of a failed condition carries the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

/// A PutItem answer.
pub type PutItemResponse = WriteResponse;

const MEMBERS: &[&str] = &[
    "TableName",
    "Item",
    "Expected",
    "ReturnValues",
    "ReturnConsumedCapacity",
    "ReturnItemCollectionMetrics",
    "ConditionalOperator",
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
];

impl PutItemRequest {
    /// Reads a request and makes the checks that come before expressions are parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<PutItemRequest, ApiError> {
        let mut wire = DataWire::read(body, MEMBERS)?;
        let table_name = wire.take_table_name()?;
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
        let return_values = constraints
            .parameter("returnValues", wire.return_values.as_deref())
            .unwrap_or_default();
        let return_values_on_condition_check_failure = constraints
            .parameter(
                "returnValuesOnConditionCheckFailure",
                wire.return_values_on_condition_check_failure.as_deref(),
            )
            .unwrap_or_default();
        let conditional_operator =
            constraints.parameter("conditionalOperator", wire.conditional_operator.as_deref());
        let expected = checked("expected", wire.expected.take(), &mut constraints);
        constraints.require("item", wire.item.as_ref());
        constraints.finish()?;
        wire.check_values_and_expressions(|wire| {
            [("ConditionExpression", wire.condition_expression.as_deref())]
        })
        .map_err(ApiError::in_put_or_update)?;
        Ok(PutItemRequest {
            table_name,
            item: wire.item.unwrap_or_default(),
            condition_expression: wire.condition_expression,
            expected,
            conditional_operator,
            expression_attribute_names: wire.expression_attribute_names,
            expression_attribute_values: wire.expression_attribute_values,
            return_values,
            return_consumed_capacity,
            return_item_collection_metrics,
            return_values_on_condition_check_failure,
        })
    }

    /// Step 8, after the expressions were parsed: which `ReturnValues` are legal.
    ///
    /// # Errors
    /// A ValidationException.
    pub fn check_return_values(&self) -> Result<(), ApiError> {
        check_put_return_values(self.return_values).map_err(ApiError::in_put_or_update)
    }

    /// Step 10, after unused placeholders: the size of the item.
    ///
    /// # Errors
    /// A ValidationException.
    pub fn check_size(&self) -> Result<(), ApiError> {
        check_put_size(&self.item)
    }

    /// Takes the expressions out, those that say what legacy parameters say included.
    ///
    /// # Errors
    /// A ValidationException about legacy parameters.
    pub fn take_expressions(&mut self) -> Result<Expressions, ApiError> {
        if self.expected.is_none() && self.conditional_operator.is_none() {
            return Ok(Expressions {
                condition: self.condition_expression.take(),
                names: self.expression_attribute_names.take(),
                values: self.expression_attribute_values.take(),
                ..Expressions::default()
            });
        }
        self.check_return_values()?;
        check_conditional_operator(
            self.conditional_operator,
            self.expected.as_ref().map(Expected::len),
        )?;
        let mut rewriter = Rewriter::default();
        rewriter.expected(
            self.expected.take().unwrap_or_default(),
            self.conditional_operator,
        )?;
        Ok(rewriter.finish())
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(item_json_bytes(&self.item) + 256);
        let mut object = Object::begin(&mut out);
        object.text("TableName", &self.table_name);
        object.optional_item("Item", Some(&self.item));
        object.optional_text("ConditionExpression", self.condition_expression.as_deref());
        object.expected(self.expected.as_ref());
        object.conditional_operator(self.conditional_operator);
        object.placeholders(
            &self.expression_attribute_names,
            &self.expression_attribute_values,
        );
        if self.return_values != ReturnValues::None {
            object.text("ReturnValues", self.return_values.as_str());
        }
        object.write_reports(
            self.return_consumed_capacity,
            self.return_item_collection_metrics,
            self.return_values_on_condition_check_failure,
        );
        object.end();
        out
    }
}

/// PutItem and DeleteItem answer the old item or nothing.
pub(crate) fn check_put_return_values(return_values: ReturnValues) -> Result<(), ApiError> {
    match return_values {
        ReturnValues::None | ReturnValues::AllOld => Ok(()),
        _ => Err(ApiError::request_validation(
            "ReturnValues can only be ALL_OLD or NONE",
        )),
    }
}

/// The limit on an item that is put.
pub(crate) fn check_put_size(item: &Item) -> Result<(), ApiError> {
    if item_size_bytes(item) > limits::ITEM_SIZE_BYTES_MAX {
        return Err(ApiError::validation(
            "Item size has exceeded the maximum allowed size",
        ));
    }
    Ok(())
}
