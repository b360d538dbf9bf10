//! What a deleted table leaves on the disk: nothing.

use std::ops::Bound;
use std::time::Duration;

use serde_json::json;
use stator_storage_node::engine::{Direction, Engine as _, FjallEngine, FjallOptions, Keyspace};
use tokio::time::{Instant, sleep};

use crate::harness::{Client, Process, SOON};

/// In the key, an indexed attribute and another attribute of every item.
const NEEDLE: &[u8] = b"needle-in-the-disk";
const ITEMS: usize = 60;

/// Keys and values, of every keyspace, in which an item of the table can be recognised.
fn found(directory: &std::path::Path) -> Vec<(Keyspace, Vec<u8>)> {
    let engine = FjallEngine::open(&directory.join("engine"), &FjallOptions::default()).unwrap();
    let holds = |bytes: &[u8]| bytes.windows(NEEDLE.len()).any(|window| window == NEEDLE);
    let mut found = Vec::new();
    for keyspace in Keyspace::ALL {
        let pairs = engine.scan(
            keyspace,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
        );
        for pair in pairs {
            let (key, value) = pair.unwrap();
            if holds(&key) || holds(&value) {
                found.push((keyspace, key.to_vec()));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_deleted_table_with_indexes_leaves_no_key_behind() {
    let directory = tempfile::tempdir().unwrap();
    let mut node = Process::dev(directory.path());
    let client = Client::signed();
    node.wait_ready(&client).await;
    let attribute = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let index = |name: &str, keys: serde_json::Value| json!({"IndexName": name, "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}});
    let table = json!({
        "TableName": "gone",
        "AttributeDefinitions": [attribute("pk"), attribute("sk"), attribute("a")],
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "BillingMode": "PAY_PER_REQUEST",
        "LocalSecondaryIndexes": [index("local", json!([key("pk", "HASH"), key("a", "RANGE")]))],
        "GlobalSecondaryIndexes": [index("global", json!([key("a", "HASH")]))],
    });
    client.call(node.api, "CreateTable", table).await;
    let needle = String::from_utf8(NEEDLE.to_vec()).unwrap();
    let item = |number: usize| {
        json!({
            "pk": {"S": format!("{needle}-{number}")}, "sk": {"S": "1"},
            "a": {"S": format!("{needle}-{}", number % 7)}, "b": {"S": needle},
        })
    };
    for number in 0..ITEMS {
        let put = json!({"TableName": "gone", "Item": item(number)});
        client.call(node.api, "PutItem", put).await;
    }
    // Locks and decisions of transactions are keys too.
    let puts: Vec<_> = (0..10)
        .map(|number| json!({"Put": {"TableName": "gone", "Item": item(ITEMS + number)}}))
        .collect();
    let transaction = json!({"TransactItems": puts});
    client
        .call(node.api, "TransactWriteItems", transaction)
        .await;
    let deletion =
        json!({"TableName": "gone", "Key": {"pk": {"S": format!("{needle}-0")}, "sk": {"S": "1"}}});
    client.call(node.api, "DeleteItem", deletion).await;

    assert!(node.terminate());
    let before = found(directory.path());
    assert!(before.len() > ITEMS, "the test cannot see");
    node.start();
    node.wait_ready(&client).await;
    client
        .call(node.api, "DeleteTable", json!({"TableName": "gone"}))
        .await;
    // Removed in the background: the disk is looked at while the node is stopped, until nothing is left.
    let deadline = Instant::now() + SOON;
    loop {
        sleep(Duration::from_millis(500)).await;
        assert!(node.terminate());
        let left = found(directory.path());
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left behind: {left:?}");
        node.start();
        node.wait_ready(&client).await;
    }
}
