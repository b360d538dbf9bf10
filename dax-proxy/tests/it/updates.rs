//! UpdateItem: the new image is cached where the caller's answer can be derived from it.

use serde_json::{Value, json};

use crate::client::{Proxy, key};

fn update(return_values: Option<&str>) -> Value {
    let mut update = json!({
        "TableName": "orders", "Key": key("a"), "UpdateExpression": "SET v = :v",
        "ExpressionAttributeValues": {":v": {"S": "new"}},
    });
    if let Some(return_values) = return_values {
        update["ReturnValues"] = json!(return_values);
    }
    update
}

async fn check(return_values: Option<&str>, sent: Option<&str>, answer: Value, cached: &str) {
    let proxy = Proxy::start().await;
    let old = json!({"pk": {"S": "a"}, "v": {"S": "old"}, "w": {"S": "kept"}});
    proxy
        .call("PutItem", json!({"TableName": "orders", "Item": old}))
        .await;
    let reply = proxy.call("UpdateItem", update(return_values)).await;
    assert_eq!(
        (reply.status.as_u16(), reply.body),
        (200, answer),
        "{return_values:?}"
    );
    assert_eq!(
        proxy.store.last("UpdateItem").body["ReturnValues"].as_str(),
        sent
    );
    let read = proxy.get("a").await;
    let new = json!({"pk": {"S": "a"}, "v": {"S": "new"}, "w": {"S": "kept"}});
    assert_eq!(
        (read.cache(), &read.body["Item"]),
        (cached, &new),
        "{return_values:?}"
    );
}

#[tokio::test]
async fn the_new_image_is_cached_where_the_answer_can_be_derived_from_it() {
    let new = json!({"pk": {"S": "a"}, "v": {"S": "new"}, "w": {"S": "kept"}});
    let old = json!({"pk": {"S": "a"}, "v": {"S": "old"}, "w": {"S": "kept"}});
    check(None, Some("ALL_NEW"), json!({}), "hit").await;
    check(Some("NONE"), Some("ALL_NEW"), json!({}), "hit").await;
    check(
        Some("ALL_NEW"),
        Some("ALL_NEW"),
        json!({"Attributes": new}),
        "hit",
    )
    .await;
    let updated = json!({"Attributes": {"v": {"S": "new"}}});
    check(Some("UPDATED_NEW"), Some("ALL_NEW"), updated, "hit").await;
    check(
        Some("ALL_OLD"),
        Some("ALL_OLD"),
        json!({"Attributes": old}),
        "miss",
    )
    .await;
}

#[tokio::test]
async fn an_update_of_a_list_element_is_sent_as_it_is_and_drops_the_key() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    let mut request = update(Some("UPDATED_NEW"));
    request["UpdateExpression"] = json!("SET v[7] = :v");
    proxy.call("UpdateItem", request.clone()).await;
    assert_eq!(proxy.store.last("UpdateItem").body, request);
    assert_eq!(proxy.get("a").await.cache(), "miss");
}
