//! The arithmetic of updates: exact numbers, set union and set difference.

use std::collections::BTreeSet;

use crate::{
    error::ApiError,
    number::{Number, NumberError},
    value::AttributeValue,
};

/// Why two values have no sum, union or difference.
#[derive(Debug)]
pub(super) enum ArithmeticError {
    /// One of them has not the type that is needed.
    WrongType,
    /// The result is not a number that can be stored.
    Number(NumberError),
}

impl From<ArithmeticError> for ApiError {
    fn from(error: ArithmeticError) -> Self {
        match error {
            ArithmeticError::WrongType => incorrect_data_type(),
            ArithmeticError::Number(error) => ApiError::validation(error.to_string()),
        }
    }
}

/// `left + right` for the numbers in `SET`.
pub(super) fn plus(
    left: &AttributeValue,
    right: &AttributeValue,
) -> Result<AttributeValue, ArithmeticError> {
    numbers(left, right, Number::checked_add)
}

/// `left - right` for the numbers in `SET`.
pub(super) fn minus(
    left: &AttributeValue,
    right: &AttributeValue,
) -> Result<AttributeValue, ArithmeticError> {
    numbers(left, right, Number::checked_sub)
}

fn numbers(
    left: &AttributeValue,
    right: &AttributeValue,
    operation: impl Fn(Number, Number) -> Result<Number, NumberError>,
) -> Result<AttributeValue, ArithmeticError> {
    match (left, right) {
        (AttributeValue::N(left), AttributeValue::N(right)) => operation(*left, *right)
            .map(AttributeValue::N)
            .map_err(ArithmeticError::Number),
        _ => Err(ArithmeticError::WrongType),
    }
}

/// What `ADD` makes of the current value: a sum, or the members of both sets, old ones first.
pub(super) fn add(
    current: Option<&AttributeValue>,
    added: &AttributeValue,
) -> Result<AttributeValue, ArithmeticError> {
    Ok(match (current, added) {
        (None, added) => added.clone(),
        (Some(AttributeValue::Ss(current)), AttributeValue::Ss(added)) => {
            AttributeValue::Ss(union(current, added))
        }
        (Some(AttributeValue::Ns(current)), AttributeValue::Ns(added)) => {
            AttributeValue::Ns(union(current, added))
        }
        (Some(AttributeValue::Bs(current)), AttributeValue::Bs(added)) => {
            AttributeValue::Bs(union(current, added))
        }
        // Only legacy parameters get here with lists.
        (Some(AttributeValue::L(current)), AttributeValue::L(added)) => {
            AttributeValue::L(current.iter().chain(added).cloned().collect())
        }
        (Some(current), added) => return plus(current, added),
    })
}

/// What `DELETE` leaves of the current value; None when it leaves nothing.
pub(super) fn delete(
    current: &AttributeValue,
    deleted: &AttributeValue,
) -> Result<Option<AttributeValue>, ArithmeticError> {
    let left = match (current, deleted) {
        (AttributeValue::Ss(current), AttributeValue::Ss(deleted)) => {
            difference(current, deleted).map(AttributeValue::Ss)
        }
        (AttributeValue::Ns(current), AttributeValue::Ns(deleted)) => {
            difference(current, deleted).map(AttributeValue::Ns)
        }
        (AttributeValue::Bs(current), AttributeValue::Bs(deleted)) => {
            difference(current, deleted).map(AttributeValue::Bs)
        }
        _ => return Err(ArithmeticError::WrongType),
    };
    Ok(left)
}

fn union<T: Clone + Ord>(current: &[T], added: &[T]) -> Vec<T> {
    let members: BTreeSet<&T> = current.iter().collect();
    let new = added.iter().filter(|member| !members.contains(member));
    current.iter().chain(new).cloned().collect()
}

fn difference<T: Clone + Ord>(current: &[T], deleted: &[T]) -> Option<Vec<T>> {
    let deleted: BTreeSet<&T> = deleted.iter().collect();
    let left: Vec<T> = current
        .iter()
        .filter(|member| !deleted.contains(member))
        .cloned()
        .collect();
    (!left.is_empty()).then_some(left)
}

/// The refusal of a value of the item that has not the type the expression needs.
pub(super) fn incorrect_data_type() -> ApiError {
    ApiError::validation(
        "An operand in the update expression has an incorrect data type".to_owned(),
    )
}
