//! Condition and filter expressions: a truth about an item.
//!
//! Source: developer guide, "Condition and filter expressions, operators, and functions".

mod check;
mod evaluate;
pub(super) mod parse;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::{
    error::ApiError,
    key::KeySchema,
    value::{AttributeValue, Item},
};

pub(super) use self::evaluate::{begins_with, order};
use self::parse::RawCondition;
use super::{
    DocumentPath, ExpressionContext, ExpressionKind, compile::parse_all, lexer::Comparator,
};

/// A parsed and checked `ConditionExpression` or `FilterExpression`.
#[derive(Debug, Clone)]
pub struct ConditionExpression {
    root: Condition,
    /// Written for legacy parameters.
    generated: bool,
}

/// A node of the condition; depth is bounded by that of the brackets in the text.
#[derive(Debug, Clone)]
pub(super) enum Condition {
    /// True when all are.
    And(Vec<Condition>),
    /// True when one is.
    Or(Vec<Condition>),
    /// True when the inner one is false.
    Not(Box<Condition>),
    /// The operands in the relation of the comparator.
    Compare(Comparator, Operand, Operand),
    /// The first at least the second and at most the third.
    Between(Operand, Operand, Operand),
    /// The first equal to one of the others.
    In(Operand, Vec<Operand>),
    /// `attribute_exists`.
    Exists(DocumentPath),
    /// `attribute_not_exists`.
    NotExists(DocumentPath),
    /// `attribute_type`; the type by its wire name.
    HasType(Operand, String),
    /// `begins_with`.
    BeginsWith(Operand, Operand),
    /// `contains`.
    Contains(Operand, Operand),
}

/// Where an operand's value comes from.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    /// From the item.
    Path(DocumentPath),
    /// From the request.
    Value(AttributeValue),
    /// `size` of either.
    Size(Box<Operand>),
}

impl ConditionExpression {
    /// Parses and checks the text of a condition or a filter.
    ///
    /// # Errors
    ///
    /// A ValidationException with the service's message for the first mistake, in the service's order:
    /// size, syntax, operator count, brackets, functions, reserved words, then placeholders and
    /// operand types predicate by predicate.
    pub fn parse(
        kind: ExpressionKind,
        text: &str,
        context: &ExpressionContext<'_>,
    ) -> Result<Self, ApiError> {
        let raw = Self::parse_raw(kind, text, context)?;
        let root =
            check::compile(&raw, context).map_err(|message| context.error(kind, &message))?;
        let generated = context.source(text).generated;
        Ok(Self { root, generated })
    }

    fn parse_raw<'t>(
        kind: ExpressionKind,
        text: &'t str,
        context: &ExpressionContext<'_>,
    ) -> Result<RawCondition<'t>, ApiError> {
        let raw = parse_all(kind, text, context, parse::condition)?;
        check::check_words(&raw).map_err(|message| context.error(kind, &message))?;
        Ok(raw)
    }

    /// Whether the condition holds for the item, or for there being no item.
    ///
    /// Missing attributes and unfit types make a predicate false, never an error (for `<>` and
    /// `attribute_not_exists` a missing attribute makes it true).
    pub fn evaluate(&self, item: Option<&Item>) -> bool {
        evaluate::holds(&self.root, item)
    }

    /// The names of all top-level attributes the condition mentions.
    pub fn attributes(&self) -> BTreeSet<&str> {
        let mut names = BTreeSet::new();
        self.root.visit_paths(&mut |path| {
            names.insert(path.attribute());
        });
        names
    }

    /// Refuses paths that go inside a key attribute of the table.
    ///
    /// # Errors
    ///
    /// A ValidationException that names the attribute.
    pub fn check_key_attributes_scalar(&self, schema: &KeySchema) -> Result<(), ApiError> {
        self.check_paths(schema, &|path, _| path.is_nested(), |name| {
            format!(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are \
                 not allowed: Key: {name}"
            )
        })
    }

    /// Refuses a filter of Query that mentions a key attribute of the table or index it queries.
    ///
    /// # Errors
    ///
    /// A ValidationException that names the attribute.
    pub fn check_no_key_attributes(&self, schema: &KeySchema) -> Result<(), ApiError> {
        let filter = if self.generated {
            "QueryFilter"
        } else {
            "Filter Expression"
        };
        self.check_paths(schema, &|_, _| true, |name| {
            format!(
                "{filter} can only contain non-primary key attributes: \
                 Primary key attribute: {name}"
            )
        })
    }

    fn check_paths(
        &self,
        schema: &KeySchema,
        refused: &dyn Fn(&DocumentPath, &str) -> bool,
        message: impl Fn(&str) -> String,
    ) -> Result<(), ApiError> {
        let mut found = None;
        self.root.visit_paths(&mut |path| {
            let name = path.attribute();
            if found.is_none() && schema.contains(name) && refused(path, name) {
                found = Some(message(name));
            }
        });
        found.map_or(Ok(()), |message| Err(ApiError::validation(message)))
    }
}

/// Parses a key condition as far as it is a condition like any other.
pub(super) fn compile_key_condition(
    text: &str,
    context: &ExpressionContext<'_>,
) -> Result<Condition, ApiError> {
    ConditionExpression::parse(ExpressionKind::KeyCondition, text, context)
        .map(|condition| condition.root)
}

impl Condition {
    fn visit_paths<'c>(&'c self, visit: &mut dyn FnMut(&'c DocumentPath)) {
        match self {
            Self::And(inner) | Self::Or(inner) => {
                inner
                    .iter()
                    .for_each(|condition| condition.visit_paths(visit));
            }
            Self::Not(inner) => inner.visit_paths(visit),
            Self::Compare(_, left, right)
            | Self::BeginsWith(left, right)
            | Self::Contains(left, right) => {
                left.visit_paths(visit);
                right.visit_paths(visit);
            }
            Self::Between(value, low, high) => {
                [value, low, high]
                    .into_iter()
                    .for_each(|operand| operand.visit_paths(visit));
            }
            Self::In(value, candidates) => {
                value.visit_paths(visit);
                candidates
                    .iter()
                    .for_each(|candidate| candidate.visit_paths(visit));
            }
            Self::Exists(path) | Self::NotExists(path) => visit(path),
            Self::HasType(value, _) => value.visit_paths(visit),
        }
    }
}

impl Operand {
    fn visit_paths<'c>(&'c self, visit: &mut dyn FnMut(&'c DocumentPath)) {
        match self {
            Self::Path(path) => visit(path),
            Self::Value(_) => {}
            Self::Size(inner) => inner.visit_paths(visit),
        }
    }
}
