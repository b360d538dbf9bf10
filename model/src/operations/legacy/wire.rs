//! Legacy parameters as they come in and as a client sends them.

use std::collections::BTreeMap;

use serde::de::MapAccess;

use super::{
    AttributeUpdates, AttributeValueUpdate, Condition, Conditions, Expected, ExpectedAttributeValue,
};
use crate::json::read::{List, Member, Members};
use crate::json::write::{Object, write_list, write_text, write_value};
use crate::json::{OptionalValue, Value};
use crate::operations::constraints::Constraints;
use crate::operations::parameters::{ComparisonOperator, ConditionalOperator};
use crate::value::AttributeValue;

/// An entry as it comes in, to be checked against the model's constraints.
pub(crate) trait Entry {
    /// The entry when its words are known.
    type Checked: Default;

    /// Takes note of broken constraints; `path` leads to the entry.
    fn check(self, path: &str, constraints: &mut Constraints) -> Self::Checked;
}

/// Checks the entries of a map; `member` is its name in lowerCamel.
pub(crate) fn checked<E: Entry>(
    member: &str,
    entries: Option<BTreeMap<String, E>>,
    constraints: &mut Constraints,
) -> Option<BTreeMap<String, E::Checked>> {
    let entries = entries?.into_iter();
    let checked = entries.map(|(name, entry)| {
        let entry = entry.check(&format!("{member}.{name}.member"), constraints);
        (name, entry)
    });
    Some(checked.collect())
}

/// An entry of `KeyConditions`, `QueryFilter` or `ScanFilter`.
#[derive(Default)]
pub(crate) struct ConditionWire {
    comparison_operator: Option<String>,
    attribute_value_list: Option<Vec<AttributeValue>>,
}

impl Members for ConditionWire {
    const CLASS: &'static str = "Condition";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "ComparisonOperator" => self.comparison_operator = value.text()?,
            "AttributeValueList" => self.attribute_value_list = value.read(List(Value::TOP))?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl Entry for ConditionWire {
    type Checked = Condition;

    fn check(self, path: &str, constraints: &mut Constraints) -> Condition {
        let path = format!("{path}.comparisonOperator");
        constraints.require(&path, self.comparison_operator.as_ref());
        Condition {
            comparison_operator: comparison_operator(
                &path,
                self.comparison_operator.as_deref(),
                constraints,
            )
            .unwrap_or_default(),
            attribute_value_list: self.attribute_value_list,
        }
    }
}

/// An entry of `Expected`.
#[derive(Default)]
pub(crate) struct ExpectedWire {
    value: Option<AttributeValue>,
    exists: Option<bool>,
    comparison_operator: Option<String>,
    attribute_value_list: Option<Vec<AttributeValue>>,
}

impl Members for ExpectedWire {
    const CLASS: &'static str = "ExpectedAttributeValue";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Value" => self.value = value.read(OptionalValue)?,
            "Exists" => self.exists = value.boolean()?,
            "ComparisonOperator" => self.comparison_operator = value.text()?,
            "AttributeValueList" => self.attribute_value_list = value.read(List(Value::TOP))?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl Entry for ExpectedWire {
    type Checked = ExpectedAttributeValue;

    fn check(self, path: &str, constraints: &mut Constraints) -> ExpectedAttributeValue {
        ExpectedAttributeValue {
            value: self.value,
            exists: self.exists,
            comparison_operator: comparison_operator(
                &format!("{path}.comparisonOperator"),
                self.comparison_operator.as_deref(),
                constraints,
            ),
            attribute_value_list: self.attribute_value_list,
        }
    }
}

/// An entry of `AttributeUpdates`.
#[derive(Default)]
pub(crate) struct UpdateWire {
    value: Option<AttributeValue>,
    action: Option<String>,
}

impl Members for UpdateWire {
    const CLASS: &'static str = "AttributeValueUpdate";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Value" => self.value = value.read(OptionalValue)?,
            "Action" => self.action = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl Entry for UpdateWire {
    type Checked = AttributeValueUpdate;

    fn check(self, path: &str, constraints: &mut Constraints) -> AttributeValueUpdate {
        let action = constraints.parameter(&format!("{path}.action"), self.action.as_deref());
        AttributeValueUpdate {
            value: self.value,
            action: action.unwrap_or_default(),
        }
    }
}

fn comparison_operator(
    path: &str,
    word: Option<&str>,
    constraints: &mut Constraints,
) -> Option<ComparisonOperator> {
    constraints.parameter(path, word)
}

impl Object<'_> {
    /// Writes `AttributesToGet`, if a request has it.
    pub(crate) fn attributes_to_get(&mut self, attributes: Option<&[String]>) {
        if let Some(attributes) = attributes {
            write_list(
                attributes,
                self.member("AttributesToGet"),
                |name: &String, out: &mut Vec<u8>| write_text(name, out),
            );
        }
    }

    /// Writes `ConditionalOperator`, if a request has it.
    pub(crate) fn conditional_operator(&mut self, operator: Option<ConditionalOperator>) {
        self.optional_text(
            "ConditionalOperator",
            operator.map(ConditionalOperator::as_str),
        );
    }

    /// Writes `KeyConditions`, `QueryFilter` or `ScanFilter`, if a request has it.
    pub(crate) fn conditions(&mut self, member: &str, conditions: Option<&Conditions>) {
        let Some(conditions) = conditions else { return };
        let mut map = Object::begin(self.member(member));
        for (name, condition) in conditions {
            let mut entry = Object::begin(map.member(name));
            entry.text("ComparisonOperator", condition.comparison_operator.as_str());
            entry.value_list(condition.attribute_value_list.as_deref());
            entry.end();
        }
        map.end();
    }

    /// Writes `Expected`, if a request has it.
    pub(crate) fn expected(&mut self, expected: Option<&Expected>) {
        let Some(expected) = expected else { return };
        let mut map = Object::begin(self.member("Expected"));
        for (name, attribute) in expected {
            let mut entry = Object::begin(map.member(name));
            if let Some(value) = &attribute.value {
                write_value(value, entry.member("Value"));
            }
            entry.optional_boolean("Exists", attribute.exists);
            entry.optional_text(
                "ComparisonOperator",
                attribute
                    .comparison_operator
                    .map(ComparisonOperator::as_str),
            );
            entry.value_list(attribute.attribute_value_list.as_deref());
            entry.end();
        }
        map.end();
    }

    /// Writes `AttributeUpdates`, if a request has it.
    pub(crate) fn attribute_updates(&mut self, updates: Option<&AttributeUpdates>) {
        let Some(updates) = updates else { return };
        let mut map = Object::begin(self.member("AttributeUpdates"));
        for (name, update) in updates {
            let mut entry = Object::begin(map.member(name));
            if let Some(value) = &update.value {
                write_value(value, entry.member("Value"));
            }
            entry.text("Action", update.action.as_str());
            entry.end();
        }
        map.end();
    }

    fn value_list(&mut self, values: Option<&[AttributeValue]>) {
        if let Some(values) = values {
            write_list(values, self.member("AttributeValueList"), write_value);
        }
    }
}
