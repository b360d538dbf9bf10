//! Start, ready, overload, shutdown.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;

use crate::client::{Proxy, cache_options, item};
use crate::fake_store::{Behaviour, Gate, until};

#[tokio::test]
async fn it_is_ready_when_the_store_has_answered_and_counts_what_it_does() {
    let proxy = Proxy::start().await;
    until("ready", || proxy.running.readiness.is_ready()).await;
    assert_eq!(proxy.ops("/readyz").await.0, 200);
    proxy.get("a").await;
    proxy.get("a").await;
    let (_, metrics) = proxy.ops("/metrics").await;
    for line in [
        "stator_dax_item_cache_hits_total 1",
        "stator_dax_item_cache_misses_total 1",
        "stator_dax_requests_total{operation=\"GetItem\"} 2",
        "stator_dax_item_cache_size_bytes",
        "stator_dax_evicted_bytes_total 0",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[tokio::test]
async fn more_than_it_takes_at_once_is_throttled_and_the_rest_goes_on() {
    let proxy = Proxy::start_with(stator_dax_proxy::run::CacheOptions {
        requests_max: 1,
        ..cache_options()
    })
    .await;
    let gate = Gate::new();
    proxy
        .store
        .next("PutItem", Behaviour::HoldReply(gate.clone()));
    let held = proxy.put("a", "1");
    let more = async {
        gate.reached().await;
        let reply = proxy.get("b").await;
        gate.open();
        reply
    };
    let (held, more) = tokio::join!(held, more);
    assert_eq!(
        (more.status.as_u16(), more.error()),
        (400, "ThrottlingException")
    );
    assert_eq!(held.status.as_u16(), 200);
    assert_eq!(proxy.get("b").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_shutdown_lets_what_is_in_flight_end() {
    let proxy = Proxy::start().await;
    let gate = Gate::new();
    proxy
        .store
        .next("PutItem", Behaviour::HoldReply(gate.clone()));
    let Proxy { running, .. } = &proxy;
    let address = running.address;
    let put = proxy.put("a", "1");
    let draining = async {
        gate.reached().await;
        running.tasks().token().cancel();
        // No new connection is taken; what is in flight is not cut.
        let closed = async { while TcpStream::connect(address).await.is_ok() {} };
        tokio::time::timeout(Duration::from_secs(10), closed)
            .await
            .unwrap();
        gate.open();
    };
    let (put, ()) = tokio::join!(put, draining);
    assert_eq!((put.status.as_u16(), put.body), (200, json!({})));
}

#[tokio::test]
async fn a_store_that_is_not_there_is_503_and_what_is_held_is_served_on() {
    let proxy = Proxy::start().await;
    proxy.store.put("orders", item("a", "1"));
    proxy.get("a").await;
    proxy.store.stop().await;
    assert_eq!(proxy.get("a").await.cache(), "hit");
    let missing = proxy.get("b").await;
    assert_eq!(
        (missing.status.as_u16(), missing.error()),
        (503, "ServiceUnavailable")
    );
}
