use crate::{
    error::ApiError,
    expression::{
        KeyCondition, KeyConditionExpression, SortCondition,
        test_support::{Placeholders, b, message, n, s, schema},
    },
    key::{KeySchema, ScalarType},
    value::AttributeValue,
};

fn table() -> KeySchema {
    schema("pk", Some(("sk", ScalarType::S)))
}

fn parse(text: &str) -> Result<KeyConditionExpression, ApiError> {
    let values = [
        (":a", s("a")),
        (":b", s("b")),
        (":n", n("1")),
        (":x", b(b"x")),
        (":e", s("")),
    ];
    let placeholders = Placeholders::new(&[("#sk", "sk")], &values);
    KeyConditionExpression::parse(text, &placeholders.context())
}

fn check_error(text: &str, expected: &str) {
    assert_eq!(message(parse(text)), expected, "{text}");
}

fn check_resolve_error(text: &str, schema: &KeySchema, expected: &str) {
    assert_eq!(
        message(parse(text).unwrap().resolve(schema)),
        expected,
        "{text}"
    );
}

/// What the sort key condition of `text` matches out of "", "a", "aa", "b", "c".
fn check_sort(text: &str, expected: &[&str]) {
    let text = format!("pk = :a AND {text}");
    let condition = parse(&text).unwrap().resolve(&table()).unwrap();
    let sort = condition.sort.unwrap();
    let matching: Vec<&str> = ["", "a", "aa", "b", "c"]
        .into_iter()
        .filter(|key| sort.matches(&s(key)))
        .collect();
    assert_eq!(matching, expected, "{text}");
    assert!(!sort.matches(&n("1")), "{text}");
}

#[test]
fn it_is_a_condition_first() {
    check_error(
        "",
        "Invalid KeyConditionExpression: The expression can not be empty;",
    );
    check_error(
        "things are not gonna be ok",
        "Invalid KeyConditionExpression: Syntax error; token: \"are\", near: \"things are not\"",
    );
    check_error(
        "((pk = :a))",
        "Invalid KeyConditionExpression: The expression has redundant parentheses;",
    );
    check_error(
        "begins_with(sk, :n)",
        "Invalid KeyConditionExpression: Incorrect operand type for operator or function; \
         operator or function: begins_with, operand type: N",
    );
    check_error(
        "sk BETWEEN :b AND :a",
        "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater \
         than or equal to lower bound; lower bound operand: AttributeValue: {S:b}, upper bound \
         operand: AttributeValue: {S:a}",
    );
}

#[test]
fn operators_that_no_key_condition_has() {
    for (text, operator) in [
        ("pk > bb AND size(bb) > cc OR pk > cc", "OR"),
        ("NOT pk > bb", "NOT"),
        ("NOT NOT pk = :a", "NOT"),
        ("pk IN (:a, :b)", "IN"),
        ("pk <> :a", "<>"),
        ("attribute_exists(pk)", "attribute_exists"),
        ("attribute_not_exists(pk)", "attribute_not_exists"),
        ("contains(pk.d, bb)", "contains"),
    ] {
        check_error(
            text,
            &format!("Invalid operator used in KeyConditionExpression: {operator}"),
        );
    }
}

#[test]
fn shapes_that_no_key_condition_has() {
    let invalid = "Invalid condition in KeyConditionExpression: ";
    for text in ["size(bb) > aa AND aa.b > bb", "aa > size(bb.d)"] {
        check_error(
            text,
            "KeyConditionExpressions cannot contain nested operations",
        );
    }
    for text in [
        "bb > aa.b",
        "bb BETWEEN cc[1] AND d",
        "aa BETWEEN bb AND size(aa)",
        "begins_with(aa, bb)",
    ] {
        check_error(
            text,
            &format!("{invalid}Multiple attribute names used in one condition"),
        );
    }
    for text in [
        "bb.d > aa AND cc.d > e.f",
        "pk[0] > :a",
        "pk = :a AND #sk.foo = :b",
    ] {
        check_error(
            text,
            "KeyConditionExpressions cannot have conditions on nested attributes",
        );
    }
    check_error(
        ":a BETWEEN size(bb) AND size(aa) AND bb > :b",
        &format!("{invalid}BETWEEN operator must have the key attribute as its first operand"),
    );
    check_error(
        "begins_with(:a, bb) AND aa > :b",
        &format!("{invalid}begins_with operator must have the key attribute as its first operand"),
    );
    check_error(
        ":b > :a AND pk < :b",
        &format!("{invalid}No key attribute specified"),
    );
    check_error(
        "(pk > :a AND bb > :a) AND (bb > :a AND cc > :a)",
        "KeyConditionExpressions must only contain one condition per key",
    );
}

#[test]
fn the_key_schema_decides_the_rest() {
    let missed = |name: &str| format!("Query condition missed key schema element: {name}");
    check_resolve_error("sk = :a", &table(), &missed("pk"));
    check_resolve_error("extra = :a AND sk = :a", &table(), &missed("pk"));
    check_resolve_error("pk = :a AND extra = :a", &table(), &missed("sk"));
    for text in [
        "pk > :a",
        "begins_with(pk, :a)",
        "pk BETWEEN :a AND :b",
        "pk <= :a AND sk = :a",
    ] {
        check_resolve_error(text, &table(), "Query key condition not supported");
    }
    let hash_only = schema("pk", None);
    check_resolve_error(
        "pk = :a AND sk = :a",
        &hash_only,
        "Query key condition not supported",
    );
    let wrong_type = "One or more parameter values were invalid: \
                      Condition parameter type does not match schema type";
    check_resolve_error("pk = :n", &table(), wrong_type);
    check_resolve_error("pk = :a AND sk > :n", &table(), wrong_type);
    let numeric = schema("pk", Some(("sk", ScalarType::N)));
    check_resolve_error("pk = :a AND begins_with(sk, :a)", &numeric, wrong_type);
    check_resolve_error("pk = :a AND sk = :x", &numeric, wrong_type);
    check_resolve_error(
        "pk = :e",
        &table(),
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
         contain an empty string value. Key: pk",
    );
}

#[test]
fn sort_conditions_select() {
    check_sort("sk = :a", &["a"]);
    check_sort("sk < :b", &["", "a", "aa"]);
    check_sort("sk <= :b", &["", "a", "aa", "b"]);
    check_sort("sk > :a", &["aa", "b", "c"]);
    check_sort("sk >= :b", &["b", "c"]);
    check_sort("sk BETWEEN :a AND :b", &["a", "aa", "b"]);
    check_sort("begins_with(sk, :a)", &["a", "aa"]);
    check_sort("(#sk = :a)", &["a"]);
}

#[test]
fn the_comparator_flips_with_its_sides() {
    check_sort(":b > sk", &["", "a", "aa"]);
    check_sort(":b >= sk", &["", "a", "aa", "b"]);
    check_sort(":a < sk", &["aa", "b", "c"]);
    check_sort(":b <= sk", &["b", "c"]);
    check_sort(":a = #sk", &["a"]);
}

#[test]
fn conditions_come_in_any_order_and_brackets() {
    for text in [
        "sk > :b AND pk = :a",
        "(sk > :b) AND (:a = pk)",
        "(pk = :a AND sk > :b)",
    ] {
        let KeyCondition {
            partition_key,
            sort,
        } = parse(text).unwrap().resolve(&table()).unwrap();
        assert_eq!(partition_key, s("a"));
        assert!(
            matches!(sort, Some(SortCondition::Gt(AttributeValue::S(bound))) if bound == "b"),
            "{text}"
        );
    }
    assert!(
        parse("pk = :a")
            .unwrap()
            .resolve(&table())
            .unwrap()
            .sort
            .is_none()
    );
}
