//! The members that the operations on items share, as they come in.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{
    Context, Expected, List, MapOf, Member, Members, NewStructure, Noted, Seed, Shape, Text,
    read_document,
};
use crate::json::{AttributeMap, Value};
use crate::operations::constraints;
use crate::operations::expressions::{ExpressionMembers, ExpressionUse};
use crate::operations::legacy::{ConditionWire, ExpectedWire, UpdateWire};
use crate::value::{Item, check_attribute_name};

/// A request on items before any rule is checked. Members that the operation does not have are
/// ignored, whatever their type.
#[derive(Default)]
pub(crate) struct DataWire {
    accepted: &'static [&'static str],
    pub(crate) table_name: Option<String>,
    pub(crate) index_name: Option<String>,
    pub(crate) item: Option<Item>,
    pub(crate) key: Option<Item>,
    pub(crate) exclusive_start_key: Option<Item>,
    pub(crate) condition_expression: Option<String>,
    pub(crate) update_expression: Option<String>,
    pub(crate) projection_expression: Option<String>,
    pub(crate) filter_expression: Option<String>,
    pub(crate) key_condition_expression: Option<String>,
    pub(crate) expression_attribute_names: Option<BTreeMap<String, String>>,
    pub(crate) expression_attribute_values: Option<Item>,
    pub(crate) return_values: Option<String>,
    pub(crate) return_consumed_capacity: Option<String>,
    pub(crate) return_item_collection_metrics: Option<String>,
    pub(crate) return_values_on_condition_check_failure: Option<String>,
    pub(crate) select: Option<String>,
    pub(crate) consistent_read: Option<bool>,
    pub(crate) scan_index_forward: Option<bool>,
    pub(crate) limit: Option<i64>,
    pub(crate) segment: Option<i64>,
    pub(crate) total_segments: Option<i64>,
    pub(crate) attributes_to_get: Option<Vec<String>>,
    pub(crate) attribute_updates: Option<BTreeMap<String, UpdateWire>>,
    pub(crate) expected: Option<BTreeMap<String, ExpectedWire>>,
    pub(crate) key_conditions: Option<BTreeMap<String, ConditionWire>>,
    pub(crate) query_filter: Option<BTreeMap<String, ConditionWire>>,
    pub(crate) scan_filter: Option<BTreeMap<String, ConditionWire>>,
    pub(crate) conditional_operator: Option<String>,
    /// Legacy members that are there, in the order in which the service lists them.
    legacy: Vec<&'static str>,
    /// The first rule that a name in a legacy member broke.
    name_error: Option<ApiError>,
    /// The first rule that a value in the item, key or starting key broke.
    value_error: Option<Noted>,
    /// The first rule that an expression attribute value broke.
    placeholder_error: Option<ApiError>,
}

/// The expression members of an operation with their texts.
pub(crate) type NamedExpressions<'a, const N: usize> = [(&'static str, Option<&'a str>); N];

impl DataWire {
    /// Reads a request that has the members in `accepted`.
    ///
    /// # Errors
    /// A SerializationException.
    pub(crate) fn read(
        body: &[u8],
        accepted: &'static [&'static str],
    ) -> Result<DataWire, ApiError> {
        let mut wire = DataWire::accepting(accepted);
        let context = Context::default();
        read_document(body, &context, &mut wire)?;
        wire.value_error = context.take();
        wire.legacy = wire.legacy_members();
        let broken = wire.legacy_names().try_for_each(check_attribute_name).err();
        wire.name_error = broken;
        Ok(wire)
    }

    /// A structure that has the members in `accepted`, before it is read: an action of a transaction.
    pub(crate) fn accepting(accepted: &'static [&'static str]) -> DataWire {
        DataWire {
            accepted,
            ..DataWire::default()
        }
    }

    /// Step 3: the table's name, which is reported before everything else.
    pub(crate) fn take_table_name(&mut self) -> Result<String, ApiError> {
        constraints::table_name(self.table_name.take(), 1)
    }

    /// Steps 5 and 6: attribute values, then how expressions go together. `expressions` holds the
    /// members of this operation.
    pub(crate) fn check_values_and_expressions<const N: usize>(
        &mut self,
        expressions: fn(&DataWire) -> NamedExpressions<'_, N>,
    ) -> Result<(), ApiError> {
        if let Some(noted) = self.value_error.take_if(|noted| !noted.untyped) {
            return Err(noted.error);
        }
        if let Some(error) = self.name_error.take() {
            return Err(error);
        }
        let value_error = self.placeholder_error.take();
        let expressions: &ExpressionMembers<'_> = &expressions(self);
        ExpressionUse {
            expressions,
            legacy: &self.legacy,
            names: self.expression_attribute_names.as_ref(),
            values: self.expression_attribute_values.as_ref(),
            value_error,
        }
        .check()?;
        self.value_error
            .take()
            .map_or(Ok(()), |noted| Err(noted.error))
    }
}

impl DataWire {
    /// The parameters from before there were expressions that the request has. `KeyConditions` go
    /// with any expression but the one that says the same.
    fn legacy_members(&self) -> Vec<&'static str> {
        [
            ("AttributesToGet", self.attributes_to_get.is_some()),
            ("AttributeUpdates", self.attribute_updates.is_some()),
            ("Expected", self.expected.is_some()),
            ("QueryFilter", self.query_filter.is_some()),
            ("ScanFilter", self.scan_filter.is_some()),
            ("ConditionalOperator", self.conditional_operator.is_some()),
            (
                "KeyConditions",
                self.key_conditions.is_some() && self.key_condition_expression.is_some(),
            ),
        ]
        .into_iter()
        .filter_map(|(member, present)| present.then_some(member))
        .collect()
    }
}

impl DataWire {
    /// The attributes that legacy maps are about.
    fn legacy_names(&self) -> impl Iterator<Item = &str> {
        fn keys<V>(map: Option<&BTreeMap<String, V>>) -> impl Iterator<Item = &str> {
            map.into_iter()
                .flat_map(|map| map.keys().map(String::as_str))
        }
        keys(self.attribute_updates.as_ref())
            .chain(keys(self.expected.as_ref()))
            .chain(keys(self.key_conditions.as_ref()))
            .chain(keys(self.query_filter.as_ref()))
            .chain(keys(self.scan_filter.as_ref()))
    }
}

impl Members for DataWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        if !self.accepted.contains(&name) {
            return value.ignore();
        }
        match name {
            "TableName" => self.table_name = value.text()?,
            "IndexName" => self.index_name = value.text()?,
            "Item" => self.item = value.read(AttributeMap::ITEM)?,
            "Key" => self.key = value.read(AttributeMap::ITEM)?,
            "ExclusiveStartKey" => {
                let context = value.context();
                context.set_prefix("The provided starting key is invalid: ");
                let key = value.read(AttributeMap::ITEM);
                context.set_prefix("");
                self.exclusive_start_key = key?;
            }
            "ConditionExpression" => self.condition_expression = value.text()?,
            "UpdateExpression" => self.update_expression = value.text()?,
            "ProjectionExpression" => self.projection_expression = value.text()?,
            "FilterExpression" => self.filter_expression = value.text()?,
            "KeyConditionExpression" => self.key_condition_expression = value.text()?,
            "ExpressionAttributeNames" => {
                self.expression_attribute_names = names(value.read(MapOf(Text))?);
            }
            "ExpressionAttributeValues" => {
                if let Some((values, error)) = value.read(PlaceholderValues)? {
                    self.expression_attribute_values = Some(values);
                    self.placeholder_error = error;
                }
            }
            "ReturnValues" => self.return_values = value.text()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = value.text()?,
            "ReturnItemCollectionMetrics" => self.return_item_collection_metrics = value.text()?,
            "ReturnValuesOnConditionCheckFailure" => {
                self.return_values_on_condition_check_failure = value.text()?;
            }
            "Select" => self.select = value.text()?,
            "ConsistentRead" => self.consistent_read = value.boolean()?,
            "ScanIndexForward" => self.scan_index_forward = value.boolean()?,
            "Limit" => self.limit = value.integer()?,
            "Segment" => self.segment = value.integer()?,
            "TotalSegments" => self.total_segments = value.integer()?,
            "AttributesToGet" => self.attributes_to_get = attribute_names(value.read(List(Text))?),
            "AttributeUpdates" => {
                self.attribute_updates = value.read(MapOf(NewStructure::new()))?;
            }
            "Expected" => self.expected = value.read(MapOf(NewStructure::new()))?,
            "KeyConditions" => self.key_conditions = value.read(MapOf(NewStructure::new()))?,
            "QueryFilter" => self.query_filter = value.read(MapOf(NewStructure::new()))?,
            "ScanFilter" => self.scan_filter = value.read(MapOf(NewStructure::new()))?,
            "ConditionalOperator" => self.conditional_operator = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// The names in `AttributesToGet`; a null stands for an absent one.
pub(crate) fn attribute_names(names: Option<Vec<Option<String>>>) -> Option<Vec<String>> {
    names.map(|names| names.into_iter().flatten().collect())
}

/// Placeholder names; a null stands for an absent entry.
pub(crate) fn names(
    map: Option<BTreeMap<String, Option<String>>>,
) -> Option<BTreeMap<String, String>> {
    map.map(|map| {
        map.into_iter()
            .filter_map(|(key, name)| Some((key, name?)))
            .collect()
    })
}

/// The values of placeholders. What they break is told with the placeholder, and later than what
/// the item breaks, so it is kept apart.
struct PlaceholderValues;

impl Shape for PlaceholderValues {
    type Output = Option<(Item, Option<ApiError>)>;
    const EXPECTED: Expected = Expected::Map;

    fn java_type() -> String {
        AttributeMap::java_type()
    }

    fn on_null(self, _context: &Context) -> Self::Output {
        None
    }

    fn on_object<'de, A: MapAccess<'de>>(
        self,
        context: &Context,
        mut object: A,
    ) -> Result<Self::Output, A::Error> {
        let outer = context.take();
        let mut values = Item::new();
        let mut first_error = None;
        while let Some(key) = object.next_key::<String>()? {
            context.set_nested(true);
            let value = object.next_value_seed(Seed {
                context,
                shape: Value::TOP,
            })?;
            if let (Some(mut error), None) = (context.take_noted(), &first_error) {
                let inner = error.message.take().unwrap_or_default();
                error.message = Some(format!(
                    "ExpressionAttributeValues contains invalid value: {inner} for key {key}"
                ));
                first_error = Some(error);
            }
            values.insert(key, value);
        }
        if let Some(noted) = outer {
            context.put_back(noted);
        }
        Ok(Some((values, first_error)))
    }
}
