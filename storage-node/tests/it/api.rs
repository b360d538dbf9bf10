//! The operations against `dev`, over HTTP.

use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Client, Process, eventually};

async fn dev() -> (tempfile::TempDir, Process, Client) {
    let dir = tempfile::tempdir().unwrap();
    let process = Process::dev(dir.path());
    let client = Client::signed();
    process.wait_ready(&client).await;
    (dir, process, client)
}

#[tokio::test]
async fn items_are_written_read_changed_and_removed() {
    let (_dir, node, client) = dev().await;
    let created = client.create_table(node.api, "orders").await;
    assert_eq!(created["TableDescription"]["TableStatus"], "CREATING");
    let described = client
        .call(node.api, "DescribeTable", json!({"TableName": "orders"}))
        .await;
    assert_eq!(described["Table"]["TableStatus"], "ACTIVE");

    let item = json!({"pk": {"S": "a"}, "n": {"N": "1.50"}, "l": {"L": [{"NULL": true}]}});
    client
        .call(
            node.api,
            "PutItem",
            json!({"TableName": "orders", "Item": item}),
        )
        .await;
    let key = json!({"pk": {"S": "a"}});
    for consistent in [false, true] {
        let got = client
            .call(
                node.api,
                "GetItem",
                json!({"TableName": "orders", "Key": key, "ConsistentRead": consistent}),
            )
            .await;
        assert_eq!(got["Item"]["n"]["N"], "1.5");
    }
    let updated = client
        .call(
            node.api,
            "UpdateItem",
            json!({
                "TableName": "orders", "Key": key, "UpdateExpression": "ADD n :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}}, "ReturnValues": "UPDATED_NEW",
            }),
        )
        .await;
    assert_eq!(updated["Attributes"], json!({"n": {"N": "2.5"}}));
    let refused = client
        .refused(
            node.api,
            "DeleteItem",
            json!({
                "TableName": "orders", "Key": key, "ConditionExpression": "n = :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }),
        )
        .await;
    assert_eq!(refused, "ConditionalCheckFailedException");
    client
        .call(
            node.api,
            "DeleteItem",
            json!({"TableName": "orders", "Key": key}),
        )
        .await;
    let gone = client
        .call(
            node.api,
            "GetItem",
            json!({"TableName": "orders", "Key": key, "ConsistentRead": true}),
        )
        .await;
    assert_eq!(gone, json!({}));
}

#[tokio::test]
async fn scans_see_each_item_once_in_whatever_segments() {
    let (_dir, node, client) = dev().await;
    client.create_table(node.api, "orders").await;
    for at in 0..60 {
        let item = json!({"pk": {"S": format!("item-{at}")}});
        client
            .call(
                node.api,
                "PutItem",
                json!({"TableName": "orders", "Item": item}),
            )
            .await;
    }
    for segments in [1, 3, 7] {
        let mut seen = std::collections::BTreeSet::new();
        for segment in 0..segments {
            let mut start = Value::Null;
            loop {
                let mut request = json!({
                    "TableName": "orders", "Segment": segment, "TotalSegments": segments, "Limit": 7,
                });
                if !start.is_null() {
                    request["ExclusiveStartKey"] = start;
                }
                let page = client.call(node.api, "Scan", request).await;
                for item in page["Items"].as_array().unwrap() {
                    assert!(seen.insert(item["pk"]["S"].as_str().unwrap().to_owned()));
                }
                start = page["LastEvaluatedKey"].clone();
                if start.is_null() {
                    break;
                }
            }
        }
        assert_eq!(seen.len(), 60, "in {segments} segments");
    }
}

#[tokio::test]
async fn a_table_made_again_under_its_name_is_another_table() {
    let (_dir, node, client) = dev().await;
    client.create_table(node.api, "orders").await;
    let item = json!({"pk": {"S": "a"}});
    client
        .call(
            node.api,
            "PutItem",
            json!({"TableName": "orders", "Item": item}),
        )
        .await;
    let deleted = client
        .call(node.api, "DeleteTable", json!({"TableName": "orders"}))
        .await;
    assert_eq!(deleted["TableDescription"]["TableStatus"], "DELETING");
    eventually("deleted", || async {
        let described = client
            .try_call(node.api, "DescribeTable", &json!({"TableName": "orders"}))
            .await;
        described.is_some_and(|(status, _)| status == StatusCode::BAD_REQUEST)
    })
    .await;
    client.create_table(node.api, "orders").await;
    let gone = client
        .call(
            node.api,
            "GetItem",
            json!({"TableName": "orders", "Key": item, "ConsistentRead": true}),
        )
        .await;
    assert_eq!(gone, json!({}));
}

#[tokio::test]
async fn what_is_wrong_or_not_built_is_refused_whole() {
    let (_dir, node, client) = dev().await;
    client.create_table(node.api, "orders").await;
    let refused = |operation: &'static str, body: Value| client.refused(node.api, operation, body);
    assert_eq!(
        refused(
            "PutItem",
            json!({"TableName": "missing", "Item": {"pk": {"S": "a"}}})
        )
        .await,
        "ResourceNotFoundException"
    );
    assert_eq!(
        refused(
            "PutItem",
            json!({"TableName": "orders", "Item": {"pk": {"N": "1"}}})
        )
        .await,
        "ValidationException"
    );
    assert_eq!(
        refused(
            "PutItem",
            json!({"TableName": "orders", "Item": {"pk": {"S": 1}}})
        )
        .await,
        "SerializationException"
    );
    assert_eq!(
        refused("TransactGetItems", json!({"TransactItems": []})).await,
        "ValidationException"
    );
    assert_eq!(
        refused("MakeCoffee", json!({})).await,
        "UnknownOperationException"
    );
    assert_eq!(
        refused(
            "Query",
            json!({
                "TableName": "orders", "IndexName": "byDate", "KeyConditionExpression": "pk = :p",
                "ExpressionAttributeValues": {":p": {"S": "a"}},
            })
        )
        .await,
        "ValidationException"
    );
    let (status, text) = client.get(node.api, "/").await.unwrap();
    assert_eq!(
        (status, text.starts_with("healthy: dynamodb.")),
        (StatusCode::OK, true)
    );
}

#[tokio::test]
async fn batches_report_each_table_and_refuse_duplicates() {
    let (_dir, node, client) = dev().await;
    client.create_table(node.api, "orders").await;
    let put = |pk: &str| json!({"PutRequest": {"Item": {"pk": {"S": pk}}}});
    let written = client
        .call(
            node.api,
            "BatchWriteItem",
            json!({"RequestItems": {"orders": [put("a"), put("b")]}, "ReturnConsumedCapacity": "TOTAL"}),
        )
        .await;
    assert_eq!(written["UnprocessedItems"], json!({}));
    assert_eq!(written["ConsumedCapacity"][0]["CapacityUnits"], 2.0);
    let twice = json!({"RequestItems": {"orders": [put("a"), put("a")]}});
    assert_eq!(
        client.refused(node.api, "BatchWriteItem", twice).await,
        "ValidationException"
    );
    let got = client
        .call(
            node.api,
            "BatchGetItem",
            json!({"RequestItems": {"orders": {"Keys": [
                {"pk": {"S": "a"}}, {"pk": {"S": "b"}}, {"pk": {"S": "c"}},
            ]}}}),
        )
        .await;
    assert_eq!(got["Responses"]["orders"].as_array().unwrap().len(), 2);
    assert_eq!(got["UnprocessedKeys"], json!({}));
}
