//! `INSERT`, `UPDATE` and `DELETE` as writes of one item.

use crate::error::ApiError;
use crate::expression::{ConditionExpression, ExpressionKind, UpdateExpression};
use crate::key::{KeySchema, PrimaryKey};
use crate::limits::ITEM_SIZE_BYTES_MAX;
use crate::operations::ReturnValues;
use crate::value::{AttributeValue, Item, item_size_bytes};

use super::ast::{Condition, Delete, Insert, Select, Update};
use super::parser::KEY_REQUIRED;
use super::texts::{ExpressionTexts, Writer};

/// A write of one item.
#[derive(Debug)]
pub struct ItemWritePlan {
    /// The item's key.
    pub key: PrimaryKey,
    /// The key attributes, or for an `INSERT` the whole item.
    pub item: Item,
    /// What to do with it.
    pub kind: WriteKind,
    /// What must hold, parsed from [`ItemWritePlan::texts`].
    pub condition: Option<ConditionExpression>,
    /// What to answer of the item.
    pub return_values: ReturnValues,
    /// The expressions as text.
    pub texts: ExpressionTexts,
}

/// What a write does.
#[derive(Debug)]
pub enum WriteKind {
    /// Makes the item.
    Put,
    /// Changes it.
    Update(UpdateExpression),
    /// Removes it.
    Delete,
    /// Only looks at it, in a transaction.
    Check,
}

impl Insert {
    /// The put that the statement means: of an item that must not exist.
    ///
    /// # Errors
    /// A ValidationException for a key that does not fit the schema, or an item that is too large.
    pub fn plan(&self, schema: &KeySchema) -> Result<ItemWritePlan, ApiError> {
        let key = schema.key_of_item(&self.item)?;
        if item_size_bytes(&self.item) > ITEM_SIZE_BYTES_MAX {
            return Err(ApiError::validation(
                "Item size has exceeded the maximum allowed size",
            ));
        }
        let mut writer = Writer::default();
        let name = writer.name(&schema.partition_key.name);
        let texts = writer.finish(ExpressionTexts {
            condition: Some(format!("attribute_not_exists({name})")),
            ..ExpressionTexts::default()
        });
        Ok(ItemWritePlan {
            key,
            item: self.item.clone(),
            kind: WriteKind::Put,
            condition: texts.parse_condition(ExpressionKind::Condition)?,
            return_values: ReturnValues::None,
            texts,
        })
    }
}

impl Update {
    /// The update that the statement means: of an item that must exist.
    ///
    /// # Errors
    /// A ValidationException for a condition that does not name one item, or an update that is not
    /// possible.
    pub fn plan(&self, schema: &KeySchema) -> Result<ItemWritePlan, ApiError> {
        check_no_index(self.index.as_deref())?;
        let target = Target::of(self.condition.as_ref(), schema)?;
        let key = schema.key_from_map(&target.key)?;
        let mut writer = Writer::default();
        let name = writer.name(&schema.partition_key.name);
        let exists = format!("attribute_exists({name})");
        let condition = match writer.all(target.rest) {
            Some(rest) => format!("{exists} AND {rest}"),
            None => exists,
        };
        let texts = ExpressionTexts {
            condition: Some(condition),
            update: Some(writer.update(&self.actions)),
            ..ExpressionTexts::default()
        };
        let texts = writer.finish(texts);
        let update = texts
            .parse_update()?
            .ok_or_else(|| ApiError::validation(KEY_REQUIRED))?;
        update.check_key_targets(schema)?;
        let condition = texts.parse_condition(ExpressionKind::Condition)?;
        check_scalar_keys(condition.as_ref(), schema)?;
        Ok(ItemWritePlan {
            key,
            item: target.key,
            kind: WriteKind::Update(update),
            condition,
            return_values: self.returning,
            texts,
        })
    }

    /// Refuses what no table could make right.
    ///
    /// # Errors
    /// A ValidationException.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        check_condition(self.condition.as_ref())?;
        let mut writer = Writer::default();
        let update = Some(writer.update(&self.actions));
        let texts = writer.finish(ExpressionTexts {
            update,
            ..ExpressionTexts::default()
        });
        texts.parse_update().map(|_| ())
    }
}

impl Delete {
    /// The deletion that the statement means. An item that is not there is no error; one that is has to
    /// satisfy the condition.
    ///
    /// # Errors
    /// A ValidationException for a condition that does not name one item.
    pub fn plan(&self, schema: &KeySchema) -> Result<ItemWritePlan, ApiError> {
        check_no_index(self.index.as_deref())?;
        let target = Target::of(self.condition.as_ref(), schema)?;
        let key = schema.key_from_map(&target.key)?;
        let mut writer = Writer::default();
        let condition = match target.rest.as_slice() {
            [] => None,
            rest => {
                let name = writer.name(&schema.partition_key.name);
                let satisfied = writer.all(rest.iter().copied()).unwrap_or_default();
                let satisfied = if rest.len() > 1 {
                    format!("({satisfied})")
                } else {
                    satisfied
                };
                Some(format!("attribute_not_exists({name}) OR {satisfied}"))
            }
        };
        let texts = writer.finish(ExpressionTexts {
            condition,
            ..ExpressionTexts::default()
        });
        let condition = texts.parse_condition(ExpressionKind::Condition)?;
        check_scalar_keys(condition.as_ref(), schema)?;
        Ok(ItemWritePlan {
            key,
            item: target.key,
            kind: WriteKind::Delete,
            condition,
            return_values: self.returning,
            texts,
        })
    }
}

impl Select {
    /// The condition check that `EXISTS(SELECT …)` means in a transaction.
    ///
    /// # Errors
    /// A ValidationException unless the condition names one item and says more about it.
    pub fn plan_check(&self, schema: &KeySchema) -> Result<ItemWritePlan, ApiError> {
        let invalid = || {
            ApiError::validation(
                "EXISTS() must contain a single item read with additional condition",
            )
        };
        let target = Target::of(self.condition.as_ref(), schema).map_err(|_| invalid())?;
        if target.rest.is_empty() || self.index.is_some() {
            return Err(invalid());
        }
        let key = schema.key_from_map(&target.key)?;
        let mut writer = Writer::default();
        let condition = writer.all(target.rest);
        let texts = writer.finish(ExpressionTexts {
            condition,
            ..ExpressionTexts::default()
        });
        let condition = texts.parse_condition(ExpressionKind::Condition)?;
        check_scalar_keys(condition.as_ref(), schema)?;
        Ok(ItemWritePlan {
            key,
            item: target.key,
            kind: WriteKind::Check,
            condition,
            return_values: ReturnValues::None,
            texts,
        })
    }

    /// The key of the one item that the condition names, if it says nothing else.
    ///
    /// # Errors
    /// A ValidationException for a key that does not fit the schema.
    pub fn single_key(&self, schema: &KeySchema) -> Result<Option<PrimaryKey>, ApiError> {
        match Target::of(self.condition.as_ref(), schema) {
            Ok(target) if target.rest.is_empty() => schema.key_from_map(&target.key).map(Some),
            _ => Ok(None),
        }
    }
}

/// The error of a transaction for a write that does not name one item of its table.
pub fn key_mismatch() -> ApiError {
    ApiError::validation("The provided key element does not match the schema")
}

/// The primary key that the condition pins down, whatever else it says.
pub(super) fn target_key(condition: Option<&Condition>, schema: &KeySchema) -> Option<PrimaryKey> {
    let target = Target::of(condition, schema).ok()?;
    schema.key_from_map(&target.key).ok()
}

/// Which item a condition names, and what else it says.
struct Target<'c> {
    key: Item,
    rest: Vec<&'c Condition>,
}

impl<'c> Target<'c> {
    fn of(condition: Option<&'c Condition>, schema: &KeySchema) -> Result<Self, ApiError> {
        let mut key = Item::new();
        let mut rest = Vec::new();
        for conjunct in condition.map(Condition::conjuncts).unwrap_or_default() {
            match conjunct.as_equality() {
                Some((name, value)) if schema.contains(name) => {
                    let known = key.entry(name.to_owned()).or_insert_with(|| value.clone());
                    if !AttributeValue::data_equal(known, value) {
                        return Err(ApiError::validation(format!(
                            "Multiple conditions on same key {name}. Only single item \
                             Update/Insert/Delete are supported"
                        )));
                    }
                }
                _ => rest.push(conjunct),
            }
        }
        if key.len() < schema.attributes().count() {
            return Err(ApiError::validation(KEY_REQUIRED));
        }
        Ok(Self { key, rest })
    }
}

/// Refuses a condition that no table could make right.
pub(super) fn check_condition(condition: Option<&Condition>) -> Result<(), ApiError> {
    let mut writer = Writer::default();
    let condition = writer.all(condition);
    let texts = writer.finish(ExpressionTexts {
        condition,
        ..ExpressionTexts::default()
    });
    texts.parse_condition(ExpressionKind::Condition).map(|_| ())
}

fn check_no_index(index: Option<&str>) -> Result<(), ApiError> {
    match index {
        Some(_) => Err(ApiError::validation(
            "This operation is not supported on an index",
        )),
        None => Ok(()),
    }
}

fn check_scalar_keys(
    condition: Option<&ConditionExpression>,
    schema: &KeySchema,
) -> Result<(), ApiError> {
    condition.map_or(Ok(()), |condition| {
        condition.check_key_attributes_scalar(schema)
    })
}
