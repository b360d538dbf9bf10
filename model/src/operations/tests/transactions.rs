use super::{body, item, text};
use crate::operations::*;

fn write_error(items: &str) -> String {
    let body = body(&[&format!(r#""TransactItems":{items}"#)]);
    text(TransactWriteItemsRequest::parse(&body).unwrap_err())
}

fn get_error(items: &str) -> String {
    let body = body(&[&format!(r#""TransactItems":{items}"#)]);
    text(TransactGetItemsRequest::parse(&body).unwrap_err())
}

fn many(member: &str, count: usize) -> String {
    format!("[{}]", vec![member; count].join(","))
}

const DELETE: &str = r#"{"Delete":{"TableName":"T","Key":{"pk":{"S":"a"}}}}"#;

fn write(action: TransactWriteAction) -> TransactWriteItem {
    TransactWriteItem {
        table_name: "T".to_owned(),
        action,
        condition_expression: Some("attribute_exists(pk)".to_owned()),
        expression_attribute_names: None,
        expression_attribute_values: None,
        return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
    }
}

#[test]
fn requests_survive_the_wire() {
    let key = item(&[("pk", "a")]);
    let mut request = TransactWriteItemsRequest {
        transact_items: vec![
            write(TransactWriteAction::ConditionCheck { key: key.clone() }),
            write(TransactWriteAction::Put { item: key.clone() }),
            write(TransactWriteAction::Update {
                key: key.clone(),
                update_expression: "REMOVE a".to_owned(),
            }),
            write(TransactWriteAction::Delete { key: key.clone() }),
        ],
        client_request_token: Some("token".to_owned()),
        return_consumed_capacity: ReturnConsumedCapacity::Indexes,
        return_item_collection_metrics: ReturnItemCollectionMetrics::Size,
    };
    assert_eq!(
        TransactWriteItemsRequest::parse(&request.to_json()),
        Ok(request.clone())
    );
    let parameters = request.parameters();
    request.return_consumed_capacity = ReturnConsumedCapacity::None;
    request.client_request_token = None;
    assert_eq!(
        request.parameters(),
        parameters,
        "not part of the comparison"
    );
    request.transact_items.pop();
    assert_ne!(request.parameters(), parameters);

    let get = TransactGetItemsRequest {
        transact_items: vec![TransactGet {
            table_name: "T".to_owned(),
            key,
            projection_expression: Some("a".to_owned()),
            expression_attribute_names: None,
        }],
        return_consumed_capacity: ReturnConsumedCapacity::Total,
    };
    assert_eq!(TransactGetItemsRequest::parse(&get.to_json()), Ok(get));
}

#[test]
fn a_transaction_has_one_to_a_hundred_actions() {
    let too_few = "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy \
                   constraint: Member must have length greater than or equal to 1";
    let too_many = "1 validation error detected: Value '[...]' at 'transactItems' failed to \
                    satisfy constraint: Member must have length less than or equal to 100";
    let absent = "1 validation error detected: Value null at 'transactItems' failed to satisfy \
                  constraint: Member must not be null";
    assert_eq!(write_error("[]"), too_few);
    assert_eq!(get_error("[]"), too_few);
    assert_eq!(write_error("null"), absent);
    assert_eq!(write_error(&many(DELETE, 101)), too_many);
    let get = r#"{"Get":{"TableName":"T","Key":{"pk":{"S":"a"}}}}"#;
    assert_eq!(get_error(&many(get, 101)), too_many);
    let full = body(&[&format!(r#""TransactItems":{}"#, many(DELETE, 100))]);
    assert!(TransactWriteItemsRequest::parse(&full).is_ok());
}

#[test]
fn a_member_holds_exactly_one_action() {
    assert_eq!(
        write_error("[{}]"),
        "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"
    );
    let both = r#"[{"Delete":{"TableName":"T","Key":{}},"Put":{"TableName":"T","Item":{}}}]"#;
    assert_eq!(
        write_error(both),
        "TransactItems can only contain one of Check, Put, Update or Delete"
    );
    assert_eq!(
        get_error("[{}]"),
        "1 validation error detected: Value null at 'transactItems.1.member.get' failed to satisfy \
         constraint: Member must not be null"
    );
}

#[test]
fn constraints_name_position_and_kind_of_the_action() {
    let null = |path: &str| {
        format!(
            "1 validation error detected: Value null at '{path}' failed to satisfy constraint: \
             Member must not be null"
        )
    };
    assert_eq!(
        write_error(r#"[{"Put":{"TableName":"T"}}]"#),
        null("transactItems.1.member.put.item")
    );
    assert_eq!(
        write_error(r#"[{"Update":{"TableName":"T","Key":{}}}]"#),
        null("transactItems.1.member.update.updateExpression")
    );
    let check = format!(r#"[{DELETE},{{"ConditionCheck":{{"TableName":"T","Key":{{}}}}}}]"#);
    assert_eq!(
        write_error(&check),
        null("transactItems.2.member.conditionCheck.conditionExpression")
    );
    assert_eq!(
        write_error(r#"[{"Delete":{"TableName":"a b","Key":{}}}]"#),
        "1 validation error detected: Value 'a b' at 'transactItems.1.member.delete.tableName' \
         failed to satisfy constraint: Member must satisfy regular expression pattern: \
         [a-zA-Z0-9_.-]+"
    );
    let word = r#"[{"Delete":{"TableName":"T","Key":{},
        "ReturnValuesOnConditionCheckFailure":"X"}}]"#;
    assert_eq!(
        write_error(word),
        "1 validation error detected: Value 'X' at \
         'transactItems.1.member.delete.returnValuesOnConditionCheckFailure' failed to satisfy \
         constraint: Member must satisfy enum value set: [ALL_OLD, NONE]"
    );
    let token = body(&[
        &format!(r#""TransactItems":[{DELETE}]"#),
        &format!(r#""ClientRequestToken":"{}""#, "x".repeat(37)),
    ]);
    assert!(
        text(TransactWriteItemsRequest::parse(&token).unwrap_err())
            .ends_with("Member must have length less than or equal to 36")
    );
}

#[test]
fn values_and_placeholders_are_checked_bare() {
    assert_eq!(
        write_error(r#"[{"Put":{"TableName":"T","Item":{"a":{"SS":[]}}}}]"#),
        "One or more parameter values were invalid: An string set  may not be empty"
    );
    assert_eq!(
        write_error(
            r##"[{"Delete":{"TableName":"T","Key":{},"ExpressionAttributeNames":{"#a":"a"}}}]"##
        ),
        "ExpressionAttributeNames can only be specified when using expressions"
    );
}

#[test]
fn sizes_are_limited_by_item_and_in_all() {
    let put = |count: usize, bytes: usize| {
        let item = |at: usize| {
            let value = "x".repeat(bytes);
            let item = item(&[("pk", &at.to_string()), ("v", &value)]);
            TransactWriteItem {
                condition_expression: None,
                ..write(TransactWriteAction::Put { item })
            }
        };
        TransactWriteItemsRequest {
            transact_items: (0..count).map(item).collect(),
            ..Default::default()
        }
        .check_sizes()
        .map_err(text)
    };
    assert_eq!(put(10, 400_000), Ok(()));
    assert_eq!(
        put(11, 400_000).unwrap_err(),
        "The aggregate size of the items in the transaction cannot exceed 4 MB"
    );
    assert_eq!(
        put(1, 500_000).unwrap_err(),
        "Item size has exceeded the maximum allowed size"
    );
}

#[test]
fn a_list_in_the_place_of_an_action_is_refused_by_the_name_of_its_class() {
    for member in ["ConditionCheck", "Put", "Update", "Delete"] {
        let body = format!(r#"{{"TransactItems":[{{"{member}":[]}}]}}"#);
        let error = TransactWriteItemsRequest::parse(body.as_bytes()).unwrap_err();
        let class = format!("com.amazonaws.dynamodb.v20120810.{member}");
        assert_eq!(
            error.message,
            Some(format!("Unrecognized collection type class {class}"))
        );
    }
}
