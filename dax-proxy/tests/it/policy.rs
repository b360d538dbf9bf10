//! Operations beside the cached ones.

use serde_json::json;

use crate::client::Proxy;

#[tokio::test]
async fn what_may_write_items_unseen_is_refused_and_not_sent() {
    let proxy = Proxy::start().await;
    for operation in ["StartBulkPutItems"] {
        let reply = proxy.call(operation, json!({})).await;
        assert_eq!(
            (reply.status.as_u16(), reply.error()),
            (400, "ValidationException")
        );
        assert!(reply.body["message"].as_str().unwrap().contains(operation));
        assert_eq!(proxy.store.count(operation), 0);
    }
}

#[tokio::test]
async fn what_changes_no_item_is_passed() {
    let proxy = Proxy::start().await;
    for operation in ["DescribeTable", "DescribeTimeToLive", "ListTables"] {
        let reply = proxy.call(operation, json!({"TableName": "orders"})).await;
        assert_eq!((reply.status.as_u16(), reply.cache()), (200, "bypass"));
        assert_eq!(
            proxy.store.last(operation).body,
            json!({"TableName": "orders"})
        );
    }
}
