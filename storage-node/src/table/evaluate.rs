//! From a write and the current item to a [`Mutation`] and the caller's result: pure.
//!
//! Every outcome, errors included, says something about the current item, so the leader confirms its
//! leadership before it hands out one that wrote nothing.

use std::borrow::Cow;

use stator_model::capacity::write_units;
use stator_model::error::ApiError;
use stator_model::expression::{ConditionExpression, UpdateExpression};
use stator_model::key::KeySchema;
use stator_model::limits::ITEM_SIZE_BYTES_MAX;
use stator_model::value::{AttributeValue, Item, item_size_bytes, items_data_equal};

use super::codec::CodecError;
use super::index_check::ItemRules;
use super::stored::StoredItem;
use crate::cluster::message::ReturnValuesMessage;
use crate::replication::ChangeKind;

/// A write, parsed and validated, its key checked against the table's schema.
#[derive(Debug)]
pub struct WriteOperation {
    /// What to do.
    pub action: WriteAction,
    /// `ConditionExpression`.
    pub condition: Option<ConditionExpression>,
    /// `ReturnValues`.
    pub return_values: ReturnValuesMessage,
    /// `ReturnValuesOnConditionCheckFailure` is `ALL_OLD`.
    pub return_item_on_failure: bool,
}

/// What a write does.
#[derive(Debug)]
pub enum WriteAction {
    /// Replace the item, or create it.
    Put(Item),
    /// Update the item, or create it.
    Update {
        /// The key attributes.
        key: Item,
        /// `UpdateExpression`; without one an absent item is created from its key.
        expression: Option<UpdateExpression>,
    },
    /// Remove the item.
    Delete,
}

/// What to write.
#[derive(Debug, PartialEq)]
pub enum Mutation<'a> {
    /// This is the item now.
    Put(Cow<'a, Item>),
    /// There is no item now.
    Remove,
    /// Nothing changes.
    Nothing,
}

/// The result of a write that its condition allows.
#[derive(Debug)]
pub struct Evaluated<'a> {
    /// What to write.
    pub mutation: Mutation<'a>,
    /// How change records name it.
    pub change: ChangeKind,
    /// `Attributes`; `None` or empty is left out of the answer.
    pub attributes: Option<Item>,
    /// Write capacity units consumed by the table.
    pub units: f64,
}

/// Why a write changes nothing.
#[derive(Debug)]
pub enum EvaluateError {
    /// The caller's error: a failed condition, or an update that the item does not allow.
    Api(ApiError),
    /// The stored item cannot be read.
    Stored(CodecError),
}

impl From<ApiError> for EvaluateError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl From<CodecError> for EvaluateError {
    fn from(error: CodecError) -> Self {
        Self::Stored(error)
    }
}

/// Evaluates `operation` on the `current` item of a table with these `rules`.
///
/// # Errors
/// [`EvaluateError`]: nothing is to be written.
pub fn evaluate<'a>(
    operation: &'a WriteOperation,
    rules: ItemRules<'_>,
    current: Option<&StoredItem>,
) -> Result<Evaluated<'a>, EvaluateError> {
    evaluate_with(operation, rules, current, UpdatedSize::WithActions)
}

/// As [`evaluate`], for an action of a transaction, where the limit on an updated item is that of
/// the item alone (semantics section 2).
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_in_transaction<'a>(
    operation: &'a WriteOperation,
    rules: ItemRules<'_>,
    current: Option<&StoredItem>,
) -> Result<Evaluated<'a>, EvaluateError> {
    evaluate_with(operation, rules, current, UpdatedSize::Flat)
}

/// What the limit on an updated item is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UpdatedSize {
    /// The item, and its size with the cost of the actions in place of the key.
    WithActions,
    /// The item.
    Flat,
}

fn evaluate_with<'a>(
    operation: &'a WriteOperation,
    rules: ItemRules<'_>,
    current: Option<&StoredItem>,
    measured: UpdatedSize,
) -> Result<Evaluated<'a>, EvaluateError> {
    if let WriteAction::Put(item) = &operation.action {
        rules.check_put(item)?;
    }
    let mut old = Old {
        stored: current,
        decoded: None,
    };
    if let Some(condition) = &operation.condition
        && !condition.evaluate(old.item()?)
    {
        let item = if operation.return_item_on_failure {
            old.item()?.cloned()
        } else {
            None
        };
        return Err(ApiError::conditional_check_failed(item).into());
    }
    match &operation.action {
        WriteAction::Put(item) => put(operation, item, old),
        WriteAction::Delete => delete(operation, old),
        WriteAction::Update { key, expression } => {
            update(operation, rules, key, expression.as_ref(), old, measured)
        }
    }
}

/// The current item, decoded at most once and only when something asks.
struct Old<'a> {
    stored: Option<&'a StoredItem>,
    decoded: Option<Item>,
}

impl Old<'_> {
    fn item(&mut self) -> Result<Option<&Item>, CodecError> {
        if let (None, Some(stored)) = (&self.decoded, self.stored) {
            self.decoded = Some(stored.item()?);
        }
        Ok(self.decoded.as_ref())
    }

    fn take(mut self) -> Result<Option<Item>, CodecError> {
        self.item()?;
        Ok(self.decoded)
    }

    fn size_bytes(&self) -> usize {
        self.stored.map_or(0, |stored| stored.size_bytes)
    }
}

fn put<'a>(
    operation: &WriteOperation,
    item: &'a Item,
    mut old: Old<'_>,
) -> Result<Evaluated<'a>, EvaluateError> {
    let size = item_size_bytes(item);
    let units = write_units(old.size_bytes(), size);
    // Equal items have equal sizes, so most puts never decode what they replace.
    let unchanged = old.stored.is_some()
        && old.size_bytes() == size
        && old.item()?.is_some_and(|old| items_data_equal(old, item));
    let change = match (old.stored, unchanged) {
        (None, _) => ChangeKind::Insert,
        (Some(_), false) => ChangeKind::Modify,
        (Some(_), true) => ChangeKind::None,
    };
    let mutation = if unchanged {
        Mutation::Nothing
    } else {
        Mutation::Put(Cow::Borrowed(item))
    };
    let attributes = match operation.return_values {
        ReturnValuesMessage::AllOld => old.take()?,
        _ => None,
    };
    Ok(Evaluated {
        mutation,
        change,
        attributes,
        units,
    })
}

fn delete<'a>(operation: &WriteOperation, old: Old<'_>) -> Result<Evaluated<'a>, EvaluateError> {
    let units = write_units(old.size_bytes(), 0);
    let (mutation, change) = match old.stored {
        Some(_) => (Mutation::Remove, ChangeKind::Remove),
        None => (Mutation::Nothing, ChangeKind::None),
    };
    let attributes = match operation.return_values {
        ReturnValuesMessage::AllOld => old.take()?,
        _ => None,
    };
    Ok(Evaluated {
        mutation,
        change,
        attributes,
        units,
    })
}

fn update<'a>(
    operation: &WriteOperation,
    rules: ItemRules<'_>,
    key: &Item,
    expression: Option<&UpdateExpression>,
    old: Old<'_>,
    measured: UpdatedSize,
) -> Result<Evaluated<'a>, EvaluateError> {
    let old_size = old.size_bytes();
    let old = old.take()?;
    let new = match expression {
        Some(expression) => expression.apply(old.as_ref(), key)?.item,
        None => Some(old.clone().unwrap_or_else(|| key.clone())),
    };
    let new_size = new.as_ref().map_or(0, item_size_bytes);
    if let Some(new) = &new {
        rules.check_update(old.as_ref(), new)?;
        let expression = expression.filter(|_| measured == UpdatedSize::WithActions);
        check_updated_size(rules.key, new, new_size, expression)?;
    }
    let unchanged = match (&old, &new) {
        (Some(old), Some(new)) => items_data_equal(old, new),
        (None, None) => true,
        _ => false,
    };
    let change = match (&old, unchanged) {
        (_, true) => ChangeKind::None,
        (None, false) => ChangeKind::Insert,
        (Some(_), false) => ChangeKind::Modify,
    };
    let attributes = match (operation.return_values, expression) {
        (ReturnValuesMessage::AllOld, _) => old,
        (ReturnValuesMessage::AllNew, _) => new.clone(),
        (ReturnValuesMessage::UpdatedOld, Some(expression)) => expression.updated_old(old.as_ref()),
        (ReturnValuesMessage::UpdatedNew, Some(expression)) => expression.updated_new(new.as_ref()),
        _ => None,
    };
    let mutation = match new {
        Some(new) if !unchanged => Mutation::Put(Cow::Owned(new)),
        _ => Mutation::Nothing,
    };
    Ok(Evaluated {
        mutation,
        change,
        attributes,
        units: write_units(old_size, new_size),
    })
}

/// UpdateItem counts the cost of its actions in place of the key attributes (semantics section 2),
/// so that an item which PutItem accepts can be out of its reach.
fn check_updated_size(
    schema: &KeySchema,
    new: &Item,
    new_size: usize,
    expression: Option<&UpdateExpression>,
) -> Result<(), ApiError> {
    let key_size: usize = schema
        .attributes()
        .filter_map(|attribute| new.get_key_value(&attribute.name))
        .map(|(name, value)| name.len() + AttributeValue::size_bytes(value))
        .sum();
    let cost = expression.map_or(0, UpdateExpression::action_cost_bytes);
    if new_size.max(new_size.saturating_sub(key_size) + cost) > ITEM_SIZE_BYTES_MAX {
        return Err(ApiError::validation(
            "Item size to update has exceeded the maximum allowed size",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
