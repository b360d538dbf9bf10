//! Legacy conditions and updates against what the guide says of them, with nothing shared with
//! expressions.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

/// What the guide says of each operator, with nothing shared with expressions.
pub(super) fn holds(
    operator: ComparisonOperator,
    attribute: Option<&AttributeValue>,
    values: &[AttributeValue],
) -> bool {
    use ComparisonOperator as Op;
    let Some(attribute) = attribute else {
        return matches!(operator, Op::Null | Op::Ne);
    };
    let same = |value: &AttributeValue| attribute.data_equal(value);
    let order = |value: &AttributeValue| match (attribute, value) {
        (AttributeValue::S(a), AttributeValue::S(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (AttributeValue::N(a), AttributeValue::N(b)) => Some(a.cmp(b)),
        (AttributeValue::B(a), AttributeValue::B(b)) => Some(a.cmp(b)),
        _ => None,
    };
    let contains = |value: &AttributeValue| match (attribute, value) {
        (AttributeValue::S(a), AttributeValue::S(b)) => a.contains(b.as_str()),
        (AttributeValue::B(a), AttributeValue::B(b)) => {
            b.is_empty() || a.windows(b.len()).any(|window| window == b.as_ref())
        }
        (AttributeValue::Ss(a), AttributeValue::S(b)) => a.contains(b),
        (AttributeValue::Ns(a), AttributeValue::N(b)) => a.contains(b),
        (AttributeValue::Bs(a), AttributeValue::B(b)) => a.contains(b),
        (AttributeValue::L(a), b) => a.iter().any(|member| member.data_equal(b)),
        _ => false,
    };
    match (operator, values) {
        (Op::NotNull, _) => true,
        (Op::Null, _) => false,
        (Op::In, values) => values.iter().any(same),
        (Op::Between, [low, high]) => {
            order(low).is_some_and(|o| o.is_ge()) && order(high).is_some_and(|o| o.is_le())
        }
        (Op::Eq, [value]) => same(value),
        (Op::Ne, [value]) => !same(value),
        (Op::Lt, [value]) => order(value).is_some_and(|o| o.is_lt()),
        (Op::Le, [value]) => order(value).is_some_and(|o| o.is_le()),
        (Op::Gt, [value]) => order(value).is_some_and(|o| o.is_gt()),
        (Op::Ge, [value]) => order(value).is_some_and(|o| o.is_ge()),
        (Op::Contains, [value]) => contains(value),
        (Op::NotContains, [value]) => !contains(value),
        (Op::BeginsWith, [value]) => match (attribute, value) {
            (AttributeValue::S(a), AttributeValue::S(b)) => a.starts_with(b.as_str()),
            (AttributeValue::B(a), AttributeValue::B(b)) => a.starts_with(b),
            _ => false,
        },
        _ => unreachable!("as many values as the operator takes"),
    }
}

fn scalars() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        "[ab]{0,3}".prop_map(AttributeValue::S),
        (-3..3_i64).prop_map(n),
        proptest::collection::vec(0..2_u8, 0..3).prop_map(|b| AttributeValue::B(Bytes::from(b))),
    ]
}

fn any_values() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        4 => scalars(),
        1 => any::<bool>().prop_map(AttributeValue::Bool),
        1 => Just(AttributeValue::Null),
        1 => proptest::collection::btree_set("[ab]{0,2}", 1..3)
            .prop_map(|set| AttributeValue::Ss(set.into_iter().collect())),
        1 => proptest::collection::btree_set(-3..3_i64, 1..3)
            .prop_map(|set| AttributeValue::Ns(set.into_iter().map(Number::from).collect())),
        1 => proptest::collection::vec(scalars(), 0..3).prop_map(AttributeValue::L),
        1 => proptest::collection::btree_map("[ab]", scalars(), 0..2).prop_map(AttributeValue::M),
    ]
}

fn items() -> impl Strategy<Value = Item> {
    proptest::collection::btree_map("[a-d]", any_values(), 0..5)
}

pub(super) const OPERATORS: [ComparisonOperator; 13] = [
    ComparisonOperator::Eq,
    ComparisonOperator::Ne,
    ComparisonOperator::In,
    ComparisonOperator::Le,
    ComparisonOperator::Lt,
    ComparisonOperator::Ge,
    ComparisonOperator::Gt,
    ComparisonOperator::Between,
    ComparisonOperator::NotNull,
    ComparisonOperator::Null,
    ComparisonOperator::Contains,
    ComparisonOperator::NotContains,
    ComparisonOperator::BeginsWith,
];

fn conditions() -> impl Strategy<Value = Condition> {
    let operators = proptest::sample::select(OPERATORS.to_vec());
    let values = proptest::collection::vec(any_values(), 0..3);
    (operators, values).prop_map(|(operator, values)| condition(operator, &values))
}

proptest! {
    /// What is written for legacy conditions holds for exactly the items for which they do.
    #[test]
    fn a_legacy_filter_and_its_expression_agree(
        all in proptest::collection::btree_map("[a-d]", conditions(), 1..4),
        any in any::<bool>(),
        item in items(),
    ) {
        let operator = if any { ConditionalOperator::Or } else { ConditionalOperator::And };
        let Ok(expressions) = filter_of(all.clone(), Some(operator)) else {
            return Ok(());
        };
        let single = |(name, condition): (&String, &Condition)| {
            let values = condition.attribute_value_list.as_deref().unwrap_or_default();
            holds(condition.comparison_operator, item.get(name), values)
        };
        let expected = if any { all.iter().any(single) } else { all.iter().all(single) };
        prop_assert_eq!(parsed_filter(&expressions).evaluate(Some(&item)), expected, "{:?}", all);
    }

    /// What is written for legacy updates makes the item that they make.
    #[test]
    fn a_legacy_update_and_its_expression_agree(
        all in proptest::collection::btree_map("[a-d]", updates(), 0..5),
        item in items(),
    ) {
        let mut rewriter = Rewriter::default();
        if rewriter.attribute_updates(all.clone()).is_err() {
            return Ok(());
        }
        let expressions = rewriter.finish();
        let Some(text) = expressions.update.as_deref() else {
            prop_assert!(all.is_empty());
            return Ok(());
        };
        let context = expressions.context();
        let update = UpdateExpression::parse(text, &context).unwrap();
        context.finish().unwrap();
        let outcome = update.apply(Some(&item), &Item::new());
        match (updated(&item, &all), outcome) {
            (Some(expected), Ok(outcome)) => prop_assert_eq!(outcome.item, Some(expected)),
            (None, Err(error)) => {
                prop_assert_eq!(error.message.as_deref(), Some("Type mismatch for attribute to update"));
            }
            (expected, outcome) => prop_assert!(false, "{:?} {:?}", expected, outcome),
        }
    }
}

fn updates() -> impl Strategy<Value = AttributeValueUpdate> {
    let action = proptest::sample::select(vec![
        AttributeAction::Put,
        AttributeAction::Add,
        AttributeAction::Delete,
    ]);
    (action, proptest::option::of(any_values()))
        .prop_map(|(action, value)| AttributeValueUpdate { value, action })
}

/// What the guide says of each action; `None` when a type does not fit.
fn updated(item: &Item, updates: &AttributeUpdates) -> Option<Item> {
    let mut item = item.clone();
    for (name, update) in updates {
        let current = item.remove(name);
        let new = match (update.action, update.value.clone(), current) {
            (AttributeAction::Put, value, _) | (AttributeAction::Add, value, None) => value,
            (AttributeAction::Delete, _, None) | (AttributeAction::Delete, None, _) => None,
            (AttributeAction::Add, Some(added), Some(current)) => Some(match (current, added) {
                (AttributeValue::N(a), AttributeValue::N(b)) => {
                    AttributeValue::N(a.checked_add(b).unwrap())
                }
                (AttributeValue::L(a), AttributeValue::L(b)) => AttributeValue::L([a, b].concat()),
                (AttributeValue::Ss(mut a), AttributeValue::Ss(b)) => {
                    a.extend(
                        b.into_iter()
                            .filter(|new| !a.contains(new))
                            .collect::<Vec<_>>(),
                    );
                    AttributeValue::Ss(a)
                }
                (AttributeValue::Ns(mut a), AttributeValue::Ns(b)) => {
                    a.extend(
                        b.into_iter()
                            .filter(|new| !a.contains(new))
                            .collect::<Vec<_>>(),
                    );
                    AttributeValue::Ns(a)
                }
                _ => return None,
            }),
            (AttributeAction::Delete, Some(removed), Some(current)) => match (current, removed) {
                (AttributeValue::Ss(mut a), AttributeValue::Ss(b)) => {
                    a.retain(|old| !b.contains(old));
                    (!a.is_empty()).then_some(AttributeValue::Ss(a))
                }
                (AttributeValue::Ns(mut a), AttributeValue::Ns(b)) => {
                    a.retain(|old| !b.contains(old));
                    (!a.is_empty()).then_some(AttributeValue::Ns(a))
                }
                _ => return None,
            },
            (AttributeAction::Add, None, _) => unreachable!("refused"),
        };
        if let Some(new) = new {
            item.insert(name.clone(), new);
        }
    }
    Some(item)
}
