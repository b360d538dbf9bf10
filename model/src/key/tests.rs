use bytes::Bytes;

use super::*;
use crate::number::Number;

fn schema() -> KeySchema {
    KeySchema {
        partition_key: KeyAttribute {
            name: "pk".to_owned(),
            scalar_type: ScalarType::S,
        },
        sort_key: Some(KeyAttribute {
            name: "sk".to_owned(),
            scalar_type: ScalarType::B,
        }),
    }
}

fn item(pk: AttributeValue, sk: AttributeValue) -> Item {
    Item::from([("pk".to_owned(), pk), ("sk".to_owned(), sk)])
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::string(text)
}

fn binary(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Bytes::copy_from_slice(bytes))
}

#[test]
fn a_key_is_taken_from_an_item_and_given_back() {
    let mut whole = item(text("a"), binary(b"b"));
    whole.insert("other".to_owned(), AttributeValue::Null);
    let key = schema().key_of_item(&whole).unwrap();
    assert_eq!(key.partition_key(), &text("a"));
    assert_eq!(key.sort_key(), Some(&binary(b"b")));
    assert_eq!(key.to_item(&schema()), item(text("a"), binary(b"b")));
    assert_eq!(schema().key_from_map(&key.to_item(&schema())), Ok(key));
}

#[test]
fn put_item_names_what_is_wrong_with_a_key() {
    let message = |item: &Item| schema().key_of_item(item).unwrap_err().message.unwrap();
    assert_eq!(
        message(&Item::from([("pk".to_owned(), text("a"))])),
        "One or more parameter values were invalid: Missing the key sk in the item"
    );
    assert_eq!(
        message(&item(AttributeValue::N(Number::ZERO), binary(b"b"))),
        "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"
    );
    assert_eq!(
        message(&item(text(""), binary(b"b"))),
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
         contain an empty string value. Key: pk"
    );
    assert_eq!(
        message(&item(text("a"), binary(b""))),
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot \
         contain an empty binary value. Key: sk"
    );
    assert_eq!(
        message(&item(text(&"a".repeat(2049)), binary(b"b"))),
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size \
         limit of2048 bytes"
    );
    assert_eq!(
        message(&item(text("a"), binary(&[1; 1025]))),
        "One or more parameter values were invalid: Aggregated size of all range keys has exceeded \
         the size limit of 1024 bytes"
    );
    assert!(
        schema()
            .key_of_item(&item(text(&"a".repeat(2048)), binary(&[1; 1024])))
            .is_ok()
    );
}

#[test]
fn a_key_parameter_holds_exactly_the_key() {
    let message = |item: &Item| schema().key_from_map(item).unwrap_err().message.unwrap();
    let mut more = item(text("a"), binary(b"b"));
    more.insert("other".to_owned(), AttributeValue::Null);
    for key in [
        Item::new(),
        Item::from([("pk".to_owned(), text("a"))]),
        item(text("a"), text("b")),
        Item::from([
            ("pk".to_owned(), text("a")),
            ("other".to_owned(), binary(b"b")),
        ]),
        more,
    ] {
        assert_eq!(
            message(&key),
            "The provided key element does not match the schema"
        );
    }
}

#[test]
fn starting_keys_have_their_own_words() {
    let one = Item::from([("pk".to_owned(), text("a"))]);
    let mistyped = item(text("a"), text("b"));
    let message = |outcome: Result<PrimaryKey, ApiError>| outcome.unwrap_err().message.unwrap();
    let schema = schema();
    assert_eq!(
        message(schema.start_key_from_map(&one)),
        "The provided starting key is invalid"
    );
    let mismatch = "The provided starting key is invalid: The provided key element does not match \
                    the schema";
    assert_eq!(message(schema.scan_start_key_from_map(&one)), mismatch);
    assert_eq!(message(schema.start_key_from_map(&mistyped)), mismatch);
}

#[test]
fn spellings_of_one_number_are_one_key() {
    let schema = KeySchema {
        partition_key: KeyAttribute {
            name: "pk".to_owned(),
            scalar_type: ScalarType::N,
        },
        sort_key: None,
    };
    let key = |text| {
        let value = AttributeValue::N(Number::parse(text).unwrap());
        schema
            .key_from_map(&Item::from([("pk".to_owned(), value)]))
            .unwrap()
    };
    assert_eq!(key("1"), key("1.0"));
    assert_eq!(key("1").partition_hash(), key("10e-1").partition_hash());
    assert_ne!(key("1").partition_hash(), key("2").partition_hash());
}

#[test]
fn encodings_of_one_partition_sort_by_the_sort_key() {
    let encoded = |sk: &[u8]| {
        let key = schema().key_from_map(&item(text("a"), binary(sk))).unwrap();
        let mut out = Vec::new();
        key.encode_partition(&mut out);
        key.encode_sort(&mut out);
        out
    };
    assert!(encoded(&[0x7F]) < encoded(&[0x80]));
    assert!(encoded(&[1]) < encoded(&[1, 0]));
}
