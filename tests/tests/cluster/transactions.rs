//! Transactions and single writes side by side while nodes are killed.

use std::time::Duration;

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
