//! Random requests with legacy parameters.

use proptest::prelude::*;

use super::agreement::OPERATORS;

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
