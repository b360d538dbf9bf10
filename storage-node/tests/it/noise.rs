//! Invariant 8: bytes from the network never panic a process.
//!
//! Source: the design, section 6. The decoders have property tests of their own, beside them; here noise meets a whole
//! node on each of its ports. A panic in any task ends the process, so that the node still serves is the proof. No
//! stronger form is true: a peer inside mutual TLS, or a caller with a key, can still ask for harm that is well formed.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use stator_kit::rng::{RandomSource as _, SeededRandom};
use stator_kit::task::TaskOwner;
use stator_storage_node::rpc::{AddressBook, RpcClient, Service};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::harness::{Client, Cluster, loopback};

/// Rounds against every port.
const ROUNDS: u64 = 60;

/// Random bytes, or a piece of what the port understands with random bytes around and in it.
fn noise(random: &SeededRandom, grain: &[u8]) -> Vec<u8> {
    let length = usize::try_from(random.below(300)).unwrap();
    let mut bytes = vec![0; length];
    random.fill_bytes(&mut bytes);
    let mut grain = grain.to_vec();
    match random.below(4) {
        0 => return bytes,
        1 => grain.truncate(usize::try_from(random.below(grain.len() as u64)).unwrap()),
        2 => {
            let at = usize::try_from(random.below(grain.len() as u64)).unwrap();
            grain[at] ^= 1 << random.below(8);
        }
        _ => {}
    }
    grain.extend(bytes);
    grain
}

/// Sends bytes and reads whatever comes back until the node has had enough.
async fn send(port: u16, bytes: &[u8]) {
    let mut stream = TcpStream::connect(loopback(port)).await.unwrap();
    // The node may close at any byte.
    if stream.write_all(bytes).await.is_ok() && stream.shutdown().await.is_ok() {
        let mut answer = Vec::new();
        drop(timeout(Duration::from_secs(2), stream.read_to_end(&mut answer)).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noise_at_every_port_ends_nothing() {
    let cluster = Cluster::start();
    let client = Client::signed();
    cluster.wait_ready(&client).await;
    let node = &cluster.nodes[0];
    client.create_table(node.api, "orders").await;

    let random = SeededRandom::new(8);
    let body = br#"{"TableName":"orders","Item":{"pk":{"S":"a"}}}"#;
    let post = format!(
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-amz-json-1.0\r\nx-amz-target: \
         DynamoDB_20120810.PutItem\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let request = [post.as_bytes(), body].concat();
    let get = b"GET /v1/cluster HTTP/1.1\r\nhost: a\r\n\r\n";
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    for _ in 0..ROUNDS {
        send(node.api, &noise(&random, &request)).await;
        send(node.admin, &noise(&random, get)).await;
        send(node.ops, &noise(&random, get)).await;
        send(node.rpc, &noise(&random, http2)).await;
    }

    // The same below the framing: noise as the body of a signed request, and as a message of another node.
    let owner = TaskOwner::new("noise");
    let peer = RpcClient::new(AddressBook::new(), None, owner);
    let address = loopback(node.rpc).to_string();
    for round in 0..ROUNDS {
        let bytes = Bytes::from(noise(&random, body));
        let target = "DynamoDB_20120810.PutItem".to_owned();
        client.post(node.api, target, bytes).await;
        for service in [Service::Raft, Service::Data, Service::Bootstrap] {
            // The first byte is a version, so that the decoders behind it are met.
            let mut message = noise(&random, body);
            message.insert(0, u8::try_from(round % 3).unwrap());
            let deadline = Instant::now() + Duration::from_secs(5);
            drop(
                peer.call_address(&address, service, message.into(), deadline)
                    .await,
            );
        }
    }

    let item = json!({"pk": {"S": "still there"}});
    let put = json!({"TableName": "orders", "Item": item});
    client.call(node.api, "PutItem", put).await;
    assert!(node.ready(&client).await.is_ok());
    cluster.wait_replicated(&client, 0).await;
}
