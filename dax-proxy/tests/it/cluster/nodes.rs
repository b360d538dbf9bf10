//! Three cache nodes in this process over one store, with links that can be cut.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use stator_dax_proxy::cluster::peer::Peer;
use stator_dax_proxy::run::{AccessOptions, ClusterOptions, Options, PrimaryOptions, Running};
use stator_kit::clock::SystemWallClock;
use stator_kit::http::{ClientOptions, HttpClient};
use stator_kit::rng::OsRandom;
use stator_kit::sigv4::AccessKey;
use stator_kit::task::TaskOwner;
use stator_kit::telemetry::LogFilterHandle;
use tokio::time::Instant;

use super::links::{Link, Mode, TestLease};
use crate::client::{cache_options, item, key};
use crate::fake_store::{FakeStore, until};

/// Clusters that were started in this process.
static CLUSTERS: AtomicU32 = AtomicU32::new(0);

/// How the primary is found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Election {
    Lease,
    FirstPeer,
}

/// One node.
pub(crate) struct Node {
    /// `None` while it does not run.
    pub(crate) running: Option<Running>,
    pub(crate) lease: TestLease,
    /// From here to the others; `None` at its own place.
    links: Vec<Option<Link>>,
    peer_address: String,
}

/// The nodes.
pub(crate) struct Nodes {
    pub(crate) nodes: Vec<Node>,
    pub(crate) store: FakeStore,
    pub(crate) election: Election,
    http: HttpClient,
    _tasks: TaskOwner,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) cache: String,
    pub(crate) body: Value,
}

impl Reply {
    /// The attribute `v` of the item; `None`: there is no item.
    pub(crate) fn v(&self) -> Option<&str> {
        assert_eq!(self.status, 200, "{self:?}");
        self.body["Item"]["v"]["S"].as_str()
    }
}

pub(crate) fn name(node: usize) -> String {
    format!("dax-{node}")
}

impl Nodes {
    pub(crate) async fn start(count: usize, election: Election) -> Self {
        let tasks = TaskOwner::new("test");
        let store = FakeStore::start().await;
        let lease = TestLease::new();
        // Ports that are given up and taken again must not be another test's meanwhile: each cluster has its own addresses.
        let number = CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let network = format!("127.{}.{number}", 10 + std::process::id() % 200);
        let addresses: Vec<String> = (0..count)
            .map(|node| format!("{network}.{}:8112", node + 1))
            .collect();
        let mut nodes = Vec::new();
        for node in 0..count {
            let mut links = Vec::new();
            for (peer, address) in addresses.iter().enumerate() {
                links.push(match peer == node {
                    true => None,
                    false => {
                        let own = format!("{network}.{}:8112", 10 * (node + 1) + peer);
                        Some(Link::new(own, address.clone(), &tasks).await)
                    }
                });
            }
            nodes.push(Node {
                running: None,
                lease: lease.of_another_node(),
                links,
                peer_address: addresses[node].clone(),
            });
        }
        let http = HttpClient::new(ClientOptions::default(), &tasks);
        let mut nodes = Self {
            nodes,
            store,
            election,
            http,
            _tasks: tasks,
        };
        for node in 0..count {
            nodes.run(node).await;
        }
        nodes
    }

    /// Starts a node that does not run.
    pub(crate) async fn run(&mut self, node: usize) {
        let peers: Vec<Peer> = self.nodes[node]
            .links
            .iter()
            .enumerate()
            .map(|(peer, link)| Peer {
                name: name(peer),
                address: match link {
                    Some(link) => link.address.clone(),
                    None => self.nodes[node].peer_address.clone(),
                },
            })
            .collect();
        let options = Options {
            upstream: self.store.url.parse().unwrap(),
            upstream_ca_file: PathBuf::new(),
            upstream_key: AccessKey::new("PROXY", "proxy-secret"),
            region: Some("us-east-1".to_owned()),
            account_id: "000000000000".to_owned(),
            access: AccessOptions::Anyone,
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            cluster: Some(ClusterOptions {
                listen: self.nodes[node].peer_address.parse().unwrap(),
                name: name(node),
                peers,
                advertise: "127.0.0.1".parse().unwrap(),
                primary: match self.election {
                    Election::Lease => {
                        PrimaryOptions::Lease(Box::new(self.nodes[node].lease.clone()))
                    }
                    Election::FirstPeer => PrimaryOptions::Fixed(name(0)),
                },
                tls_dir: None,
            }),
            sidecar: false,
            ops_listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: None,
            coherence: None,
            cache: cache_options(),
        };
        let running = Running::start(
            options,
            Arc::new(SystemWallClock),
            Arc::new(OsRandom),
            LogFilterHandle::detached("info"),
        );
        self.nodes[node].running = Some(running.await.unwrap());
    }

    /// Stops a node as SIGTERM does.
    pub(crate) async fn stop(&mut self, node: usize) {
        let running = self.nodes[node].running.take().unwrap();
        running.shutdown(Duration::from_secs(5)).await;
    }

    /// What `node` and the others say to each other.
    pub(crate) fn set_links(&self, node: usize, mode: Mode) {
        for (from, other) in self.nodes.iter().enumerate() {
            for (to, link) in other.links.iter().enumerate() {
                if (from == node) != (to == node)
                    && let Some(link) = link
                {
                    link.set(mode);
                }
            }
        }
    }

    /// Whether every node, or none, reaches the lease.
    pub(crate) fn set_lease(&self, reachable: bool) {
        for node in &self.nodes {
            node.lease.set_reachable(reachable);
        }
    }

    /// The node that holds the lease.
    pub(crate) fn primary(&self) -> usize {
        let holder = self.nodes[0].lease.holder();
        (0..self.nodes.len())
            .find(|node| name(*node) == holder)
            .unwrap_or(0)
    }

    /// Any node but the primary.
    pub(crate) fn replica(&self) -> usize {
        (self.primary() + 1) % self.nodes.len()
    }

    /// A call that is answered, whatever the answer; `None` if there is none.
    pub(crate) async fn try_call(
        &self,
        node: usize,
        operation: &str,
        body: Value,
    ) -> Option<Reply> {
        let address = self.nodes[node].running.as_ref()?.address;
        let request = Request::post(format!("http://{address}/"))
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
            .header("content-type", "application/x-amz-json-1.0")
            .body(Bytes::from(body.to_string()))
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        let reply = self.http.send(request, deadline).await.ok()?;
        Some(Reply {
            status: reply.status().as_u16(),
            cache: reply.headers()["x-stator-cache"]
                .to_str()
                .unwrap()
                .to_owned(),
            body: serde_json::from_slice(reply.body()).unwrap(),
        })
    }

    pub(crate) async fn get(&self, node: usize, pk: &str) -> Reply {
        let body = json!({"TableName": "orders", "Key": key(pk)});
        self.try_call(node, "GetItem", body).await.unwrap()
    }

    pub(crate) async fn put(&self, node: usize, pk: &str, v: &str) -> Reply {
        let body = json!({"TableName": "orders", "Item": item(pk, v)});
        self.try_call(node, "PutItem", body).await.unwrap()
    }

    /// Waits until the node answers this from its cache; it may be told in a moment.
    pub(crate) async fn hit(&self, node: usize, pk: &str, v: &str) {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let read = self.get(node, pk).await;
            assert_eq!(read.v(), Some(v));
            if read.cache == "hit" {
                return;
            }
            assert!(Instant::now() < deadline, "node {node} has no {pk}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One line of a node's metrics.
    pub(crate) async fn metric(&self, node: usize, metric: &str) -> i64 {
        let address = self.nodes[node].running.as_ref().unwrap().ops_address;
        crate::client::metric(&self.http, address, metric).await
    }

    /// Whether the node serves hits.
    pub(crate) async fn serves_hits(&self, node: usize) -> bool {
        self.metric(node, "stator_dax_cluster_serves_hits").await == 1
    }

    /// Waits until all these nodes serve hits.
    pub(crate) async fn ready(&self, nodes: &[usize]) {
        let deadline = Instant::now() + Duration::from_secs(15);
        for node in nodes {
            while !self.serves_hits(*node).await {
                assert!(Instant::now() < deadline, "node {node} serves no hits");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Waits until the node reads from the store.
    pub(crate) async fn outside(&self, node: usize) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.serves_hits(node).await {
            assert!(Instant::now() < deadline, "node {node} still serves hits");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The API server is away, and every node has noticed.
    pub(crate) async fn lose_the_lease(&self) {
        self.set_lease(false);
        for node in 0..self.nodes.len() {
            self.outside(node).await;
        }
    }

    /// Waits until another node than `node` holds the lease.
    pub(crate) async fn promoted(&self, node: usize) {
        until("a promotion", || self.primary() != node).await;
    }
}
