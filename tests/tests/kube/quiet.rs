//! A converged installation causes no writes.

use std::collections::BTreeMap;
use std::process::Command;

use super::installation::{RESYNC, turn};
use super::kubectl::{kubectl, run, wait_for};

/// What the operator writes; in a converged cluster nobody else writes them either.
const RESOURCES: [&str; 13] = [
    "configmaps",
    "daxclusters",
    "networkpolicies",
    "persistentvolumeclaims",
    "poddisruptionbudgets",
    "pods",
    "roles",
    "secrets",
    "serviceaccounts",
    "services",
    "statefulsets",
    "storageclusters",
    "tables",
];

/// Writes that the API server has counted since its start, refused ones included, by verb, resource and subresource.
fn writes() -> BTreeMap<String, u64> {
    let metrics = run(Command::new("kubectl").args(["get", "--raw", "/metrics"]));
    let mut counts = BTreeMap::new();
    for line in metrics
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
    {
        let label = |name: &str| {
            let (_, rest) = line.split_once(&format!("{name}=\""))?;
            rest.split('"').next()
        };
        let verb = label("verb").unwrap_or_default();
        // "resource" is also the end of "subresource": the label before a comma or brace is meant.
        let resource = line
            .split([',', '{'])
            .find_map(|label| label.strip_prefix("resource=\"")?.strip_suffix('"'))
            .unwrap_or_default();
        let subresource = label("subresource").unwrap_or_default();
        // Tokens for pods are asked for by kubelets.
        let write = ["POST", "PUT", "PATCH", "APPLY", "DELETE"].contains(&verb);
        if !write || !RESOURCES.contains(&resource) || subresource == "token" {
            continue;
        }
        let count = line
            .rsplit(' ')
            .next()
            .and_then(|count| count.parse::<f64>().ok());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a counter of requests"
        )]
        let count = count.unwrap_or_default() as u64;
        *counts
            .entry(format!("{verb} {resource}/{subresource}"))
            .or_default() += count;
    }
    assert!(!counts.is_empty(), "the API server counts no writes");
    counts
}

#[test]
#[ignore = "needs a Kubernetes cluster; cargo xtask test --only setup,kubernetes runs it"]
fn converged_objects_cause_no_writes() {
    let _turn = turn();
    // The last writes of a test before this one, such as a pod's status, may still come.
    let before = wait_for("a quiet moment", RESYNC * 12, || {
        let first = writes();
        std::thread::sleep(RESYNC);
        (writes() == first).then_some(first)
    });
    std::thread::sleep(RESYNC * 4); // the time itself is what is tested: four resyncs
    assert_eq!(writes(), before);
    // The look can see: one write more is counted.
    run(&mut kubectl(&[
        "annotate",
        "table",
        "orders",
        "stator.dev/seen=yes",
        "--overwrite",
    ]));
    run(&mut kubectl(&[
        "annotate",
        "table",
        "orders",
        "stator.dev/seen-",
    ]));
    assert_ne!(writes(), before);
}
