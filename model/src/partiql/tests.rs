//! Statements: what they mean, what is refused and how, and that nothing breaks the parser.

mod plans;
mod refusals;
mod roundtrip;

use crate::expression::{DocumentPath, PathElement};
use crate::key::{KeyAttribute, KeySchema, ScalarType};
use crate::value::AttributeValue;

use super::Statement;

fn parse(text: &str) -> Statement {
    Statement::parse(text, &[]).unwrap()
}

/// The message that refuses the statement, before any table is looked at.
fn refusal(text: &str, parameters: &[AttributeValue]) -> String {
    Statement::parse(text, parameters)
        .and_then(|statement| statement.check())
        .unwrap_err()
        .message
        .unwrap()
}

fn n(text: &str) -> AttributeValue {
    AttributeValue::N(text.parse().unwrap())
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::string(text)
}

fn path(attribute: &str, steps: &[PathElement]) -> DocumentPath {
    DocumentPath::new(attribute.to_owned(), steps.to_vec())
}

/// A table with `pk` and, if wanted, `sk`, both strings.
fn schema(sorted: bool) -> KeySchema {
    let key = |name: &str| KeyAttribute {
        name: name.to_owned(),
        scalar_type: ScalarType::S,
    };
    KeySchema {
        partition_key: key("pk"),
        sort_key: sorted.then(|| key("sk")),
    }
}
