use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::expression::{
    ConditionExpression, ExpressionKind, KeyConditionExpression, ProjectionExpression,
    UpdateExpression,
};
use crate::key::{KeyAttribute, KeySchema, ScalarType};
use crate::number::Number;

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(Number::from(number))
}

fn condition(operator: ComparisonOperator, values: &[AttributeValue]) -> Condition {
    Condition {
        comparison_operator: operator,
        attribute_value_list: (!values.is_empty()).then(|| values.to_vec()),
    }
}

fn message<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
    result.unwrap_err().message.unwrap()
}

fn filter_of(
    conditions: Conditions,
    operator: Option<ConditionalOperator>,
) -> Result<Expressions, ApiError> {
    let mut rewriter = Rewriter::default();
    rewriter.filter(conditions, operator)?;
    Ok(rewriter.finish())
}

fn parsed_filter(expressions: &Expressions) -> ConditionExpression {
    let context = expressions.context();
    let text = expressions.filter.as_deref().unwrap();
    let parsed = ConditionExpression::parse(ExpressionKind::Filter, text, &context).unwrap();
    context.finish().unwrap();
    parsed
}

/// What the guide says of each operator, with nothing shared with expressions.
fn holds(
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

const OPERATORS: [ComparisonOperator; 13] = [
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

fn filter_message(operator: ComparisonOperator, values: &[AttributeValue]) -> String {
    message(filter_of(
        BTreeMap::from([("a".to_owned(), condition(operator, values))]),
        None,
    ))
}

#[test]
fn each_operator_says_what_it_takes() {
    use ComparisonOperator as Op;
    let prefix = "One or more parameter values were invalid: ";
    for (operator, values, expected) in [
        (
            Op::Eq,
            vec![],
            "Invalid number of argument(s) for the EQ ComparisonOperator",
        ),
        (
            Op::Null,
            vec![n(1)],
            "Invalid number of argument(s) for the NULL ComparisonOperator",
        ),
        (
            Op::In,
            vec![],
            "Invalid number of argument(s) for the IN ComparisonOperator",
        ),
        (
            Op::Between,
            vec![n(1)],
            "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
        ),
        (
            Op::Lt,
            vec![n(1), n(2)],
            "Invalid number of argument(s) for the LT ComparisonOperator",
        ),
        (
            Op::In,
            vec![n(1), s("a")],
            "AttributeValues inside AttributeValueList must be of same type",
        ),
        (
            Op::BeginsWith,
            vec![n(1)],
            "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type",
        ),
        (
            Op::Contains,
            vec![AttributeValue::Bool(true)],
            "ComparisonOperator CONTAINS is not valid for BOOL AttributeValue type",
        ),
        (
            Op::Ge,
            vec![AttributeValue::L(vec![])],
            "ComparisonOperator GE is not valid for L AttributeValue type",
        ),
    ] {
        assert_eq!(
            filter_message(operator, &values),
            format!("{prefix}{expected}")
        );
    }
    assert_eq!(
        filter_message(Op::Between, &[n(2), n(1)]),
        "The BETWEEN condition was provided a range where the lower bound is greater than the upper \
         bound"
    );
    for value in [
        AttributeValue::L(vec![]),
        AttributeValue::Null,
        AttributeValue::M(Item::new()),
    ] {
        let all = BTreeMap::from([("a".to_owned(), condition(Op::Eq, &[value]))]);
        assert!(filter_of(all, None).is_ok());
    }
}

#[test]
fn expected_is_checked_in_the_services_order() {
    let check = |entry: ExpectedAttributeValue, expected: &str| {
        let mut rewriter = Rewriter::default();
        let all = Expected::from([("a".to_owned(), entry)]);
        let found = message(rewriter.expected(all, None));
        let prefix = "One or more parameter values were invalid: ";
        assert_eq!(found, format!("{prefix}{expected} for Attribute: a"));
    };
    let full = ExpectedAttributeValue {
        value: Some(n(1)),
        exists: Some(true),
        comparison_operator: Some(ComparisonOperator::Eq),
        attribute_value_list: Some(vec![n(1)]),
    };
    check(
        full.clone(),
        "Exists and ComparisonOperator cannot be used together",
    );
    let full = ExpectedAttributeValue {
        exists: None,
        ..full
    };
    check(
        full.clone(),
        "Value and AttributeValueList cannot be used together",
    );
    check(
        ExpectedAttributeValue {
            value: None,
            attribute_value_list: None,
            ..full
        },
        "Value or AttributeValueList must be used with ComparisonOperator: EQ",
    );
    check(
        ExpectedAttributeValue {
            value: None,
            comparison_operator: None,
            ..full
        },
        "AttributeValueList can only be used with a ComparisonOperator",
    );
    let plain = |value: Option<AttributeValue>, exists| ExpectedAttributeValue {
        value,
        exists,
        ..ExpectedAttributeValue::default()
    };
    check(
        plain(None, Some(true)),
        "Value must be provided when Exists is true",
    );
    check(
        plain(Some(n(1)), Some(false)),
        "Value cannot be used when Exists is false",
    );
    check(
        plain(None, None),
        "Value must be provided when Exists is null",
    );
}

#[test]
fn key_conditions_are_key_conditions_of_the_same_meaning() {
    let keys = |all: &[(&str, Condition)]| {
        let mut rewriter = Rewriter::default();
        let all = all
            .iter()
            .map(|(name, entry)| ((*name).to_owned(), entry.clone()));
        rewriter.key_conditions(all.collect())?;
        Ok(rewriter.finish())
    };
    let eq = condition(ComparisonOperator::Eq, &[s("a")]);
    let schema = KeySchema {
        partition_key: KeyAttribute {
            name: "pk".to_owned(),
            scalar_type: ScalarType::S,
        },
        sort_key: Some(KeyAttribute {
            name: "sk".to_owned(),
            scalar_type: ScalarType::N,
        }),
    };
    for operator in [
        ComparisonOperator::Eq,
        ComparisonOperator::Lt,
        ComparisonOperator::Le,
        ComparisonOperator::Gt,
        ComparisonOperator::Ge,
        ComparisonOperator::Between,
    ] {
        let values: &[AttributeValue] = match operator {
            ComparisonOperator::Between => &[n(0), n(2)],
            _ => &[n(1)],
        };
        let expressions: Result<Expressions, ApiError> =
            keys(&[("pk", eq.clone()), ("sk", condition(operator, values))]);
        let expressions = expressions.unwrap();
        let text = expressions.key_condition.as_deref().unwrap();
        let parsed = KeyConditionExpression::parse(text, &expressions.context()).unwrap();
        let resolved = parsed.resolve(&schema).unwrap();
        assert_eq!(resolved.partition_key, s("a"));
        let sort = resolved.sort.unwrap();
        for number in -1..4 {
            assert_eq!(
                sort.matches(&n(number)),
                holds(operator, Some(&n(number)), values),
                "{operator:?} {number}"
            );
        }
    }
    assert_eq!(
        message(keys(&[])),
        "Conditions can be of length 1 or 2 only"
    );
    assert_eq!(
        message(keys(&[(
            "pk",
            condition(ComparisonOperator::Ne, &[s("a")])
        )])),
        "Attempted conditional constraint is not an indexable operation"
    );
}

#[test]
fn no_limit_of_expressions_holds_for_legacy_parameters() {
    let names: Vec<String> = (0..2_000)
        .map(|number| format!("attribute-{number}"))
        .collect();
    let put = AttributeValueUpdate {
        value: Some(n(1)),
        action: AttributeAction::Put,
    };
    let mut rewriter = Rewriter::default();
    rewriter
        .attribute_updates(
            names
                .iter()
                .map(|name| (name.clone(), put.clone()))
                .collect(),
        )
        .unwrap();
    let all = names
        .iter()
        .map(|name| (name.clone(), condition(ComparisonOperator::Eq, &[n(1)])));
    rewriter.filter(all.collect(), None).unwrap();
    rewriter.attributes_to_get(&names);
    let expressions = rewriter.finish();
    let context = expressions.context();
    let update = UpdateExpression::parse(expressions.update.as_deref().unwrap(), &context).unwrap();
    let item = update.apply(None, &Item::new()).unwrap().item.unwrap();
    assert_eq!(item.len(), 2_000);
    assert!(parsed_filter_in(&expressions, &context).evaluate(Some(&item)));
    let text = expressions.projection.as_deref().unwrap();
    let projection = ProjectionExpression::parse(text, &context).unwrap();
    assert_eq!(projection.project(&item), item);
    context.finish().unwrap();
}

fn parsed_filter_in(
    expressions: &Expressions,
    context: &ExpressionContext<'_>,
) -> ConditionExpression {
    let text = expressions.filter.as_deref().unwrap();
    ConditionExpression::parse(ExpressionKind::Filter, text, context).unwrap()
}

#[test]
fn a_client_cannot_pass_its_text_off_as_ours() {
    let text = generated("attribute_exists(a)");
    let context = ExpressionContext::new(None, None);
    let parsed = ConditionExpression::parse(ExpressionKind::Condition, &text, &context);
    assert_eq!(
        message(parsed),
        "Invalid ConditionExpression: Syntax error; token: \"\u{1}\", near: \"\u{1}attribute_exists\""
    );
}

#[test]
fn actions_go_with_their_values() {
    let check = |action, value, expected: &str| {
        let mut rewriter = Rewriter::default();
        let update = AttributeValueUpdate { value, action };
        let all = AttributeUpdates::from([("a".to_owned(), update)]);
        let prefix = "One or more parameter values were invalid: ";
        assert_eq!(
            message(rewriter.attribute_updates(all)),
            format!("{prefix}{expected}")
        );
    };
    let without = "Only DELETE action is allowed when no attribute value is specified";
    check(AttributeAction::Put, None, without);
    check(AttributeAction::Add, None, without);
    check(
        AttributeAction::Add,
        Some(s("a")),
        "ADD action is not supported for the type S",
    );
    check(
        AttributeAction::Delete,
        Some(n(1)),
        "DELETE action with value is not supported for the type N",
    );
}

proptest! {
    /// The body of the fuzz target, on text that looks like a request more often than random bytes do.
    #[test]
    fn whatever_comes_in_is_refused_or_is_an_expression(
        members in proptest::collection::vec(request_members(), 1..5),
    ) {
        let body = format!("{{\"TableName\":\"T\",{}}}", members.join(","));
        crate::fuzzing::requests(body.as_bytes());
    }
}

fn request_members() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        Just(r#"{"S":"a"}"#),
        Just(r#"{"N":"1"}"#),
        Just(r#"{"N":"2"}"#),
        Just(r#"{"SS":["a"]}"#),
        Just(r#"{"L":[]}"#),
        Just("{}"),
        Just("null"),
    ];
    let values = proptest::collection::vec(value.clone(), 0..3).prop_map(|all| all.join(","));
    let entry = (
        proptest::sample::select(OPERATORS.to_vec()),
        values,
        value,
        proptest::sample::select(vec!["PUT", "ADD", "DELETE"]),
        proptest::collection::vec(any::<bool>(), 5),
    )
        .prop_map(|(operator, values, value, action, present)| {
            let operator = operator.as_str();
            let parts = [
                format!(r#""ComparisonOperator":"{operator}""#),
                format!(r#""AttributeValueList":[{values}]"#),
                format!(r#""Value":{value}"#),
                format!(r#""Action":"{action}""#),
                r#""Exists":false"#.to_owned(),
            ];
            let parts: Vec<String> = parts
                .into_iter()
                .zip(present)
                .filter_map(|(part, present)| present.then_some(part))
                .collect();
            format!("{{{}}}", parts.join(","))
        });
    let map = proptest::collection::btree_map("[ab]", entry, 0..3).prop_map(|all| {
        let entries: Vec<String> = all
            .into_iter()
            .map(|(name, entry)| format!("\"{name}\":{entry}"))
            .collect();
        format!("{{{}}}", entries.join(","))
    });
    let names = proptest::sample::select(vec![
        "Expected",
        "AttributeUpdates",
        "KeyConditions",
        "QueryFilter",
        "ScanFilter",
    ]);
    prop_oneof![
        6 => (names, map).prop_map(|(name, map)| format!("\"{name}\":{map}")),
        1 => Just(r#""Key":{"a":{"S":"a"}},"Item":{"a":{"S":"a"}}"#.to_owned()),
        1 => Just(r#""ConditionalOperator":"OR""#.to_owned()),
        1 => Just(r#""AttributesToGet":["a","b"]"#.to_owned()),
        1 => Just(r#""ConditionExpression":"a = b","FilterExpression":"a = b""#.to_owned()),
    ]
}
