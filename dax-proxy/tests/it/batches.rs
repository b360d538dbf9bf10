//! BatchGetItem and BatchWriteItem, key by key.

use serde_json::{Value, json};

use crate::client::{Proxy, item, key};
use crate::fake_store::Behaviour;

fn batch(keys: &[&str]) -> Value {
    let keys: Vec<Value> = keys.iter().map(|pk| key(pk)).collect();
    json!({"RequestItems": {"orders": {"Keys": keys}}})
}

fn items_of(body: &Value) -> Vec<String> {
    let items = body["Responses"]["orders"].as_array().unwrap();
    let mut items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.sort();
    items
}

#[tokio::test]
async fn only_what_is_missing_goes_down_and_then_all_is_held() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    proxy.store.put("orders", item("b", "2"));
    let first = proxy.call("BatchGetItem", batch(&["a", "b", "none"])).await;
    assert_eq!(first.cache(), "miss");
    assert_eq!(
        items_of(&first.body),
        [item("a", "1").to_string(), item("b", "2").to_string()]
    );
    assert_eq!(first.body["UnprocessedKeys"], json!({}));
    let sent = proxy.store.last("BatchGetItem").body;
    assert_eq!(
        sent["RequestItems"]["orders"],
        json!({
            "Keys": [key("b"), key("none")], "ConsistentRead": true,
        })
    );
    let second = proxy.call("BatchGetItem", batch(&["a", "b", "none"])).await;
    assert_eq!(
        (second.cache(), items_of(&second.body)),
        ("hit", items_of(&first.body))
    );
    assert_eq!(proxy.store.count("BatchGetItem"), 1);
    assert_eq!(proxy.get("none").await.cache(), "hit");
}

#[tokio::test]
async fn what_the_store_leaves_unprocessed_is_not_cached_and_told_to_the_caller_in_its_own_words() {
    let proxy = Proxy::start().await;
    let answer = json!({
        "Responses": {"orders": [item("a", "1")]},
        "UnprocessedKeys": {"orders": {"Keys": [key("b")], "ConsistentRead": true}},
    });
    proxy
        .store
        .next("BatchGetItem", Behaviour::Answer(200, answer));
    let mut request = batch(&["a", "b"]);
    request["RequestItems"]["orders"]["ProjectionExpression"] = json!("v");
    let reply = proxy.call("BatchGetItem", request).await;
    assert_eq!(
        reply.body["Responses"]["orders"],
        json!([{"v": {"S": "1"}}])
    );
    assert_eq!(
        reply.body["UnprocessedKeys"]["orders"],
        json!({
            "Keys": [key("b")], "ProjectionExpression": "v",
        })
    );
    assert_eq!(proxy.get("a").await.cache(), "hit");
    assert_eq!(proxy.get("b").await.cache(), "miss");
}

#[tokio::test]
async fn a_strongly_consistent_part_passes_by_beside_a_cached_one() {
    let proxy = Proxy::start().await;
    proxy
        .store
        .create_table("strong", "00000000-0000-4000-8000-000000000002");
    proxy.store.put("strong", item("s", "1"));
    proxy.put("a", "1").await;
    let mut request = batch(&["a"]);
    request["RequestItems"]["strong"] = json!({"Keys": [key("s")], "ConsistentRead": true});
    let reply = proxy.call("BatchGetItem", request).await;
    assert_eq!(
        reply.body["Responses"],
        json!({"orders": [item("a", "1")], "strong": [item("s", "1")]})
    );
    let read = json!({"TableName": "strong", "Key": key("s")});
    assert_eq!(proxy.call("GetItem", read).await.cache(), "miss");
}

#[tokio::test]
async fn wrong_batches_are_the_stores_to_answer() {
    let proxy = Proxy::start().await;
    for request in [batch(&["a", "a"]), batch(&[])] {
        let reply = proxy.call("BatchGetItem", request.clone()).await;
        assert_eq!(reply.cache(), "bypass");
        assert_eq!(proxy.store.last("BatchGetItem").body, request);
    }
}

#[tokio::test]
async fn each_item_of_a_batch_write_is_cached_unless_it_is_unprocessed() {
    let proxy = Proxy::start().await;
    proxy.put("gone", "1").await;
    let request = json!({"RequestItems": {"orders": [
        {"PutRequest": {"Item": item("a", "1")}},
        {"DeleteRequest": {"Key": key("gone")}},
    ]}});
    assert_eq!(
        proxy.call("BatchWriteItem", request).await.status.as_u16(),
        200
    );
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("hit", json!({"Item": item("a", "1")}))
    );
    let read = proxy.get("gone").await;
    assert_eq!((read.cache(), read.body), ("hit", json!({})));

    let put = json!({"PutRequest": {"Item": item("b", "2")}});
    let unprocessed = json!({"UnprocessedItems": {"orders": [put]}});
    proxy.store.next(
        "BatchWriteItem",
        Behaviour::Answer(200, unprocessed.clone()),
    );
    let request = json!({"RequestItems": {"orders": [put]}});
    assert_eq!(
        proxy.call("BatchWriteItem", request).await.body,
        unprocessed
    );
    assert_eq!(proxy.get("b").await.cache(), "miss");
}

#[tokio::test]
async fn a_failed_batch_write_drops_its_keys() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    proxy.store.next("BatchWriteItem", Behaviour::LoseReply);
    let put = json!({"PutRequest": {"Item": item("a", "2")}});
    let reply = proxy
        .call("BatchWriteItem", json!({"RequestItems": {"orders": [put]}}))
        .await;
    assert_eq!(reply.status.as_u16(), 500);
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("miss", json!({"Item": item("a", "2")}))
    );
}
