//! PartiQL through the cache.

use serde_json::{Value, json};

use crate::client::{Proxy, item};
use crate::fake_store::{Behaviour, Gate};

/// A proxy that has cached `a`, which is newer in the store.
async fn with_old_entry() -> Proxy {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", "1"));
    assert_eq!(proxy.get("a").await.cache(), "miss");
    proxy.store.put("orders", item("a", "2"));
    assert_eq!(proxy.get("a").await.body, json!({"Item": item("a", "1")}));
    proxy
}

async fn call(proxy: &Proxy, operation: &'static str, body: Value) {
    let done = json!({"Items": []});
    proxy
        .store
        .next(operation, Behaviour::Answer(200, done.clone()));
    let reply = proxy.call(operation, body.clone()).await;
    assert_eq!((reply.status.as_u16(), reply.cache()), (200, "bypass"));
    assert_eq!(reply.body, done);
    assert_eq!(proxy.store.last(operation).body, body);
}

#[tokio::test]
async fn a_statement_that_writes_drops_what_is_held_of_its_table() {
    let update = "UPDATE \"orders\" SET v = '2' WHERE pk = 'a'";
    for (operation, body) in [
        ("ExecuteStatement", json!({"Statement": update})),
        (
            "BatchExecuteStatement",
            json!({"Statements": [{"Statement": update}]}),
        ),
        (
            "ExecuteTransaction",
            json!({"TransactStatements": [{"Statement": update}]}),
        ),
    ] {
        let proxy = with_old_entry().await;
        call(&proxy, operation, body).await;
        let read = proxy.get("a").await;
        assert_eq!(
            (read.cache(), read.body),
            ("miss", json!({"Item": item("a", "2")})),
            "{operation}"
        );
    }
}

/// Invariant 6: a statement has no keys to fence, and still no reader after it waits for a read from before it.
#[tokio::test]
async fn a_reader_after_a_statement_does_not_join_a_fill_from_before_it() {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", "1"));
    proxy.get("other").await;
    let gate = Gate::new();
    proxy
        .store
        .next("GetItem", Behaviour::HoldReply(gate.clone()));
    let slow = proxy.get("a");
    let after = async {
        gate.reached().await;
        proxy.store.put("orders", item("a", "2"));
        let update = "UPDATE \"orders\" SET v = '2' WHERE pk = 'a'";
        call(&proxy, "ExecuteStatement", json!({"Statement": update})).await;
        let read = proxy.get("a").await;
        gate.open();
        read
    };
    let (slow, read) = tokio::join!(slow, after);
    assert_eq!(slow.body, json!({"Item": item("a", "1")}));
    assert_eq!(read.body, json!({"Item": item("a", "2")}));
    assert_eq!(proxy.get("a").await.body, json!({"Item": item("a", "2")}));
}

#[tokio::test]
async fn a_statement_that_cannot_be_read_drops_everything() {
    let proxy = with_old_entry().await;
    let body = json!({"Statement": "UPSERT INTO \"orders\" VALUE {'pk': 'a'}"});
    call(&proxy, "ExecuteStatement", body).await;
    assert_eq!(proxy.get("a").await.cache(), "miss");
}

#[tokio::test]
async fn a_statement_that_reads_or_writes_elsewhere_leaves_the_entry() {
    let proxy = with_old_entry().await;
    let body = json!({"Statement": "SELECT * FROM \"orders\" WHERE pk = 'a'"});
    call(&proxy, "ExecuteStatement", body).await;
    proxy
        .store
        .create_table("other", "00000000-0000-4000-8000-000000000002");
    let body = json!({"Statement": "DELETE FROM \"other\" WHERE pk = 'a'"});
    call(&proxy, "ExecuteStatement", body).await;
    assert_eq!(proxy.get("a").await.cache(), "hit");
}

#[tokio::test]
async fn a_request_that_is_none_is_not_sent() {
    let proxy = Proxy::start().await;
    let reply = proxy.call("ExecuteStatement", json!({})).await;
    assert_eq!(
        (reply.status.as_u16(), reply.error()),
        (400, "ValidationException")
    );
    assert_eq!(proxy.store.count("ExecuteStatement"), 0);
}
