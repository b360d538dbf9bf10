//! Scan: reads a whole table, or one of several segments of it.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::json::write::Object;
use crate::limits;
use crate::operations::constraints::{Constraints, attributes_to_get};
use crate::operations::data_wire::DataWire;
use crate::operations::legacy::{
    Conditions, Expressions, Rewriter, check_attributes_to_get, check_conditional_operator, checked,
};
use crate::operations::parameters::{ConditionalOperator, ReturnConsumedCapacity, Select};
use crate::operations::query::{QueryResponse, check_select, projection_member};
use crate::value::Item;

/// A Scan request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanRequest {
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
    /// What items must satisfy to be answered.
    pub filter_expression: Option<String>,
    /// The same in legacy form.
    pub scan_filter: Option<Conditions>,
    /// How the conditions of `scan_filter` go together.
    pub conditional_operator: Option<ConditionalOperator>,
    /// Which attributes to answer.
    pub projection_expression: Option<String>,
    /// The same in legacy form: names of top-level attributes.
    pub attributes_to_get: Option<Vec<String>>,
    /// What `#name` placeholders stand for.
    pub expression_attribute_names: Option<BTreeMap<String, String>>,
    /// What `:value` placeholders stand for.
    pub expression_attribute_values: Option<Item>,
    /// The key after which to go on; it belongs to the same segment.
    pub exclusive_start_key: Option<Item>,
    /// Which segment to read, from 0; given together with `total_segments`.
    pub segment: Option<u32>,
    /// Into how many segments the table is divided.
    pub total_segments: Option<u32>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// A Scan answer.
pub type ScanResponse = QueryResponse;

const MEMBERS: &[&str] = &[
    "TableName",
    "IndexName",
    "AttributesToGet",
    "Limit",
    "Select",
    "ScanFilter",
    "ConditionalOperator",
    "ExclusiveStartKey",
    "ReturnConsumedCapacity",
    "TotalSegments",
    "Segment",
    "ProjectionExpression",
    "FilterExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ConsistentRead",
];

impl ScanRequest {
    /// Reads a request and makes the checks that come before expressions are parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<ScanRequest, ApiError> {
        let mut wire = DataWire::read(body, MEMBERS)?;
        let table_name = wire.take_table_name()?;
        let mut constraints = Constraints::default();
        let select = constraints.parameter("select", wire.select.as_deref());
        constraints.range("limit", wire.limit, 1, i64::MAX);
        let segments_max = i64::from(limits::SCAN_SEGMENTS_MAX);
        constraints.range("totalSegments", wire.total_segments, 1, segments_max);
        constraints.range("segment", wire.segment, 0, segments_max - 1);
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
        let scan_filter = checked("scanFilter", wire.scan_filter.take(), &mut constraints);
        constraints.name("indexName", wire.index_name.as_deref());
        constraints.finish()?;
        wire.check_values_and_expressions(|wire| {
            [
                (
                    "ProjectionExpression",
                    wire.projection_expression.as_deref(),
                ),
                ("FilterExpression", wire.filter_expression.as_deref()),
            ]
        })?;
        let whole = |value: Option<i64>| value.and_then(|value| u32::try_from(value).ok());
        Ok(ScanRequest {
            table_name,
            index_name: wire.index_name,
            select,
            limit: whole(wire.limit),
            consistent_read: wire.consistent_read.unwrap_or_default(),
            filter_expression: wire.filter_expression,
            scan_filter,
            conditional_operator,
            projection_expression: wire.projection_expression,
            attributes_to_get: wire.attributes_to_get,
            expression_attribute_names: wire.expression_attribute_names,
            expression_attribute_values: wire.expression_attribute_values,
            exclusive_start_key: wire.exclusive_start_key,
            segment: whole(wire.segment),
            total_segments: whole(wire.total_segments),
            return_consumed_capacity,
        })
    }

    /// Takes the expressions out, those that say what legacy parameters say included.
    ///
    /// # Errors
    /// A ValidationException about legacy parameters.
    pub fn take_expressions(&mut self) -> Result<Expressions, ApiError> {
        check_conditional_operator(
            self.conditional_operator,
            self.scan_filter.as_ref().map(Conditions::len),
        )?;
        check_attributes_to_get(self.attributes_to_get.as_deref())?;
        if self.scan_filter.is_none() && self.attributes_to_get.is_none() {
            return Ok(Expressions {
                filter: self.filter_expression.take(),
                projection: self.projection_expression.clone(),
                names: self.expression_attribute_names.take(),
                values: self.expression_attribute_values.take(),
                ..Expressions::default()
            });
        }
        let mut rewriter = Rewriter::default();
        if let Some(filter) = self.scan_filter.take() {
            rewriter.filter(filter, self.conditional_operator)?;
        }
        if let Some(attributes) = &self.attributes_to_get {
            rewriter.attributes_to_get(attributes);
        }
        Ok(rewriter.finish())
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
            "",
        )
    }

    /// How segments go together, after [`ScanRequest::check_select`].
    ///
    /// # Errors
    /// A ValidationException.
    pub fn check_segments(&self) -> Result<(), ApiError> {
        match (self.segment, self.total_segments) {
            (Some(_), None) => Err(ApiError::validation(
                "The TotalSegments parameter is required but was not present in the request when \
                 Segment parameter is present",
            )),
            (None, Some(_)) => Err(ApiError::validation(
                "The Segment parameter is required but was not present in the request when \
                 parameter TotalSegments is present",
            )),
            (Some(segment), Some(total)) if segment >= total => Err(ApiError::validation(format!(
                "The Segment parameter is zero-based and must be less than parameter \
                     TotalSegments: Segment: {segment} is not less than TotalSegments: {total}"
            ))),
            _ => Ok(()),
        }
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
        for (name, value) in [
            ("Limit", self.limit),
            ("Segment", self.segment),
            ("TotalSegments", self.total_segments),
        ] {
            if let Some(value) = value {
                object.whole(name, u64::from(value));
            }
        }
        object.optional_boolean("ConsistentRead", self.consistent_read.then_some(true));
        object.optional_text("FilterExpression", self.filter_expression.as_deref());
        object.conditions("ScanFilter", self.scan_filter.as_ref());
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
        object.optional_item("ExclusiveStartKey", self.exclusive_start_key.as_ref());
        object.capacity_mode(self.return_consumed_capacity);
        object.end();
        out
    }
}
