//! Invariant 6 where it is hard: requests that overlap, over real sockets. The same rules under all
//! interleavings, and each seen to fail with its bug put in: `src/cache/model_test.rs`.

use serde_json::json;

use crate::client::{Proxy, item};
use crate::fake_store::{Behaviour, Gate, until};

#[tokio::test]
async fn many_misses_of_one_key_are_one_read_of_the_store() {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", "1"));
    // So that the table is known and nothing but the item is asked for.
    proxy.get("other").await;
    let gate = Gate::new();
    proxy
        .store
        .next("GetItem", Behaviour::HoldReply(gate.clone()));
    let reads = futures::future::join_all((0..50).map(|_| proxy.get("a")));
    let opening = async {
        gate.reached().await;
        gate.open();
    };
    let (reads, ()) = tokio::join!(reads, opening);
    for read in reads {
        assert_eq!(read.body, json!({"Item": item("a", "1")}));
    }
    assert_eq!(
        proxy.store.count("GetItem"),
        2,
        "one for the other key, one for all fifty"
    );
}

#[tokio::test]
async fn a_slow_fill_does_not_overwrite_a_newer_write() {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", "old"));
    let gate = Gate::new();
    proxy
        .store
        .next("GetItem", Behaviour::HoldReply(gate.clone()));
    let slow = proxy.get("a");
    let writing = async {
        gate.reached().await;
        proxy.put("a", "new").await;
        gate.open();
    };
    let (slow, ()) = tokio::join!(slow, writing);
    assert_eq!(
        slow.body,
        json!({"Item": item("a", "old")}),
        "it began before the write"
    );
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("hit", json!({"Item": item("a", "new")}))
    );
}

#[tokio::test]
async fn a_reader_after_a_write_does_not_join_a_fill_from_before_it() {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", "old"));
    let (fill, write) = (Gate::new(), Gate::new());
    proxy
        .store
        .next("GetItem", Behaviour::HoldReply(fill.clone()));
    proxy.store.next("PutItem", Behaviour::LoseReply);
    let slow = proxy.get("a");
    let after = async {
        fill.reached().await;
        // Its outcome is unknown, so nothing is cached and the next reader needs a fill.
        assert_eq!(proxy.put("a", "new").await.status, 500);
        let read = proxy.get("a").await;
        fill.open();
        read
    };
    let (slow, read) = tokio::join!(slow, after);
    drop(write);
    assert_eq!(slow.body, json!({"Item": item("a", "old")}));
    assert_eq!(
        (read.cache(), read.body),
        ("miss", json!({"Item": item("a", "new")}))
    );
    assert_eq!(proxy.get("a").await.body, json!({"Item": item("a", "new")}));
}

#[tokio::test]
async fn of_overlapping_writes_neither_is_cached() {
    let proxy = Proxy::start().await;
    proxy.put("a", "0").await;
    let gate = Gate::new();
    proxy
        .store
        .next("PutItem", Behaviour::HoldReply(gate.clone()));
    let first = proxy.put("a", "1");
    let second = async {
        gate.reached().await;
        proxy.put("a", "2").await;
        assert_eq!(
            proxy.get("a").await.body,
            json!({"Item": item("a", "2")}),
            "acknowledged"
        );
        gate.open();
    };
    tokio::join!(first, second);
    let read = proxy.get("a").await;
    // The first was committed first and answered last; its image would be stale.
    assert_eq!(
        (read.cache(), read.body),
        ("miss", json!({"Item": item("a", "2")}))
    );
}

#[tokio::test]
async fn a_write_whose_client_has_left_is_still_told_to_the_cache() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    let gate = Gate::new();
    proxy
        .store
        .next("PutItem", Behaviour::HoldReply(gate.clone()));
    tokio::select! {
        biased;
        _ = proxy.put("a", "2") => panic!("it is held"),
        () = gate.reached() => {}
    }
    gate.open();
    let metrics = async || proxy.ops("/metrics").await.1;
    let mut text = metrics().await;
    while !text.contains("stator_dax_keys_in_flight 0") {
        text = metrics().await;
    }
    let read = proxy.get("a").await;
    assert_eq!(
        (read.cache(), read.body),
        ("hit", json!({"Item": item("a", "2")}))
    );
}

#[tokio::test]
async fn a_reader_whose_leader_has_left_fetches_for_itself() {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", "1"));
    let gate = Gate::new();
    proxy
        .store
        .next("GetItem", Behaviour::HoldReply(gate.clone()));
    tokio::select! {
        biased;
        _ = proxy.get("a") => panic!("it is held"),
        () = gate.reached() => {}
    }
    assert_eq!(proxy.get("a").await.body, json!({"Item": item("a", "1")}));
    until("two reads", || proxy.store.count("GetItem") == 2).await;
    gate.open();
}
