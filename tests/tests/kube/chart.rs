//! The chart: what it renders, what its schema refuses, and that uninstalling it takes nothing away.

use std::process::Command;

use serde_json::{Value, json};
use stator_tests::client::Client;

use super::endpoints;
use super::installation::{self, healthy, turn};
use super::kubectl::{kubectl, run, try_run, wait_for};
use super::lifecycle::{LIMIT, key};

/// The objects that `helm template` renders with these settings.
fn rendered(settings: &[&str]) -> Result<Vec<Value>, String> {
    let mut helm = Command::new("helm");
    helm.args(["template", "stator"]).arg(installation::chart());
    for setting in settings {
        helm.args(["--set-json", setting]);
    }
    let text = try_run(&mut helm)?;
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    let objects = documents.map(|document| serde::Deserialize::deserialize(document).unwrap());
    Ok(objects.filter(|object: &Value| !object.is_null()).collect())
}

fn kinds(objects: &[Value], kind: &str) -> usize {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .count()
}

#[test]
#[ignore = "needs helm; cargo xtask test --only setup,kubernetes runs it"]
fn the_chart_renders_what_its_values_say() {
    let objects = rendered(&[]).unwrap();
    let definitions: Vec<_> = objects
        .iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition")
        .collect();
    assert_eq!(definitions.len(), 5);
    for definition in definitions {
        let policy = &definition["metadata"]["annotations"]["helm.sh/resource-policy"];
        assert_eq!(policy, "keep", "{definition}");
    }
    assert_eq!(kinds(&objects, "NetworkPolicy"), 1);
    let deployment = objects
        .iter()
        .find(|object| object["kind"] == "Deployment")
        .unwrap();
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    let container = &pod["containers"][0]["securityContext"];
    let restricted = json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    });
    assert_eq!(*container, restricted);

    assert_eq!(kinds(&objects, "MutatingWebhookConfiguration"), 1);

    let without = [
        "crds.install=false",
        "networkPolicies.enabled=false",
        "webhook.enabled=false",
    ];
    let objects = rendered(&without).unwrap();
    for kind in [
        "CustomResourceDefinition",
        "NetworkPolicy",
        "MutatingWebhookConfiguration",
        "Service",
    ] {
        assert_eq!(kinds(&objects, kind), 0, "{kind}");
    }
    let text = serde_json::to_string(&objects).unwrap();
    assert!(!text.contains("webhook"), "{text}");
}

#[test]
#[ignore = "needs helm; cargo xtask test --only setup,kubernetes runs it"]
fn the_values_schema_refuses_what_the_chart_does_not_know() {
    for (setting, named) in [
        ("operator.replica=1", "replica"),
        ("operator.replicas=\"two\"", "replicas"),
        ("images.pullPolicy=\"Sometimes\"", "pullPolicy"),
        ("storageCluster.accountId=\"12\"", "accountId"),
        ("storageCluster.racks=[]", "racks"),
        ("daxCluster.spec.replicas=12", "replicas"),
    ] {
        match rendered(&[setting]) {
            Ok(_) => panic!("accepted: {setting}"),
            Err(error) => assert!(error.contains(named), "{setting}: {error}"),
        }
    }
}

#[tokio::test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
async fn an_uninstalled_chart_leaves_definitions_objects_and_a_table_that_serves() {
    let _turn = turn();
    run(Command::new("helm")
        .args(["uninstall", "stator", "--wait"])
        .args(["--namespace", installation::OPERATOR_NAMESPACE]));
    run(&mut kubectl(&["get", "crd", "tables.stator.dev"]));
    run(&mut kubectl(&["get", "table", "orders"]));
    let endpoint = endpoints::service("dynamodb", 8000);
    let request = json!({"TableName": "orders", "Limit": 1});
    Client::new(&endpoint.url, Some(key()))
        .call_until_ok("Scan", &request, LIMIT)
        .await
        .unwrap();

    installation::install_chart();
    // The new operator is at work: it makes again what somebody has deleted.
    let budget = ["poddisruptionbudget", "default-storage"];
    run(&mut kubectl(&[&["delete"][..], &budget].concat()));
    wait_for("the disruption budget", LIMIT, || {
        try_run(&mut kubectl(&[&["get"][..], &budget].concat())).ok()
    });
    healthy();
}
