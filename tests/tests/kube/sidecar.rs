//! The cache that a pod asks for by an annotation: injected once, on loopback, behind the cache cluster, and gone with its Job.

use std::time::Duration;

use serde_json::{Value, json};

use super::clients;
use super::endpoints;
use super::installation::{OPERATOR_NAMESPACE, healthy, turn};
use super::kubectl::{NAMESPACE, apply, get, kubectl, run, try_apply, wait_condition, wait_for};

/// For a pod to start, or to end.
const LIMIT: Duration = Duration::from_secs(120);

/// The image that an object of ours runs.
fn image(object: &[&str], container: &str) -> String {
    let object = get(object);
    let containers = &object["spec"]["template"]["spec"]["containers"];
    let mut containers = containers.as_array().unwrap().iter();
    let found = containers.find(|one| one["name"] == container).unwrap();
    found["image"].as_str().unwrap().to_owned()
}

/// A pod's spec that the restricted standard admits.
fn restricted(container: &Value) -> Value {
    let mut container = container.clone();
    container["securityContext"] = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": {"drop": ["ALL"]},
    });
    json!({
        "securityContext": {
            "runAsNonRoot": true,
            "runAsUser": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
    })
}

/// An application that does nothing but stay. Any program will do; this one is there.
fn application() -> Value {
    restricted(&json!({
        "name": "app",
        "image": image(&["statefulset", "default-dax"], "dax-proxy"),
        "args": [
            "dev", "--upstream=http://127.0.0.1:8111", "--listen=127.0.0.1:8211", "--peer-listen=127.0.0.1:8212",
            "--ops-listen=127.0.0.1:8291",
        ],
    }))
}

fn pod(name: &str, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations},
        "spec": application(),
    })
}

fn asks() -> Value {
    json!({"stator.dev/dax-sidecar": "default"})
}

fn first_containers(pod: &Value) -> Vec<&str> {
    let names = pod["spec"]["initContainers"].as_array();
    let names = names.into_iter().flatten();
    names.map(|one| one["name"].as_str().unwrap()).collect()
}

fn remove(object: &str) {
    run(&mut kubectl(&["delete", object, "--ignore-not-found"]));
}

/// The pod as it would be made.
fn dry_run(manifest: &Value, namespace: &str) -> Value {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), manifest.to_string()).unwrap();
    let path = file.path().to_str().unwrap();
    let text = run(&mut kubectl(&[
        "create",
        "--dry-run=server",
        "--output=json",
        "--namespace",
        namespace,
        "--filename",
        path,
    ]));
    serde_json::from_str(&text).unwrap()
}

/// The operator has made its certificate, and the API server knows of it.
fn registered() {
    wait_for("the webhook's registration", LIMIT, || {
        let registration = get(&["mutatingwebhookconfiguration", "stator-operator"]);
        let bundle = &registration["webhooks"][0]["clientConfig"]["caBundle"];
        bundle.as_str().filter(|bundle| !bundle.is_empty())?;
        // It is asked of a pod that is not made.
        let asked = dry_run(&pod("asked", &asks()), NAMESPACE);
        (first_containers(&asked) == ["stator-dax"]).then_some(())
    });
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn a_pod_that_asks_has_a_cache_of_its_own() {
    let _turn = turn();
    registered();
    remove("pod/with-cache");
    apply(&pod("with-cache", &asks()).to_string());
    wait_condition("pod/with-cache", "Ready", LIMIT);
    let made = get(&["pod", "with-cache"]);
    assert_eq!(first_containers(&made), ["stator-dax"]);
    let status = &made["status"]["initContainerStatuses"][0];
    assert_eq!(
        (&status["started"], &status["restartCount"]),
        (&json!(true), &json!(0))
    );

    let near = endpoints::loopback("with-cache", 8111);
    let cluster = endpoints::service("dax", 8111);
    let store = endpoints::service("dynamodb", 8000);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kube/sidecar.py");
    let mut client = clients::client(clients::python(), &near);
    client.env("CLUSTER", &cluster.url).env("STORE", &store.url);
    let said = run(client.arg(script));
    assert!(said.ends_with("answers are those of the store"), "{said}");
    // What is made once is not made twice: the pod as it was made is left as it is.
    let again = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "again", "annotations": asks()},
        "spec": dry_run(&pod("again", &asks()), NAMESPACE)["spec"],
    });
    let again = dry_run(&again, NAMESPACE);
    assert_eq!(first_containers(&again), ["stator-dax"]);
    drop(near);
    remove("pod/with-cache");
    healthy();
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn a_job_with_a_cache_completes() {
    let _turn = turn();
    registered();
    // The example's table, described over the cache in the pod: it is there already, so nothing is changed.
    let manifest = super::installation::example();
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "sidecar-job"},
        "data": {"table.yaml": manifest},
    });
    apply(&map.to_string());
    remove("job/sidecar-job");
    let mut spec = restricted(&json!({
        "name": "app",
        "image": image(&["deployment", "stator-operator", "--namespace", OPERATOR_NAMESPACE], "operator"),
        "args": ["apply", "--file=/manifest/table.yaml", "--endpoint=http://127.0.0.1:8111"],
        "envFrom": [{"secretRef": {"name": "default-root"}}],
        "volumeMounts": [{"name": "manifest", "mountPath": "/manifest"}],
    }));
    spec["restartPolicy"] = json!("Never");
    spec["volumes"] = json!([{"name": "manifest", "configMap": {"name": "sidecar-job"}}]);
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "sidecar-job"},
        "spec": {
            "backoffLimit": 0,
            "template": {"metadata": {"annotations": asks()}, "spec": spec},
        },
    });
    apply(&job.to_string());
    wait_condition("job/sidecar-job", "Complete", LIMIT);
    let pods = get(&["pods", "--selector=job-name=sidecar-job"]);
    assert_eq!(first_containers(&pods["items"][0]), ["stator-dax"]);
    let logs = run(&mut kubectl(&[
        "logs",
        "job/sidecar-job",
        "--container=app",
    ]));
    assert!(logs.contains("orders"), "{logs}");
    remove("job/sidecar-job");
    remove("configmap/sidecar-job");
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn a_wish_that_cannot_be_is_refused_and_the_operators_namespace_is_left_alone() {
    let _turn = turn();
    registered();
    let mut much = asks();
    much["stator.dev/dax-sidecar-memory"] = json!("much");
    for (annotations, named) in [
        (
            much,
            "stator.dev/dax-sidecar-memory: \"much\" is not a quantity",
        ),
        (
            json!({"stator.dev/dax-sidecar": "Default"}),
            "stator.dev/dax-sidecar: \"Default\" is not the name of a DaxCluster",
        ),
    ] {
        match try_apply(&pod("refused", &annotations).to_string()) {
            Ok(made) => panic!("{made}"),
            Err(error) => assert!(error.contains(named), "{error}"),
        }
    }
    for (annotations, namespace) in [
        (asks(), OPERATOR_NAMESPACE),
        (json!({}), NAMESPACE),
        (json!({"stator.dev/dax-sidecar": "false"}), NAMESPACE),
    ] {
        let made = dry_run(&pod("alone", &annotations), namespace);
        assert!(first_containers(&made).is_empty(), "{made}");
    }
}

/// Without an operator pods are made without a cache, and when it is back with a new certificate they have one again.
#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn without_an_operator_pods_are_made_as_they_are() {
    let _turn = turn();
    registered();
    let scale = |replicas: u32| {
        let replicas = format!("--replicas={replicas}");
        let namespace = ["--namespace", OPERATOR_NAMESPACE];
        let scale = ["scale", "deployment/stator-operator", &replicas];
        run(&mut kubectl(&[&namespace[..], &scale].concat()));
    };
    scale(0);
    wait_for("a pod without a cache", LIMIT, || {
        let made = dry_run(&pod("alone", &asks()), NAMESPACE);
        first_containers(&made).is_empty().then_some(())
    });
    let secret = [
        "secret",
        "stator-operator-webhook-tls",
        "--namespace",
        OPERATOR_NAMESPACE,
    ];
    let before = get(&secret)["data"]["tls.crt"].clone();
    run(&mut kubectl(&[&["delete"][..], &secret].concat()));
    scale(1);
    registered();
    assert_ne!(get(&secret)["data"]["tls.crt"], before);
    healthy();
}
