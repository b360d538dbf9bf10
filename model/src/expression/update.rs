//! Update expressions: how UpdateItem changes an item.
//!
//! Source: developer guide, "Using update expressions in DynamoDB".

mod apply;
mod arithmetic;
mod check;
mod parse;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::{
    error::ApiError,
    key::KeySchema,
    value::{AttributeValue, Item},
};

use super::{
    DocumentPath, ExpressionContext, ExpressionKind, PathElement, compile::parse_all,
    path_tree::PathTree, projection::nested_key_attribute,
};

/// A parsed and checked `UpdateExpression`.
#[derive(Debug, Clone)]
pub struct UpdateExpression {
    /// In the order of the text; their targets neither overlap nor conflict.
    actions: Vec<Action>,
    /// The targets of all actions.
    targets: PathTree,
    /// Written for legacy parameters.
    generated: bool,
}

/// One change to one place in the item.
#[derive(Debug, Clone)]
struct Action {
    target: DocumentPath,
    change: Change,
}

/// What happens at the place.
#[derive(Debug, Clone)]
enum Change {
    /// `SET`: it gets this value.
    Set(SetValue),
    /// `REMOVE`: it goes.
    Remove,
    /// `ADD`: a number is added to it, or the members of a set.
    Add(AttributeValue),
    /// `DELETE`: the members of a set are taken out of it.
    Delete(AttributeValue),
}

/// The right-hand side of `SET`.
#[derive(Debug, Clone)]
enum SetValue {
    Operand(SetOperand),
    Plus(SetOperand, SetOperand),
    Minus(SetOperand, SetOperand),
}

/// An operand on the right-hand side; depth is bounded by that of the brackets in the text.
#[derive(Debug, Clone)]
enum SetOperand {
    /// From the item as it was before the update.
    Path(DocumentPath),
    /// From the request.
    Value(AttributeValue),
    /// `if_not_exists`.
    IfNotExists(DocumentPath, Box<SetOperand>),
    /// `list_append`.
    ListAppend(Box<SetOperand>, Box<SetOperand>),
}

/// What an update makes of an item.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateOutcome {
    /// The item after the update; None when there was none and the update creates none.
    pub item: Option<Item>,
}

impl UpdateExpression {
    /// Parses and checks the text.
    ///
    /// # Errors
    ///
    /// A ValidationException with the service's message for the first mistake, in the service's order:
    /// size, syntax, operator count, brackets, reserved words, functions, repeated sections,
    /// placeholders, overlapping and conflicting targets, operand types.
    pub fn parse(text: &str, context: &ExpressionContext<'_>) -> Result<Self, ApiError> {
        let kind = ExpressionKind::Update;
        let raw = parse_all(kind, text, context, parse::update)?;
        let compile = || -> Result<Self, String> {
            check::check_words(&raw)?;
            let actions = check::compile(&raw, context)?;
            let targets = PathTree::new(actions.iter().map(|action| &action.target))?;
            let generated = context.source(text).generated;
            check::check_operands(&actions, generated)?;
            Ok(Self {
                actions,
                targets,
                generated,
            })
        };
        compile().map_err(|message| context.error(kind, &message))
    }

    /// Applies the update to the current item, or to there being none.
    ///
    /// All operands are read from the item as it was. A missing item starts as its `key`, and stays
    /// missing if the expression only removes.
    ///
    /// # Errors
    ///
    /// A ValidationException, never wrapped, when the item does not have what the expression needs, or
    /// has it with another type, or a number leaves its range. The size of the result is for the
    /// caller to check.
    pub fn apply(&self, old: Option<&Item>, key: &Item) -> Result<UpdateOutcome, ApiError> {
        apply::apply(self, old, key)
    }

    /// Whether the expression only removes, so that it never creates an item.
    pub fn is_remove_or_delete_only(&self) -> bool {
        self.actions
            .iter()
            .all(|action| matches!(action.change, Change::Remove | Change::Delete(_)))
    }

    /// What the update costs, in bytes, when UpdateItem checks the size of its result.
    ///
    /// Measured on the service: 3 for the update, 19 for each `SET` or `ADD`, 1 more when it assigns
    /// to a list index, 50 more when it has arithmetic, 2 for each `REMOVE` or `DELETE`.
    pub fn action_cost_bytes(&self) -> usize {
        3 + self.actions.iter().map(Action::cost_bytes).sum::<usize>()
    }

    /// What `ReturnValues` `UPDATED_OLD` returns: the old values at the targets.
    ///
    /// Nested values stand in their containers, list elements close up; None when there is nothing.
    pub fn updated_old(&self, old: Option<&Item>) -> Option<Item> {
        self.at_targets(old)
    }

    /// What `ReturnValues` `UPDATED_NEW` returns: what is found at the targets after the update.
    ///
    /// As in the service, a target is looked up as it is written: a list element that was appended
    /// because its index lay behind the end is not found, and at the index of a removed element its
    /// successor is.
    pub fn updated_new(&self, new: Option<&Item>) -> Option<Item> {
        self.at_targets(new)
    }

    fn at_targets(&self, item: Option<&Item>) -> Option<Item> {
        let found = self.targets.select(item?);
        (!found.is_empty()).then_some(found)
    }

    /// The targets of the update in the order of the text.
    pub fn targets(&self) -> impl Iterator<Item = &DocumentPath> {
        self.actions.iter().map(|action| &action.target)
    }

    /// The names of the top-level attributes the update changes, sorted, each once.
    pub fn target_attributes(&self) -> impl Iterator<Item = &str> {
        self.targets.attributes()
    }

    /// Refuses an update that changes a key attribute of the table, or reads inside one.
    ///
    /// # Errors
    ///
    /// A ValidationException, never wrapped, that names the attribute.
    pub fn check_key_targets(&self, schema: &KeySchema) -> Result<(), ApiError> {
        for action in &self.actions {
            let name = action.target.attribute();
            if schema.contains(name) {
                return Err(ApiError::validation(format!(
                    "One or more parameter values were invalid: Cannot update attribute {name}. \
                     This attribute is part of the key"
                )));
            }
        }
        let mut nested = None;
        self.visit_read_paths(&mut |path| {
            if path.is_nested() && schema.contains(path.attribute()) {
                nested.get_or_insert_with(|| path.attribute());
            }
        });
        nested.map_or(Ok(()), |name| Err(nested_key_attribute(name)))
    }

    /// Refuses an update that changes or reads something inside a key attribute of an index, which
    /// can only be a scalar.
    ///
    /// # Errors
    ///
    /// A ValidationException, never wrapped, that names the attribute.
    pub fn check_index_keys_scalar(&self, is_key: impl Fn(&str) -> bool) -> Result<(), ApiError> {
        let mut nested = None;
        let mut visit = |path: &DocumentPath| {
            if nested.is_none() && path.is_nested() && is_key(path.attribute()) {
                nested = Some(path.attribute().to_owned());
            }
        };
        self.targets().for_each(&mut visit);
        self.visit_read_paths(&mut visit);
        match nested {
            None => Ok(()),
            Some(name) => Err(ApiError::validation(format!(
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are \
                 not allowed: IndexKey: {name}"
            ))),
        }
    }

    /// The names of all top-level attributes the expression mentions, changed or only read, sorted.
    pub fn attributes(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<&str> = self.target_attributes().collect();
        self.visit_read_paths(&mut |path| {
            names.insert(path.attribute());
        });
        names
    }

    fn visit_read_paths<'e>(&'e self, visit: &mut dyn FnMut(&'e DocumentPath)) {
        for action in &self.actions {
            match &action.change {
                Change::Set(SetValue::Operand(operand)) => operand.visit_paths(visit),
                Change::Set(SetValue::Plus(left, right) | SetValue::Minus(left, right)) => {
                    left.visit_paths(visit);
                    right.visit_paths(visit);
                }
                Change::Remove | Change::Add(_) | Change::Delete(_) => {}
            }
        }
    }
}

impl Action {
    fn cost_bytes(&self) -> usize {
        let to_index = matches!(self.target.steps().last(), Some(PathElement::Index(_)));
        match &self.change {
            Change::Set(SetValue::Operand(_)) | Change::Add(_) => 19 + usize::from(to_index),
            Change::Set(SetValue::Plus(..) | SetValue::Minus(..)) => {
                19 + 50 + usize::from(to_index)
            }
            Change::Remove | Change::Delete(_) => 2,
        }
    }
}

impl SetOperand {
    fn visit_paths<'e>(&'e self, visit: &mut dyn FnMut(&'e DocumentPath)) {
        match self {
            Self::Path(path) => visit(path),
            Self::Value(_) => {}
            Self::IfNotExists(path, fallback) => {
                visit(path);
                fallback.visit_paths(visit);
            }
            Self::ListAppend(first, second) => {
                first.visit_paths(visit);
                second.visit_paths(visit);
            }
        }
    }
}
