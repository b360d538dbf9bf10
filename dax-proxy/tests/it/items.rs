//! The item cache as a client sees it.

use std::time::Duration;

use serde_json::json;

use crate::client::{Proxy, cache_options, item, key};
use crate::fake_store::Behaviour;

#[tokio::test]
async fn the_second_read_is_a_hit_and_the_store_is_read_once_and_consistently() {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", "1"));
    let first = proxy.get("a").await;
    assert_eq!((first.status.as_u16(), first.cache()), (200, "miss"));
    assert_eq!(first.body, json!({"Item": item("a", "1")}));
    let second = proxy.get("a").await;
    assert_eq!((second.cache(), second.body), ("hit", first.body));
    assert_eq!(proxy.store.count("GetItem"), 1);
    let fill = proxy.store.last("GetItem");
    assert_eq!(fill.body["ConsistentRead"], true);
    let authorization = fill.headers["authorization"].to_str().unwrap();
    assert!(
        authorization.contains("Credential=PROXY/"),
        "signed anew: {authorization}"
    );
}

#[tokio::test]
async fn an_item_that_is_not_there_is_a_hit_too() {
    let proxy = Proxy::start().await;
    assert_eq!(proxy.get("none").await.body, json!({}));
    let second = proxy.get("none").await;
    assert_eq!((second.cache(), second.body), ("hit", json!({})));
    assert_eq!(proxy.store.count("GetItem"), 1);
}

#[tokio::test]
async fn writes_go_through_and_are_read_from_the_cache() {
    let proxy = Proxy::start().await;
    let put = proxy.put("a", "1").await;
    assert_eq!(
        (put.status.as_u16(), put.cache(), &put.body),
        (200, "bypass", &json!({}))
    );
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("hit", json!({"Item": item("a", "1")}))
    );
    proxy.delete("a").await;
    let read = proxy.get("a").await;
    assert_eq!((read.cache(), read.body), ("hit", json!({})));
    assert_eq!(proxy.store.count("GetItem"), 0);
}

#[tokio::test]
async fn a_number_is_cached_as_the_store_would_have_it() {
    let proxy = Proxy::start().await;
    let item = json!({"pk": {"S": "a"}, "n": {"N": "1.50"}});
    proxy
        .call("PutItem", json!({"TableName": "orders", "Item": item}))
        .await;
    let read = proxy.get("a").await;
    assert_eq!(read.body["Item"]["n"]["N"], "1.5");
}

#[tokio::test]
async fn a_write_that_the_store_refuses_leaves_the_entry_and_passes_the_error_on_unchanged() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    let refusal = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
        "Item": item("a", "1"),
    });
    proxy
        .store
        .next("PutItem", Behaviour::Answer(400, refusal.clone()));
    let put = proxy.put("a", "2").await;
    assert_eq!((put.status.as_u16(), put.body), (400, refusal));
    assert_eq!(put.headers["x-amzn-requestid"], "STORE");
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("hit", json!({"Item": item("a", "1")}))
    );
}

#[tokio::test]
async fn a_write_whose_reply_is_lost_is_answered_500_and_drops_the_entry() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    proxy.store.next("PutItem", Behaviour::LoseReply);
    let put = proxy.put("a", "2").await;
    assert_eq!(
        (put.status.as_u16(), put.error()),
        (500, "InternalServerError")
    );
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("miss", json!({"Item": item("a", "2")}))
    );
}

#[tokio::test]
async fn a_strongly_consistent_read_passes_by_and_stores_nothing() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    proxy.store.put("orders", item("a", "behind the cache"));
    let strong = json!({"TableName": "orders", "Key": key("a"), "ConsistentRead": true});
    let read = proxy.call("GetItem", strong).await;
    assert_eq!(
        (read.cache(), read.body),
        ("bypass", json!({"Item": item("a", "behind the cache")}))
    );
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("hit", json!({"Item": item("a", "1")}))
    );
}

#[tokio::test]
async fn a_projection_is_taken_from_the_whole_item() {
    let proxy = Proxy::start().await;
    proxy.store.put(
        "orders",
        json!({"pk": {"S": "a"}, "x": {"S": "1"}, "y": {"L": [{"N": "2"}]}}),
    );
    let projected = json!({
        "TableName": "orders", "Key": key("a"), "ProjectionExpression": "#y[0]",
        "ExpressionAttributeNames": {"#y": "y"},
    });
    let first = proxy.call("GetItem", projected.clone()).await;
    assert_eq!(
        (first.cache(), &first.body),
        ("miss", &json!({"Item": {"y": {"L": [{"N": "2"}]}}}))
    );
    let second = proxy.call("GetItem", projected).await;
    assert_eq!((second.cache(), second.body), ("hit", first.body));
    assert_eq!(proxy.get("a").await.cache(), "hit");
    assert_eq!(
        proxy.store.last("GetItem").body.get("ProjectionExpression"),
        None
    );
}

#[tokio::test]
async fn a_miss_costs_what_the_clients_own_read_would_and_a_hit_costs_nothing() {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", &"x".repeat(4_200)));
    let read = json!({"TableName": "orders", "Key": key("a"), "ReturnConsumedCapacity": "TOTAL"});
    let miss = proxy.call("GetItem", read.clone()).await;
    assert_eq!(
        miss.body["ConsumedCapacity"],
        json!({"TableName": "orders", "CapacityUnits": 1.0})
    );
    let hit = proxy.call("GetItem", read).await;
    assert_eq!(
        hit.body["ConsumedCapacity"],
        json!({"TableName": "orders", "CapacityUnits": 0.0})
    );
}

#[tokio::test]
async fn what_the_cache_cannot_honour_is_left_to_the_store() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    let legacy = json!({"TableName": "orders", "Key": key("a"), "AttributesToGet": ["v"]});
    assert_eq!(proxy.call("GetItem", legacy).await.cache(), "bypass");
    assert_eq!(
        proxy.store.last("GetItem").body["AttributesToGet"],
        json!(["v"])
    );
}

#[tokio::test]
async fn an_entry_ends_with_its_ttl() {
    let ttl = Duration::from_millis(50);
    let proxy = Proxy::start_with(stator_dax_proxy::run::CacheOptions {
        item_ttl: Some(ttl),
        ..cache_options()
    })
    .await;
    proxy.put("a", "1").await;
    proxy.store.put("orders", item("a", "2"));
    // The one wait of these tests: time is what this is about.
    tokio::time::sleep(ttl * 2).await;
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("miss", json!({"Item": item("a", "2")}))
    );
}
