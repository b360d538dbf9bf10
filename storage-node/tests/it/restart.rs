//! A node that stops, well or badly, and comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use serde_json::json;

use crate::harness::{Client, Process};

/// Writers run until the node is killed under them; every write that was acknowledged must be there
/// afterwards, and every acknowledged increment counted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Process::dev(dir.path());
    let client = Arc::new(Client::signed());
    node.wait_ready(&client).await;
    client.create_table(node.api, "orders").await;

    for round in 0..3 {
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (client, stop, port) = (Arc::clone(&client), Arc::clone(&stop), node.api);
            writers.spawn(async move {
                let mut acknowledged = 0_u32;
                let mut attempted = 0_u32;
                while !stop.load(Ordering::Relaxed) {
                    attempted += 1;
                    let body = json!({
                        "TableName": "orders",
                        "Key": {"pk": {"S": format!("{round}-{writer}")}},
                        "UpdateExpression": "ADD hits :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    });
                    match client.try_call(port, "UpdateItem", &body).await {
                        Some((StatusCode::OK, _)) => acknowledged += 1,
                        _ => break,
                    }
                }
                (writer, acknowledged, attempted)
            });
        }
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        node.kill();
        stop.store(true, Ordering::Relaxed);
        let results = writers.join_all().await;
        node.start();
        node.wait_ready(&client).await;
        let total: u32 = results
            .iter()
            .map(|(_, acknowledged, _)| acknowledged)
            .sum();
        assert!(total > 0, "nothing was written in round {round}");
        for (writer, acknowledged, attempted) in results {
            let got = client
                .call(
                    node.api,
                    "GetItem",
                    json!({
                        "TableName": "orders",
                        "Key": {"pk": {"S": format!("{round}-{writer}")}},
                        "ConsistentRead": true,
                    }),
                )
                .await;
            let hits: u32 = got["Item"]["hits"]["N"]
                .as_str()
                .unwrap_or("0")
                .parse()
                .unwrap();
            // The last attempt may have been executed without its answer arriving.
            assert!(
                (acknowledged..=attempted).contains(&hits),
                "{hits} hits, {acknowledged} acknowledged, {attempted} attempted"
            );
        }
    }
}

#[tokio::test]
async fn sigterm_ends_well_and_keeps_everything() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Process::dev(dir.path());
    let client = Client::signed();
    node.wait_ready(&client).await;
    client.create_table(node.api, "orders").await;
    let item = json!({"pk": {"S": "a"}, "v": {"B": "AAEC"}});
    client
        .call(
            node.api,
            "PutItem",
            json!({"TableName": "orders", "Item": item}),
        )
        .await;
    assert!(node.terminate(), "the process did not end well");
    node.start();
    node.wait_ready(&client).await;
    let got = client
        .call(
            node.api,
            "GetItem",
            json!({"TableName": "orders", "Key": {"pk": {"S": "a"}}}),
        )
        .await;
    assert_eq!(got["Item"], item);
}

#[tokio::test]
async fn a_second_process_on_the_same_volume_ends_with_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let first = Process::dev(dir.path());
    let client = Client::signed();
    first.wait_ready(&client).await;
    let mut second = Process::dev(dir.path());
    assert_eq!(second.wait(), Some(1));
    assert!(first.ready(&client).await.is_ok());
}
