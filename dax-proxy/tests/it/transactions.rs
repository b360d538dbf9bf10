//! Transactions through the cache.

use serde_json::{Value, json};

use crate::client::{Proxy, item};
use crate::fake_store::Behaviour;

/// A proxy that has cached `a` and `b`, which are newer in the store.
async fn with_old_entries() -> Proxy {
    let proxy = Proxy::start().await;
    for key in ["a", "b"] {
        proxy.store.put("orders", item(key, "1"));
        assert_eq!(proxy.get(key).await.cache(), "miss");
        proxy.store.put("orders", item(key, "2"));
        assert_eq!(proxy.get(key).await.cache(), "hit");
    }
    proxy
}

fn writes_a_and_checks_b() -> Value {
    json!({"TransactItems": [
        {"Update": {
            "TableName": "orders", "Key": {"pk": {"S": "a"}}, "UpdateExpression": "SET v = :v",
            "ExpressionAttributeValues": {":v": {"S": "2"}},
        }},
        {"ConditionCheck": {
            "TableName": "orders", "Key": {"pk": {"S": "b"}},
            "ConditionExpression": "attribute_exists(pk)",
        }},
    ]})
}

#[tokio::test]
async fn what_a_transaction_writes_is_not_held_any_more() {
    let proxy = with_old_entries().await;
    proxy
        .store
        .next("TransactWriteItems", Behaviour::Answer(200, json!({})));
    let reply = proxy
        .call("TransactWriteItems", writes_a_and_checks_b())
        .await;
    assert_eq!((reply.status.as_u16(), reply.cache()), (200, "bypass"));
    let sent = proxy.store.last("TransactWriteItems").body;
    assert_eq!(sent["TransactItems"].as_array().unwrap().len(), 2);
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("miss", json!({"Item": item("a", "2")}))
    );
    assert_eq!(proxy.get("b").await.cache(), "hit", "it was only checked");
}

#[tokio::test]
async fn a_cancelled_transaction_changes_nothing_here() {
    let proxy = with_old_entries().await;
    let cancelled = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": [{"Code": "None"}, {"Code": "ConditionalCheckFailed"}],
    });
    let answer = Behaviour::Answer(400, cancelled.clone());
    proxy.store.next("TransactWriteItems", answer);
    let reply = proxy
        .call("TransactWriteItems", writes_a_and_checks_b())
        .await;
    assert_eq!((reply.status.as_u16(), &reply.body), (400, &cancelled));
    assert_eq!(proxy.get("a").await.cache(), "hit");
}

#[tokio::test]
async fn after_an_unknown_outcome_the_items_are_read_again() {
    let proxy = with_old_entries().await;
    let failed = json!({"__type": "com.amazonaws.dynamodb.v20120810#InternalServerError"});
    proxy
        .store
        .next("TransactWriteItems", Behaviour::Answer(500, failed));
    proxy
        .call("TransactWriteItems", writes_a_and_checks_b())
        .await;
    assert_eq!(proxy.get("a").await.cache(), "miss");
}

#[tokio::test]
async fn reads_of_a_transaction_pass_by_the_cache() {
    let proxy = with_old_entries().await;
    let answer = json!({"Responses": [{"Item": item("a", "2")}]});
    proxy
        .store
        .next("TransactGetItems", Behaviour::Answer(200, answer.clone()));
    let body = json!({"TransactItems": [
        {"Get": {"TableName": "orders", "Key": {"pk": {"S": "a"}}}},
    ]});
    let reply = proxy.call("TransactGetItems", body).await;
    assert_eq!((reply.cache(), &reply.body), ("bypass", &answer));
    assert_eq!(proxy.get("a").await.cache(), "hit", "and store nothing");
}
