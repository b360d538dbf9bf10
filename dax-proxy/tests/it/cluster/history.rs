//! Invariant 6 over a cluster with faults: no read returns a value older than the last write that was acknowledged, through
//! whatever node, before it began.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::links::Mode;
use super::nodes::{Election, Nodes};
use crate::client::{item, key};

const NODES: usize = 3;
const KEYS: usize = 6;

/// Longer by `STATOR_CACHE_FAULT_SECONDS`.
fn duration() -> Duration {
    let seconds = std::env::var("STATOR_CACHE_FAULT_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|text| text.parse().ok()).unwrap_or(12))
}

/// What is known of the writes. Each key has one writer, whose values count up; an unknown write may or may not have
/// happened, and the next one has a higher number.
#[derive(Default)]
struct Acknowledged(Mutex<BTreeMap<String, u64>>);

impl Acknowledged {
    fn of(&self, key: &str) -> u64 {
        self.0.lock().get(key).copied().unwrap_or(0)
    }

    fn note(&self, key: &str, value: u64) {
        self.0.lock().insert(key.to_owned(), value);
    }
}

struct Run {
    nodes: Nodes,
    acknowledged: Acknowledged,
    stop: AtomicBool,
    writes: AtomicU64,
    refused: AtomicU64,
    hits: AtomicU64,
    bypassed: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_read_is_older_than_the_last_acknowledged_write() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let nodes = Nodes::start(NODES, Election::Lease).await;
    nodes.ready(&[0, 1, 2]).await;
    // An unknown write may land after the next one was acknowledged, and then is the newest; not here.
    nodes.store.refuse_older_numbers();
    // So that fills and writes overlap.
    nodes.store.pace(Duration::from_millis(1));
    let run = Arc::new(Run {
        nodes,
        acknowledged: Acknowledged::default(),
        stop: AtomicBool::new(false),
        writes: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        hits: AtomicU64::new(0),
        bypassed: AtomicU64::new(0),
    });
    let mut rng = StdRng::seed_from_u64(seed);
    let writers = (0..KEYS).map(|key| {
        let (run, rng) = (Arc::clone(&run), StdRng::seed_from_u64(rng.random()));
        async move { run.write(format!("k{key}"), rng).await }
    });
    let mut writers: Vec<_> = writers.collect();
    let readers: Vec<_> = (0..6)
        .map(|reader| {
            let (run, rng) = (Arc::clone(&run), StdRng::seed_from_u64(rng.random()));
            async move { run.read(reader, rng).await }
        })
        .collect();
    let faults = run.faults(StdRng::seed_from_u64(rng.random()));
    let writing = futures::future::join_all(writers.drain(..));
    let reading = futures::future::join_all(readers);
    let ((), _, _) = tokio::join!(faults, writing, reading);
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{} acknowledged, {} refused or unknown, {} hits, {} past the cache",
        count(&run.writes),
        count(&run.refused),
        count(&run.hits),
        count(&run.bypassed)
    );
    assert!(count(&run.writes) > 100 && count(&run.hits) > 100 && count(&run.bypassed) > 10);
}

impl Run {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    async fn write(&self, key: String, mut rng: StdRng) {
        let mut value = 0;
        while !self.stopped() {
            value += 1;
            let node = rng.random_range(0..NODES);
            let (operation, body) = match rng.random_range(0..3) {
                0 => {
                    let put = json!({"PutRequest": {"Item": item(&key, &value.to_string())}});
                    ("BatchWriteItem", json!({"RequestItems": {"orders": [put]}}))
                }
                _ => (
                    "PutItem",
                    json!({"TableName": "orders", "Item": item(&key, &value.to_string())}),
                ),
            };
            match self.nodes.try_call(node, operation, body).await {
                Some(reply) if reply.status == 200 => {
                    self.acknowledged.note(&key, value);
                    self.writes.fetch_add(1, Ordering::Relaxed);
                }
                _ => {
                    self.refused.fetch_add(1, Ordering::Relaxed);
                    sleep(Duration::from_millis(20)).await;
                }
            }
            if rng.random_ratio(1, 4) {
                sleep(Duration::from_millis(rng.random_range(0..30))).await;
            }
        }
    }

    async fn read(&self, reader: usize, mut rng: StdRng) {
        while !self.stopped() {
            let node = rng.random_range(0..NODES);
            let pk = format!("k{}", rng.random_range(0..KEYS));
            let at_least = self.acknowledged.of(&pk);
            let started = Instant::now();
            let (operation, body) = match reader % 3 {
                0 => {
                    let keys = json!({"Keys": [key(&pk)]});
                    ("BatchGetItem", json!({"RequestItems": {"orders": keys}}))
                }
                _ => ("GetItem", json!({"TableName": "orders", "Key": key(&pk)})),
            };
            let Some(reply) = self.nodes.try_call(node, operation, body).await else {
                continue;
            };
            if reply.status != 200 {
                continue;
            }
            let found = match operation {
                "GetItem" => &reply.body["Item"],
                _ => &reply.body["Responses"]["orders"][0],
            };
            let read = version(found);
            assert!(
                read >= at_least,
                "{pk} on node {node}: {read} after {at_least} had been acknowledged, {} ({:?})",
                reply.cache,
                started.elapsed()
            );
            match reply.cache.as_str() {
                "hit" => self.hits.fetch_add(1, Ordering::Relaxed),
                _ => self.bypassed.fetch_add(1, Ordering::Relaxed),
            };
        }
    }

    /// One fault after another, each healed before the next.
    async fn faults(&self, mut rng: StdRng) {
        let end = Instant::now() + duration();
        while Instant::now() < end {
            sleep(Duration::from_millis(rng.random_range(100..900))).await;
            let node = match rng.random_ratio(1, 2) {
                true => self.nodes.primary(),
                false => rng.random_range(0..NODES),
            };
            let mode = match rng.random_ratio(1, 2) {
                true => Mode::Closed,
                false => Mode::Hanging,
            };
            let lasts = Duration::from_millis(rng.random_range(50..3_500));
            match rng.random_range(0..4) {
                // A node cut off from its peers.
                0 => self.nodes.set_links(node, mode),
                // From its peers and the API server.
                1 => {
                    self.nodes.set_links(node, mode);
                    self.nodes.nodes[node].lease.set_reachable(false);
                }
                // From the API server alone.
                2 => self.nodes.nodes[node].lease.set_reachable(false),
                // The API server away.
                _ => self.nodes.set_lease(false),
            }
            sleep(lasts).await;
            self.nodes.set_links(node, Mode::Open);
            self.nodes.set_lease(true);
        }
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn version(item: &Value) -> u64 {
    match item["v"]["S"].as_str() {
        Some(text) => text.parse().unwrap(),
        None => 0,
    }
}
