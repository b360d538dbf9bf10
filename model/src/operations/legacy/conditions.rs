//! The rules of legacy conditions, and how each is written as an expression.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{Condition, ExpectedAttributeValue, Rewriter};
use crate::error::ApiError;
use crate::operations::messages;
use crate::operations::parameters::{ComparisonOperator, ConditionalOperator};
use crate::value::{AttributeValue, check_attribute_name};

/// A condition with as many values as its operator takes, of types that it takes.
pub(super) struct Checked {
    operator: ComparisonOperator,
    values: Vec<AttributeValue>,
}

/// Checks an entry of `KeyConditions`, `QueryFilter` or `ScanFilter`.
pub(super) fn of_condition(entry: Condition) -> Result<Checked, ApiError> {
    check(
        entry.comparison_operator,
        entry.attribute_value_list.unwrap_or_default(),
    )
}

/// Checks an entry of `Expected`, in the service's order.
pub(super) fn of_expected(
    attribute: &str,
    entry: ExpectedAttributeValue,
) -> Result<Checked, ApiError> {
    let refuse = |text: &str| {
        Err(ApiError::invalid_parameter(format_args!(
            "{text} for Attribute: {attribute}"
        )))
    };
    let ExpectedAttributeValue {
        value,
        exists,
        comparison_operator,
        attribute_value_list: list,
    } = entry;
    if exists.is_some() && comparison_operator.is_some() {
        return refuse("Exists and ComparisonOperator cannot be used together");
    }
    if value.is_some() && list.is_some() {
        return refuse("Value and AttributeValueList cannot be used together");
    }
    if let Some(operator) = comparison_operator {
        let takes_none = matches!(
            operator,
            ComparisonOperator::Null | ComparisonOperator::NotNull
        );
        return match (list, value) {
            (Some(list), _) => check(operator, list),
            (None, Some(value)) => check(operator, vec![value]),
            (None, None) if takes_none => check(operator, Vec::new()),
            (None, None) => refuse(&format!(
                "Value or AttributeValueList must be used with ComparisonOperator: {}",
                operator.as_str()
            )),
        };
    }
    if list.is_some() {
        return refuse("AttributeValueList can only be used with a ComparisonOperator");
    }
    match (exists, value) {
        (None | Some(true), Some(value)) => Ok(Checked {
            operator: ComparisonOperator::Eq,
            values: vec![value],
        }),
        (Some(false), None) => Ok(Checked {
            operator: ComparisonOperator::Null,
            values: Vec::new(),
        }),
        (Some(true), None) => refuse("Value must be provided when Exists is true"),
        (Some(false), Some(_)) => refuse("Value cannot be used when Exists is false"),
        (None, None) => refuse("Value must be provided when Exists is null"),
    }
}

/// `ConditionalOperator` stands beside a map with conditions in it.
pub(crate) fn check_conditional_operator(
    operator: Option<ConditionalOperator>,
    conditions: Option<usize>,
) -> Result<(), ApiError> {
    if operator.is_some() && conditions.unwrap_or(0) == 0 {
        return Err(ApiError::invalid_parameter(
            messages::CONDITIONAL_OPERATOR_ALONE,
        ));
    }
    Ok(())
}

/// `AttributesToGet` names each attribute once.
pub(crate) fn check_attributes_to_get(attributes: Option<&[String]>) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    for name in attributes.unwrap_or_default() {
        check_attribute_name(name)?;
        if !seen.insert(name.as_str()) {
            return Err(ApiError::invalid_parameter(format_args!(
                "Duplicate value in attribute name: {name}"
            )));
        }
    }
    Ok(())
}

/// A key has one or two attributes, and only some comparisons find places in its order. Whether they
/// are the right attributes is seen with the key schema.
pub(super) fn check_key_conditions(conditions: &[(String, Checked)]) -> Result<(), ApiError> {
    if !(1..=2).contains(&conditions.len()) {
        return Err(ApiError::validation(messages::KEY_CONDITION_COUNT));
    }
    for (_, condition) in conditions {
        if matches!(
            condition.operator,
            ComparisonOperator::Null
                | ComparisonOperator::NotNull
                | ComparisonOperator::Ne
                | ComparisonOperator::In
                | ComparisonOperator::Contains
                | ComparisonOperator::NotContains
        ) {
            return Err(ApiError::validation(messages::KEY_CONDITION_NOT_INDEXABLE));
        }
    }
    Ok(())
}

fn check(operator: ComparisonOperator, values: Vec<AttributeValue>) -> Result<Checked, ApiError> {
    let name = operator.as_str();
    let right_count = match operator {
        ComparisonOperator::Null | ComparisonOperator::NotNull => values.is_empty(),
        ComparisonOperator::In => !values.is_empty(),
        ComparisonOperator::Between => values.len() == 2,
        _ => values.len() == 1,
    };
    if !right_count {
        return Err(ApiError::invalid_parameter(format_args!(
            "Invalid number of argument(s) for the {name} ComparisonOperator"
        )));
    }
    let Some(first) = values.first() else {
        return Ok(Checked { operator, values });
    };
    let type_name = first.type_name();
    if values.iter().any(|value| value.type_name() != type_name) {
        return Err(ApiError::invalid_parameter(
            "AttributeValues inside AttributeValueList must be of same type",
        ));
    }
    if !takes(operator, first) {
        return Err(ApiError::invalid_parameter(format_args!(
            "ComparisonOperator {name} is not valid for {type_name} AttributeValue type"
        )));
    }
    if let (ComparisonOperator::Between, [low, high]) = (operator, values.as_slice())
        && is_above(low, high)
    {
        return Err(ApiError::validation(messages::BETWEEN_BOUNDS_REVERSED));
    }
    Ok(Checked { operator, values })
}

fn takes(operator: ComparisonOperator, value: &AttributeValue) -> bool {
    match operator {
        ComparisonOperator::Eq | ComparisonOperator::Ne => true,
        ComparisonOperator::BeginsWith => {
            matches!(value, AttributeValue::S(_) | AttributeValue::B(_))
        }
        _ => matches!(
            value,
            AttributeValue::S(_) | AttributeValue::N(_) | AttributeValue::B(_)
        ),
    }
}

fn is_above(low: &AttributeValue, high: &AttributeValue) -> bool {
    let order = match (low, high) {
        (AttributeValue::S(low), AttributeValue::S(high)) => low.cmp(high),
        (AttributeValue::N(low), AttributeValue::N(high)) => low.cmp(high),
        (AttributeValue::B(low), AttributeValue::B(high)) => low.cmp(high),
        _ => Ordering::Equal,
    };
    order.is_gt()
}

impl Checked {
    /// The condition on the attribute as a predicate, or as a group of them.
    pub(super) fn write(self, rewriter: &mut Rewriter, attribute: &str) -> String {
        let name = rewriter.name(attribute);
        let values: Vec<String> = self
            .values
            .into_iter()
            .map(|value| rewriter.value(value))
            .collect();
        let all = values.join(", ");
        match self.operator {
            ComparisonOperator::Eq => format!("{name} = {all}"),
            ComparisonOperator::Ne => format!("{name} <> {all}"),
            ComparisonOperator::Le => format!("{name} <= {all}"),
            ComparisonOperator::Lt => format!("{name} < {all}"),
            ComparisonOperator::Ge => format!("{name} >= {all}"),
            ComparisonOperator::Gt => format!("{name} > {all}"),
            ComparisonOperator::In => format!("{name} IN ({all})"),
            ComparisonOperator::Between => format!("{name} BETWEEN {}", values.join(" AND ")),
            ComparisonOperator::NotNull => format!("attribute_exists({name})"),
            ComparisonOperator::Null => format!("attribute_not_exists({name})"),
            ComparisonOperator::Contains => format!("contains({name}, {all})"),
            // Unlike the negated function, false for an absent attribute.
            ComparisonOperator::NotContains => {
                format!("(attribute_exists({name}) AND NOT contains({name}, {all}))")
            }
            ComparisonOperator::BeginsWith => format!("begins_with({name}, {all})"),
        }
    }
}
