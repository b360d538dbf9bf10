//! Everything of a table that a manifest can say, said, changed and taken away again; the database is asked what it has.

use std::time::Duration;

use serde_json::{Value, json};
use stator_tests::client::Client;

use super::endpoints::{self, Endpoint};
use super::installation::turn;
use super::kubectl::{self, get, kubectl, run, wait_for};
use super::lifecycle::{LIMIT, key};

const TABLE: &str = "catalogue";

struct Database {
    _endpoint: Endpoint,
    client: Client,
}

impl Database {
    fn connect() -> Self {
        let endpoint = endpoints::service("dynamodb", 8000);
        let client = Client::new(&endpoint.url, Some(key()));
        Self {
            _endpoint: endpoint,
            client,
        }
    }

    async fn ask(&self, operation: &str, request: Value) -> Value {
        self.client
            .call_until_ok(operation, &request, LIMIT)
            .await
            .unwrap()
    }

    async fn table(&self) -> Value {
        self.ask("DescribeTable", json!({"TableName": TABLE})).await["Table"].clone()
    }
}

fn index(name: &str, hash: &str) -> Value {
    json!({
        "indexName": name,
        "keySchema": [{"attributeName": hash, "keyType": "HASH"}],
        "projection": {"projectionType": "ALL"},
        "provisionedThroughput": {"readCapacityUnits": 5, "writeCapacityUnits": 5},
    })
}

/// Attributes of type S.
fn attributes(names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| json!({"attributeName": name, "attributeType": "S"}))
        .collect()
}

fn manifest() -> Value {
    json!({
        "apiVersion": "stator.dev/v1alpha1",
        "kind": "Table",
        "metadata": {
            "name": TABLE,
            "annotations": {"services.k8s.aws/deletion-policy": "delete"},
        },
        "spec": {
            "tableName": TABLE,
            "attributeDefinitions": attributes(&["pk", "sk", "author", "year"]),
            "keySchema": [
                {"attributeName": "pk", "keyType": "HASH"},
                {"attributeName": "sk", "keyType": "RANGE"},
            ],
            "billingMode": "PROVISIONED",
            "provisionedThroughput": {"readCapacityUnits": 10, "writeCapacityUnits": 10},
            "tableClass": "STANDARD_INFREQUENT_ACCESS",
            "deletionProtectionEnabled": true,
            "localSecondaryIndexes": [{
                "indexName": "by-year",
                "keySchema": [
                    {"attributeName": "pk", "keyType": "HASH"},
                    {"attributeName": "year", "keyType": "RANGE"},
                ],
                "projection": {"projectionType": "KEYS_ONLY"},
            }],
            "globalSecondaryIndexes": [index("by-author", "author")],
            "streamSpecification": {"streamEnabled": true, "streamViewType": "NEW_IMAGE"},
            "timeToLive": {"attributeName": "expires", "enabled": true},
            "tags": [{"key": "team", "value": "books"}, {"key": "old", "value": "yes"}],
        },
    })
}

/// Applies the manifest and waits until the operator has done all of it.
fn applied(manifest: &Value) {
    kubectl::apply(&manifest.to_string());
    wait_for("the generation", Duration::from_secs(180), || {
        let table = get(&["table", TABLE]);
        let conditions = table["status"]["conditions"].as_array()?;
        let ready = conditions
            .iter()
            .find(|condition| condition["type"] == "Ready")?;
        let current = ready["observedGeneration"] == table["metadata"]["generation"];
        (current && ready["status"] == "True").then_some(())
    });
}

fn names(indexes: &Value) -> Vec<&str> {
    let indexes = indexes.as_array().unwrap();
    let mut names: Vec<&str> = indexes
        .iter()
        .map(|index| index["IndexName"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
async fn indexes_streams_expiry_tags_throughput_and_protection_follow_the_manifest() {
    let _turn = turn();
    let mut wanted = manifest();
    applied(&wanted);
    let database = Database::connect();
    let table = database.table().await;
    assert_eq!(names(&table["LocalSecondaryIndexes"]), ["by-year"]);
    assert_eq!(names(&table["GlobalSecondaryIndexes"]), ["by-author"]);
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "NEW_IMAGE");
    assert_eq!(
        table["TableClassSummary"]["TableClass"],
        "STANDARD_INFREQUENT_ACCESS"
    );
    assert_eq!(table["DeletionProtectionEnabled"], true);
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 10);
    let status = get(&["table", TABLE])["status"].clone();
    assert_eq!(status["latestStreamARN"], table["LatestStreamArn"]);
    let item = json!({
        "pk": {"S": "1"}, "sk": {"S": "1"}, "author": {"S": "ann"}, "year": {"S": "1999"},
    });
    let put = json!({"TableName": TABLE, "Item": item});
    database.ask("PutItem", put).await;

    // Everything that can change, at once; the operator finds the legal steps.
    let spec = &mut wanted["spec"];
    spec["globalSecondaryIndexes"] = json!([index("by-year-too", "year")]);
    spec["streamSpecification"]["streamViewType"] = json!("KEYS_ONLY");
    spec["timeToLive"]["attributeName"] = json!("ends");
    spec["provisionedThroughput"]["readCapacityUnits"] = json!(20);
    spec["tableClass"] = json!("STANDARD");
    spec["deletionProtectionEnabled"] = json!(false);
    spec["tags"] = json!([{"key": "team", "value": "shelves"}]);
    spec["attributeDefinitions"] = attributes(&["pk", "sk", "year"]);
    applied(&wanted);
    let table = database.table().await;
    assert_eq!(names(&table["GlobalSecondaryIndexes"]), ["by-year-too"]);
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "KEYS_ONLY");
    assert_eq!(table["DeletionProtectionEnabled"], false);
    assert_eq!(table["ProvisionedThroughput"]["ReadCapacityUnits"], 20);
    let expiry = database
        .ask("DescribeTimeToLive", json!({"TableName": TABLE}))
        .await;
    assert_eq!(expiry["TimeToLiveDescription"]["AttributeName"], "ends");
    let arn = json!({"ResourceArn": table["TableArn"]});
    let tags = database.ask("ListTagsOfResource", arn).await;
    let team = json!({"Key": "team", "Value": "shelves"});
    let tags = tags["Tags"].as_array().unwrap();
    assert!(tags.contains(&team), "{tags:?}");
    assert!(tags.iter().all(|tag| tag["Key"] != "old"), "{tags:?}");
    // The index that came later has the item that was there before it.
    let query = json!({
        "TableName": TABLE, "IndexName": "by-year-too", "KeyConditionExpression": "#y = :y",
        "ExpressionAttributeNames": {"#y": "year"}, "ExpressionAttributeValues": {":y": {"S": "1999"}},
    });
    assert_eq!(database.ask("Query", query).await["Count"], 1);

    // The manifest says that its deletion is the table's.
    run(&mut kubectl(&["delete", "table", TABLE, "--timeout=120s"]));
    let listed = database.ask("ListTables", json!({})).await;
    let listed = listed["TableNames"].as_array().unwrap();
    assert!(!listed.contains(&json!(TABLE)), "{listed:?}");
}
