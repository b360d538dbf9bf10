//! Values, items and paths from pools so small that paths often hit and values are often equal.

use bytes::Bytes;
use proptest::{collection, prelude::*};

use crate::{
    number::Number,
    value::{AttributeValue, Item},
};

/// A document path, in a form of its own.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub(super) attribute: String,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Member(String),
    Element(usize),
}

impl Path {
    pub(super) fn find(&self, item: &Item) -> Option<AttributeValue> {
        let mut value = item.get(&self.attribute)?.clone();
        for step in &self.steps {
            value = match (value, step) {
                (AttributeValue::M(map), Step::Member(name)) => map.get(name)?.clone(),
                (AttributeValue::L(list), Step::Element(index)) => list.get(*index)?.clone(),
                _ => return None,
            };
        }
        Some(value)
    }
}

pub(super) fn name() -> impl Strategy<Value = String> {
    prop_oneof!["a", "b", "cc", "dd"].prop_map(|name| name)
}

pub(super) fn path() -> impl Strategy<Value = Path> {
    let step = prop_oneof![
        name().prop_map(Step::Member),
        (0..4_usize).prop_map(Step::Element),
    ];
    (name(), collection::vec(step, 0..3)).prop_map(|(attribute, steps)| Path { attribute, steps })
}

fn text() -> impl Strategy<Value = String> {
    "[xy\u{e9}\u{10000}]{0,2}"
}

pub(super) fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        (-3..4_i64).prop_map(Number::from),
        Just(Number::parse("0.5").unwrap()),
        Just(Number::parse("9e125").unwrap()),
        Just(Number::parse("1e-130").unwrap()),
    ]
}

fn bytes() -> impl Strategy<Value = Bytes> {
    collection::vec(0..2_u8, 0..3).prop_map(Bytes::from)
}

/// A value that has an order.
pub(super) fn ordered() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        text().prop_map(AttributeValue::S),
        number().prop_map(AttributeValue::N),
        bytes().prop_map(AttributeValue::B),
    ]
}

pub(super) fn set() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        collection::hash_set(text(), 1..3)
            .prop_map(|set| AttributeValue::Ss(set.into_iter().collect())),
        collection::hash_set(number(), 1..3)
            .prop_map(|set| AttributeValue::Ns(set.into_iter().collect())),
        collection::hash_set(bytes(), 1..3)
            .prop_map(|set| AttributeValue::Bs(set.into_iter().collect())),
    ]
}

pub(super) fn value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        3 => ordered(),
        2 => set(),
        1 => any::<bool>().prop_map(AttributeValue::Bool),
        1 => Just(AttributeValue::Null),
    ];
    leaf.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            collection::btree_map(name(), inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

pub(super) fn item() -> impl Strategy<Value = Item> {
    collection::btree_map(name(), value(), 0..4)
}

/// The value with all sets sorted, so that `==` is DynamoDB's equality.
pub(super) fn canonical(value: &AttributeValue) -> AttributeValue {
    let mut value = value.clone();
    match &mut value {
        AttributeValue::Ss(set) => set.sort(),
        AttributeValue::Ns(set) => set.sort(),
        AttributeValue::Bs(set) => set.sort(),
        AttributeValue::L(list) => list.iter_mut().for_each(|inner| *inner = canonical(inner)),
        AttributeValue::M(map) => map.values_mut().for_each(|inner| *inner = canonical(inner)),
        _ => {}
    }
    value
}
