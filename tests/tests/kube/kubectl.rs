//! kubectl and waiting on it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The namespace of the tests' tables.
pub(crate) const NAMESPACE: &str = "stator-e2e";

/// kubectl in the tests' namespace.
pub(crate) fn kubectl(arguments: &[&str]) -> Command {
    let mut command = Command::new("kubectl");
    command.args(["--namespace", NAMESPACE]).args(arguments);
    command
}

/// Runs to the end; what it said, or what it complained about.
pub(crate) fn try_run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// As [`try_run`]; a failure fails the test.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let shown = format!("{command:?}");
    try_run(command).unwrap_or_else(|error| panic!("{shown}: {error}"))
}

/// An object or list as JSON.
#[track_caller]
pub(crate) fn get(arguments: &[&str]) -> Value {
    let mut command = kubectl(&["get"]);
    let text = run(command.args(arguments).args(["--output", "json"]));
    serde_json::from_str(&text).unwrap()
}

/// Applies a manifest.
pub(crate) fn try_apply(manifest: &str) -> Result<String, String> {
    let mut child = kubectl(&["apply", "--filename", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut input = child.stdin.take().unwrap();
    input
        .write_all(manifest.as_bytes())
        .map_err(|error| error.to_string())?;
    drop(input);
    let output = child
        .wait_with_output()
        .map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Applies a manifest; a refusal fails the test.
#[track_caller]
pub(crate) fn apply(manifest: &str) {
    if let Err(error) = try_apply(manifest) {
        panic!("{error}\n{manifest}");
    }
}

/// Waits for a condition on an object.
#[track_caller]
pub(crate) fn wait_condition(object: &str, condition: &str, limit: Duration) {
    let condition = format!("--for=condition={condition}");
    let limit = format!("--timeout={}s", limit.as_secs());
    let outcome = try_run(&mut kubectl(&["wait", object, &condition, &limit]));
    if let Err(error) = outcome {
        panic!("{object} {condition}: {error}\n{}", situation());
    }
}

/// Waits until `condition` gives a value.
#[track_caller]
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Option<T>,
) -> T {
    let until = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            Instant::now() < until,
            "waited {} s for {what}\n{}",
            limit.as_secs(),
            situation()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What someone would look at first.
pub(crate) fn situation() -> String {
    let looks: [&[&str]; 4] = [
        &[
            "get",
            "tables,storageclusters,daxclusters,pods,pvc",
            "--output=wide",
        ],
        &["get", "events", "--sort-by=.lastTimestamp"],
        &[
            "logs",
            "--selector=stator.dev/storage-cluster",
            "--tail=8",
            "--prefix",
            "--ignore-errors",
        ],
        &[
            "logs",
            "--namespace=stator-system",
            "deployment/stator-operator",
            "--tail=40",
        ],
    ];
    looks
        .map(|look| {
            let text = try_run(&mut kubectl(look)).unwrap_or_else(|error| error);
            format!("--- kubectl {}\n{text}", look.join(" "))
        })
        .join("\n")
}
