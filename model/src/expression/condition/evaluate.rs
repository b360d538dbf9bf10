//! Evaluates a condition against an item, without copying any of its values.

use std::{borrow::Cow, cmp::Ordering};

use crate::{
    expression::lexer::Comparator,
    number::Number,
    value::{AttributeValue, Item},
};

use super::{Condition, Operand};

/// Whether the condition holds.
pub(super) fn holds(condition: &Condition, item: Option<&Item>) -> bool {
    match condition {
        Condition::And(inner) => inner.iter().all(|condition| holds(condition, item)),
        Condition::Or(inner) => inner.iter().any(|condition| holds(condition, item)),
        Condition::Not(inner) => !holds(inner, item),
        predicate => predicate_holds(predicate, item),
    }
}

/// A function of its own, so that the frames of nested conditions stay small.
fn predicate_holds(predicate: &Condition, item: Option<&Item>) -> bool {
    match predicate {
        // Taken apart by the caller.
        Condition::And(_) | Condition::Or(_) | Condition::Not(_) => holds(predicate, item),
        Condition::Compare(comparator, left, right) => compare(
            *comparator,
            value_of(left, item).as_deref(),
            value_of(right, item).as_deref(),
        ),
        Condition::Between(value, low, high) => {
            let value = value_of(value, item);
            let at_least = |low: &AttributeValue, high: &AttributeValue| {
                order(low, high).is_some_and(Ordering::is_le)
            };
            match (value_of(low, item), value, value_of(high, item)) {
                (Some(low), Some(value), Some(high)) => {
                    at_least(&low, &value) && at_least(&value, &high)
                }
                _ => false,
            }
        }
        Condition::In(value, candidates) => value_of(value, item).is_some_and(|value| {
            candidates.iter().any(|candidate| {
                value_of(candidate, item).is_some_and(|candidate| value.data_equal(&candidate))
            })
        }),
        Condition::Exists(path) => item.is_some_and(|item| path.resolve(item).is_some()),
        Condition::NotExists(path) => item.is_none_or(|item| path.resolve(item).is_none()),
        Condition::HasType(value, type_name) => {
            value_of(value, item).is_some_and(|value| value.type_name() == type_name)
        }
        Condition::BeginsWith(value, prefix) => {
            match (
                value_of(value, item).as_deref(),
                value_of(prefix, item).as_deref(),
            ) {
                (Some(value), Some(prefix)) => begins_with(value, prefix),
                _ => false,
            }
        }
        Condition::Contains(value, element) => {
            match (
                value_of(value, item).as_deref(),
                value_of(element, item).as_deref(),
            ) {
                (Some(value), Some(element)) => contains(value, element),
                _ => false,
            }
        }
    }
}

/// The operand's value; only sizes are made, everything else is borrowed.
fn value_of<'v>(operand: &'v Operand, item: Option<&'v Item>) -> Option<Cow<'v, AttributeValue>> {
    match operand {
        Operand::Path(path) => path.resolve(item?).map(Cow::Borrowed),
        Operand::Value(value) => Some(Cow::Borrowed(value)),
        Operand::Size(inner) => {
            let size = u64::try_from(size(&*value_of(inner, item)?)?).ok()?;
            Some(Cow::Owned(AttributeValue::N(Number::from(size))))
        }
    }
}

fn compare(
    comparator: Comparator,
    left: Option<&AttributeValue>,
    right: Option<&AttributeValue>,
) -> bool {
    // A missing side is unequal to everything, even to another missing side.
    let (Some(left), Some(right)) = (left, right) else {
        return comparator == Comparator::NotEqual;
    };
    match comparator {
        Comparator::Equal => left.data_equal(right),
        Comparator::NotEqual => !left.data_equal(right),
        Comparator::Less => order(left, right).is_some_and(Ordering::is_lt),
        Comparator::LessOrEqual => order(left, right).is_some_and(Ordering::is_le),
        Comparator::Greater => order(left, right).is_some_and(Ordering::is_gt),
        Comparator::GreaterOrEqual => order(left, right).is_some_and(Ordering::is_ge),
    }
}

/// The order of two values, if they are of one type and that type has an order:
/// S by UTF-8 bytes, N by number, B by unsigned bytes.
pub(in crate::expression) fn order(
    left: &AttributeValue,
    right: &AttributeValue,
) -> Option<Ordering> {
    match (left, right) {
        (AttributeValue::S(left), AttributeValue::S(right)) => Some(left.cmp(right)),
        (AttributeValue::N(left), AttributeValue::N(right)) => Some(left.cmp(right)),
        (AttributeValue::B(left), AttributeValue::B(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// `size`: UTF-16 code units of a string, bytes of a binary, members of a set, list or map.
fn size(value: &AttributeValue) -> Option<usize> {
    match value {
        AttributeValue::S(text) => Some(text.chars().map(char::len_utf16).sum()),
        AttributeValue::B(bytes) => Some(bytes.len()),
        AttributeValue::Ss(set) => Some(set.len()),
        AttributeValue::Ns(set) => Some(set.len()),
        AttributeValue::Bs(set) => Some(set.len()),
        AttributeValue::M(map) => Some(map.len()),
        AttributeValue::L(list) => Some(list.len()),
        AttributeValue::N(_) | AttributeValue::Bool(_) | AttributeValue::Null => None,
    }
}

/// Whether a string or binary starts with another of its type.
pub(in crate::expression) fn begins_with(value: &AttributeValue, prefix: &AttributeValue) -> bool {
    match (value, prefix) {
        (AttributeValue::S(text), AttributeValue::S(prefix)) => text.starts_with(prefix.as_str()),
        (AttributeValue::B(bytes), AttributeValue::B(prefix)) => bytes.starts_with(prefix),
        _ => false,
    }
}

fn contains(value: &AttributeValue, element: &AttributeValue) -> bool {
    match (value, element) {
        (AttributeValue::S(text), AttributeValue::S(part)) => text.contains(part.as_str()),
        (AttributeValue::B(bytes), AttributeValue::B(part)) => contains_bytes(bytes, part),
        (AttributeValue::Ss(set), AttributeValue::S(element)) => set.contains(element),
        (AttributeValue::Ns(set), AttributeValue::N(element)) => set.contains(element),
        (AttributeValue::Bs(set), AttributeValue::B(element)) => set.contains(element),
        (AttributeValue::L(list), element) => list.iter().any(|member| member.data_equal(element)),
        _ => false,
    }
}

/// Whether `bytes` has `part` in it, in time linear in both (Knuth, Morris and Pratt): both may be as
/// long as an item, and both come from users.
fn contains_bytes(bytes: &[u8], part: &[u8]) -> bool {
    // For every place in `part`, the longest proper start of it that also ends there.
    let mut borders = Vec::with_capacity(part.len());
    let mut matched = 0_usize;
    for (place, byte) in part.iter().enumerate() {
        matched = if place == 0 {
            0
        } else {
            advance(part, &borders, matched, *byte)
        };
        borders.push(matched);
    }
    if part.is_empty() {
        return true;
    }
    let mut matched = 0;
    for byte in bytes {
        matched = advance(part, &borders, matched, *byte);
        if matched == part.len() {
            return true;
        }
    }
    false
}

/// How much of `part` is matched after one more byte, `matched` of it having been before.
fn advance(part: &[u8], borders: &[usize], mut matched: usize, byte: u8) -> usize {
    loop {
        if part.get(matched) == Some(&byte) {
            return matched + 1;
        }
        let Some(shorter) = matched.checked_sub(1).and_then(|last| borders.get(last)) else {
            return 0;
        };
        matched = *shorter;
    }
}
