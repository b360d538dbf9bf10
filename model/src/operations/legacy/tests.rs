mod agreement;
mod requests;

use std::collections::BTreeMap;

use self::agreement::holds;
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
