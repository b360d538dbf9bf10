//! Clusters of real processes on loopback: faults, recorded histories, and what must hold after them.
//!
//! Invariants 1 and 2. That these tests can fail is shown in `stator_tests::history` (the checker catches each kind
//! of wrong answer) and in `a_checker_that_is_lied_to_says_so` below (a history with an acknowledged write taken out
//! of the database is refused).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod faults;
mod identity;
mod indexes;
mod sequences;
mod transactions;

use std::time::Duration;

use serde_json::json;
use stator_tests::node_processes::NodeProcesses;

/// Time for a cluster to bootstrap, elect its leaders and serve, on a loaded machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A test with a cluster of its own has the machine to itself: side by side they only measure each other.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static MACHINE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    MACHINE.lock().await
}

/// Starts `count` nodes on empty volumes and waits until all serve.
async fn start(folder: &std::path::Path, count: usize) -> NodeProcesses {
    let cluster = NodeProcesses::start(folder, count).unwrap();
    for number in 0..count {
        cluster.wait_ready(number, START_LIMIT).await.unwrap();
    }
    cluster
}

/// Makes a table with the string key `pk`.
async fn create_table(cluster: &NodeProcesses, name: &str) {
    let definition = json!({
        "TableName": name,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    cluster
        .client(0)
        .call_until_ok("CreateTable", &definition, START_LIMIT)
        .await
        .unwrap();
}
