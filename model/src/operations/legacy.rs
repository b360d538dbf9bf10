//! Parameters from before there were expressions: `Expected`, `AttributeUpdates`, `KeyConditions`,
//! `QueryFilter`, `ScanFilter`, `AttributesToGet`, `ConditionalOperator`.
//!
//! They are checked by their own rules, with their own texts, and then written as expressions: what
//! evaluates a request, here or on another node, knows expressions only. The texts are not a client's,
//! so that no limit on expressions holds for them; see [`ExpressionContext::trusted`].
//!
//! Source: developer guide, "Legacy conditional parameters".

mod conditions;
mod updates;
mod wire;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::expression::{ExpressionContext, generated};
use crate::operations::parameters::{AttributeAction, ComparisonOperator, ConditionalOperator};
use crate::value::{AttributeValue, Item};

pub(crate) use conditions::{check_attributes_to_get, check_conditional_operator};
pub(crate) use wire::{ConditionWire, ExpectedWire, UpdateWire, checked};

/// One entry of `KeyConditions`, `QueryFilter` or `ScanFilter`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// How the attribute compares.
    pub comparison_operator: ComparisonOperator,
    /// With what.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

/// One entry of `Expected`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpectedAttributeValue {
    /// What the attribute must equal, or compare with.
    pub value: Option<AttributeValue>,
    /// Whether the attribute must exist.
    pub exists: Option<bool>,
    /// How the attribute compares.
    pub comparison_operator: Option<ComparisonOperator>,
    /// With what.
    pub attribute_value_list: Option<Vec<AttributeValue>>,
}

/// One entry of `AttributeUpdates`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributeValueUpdate {
    /// The new value, or what is added or removed.
    pub value: Option<AttributeValue>,
    /// What happens to the attribute.
    pub action: AttributeAction,
}

/// `KeyConditions`, `QueryFilter` or `ScanFilter`, by the attribute's name.
pub type Conditions = BTreeMap<String, Condition>;

/// `Expected`, by the attribute's name.
pub type Expected = BTreeMap<String, ExpectedAttributeValue>;

/// `AttributeUpdates`, by the attribute's name.
pub type AttributeUpdates = BTreeMap<String, AttributeValueUpdate>;

/// The expressions of a request as texts with their placeholders: those that the client sent, or
/// those that say what its legacy parameters say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expressions {
    /// `ConditionExpression`.
    pub condition: Option<String>,
    /// `UpdateExpression`.
    pub update: Option<String>,
    /// `KeyConditionExpression`.
    pub key_condition: Option<String>,
    /// `FilterExpression`.
    pub filter: Option<String>,
    /// `ProjectionExpression`.
    pub projection: Option<String>,
    /// `ExpressionAttributeNames`.
    pub names: Option<BTreeMap<String, String>>,
    /// `ExpressionAttributeValues`.
    pub values: Option<Item>,
    /// Whether they stand for legacy parameters.
    pub from_legacy: bool,
}

impl Expressions {
    /// The context that the texts are parsed in.
    pub fn context(&self) -> ExpressionContext<'_> {
        let (names, values) = (self.names.as_ref(), self.values.as_ref());
        if self.from_legacy {
            ExpressionContext::trusted(names, values)
        } else {
            ExpressionContext::new(names, values)
        }
    }
}

/// Writes legacy parameters as expressions.
#[derive(Default)]
pub(crate) struct Rewriter {
    expressions: Expressions,
}

impl Rewriter {
    /// `Expected`.
    ///
    /// # Errors
    /// A ValidationException: an entry contradicts itself or compares what cannot be compared.
    pub(crate) fn expected(
        &mut self,
        expected: Expected,
        operator: Option<ConditionalOperator>,
    ) -> Result<(), ApiError> {
        let mut all = Vec::with_capacity(expected.len());
        for (name, entry) in expected {
            let condition = conditions::of_expected(&name, entry)?;
            all.push((name, condition));
        }
        self.expressions.condition = self.joined(all, operator);
        Ok(())
    }

    /// `AttributeUpdates`.
    ///
    /// # Errors
    /// A ValidationException: an action does not go with its value.
    pub(crate) fn attribute_updates(&mut self, updates: AttributeUpdates) -> Result<(), ApiError> {
        self.expressions.update = updates::write(self, updates)?.as_deref().map(generated);
        Ok(())
    }

    /// `QueryFilter` or `ScanFilter`.
    ///
    /// # Errors
    /// A ValidationException: an entry compares what cannot be compared.
    pub(crate) fn filter(
        &mut self,
        filter: Conditions,
        operator: Option<ConditionalOperator>,
    ) -> Result<(), ApiError> {
        let mut all = Vec::with_capacity(filter.len());
        for (name, entry) in filter {
            all.push((name, conditions::of_condition(entry)?));
        }
        self.expressions.filter = self.joined(all, operator);
        Ok(())
    }

    /// `KeyConditions`.
    ///
    /// # Errors
    /// A ValidationException: not one or two conditions, or one that no key can be found by.
    pub(crate) fn key_conditions(&mut self, keys: Conditions) -> Result<(), ApiError> {
        let mut all = Vec::with_capacity(keys.len());
        for (name, entry) in keys {
            all.push((name, conditions::of_condition(entry)?));
        }
        conditions::check_key_conditions(&all)?;
        self.expressions.key_condition = self.joined(all, None);
        Ok(())
    }

    /// `AttributesToGet`, checked before.
    pub(crate) fn attributes_to_get(&mut self, attributes: &[String]) {
        let paths: Vec<String> = attributes.iter().map(|name| self.name(name)).collect();
        self.expressions.projection = Some(generated(&paths.join(", ")));
    }

    /// All that was written.
    pub(crate) fn finish(mut self) -> Expressions {
        self.expressions.from_legacy = true;
        self.expressions
    }

    fn joined(
        &mut self,
        conditions: Vec<(String, conditions::Checked)>,
        operator: Option<ConditionalOperator>,
    ) -> Option<String> {
        let separator = match operator.unwrap_or_default() {
            ConditionalOperator::And => " AND ",
            ConditionalOperator::Or => " OR ",
        };
        let texts: Vec<String> = conditions
            .into_iter()
            .map(|(name, condition)| condition.write(self, &name))
            .collect();
        (!texts.is_empty()).then(|| generated(&texts.join(separator)))
    }

    /// A placeholder for the attribute of that name.
    fn name(&mut self, attribute: &str) -> String {
        let names = self.expressions.names.get_or_insert_default();
        let placeholder = format!("#n{}", names.len());
        names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    /// A placeholder for the value.
    fn value(&mut self, value: AttributeValue) -> String {
        let values = self.expressions.values.get_or_insert_default();
        let placeholder = format!(":v{}", values.len());
        values.insert(placeholder.clone(), value);
        placeholder
    }
}
