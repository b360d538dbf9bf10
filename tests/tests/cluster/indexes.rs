//! Global indexes are what their table says, after nodes were killed while both were written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stator_tests::client::{Answer, Client};
use stator_tests::node_processes::NodeProcesses;
use tokio::time::{Instant, sleep};

use super::{START_LIMIT, alone, start};

/// Keys that the writers share, few enough that each is written often and its index key changes.
const KEYS: u64 = 60;
const WRITERS: u64 = 6;
const WRITES_PER_ROUND: u64 = 300;
/// How long an index may take to catch up with its table once nothing is written.
const CATCH_UP_LIMIT: Duration = Duration::from_secs(60);

const INDEXES: [(&str, bool); 2] = [("all", true), ("keys", false)];

fn definition(name: &str) -> Value {
    let index = |index: &str, projection: &str| {
        json!({
            "IndexName": index,
            "KeySchema": [
                {"AttributeName": "g", "KeyType": "HASH"},
                {"AttributeName": "n", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": projection},
        })
    };
    json!({
        "TableName": name,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "g", "AttributeType": "S"},
            {"AttributeName": "n", "AttributeType": "N"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "GlobalSecondaryIndexes": [index("all", "ALL"), index("keys", "KEYS_ONLY")],
    })
}

/// A write that depends on its number alone: puts that move an entry, updates that change or drop
/// it, deletes.
fn write(table: &str, number: u64) -> (&'static str, Value) {
    let key = json!({"pk": {"S": format!("k{}", number * 7 % KEYS)}});
    let group = json!({"S": format!("g{}", number % 5)});
    match number % 6 {
        0 => ("DeleteItem", json!({"TableName": table, "Key": key})),
        1 => (
            "UpdateItem",
            json!({"TableName": table, "Key": key, "UpdateExpression": "REMOVE g SET x = :n",
                "ExpressionAttributeValues": {":n": {"N": number.to_string()}}}),
        ),
        2 => (
            "UpdateItem",
            json!({"TableName": table, "Key": key, "UpdateExpression": "SET g = :g, x = :n ADD n :one",
                "ExpressionAttributeValues": {":g": group, ":n": {"N": number.to_string()}, ":one": {"N": "1"}}}),
        ),
        _ => (
            "PutItem",
            json!({"TableName": table, "Item": {"pk": key["pk"], "g": group,
                "n": {"N": (number % 11).to_string()}, "x": {"N": number.to_string()}}}),
        ),
    }
}

struct Writers {
    tasks: tokio::task::JoinSet<()>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
}

impl Writers {
    fn start(cluster: &NodeProcesses, table: &str) -> Self {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            let clients: Vec<Client> = (0..cluster.count()).map(|at| cluster.client(at)).collect();
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            let table = table.to_owned();
            tasks.spawn(async move {
                let mut number = writer;
                let mut at = 0;
                while !stop.load(Ordering::Relaxed) {
                    let (operation, body) = write(&table, number);
                    match clients[at].call(operation, &body).await {
                        Answer::Ok(_) => {
                            acknowledged.fetch_add(1, Ordering::Relaxed);
                        }
                        Answer::Refused { code, message, .. } => {
                            panic!("{operation}: {code} {message}")
                        }
                        Answer::NotSent | Answer::Unknown { .. } => {
                            at = (at + 1) % clients.len();
                        }
                    }
                    number += WRITERS;
                }
            });
        }
        Self {
            tasks,
            stop,
            acknowledged,
        }
    }

    async fn some_more(&self, after: &str) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + WRITES_PER_ROUND;
        let deadline = Instant::now() + START_LIMIT;
        while self.acknowledged.load(Ordering::Relaxed) < goal {
            assert!(
                Instant::now() < deadline,
                "writes do not go on after {after}"
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

async fn scan(client: &Client, body: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut body = body.clone();
    loop {
        let page = client
            .call_until_ok("Scan", &body, START_LIMIT)
            .await
            .unwrap();
        for item in page["Items"].as_array().unwrap() {
            let item: BTreeMap<String, Value> = serde_json::from_value(item.clone()).unwrap();
            assert!(found.insert(json!(item).to_string()), "twice: {item:?}");
        }
        match page.get("LastEvaluatedKey") {
            Some(key) => body["ExclusiveStartKey"] = key.clone(),
            None => return found,
        }
    }
}

/// What the table's items make of an index.
async fn expected(client: &Client, table: &str, all: bool) -> BTreeSet<String> {
    let items = scan(client, &json!({"TableName": table, "ConsistentRead": true})).await;
    items
        .iter()
        .filter_map(|item| {
            let item: BTreeMap<String, Value> = serde_json::from_str(item).unwrap();
            if !item.contains_key("g") || !item.contains_key("n") {
                return None;
            }
            let kept: BTreeMap<_, _> = item
                .into_iter()
                .filter(|(name, _)| all || ["pk", "g", "n"].contains(&name.as_str()))
                .collect();
            Some(json!(kept).to_string())
        })
        .collect()
}

/// Waits until each index, seen from each node, holds exactly what the table says.
async fn compare(cluster: &NodeProcesses, table: &str) {
    for (index, all) in INDEXES {
        let expected = expected(&cluster.client(0), table, all).await;
        assert!(!expected.is_empty(), "nothing to compare");
        for node in 0..cluster.count() {
            let client = cluster.client(node);
            let deadline = Instant::now() + CATCH_UP_LIMIT;
            let body = json!({"TableName": table, "IndexName": index});
            loop {
                let found = scan(&client, &body).await;
                if found == expected {
                    break;
                }
                assert!(
                    Instant::now() < deadline,
                    "index {index} from node {node}: missing {:?}, too many {:?}",
                    expected.difference(&found).collect::<Vec<_>>(),
                    found.difference(&expected).collect::<Vec<_>>()
                );
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn wait_active(client: &Client, table: &str) {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let body = json!({"TableName": table});
        let described = client
            .call_until_ok("DescribeTable", &body, START_LIMIT)
            .await
            .unwrap();
        let indexes = described["Table"]["GlobalSecondaryIndexes"].as_array();
        let active = indexes
            .is_none_or(|indexes| indexes.iter().all(|index| index["IndexStatus"] == "ACTIVE"));
        if active && described["Table"]["TableStatus"] == "ACTIVE" {
            return;
        }
        assert!(Instant::now() < deadline, "not active: {described}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Rows E05, E09 and E11, and invariant 3 for the change log's reader.
#[tokio::test(flavor = "multi_thread")]
async fn global_indexes_are_exact_after_every_kill() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 3).await;
    let table = "indexed";
    cluster
        .client(0)
        .call_until_ok("CreateTable", &definition(table), START_LIMIT)
        .await
        .unwrap();
    wait_active(&cluster.client(0), table).await;
    for round in 0..3 {
        let writers = Writers::start(&cluster, table);
        writers.some_more("the start of a round").await;
        let node = round % cluster.count();
        cluster.kill(node).unwrap();
        writers.some_more(&format!("the kill of node {node}")).await;
        cluster.start_node(node).unwrap();
        cluster.wait_ready(node, START_LIMIT).await.unwrap();
        writers
            .some_more(&format!("the restart of node {node}"))
            .await;
        // The second kill is that of all: what no one had delivered is in the logs.
        if round == 1 {
            for node in 0..cluster.count() {
                cluster.kill(node).unwrap();
            }
            for node in 0..cluster.count() {
                cluster.start_node(node).unwrap();
            }
            for node in 0..cluster.count() {
                cluster.wait_ready(node, START_LIMIT).await.unwrap();
            }
        }
        writers.end().await;
        compare(&cluster, table).await;
    }
}

/// An index that is asked for while the table is written and nodes are killed ends as if it had
/// always been there.
#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_goes_on_after_kills_and_ends_exact() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 3).await;
    let table = "filled";
    let mut plain = definition(table);
    let indexes = plain
        .as_object_mut()
        .unwrap()
        .remove("GlobalSecondaryIndexes")
        .unwrap();
    let definitions = plain["AttributeDefinitions"].clone();
    plain["AttributeDefinitions"] = json!([definitions[0]]);
    let client = cluster.client(1);
    client
        .call_until_ok("CreateTable", &plain, START_LIMIT)
        .await
        .unwrap();
    wait_active(&client, table).await;
    for number in 0..2_000 {
        let item = json!({"pk": {"S": format!("old-{number}")}, "g": {"S": format!("g{}", number % 5)},
            "n": {"N": number.to_string()}});
        client
            .call_until_ok(
                "PutItem",
                &json!({"TableName": table, "Item": item}),
                START_LIMIT,
            )
            .await
            .unwrap();
    }
    for (at, index) in indexes.as_array().unwrap().iter().enumerate() {
        let writers = Writers::start(&cluster, table);
        let update = json!({"TableName": table, "AttributeDefinitions": definitions,
            "GlobalSecondaryIndexUpdates": [{"Create": index}]});
        client
            .call_until_ok("UpdateTable", &update, START_LIMIT)
            .await
            .unwrap();
        let node = at * 2;
        cluster.kill(node).unwrap();
        writers.some_more(&format!("the kill of node {node}")).await;
        cluster.start_node(node).unwrap();
        cluster.wait_ready(node, START_LIMIT).await.unwrap();
        wait_active(&client, table).await;
        writers.end().await;
    }
    compare(&cluster, table).await;
}
