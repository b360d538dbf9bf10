//! Transactions and single writes side by side while nodes are killed.

use std::time::Duration;

use serde_json::{Value, json};
use stator_kit::task::TaskOwner;
use stator_tests::client::{Answer, Client};
use stator_tests::list_append;
use stator_tests::list_workload::{ListWorkload, Options};

use super::faults::busiest_leader;
use super::{START_LIMIT, alone, create_table, start};

/// The promise is 5 s after a kill; a loaded two-core machine that also runs the clients gets more.
const RESUME_LIMIT: Duration = Duration::from_secs(25);
const SOME_TRANSACTIONS: u64 = 40;

/// Serializable, each key linearizable, nothing half-done: while leaders, and so coordinators, are killed.
#[tokio::test(flavor = "multi_thread")]
async fn histories_of_transactions_are_serializable_while_leaders_are_killed() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 3).await;
    create_table(&cluster, "lists").await;
    let workload = ListWorkload::start(&Options {
        endpoints: (0..cluster.count())
            .map(|number| cluster.client(number))
            .collect(),
        table: "lists".to_owned(),
        workers: 6,
        seed: 7,
    });
    let resumes = async |after: &str| {
        let resumed = workload
            .wait_for_transactions(SOME_TRANSACTIONS, RESUME_LIMIT)
            .await;
        assert!(resumed, "transactions do not go on after {after}");
    };
    resumes("the start").await;
    for round in 0..3 {
        let leader = busiest_leader(&cluster).await;
        cluster.kill(leader).unwrap();
        resumes(&format!("kill {round} of node {leader}")).await;
        cluster.start_node(leader).unwrap();
        cluster.wait_ready(leader, START_LIMIT).await.unwrap();
    }
    resumes("the last restart").await;
    let transactions = workload.transactions();
    let history = workload.stop(START_LIMIT).await.unwrap();
    println!(
        "{} operations, {transactions} write transactions",
        history.len()
    );
    list_append::check(&history).unwrap();
}

/// The keys of one transaction, spread over all partitions and groups.
const KEYS: usize = 12;
/// For a write that meets a transaction whose coordinator is gone; the design promises five seconds after a new leader.
const UNLOCKED_LIMIT: Duration = Duration::from_secs(25);

fn key(number: usize) -> Value {
    json!({"pk": {"S": format!("k{number}")}})
}

fn add(number: usize, attribute: &str) -> Value {
    json!({
        "TableName": "counts",
        "Key": key(number),
        "UpdateExpression": format!("ADD {attribute} :one"),
        "ExpressionAttributeValues": {":one": {"N": "1"}},
    })
}

async fn count(client: &Client, number: usize) -> u64 {
    let get = json!({"TableName": "counts", "Key": key(number), "ConsistentRead": true});
    let answer = client.call_until_ok("GetItem", &get, START_LIMIT).await;
    let answer = answer.unwrap();
    let text = answer["Item"]["n"]["N"].as_str().unwrap_or("0");
    text.parse().unwrap()
}

/// Coordinators are killed while their transactions are between prepare and commit: none is half-done, and each key can
/// be written again soon.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_coordinator_leaves_nothing_half_done_and_nothing_locked() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 3).await;
    create_table(&cluster, "counts").await;
    let actions: Vec<Value> = (0..KEYS)
        .map(|number| json!({"Update": add(number, "n")}))
        .collect();
    let transaction = json!({"TransactItems": actions});
    let owner = TaskOwner::new("transactions");
    let (mut acknowledged, mut unknown) = (0, 0);
    for round in 0..4 {
        let leader = busiest_leader(&cluster).await;
        let client = cluster.client(leader);
        // One after another: they all have the same keys.
        let running = owner.spawn_with_result("transactions", {
            let (client, transaction) = (client.clone(), transaction.clone());
            async move {
                let mut done = 0;
                loop {
                    match client.call("TransactWriteItems", &transaction).await {
                        Answer::Ok(_) => done += 1,
                        Answer::Refused { .. } => {}
                        _ => return done,
                    }
                }
            }
        });
        tokio::time::sleep(Duration::from_millis(150 + 37 * round)).await;
        cluster.kill(leader).unwrap();
        let killed = tokio::time::Instant::now();
        acknowledged += running.await.unwrap();
        unknown += 1;
        let other = cluster.client((leader + 1) % cluster.count());
        for number in 0..KEYS {
            other
                .call_until_ok("UpdateItem", &add(number, "m"), UNLOCKED_LIMIT)
                .await
                .unwrap();
        }
        println!(
            "all keys were written {:?} after kill {round}",
            killed.elapsed()
        );
        let counts: Vec<u64> = {
            let mut counts = Vec::new();
            for number in 0..KEYS {
                counts.push(count(&other, number).await);
            }
            counts
        };
        assert!(
            counts.iter().all(|count| *count == counts[0]),
            "half-done: {counts:?}"
        );
        assert!(
            (acknowledged..=acknowledged + unknown).contains(&counts[0]),
            "{acknowledged} acknowledged, {unknown} unknown: {counts:?}"
        );
        cluster.start_node(leader).unwrap();
        cluster.wait_ready(leader, START_LIMIT).await.unwrap();
    }
}

/// A token is good for ten minutes, whoever leads.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_remembered_over_a_change_of_leaders() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 3).await;
    create_table(&cluster, "counts").await;
    let transaction = |attribute: &str| {
        let actions: Vec<Value> = (0..KEYS)
            .map(|number| json!({"Update": add(number, attribute)}))
            .collect();
        json!({"TransactItems": actions, "ClientRequestToken": "once"})
    };
    let leader = busiest_leader(&cluster).await;
    cluster
        .client(leader)
        .call_until_ok("TransactWriteItems", &transaction("n"), START_LIMIT)
        .await
        .unwrap();
    cluster.kill(leader).unwrap();
    let other = cluster.client((leader + 1) % cluster.count());
    other
        .call_until_ok("TransactWriteItems", &transaction("n"), RESUME_LIMIT)
        .await
        .unwrap();
    for number in 0..KEYS {
        assert_eq!(count(&other, number).await, 1);
    }
    let (status, body) = other
        .send_bytes("TransactWriteItems", transaction("m").to_string().into())
        .await
        .unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let name = body["__type"].as_str().unwrap();
    assert!(
        status == 400 && name.ends_with("#IdempotentParameterMismatchException"),
        "{body}"
    );
}
