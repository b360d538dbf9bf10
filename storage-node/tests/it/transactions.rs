//! Transactions over the groups of real nodes, and what a crash leaves of them.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::harness::{Client, Cluster, Process, eventually};

fn add_one(keys: &[String]) -> Value {
    let update = |key: &String| {
        json!({"Update": {
            "TableName": "orders",
            "Key": {"pk": {"S": key}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        }})
    };
    json!({"TransactItems": keys.iter().map(update).collect::<Vec<_>>()})
}

fn reads(keys: &[String]) -> Value {
    let get = |key: &String| json!({"Get": {"TableName": "orders", "Key": {"pk": {"S": key}}}});
    json!({"TransactItems": keys.iter().map(get).collect::<Vec<_>>()})
}

fn counters(answer: &Value) -> Vec<String> {
    let responses = answer["Responses"].as_array().unwrap();
    let counter = |response: &Value| {
        response["Item"]["n"]["N"]
            .as_str()
            .unwrap_or("0")
            .to_owned()
    };
    responses.iter().map(counter).collect()
}

/// The counters of all keys at one moment, as soon as no transaction is on its way.
async fn settled_counters(client: &Client, port: u16, keys: &[String]) -> Vec<String> {
    let deadline = Instant::now() + crate::harness::SOON;
    loop {
        let answer = client
            .try_call(port, "TransactGetItems", &reads(keys))
            .await;
        match answer {
            Some((StatusCode::OK, body)) => return counters(&body),
            other => assert!(Instant::now() < deadline, "{other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn names(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{prefix}-{at}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_known_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Process::dev(dir.path());
    let client = Client::signed();
    node.wait_ready(&client).await;
    client.create_table(node.api, "orders").await;
    let keys = names("a", 4);
    let mut body = add_one(&keys);
    body["ClientRequestToken"] = json!("one token");
    body["ReturnConsumedCapacity"] = json!("TOTAL");
    let first = client
        .call(node.api, "TransactWriteItems", body.clone())
        .await;
    assert_eq!(first["ConsumedCapacity"][0]["WriteCapacityUnits"], 8.0);
    node.kill();
    node.start();
    node.wait_ready(&client).await;
    let again = client
        .call(node.api, "TransactWriteItems", body.clone())
        .await;
    assert_eq!(again["ConsumedCapacity"][0]["ReadCapacityUnits"], 8.0);
    let got = client
        .call(node.api, "TransactGetItems", reads(&keys))
        .await;
    assert_eq!(counters(&got), ["1"; 4]);
    body["TransactItems"].as_array_mut().unwrap().pop();
    let refused = client.refused(node.api, "TransactWriteItems", body).await;
    assert_eq!(refused, "IdempotentParameterMismatchException");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_takes_transactions_over_all_groups() {
    let cluster = Cluster::start();
    let client = Client::signed();
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;
    let keys = names("b", 20);
    for round in 1..=6_usize {
        let writer = cluster.nodes[round % 3].api;
        let mut body = add_one(&keys);
        if round > 3 {
            body["ClientRequestToken"] = json!(format!("round {round}"));
        }
        client.call(writer, "TransactWriteItems", body).await;
        let reader = cluster.nodes[(round + 1) % 3].api;
        let got = client.call(reader, "TransactGetItems", reads(&keys)).await;
        assert_eq!(counters(&got), vec![round.to_string(); 20]);
    }
    // A single key is a transaction too, in one command where the group coordinates it.
    let one = names("c", 1);
    client
        .call(cluster.nodes[1].api, "TransactWriteItems", add_one(&one))
        .await;
    let get = json!({
        "TableName": "orders", "Key": {"pk": {"S": "c-0"}}, "ConsistentRead": true,
    });
    let got = client.call(cluster.nodes[2].api, "GetItem", get).await;
    assert_eq!(got["Item"]["n"]["N"], "1");
}

/// A node that coordinates some transactions and holds items of others is killed in the middle of
/// them. Then every item can be written again soon, and each transaction is there as a whole or not
/// at all. Each round kills at another moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_coordinator_leaves_nothing_locked_and_nothing_half_done() {
    let mut cluster = Cluster::start();
    let client = Arc::new(Client::signed());
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;
    for round in 0..4_usize {
        let sets: Vec<Vec<String>> = (0..16)
            .map(|set| names(&format!("{round}-{set}"), 4))
            .collect();
        let victim = cluster
            .leader_of(&client, (round + 1) % 3, 1)
            .await
            .unwrap();
        let port = cluster.nodes[(victim + 1) % 3].api;
        let mut running = JoinSet::new();
        for (at, keys) in sets.iter().enumerate() {
            let (client, body) = (Arc::clone(&client), add_one(keys));
            running.spawn(async move {
                let answer = client.try_call(port, "TransactWriteItems", &body).await;
                let acknowledged = matches!(answer, Some((StatusCode::OK, _)));
                (at, acknowledged)
            });
        }
        tokio::time::sleep(Duration::from_millis(10 + 15 * round as u64)).await;
        cluster.nodes[victim].kill();
        let killed = Instant::now();
        let mut acknowledged = running.join_all().await;
        acknowledged.sort_unstable();
        for keys in &sets {
            for key in keys {
                let touch = json!({
                    "TableName": "orders",
                    "Key": {"pk": {"S": key}},
                    "UpdateExpression": "SET touched = :yes",
                    "ExpressionAttributeValues": {":yes": {"BOOL": true}},
                });
                eventually("free", || async {
                    let answer = client.try_call(port, "UpdateItem", &touch).await;
                    matches!(answer, Some((StatusCode::OK, _)))
                })
                .await;
            }
        }
        println!(
            "round {round}: all items free {:?} after the kill",
            killed.elapsed()
        );
        for (keys, (_, acknowledged)) in sets.iter().zip(&acknowledged) {
            let counters = settled_counters(&client, port, keys).await;
            let first = &counters[0];
            assert!(
                counters.iter().all(|counter| counter == first),
                "half a transaction: {counters:?}"
            );
            assert!(
                first == "1" || (!acknowledged && first == "0"),
                "acknowledged {acknowledged}, counted {first}"
            );
        }
        cluster.nodes[victim].start();
        cluster.nodes[victim].wait_ready(&client).await;
        let asked = (victim + 1) % 3;
        cluster.wait_replicated(&client, asked).await;
    }
}
