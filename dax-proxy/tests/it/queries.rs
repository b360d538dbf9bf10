//! The query cache as a client sees it.

use serde_json::json;

use crate::client::{Proxy, cache_options, item};
use crate::fake_store::Behaviour;

#[tokio::test]
async fn a_page_is_held_to_its_ttl_and_writes_do_not_touch_it() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    let query = json!({
        "TableName": "orders", "KeyConditionExpression": "pk = :a",
        "ExpressionAttributeValues": {":a": {"S": "a"}},
    });
    let first = proxy.call("Query", query.clone()).await;
    assert_eq!(
        (first.cache(), &first.body["Items"]),
        ("miss", &json!([item("a", "1")]))
    );
    proxy.put("a", "2").await;
    let second = proxy.call("Query", query).await;
    assert_eq!((second.cache(), second.body), ("hit", first.body));
    assert_eq!(
        proxy.get("a").await.body,
        json!({"Item": item("a", "2")}),
        "items are fresh"
    );
    let scan = proxy.call("Scan", json!({"TableName": "orders"})).await;
    assert_eq!(
        (scan.cache(), &scan.body["Items"]),
        ("miss", &json!([item("a", "2")]))
    );
    assert_eq!(
        proxy
            .call("Scan", json!({"TableName": "orders"}))
            .await
            .cache(),
        "hit"
    );
}

#[tokio::test]
async fn a_page_does_not_fill_the_item_cache() {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", "1"));
    proxy.call("Scan", json!({"TableName": "orders"})).await;
    assert_eq!(proxy.get("a").await.cache(), "miss");
}

#[tokio::test]
async fn a_consistent_query_passes_by() {
    let proxy = Proxy::start().await;
    let strong = json!({"TableName": "orders", "ConsistentRead": true});
    for _ in 0..2 {
        assert_eq!(proxy.call("Scan", strong.clone()).await.cache(), "bypass");
    }
    assert_eq!(proxy.store.count("Scan"), 2);
    assert_eq!(
        proxy
            .call("Scan", json!({"TableName": "orders"}))
            .await
            .cache(),
        "miss"
    );
}

#[tokio::test]
async fn a_query_ttl_of_zero_switches_the_query_cache_off() {
    let proxy = Proxy::start_with(stator_dax_proxy::run::CacheOptions {
        query_ttl: None,
        ..cache_options()
    })
    .await;
    for _ in 0..2 {
        assert_eq!(
            proxy
                .call("Scan", json!({"TableName": "orders"}))
                .await
                .cache(),
            "bypass"
        );
    }
    assert_eq!(proxy.store.count("Scan"), 2);
}

#[tokio::test]
async fn a_hit_has_consumed_nothing() {
    let proxy = Proxy::start().await;
    let scan = json!({"TableName": "orders", "ReturnConsumedCapacity": "TOTAL"});
    let miss = proxy.call("Scan", scan.clone()).await;
    assert_eq!(miss.body["ConsumedCapacity"]["CapacityUnits"], 0.5);
    let hit = proxy.call("Scan", scan).await;
    assert_eq!(
        hit.body["ConsumedCapacity"],
        json!({"TableName": "orders", "CapacityUnits": 0.0})
    );
    let plain = proxy.call("Scan", json!({"TableName": "orders"})).await;
    assert_eq!(
        (plain.cache(), plain.body.get("ConsumedCapacity")),
        ("hit", None)
    );
}

#[tokio::test]
async fn an_error_is_passed_on_and_not_held() {
    let proxy = Proxy::start().await;
    let throttled = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
        "message": "slow down",
    });
    proxy
        .store
        .next("Scan", Behaviour::Answer(400, throttled.clone()));
    let first = proxy.call("Scan", json!({"TableName": "orders"})).await;
    assert_eq!(
        (first.status.as_u16(), first.cache(), first.body),
        (400, "bypass", throttled)
    );
    assert_eq!(
        proxy
            .call("Scan", json!({"TableName": "orders"}))
            .await
            .cache(),
        "miss"
    );
}
