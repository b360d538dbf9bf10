//! PartiQL: the statements of ExecuteStatement, BatchExecuteStatement and ExecuteTransaction.
//!
//! A statement is parsed with its parameters to a tree ([`ast`]), checked as far as it can be without a
//! table ([`Statement::check`]), and then planned against a table's key: a `SELECT` becomes queries or
//! a scan ([`Select::plan`]), the others become a write of one item ([`Insert::plan`] and so on). Plans
//! carry their conditions as the text of expressions with placeholders, so that everything behind them
//! is what Query, Scan, PutItem, UpdateItem and DeleteItem have too.
//!
//! Source: developer guide, "PartiQL - a SQL-compatible query language for Amazon DynamoDB", and the
//! grammar of the public PartiQL specification.
//!
//! Invariant: no input makes this module panic or overflow the stack.

pub mod ast;
mod lexer;
mod parser;
mod print;
mod select;
mod texts;
mod token;
mod write;

#[cfg(test)]
mod tests;

use crate::error::ApiError;
use crate::key::{KeySchema, PrimaryKey};
use crate::value::AttributeValue;

pub use self::ast::{Delete, Insert, Select, Statement, Update, select_columns};
pub use self::print::print;
pub use self::select::{KeyRead, SelectPlan};
pub use self::texts::ExpressionTexts;
pub use self::token::{NextToken, statement_digest};
pub use self::write::{ItemWritePlan, WriteKind, key_mismatch};

impl Statement {
    /// Reads a statement; the parameters stand for its `?` in their order.
    ///
    /// # Errors
    /// A ValidationException in the service's words.
    pub fn parse(text: &str, parameters: &[AttributeValue]) -> Result<Self, ApiError> {
        parser::parse(text, parameters)
    }

    /// Refuses what no table could make right: operands of the wrong type, paths that overlap,
    /// expressions that are too large.
    ///
    /// # Errors
    /// A ValidationException.
    pub fn check(&self) -> Result<(), ApiError> {
        match self {
            Self::Select(select) | Self::Exists(select) => select.check(),
            Self::Insert(_) => Ok(()),
            Self::Update(update) => update.check(),
            Self::Delete(delete) => write::check_condition(delete.condition.as_ref()),
        }
    }

    /// Whether the statement only reads and is no condition of a transaction.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Select(_))
    }

    /// The key of the one item that the statement is about, if it names one.
    pub fn target(&self, schema: &KeySchema) -> Option<PrimaryKey> {
        match self {
            Self::Select(select) | Self::Exists(select) => {
                write::target_key(select.condition.as_ref(), schema)
            }
            Self::Insert(insert) => schema.key_of_item(&insert.item).ok(),
            Self::Update(update) => write::target_key(update.condition.as_ref(), schema),
            Self::Delete(delete) => write::target_key(delete.condition.as_ref(), schema),
        }
    }
}
