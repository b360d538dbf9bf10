//! Key condition expressions: which partition Query reads, and which part of it.
//!
//! Parsed as a condition, then restricted in two steps, because the service looks the table up in
//! between: [`KeyConditionExpression::parse`] checks all that the text alone can tell, and
//! [`KeyConditionExpression::resolve`] the rest, against the key schema of the table or index.
//! The parsed form is a list of conditions per attribute; index keys of several attributes have a
//! `resolve` of their own.
//!
//! Source: developer guide, "Key condition expressions for the Query operation".

mod several;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

pub use self::several::IndexKeyCondition;

use crate::{
    error::ApiError,
    key::{KeyAttribute, KeySchema, ScalarType, check_partition_key_size, check_sort_key_size},
    value::AttributeValue,
};

use super::{
    ExpressionContext,
    condition::{Condition, Operand, begins_with, compile_key_condition, order},
    lexer::Comparator,
};

/// A parsed `KeyConditionExpression`, not yet matched with a key schema.
#[derive(Debug, Clone)]
pub struct KeyConditionExpression {
    conditions: Vec<AttributeCondition>,
}

/// The condition on one attribute; no two have the same name.
#[derive(Debug, Clone)]
struct AttributeCondition {
    name: String,
    condition: SortCondition,
}

/// The condition of a Query, matched with a key schema.
#[derive(Debug, Clone)]
pub struct KeyCondition {
    /// The value the partition key equals; of the schema's type.
    pub partition_key: AttributeValue,
    /// What the sort key has to fulfil; its values are of the schema's type.
    pub sort: Option<SortCondition>,
}

/// A condition on one key attribute, with the attribute on the left.
#[derive(Debug, Clone, PartialEq)]
pub enum SortCondition {
    /// `=`
    Eq(AttributeValue),
    /// `<`
    Lt(AttributeValue),
    /// `<=`
    Le(AttributeValue),
    /// `>`
    Gt(AttributeValue),
    /// `>=`
    Ge(AttributeValue),
    /// `BETWEEN`, both bounds included; the lower is not above the upper.
    Between(AttributeValue, AttributeValue),
    /// `begins_with`; a string or a binary.
    BeginsWith(AttributeValue),
}

impl SortCondition {
    /// Whether a key attribute's value fulfils the condition; false when the type differs.
    pub fn matches(&self, key: &AttributeValue) -> bool {
        match self {
            Self::Eq(value) => order(key, value) == Some(Ordering::Equal),
            Self::Lt(value) => order(key, value).is_some_and(Ordering::is_lt),
            Self::Le(value) => order(key, value).is_some_and(Ordering::is_le),
            Self::Gt(value) => order(key, value).is_some_and(Ordering::is_gt),
            Self::Ge(value) => order(key, value).is_some_and(Ordering::is_ge),
            Self::Between(low, high) => {
                order(key, low).is_some_and(Ordering::is_ge)
                    && order(key, high).is_some_and(Ordering::is_le)
            }
            Self::BeginsWith(prefix) => begins_with(key, prefix),
        }
    }

    /// The values of the request in the condition.
    pub fn values(&self) -> impl Iterator<Item = &AttributeValue> {
        let (first, second) = match self {
            Self::Eq(value)
            | Self::Lt(value)
            | Self::Le(value)
            | Self::Gt(value)
            | Self::Ge(value)
            | Self::BeginsWith(value) => (value, None),
            Self::Between(low, high) => (low, Some(high)),
        };
        std::iter::once(first).chain(second)
    }
}

impl KeyConditionExpression {
    /// Parses and checks the text.
    ///
    /// # Errors
    ///
    /// A ValidationException: all that a condition can have wrong, then what key conditions may not
    /// have at all, then a second condition on one attribute.
    pub fn parse(text: &str, context: &ExpressionContext<'_>) -> Result<Self, ApiError> {
        let condition = compile_key_condition(text, context)?;
        let mut conditions = Vec::new();
        restrict(condition, &mut conditions).map_err(ApiError::request_validation)?;
        let mut expression = Self {
            conditions: Vec::with_capacity(conditions.len()),
        };
        for condition in conditions {
            if expression.condition(&condition.name).is_some() {
                return Err(ApiError::request_validation(
                    "KeyConditionExpressions must only contain one condition per key",
                ));
            }
            expression.conditions.push(condition);
        }
        Ok(expression)
    }

    /// Matches the conditions with the key schema of the table or index.
    ///
    /// # Errors
    ///
    /// A ValidationException when a key attribute has no condition or another attribute has one, when
    /// the partition key's is not `=`, when a value is not of the key's type, is empty or too long.
    pub fn resolve(&self, schema: &KeySchema) -> Result<KeyCondition, ApiError> {
        let partition_name = &schema.partition_key.name;
        let Some(partition) = self.condition(partition_name) else {
            return Err(missed_key_element(partition_name));
        };
        let sort = match (&schema.sort_key, self.conditions.len()) {
            (_, 0 | 1) => None,
            (Some(sort_key), 2) => match self.condition(&sort_key.name) {
                Some(sort) => Some((sort_key, sort)),
                None => return Err(missed_key_element(&sort_key.name)),
            },
            (_, 2) => return Err(unsupported_key_condition()),
            _ => {
                return Err(ApiError::validation(
                    "Conditions can be of length 1 or 2 only".to_owned(),
                ));
            }
        };
        let SortCondition::Eq(partition_key) = partition else {
            return Err(unsupported_key_condition());
        };
        check_key_values(&schema.partition_key, partition)?;
        if let Some((sort_key, sort)) = sort {
            check_key_values(sort_key, sort)?;
        }
        check_partition_key_size(partition_key)?;
        if let Some((_, sort)) = sort {
            sort.values().try_for_each(check_sort_key_size)?;
        }
        Ok(KeyCondition {
            partition_key: partition_key.clone(),
            sort: sort.map(|(_, sort)| sort.clone()),
        })
    }

    fn condition(&self, name: &str) -> Option<&SortCondition> {
        self.conditions
            .iter()
            .find(|other| other.name == name)
            .map(|other| &other.condition)
    }
}

fn missed_key_element(name: &str) -> ApiError {
    ApiError::validation(format!("Query condition missed key schema element: {name}"))
}

fn unsupported_key_condition() -> ApiError {
    ApiError::validation("Query key condition not supported".to_owned())
}

fn check_key_values(key: &KeyAttribute, condition: &SortCondition) -> Result<(), ApiError> {
    for value in condition.values() {
        let empty = match (value, key.scalar_type) {
            (AttributeValue::S(text), ScalarType::S) => text.is_empty().then_some("string"),
            (AttributeValue::B(bytes), ScalarType::B) => bytes.is_empty().then_some("binary"),
            (AttributeValue::N(_), ScalarType::N) => None,
            _ => {
                return Err(ApiError::validation(
                    "One or more parameter values were invalid: \
                     Condition parameter type does not match schema type"
                        .to_owned(),
                ));
            }
        };
        if let Some(kind) = empty {
            return Err(ApiError::validation(format!(
                "One or more parameter values are not valid. The AttributeValue for a key attribute \
                 cannot contain an empty {kind} value. Key: {}",
                key.name
            )));
        }
    }
    Ok(())
}

/// Takes a condition apart into conditions on attributes, or says why it cannot be a key condition.
fn restrict(condition: Condition, found: &mut Vec<AttributeCondition>) -> Result<(), String> {
    let (operator, operands) = match condition {
        Condition::And(inner) => {
            return inner
                .into_iter()
                .try_for_each(|condition| restrict(condition, found));
        }
        Condition::Compare(Comparator::NotEqual, ..) => return Err(invalid_operator("<>")),
        Condition::Or(_) => return Err(invalid_operator("OR")),
        Condition::Not(_) => return Err(invalid_operator("NOT")),
        Condition::In(..) => return Err(invalid_operator("IN")),
        Condition::Exists(_) => return Err(invalid_operator("attribute_exists")),
        Condition::NotExists(_) => return Err(invalid_operator("attribute_not_exists")),
        Condition::HasType(..) => return Err(invalid_operator("attribute_type")),
        Condition::Contains(..) => return Err(invalid_operator("contains")),
        Condition::Compare(comparator, left, right) => match (left, right) {
            (value @ Operand::Value(_), path @ Operand::Path(_)) => (
                KeyOperator::Compare(comparator.flipped()),
                vec![path, value],
            ),
            (left, right) => (KeyOperator::Compare(comparator), vec![left, right]),
        },
        Condition::Between(value, low, high) => (KeyOperator::Between, vec![value, low, high]),
        Condition::BeginsWith(value, prefix) => (KeyOperator::BeginsWith, vec![value, prefix]),
    };
    found.push(attribute_condition(operator, operands)?);
    Ok(())
}

/// The operators a key condition may have.
#[derive(Debug, Clone, Copy)]
enum KeyOperator {
    Compare(Comparator),
    Between,
    BeginsWith,
}

fn invalid_operator(operator: &str) -> String {
    format!("Invalid operator used in KeyConditionExpression: {operator}")
}

fn attribute_condition(
    operator: KeyOperator,
    operands: Vec<Operand>,
) -> Result<AttributeCondition, String> {
    let needs_path_first = match operator {
        KeyOperator::Compare(_) => None,
        KeyOperator::Between => Some("BETWEEN"),
        KeyOperator::BeginsWith => Some("begins_with"),
    };
    if let Some(name) = needs_path_first
        && !matches!(operands.first(), Some(Operand::Path(_)))
    {
        return Err(format!(
            "Invalid condition in KeyConditionExpression: {name} operator must have the key \
             attribute as its first operand"
        ));
    }
    let mut found = None;
    let mut values = Vec::new();
    for operand in operands {
        match operand {
            Operand::Value(value) => values.push(value),
            Operand::Size(_) => {
                return Err("KeyConditionExpressions cannot contain nested operations".to_owned());
            }
            Operand::Path(_) if found.is_some() => {
                return Err(
                    "Invalid condition in KeyConditionExpression: Multiple attribute names \
                            used in one condition"
                        .to_owned(),
                );
            }
            Operand::Path(path) if path.is_nested() => {
                return Err(
                    "KeyConditionExpressions cannot have conditions on nested attributes"
                        .to_owned(),
                );
            }
            Operand::Path(path) => found = Some(path),
        }
    }
    let Some(path) = found else {
        return Err(
            "Invalid condition in KeyConditionExpression: No key attribute specified".to_owned(),
        );
    };
    let mut values = values.into_iter();
    let condition = match (operator, values.next(), values.next()) {
        (KeyOperator::Between, Some(low), Some(high)) => SortCondition::Between(low, high),
        (KeyOperator::BeginsWith, Some(prefix), None) => SortCondition::BeginsWith(prefix),
        (KeyOperator::Compare(Comparator::Equal), Some(value), None) => SortCondition::Eq(value),
        (KeyOperator::Compare(Comparator::Less), Some(value), None) => SortCondition::Lt(value),
        (KeyOperator::Compare(Comparator::LessOrEqual), Some(value), None) => {
            SortCondition::Le(value)
        }
        (KeyOperator::Compare(Comparator::Greater), Some(value), None) => SortCondition::Gt(value),
        (KeyOperator::Compare(Comparator::GreaterOrEqual), Some(value), None) => {
            SortCondition::Ge(value)
        }
        // One path and no size leave exactly the values the operator takes; `<>` was refused above.
        _ => return Err(invalid_operator("<>")),
    };
    Ok(AttributeCondition {
        name: path.attribute().to_owned(),
        condition,
    })
}
