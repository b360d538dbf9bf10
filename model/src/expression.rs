//! The expression language: condition, filter, key condition, projection and update expressions.
//!
//! A request brings the expression text and two maps of placeholders, `ExpressionAttributeNames` and
//! `ExpressionAttributeValues`.
//! [`ExpressionContext`] holds the maps and remembers which placeholders were used; every expression
//! of a request is parsed with the same context, and [`ExpressionContext::finish`] refuses what was
//! not used.
//!
//! Parsing goes through three steps, so that of several mistakes the one the service names is named:
//! the lexer ([`lexer`]) never fails, the parser ([`syntax`] and one file per kind) yields a tree of
//! slices of the text and knows only syntax errors, and compiling checks the tree in the service's
//! order of precedence and resolves placeholders to paths and values.
//! A compiled expression owns what it needs, evaluates without cloning item values, and cannot fail
//! for reasons that are in the request.
//!
//! Invariant: no input makes this module panic or overflow the stack.
//! Expressions are at most [`EXPRESSION_BYTES_MAX`](crate::limits::EXPRESSION_BYTES_MAX) long and nest at most
//! [`BRACKET_DEPTH_MAX`] deep; what they are applied to nests at most as deep as an item may.

mod lexer;
mod reserved;
mod syntax;

mod compile;
mod condition;
mod context;
mod key_condition;
mod path;
mod path_tree;
mod projection;
mod update;

pub(crate) mod fuzzing;

#[cfg(test)]
mod roundtrip_tests;
#[cfg(test)]
mod test_support;

use std::fmt;

use crate::limits::{EXPRESSION_OPERATORS_MAX, NESTING_LEVELS_MAX};

pub(crate) use self::context::generated;
pub use self::{
    condition::ConditionExpression,
    context::ExpressionContext,
    key_condition::{IndexKeyCondition, KeyCondition, KeyConditionExpression, SortCondition},
    path::{DocumentPath, PathElement},
    projection::ProjectionExpression,
    reserved::is_reserved_word,
    update::{UpdateExpression, UpdateOutcome},
};

/// The most elements a document path may have: no item nests deeper.
pub const PATH_LEVELS_MAX: usize = NESTING_LEVELS_MAX;

/// The largest list index that may be written in a document path.
pub const LIST_INDEX_MAX: usize = 2_147_483_647;

/// The deepest nesting of brackets that is followed before it is called a syntax error.
///
/// Deeper than any legal expression: brackets without an operator between them are redundant, so that
/// [`EXPRESSION_OPERATORS_MAX`] operators and the brackets of one function around one operand bound the depth.
/// Low enough that parsing, evaluating and dropping fit easily into a 2 MiB thread stack.
pub const BRACKET_DEPTH_MAX: usize = EXPRESSION_OPERATORS_MAX + 8;

/// Which request parameter an expression came in; decides grammar, and the name in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExpressionKind {
    /// `ConditionExpression` of a write.
    Condition,
    /// `FilterExpression` of Query and Scan; the grammar of a condition.
    Filter,
    /// `KeyConditionExpression` of Query; a small part of the grammar of a condition.
    KeyCondition,
    /// `ProjectionExpression` of a read.
    Projection,
    /// `UpdateExpression` of UpdateItem.
    Update,
}

impl ExpressionKind {
    /// The request parameter's name, as the API spells it.
    pub fn parameter_name(self) -> &'static str {
        match self {
            Self::Condition => "ConditionExpression",
            Self::Filter => "FilterExpression",
            Self::KeyCondition => "KeyConditionExpression",
            Self::Projection => "ProjectionExpression",
            Self::Update => "UpdateExpression",
        }
    }

    /// The words that structure this kind of expression and so cannot be attribute names in it.
    fn keywords(self) -> &'static [&'static str] {
        match self {
            Self::Condition | Self::Filter | Self::KeyCondition => {
                &["AND", "OR", "NOT", "BETWEEN", "IN"]
            }
            Self::Projection => &[],
            Self::Update => &["SET", "REMOVE", "ADD", "DELETE"],
        }
    }
}

impl fmt::Display for ExpressionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.parameter_name())
    }
}
