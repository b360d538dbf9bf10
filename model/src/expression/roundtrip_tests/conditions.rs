//! Random conditions.

use proptest::{collection, prelude::*};

use crate::{
    expression::{ConditionExpression, ExpressionKind},
    number::Number,
    value::{AttributeValue, Item},
};

use super::{
    Writer,
    values::{Path, canonical, item, ordered, path, set, value},
};

#[derive(Debug, Clone)]
enum Tree {
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Not(Box<Tree>),
    Compare(&'static str, Leaf, Leaf),
    Between(Leaf, AttributeValue, AttributeValue),
    BetweenPaths(Leaf, Path, Path),
    In(Leaf, Vec<Leaf>),
    Exists(Path),
    NotExists(Path),
    HasType(Leaf, &'static str),
    BeginsWith(Leaf, Leaf),
    Contains(Leaf, Leaf),
}

#[derive(Debug, Clone)]
enum Leaf {
    Path(Path),
    Value(AttributeValue),
    SizeOfPath(Path),
    SizeOfValue(AttributeValue),
}

fn sized() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        set(),
        value().prop_filter("has no size", |value| {
            use AttributeValue::{Bool, N, Null};
            !matches!(value, N(_) | Bool(_) | Null)
        }),
    ]
}

/// Boxed, as the others that others are made of: without, an unoptimised build moves strategies of
/// hundreds of kilobytes over the stack.
fn leaf(value: impl Strategy<Value = AttributeValue> + 'static) -> BoxedStrategy<Leaf> {
    prop_oneof![
        4 => path().prop_map(Leaf::Path),
        4 => value.prop_map(Leaf::Value),
        1 => path().prop_map(Leaf::SizeOfPath),
        1 => sized().prop_map(Leaf::SizeOfValue),
    ]
    .boxed()
}

fn text_or_bytes() -> BoxedStrategy<Leaf> {
    let value = ordered().prop_filter("is a number", |value| {
        !matches!(value, AttributeValue::N(_))
    });
    prop_oneof![path().prop_map(Leaf::Path), value.prop_map(Leaf::Value)].boxed()
}

/// What the language refuses because its outcome is known: a path compared with itself.
fn distinct(first: &Leaf, second: &Leaf) -> bool {
    !matches!((first, second), (Leaf::Path(first), Leaf::Path(second)) if first == second)
}

fn predicate() -> impl Strategy<Value = Tree> {
    let equality = (
        prop_oneof![Just("="), Just("<>")],
        leaf(value()),
        leaf(value()),
    );
    let order = (
        prop_oneof![Just("<"), Just("<="), Just(">"), Just(">=")],
        leaf(ordered()),
        leaf(ordered()),
    );
    let type_name = proptest::sample::select(vec![
        "S", "N", "B", "SS", "NS", "BS", "L", "M", "BOOL", "NULL",
    ]);
    let bounds = (leaf(ordered()), ordered(), ordered()).prop_filter_map(
        "bounds do not fit",
        |(value, low, high)| {
            let (low, high) = match order_of(&low, &high)? {
                std::cmp::Ordering::Greater => (high, low),
                _ => (low, high),
            };
            Some(Tree::Between(value, low, high))
        },
    );
    prop_oneof![
        prop_oneof![equality, order]
            .prop_filter("same path", |(_, left, right)| distinct(left, right))
            .prop_map(|(operator, left, right)| Tree::Compare(operator, left, right)),
        bounds,
        (leaf(ordered()), path(), path())
            .prop_map(|(value, low, high)| Tree::BetweenPaths(value, low, high)),
        (leaf(value()), collection::vec(leaf(value()), 1..4))
            .prop_filter("same path", |(first, others)| others
                .iter()
                .all(|other| distinct(first, other)))
            .prop_map(|(first, others)| Tree::In(first, others)),
        path().prop_map(Tree::Exists),
        path().prop_map(Tree::NotExists),
        (leaf(value()), type_name).prop_map(|(value, name)| Tree::HasType(value, name)),
        (text_or_bytes(), text_or_bytes())
            .prop_filter("same path", |(left, right)| distinct(left, right))
            .prop_map(|(left, right)| Tree::BeginsWith(left, right)),
        (leaf(value()), leaf(value()))
            .prop_filter("same path", |(left, right)| distinct(left, right))
            .prop_map(|(left, right)| Tree::Contains(left, right)),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    predicate().prop_recursive(4, 24, 3, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 2..4).prop_map(Tree::And),
            collection::vec(inner.clone(), 2..4).prop_map(Tree::Or),
            inner.prop_map(|inner| Tree::Not(Box::new(inner))),
        ]
    })
}

impl Writer {
    fn condition(&mut self, tree: &Tree) -> String {
        match tree {
            Tree::And(inner) => self.joined(inner, " and ", |inner| !matches!(inner, Tree::Or(_))),
            Tree::Or(inner) => self.joined(inner, " OR ", |inner| !matches!(inner, Tree::Or(_))),
            Tree::Not(inner) => match inner.as_ref() {
                Tree::And(_) | Tree::Or(_) => format!("NOT({})", self.condition(inner)),
                _ => format!("Not {}", self.condition(inner)),
            },
            Tree::Compare(operator, left, right) => {
                format!("{}{operator}({})", self.leaf(left), self.leaf(right))
            }
            Tree::Between(value, low, high) => {
                let (value, low, high) = (self.leaf(value), self.value(low), self.value(high));
                format!("{value} BETWEEN {low} AND {high}")
            }
            Tree::BetweenPaths(value, low, high) => {
                let (value, low, high) = (self.leaf(value), self.path(low), self.path(high));
                format!("{value} between {low} And {high}")
            }
            Tree::In(value, candidates) => {
                let value = self.leaf(value);
                let candidates: Vec<String> = candidates
                    .iter()
                    .map(|candidate| self.leaf(candidate))
                    .collect();
                format!("{value} IN({})", candidates.join(","))
            }
            Tree::Exists(path) => format!("attribute_exists({})", self.path(path)),
            Tree::NotExists(path) => format!("attribute_not_exists ( {} )", self.path(path)),
            Tree::HasType(value, name) => {
                let value = self.leaf(value);
                let name = self.value(&AttributeValue::S((*name).to_owned()));
                format!("attribute_type({value},{name})")
            }
            Tree::BeginsWith(value, prefix) => {
                format!("begins_with({},{})", self.leaf(value), self.leaf(prefix))
            }
            Tree::Contains(value, element) => {
                format!("contains({}, {})", self.leaf(value), self.leaf(element))
            }
        }
    }

    /// Brackets around each part, except where `bare` says they are not needed.
    fn joined(&mut self, inner: &[Tree], word: &str, bare: impl Fn(&Tree) -> bool) -> String {
        let parts: Vec<String> = inner
            .iter()
            .map(|part| {
                let text = self.condition(part);
                if bare(part) {
                    text
                } else {
                    format!("({text})")
                }
            })
            .collect();
        parts.join(word)
    }

    fn leaf(&mut self, leaf: &Leaf) -> String {
        match leaf {
            Leaf::Path(path) => self.path(path),
            Leaf::Value(value) => self.value(value),
            Leaf::SizeOfPath(path) => format!("size({})", self.path(path)),
            Leaf::SizeOfValue(value) => format!("size ({})", self.value(value)),
        }
    }
}

fn order_of(left: &AttributeValue, right: &AttributeValue) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => {
            Some(left.as_bytes().cmp(right.as_bytes()))
        }
        (AttributeValue::N(left), AttributeValue::N(right)) => Some(left.cmp(right)),
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left[..].cmp(&right[..])),
        _ => None,
    }
}

fn leaf_value(leaf: &Leaf, item: &Item) -> Option<AttributeValue> {
    let sized = match leaf {
        Leaf::Path(path) => return path.find(item),
        Leaf::Value(value) => return Some(value.clone()),
        Leaf::SizeOfPath(path) => path.find(item)?,
        Leaf::SizeOfValue(value) => value.clone(),
    };
    let size = match sized {
        AttributeValue::S(text) => text.encode_utf16().count(),
        AttributeValue::B(bytes) => bytes.len(),
        AttributeValue::Ss(set) => set.len(),
        AttributeValue::Ns(set) => set.len(),
        AttributeValue::Bs(set) => set.len(),
        AttributeValue::L(list) => list.len(),
        AttributeValue::M(map) => map.len(),
        _ => return None,
    };
    Some(AttributeValue::N(Number::parse(&size.to_string()).unwrap()))
}

fn equal(left: &AttributeValue, right: &AttributeValue) -> bool {
    canonical(left) == canonical(right)
}

fn truth(tree: &Tree, item: &Item) -> bool {
    let of = |leaf: &Leaf| leaf_value(leaf, item);
    match tree {
        Tree::And(inner) => inner
            .iter()
            .fold(true, |all, inner| all & truth(inner, item)),
        Tree::Or(inner) => inner
            .iter()
            .fold(false, |any, inner| any | truth(inner, item)),
        Tree::Not(inner) => !truth(inner, item),
        Tree::Compare(operator, left, right) => match (of(left), of(right)) {
            (Some(left), Some(right)) => {
                let order = order_of(&left, &right);
                match *operator {
                    "=" => equal(&left, &right),
                    "<>" => !equal(&left, &right),
                    "<" => order.is_some_and(|order| order.is_lt()),
                    "<=" => order.is_some_and(|order| order.is_le()),
                    ">" => order.is_some_and(|order| order.is_gt()),
                    _ => order.is_some_and(|order| order.is_ge()),
                }
            }
            _ => *operator == "<>",
        },
        Tree::Between(value, low, high) => of(value).is_some_and(|value| {
            order_of(low, &value).is_some_and(|order| order.is_le())
                && order_of(&value, high).is_some_and(|order| order.is_le())
        }),
        Tree::BetweenPaths(value, low, high) => {
            match (of(value), low.find(item), high.find(item)) {
                (Some(value), Some(low), Some(high)) => {
                    order_of(&low, &value).is_some_and(|order| order.is_le())
                        && order_of(&value, &high).is_some_and(|order| order.is_le())
                }
                _ => false,
            }
        }
        Tree::In(value, candidates) => of(value).is_some_and(|value| {
            candidates
                .iter()
                .filter_map(of)
                .any(|candidate| equal(&value, &candidate))
        }),
        Tree::Exists(path) => path.find(item).is_some(),
        Tree::NotExists(path) => path.find(item).is_none(),
        Tree::HasType(value, name) => of(value).is_some_and(|value| value.type_name() == *name),
        Tree::BeginsWith(value, prefix) => match (of(value), of(prefix)) {
            (Some(AttributeValue::S(text)), Some(AttributeValue::S(prefix))) => {
                text.get(..prefix.len()) == Some(prefix.as_str())
            }
            (Some(AttributeValue::B(bytes)), Some(AttributeValue::B(prefix))) => {
                bytes.get(..prefix.len()) == Some(&prefix[..])
            }
            _ => false,
        },
        Tree::Contains(value, element) => match (of(value), of(element)) {
            (Some(AttributeValue::S(text)), Some(AttributeValue::S(part))) => {
                (0..=text.len()).any(|at| text.get(at..at + part.len()) == Some(part.as_str()))
            }
            (Some(AttributeValue::B(bytes)), Some(AttributeValue::B(part))) => {
                (0..=bytes.len()).any(|at| bytes.get(at..at + part.len()) == Some(&part[..]))
            }
            (Some(AttributeValue::Ss(set)), Some(AttributeValue::S(element))) => {
                set.contains(&element)
            }
            (Some(AttributeValue::Ns(set)), Some(AttributeValue::N(element))) => {
                set.contains(&element)
            }
            (Some(AttributeValue::Bs(set)), Some(AttributeValue::B(element))) => {
                set.contains(&element)
            }
            (Some(AttributeValue::L(list)), Some(element)) => {
                list.iter().any(|member| equal(member, &element))
            }
            _ => false,
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_parsed_condition_means_what_was_written(tree in tree(), item in item()) {
        let mut writer = Writer::default();
        let text = writer.condition(&tree);
        prop_assume!(text.len() <= 4_096);
        let context = writer.context();
        let parsed = ConditionExpression::parse(ExpressionKind::Condition, &text, &context);
        let parsed = parsed.map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        prop_assert!(context.finish().is_ok(), "{}", text);
        prop_assert_eq!(parsed.evaluate(Some(&item)), truth(&tree, &item), "{}", text);
        prop_assert_eq!(parsed.evaluate(None), truth(&tree, &Item::new()), "{}", text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn bytes_are_found_inside_bytes(
        bytes in collection::vec(0..2_u8, 0..12),
        part in collection::vec(0..2_u8, 0..5),
    ) {
        let expected = part.is_empty() || bytes.windows(part.len()).any(|window| window == part);
        let item = Item::from([("aa".to_owned(), AttributeValue::B(bytes.into()))]);
        let mut writer = Writer::default();
        let part = writer.value(&AttributeValue::B(part.into()));
        let text = format!("contains(aa, {part})");
        let parsed = ConditionExpression::parse(ExpressionKind::Filter, &text, &writer.context());
        prop_assert_eq!(parsed.unwrap().evaluate(Some(&item)), expected);
    }
}
