//! Short ways to write values, items and expressions in tests.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{
    error::ApiError,
    key::{KeyAttribute, KeySchema, ScalarType},
    number::Number,
    value::{AttributeValue, Item},
};

use super::{ConditionExpression, ExpressionContext, ExpressionKind, UpdateExpression};

pub(super) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn n(text: &str) -> AttributeValue {
    AttributeValue::N(Number::parse(text).unwrap())
}

pub(super) fn b(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Bytes::copy_from_slice(bytes))
}

pub(super) fn ss(members: &[&str]) -> AttributeValue {
    AttributeValue::Ss(members.iter().map(|member| (*member).to_owned()).collect())
}

pub(super) fn ns(members: &[&str]) -> AttributeValue {
    AttributeValue::Ns(
        members
            .iter()
            .map(|member| Number::parse(member).unwrap())
            .collect(),
    )
}

pub(super) fn bs(members: &[&[u8]]) -> AttributeValue {
    AttributeValue::Bs(
        members
            .iter()
            .map(|member| Bytes::copy_from_slice(member))
            .collect(),
    )
}

pub(super) fn l(members: &[AttributeValue]) -> AttributeValue {
    AttributeValue::L(members.to_vec())
}

pub(super) fn m(members: &[(&str, AttributeValue)]) -> AttributeValue {
    AttributeValue::M(item(members))
}

pub(super) fn item(attributes: &[(&str, AttributeValue)]) -> Item {
    attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

/// A value of each of the ten types.
pub(super) fn value_of_each_type() -> Vec<AttributeValue> {
    vec![
        s("abc"),
        n("12"),
        b(b"abc"),
        ss(&["a", "b"]),
        ns(&["1", "2"]),
        bs(&[b"a", b"b"]),
        l(&[s("a"), n("1")]),
        m(&[("a", s("b"))]),
        AttributeValue::Bool(true),
        AttributeValue::Null,
    ]
}

pub(super) fn schema(partition_key: &str, sort_key: Option<(&str, ScalarType)>) -> KeySchema {
    KeySchema {
        partition_key: KeyAttribute {
            name: partition_key.to_owned(),
            scalar_type: ScalarType::S,
        },
        sort_key: sort_key.map(|(name, scalar_type)| KeyAttribute {
            name: name.to_owned(),
            scalar_type,
        }),
    }
}

/// Placeholder maps of a request.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, AttributeValue>,
}

impl Placeholders {
    pub(super) fn new(names: &[(&str, &str)], values: &[(&str, AttributeValue)]) -> Self {
        Self {
            names: names
                .iter()
                .map(|(placeholder, name)| ((*placeholder).to_owned(), (*name).to_owned()))
                .collect(),
            values: item(values),
        }
    }

    pub(super) fn context(&self) -> ExpressionContext<'_> {
        ExpressionContext::new(Some(&self.names), Some(&self.values))
    }
}

/// The text of an error that must be one.
pub(super) fn message<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
    result.unwrap_err().message.unwrap()
}

pub(super) fn condition(text: &str, values: &[(&str, AttributeValue)]) -> ConditionExpression {
    let placeholders = Placeholders::new(&[], values);
    ConditionExpression::parse(ExpressionKind::Condition, text, &placeholders.context())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub(super) fn update(text: &str, values: &[(&str, AttributeValue)]) -> UpdateExpression {
    let placeholders = Placeholders::new(&[], values);
    UpdateExpression::parse(text, &placeholders.context())
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}
