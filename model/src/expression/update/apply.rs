//! Applies an update expression to an item.
//!
//! Two phases, so that every action sees the item as it was: first all new values are computed from
//! the old item, then the changes are carried out on a copy.
//! Carrying out keeps all list indexes of the text meaning what they meant in the old item: elements
//! are replaced first, then new ones appended in the order of their indexes, and removed last, from
//! the back.

use std::borrow::Cow;

use crate::{
    error::ApiError,
    expression::{DocumentPath, PathElement},
    limits::NESTING_LEVELS_MAX,
    value::{AttributeValue, Item},
};

use super::{
    Change, SetOperand, SetValue, UpdateExpression, UpdateOutcome, arithmetic,
    arithmetic::ArithmeticError,
};

/// See [`UpdateExpression::apply`].
pub(super) fn apply(
    update: &UpdateExpression,
    old: Option<&Item>,
    key: &Item,
) -> Result<UpdateOutcome, ApiError> {
    if old.is_none() && update.is_remove_or_delete_only() {
        return Ok(UpdateOutcome { item: None });
    }
    let current = old.unwrap_or(key);
    let mut writes = Vec::new();
    let mut removals = Vec::new();
    for action in &update.actions {
        let target = &action.target;
        let value = match &action.change {
            Change::Set(value) => Some(set_value(value, current)?.into_owned()),
            Change::Remove => None,
            Change::Add(added) => Some(
                arithmetic::add(target.resolve(current), added)
                    .map_err(|error| update.wording(error))?,
            ),
            Change::Delete(deleted) => match target.resolve(current) {
                Some(value) => {
                    arithmetic::delete(value, deleted).map_err(|error| update.wording(error))?
                }
                None => None,
            },
        };
        match value {
            Some(value) => {
                check_container(target, current)?;
                check_nesting(target, &value)?;
                writes.push((target, value));
            }
            None => {
                // With no item there is nothing a path could miss.
                if old.is_some() {
                    check_container(target, current)?;
                }
                if target.resolve(current).is_some() {
                    removals.push(target);
                }
            }
        }
    }
    let mut item = current.clone();
    let (replaced, mut appended): (Vec<_>, Vec<_>) = writes
        .into_iter()
        .partition(|(target, _)| !is_behind_end(target, current));
    appended.sort_by_key(|(target, _)| *target);
    for (target, value) in replaced.into_iter().chain(appended) {
        write(&mut item, target, value)?;
    }
    removals.sort_by(|left, right| right.cmp(left));
    for target in removals {
        remove(&mut item, target)?;
    }
    Ok(UpdateOutcome { item: Some(item) })
}

impl UpdateExpression {
    /// The service words a value of the wrong type differently for legacy parameters.
    fn wording(&self, error: ArithmeticError) -> ApiError {
        match error {
            ArithmeticError::WrongType if self.generated => {
                ApiError::validation("Type mismatch for attribute to update")
            }
            error => error.into(),
        }
    }
}

/// The right-hand side's value; borrowed where it exists as such.
fn set_value<'v>(value: &'v SetValue, item: &'v Item) -> Result<Cow<'v, AttributeValue>, ApiError> {
    match value {
        SetValue::Operand(operand) => set_operand(operand, item),
        SetValue::Plus(left, right) => {
            arithmetic::plus(&*set_operand(left, item)?, &*set_operand(right, item)?)
                .map(Cow::Owned)
                .map_err(ApiError::from)
        }
        SetValue::Minus(left, right) => {
            arithmetic::minus(&*set_operand(left, item)?, &*set_operand(right, item)?)
                .map(Cow::Owned)
                .map_err(ApiError::from)
        }
    }
}

fn set_operand<'v>(
    operand: &'v SetOperand,
    item: &'v Item,
) -> Result<Cow<'v, AttributeValue>, ApiError> {
    match operand {
        SetOperand::Path(path) => path.resolve(item).map(Cow::Borrowed).ok_or_else(|| {
            ApiError::validation(
                "The provided expression refers to an attribute that does not exist in the item"
                    .to_owned(),
            )
        }),
        SetOperand::Value(value) => Ok(Cow::Borrowed(value)),
        SetOperand::IfNotExists(path, fallback) => match path.resolve(item) {
            Some(value) => Ok(Cow::Borrowed(value)),
            None => set_operand(fallback, item),
        },
        SetOperand::ListAppend(first, second) => {
            let first = set_operand(first, item)?;
            let second = set_operand(second, item)?;
            match (first.as_ref(), second.as_ref()) {
                (AttributeValue::L(first), AttributeValue::L(second)) => {
                    let all = first.iter().chain(second).cloned().collect();
                    Ok(Cow::Owned(AttributeValue::L(all)))
                }
                _ => Err(arithmetic::incorrect_data_type()),
            }
        }
    }
}

/// Refuses a nested target whose container is not in the item, or is of the wrong kind.
fn check_container(target: &DocumentPath, item: &Item) -> Result<(), ApiError> {
    let Some((last, containers)) = target.steps().split_last() else {
        return Ok(());
    };
    let container = resolve_steps(item.get(target.attribute()), containers);
    match (container, last) {
        (Some(AttributeValue::M(_)), PathElement::Attribute(_))
        | (Some(AttributeValue::L(_)), PathElement::Index(_)) => Ok(()),
        _ => Err(invalid_path()),
    }
}

fn resolve_steps<'i>(
    top: Option<&'i AttributeValue>,
    steps: &[PathElement],
) -> Option<&'i AttributeValue> {
    steps
        .iter()
        .try_fold(top?, |value, step| match (value, step) {
            (AttributeValue::M(map), PathElement::Attribute(name)) => map.get(name),
            (AttributeValue::L(list), PathElement::Index(index)) => list.get(*index),
            _ => None,
        })
}

fn invalid_path() -> ApiError {
    ApiError::validation(
        "The document path provided in the update expression is invalid for update".to_owned(),
    )
}

/// Refuses a value that would nest deeper in its new place than an item may.
fn check_nesting(target: &DocumentPath, value: &AttributeValue) -> Result<(), ApiError> {
    let room = NESTING_LEVELS_MAX.saturating_sub(target.steps().len());
    if fits(value, room) {
        return Ok(());
    }
    Err(ApiError::validation(
        "Nesting Levels have exceeded supported limits: \
         Attributes in the item have nested levels beyond supported limit"
            .to_owned(),
    ))
}

/// Whether the value needs no more than `room` levels, its own included.
fn fits(value: &AttributeValue, room: usize) -> bool {
    let Some(inner) = room.checked_sub(1) else {
        return false;
    };
    match value {
        AttributeValue::M(map) => map.values().all(|member| fits(member, inner)),
        AttributeValue::L(list) => list.iter().all(|member| fits(member, inner)),
        _ => true,
    }
}

/// Whether the target is an element of a list, behind its end.
fn is_behind_end(target: &DocumentPath, item: &Item) -> bool {
    matches!(target.steps().last(), Some(PathElement::Index(_))) && target.resolve(item).is_none()
}

/// Puts the value in its place; behind the end of a list means right behind its last element.
fn write(item: &mut Item, target: &DocumentPath, value: AttributeValue) -> Result<(), ApiError> {
    let Some((last, containers)) = target.steps().split_last() else {
        item.insert(target.attribute().to_owned(), value);
        return Ok(());
    };
    match (container_mut(item, target, containers)?, last) {
        (AttributeValue::M(map), PathElement::Attribute(name)) => {
            map.insert(name.clone(), value);
        }
        (AttributeValue::L(list), PathElement::Index(index)) => match list.get_mut(*index) {
            Some(element) => *element = value,
            None => list.push(value),
        },
        _ => return Err(invalid_path()),
    }
    Ok(())
}

fn remove(item: &mut Item, target: &DocumentPath) -> Result<(), ApiError> {
    let Some((last, containers)) = target.steps().split_last() else {
        item.remove(target.attribute());
        return Ok(());
    };
    match (container_mut(item, target, containers)?, last) {
        (AttributeValue::M(map), PathElement::Attribute(name)) => {
            map.remove(name);
        }
        (AttributeValue::L(list), PathElement::Index(index)) if *index < list.len() => {
            list.remove(*index);
        }
        _ => {}
    }
    Ok(())
}

fn container_mut<'i>(
    item: &'i mut Item,
    target: &DocumentPath,
    containers: &[PathElement],
) -> Result<&'i mut AttributeValue, ApiError> {
    let top = item.get_mut(target.attribute());
    let container = containers
        .iter()
        .try_fold(top, |value, step| match (value?, step) {
            (AttributeValue::M(map), PathElement::Attribute(name)) => Some(map.get_mut(name)),
            (AttributeValue::L(list), PathElement::Index(index)) => Some(list.get_mut(*index)),
            _ => None,
        });
    container.flatten().ok_or_else(invalid_path)
}
