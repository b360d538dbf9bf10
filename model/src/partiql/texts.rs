//! Statements as expressions: texts and placeholders, which nodes send each other and the engine of
//! expressions understands.
//!
//! The texts are short: a placeholder for each different name and for each value, brackets only where
//! they mean something. An expression has a limit of its own, so that a very long statement can be one
//! that cannot be run; it is refused with the limit's message.

use std::collections::BTreeMap;

use crate::error::ApiError;
use crate::expression::{
    ConditionExpression, DocumentPath, ExpressionContext, ExpressionKind, PathElement,
    UpdateExpression,
};
use crate::value::{AttributeValue, Item};

use super::ast::{Condition, Operand, SetOperand, SetValue, UpdateAction};

/// Expressions with their placeholders.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpressionTexts {
    /// `ConditionExpression` or `FilterExpression`.
    pub condition: Option<String>,
    /// `UpdateExpression`.
    pub update: Option<String>,
    /// `ProjectionExpression`.
    pub projection: Option<String>,
    /// `ExpressionAttributeNames`.
    pub names: Option<BTreeMap<String, String>>,
    /// `ExpressionAttributeValues`.
    pub values: Option<Item>,
}

impl ExpressionTexts {
    /// The placeholders, for parsing the texts.
    pub fn context(&self) -> ExpressionContext<'_> {
        ExpressionContext::new(self.names.as_ref(), self.values.as_ref())
    }

    /// The condition, parsed as a condition of a write or as a filter.
    ///
    /// # Errors
    /// What is wrong with its operands, or that it is too large, without the name of a parameter that
    /// the request does not have.
    pub fn parse_condition(
        &self,
        kind: ExpressionKind,
    ) -> Result<Option<ConditionExpression>, ApiError> {
        self.condition
            .as_deref()
            .map(|text| ConditionExpression::parse(kind, text, &self.context()))
            .transpose()
            .map_err(|error| without_parameter(error, kind))
    }

    /// The update, parsed.
    ///
    /// # Errors
    /// As [`ExpressionTexts::parse_condition`].
    pub fn parse_update(&self) -> Result<Option<UpdateExpression>, ApiError> {
        self.update
            .as_deref()
            .map(|text| UpdateExpression::parse(text, &self.context()))
            .transpose()
            .map_err(|error| without_parameter(error, ExpressionKind::Update))
    }
}

/// The error without `Invalid ConditionExpression: ` before it.
fn without_parameter(error: ApiError, kind: ExpressionKind) -> ApiError {
    let message = error.message.unwrap_or_default();
    let prefix = format!("Invalid {kind}: ");
    ApiError::validation(message.strip_prefix(&prefix).unwrap_or(&message))
}

/// Gives out placeholders and writes with them.
#[derive(Default)]
pub(super) struct Writer {
    placeholders: BTreeMap<String, String>,
    values: Item,
}

impl Writer {
    /// The texts with all placeholders that were given out.
    pub(super) fn finish(self, texts: ExpressionTexts) -> ExpressionTexts {
        let names: BTreeMap<String, String> = self
            .placeholders
            .into_iter()
            .map(|(name, placeholder)| (placeholder, name))
            .collect();
        ExpressionTexts {
            names: (!names.is_empty()).then_some(names),
            values: (!self.values.is_empty()).then_some(self.values),
            ..texts
        }
    }

    /// All of the conditions, joined by `AND` and each fit to stand beside another; `None` for none.
    pub(super) fn all<'c>(
        &mut self,
        conditions: impl IntoIterator<Item = &'c Condition>,
    ) -> Option<String> {
        let mut out = String::new();
        for condition in conditions.into_iter().flat_map(Condition::conjuncts) {
            if !out.is_empty() {
                out.push_str(" AND ");
            }
            self.inner_condition(condition, &mut out);
        }
        (!out.is_empty()).then_some(out)
    }

    /// Top-level attributes for a projection, each once.
    pub(super) fn projection(&mut self, columns: &[DocumentPath]) -> Option<String> {
        let mut attributes: Vec<&str> = columns.iter().map(DocumentPath::attribute).collect();
        attributes.sort_unstable();
        attributes.dedup();
        let names: Vec<String> = attributes.iter().map(|name| self.name(name)).collect();
        (!names.is_empty()).then(|| names.join(","))
    }

    /// The sections of an update.
    pub(super) fn update(&mut self, actions: &[UpdateAction]) -> String {
        let mut sections: [(&str, Vec<String>); 4] = [
            ("SET ", Vec::new()),
            ("REMOVE ", Vec::new()),
            ("ADD ", Vec::new()),
            ("DELETE ", Vec::new()),
        ];
        let [(_, set), (_, remove), (_, add), (_, delete)] = &mut sections;
        for action in actions {
            match action {
                UpdateAction::Set(path, value) => set.push(self.assignment(path, value)),
                UpdateAction::Remove(path) => remove.push(self.path(path)),
                UpdateAction::SetAdd(path, value) => {
                    add.push(format!("{} {}", self.path(path), self.value(value)));
                }
                UpdateAction::SetDelete(path, value) => {
                    delete.push(format!("{} {}", self.path(path), self.value(value)));
                }
            }
        }
        let texts: Vec<String> = sections
            .into_iter()
            .filter(|(_, actions)| !actions.is_empty())
            .map(|(keyword, actions)| format!("{keyword}{}", actions.join(",")))
            .collect();
        texts.join(" ")
    }

    fn assignment(&mut self, path: &DocumentPath, value: &SetValue) -> String {
        let target = self.path(path);
        match value {
            SetValue::Operand(operand) => format!("{target}={}", self.set_operand(operand)),
            SetValue::Plus(left, right) => {
                let (left, right) = (self.set_operand(left), self.set_operand(right));
                format!("{target}={left}+{right}")
            }
            SetValue::Minus(left, right) => {
                let (left, right) = (self.set_operand(left), self.set_operand(right));
                format!("{target}={left}-{right}")
            }
        }
    }

    fn set_operand(&mut self, operand: &SetOperand) -> String {
        match operand {
            SetOperand::Path(path) => self.path(path),
            SetOperand::Value(value) => self.value(value),
            SetOperand::ListAppend(first, second) => {
                let (first, second) = (self.set_operand(first), self.set_operand(second));
                format!("list_append({first},{second})")
            }
            SetOperand::IfNotExists(path, fallback) => {
                let (path, fallback) = (self.path(path), self.set_operand(fallback));
                format!("if_not_exists({path},{fallback})")
            }
        }
    }

    fn condition(&mut self, condition: &Condition, out: &mut String) {
        match condition {
            Condition::And(inner) => self.joined(inner, " AND ", out),
            Condition::Or(inner) => self.joined(inner, " OR ", out),
            Condition::Not(inner) => {
                out.push_str("NOT ");
                self.inner_condition(inner, out);
            }
            predicate => {
                let text = self.predicate(predicate);
                out.push_str(&text);
            }
        }
    }

    fn joined(&mut self, conditions: &[Condition], separator: &str, out: &mut String) {
        for (at, condition) in conditions.iter().enumerate() {
            if at > 0 {
                out.push_str(separator);
            }
            self.inner_condition(condition, out);
        }
    }

    /// A condition inside another, in brackets where it needs them.
    fn inner_condition(&mut self, condition: &Condition, out: &mut String) {
        if matches!(condition, Condition::And(_) | Condition::Or(_)) {
            out.push('(');
            self.condition(condition, out);
            out.push(')');
        } else {
            self.condition(condition, out);
        }
    }

    fn predicate(&mut self, condition: &Condition) -> String {
        match condition {
            // Written by the caller.
            Condition::And(_) | Condition::Or(_) | Condition::Not(_) => String::new(),
            Condition::Compare(comparator, left, right) => {
                let (left, right) = (self.operand(left), self.operand(right));
                format!("{left}{}{right}", comparator.as_str())
            }
            Condition::Between(value, low, high) => {
                let (value, low, high) =
                    (self.operand(value), self.operand(low), self.operand(high));
                format!("{value} BETWEEN {low} AND {high}")
            }
            Condition::In(value, candidates) => {
                let value = self.operand(value);
                let candidates: Vec<String> = candidates
                    .iter()
                    .map(|candidate| self.operand(candidate))
                    .collect();
                format!("{value} IN ({})", candidates.join(","))
            }
            Condition::Exists(path) => format!("attribute_exists({})", self.path(path)),
            Condition::Missing(path) => format!("attribute_not_exists({})", self.path(path)),
            Condition::HasType(operand, type_name) => {
                let (operand, type_name) = (self.operand(operand), self.value(type_name));
                format!("attribute_type({operand},{type_name})")
            }
            Condition::BeginsWith(left, right) => {
                let (left, right) = (self.operand(left), self.operand(right));
                format!("begins_with({left},{right})")
            }
            Condition::Contains(left, right) => {
                let (left, right) = (self.operand(left), self.operand(right));
                format!("contains({left},{right})")
            }
        }
    }

    fn operand(&mut self, operand: &Operand) -> String {
        match operand {
            Operand::Path(path) => self.path(path),
            Operand::Value(value) => self.value(value),
            Operand::Size(path) => format!("size({})", self.path(path)),
        }
    }

    fn path(&mut self, path: &DocumentPath) -> String {
        let mut text = self.name(path.attribute());
        for step in path.steps() {
            match step {
                PathElement::Attribute(name) => {
                    text.push('.');
                    text.push_str(&self.name(name));
                }
                PathElement::Index(index) => text.push_str(&format!("[{index}]")),
            }
        }
        text
    }

    /// The placeholder of a name, the same every time.
    pub(super) fn name(&mut self, name: &str) -> String {
        let next = self.placeholders.len();
        self.placeholders
            .entry(name.to_owned())
            .or_insert_with(|| format!("#{next}"))
            .clone()
    }

    fn value(&mut self, value: &AttributeValue) -> String {
        let placeholder = format!(":{}", self.values.len());
        self.values.insert(placeholder.clone(), value.clone());
        placeholder
    }
}
