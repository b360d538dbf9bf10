use std::collections::BTreeMap;

use super::{body, item, text};
use crate::capacity::ConsumedCapacity;
use crate::operations::*;

fn get_error(request_items: &str) -> String {
    text(
        BatchGetItemRequest::parse(&body(&[&format!(r#""RequestItems":{request_items}"#)]))
            .unwrap_err(),
    )
}

fn write_error(request_items: &str) -> String {
    text(
        BatchWriteItemRequest::parse(&body(&[&format!(r#""RequestItems":{request_items}"#)]))
            .unwrap_err(),
    )
}

fn keys(count: usize) -> String {
    let keys: Vec<String> = (0..count)
        .map(|number| format!(r#"{{"pk":{{"S":"{number}"}}}}"#))
        .collect();
    format!(r#"{{"Keys":[{}]}}"#, keys.join(","))
}

fn puts(count: usize) -> String {
    let puts: Vec<String> = (0..count)
        .map(|number| format!(r#"{{"PutRequest":{{"Item":{{"pk":{{"S":"{number}"}}}}}}}}"#))
        .collect();
    format!("[{}]", puts.join(","))
}

#[test]
fn requests_and_answers_survive_the_wire() {
    let tables = BTreeMap::from([(
        "T".to_owned(),
        KeysAndAttributes {
            keys: vec![item(&[("pk", "a")]), item(&[("pk", "b")])],
            consistent_read: true,
            projection_expression: Some("#a".to_owned()),
            attributes_to_get: None,
            expression_attribute_names: Some(BTreeMap::from([("#a".to_owned(), "a".to_owned())])),
        },
    )]);
    let capacity = ConsumedCapacity::report(ReturnConsumedCapacity::Total, "T", 2.0)
        .map(|report| vec![report]);
    let get = BatchGetItemRequest {
        request_items: tables.clone(),
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    };
    assert_eq!(BatchGetItemRequest::parse(&get.to_json()), Ok(get));
    let got = BatchGetItemResponse {
        responses: BTreeMap::from([
            ("T".to_owned(), vec![item(&[("pk", "a")])]),
            ("U".to_owned(), vec![]),
        ]),
        unprocessed_keys: tables,
        consumed_capacity: capacity.clone(),
    };
    assert_eq!(BatchGetItemResponse::parse(&got.to_json()), Ok(got));
    let writes = BTreeMap::from([(
        "T".to_owned(),
        vec![
            WriteRequest::Put(item(&[("pk", "a"), ("x", "y")])),
            WriteRequest::Delete(item(&[("pk", "b")])),
        ],
    )]);
    let write = BatchWriteItemRequest {
        request_items: writes.clone(),
        ..BatchWriteItemRequest::default()
    };
    assert_eq!(BatchWriteItemRequest::parse(&write.to_json()), Ok(write));
    let written = BatchWriteItemResponse {
        unprocessed_items: writes,
        consumed_capacity: capacity,
    };
    assert_eq!(
        BatchWriteItemResponse::parse(&written.to_json()),
        Ok(written)
    );
}

#[test]
fn answers_always_have_their_maps() {
    assert_eq!(
        BatchWriteItemResponse::default().to_json(),
        br#"{"UnprocessedItems":{}}"#
    );
    assert_eq!(
        BatchGetItemResponse::default().to_json(),
        br#"{"Responses":{},"UnprocessedKeys":{}}"#
    );
}

#[test]
fn batches_are_not_empty() {
    for request_items in ["{}", "null"] {
        assert_eq!(
            get_error(request_items),
            "The requestItems parameter is required for BatchGetItem"
        );
        assert_eq!(
            write_error(request_items),
            "The requestItems parameter is required for BatchWriteItem"
        );
    }
    assert_eq!(
        get_error(r#"{"T":{}}"#),
        "1 validation error detected: Value null at 'requestItems.T.member.keys' failed to satisfy \
         constraint: Member must not be null"
    );
}

#[test]
fn batches_are_bounded() {
    assert!(
        BatchGetItemRequest::parse(&body(&[&format!(
            r#""RequestItems":{{"T":{}}}"#,
            keys(100)
        )]))
        .is_ok()
    );
    assert_eq!(
        get_error(&format!(r#"{{"T":{}}}"#, keys(101))),
        "1 validation error detected: Value at 'RequestItems.T.member.Keys' failed to satisfy \
         constraint: Member must have length less than or equal to 100"
    );
    assert_eq!(
        get_error(&format!(r#"{{"T":{},"U":{}}}"#, keys(60), keys(41))),
        "Too many items requested for the BatchGetItem call"
    );
    assert!(
        BatchWriteItemRequest::parse(&body(&[&format!(r#""RequestItems":{{"T":{}}}"#, puts(25))]))
            .is_ok()
    );
    for (count, shown) in [(0, "[]"), (26, "[...]")] {
        assert_eq!(
            write_error(&format!(r#"{{"T":{}}}"#, puts(count))),
            format!(
                "1 validation error detected: Value '{{T={shown}}}' at 'requestItems' failed to \
                 satisfy constraint: Map value must satisfy constraint: [Member must have length \
                 less than or equal to 25, Member must have length greater than or equal to 1]"
            )
        );
    }
    assert_eq!(
        write_error(&format!(r#"{{"T":{},"U":{}}}"#, puts(20), puts(6))),
        "Too many items requested for the BatchWriteItem call"
    );
}

#[test]
fn each_write_is_one_write_of_a_legal_item() {
    assert_eq!(
        write_error(r#"{"T":[{}]}"#),
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    );
    assert_eq!(
        write_error(r#"{"T":[{"PutRequest":{"Item":{}},"DeleteRequest":{"Key":{}}}]}"#),
        "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the \
         supported datatypes"
    );
    assert_eq!(
        write_error(r#"{"T":[{"PutRequest":{}},{"DeleteRequest":{}}]}"#),
        "2 validation errors detected: Value null at \
         'requestItems.T.member.1.member.putRequest.item' failed to satisfy constraint: Member \
         must not be null; Value null at 'requestItems.T.member.2.member.deleteRequest.key' failed \
         to satisfy constraint: Member must not be null"
    );
    let large = format!(
        r#"{{"T":[{{"PutRequest":{{"Item":{{"pk":{{"S":"{}"}}}}}}}}]}}"#,
        "x".repeat(409_600)
    );
    assert_eq!(
        write_error(&large),
        "Item size has exceeded the maximum allowed size"
    );
    // Bare, unlike in PutItem.
    assert_eq!(
        write_error(r#"{"T":[{"PutRequest":{"Item":{"pk":{"SS":[]}}}}]}"#),
        "One or more parameter values were invalid: An string set  may not be empty"
    );
}

#[test]
fn tables_are_named_well_and_projections_have_one_form() {
    assert!(get_error(&format!(r#"{{"a;b":{}}}"#, keys(1))).contains("Map keys must satisfy"));
    assert_eq!(
        get_error(
            r#"{"T":{"Keys":[{}],"AttributesToGet":["a"]},"U":{"Keys":[{}],"ProjectionExpression":"a"}}"#
        ),
        "Can not use both expression and non-expression parameters in the same request: \
         Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"
    );
    assert_eq!(
        get_error(r##"{"T":{"Keys":[{}],"ExpressionAttributeNames":{"#a":"a"}}}"##),
        "ExpressionAttributeNames can only be specified when using expressions"
    );
}
