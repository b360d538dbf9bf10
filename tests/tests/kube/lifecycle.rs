//! Data outlives the Kubernetes objects that describe it.

use std::time::Duration;

use serde_json::json;
use stator_tests::client::{Answer, Client, Key};

use super::clients::root_key;
use super::endpoints;
use super::installation::{example, healthy, turn};
use super::kubectl::{self, get, kubectl, run, try_run, wait_for};

pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn key() -> Key {
    let (id, secret) = root_key();
    Key { id, secret }
}

async fn put(url: &str, order: &str) {
    let item = json!({"customerId": {"S": "lifecycle"}, "orderId": {"S": order}});
    let request = json!({"TableName": "orders", "Item": item});
    Client::new(url, Some(key()))
        .call_until_ok("PutItem", &request, LIMIT)
        .await
        .unwrap();
}

async fn assert_there(url: &str, order: &str) {
    let item = json!({"customerId": {"S": "lifecycle"}, "orderId": {"S": order}});
    let request = json!({"TableName": "orders", "Key": item, "ConsistentRead": true});
    let client = Client::new(url, Some(key()));
    let answer = client
        .call_until_ok("GetItem", &request, LIMIT)
        .await
        .unwrap();
    assert_eq!(answer["Item"], item, "the item is gone");
}

/// Messages of the Events about an object, newest last.
fn events(object: &str) -> String {
    let selector = format!("--field-selector=involvedObject.name={object}");
    let events = get(&["events", &selector]);
    let events = events["items"].as_array().unwrap();
    let line = |event: &serde_json::Value| format!("{} {}", event["reason"], event["message"]);
    events.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
async fn a_deleted_table_object_keeps_the_data_says_so_and_is_adopted_again() {
    let _turn = turn();
    let endpoint = endpoints::service("dynamodb", 8000);
    put(&endpoint.url, "kept").await;
    run(&mut kubectl(&[
        "delete",
        "table",
        "orders",
        "--timeout=60s",
    ]));
    wait_for("the Event about kept data", LIMIT, || {
        events("orders").contains("retained").then_some(())
    });
    assert_there(&endpoint.url, "kept").await; // the table still serves

    kubectl::apply(&example());
    kubectl::wait_condition("table/orders", "Ready", LIMIT);
    wait_for("the Event about the adoption", LIMIT, || {
        events("orders").contains("adopted").then_some(())
    });
    assert_there(&endpoint.url, "kept").await;
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
async fn a_storage_cluster_object_that_is_made_again_finds_its_data() {
    let _turn = turn();
    let endpoint = endpoints::service("dynamodb", 8000);
    put(&endpoint.url, "found").await;
    let cluster = || get(&["storagecluster", "default"]);
    let old = cluster();
    run(&mut kubectl(&[
        "delete",
        "storagecluster",
        "default",
        "--timeout=120s",
    ]));

    // The Table makes its StorageCluster again; another uid shows that it is another object.
    wait_for("a new StorageCluster object", LIMIT, || {
        let text = try_run(&mut kubectl(&[
            "get",
            "storagecluster",
            "default",
            "--output=jsonpath={.metadata.uid}",
        ]))
        .ok()?;
        (!text.is_empty() && old["metadata"]["uid"] != text.as_str()).then_some(())
    });
    healthy();
    assert_there(&endpoint.url, "found").await;
    let new = cluster();
    assert!(old["status"]["clusterId"].is_string(), "{old}");
    assert_eq!(new["status"]["clusterId"], old["status"]["clusterId"]);
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
async fn an_unsigned_request_is_refused_by_both_services() {
    let _turn = turn();
    for (service, port) in [("dynamodb", 8000), ("dax", 8111)] {
        let endpoint = endpoints::service(service, port);
        let request = json!({"TableName": "orders"});
        match Client::new(&endpoint.url, None)
            .call("Scan", &request)
            .await
        {
            Answer::Refused { code, .. } => assert_eq!(code, "MissingAuthenticationTokenException"),
            other => panic!("{service}: {other:?}"),
        }
    }
}
