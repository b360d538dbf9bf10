//! A workload runs while nodes are killed, paused and started again.

use std::time::Duration;

use serde_json::json;
use stator_tests::history::{self, Action, Failure, Recorded};
use stator_tests::node_processes::NodeProcesses;
use stator_tests::workload::{Options, Report, Workload};

use super::{START_LIMIT, alone, create_table, start};

/// The promise is 5 s; a loaded two-core machine that also runs the clients gets more before a test calls it broken.
const RESUME_LIMIT: Duration = Duration::from_secs(20);
const WORKERS: u32 = 8;
/// Writes between faults: enough that each fault falls into a busy cluster.
const SOME_WRITES: u64 = 150;

fn workload(cluster: &NodeProcesses, table: &str, seed: u64) -> Workload {
    Workload::start(&Options {
        endpoints: (0..cluster.count())
            .map(|number| cluster.client(number))
            .collect(),
        table: table.to_owned(),
        workers: WORKERS,
        seed,
    })
}

async fn resumes(workload: &Workload, after: &str) {
    let took = workload.wait_for_writes(SOME_WRITES, RESUME_LIMIT).await;
    assert!(took.is_some(), "writes do not go on after {after}");
}

/// The node that leads most groups, by its own account.
pub(super) async fn busiest_leader(cluster: &NodeProcesses) -> usize {
    for number in 0..cluster.count() {
        let Ok(status) = cluster
            .admin(number)
            .admin(http::Method::GET, "/v1/cluster")
            .await
        else {
            continue;
        };
        let mut led = vec![0; cluster.count()];
        for group in status["groups"].as_array().unwrap() {
            let leader = group["leader"]
                .as_str()
                .and_then(|name| name.strip_prefix("node-"));
            if let Some(slot) = leader.and_then(|leader| led.get_mut(leader.parse::<usize>().ok()?))
            {
                *slot += 1;
            }
        }
        let most = led.iter().max().copied().unwrap_or(0);
        assert!(most > 0, "nobody leads: {status}");
        return led.iter().position(|count| *count == most).unwrap();
    }
    panic!("no node answers its admin API");
}

/// Reads every key of the history once more, as a last strong read, and judges the whole.
async fn judge(cluster: &NodeProcesses, table: &str, report: Report) {
    let mut history = report.history;
    let end = history
        .iter()
        .filter_map(|recorded| recorded.answer)
        .max()
        .unwrap();
    let keys: std::collections::BTreeSet<_> = history
        .iter()
        .map(|recorded| recorded.key.clone())
        .collect();
    for (position, key) in keys.into_iter().enumerate() {
        let request =
            json!({"TableName": table, "Key": {"pk": {"S": key}}, "ConsistentRead": true});
        let client = cluster.client(position % cluster.count());
        let answer = client
            .call_until_ok("GetItem", &request, START_LIMIT)
            .await
            .unwrap();
        let value = answer["Item"]["v"]["N"]
            .as_str()
            .map(|text| text.parse().unwrap());
        let (call, answer) = (end + 1, Some(end + 2));
        history.push(Recorded {
            client: u32::MAX,
            key,
            call,
            answer,
            action: Action::Read(value),
        });
    }
    println!(
        "{} operations, {} acknowledged writes, {} unknown, longest gap {:?}",
        history.len(),
        report.acknowledged_writes,
        report.unknown_writes,
        report.longest_write_gap
    );
    assert!(
        report.acknowledged_writes >= SOME_WRITES,
        "the workload hardly wrote"
    );
    history::check(&history).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_are_killed_under_load_and_nothing_acknowledged_is_lost() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 3).await;
    create_table(&cluster, "history").await;
    let workload = workload(&cluster, "history", 1);
    resumes(&workload, "the start").await;
    for round in 0..3 {
        let leader = busiest_leader(&cluster).await;
        cluster.kill(leader).unwrap();
        resumes(&workload, &format!("kill {round} of node {leader}")).await;
        cluster.start_node(leader).unwrap();
        cluster.wait_ready(leader, START_LIMIT).await.unwrap();
        resumes(&workload, &format!("restart {round} of node {leader}")).await;
    }
    judge(&cluster, "history", workload.stop().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_leader_neither_stops_writes_nor_answers_stale_reads() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(folder.path(), 3).await;
    create_table(&cluster, "paused").await;
    let workload = workload(&cluster, "paused", 2);
    resumes(&workload, "the start").await;
    for _ in 0..2 {
        let leader = busiest_leader(&cluster).await;
        cluster.signal(leader, "STOP").unwrap();
        resumes(&workload, "a pause").await;
        cluster.signal(leader, "CONT").unwrap();
        resumes(&workload, "the end of a pause").await;
    }
    judge(&cluster, "paused", workload.stop().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_nodes_are_killed_at_once_and_come_back_with_everything() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 3).await;
    create_table(&cluster, "all").await;
    let workload = workload(&cluster, "all", 3);
    resumes(&workload, "the start").await;
    for round in 0..2 {
        for number in 0..3 {
            cluster.kill(number).unwrap();
        }
        for number in 0..3 {
            cluster.start_node(number).unwrap();
        }
        resumes(&workload, &format!("kill of all {round}")).await;
    }
    judge(&cluster, "all", workload.stop().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_node_survives_kills_with_everything() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 1).await;
    create_table(&cluster, "single").await;
    let workload = workload(&cluster, "single", 4);
    resumes(&workload, "the start").await;
    for round in 0..3 {
        cluster.kill(0).unwrap();
        cluster.start_node(0).unwrap();
        resumes(&workload, &format!("kill {round}")).await;
    }
    judge(&cluster, "single", workload.stop().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_node_hands_over_and_ends_cleanly() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 3).await;
    create_table(&cluster, "drain").await;
    let workload = workload(&cluster, "drain", 5);
    resumes(&workload, "the start").await;
    for number in 0..3 {
        cluster.terminate(number, START_LIMIT).await.unwrap();
        resumes(&workload, &format!("SIGTERM of node {number}")).await;
        cluster.start_node(number).unwrap();
        cluster.wait_ready(number, START_LIMIT).await.unwrap();
    }
    judge(&cluster, "drain", workload.stop().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checker_that_is_lied_to_says_so() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(folder.path(), 1).await;
    create_table(&cluster, "lie").await;
    let workload = workload(&cluster, "lie", 6);
    resumes(&workload, "the start").await;
    let mut history = workload.stop().await.history;
    // Behind the recorder's back, an acknowledged state is replaced by one that nobody wrote.
    let key = history.last().unwrap().key.clone();
    let item = json!({"pk": {"S": key}, "v": {"N": "-77"}});
    let put = json!({"TableName": "lie", "Item": item});
    cluster
        .client(0)
        .call_until_ok("PutItem", &put, START_LIMIT)
        .await
        .unwrap();
    let read = json!({"TableName": "lie", "Key": {"pk": {"S": key}}, "ConsistentRead": true});
    let answer = cluster
        .client(0)
        .call_until_ok("GetItem", &read, START_LIMIT)
        .await
        .unwrap();
    let value = answer["Item"]["v"]["N"]
        .as_str()
        .map(|text| text.parse().unwrap());
    let end = history
        .iter()
        .filter_map(|recorded| recorded.answer)
        .max()
        .unwrap();
    history.push(Recorded {
        client: 99,
        key,
        call: end + 1,
        answer: Some(end + 2),
        action: Action::Read(value),
    });
    assert!(matches!(
        history::check(&history),
        Err(Failure::NotLinearizable { .. })
    ));
}
