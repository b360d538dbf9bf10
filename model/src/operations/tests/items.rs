use std::collections::BTreeMap;

use super::{body, item, text};
use crate::capacity::ConsumedCapacity;
use crate::error::ApiError;
use crate::operations::*;

const TABLE: &str = r#""TableName":"T""#;
const ITEM: &str = r#""Item":{"pk":{"S":"a"}}"#;
const KEY: &str = r#""Key":{"pk":{"S":"a"}}"#;

fn put_error(parts: &[&str]) -> String {
    text(PutItemRequest::parse(&body(parts)).unwrap_err())
}

fn names() -> Option<BTreeMap<String, String>> {
    Some(BTreeMap::from([("#a".to_owned(), "a.b".to_owned())]))
}

#[test]
fn requests_read_back_what_clients_write() {
    let put = PutItemRequest {
        table_name: "T".to_owned(),
        item: item(&[("pk", "a"), ("x", "\"y\"")]),
        condition_expression: Some("attribute_not_exists(#a)".to_owned()),
        expected: None,
        conditional_operator: None,
        expression_attribute_names: names(),
        expression_attribute_values: Some(item(&[(":v", "1")])),
        return_values: ReturnValues::AllOld,
        return_consumed_capacity: ReturnConsumedCapacity::Indexes,
        return_item_collection_metrics: ReturnItemCollectionMetrics::Size,
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
    };
    assert_eq!(PutItemRequest::parse(&put.to_json()), Ok(put));
    let update = UpdateItemRequest {
        table_name: "T".to_owned(),
        key: item(&[("pk", "a")]),
        update_expression: Some("SET #a = :v".to_owned()),
        expression_attribute_names: names(),
        expression_attribute_values: Some(item(&[(":v", "1")])),
        return_values: ReturnValues::UpdatedNew,
        ..UpdateItemRequest::default()
    };
    assert_eq!(UpdateItemRequest::parse(&update.to_json()), Ok(update));
    let delete = DeleteItemRequest {
        table_name: "T".to_owned(),
        key: item(&[("pk", "a")]),
        condition_expression: Some("a = b".to_owned()),
        return_values: ReturnValues::AllOld,
        ..DeleteItemRequest::default()
    };
    assert_eq!(DeleteItemRequest::parse(&delete.to_json()), Ok(delete));
    let get = GetItemRequest {
        table_name: "arn:aws:dynamodb:us-east-1:000000000000:table/T".to_owned(),
        key: item(&[("pk", "a")]),
        consistent_read: true,
        projection_expression: Some("#a".to_owned()),
        attributes_to_get: None,
        expression_attribute_names: names(),
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    };
    assert_eq!(GetItemRequest::parse(&get.to_json()), Ok(get));
}

#[test]
fn answers_read_back_what_the_service_writes() {
    let capacity = ConsumedCapacity::report(ReturnConsumedCapacity::Indexes, "T", 1.0);
    let write = PutItemResponse {
        attributes: Some(item(&[("pk", "a")])),
        consumed_capacity: capacity.clone(),
    };
    assert_eq!(PutItemResponse::parse(&write.to_json()), Ok(write));
    let get = GetItemResponse {
        item: Some(Default::default()),
        consumed_capacity: capacity,
    };
    assert_eq!(GetItemResponse::parse(&get.to_json()), Ok(get));
}

#[test]
fn nothing_to_tell_is_an_empty_object() {
    assert_eq!(PutItemResponse::default().to_json(), b"{}");
    assert_eq!(GetItemResponse::default().to_json(), b"{}");
    let empty = UpdateItemResponse {
        attributes: Some(Default::default()),
        ..Default::default()
    };
    assert_eq!(empty.to_json(), b"{}");
    let projected = GetItemResponse {
        item: Some(Default::default()),
        consumed_capacity: None,
    };
    assert_eq!(projected.to_json(), br#"{"Item":{}}"#);
}

#[test]
fn unknown_members_are_ignored_and_nulls_are_absent() {
    let parts = [
        TABLE,
        ITEM,
        r#""Other":{"deep":[1,{}]}"#,
        r#""ReturnValues":null"#,
        r#""Key":5"#,
    ];
    assert!(PutItemRequest::parse(&body(&parts)).is_ok());
}

#[test]
fn table_names_are_reported_alone_and_first() {
    let envelope = |rule: &str| format!("1 validation error detected: Value {rule}");
    let wrong = r#""ReturnValues":"x""#;
    assert_eq!(
        put_error(&[wrong]),
        envelope("null at 'tableName' failed to satisfy constraint: Member must not be null")
    );
    assert_eq!(
        put_error(&[r#""TableName":"""#, wrong]),
        envelope(
            "'' at 'tableName' failed to satisfy constraint: Member must have length greater than \
             or equal to 1"
        )
    );
    assert_eq!(
        put_error(&[r#""TableName":"a;b""#, wrong]),
        envelope(
            "'a;b' at 'tableName' failed to satisfy constraint: Member must satisfy regular \
             expression pattern: [a-zA-Z0-9_.-]+"
        )
    );
    let long = "a".repeat(256);
    assert_eq!(
        put_error(&[&format!(r#""TableName":"{long}""#)]),
        envelope(&format!(
            "'{long}' at 'tableName' failed to satisfy constraint: Member must have length less \
             than or equal to 255"
        ))
    );
}

#[test]
fn put_item_gathers_constraints_and_update_item_reports_the_first() {
    let wrong = [
        TABLE,
        r#""ReturnValues":"x""#,
        r#""ReturnConsumedCapacity":"y""#,
    ];
    assert_eq!(
        put_error(&wrong),
        "3 validation errors detected: Value 'y' at 'returnConsumedCapacity' failed to satisfy \
         constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; Value 'x' at \
         'returnValues' failed to satisfy constraint: Member must satisfy enum value set: [ALL_NEW, \
         UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]; Value null at 'item' failed to satisfy \
         constraint: Member must not be null"
    );
    assert_eq!(
        text(UpdateItemRequest::parse(&body(&wrong)).unwrap_err()),
        "1 validation error detected: Value 'x' at 'returnValues' failed to satisfy constraint: \
         Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]"
    );
}

#[test]
fn constraints_come_before_values_and_values_before_expressions() {
    let bad_item = r#""Item":{"pk":{"SS":[]}}"#;
    let orphan = r#""ExpressionAttributeValues":{":v":{"S":"a"}}"#;
    let bad_word = r#""ReturnValues":"x""#;
    assert!(put_error(&[bad_item, bad_word, orphan, TABLE]).contains("returnValues"));
    assert!(put_error(&[bad_item, orphan, TABLE]).contains("string set"));
    assert!(put_error(&[ITEM, orphan, TABLE]).contains("only be specified"));
    // Whatever comes first in the text.
    assert!(put_error(&[orphan, TABLE, bad_item]).contains("string set"));
    let wrong_type = [TABLE, bad_item, r#""ReturnValues":1"#];
    assert_eq!(
        PutItemRequest::parse(&body(&wrong_type)),
        Err(ApiError::serialization(
            "NUMBER_VALUE cannot be converted to String"
        ))
    );
}

#[test]
fn only_put_and_update_prefix_rules_about_the_request() {
    let rule = "One or more parameter values were invalid: An string set  may not be empty";
    let prefixed = format!("1 validation error detected: {rule}");
    assert_eq!(put_error(&[TABLE, r#""Item":{"pk":{"SS":[]}}"#]), prefixed);
    let key = [TABLE, r#""Key":{"pk":{"SS":[]}}"#];
    assert_eq!(
        text(UpdateItemRequest::parse(&body(&key)).unwrap_err()),
        prefixed
    );
    assert_eq!(
        text(DeleteItemRequest::parse(&body(&key)).unwrap_err()),
        rule
    );
    assert_eq!(text(GetItemRequest::parse(&body(&key)).unwrap_err()), rule);
    // An empty value is bare even there.
    assert_eq!(
        put_error(&[TABLE, r#""Item":{"pk":{}}"#]),
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    );
}

#[test]
fn placeholders_need_expressions_and_the_right_shape() {
    let condition = r#""ConditionExpression":"a = b""#;
    let check = |part: &str, with_condition: bool, message: &str| {
        let parts = if with_condition {
            vec![TABLE, KEY, part, condition]
        } else {
            vec![TABLE, KEY, part]
        };
        assert_eq!(
            text(DeleteItemRequest::parse(&body(&parts)).unwrap_err()),
            message
        );
    };
    check(
        r##""ExpressionAttributeNames":{"#a":"a"}"##,
        false,
        "ExpressionAttributeNames can only be specified when using expressions",
    );
    check(
        r#""ExpressionAttributeValues":{":a":{"S":"a"}}"#,
        false,
        "ExpressionAttributeValues can only be specified when using expressions: \
         ConditionExpression is null",
    );
    check(
        r#""ExpressionAttributeNames":{"x":"a"}"#,
        true,
        "ExpressionAttributeNames contains invalid key: Syntax error; key: \"x\"",
    );
    check(
        r#""ExpressionAttributeValues":{":":{"S":"a"}}"#,
        true,
        "ExpressionAttributeValues contains invalid key: Syntax error; key: \":\"",
    );
    check(
        r#""ExpressionAttributeNames":{}"#,
        true,
        "ExpressionAttributeNames must not be empty",
    );
    check(
        r#""ExpressionAttributeValues":{":a":{"S":"a"},":b":{"N":"dog"}}"#,
        true,
        "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a \
         numeric value: dog for key :b",
    );
}

#[test]
fn legacy_parameters_do_not_go_with_expressions() {
    let delete = |parts: &[&str]| text(DeleteItemRequest::parse(&body(parts)).unwrap_err());
    assert_eq!(
        delete(&[
            TABLE,
            KEY,
            r#""Expected":{}"#,
            r#""ConditionExpression":"a = b""#
        ]),
        "Can not use both expression and non-expression parameters in the same request: \
         Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}"
    );
    let update = [
        TABLE,
        KEY,
        r#""ConditionExpression":"a = b""#,
        r#""Expected":{}"#,
        r#""AttributeUpdates":{}"#,
    ];
    assert_eq!(
        text(UpdateItemRequest::parse(&body(&update)).unwrap_err()),
        "1 validation error detected: Can not use both expression and non-expression parameters in \
         the same request: Non-expression parameters: {AttributeUpdates, Expected} Expression \
         parameters: {ConditionExpression}"
    );
    let duplicate = [TABLE, KEY, r#""AttributesToGet":["a","b","a"]"#];
    assert_eq!(
        text(GetItemRequest::parse(&body(&duplicate)).unwrap_err()),
        "One or more parameter values were invalid: Duplicate value in attribute name: a"
    );
    // Another operation's legacy member is just an unknown member.
    assert!(GetItemRequest::parse(&body(&[TABLE, KEY, r#""Expected":{}"#])).is_ok());
}

#[test]
fn puts_and_deletes_answer_old_items_only() {
    for (mode, legal) in [
        ("NONE", true),
        ("ALL_OLD", true),
        ("ALL_NEW", false),
        ("UPDATED_OLD", false),
    ] {
        let part = format!(r#""ReturnValues":"{mode}""#);
        let put = PutItemRequest::parse(&body(&[TABLE, ITEM, &part])).unwrap();
        let delete = DeleteItemRequest::parse(&body(&[TABLE, KEY, &part])).unwrap();
        assert_eq!(put.check_return_values().is_ok(), legal, "{mode}");
        assert_eq!(delete.check_return_values().is_ok(), legal, "{mode}");
        if !legal {
            let rule = "ReturnValues can only be ALL_OLD or NONE";
            assert_eq!(text(delete.check_return_values().unwrap_err()), rule);
            assert_eq!(
                text(put.check_return_values().unwrap_err()),
                format!("1 validation error detected: {rule}")
            );
        }
    }
}

#[test]
fn an_item_may_have_exactly_400_kilobytes() {
    // "pk" + 1 byte + "x" + the rest.
    let put = |length: usize| PutItemRequest {
        item: item(&[("pk", "a"), ("x", &"y".repeat(length))]),
        ..PutItemRequest::default()
    };
    assert!(put(409_600 - 4).check_size().is_ok());
    assert_eq!(
        text(put(409_600 - 3).check_size().unwrap_err()),
        "Item size has exceeded the maximum allowed size"
    );
}

#[test]
fn a_body_that_is_no_object_has_no_text() {
    for text in ["[]", "null", "1", "\"x\"", "", "true"] {
        assert_eq!(
            GetItemRequest::parse(text.as_bytes()),
            Err(ApiError::without_message(
                crate::ErrorCode::SerializationException
            )),
            "{text}"
        );
    }
}

#[test]
fn update_item_names_both_absent_expressions() {
    let values = r#""ExpressionAttributeValues":{":v":{"S":"a"}}"#;
    assert_eq!(
        text(UpdateItemRequest::parse(&body(&[TABLE, KEY, values])).unwrap_err()),
        "1 validation error detected: ExpressionAttributeValues can only be specified when using \
         expressions: UpdateExpression and ConditionExpression are null"
    );
    let names = r##""ExpressionAttributeNames":{"#a":"a"}"##;
    assert_eq!(
        text(UpdateItemRequest::parse(&body(&[TABLE, KEY, names])).unwrap_err()),
        "ExpressionAttributeNames can only be specified when using expressions"
    );
}
