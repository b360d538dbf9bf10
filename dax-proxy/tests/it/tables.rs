//! What the proxy knows of tables, and when it stops believing it.

use serde_json::json;

use crate::client::{Proxy, item, key};

#[tokio::test]
async fn a_table_that_is_deleted_and_made_again_is_another_table() {
    let proxy = Proxy::start().await;
    proxy.put("a", "of the first table").await;
    assert_eq!(proxy.get("a").await.cache(), "hit");
    proxy
        .call("DeleteTable", json!({"TableName": "orders"}))
        .await;
    let gone = proxy.get("a").await;
    assert_eq!(
        (gone.status.as_u16(), gone.error()),
        (400, "ResourceNotFoundException")
    );
    proxy
        .store
        .create_table("orders", "00000000-0000-4000-8000-000000000009");
    let read = proxy.get("a").await;
    assert_eq!((read.cache(), read.body), ("miss", json!({})));
}

#[tokio::test]
async fn a_table_operation_drops_what_is_held_of_its_table_and_of_no_other() {
    let proxy = Proxy::start().await;
    proxy
        .store
        .create_table("other", "00000000-0000-4000-8000-000000000002");
    let other = json!({"TableName": "other", "Key": key("a")});
    proxy.call("GetItem", other.clone()).await;
    proxy.put("a", "1").await;
    proxy
        .call("UpdateTable", json!({"TableName": "orders"}))
        .await;
    assert_eq!(proxy.get("a").await.cache(), "miss");
    assert_eq!(proxy.call("GetItem", other).await.cache(), "hit");
}

#[tokio::test]
async fn a_table_is_described_once_however_many_ask() {
    let proxy = Proxy::start().await;
    futures::future::join_all((0..20).map(async |n| proxy.get(&n.to_string()).await)).await;
    assert_eq!(proxy.store.count("DescribeTable"), 1);
}

#[tokio::test]
async fn a_table_that_is_not_there_is_the_stores_to_report_and_is_asked_for_again() {
    let proxy = Proxy::start().await;
    let read = json!({"TableName": "later", "Key": key("a")});
    let missing = proxy.call("GetItem", read.clone()).await;
    assert_eq!((missing.status.as_u16(), missing.cache()), (400, "bypass"));
    assert_eq!(missing.headers["x-amzn-requestid"], "STORE");
    proxy
        .store
        .create_table("later", "00000000-0000-4000-8000-000000000003");
    proxy.store.put("later", item("a", "1"));
    assert_eq!(
        proxy.call("GetItem", read.clone()).await.body,
        json!({"Item": item("a", "1")})
    );
    assert_eq!(proxy.call("GetItem", read).await.cache(), "hit");
}
