//! A cache in a pod, behind a cluster of caches (0020): real nodes and sockets in one process.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request};
use serde_json::{Value, json};
use stator_dax_proxy::run::{AccessOptions, CacheOptions, Options, Running};
use stator_kit::clock::{SystemWallClock, WallClock as _};
use stator_kit::http::{ClientOptions, HttpClient};
use stator_kit::rng::OsRandom;
use stator_kit::sigv4::{AccessKey, Signer};
use stator_kit::task::TaskOwner;
use stator_kit::telemetry::LogFilterHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::client::{self, Proxy, cache_options, item, key};
use crate::cluster::links::Mode;
use crate::cluster::nodes::{Election, Nodes, Reply};
use crate::fake_store::{Behaviour, FakeStore};

/// What a change must have reached the sidecar after. Entries themselves live for ever here.
const PATIENCE: Duration = Duration::from_secs(15);

struct Sidecar {
    running: Running,
    http: HttpClient,
    _tasks: TaskOwner,
}

/// A sidecar with the key `APP`.
fn sidecar_options(endpoint: String) -> Options {
    Options {
        upstream: endpoint.parse().unwrap_or_default(),
        upstream_ca_file: PathBuf::new(),
        upstream_key: AccessKey::new("APP", "app-secret"),
        // The endpoint says so.
        region: None,
        account_id: "000000000000".to_owned(),
        access: AccessOptions::OwnKey,
        listen: "127.0.0.1:0".parse().unwrap(),
        tls: None,
        cluster: None,
        sidecar: true,
        ops_listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: None,
        coherence: None,
        cache: CacheOptions {
            item_ttl: None,
            strong_fills: false,
            ..cache_options()
        },
    }
}

impl Sidecar {
    /// In front of that endpoint.
    async fn start(endpoint: String) -> Self {
        let options = sidecar_options(endpoint);
        let running = Running::start(
            options,
            Arc::new(SystemWallClock),
            Arc::new(OsRandom),
            LogFilterHandle::detached("info"),
        );
        let tasks = TaskOwner::new("test");
        Self {
            running: running.await.unwrap(),
            http: HttpClient::new(ClientOptions::default(), &tasks),
            _tasks: tasks,
        }
    }

    async fn of_node(cluster: &Nodes, node: usize) -> Self {
        let address = cluster.nodes[node].running.as_ref().unwrap().address;
        let sidecar = Self::start(format!("http://{address}")).await;
        sidecar.serves_hits(true).await;
        sidecar
    }

    async fn call_as(&self, key: Option<AccessKey>, operation: &str, body: Value) -> Reply {
        let request = Request::post(format!("http://{}/", self.running.address))
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("accept-encoding", "gzip")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let (mut parts, body) = request.into_parts();
        if let Some(key) = key {
            let signer = Signer::new(key, "us-east-1", "dynamodb");
            signer
                .sign(&mut parts, &body, SystemWallClock.now())
                .unwrap();
        }
        let request = Request::from_parts(parts, body);
        let deadline = Instant::now() + Duration::from_secs(20);
        let reply = self.http.send(request, deadline).await.unwrap();
        let cache = |headers: &HeaderMap| headers["x-stator-cache"].to_str().unwrap().to_owned();
        Reply {
            status: reply.status().as_u16(),
            cache: cache(reply.headers()),
            body: serde_json::from_slice(reply.body()).unwrap(),
        }
    }

    async fn call(&self, operation: &str, body: Value) -> Reply {
        let key = AccessKey::new("APP", "app-secret");
        self.call_as(Some(key), operation, body).await
    }

    async fn get(&self, pk: &str) -> Reply {
        let body = json!({"TableName": "orders", "Key": key(pk)});
        self.call("GetItem", body).await
    }

    async fn put(&self, pk: &str, v: &str) -> Reply {
        let body = json!({"TableName": "orders", "Item": item(pk, v)});
        self.call("PutItem", body).await
    }

    async fn metric(&self, metric: &str) -> i64 {
        client::metric(&self.http, self.running.ops_address, metric).await
    }

    async fn serves_hits(&self, wanted: bool) {
        self.reaches("stator_dax_sidecar_serves_hits", i64::from(wanted))
            .await;
    }

    /// Waits until a metric is at least that; exactly that where it is 0.
    async fn reaches(&self, metric: &str, wanted: i64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.metric(metric).await;
            if (wanted == 0 && value == 0) || (wanted > 0 && value >= wanted) {
                return;
            }
            assert!(Instant::now() < deadline, "{metric} is {value}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the item is this for whoever reads it here, and is held so.
    async fn settles(&self, pk: &str, v: Option<&str>) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let read = self.get(pk).await;
            if read.v() == v && read.cache == "hit" {
                return;
            }
            assert!(Instant::now() < deadline, "{pk} should be {v:?}: {read:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn what_is_written_through_any_node_is_seen_and_then_held() {
    let cluster = Nodes::start(3, Election::FirstPeer).await;
    cluster.ready(&[0, 1, 2]).await;
    // A replica, the primary, and a node that has not heard of the table.
    for node in [1, 0] {
        let sidecar = Sidecar::of_node(&cluster, node).await;
        sidecar.settles("none", None).await;
        for writer in 0..3 {
            let v = format!("{node} {writer}");
            cluster.put(writer, "a", &v).await;
            sidecar.settles("a", Some(&v)).await;
        }
        let delete = json!({"TableName": "orders", "Key": key("a")});
        cluster.try_call(2, "DeleteItem", delete).await.unwrap();
        sidecar.settles("a", None).await;
        // No key is known of this one: all of its table is dropped.
        cluster.store.put("orders", item("a", "stated"));
        let done = Behaviour::Answer(200, json!({"Items": []}));
        cluster.store.next("ExecuteStatement", done);
        let update = json!({"Statement": "UPDATE \"orders\" SET v = 'stated' WHERE pk = 'a'"});
        cluster
            .try_call(0, "ExecuteStatement", update)
            .await
            .unwrap();
        sidecar.settles("a", Some("stated")).await;
    }
}

#[tokio::test]
async fn an_item_of_ones_own_is_not_fetched_again_when_its_change_is_told() {
    let cluster = Nodes::start(3, Election::FirstPeer).await;
    cluster.ready(&[0, 1, 2]).await;
    let sidecar = Sidecar::of_node(&cluster, 1).await;
    // What was there before the first answer is dropped once more after two seconds, and all else with it.
    sidecar.put("before", "1").await;
    sidecar.reaches("stator_dax_sidecar_changes_total", 2).await;
    sidecar.put("a", "1").await;
    sidecar.reaches("stator_dax_sidecar_changes_total", 4).await;
    let read = sidecar.get("a").await;
    assert_eq!((read.cache.as_str(), read.v()), ("hit", Some("1")));
    assert_eq!(sidecar.metric("stator_dax_item_cache_fills_total").await, 0);
}

/// The primary has told the sidecar of a write that it waits to settle, and another node still serves what was there before.
#[tokio::test]
async fn the_answer_of_a_node_that_has_not_heard_yet_does_not_stay() {
    let cluster = Nodes::start(3, Election::FirstPeer).await;
    cluster.ready(&[0, 1, 2]).await;
    let address = |node: usize| cluster.nodes[node].running.as_ref().unwrap().address;
    let tasks = TaskOwner::new("balancer");
    let balancer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", balancer.local_addr().unwrap());
    let (follows, reads) = (address(0), address(2));
    let owner = tasks.clone();
    tasks.spawn_background("balancer", async move {
        while let Ok((mut near, _)) = balancer.accept().await {
            owner.spawn_background("relay", async move {
                let mut start = [0; 14];
                while near.peek(&mut start).await.unwrap() < start.len() {}
                let follow = &start == b"POST /v1/follo";
                let target = if follow { follows } else { reads };
                let mut far = TcpStream::connect(target).await.unwrap();
                drop(tokio::io::copy_bidirectional(&mut near, &mut far).await);
            });
        }
    });
    let sidecar = Sidecar::start(endpoint).await;
    sidecar.serves_hits(true).await;
    cluster.put(0, "a", "1").await;
    sidecar.settles("a", Some("1")).await;
    cluster.set_links(2, Mode::Hanging);
    let writing = async {
        cluster.put(0, "a", "2").await;
    };
    let reading = async {
        loop {
            sidecar.get("a").await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = writing => {}
        () = reading => {}
    }
    sidecar.settles("a", Some("2")).await;
    tasks.shutdown(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn who_hears_nothing_serves_no_hits_and_then_none_from_before() {
    let cluster = Nodes::start(3, Election::FirstPeer).await;
    cluster.ready(&[0, 1, 2]).await;
    let sidecar = Sidecar::of_node(&cluster, 1).await;
    sidecar.put("a", "1").await;
    sidecar.settles("a", Some("1")).await;
    // The node lives and answers, and may not serve hits itself.
    cluster.set_links(1, Mode::Closed);
    cluster.outside(1).await;
    sidecar.serves_hits(false).await;
    cluster.put(0, "a", "2").await;
    let read = sidecar.get("a").await;
    assert_ne!(read.cache, "hit");
    assert_eq!(read.v(), Some("2"));
    cluster.set_links(1, Mode::Open);
    sidecar.serves_hits(true).await;
    assert_eq!(sidecar.get("a").await.v(), Some("2"));
    sidecar.settles("a", Some("2")).await;
}

/// A cache node without a cluster.
async fn lone_node(store: &FakeStore, listen: SocketAddr) -> Running {
    let options = Options {
        upstream: store.url.parse().unwrap(),
        region: Some("us-east-1".to_owned()),
        access: AccessOptions::Anyone,
        listen,
        sidecar: false,
        cache: cache_options(),
        ..sidecar_options(String::new())
    };
    let running = Running::start(
        options,
        Arc::new(SystemWallClock),
        Arc::new(OsRandom),
        LogFilterHandle::detached("info"),
    );
    running.await.unwrap()
}

#[tokio::test]
async fn a_node_that_starts_anew_has_nothing_to_tell_of_before() {
    let store = FakeStore::start().await;
    let node = lone_node(&store, "127.0.0.1:0".parse().unwrap()).await;
    let address = node.address;
    let sidecar = Sidecar::start(format!("http://{address}")).await;
    sidecar.serves_hits(true).await;
    sidecar.put("a", "1").await;
    sidecar.settles("a", Some("1")).await;
    node.shutdown(Duration::from_secs(5)).await;
    sidecar.serves_hits(false).await;
    assert_eq!(sidecar.get("a").await.status, 503);
    // Somebody writes past the sidecar meanwhile.
    store.put("orders", item("a", "2"));
    let _node = lone_node(&store, address).await;
    sidecar.serves_hits(true).await;
    assert_eq!(sidecar.get("a").await.v(), Some("2"));
    sidecar.settles("a", Some("2")).await;
}

#[tokio::test]
async fn what_another_key_has_signed_is_for_the_cluster_to_answer() {
    let proxy = Proxy::start().await;
    let sidecar = Sidecar::start(format!("http://{}", proxy.running.address)).await;
    sidecar.serves_hits(true).await;
    sidecar.put("a", "1").await;
    sidecar.settles("a", Some("1")).await;
    let read = || json!({"TableName": "orders", "Key": key("a")});
    let other = AccessKey::new("OTHER", "other-secret");
    for _ in 0..2 {
        let passed = sidecar
            .call_as(Some(other.clone()), "GetItem", read())
            .await;
        assert_eq!((passed.cache.as_str(), passed.v()), ("bypass", Some("1")));
    }
    let put = json!({"TableName": "orders", "Item": item("a", "2")});
    let passed = sidecar.call_as(Some(other), "PutItem", put).await;
    assert_eq!(passed.status, 200);
    sidecar.settles("a", Some("2")).await;
    assert_eq!(sidecar.metric("stator_dax_sidecar_passed_total").await, 3);
    for (key, error) in [
        (
            Some(AccessKey::new("APP", "wrong")),
            "InvalidSignatureException",
        ),
        (
            Some(AccessKey::new("NOBODY", "app-secret")),
            "UnrecognizedClientException",
        ),
        (None, "MissingAuthenticationTokenException"),
    ] {
        let refused = sidecar.call_as(key, "GetItem", read()).await;
        assert_eq!(refused.status, 400);
        let name = refused.body["__type"].as_str().unwrap();
        assert_eq!(name.rsplit('#').next(), Some(error));
    }
}

/// Writers through every node and through the sidecar, and readers through it: in the end it holds what the store holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_many_writes_it_holds_what_the_store_holds() {
    const KEYS: usize = 6;
    const WRITES: usize = 150;
    let cluster = Arc::new(Nodes::start(3, Election::FirstPeer).await);
    cluster.ready(&[0, 1, 2]).await;
    let sidecar = Arc::new(Sidecar::of_node(&cluster, 1).await);
    let pk = |number: usize| format!("k{}", number % KEYS);
    let writer = |node: usize| {
        let (cluster, sidecar) = (Arc::clone(&cluster), Arc::clone(&sidecar));
        async move {
            for write in 0..WRITES {
                let (pk, v) = (pk(write * 7 + node), format!("{node}.{write}"));
                let reply = match node {
                    3 => sidecar.put(&pk, &v).await,
                    node => cluster.put(node, &pk, &v).await,
                };
                assert_eq!(reply.status, 200);
            }
        }
    };
    let reader = async {
        loop {
            for number in 0..KEYS {
                sidecar.get(&pk(number)).await.v();
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let writers = futures::future::join_all((0..4).map(writer));
    tokio::select! {
        _ = writers => {}
        () = reader => {}
    }
    for number in 0..KEYS {
        let pk = pk(number);
        let stored = cluster.store.item("orders", &pk).unwrap();
        sidecar.settles(&pk, stored["v"]["S"].as_str()).await;
    }
}
