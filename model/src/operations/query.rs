//! Query: reads the items of one partition key in order.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use crate::capacity::ConsumedCapacity;
use crate::error::ApiError;
use crate::json::AttributeMap;
use crate::json::read::{Context, List, Member, Members, read_document};
use crate::json::write::{Object, item_json_bytes, write_item, write_list};
use crate::operations::constraints::{Constraints, attributes_to_get};
use crate::operations::data_wire::DataWire;
use crate::operations::legacy::{
    Conditions, Expressions, Rewriter, check_attributes_to_get, check_conditional_operator, checked,
};
use crate::operations::messages;
use crate::operations::parameters::{ConditionalOperator, ReturnConsumedCapacity, Select};
use crate::value::Item;

/// A Query request.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryRequest {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The index to read instead of the table.
    pub index_name: Option<String>,
    /// What to answer; absent means the default for what is read.
    pub select: Option<Select>,
    /// The most items to evaluate, before the filter.
    pub limit: Option<u32>,
    /// Whether the answer must reflect all writes that were acknowledged before.
    pub consistent_read: bool,
    /// The partition key, and a range of sort keys.
    pub key_condition_expression: Option<String>,
    /// The same in legacy form.
    pub key_conditions: Option<Conditions>,
    /// What items must satisfy to be answered.
    pub filter_expression: Option<String>,
    /// The same in legacy form.
    pub query_filter: Option<Conditions>,
    /// How the conditions of `query_filter` go together.
    pub conditional_operator: Option<ConditionalOperator>,
    /// Which attributes to answer.
    pub projection_expression: Option<String>,
    /// The same in legacy form: names of top-level attributes.
    pub attributes_to_get: Option<Vec<String>>,
    /// What `#name` placeholders stand for.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// What `:value` placeholders stand for.
    pub expression_attribute_values: Option<Item>,
    /// Ascending order of sort keys, or descending.
    pub scan_index_forward: bool,
    /// The key after which to go on.
    pub exclusive_start_key: Option<Item>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// A Query or Scan answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryResponse {
    /// The items; absent for `Select: COUNT`.
    pub items: Option<Vec<Item>>,
    /// How many items satisfied the filter.
    pub count: u64,
    /// How many items were evaluated.
    pub scanned_count: u64,
    /// The key to go on after; absent at the end of the data.
    pub last_evaluated_key: Option<Item>,
    /// What the read cost, if asked.
    pub consumed_capacity: Option<ConsumedCapacity>,
}

const MEMBERS: &[&str] = &[
    "TableName",
    "IndexName",
    "Select",
    "AttributesToGet",
    "Limit",
    "ConsistentRead",
    "KeyConditions",
    "QueryFilter",
    "ConditionalOperator",
    "ScanIndexForward",
    "ExclusiveStartKey",
    "ReturnConsumedCapacity",
    "ProjectionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
];

impl QueryRequest {
    /// A query of a table with the defaults of the API.
    pub fn new(table_name: impl Into<String>, key_condition: impl Into<String>) -> QueryRequest {
        QueryRequest {
            table_name: table_name.into(),
            index_name: None,
            select: None,
            limit: None,
            consistent_read: false,
            key_condition_expression: Some(key_condition.into()),
            key_conditions: None,
            filter_expression: None,
            query_filter: None,
            conditional_operator: None,
            projection_expression: None,
            attributes_to_get: None,
            expression_attribute_names: None,
            expression_attribute_values: None,
            scan_index_forward: true,
            exclusive_start_key: None,
            return_consumed_capacity: ReturnConsumedCapacity::None,
        }
    }

    /// Reads a request and makes the checks that come before expressions are parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<QueryRequest, ApiError> {
        let mut wire = DataWire::read(body, MEMBERS)?;
        let table_name = wire.take_table_name()?;
        let mut constraints = Constraints::default();
        let select = constraints.parameter("select", wire.select.as_deref());
        let return_consumed_capacity = constraints
            .parameter(
                "returnConsumedCapacity",
                wire.return_consumed_capacity.as_deref(),
            )
            .unwrap_or_default();
        let conditional_operator =
            constraints.parameter("conditionalOperator", wire.conditional_operator.as_deref());
        attributes_to_get(
            "attributesToGet",
            wire.attributes_to_get.as_deref(),
            &mut constraints,
        );
        let query_filter = checked("queryFilter", wire.query_filter.take(), &mut constraints);
        let key_conditions = checked(
            "keyConditions",
            wire.key_conditions.take(),
            &mut constraints,
        );
        constraints.name("indexName", wire.index_name.as_deref());
        constraints.finish()?;
        if wire.limit.is_some_and(|limit| limit < 1) {
            // Unlike every other such text, Scan's included.
            return Err(ApiError::validation(
                "1 validation error detected: Value at 'Limit' failed to satisfy constraint: \
                 Member must have value greater than or equal to 1",
            ));
        }
        wire.check_values_and_expressions(|wire| {
            [
                (
                    "ProjectionExpression",
                    wire.projection_expression.as_deref(),
                ),
                ("FilterExpression", wire.filter_expression.as_deref()),
                (
                    "KeyConditionExpression",
                    wire.key_condition_expression.as_deref(),
                ),
            ]
        })?;
        Ok(QueryRequest {
            table_name,
            index_name: wire.index_name,
            select,
            limit: wire.limit.and_then(|limit| u32::try_from(limit).ok()),
            consistent_read: wire.consistent_read.unwrap_or_default(),
            key_condition_expression: wire.key_condition_expression,
            key_conditions,
            filter_expression: wire.filter_expression,
            query_filter,
            conditional_operator,
            projection_expression: wire.projection_expression,
            attributes_to_get: wire.attributes_to_get,
            expression_attribute_names: wire.expression_attribute_names,
            expression_attribute_values: wire.expression_attribute_values,
            scan_index_forward: wire.scan_index_forward.unwrap_or(true),
            exclusive_start_key: wire.exclusive_start_key,
            return_consumed_capacity,
        })
    }

    /// Takes the expressions out, those that say what legacy parameters say included, but for
    /// `KeyConditions`: see [`QueryRequest::take_key_conditions`].
    ///
    /// # Errors
    /// A ValidationException about legacy parameters, or that there is no key condition.
    pub fn take_expressions(&mut self) -> Result<Expressions, ApiError> {
        check_conditional_operator(
            self.conditional_operator,
            self.query_filter.as_ref().map(Conditions::len),
        )?;
        let mut rewriter = Rewriter::default();
        let is_legacy = self.query_filter.is_some() || self.attributes_to_get.is_some();
        if let Some(filter) = self.query_filter.take() {
            rewriter.filter(filter, self.conditional_operator)?;
        }
        check_attributes_to_get(self.attributes_to_get.as_deref())?;
        if let Some(attributes) = &self.attributes_to_get {
            rewriter.attributes_to_get(attributes);
        }
        if self.key_condition_expression.is_none() && self.key_conditions.is_none() {
            return Err(ApiError::validation(messages::KEY_CONDITION_MISSING));
        }
        if is_legacy {
            // Beside these there are no expressions.
            return Ok(rewriter.finish());
        }
        Ok(Expressions {
            key_condition: self.key_condition_expression.take(),
            filter: self.filter_expression.take(),
            projection: self.projection_expression.clone(),
            names: self.expression_attribute_names.take(),
            values: self.expression_attribute_values.take(),
            ..Expressions::default()
        })
    }

    /// Takes `KeyConditions` out, written as a key condition expression. It stands for itself, with
    /// its own placeholders: the request may have expressions of the client's beside it.
    ///
    /// # Errors
    /// A ValidationException: conditions that find no place in the order of keys.
    pub fn take_key_conditions(&mut self) -> Result<Option<Expressions>, ApiError> {
        let Some(keys) = self.key_conditions.take() else {
            return Ok(None);
        };
        let mut rewriter = Rewriter::default();
        rewriter.key_conditions(keys)?;
        Ok(Some(rewriter.finish()))
    }

    /// What may be selected, after the expressions were parsed.
    ///
    /// # Errors
    /// A ValidationException.
    pub fn check_select(&self) -> Result<(), ApiError> {
        check_select(
            self.select,
            self.index_name.is_some(),
            projection_member(&self.projection_expression, &self.attributes_to_get),
            "1 validation error detected: ",
        )
    }

    /// Whether the answer has items, or only their number.
    pub fn counts_only(&self) -> bool {
        self.select == Some(Select::Count)
    }

    /// The request as a client sends it.
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        let mut object = Object::begin(&mut out);
        object.text("TableName", &self.table_name);
        object.optional_text("IndexName", self.index_name.as_deref());
        object.optional_text("Select", self.select.map(Select::as_str));
        if let Some(limit) = self.limit {
            object.whole("Limit", u64::from(limit));
        }
        object.optional_boolean("ConsistentRead", self.consistent_read.then_some(true));
        object.optional_text(
            "KeyConditionExpression",
            self.key_condition_expression.as_deref(),
        );
        object.conditions("KeyConditions", self.key_conditions.as_ref());
        object.optional_text("FilterExpression", self.filter_expression.as_deref());
        object.conditions("QueryFilter", self.query_filter.as_ref());
        object.conditional_operator(self.conditional_operator);
        object.attributes_to_get(self.attributes_to_get.as_deref());
        object.optional_text(
            "ProjectionExpression",
            self.projection_expression.as_deref(),
        );
        object.placeholders(
            &self.expression_attribute_names,
            &self.expression_attribute_values,
        );
        object.optional_boolean(
            "ScanIndexForward",
            (!self.scan_index_forward).then_some(false),
        );
        object.optional_item("ExclusiveStartKey", self.exclusive_start_key.as_ref());
        object.capacity_mode(self.return_consumed_capacity);
        object.end();
        out
    }
}

impl QueryResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        let items = self.items.as_deref().unwrap_or(&[]);
        let bytes: usize = items.iter().map(item_json_bytes).sum();
        let mut out = Vec::with_capacity(bytes + 256);
        let mut object = Object::begin(&mut out);
        if let Some(items) = &self.items {
            write_list(items, object.member("Items"), write_item);
        }
        object.whole("Count", self.count);
        object.whole("ScannedCount", self.scanned_count);
        object.optional_item("LastEvaluatedKey", self.last_evaluated_key.as_ref());
        object.optional_capacity(self.consumed_capacity.as_ref());
        object.end();
        out
    }

    /// Reads an answer, for clients.
    ///
    /// # Errors
    /// The body is not an answer of this kind.
    pub fn parse(body: &[u8]) -> Result<QueryResponse, ApiError> {
        let mut response = QueryResponse::default();
        let context = Context::default();
        read_document(body, &context, &mut response)?;
        context.take_noted().map_or(Ok(response), Err)
    }
}

impl Members for QueryResponse {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        let count = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        match name {
            "Items" => {
                let items = value.read(List(AttributeMap::ITEM))?;
                self.items =
                    items.map(|items| items.into_iter().map(Option::unwrap_or_default).collect());
            }
            "Count" => self.count = count(value.integer()?).unwrap_or_default(),
            "ScannedCount" => self.scanned_count = count(value.integer()?).unwrap_or_default(),
            "LastEvaluatedKey" => self.last_evaluated_key = value.read(AttributeMap::ITEM)?,
            "ConsumedCapacity" => self.consumed_capacity = value.new_structure()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// The member that a request's projection came in.
pub(crate) fn projection_member(
    expression: &Option<String>,
    attributes: &Option<Vec<String>>,
) -> Option<&'static str> {
    match (expression, attributes) {
        (Some(_), _) => Some("ProjectionExpression"),
        (None, Some(_)) => Some("AttributesToGet"),
        (None, None) => None,
    }
}

/// The rules for `Select`, which Query and Scan share but for the beginning of one text. `projection`
/// is the member that says which attributes to get.
pub(crate) fn check_select(
    select: Option<Select>,
    has_index: bool,
    projection: Option<&str>,
    prefix: &str,
) -> Result<(), ApiError> {
    match (select, projection) {
        (Some(Select::AllProjectedAttributes), _) if !has_index => Err(ApiError::validation(
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        )),
        (Some(Select::SpecificAttributes), None) => Err(ApiError::validation(format!(
            "{prefix}Must specify the AttributesToGet or ProjectionExpression when choosing to get \
             SPECIFIC_ATTRIBUTES"
        ))),
        (Some(Select::Count), Some(member)) => Err(ApiError::validation(format!(
            "Cannot specify the {member} when choosing to get only the Count"
        ))),
        (Some(select @ (Select::AllAttributes | Select::AllProjectedAttributes)), Some(member)) => {
            Err(ApiError::validation(format!(
                "Cannot specify the {member} when choosing to get {}",
                select.as_str()
            )))
        }
        _ => Ok(()),
    }
}
