//! Three nodes on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use crate::harness::{Client, Cluster, eventually};

/// Every node takes any request; a strong read through one sees what another acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_is_a_router() {
    let cluster = Cluster::start();
    let client = Client::signed();
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;
    for at in 0..30 {
        let (writer, reader) = (at % 3, (at + 1) % 3);
        let item = json!({"pk": {"S": format!("{at}")}, "v": {"N": at.to_string()}});
        let put = json!({"TableName": "orders", "Item": item});
        client.call(cluster.nodes[writer].api, "PutItem", put).await;
        let get = json!({
            "TableName": "orders", "Key": {"pk": {"S": format!("{at}")}}, "ConsistentRead": true,
        });
        let got = client.call(cluster.nodes[reader].api, "GetItem", get).await;
        assert_eq!(got["Item"], item);
    }
    for node in &cluster.nodes {
        let scan = json!({"TableName": "orders", "ConsistentRead": true, "Select": "COUNT"});
        let scanned = client.call(node.api, "Scan", scan).await;
        assert_eq!(scanned["Count"], 30);
    }
    let unsigned = Client::unsigned();
    let list = unsigned
        .refused(cluster.nodes[0].api, "ListTables", json!({}))
        .await;
    assert_eq!(list, "MissingAuthenticationTokenException");
}

/// Increments through the two nodes that stay, while the third, which leads some groups, is killed
/// and comes back. Acknowledged increments are all counted, and writes resume within five seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_on_when_a_leader_is_killed() {
    let mut cluster = Cluster::start();
    let client = Arc::new(Client::signed());
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;
    let victim = cluster.leader_of(&client, 0, 1).await.unwrap();
    let stay: Vec<u16> = (0..3)
        .filter(|at| *at != victim)
        .map(|at| cluster.nodes[at].api)
        .collect();

    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..6_usize {
        let (client, stop, port) = (
            Arc::clone(&client),
            Arc::clone(&stop),
            stay[writer % stay.len()],
        );
        writers.spawn(async move {
            let (mut acknowledged, mut attempted) = (0_u32, 0_u32);
            let mut longest_gap = Duration::ZERO;
            let mut last = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                attempted += 1;
                let body = json!({
                    "TableName": "orders", "Key": {"pk": {"S": writer.to_string()}},
                    "UpdateExpression": "ADD hits :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                });
                if let Some((StatusCode::OK, _)) = client.try_call(port, "UpdateItem", &body).await
                {
                    acknowledged += 1;
                    longest_gap = longest_gap.max(last.elapsed());
                    last = Instant::now();
                }
            }
            (writer, acknowledged, attempted, longest_gap)
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    cluster.nodes[victim].kill();
    tokio::time::sleep(Duration::from_secs(6)).await;
    cluster.nodes[victim].start();
    cluster.nodes[victim].wait_ready(&client).await;
    stop.store(true, Ordering::Relaxed);
    for (writer, acknowledged, attempted, longest_gap) in writers.join_all().await {
        let get = json!({
            "TableName": "orders", "Key": {"pk": {"S": writer.to_string()}}, "ConsistentRead": true,
        });
        let got = client.call(cluster.nodes[victim].api, "GetItem", get).await;
        let hits: u32 = got["Item"]["hits"]["N"].as_str().unwrap().parse().unwrap();
        assert!(
            (acknowledged..=attempted).contains(&hits),
            "{hits} hits, {acknowledged} acknowledged, {attempted} attempted"
        );
        assert!(
            longest_gap < Duration::from_secs(5),
            "no write for {longest_gap:?}"
        );
    }
    let asked = usize::from(victim == 0);
    cluster.wait_replicated(&client, asked).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_there_after_all_three_are_killed_at_once() {
    let mut cluster = Cluster::start();
    let client = Client::signed();
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;
    for at in 0..50 {
        let item = json!({"pk": {"S": format!("{at}")}});
        let put = json!({"TableName": "orders", "Item": item});
        client.call(cluster.nodes[at % 3].api, "PutItem", put).await;
    }
    cluster
        .nodes
        .iter_mut()
        .for_each(crate::harness::Process::kill);
    cluster
        .nodes
        .iter_mut()
        .for_each(crate::harness::Process::start);
    cluster.wait_ready(&client).await;
    let scan = json!({"TableName": "orders", "ConsistentRead": true, "Select": "COUNT"});
    assert_eq!(
        client.call(cluster.nodes[1].api, "Scan", scan).await["Count"],
        50
    );
}

/// Invariant 1 rests on it: an empty volume has forgotten its votes and its log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wiped_volume_does_not_vote_and_says_why() {
    let mut cluster = Cluster::start();
    let client = Client::signed();
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;
    cluster.nodes[0].kill();
    std::fs::remove_dir_all(cluster.data_dir(0)).unwrap();
    cluster.nodes[0].start();
    let wiped = &cluster.nodes[0];
    eventually("said why it does not vote", || async {
        let ready = wiped.ready(&client).await;
        ready.is_err_and(|reason| reason.contains("is empty, but cluster"))
    })
    .await;
    let node = client.admin(wiped.admin, "GET", "/v1/node").await.unwrap();
    assert_eq!(node["state"], "NotVoting");
    // The other two go on, and the wiped one is counted as missing.
    let put = json!({"TableName": "orders", "Item": {"pk": {"S": "a"}}});
    client.call(cluster.nodes[1].api, "PutItem", put).await;
    let status = client
        .admin(cluster.nodes[1].admin, "GET", "/v1/cluster")
        .await
        .unwrap();
    assert_ne!(status["underReplicatedGroups"], 0);
    // With a second one gone there is no majority: the wiped volume's vote is not made up.
    cluster.nodes[1].kill();
    let put = json!({"TableName": "orders", "Item": {"pk": {"S": "b"}}});
    let (status, _) = client
        .try_call(cluster.nodes[2].api, "PutItem", &put)
        .await
        .unwrap();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_node_leads_nothing_and_no_write_fails_meanwhile() {
    let cluster = Cluster::start();
    let client = Arc::new(Client::signed());
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;
    let stop = Arc::new(AtomicBool::new(false));
    let (writer, port) = (Arc::clone(&client), cluster.nodes[1].api);
    let stopped = Arc::clone(&stop);
    let writes = tokio::task::JoinSet::from_iter([async move {
        let mut count = 0_u32;
        while !stopped.load(Ordering::Relaxed) {
            let item = json!({"pk": {"S": format!("{count}")}});
            writer
                .call(
                    port,
                    "PutItem",
                    json!({"TableName": "orders", "Item": item}),
                )
                .await;
            count += 1;
        }
        count
    }]);
    client
        .admin(
            cluster.nodes[2].admin,
            "POST",
            "/v1/nodes/node-0/drain-leaders",
        )
        .await
        .unwrap();
    for group in 0..=6 {
        assert_ne!(
            cluster.leader_of(&client, 1, group).await,
            Some(0),
            "group {group}"
        );
    }
    stop.store(true, Ordering::Relaxed);
    let written: u32 = writes.join_all().await.into_iter().sum();
    let scan = json!({"TableName": "orders", "ConsistentRead": true, "Select": "COUNT"});
    assert_eq!(
        client.call(cluster.nodes[0].api, "Scan", scan).await["Count"],
        written
    );
}

/// The same program, path and signatures with a quorum of one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_is_a_cluster_too() {
    let mut cluster = Cluster::start_of(1);
    let client = Client::signed();
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, "orders").await;
    let item = json!({"pk": {"S": "a"}});
    let put = json!({"TableName": "orders", "Item": item});
    client.call(cluster.nodes[0].api, "PutItem", put).await;
    cluster.nodes[0].kill();
    cluster.nodes[0].start();
    cluster.wait_ready(&client).await;
    let get = json!({"TableName": "orders", "Key": item, "ConsistentRead": true});
    assert_eq!(
        client.call(cluster.nodes[0].api, "GetItem", get).await["Item"],
        item
    );
    cluster.wait_replicated(&client, 0).await;
}
