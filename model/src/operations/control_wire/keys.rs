//! Attribute definitions and key schemas before their rules are checked.

use serde::de::MapAccess;

use crate::json::read::{Member, Members};
use crate::key::ScalarType;
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::table::{AttributeDefinition, KeySchemaElement, KeyType};

/// An attribute definition before it is checked.
#[derive(Default)]
pub(crate) struct AttributeDefinitionWire {
    attribute_name: Option<String>,
    attribute_type: Option<String>,
}

impl Members for AttributeDefinitionWire {
    const CLASS: &'static str = "AttributeDefinition";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "AttributeName" => self.attribute_name = value.text()?,
            "AttributeType" => self.attribute_type = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// Gathers the model's constraints on definitions.
pub(crate) fn constrain_definitions(
    given: &[AttributeDefinitionWire],
    constraints: &mut Constraints,
) {
    for (at, definition) in given.iter().enumerate() {
        let path = format!("attributeDefinitions.{}.member", at + 1);
        constrain_attribute_name(&path, definition.attribute_name.as_deref(), constraints);
        let path = format!("{path}.attributeType");
        constraints.require(&path, definition.attribute_type.as_ref());
        constraints.word(
            &path,
            definition.attribute_type.as_deref(),
            "[B, N, S]",
            ScalarType::from_name,
        );
    }
}

/// The definitions that passed [`constrain_definitions`].
pub(crate) fn definitions(given: &[AttributeDefinitionWire]) -> Vec<AttributeDefinition> {
    given
        .iter()
        .filter_map(|definition| {
            Some(AttributeDefinition {
                attribute_name: definition.attribute_name.clone()?,
                attribute_type: ScalarType::from_name(definition.attribute_type.as_deref()?)?,
            })
        })
        .collect()
}

/// A key element before it is checked.
#[derive(Default)]
pub(crate) struct KeySchemaElementWire {
    attribute_name: Option<String>,
    key_type: Option<String>,
}

impl Members for KeySchemaElementWire {
    const CLASS: &'static str = "KeySchemaElement";

    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "AttributeName" => self.attribute_name = value.text()?,
            "KeyType" => self.key_type = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

/// Gathers the model's constraints on a key schema; answers its elements, which mean something only
/// if no constraint is broken.
pub(crate) fn constrain_key_schema(
    path: &str,
    elements: Option<&[KeySchemaElementWire]>,
    length_max: usize,
    constraints: &mut Constraints,
) -> Vec<KeySchemaElement> {
    let Some(elements) = elements else {
        constraints.add_null(path);
        return Vec::new();
    };
    if elements.is_empty() {
        constraints.add(path, "[]", "have length greater than or equal to 1");
    } else if elements.len() > length_max {
        let shown: Vec<String> = elements.iter().map(show_element).collect();
        constraints.add(
            path,
            format!("[{}]", shown.join(", ")),
            &format!("have length less than or equal to {length_max}"),
        );
    }
    let elements = elements.iter().enumerate();
    elements
        .filter_map(|(at, element)| {
            let path = format!("{path}.{}.member", at + 1);
            constrain_attribute_name(&path, element.attribute_name.as_deref(), constraints);
            let path = format!("{path}.keyType");
            constraints.require(&path, element.key_type.as_ref());
            let key_type = constraints.word(
                &path,
                element.key_type.as_deref(),
                "[HASH, RANGE]",
                KeyType::from_name,
            );
            Some(KeySchemaElement {
                attribute_name: element.attribute_name.clone()?,
                key_type: key_type?,
            })
        })
        .collect()
}

fn show_element(element: &KeySchemaElementWire) -> String {
    format!(
        "KeySchemaElement(attributeName={}, keyType={})",
        element.attribute_name.as_deref().unwrap_or("null"),
        element.key_type.as_deref().unwrap_or("null")
    )
}

fn constrain_attribute_name(path: &str, name: Option<&str>, constraints: &mut Constraints) {
    let path = format!("{path}.attributeName");
    match name {
        None => constraints.add_null(&path),
        Some(name) => constraints.length(&path, name, 1, limits::KEY_ATTRIBUTE_NAME_LENGTH_MAX),
    }
}
