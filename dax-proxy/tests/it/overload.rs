//! Ten times as many requests as the proxy takes at once, over both protocols (M18).
//!
//! `STATOR_OVERLOAD_SECONDS=60 cargo test -p stator-dax-proxy --test it overload` runs it for a minute.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::client::{Proxy, cache_options, key};

/// Requests in flight that the proxy takes.
const TAKEN: usize = 16;
/// Clients that always have one in flight.
const CLIENTS: usize = 10 * TAKEN;
/// Connections of the native protocol that ask all the time.
const NATIVE: usize = TAKEN;
/// How long the store takes for each.
const PACE: Duration = Duration::from_millis(20);
/// Far more than a request may take that is served, and than a refusal may.
const DEADLINE: Duration = Duration::from_secs(10);

#[derive(Default)]
struct Counts {
    served: AtomicUsize,
    refused: AtomicUsize,
    native: AtomicUsize,
}

/// Each client asks for items that nobody has asked for before, so that every request that is taken goes to the store.
async fn ask(proxy: &Proxy, counts: &Counts, client: usize, end: Instant) {
    let mut number = 0;
    while Instant::now() < end {
        number += 1;
        let name = format!("{client}-{number}");
        let call = proxy.call("GetItem", json!({"TableName": "orders", "Key": key(&name)}));
        let reply = timeout(DEADLINE, call).await.unwrap();
        match reply.status.as_u16() {
            200 => counts.served.fetch_add(1, Ordering::Relaxed),
            400 if reply.error() == "ThrottlingException" => {
                counts.refused.fetch_add(1, Ordering::Relaxed)
            }
            status => panic!("{status}: {}", reply.body),
        };
    }
}

/// A native client that has not authorised: it is told so at each request, whatever else goes on.
async fn ask_natively(proxy: &Proxy, counts: &Counts, end: Instant) {
    const PREAMBLE: &[u8] =
        b"\x67J7yne5G\x00\x50aaaaaaaaaaaaaaaa\xa1\x69UserAgent\x75DaxPythonClient-2.1.0\x00";
    const ENDPOINTS: &[u8] = b"\x01\x1a\x1b\x2b\xcf\x02";
    let mut stream = TcpStream::connect(proxy.running.address).await.unwrap();
    stream.write_all(PREAMBLE).await.unwrap();
    while Instant::now() < end {
        stream.write_all(ENDPOINTS).await.unwrap();
        let mut answer = [0; 64];
        let read = timeout(DEADLINE, stream.read(&mut answer)).await.unwrap();
        assert!(read.unwrap() > 0);
        counts.native.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(PACE).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_times_what_it_takes_is_answered_or_refused_and_the_store_is_spared() {
    let seconds = std::env::var("STATOR_OVERLOAD_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2);
    let proxy = Proxy::start_with(stator_dax_proxy::run::CacheOptions {
        requests_max: TAKEN,
        ..cache_options()
    })
    .await;
    // The table is known, and one item is held.
    proxy.put("held", "1").await;
    proxy.store.pace(PACE);

    let counts = Counts::default();
    let end = Instant::now() + Duration::from_secs(seconds);
    let asking = join_all((0..CLIENTS).map(|client| ask(&proxy, &counts, client, end)));
    let natively = join_all((0..NATIVE).map(|_| ask_natively(&proxy, &counts, end)));
    tokio::join!(asking, natively);

    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (served, refused) = (count(&counts.served), count(&counts.refused));
    assert!(
        served > 0 && refused > served,
        "{served} served, {refused} refused"
    );
    assert!(count(&counts.native) > NATIVE);
    // A request to the store for each that is taken, and the questions about tables and readiness.
    let most = proxy.store.most_at_once();
    assert!(most <= TAKEN + 2, "{most} requests at the store at once");
    let (_, metrics) = proxy.ops("/metrics").await;
    let throttled = format!("stator_dax_throttled_total {refused}");
    assert!(metrics.contains(&throttled), "{throttled} in {metrics}");

    // It has recovered by itself: nothing is in flight, and all places are free.
    proxy.store.pace(Duration::ZERO);
    assert!(metrics.contains("stator_dax_keys_in_flight 0"), "{metrics}");
    let replies = join_all((0..TAKEN).map(|_| proxy.get("held"))).await;
    for reply in replies {
        assert_eq!((reply.status.as_u16(), reply.cache()), (200, "hit"));
    }
}
