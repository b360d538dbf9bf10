//! Invariant 3: a change record exists exactly once for each real change, in commit order per item;
//! none for a no-op.
//!
//! Source: the design, section 6, invariant 3; developer guide, "Change data capture for DynamoDB
//! Streams".
//!
//! Checked is a stream with both images, read after a leader was killed and came back while clients
//! wrote, half of their writes changing nothing. The records of one item must be a chain: the first
//! inserts, each one's old image is the image before it, none has equal images, and the last image is
//! the item. A lost, a repeated and a misplaced record each break the chain, and so does one for a
//! no-op. No stronger form is true: between items a stream promises no order.
//!
//! What each kind of bug leaves in a stream is put to the checker in
//! `a_lost_a_repeated_a_misplaced_and_a_needless_record_are_found`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use crate::harness::{Client, Cluster, eventually};

const TABLE: &str = "orders";
const WRITERS: usize = 6;

/// What is wrong with the records of a table that had its stream from the beginning, given the items
/// as they are in the end.
fn check(records: &[Value], items: &BTreeMap<String, Value>) -> Result<(), String> {
    let last: BTreeMap<String, Value> = chains(records, true)?
        .into_iter()
        .filter_map(|(key, image)| Some((key, image?)))
        .collect();
    if last == *items {
        Ok(())
    } else {
        Err(format!(
            "invariant 3: the records end with {last:?}, the items are {items:?}"
        ))
    }
}

/// The last image of each item, once its records are a chain. A stream that was enabled later begins
/// with an image that nobody saw.
fn chains(
    records: &[Value],
    from_the_beginning: bool,
) -> Result<BTreeMap<String, Option<Value>>, String> {
    let mut chains: BTreeMap<String, Option<Value>> = BTreeMap::new();
    for record in records {
        let change = &record["dynamodb"];
        let key = change["Keys"]["pk"]["S"].as_str().unwrap_or_default();
        let image = |name: &str| change.get(name).cloned();
        let (old, new) = (image("OldImage"), image("NewImage"));
        let event = match (&old, &new) {
            (None, Some(_)) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
            (None, None) => return Err(format!("invariant 3: {key} has a record without images")),
        };
        if record["eventName"] != event {
            return Err(format!("invariant 3: {record} is no {event}"));
        }
        if old == new {
            return Err(format!("invariant 3: {record} changes nothing"));
        }
        let before = chains.get(key).cloned();
        let expected = before.or_else(|| from_the_beginning.then_some(None));
        if expected.as_ref().is_some_and(|expected| *expected != old) {
            return Err(format!(
                "invariant 3: {key} was {expected:?}, and the next record is {record}"
            ));
        }
        chains.insert(key.to_owned(), new);
    }
    Ok(chains)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_has_one_record_in_order_though_a_leader_is_killed() {
    let mut cluster = Cluster::start();
    let client = Arc::new(Client::signed());
    cluster.wait_ready(&client).await;
    let create = json!({
        "TableName": TABLE,
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    });
    client
        .call(cluster.nodes[0].api, "CreateTable", create)
        .await;
    let victim = cluster.leader_of(&client, 0, 1).await.unwrap();
    let stay: Vec<u16> = (0..3)
        .filter(|at| *at != victim)
        .map(|at| cluster.nodes[at].api)
        .collect();

    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (client, stop) = (Arc::clone(&client), Arc::clone(&stop));
        let port = stay[writer % stay.len()];
        writers.spawn(async move {
            let mut count = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                count += 1;
                let (operation, body) = write(writer, count);
                // Without an answer the write is unknown; the stream has to say what became of it.
                let _answer = client.try_call(port, operation, &body).await;
            }
            count
        });
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    cluster.nodes[victim].kill();
    tokio::time::sleep(Duration::from_secs(4)).await;
    cluster.nodes[victim].start();
    cluster.nodes[victim].wait_ready(&client).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    stop.store(true, Ordering::Relaxed);
    let written: u64 = writers.join_all().await.into_iter().sum();

    let arn = latest_stream(&client, stay[0]).await;
    for node in &cluster.nodes {
        let (records, _) = read_stream(&client, node.api, &arn).await;
        let items = read_items(&client, node.api).await;
        assert!(!records.is_empty() && !items.is_empty());
        check(&records, &items).unwrap_or_else(|broken| panic!("{broken} ({written} writes)"));
    }
}

/// The `count`th write of a writer, on one of three items that it shares with the others: counts up,
/// puts the same thing again, changes nothing, removes.
fn write(writer: usize, count: u64) -> (&'static str, Value) {
    let key = json!({"pk": {"S": format!("{}", (writer as u64 + count) % 3)}});
    match count % 8 {
        0 => ("DeleteItem", json!({"TableName": TABLE, "Key": key})),
        1 | 2 => {
            let item = json!({"pk": key["pk"], "v": {"SS": ["x", "y"]}, "n": {"N": "7"}});
            ("PutItem", json!({"TableName": TABLE, "Item": item}))
        }
        3 => (
            "UpdateItem",
            json!({
                "TableName": TABLE, "Key": key, "UpdateExpression": "SET n = n",
                "ConditionExpression": "attribute_exists(n)",
            }),
        ),
        _ => (
            "UpdateItem",
            json!({
                "TableName": TABLE, "Key": key, "UpdateExpression": "ADD hits :one",
                "ExpressionAttributeValues": {":one": {"N": "1"}},
            }),
        ),
    }
}

async fn latest_stream(client: &Client, port: u16) -> Value {
    let body = json!({"TableName": TABLE});
    let described = client.call(port, "DescribeTable", body).await;
    described["Table"]["LatestStreamArn"].clone()
}

/// The records of all shards, and whether every shard was read to an end.
async fn read_stream(client: &Client, port: u16, arn: &Value) -> (Vec<Value>, bool) {
    let stream = client
        .streams(port, "DescribeStream", json!({"StreamArn": arn}))
        .await;
    let (mut records, mut ended) = (Vec::new(), true);
    for shard in stream["StreamDescription"]["Shards"].as_array().unwrap() {
        let start = json!({
            "StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON",
        });
        let start = client.streams(port, "GetShardIterator", start).await;
        let mut iterator = start["ShardIterator"].clone();
        while !iterator.is_null() {
            let body = json!({"ShardIterator": iterator, "Limit": 100});
            let page = client.streams(port, "GetRecords", body).await;
            let some = page["Records"].as_array().unwrap();
            records.extend(some.iter().cloned());
            iterator = page["NextShardIterator"].clone();
            if some.is_empty() {
                break;
            }
        }
        ended &= iterator.is_null();
    }
    (records, ended)
}

async fn read_items(client: &Client, port: u16) -> BTreeMap<String, Value> {
    let scan = json!({"TableName": TABLE, "ConsistentRead": true});
    let (status, scanned) = client.try_call(port, "Scan", &scan).await.unwrap();
    assert_eq!(status, StatusCode::OK);
    let items = scanned["Items"].as_array().unwrap().iter();
    items
        .map(|item| (item["pk"]["S"].as_str().unwrap().to_owned(), item.clone()))
        .collect()
}

/// Between enabling and disabling nothing is missing, though writes went on all the time; and a
/// disabled stream has an end after which nothing comes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_enabled_and_disabled_under_load_has_no_gap() {
    let cluster = Cluster::start();
    let client = Arc::new(Client::signed());
    cluster.wait_ready(&client).await;
    client.create_table(cluster.nodes[0].api, TABLE).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (client, stop) = (Arc::clone(&client), Arc::clone(&stop));
        let port = cluster.nodes[writer % 3].api;
        writers.spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                count += 1;
                let (operation, body) = write(writer, count);
                let _answer = client.try_call(port, operation, &body).await;
            }
        });
    }
    let (one, other) = (cluster.nodes[1].api, cluster.nodes[2].api);
    for round in 0..3 {
        let view = json!({"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"});
        set_stream(&client, one, view).await;
        let arn = latest_stream(&client, one).await;
        eventually("records in the stream", || async {
            read_stream(&client, one, &arn).await.0.len() > 50
        })
        .await;
        set_stream(&client, one, json!({"StreamEnabled": false})).await;
        let (records, ended) = read_stream(&client, other, &arn).await;
        assert!(ended, "round {round}: a disabled stream has an end");
        chains(&records, false).unwrap_or_else(|broken| panic!("round {round}: {broken}"));
        let (again, _) = read_stream(&client, one, &arn).await;
        assert_eq!(again.len(), records.len(), "round {round}: nothing follows");
    }
    stop.store(true, Ordering::Relaxed);
    writers.join_all().await;
}

async fn set_stream(client: &Client, port: u16, specification: Value) {
    let body = json!({"TableName": TABLE, "StreamSpecification": specification});
    client.call(port, "UpdateTable", body).await;
    eventually("ACTIVE", || async {
        let body = json!({"TableName": TABLE});
        let described = client.call(port, "DescribeTable", body).await;
        described["Table"]["TableStatus"] == "ACTIVE"
    })
    .await;
}

/// The checker itself: what each kind of bug leaves in a stream.
#[test]
fn a_lost_a_repeated_a_misplaced_and_a_needless_record_are_found() {
    let image = |n: u64| json!({"pk": {"S": "a"}, "n": {"N": n.to_string()}});
    let record = |old: Option<u64>, new: Option<u64>| {
        let mut change = json!({"Keys": {"pk": {"S": "a"}}});
        if let Some(old) = old {
            change["OldImage"] = image(old);
        }
        if let Some(new) = new {
            change["NewImage"] = image(new);
        }
        let name = match (old, new) {
            (None, _) => "INSERT",
            (_, Some(_)) => "MODIFY",
            _ => "REMOVE",
        };
        json!({"eventName": name, "dynamodb": change})
    };
    let whole = [
        record(None, Some(1)),
        record(Some(1), Some(2)),
        record(Some(2), None),
        record(None, Some(3)),
    ];
    let items = BTreeMap::from([("a".to_owned(), image(3))]);
    assert_eq!(check(&whole, &items), Ok(()));
    for lost in 0..whole.len() {
        let mut records = whole.to_vec();
        records.remove(lost);
        assert!(check(&records, &items).is_err(), "lost {lost}");
        let mut records = whole.to_vec();
        records.insert(lost, whole[lost].clone());
        assert!(check(&records, &items).is_err(), "repeated {lost}");
    }
    for at in 1..whole.len() {
        let mut records = whole.to_vec();
        records.swap(at - 1, at);
        assert!(check(&records, &items).is_err(), "misplaced {at}");
    }
    let mut records = whole.to_vec();
    records.insert(2, record(Some(2), Some(2)));
    assert!(check(&records, &items).is_err(), "needless");
}
