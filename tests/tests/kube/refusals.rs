//! Manifests that break a rule are refused by Kubernetes, and the refusal names the field.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::Value;

use super::installation::{example, turn};
use super::kubectl::{get, kubectl, run, try_apply, try_run, wait_condition};

const LIMIT: Duration = Duration::from_secs(60);
/// Each manifest says in an annotation what the refusal must name.
const CORPUS: &str = include_str!("../../../operator/tests/manifests/refused.yaml");
const EXPECTED: &str = "/metadata/annotations/stator.dev~1expected";

#[track_caller]
fn check(manifest: &str, named: &str) {
    match try_apply(manifest) {
        Ok(said) => panic!("accepted: {said}\n{manifest}"),
        Err(error) => assert!(error.contains(named), "{error}"),
    }
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn every_manifest_of_the_corpus_is_refused_and_leaves_nothing() {
    let _turn = turn();
    let before = objects();
    let mut checked = 0;
    for document in serde_yaml_ng::Deserializer::from_str(CORPUS) {
        let manifest = Value::deserialize(document).unwrap();
        let expected = manifest.pointer(EXPECTED).unwrap().as_str().unwrap();
        check(&manifest.to_string(), expected);
        checked += 1;
    }
    assert!(checked > 30, "{checked} manifests");
    assert_eq!(objects(), before);
}

/// All objects of ours, by kind and name.
fn objects() -> Vec<String> {
    let kinds = "tables,storageclusters,daxclusters,globaltables,backups";
    let list = get(&[kinds]);
    let name = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
    list["items"].as_array().unwrap().iter().map(name).collect()
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn what_is_not_built_yet_is_terminal_and_done_in_no_part() {
    let _turn = turn();
    let encrypted = example()
        .replace("name: orders", "name: encrypted")
        .replace("tableName: orders", "tableName: encrypted")
        + "  sseSpecification: {enabled: true}\n";
    try_apply(&encrypted).unwrap();
    wait_condition("table/encrypted", "ACK.Terminal", LIMIT);
    let table = get(&["table", "encrypted"]);
    let terminal = condition(&table, "ACK.Terminal");
    let message = terminal["message"].as_str().unwrap();
    assert!(message.contains("sseSpecification"), "{message}");
    assert!(table["status"]["tableStatus"].is_null(), "{table}");
    delete("table", "encrypted");

    for (kind, name, spec) in [
        (
            "GlobalTable",
            "everywhere",
            "{globalTableName: orders, replicationGroup: [{regionName: us-east-1}]}",
        ),
        (
            "Backup",
            "nightly",
            "{backupName: nightly, tableName: orders}",
        ),
    ] {
        let manifest = format!(
            "{{apiVersion: stator.dev/v1alpha1, kind: {kind}, metadata: {{name: {name}}}, spec: {spec}}}"
        );
        try_apply(&manifest).unwrap();
        wait_condition(&format!("{kind}/{name}"), "ACK.Terminal", LIMIT);
        let object = get(&[kind, name]);
        let reason = &condition(&object, "ACK.Terminal")["reason"];
        assert_eq!(reason, "NotSupported", "{object}");
        delete(kind, name);
    }
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn what_cannot_be_changed_is_refused_and_the_message_says_why() {
    let _turn = turn();
    let fixed = |object: &str, spec: &str, named: &str| {
        let patch = format!("{{\"spec\": {spec}}}");
        let patched = try_run(&mut kubectl(&[
            "patch",
            object,
            "--type=merge",
            "--patch",
            &patch,
        ]));
        match patched {
            Ok(said) => panic!("{object} {spec}: {said}"),
            Err(error) => assert!(error.contains(named), "{error}"),
        }
    };
    let four = r#"{"racks": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}]}"#;
    let storage = "storagecluster/default";
    fixed(storage, four, "racks cannot be changed yet");
    fixed(
        storage,
        r#"{"nodesPerRack": 2}"#,
        "nodesPerRack cannot be changed yet",
    );
    fixed(storage, r#"{"region": "eu-west-1"}"#, "region is fixed");
    fixed(
        storage,
        r#"{"accountId": "111111111111"}"#,
        "accountId is fixed",
    );
    fixed(
        storage,
        r#"{"volume": {"size": "20Gi"}}"#,
        "volume cannot be changed yet",
    );
    let dax = "daxcluster/default";
    fixed(
        dax,
        r#"{"replicas": 12}"#,
        "replicas must be between 1 and 11",
    );
    fixed(
        dax,
        r#"{"volume": {"size": "2Gi"}}"#,
        "claim templates are immutable",
    );
    let orders = "table/orders";
    fixed(orders, r#"{"tableName": "others"}"#, "tableName");
    fixed(
        orders,
        r#"{"stator": {"storageCluster": "other"}}"#,
        "storageCluster",
    );
}

fn condition(object: &Value, kind: &str) -> Value {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == kind);
    found
        .unwrap_or_else(|| panic!("no {kind}: {object}"))
        .clone()
}

fn delete(kind: &str, name: &str) {
    run(&mut kubectl(&["delete", kind, name, "--timeout=60s"]));
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn a_manifest_that_breaks_a_rule_is_refused_and_the_field_is_named() {
    let _turn = turn();
    let example = example();
    check(
        &example.replace("tableName: orders", "tableName: other"),
        "tableName",
    );
    check(
        &example.replace("keyType: RANGE", "keyType: HASH"),
        "keySchema",
    );
    check(
        &example.replace("attributeType: S", "attributeType: X"),
        "attributeType",
    );
    check(
        &example.replace("billingMode: PAY_PER_REQUEST", "billingMode: SOMETIMES"),
        "billingMode",
    );
    // An enum in the CRDs that YAML 1.1 reads as a boolean once refused every numeric key.
    let numeric = example.replace("attributeType: S", "attributeType: \"N\"");
    let numeric = numeric
        .replace("name: orders", "name: numeric")
        .replace("tableName: orders", "tableName: numeric");
    try_apply(&numeric).unwrap();
    delete("table", "numeric");
    check(
        "{apiVersion: stator.dev/v1alpha1, kind: DaxCluster, metadata: {name: two}, spec: {replicas: 12}}",
        "replicas",
    );
}
