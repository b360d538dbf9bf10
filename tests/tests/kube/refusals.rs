//! Manifests that break a rule are refused by Kubernetes, and the refusal names the field.

use super::installation::{example, turn};
use super::kubectl::{kubectl, run, try_apply};

#[track_caller]
fn check(manifest: &str, named: &str) {
    match try_apply(manifest) {
        Ok(said) => panic!("accepted: {said}\n{manifest}"),
        Err(error) => assert!(error.contains(named), "{error}"),
    }
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
    run(&mut kubectl(&[
        "delete",
        "table",
        "numeric",
        "--timeout=60s",
    ]));
    check(
        "{apiVersion: stator.dev/v1alpha1, kind: DaxCluster, metadata: {name: two}, spec: {replicas: 2}}",
        "replicas",
    );
}
