use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::error::ErrorCode;
use crate::number::Number;
use crate::value::AttributeValue;

fn check(value: &str, expected: AttributeValue) {
    let item = parse_item(format!("{{\"a\":{value}}}").as_bytes()).unwrap();
    assert_eq!(item, Item::from([("a".to_owned(), expected)]), "{value}");
}

fn refused(value: &str) -> ApiError {
    parse_item(format!("{{\"a\":{value}}}").as_bytes()).unwrap_err()
}

fn check_validation(value: &str, message: &str) {
    let error = refused(value);
    assert_eq!(error.code, ErrorCode::ValidationException, "{value}");
    assert_eq!(error.message.as_deref(), Some(message), "{value}");
}

fn check_serialization(value: &str, message: &str) {
    assert_eq!(refused(value), ApiError::serialization(message), "{value}");
}

#[test]
fn every_type_is_read() {
    check(r#"{"S":"x\u00e4\n"}"#, AttributeValue::string("xä\n"));
    check(r#"{"S":""}"#, AttributeValue::string(""));
    check(
        r#"{"N":"1.50"}"#,
        AttributeValue::N(Number::parse("1.5").unwrap()),
    );
    check(
        r#"{"B":"AP8="}"#,
        AttributeValue::B(Bytes::from_static(&[0, 0xFF])),
    );
    check(r#"{"B":""}"#, AttributeValue::B(Bytes::new()));
    check(
        r#"{"SS":["b","a"]}"#,
        AttributeValue::Ss(vec!["b".to_owned(), "a".to_owned()]),
    );
    check(
        r#"{"NS":["1","2"]}"#,
        AttributeValue::Ns(vec![1i64.into(), 2i64.into()]),
    );
    check(
        r#"{"BS":["AA=="]}"#,
        AttributeValue::Bs(vec![Bytes::from_static(&[0])]),
    );
    check(
        r#"{"M":{"x.y":{"NULL":true}}}"#,
        AttributeValue::M(Item::from([("x.y".to_owned(), AttributeValue::Null)])),
    );
    check(
        r#"{"L":[{"BOOL":true}]}"#,
        AttributeValue::L(vec![AttributeValue::Bool(true)]),
    );
    check(r#"{"L":[]}"#, AttributeValue::L(vec![]));
    check(r#"{"M":{}}"#, AttributeValue::M(Item::new()));
    check(
        r#"{"S":"x","N":null,"Unknown":{"a":[1]}}"#,
        AttributeValue::string("x"),
    );
}

#[test]
fn broken_rules_are_told_in_the_services_words() {
    let none =
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
    check_validation("{}", none);
    check_validation(r#"{"S":null}"#, none);
    check_validation("null", none);
    check_validation(r#"{"L":[null]}"#, none);
    check_validation(
        r#"{"S":"a","N":"1"}"#,
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the \
         supported datatypes",
    );
    let invalid = |text: &str| format!("One or more parameter values were invalid: {text}");
    check_validation(
        r#"{"NULL":false}"#,
        &invalid("Null attribute value types must have the value of true"),
    );
    check_validation(r#"{"SS":[]}"#, &invalid("An string set  may not be empty"));
    check_validation(r#"{"NS":[]}"#, &invalid("An number set  may not be empty"));
    check_validation(r#"{"BS":[]}"#, &invalid("Binary sets should not be empty"));
    check_validation(
        r#"{"SS":["a","a"]}"#,
        &invalid("Input collection [a, a] contains duplicates."),
    );
    check_validation(
        r#"{"BS":["AA==","AA=="]}"#,
        &invalid("Input collection [AA==, AA==]of type BS contains duplicates."),
    );
    check_validation(
        r#"{"NS":["1","1.0"]}"#,
        "Input collection contains duplicates",
    );
    check_validation(
        r#"{"N":"dog"}"#,
        "The parameter cannot be converted to a numeric value: dog",
    );
    check_validation(
        r#"{"L":[{"M":{"x":{"SS":[]}}}]}"#,
        &invalid("An string set  may not be empty"),
    );
    let many: Vec<String> = (0..20)
        .chain([7])
        .map(|number| format!("\"{number}\""))
        .collect();
    check_validation(
        &format!("{{\"NS\":[{}]}}", many.join(",")),
        "Input collection contains duplicates",
    );
}

#[test]
fn wrong_json_types_are_told_in_the_words_of_the_java_stack() {
    check_serialization(r#"{"S":1}"#, "NUMBER_VALUE cannot be converted to String");
    check_serialization(r#"{"N":1}"#, "NUMBER_VALUE cannot be converted to String");
    check_serialization(r#"{"N":1.5}"#, "NUMBER_VALUE cannot be converted to String");
    check_serialization(r#"{"S":true}"#, "TRUE_VALUE cannot be converted to String");
    check_serialization(
        r#"{"S":{}}"#,
        "Start of structure or map found where not expected",
    );
    check_serialization(
        r#"{"S":[]}"#,
        "Unrecognized collection type class java.lang.String",
    );
    check_serialization(r#"{"SS":"a"}"#, "Unexpected field type");
    check_serialization(
        r#"{"L":{}}"#,
        "Start of structure or map found where not expected",
    );
    check_serialization(r#"{"M":"a"}"#, "Unexpected field type");
    check_serialization(
        r#"{"BOOL":"true"}"#,
        "Unexpected token received from parser",
    );
    check_serialization("1", "Unexpected value type in payload");
    check_serialization("\"x\"", "Unexpected value type in payload");
    check_serialization(
        "[]",
        "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue",
    );
    check_serialization(
        r#"{"B":1}"#,
        "only base-64-encoded strings are convertible to bytes",
    );
    check_serialization(
        r#"{"B":"AAA"}"#,
        "Base64 encoded length is expected a multiple of 4 bytes but found: 3",
    );
    check_serialization(r#"{"B":"A*AA"}"#, "Invalid Base64 character: '*'");
    check_serialization(
        r#"{"B":"AB=="}"#,
        "Invalid last non-pad Base64 character dectected",
    );
}

#[test]
fn a_wrong_json_type_comes_before_a_broken_rule() {
    check_serialization(
        r#"{"L":[{"SS":[]},{"N":1}]}"#,
        "NUMBER_VALUE cannot be converted to String",
    );
}

#[test]
fn what_is_no_json_has_no_text() {
    for text in [
        "",
        "{",
        "{}x",
        "{\"a\":",
        "nul",
        "\u{feff}{}",
        "{\"a\":{\"S\":\"\\ud800\"}}",
    ] {
        assert_eq!(
            parse_item(text.as_bytes()).unwrap_err(),
            ApiError::without_message(ErrorCode::SerializationException),
            "{text}"
        );
    }
    assert!(parse_item(&[b'{', b'"', 0xFF, b'"', b':', b'1', b'}']).is_err());
}

/// `level` lists in each other, the outermost one being the value of a top-level attribute.
fn nested_lists(level: usize) -> String {
    let mut text = String::from("{\"a\":");
    text.push_str(&"{\"L\":[".repeat(level));
    text.push_str(&"]}".repeat(level));
    text.push('}');
    text
}

fn nested_maps(level: usize) -> String {
    let mut text = String::from("{\"a\":");
    text.push_str(&"{\"M\":{\"m\":".repeat(level));
    text.push_str("{\"NULL\":true}");
    text.push_str(&"}}".repeat(level));
    text.push('}');
    text
}

#[test]
fn thirty_two_levels_are_allowed_and_no_more() {
    assert!(parse_item(nested_lists(32).as_bytes()).is_ok());
    // The scalar in the middle is one level deeper than its map.
    assert!(parse_item(nested_maps(31).as_bytes()).is_ok());
    for text in [nested_lists(33), nested_maps(32), nested_maps(60)] {
        assert_eq!(
            parse_item(text.as_bytes()).unwrap_err(),
            ApiError::validation("Nesting Levels have exceeded supported limits")
        );
    }
}

#[test]
fn hostile_depth_neither_recurses_nor_panics() {
    let expected = ApiError::validation("Nesting Levels have exceeded supported limits");
    for level in [1_000, 200_000] {
        assert_eq!(
            parse_item(nested_lists(level).as_bytes()).unwrap_err(),
            expected
        );
        assert_eq!(
            parse_item(nested_maps(level).as_bytes()).unwrap_err(),
            expected
        );
        for unclosed in [
            "{\"a\":{\"L\":[",
            "[",
            "{\"a\":",
            "{\"L\":[",
            "{\"M\":{\"m\":",
        ] {
            assert!(parse_item(unclosed.repeat(level).as_bytes()).is_err());
            let unknown = format!("{{\"a\":{{\"Unknown\":{}", unclosed.repeat(level));
            assert!(parse_item(unknown.as_bytes()).is_err());
        }
    }
}

#[test]
fn what_must_be_escaped_is_found_at_every_place() {
    for length in 1..100 {
        for at in 0..length {
            let mut text = vec![b'x'; length];
            text[at] = b'"';
            let text = String::from_utf8(text).unwrap();
            let mut out = Vec::new();
            crate::json::write_text(&text, &mut out);
            let read: String = serde_json::from_slice(&out).unwrap();
            assert_eq!(read, text);
            assert_eq!(out.len(), length + 3, "{at} of {length}");
        }
    }
}

#[test]
fn strings_are_escaped_as_json_needs_it() {
    let all: String = (0u8..0x80)
        .map(char::from)
        .chain(['ä', '\u{1F600}'])
        .collect();
    let item = Item::from([(all.clone(), AttributeValue::string(&*all))]);
    let text = item_to_json(&item);
    let oracle: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(oracle[&all]["S"], serde_json::Value::String(all));
    assert_eq!(parse_item(&text).unwrap(), item);
}

fn numbers() -> impl Strategy<Value = Number> {
    ("-?[0-9]{1,20}", -40i32..40).prop_filter_map("a number", |(digits, exponent)| {
        Number::parse(&format!("{digits}e{exponent}")).ok()
    })
}

fn values() -> impl Strategy<Value = AttributeValue> {
    let texts = || "\\PC{0,6}|[\"\\\\\u{0}-\u{1f}]{0,3}";
    let bytes = || proptest::collection::vec(any::<u8>(), 0..6).prop_map(Bytes::from);
    let leaf = prop_oneof![
        texts().prop_map(AttributeValue::S),
        numbers().prop_map(AttributeValue::N),
        bytes().prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        proptest::collection::btree_set(texts(), 1..4)
            .prop_map(|set| AttributeValue::Ss(set.into_iter().collect())),
        proptest::collection::btree_set(numbers(), 1..12)
            .prop_map(|set| AttributeValue::Ns(set.into_iter().collect())),
        proptest::collection::btree_set(bytes(), 1..4)
            .prop_map(|set| AttributeValue::Bs(set.into_iter().collect())),
    ];
    leaf.prop_recursive(5, 32, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            proptest::collection::btree_map("\\PC{1,5}", inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

proptest! {
    #[test]
    fn items_survive_their_json(
        item in proptest::collection::btree_map("\\PC{1,5}", values(), 0..5),
    ) {
        let text = item_to_json(&item);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok());
        prop_assert_eq!(parse_item(&text), Ok(item));
    }

    #[test]
    fn the_fuzz_target_survives_any_bytes(data in proptest::collection::vec(any::<u8>(), 0..64)) {
        crate::fuzzing::item_json(&data);
    }

    #[test]
    fn the_fuzz_target_survives_what_looks_like_an_item(
        data in "\\{(\"(a|Item|TableName|RequestItems)\":(\\{\"(S|N|B|L|M|SS|NS|BS|BOOL|NULL|PutRequest)\":(\"[A1=+e.-]{0,6}\"|\\[\\]|\\{\\}|true|null|1e5)\\}|\"abc\"|\\[\\{\\}\\]),?){0,3}\\}",
    ) {
        crate::fuzzing::item_json(data.as_bytes());
    }
}
