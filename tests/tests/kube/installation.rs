//! The one installation that all tests share, and their taking turns.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use super::kubectl::{self, NAMESPACE, run};

/// Where the operator is.
pub(crate) const OPERATOR_NAMESPACE: &str = "stator-system";

/// From nothing to a table that serves: pods, elections, certificates.
const READY_LIMIT: Duration = Duration::from_secs(180);

/// Short, so that a test sees several of them.
pub(crate) const RESYNC: Duration = Duration::from_secs(5);

static TURN: Mutex<()> = Mutex::new(());
static INSTALL: Once = Once::new();

/// A test's turn with the installation.
pub(crate) struct Turn {
    _guard: MutexGuard<'static, ()>,
}

/// Installs the chart and the example where that has not happened yet, and waits until all is healthy.
#[track_caller]
pub(crate) fn turn() -> Turn {
    // A failed test has said why; the next one finds out for itself whether the installation is healthy.
    let guard = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    INSTALL.call_once(install);
    healthy();
    Turn { _guard: guard }
}

/// All nodes of the database vote and all objects are ready.
#[track_caller]
pub(crate) fn healthy() {
    kubectl::wait_condition("storagecluster/default", "Ready", READY_LIMIT);
    kubectl::wait_condition("daxcluster/default", "Ready", READY_LIMIT);
    kubectl::wait_condition("table/orders", "Ready", READY_LIMIT);
}

fn root() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap()
}

/// The example that the README shows.
pub(crate) fn example() -> String {
    std::fs::read_to_string(root().join("examples/orders.yaml")).unwrap()
}

/// The chart's folder.
pub(crate) fn chart() -> PathBuf {
    root().join("charts/stator")
}

/// Installs the chart, or brings it to its present state.
pub(crate) fn install_chart() {
    let mut helm = Command::new("helm");
    helm.args(["upgrade", "--install", "stator"])
        .arg(chart())
        .args(["--namespace", OPERATOR_NAMESPACE])
        .args(["--wait", "--timeout", "180s"])
        .args([
            "--set",
            &format!("operator.resyncSeconds={}", RESYNC.as_secs()),
        ]);
    if let Ok(tag) = std::env::var("STATOR_IMAGE_TAG") {
        helm.args(["--set-string", &format!("images.tag={tag}")]);
    }
    run(&mut helm);
}

/// A namespace that admits no pod but those of the restricted standard.
fn restricted_namespace(name: &str) -> String {
    let labels = "{pod-security.kubernetes.io/enforce: restricted}";
    format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {labels}}}}}")
}

fn install() {
    run(Command::new("helm").arg("lint").arg(chart()));
    kubectl::apply(&restricted_namespace(OPERATOR_NAMESPACE));
    kubectl::apply(&restricted_namespace(NAMESPACE));
    install_chart();
    kubectl::apply(&example());
    // The conditions come with the objects, and the objects with the operator.
    for object in ["storagecluster/default", "daxcluster/default"] {
        kubectl::wait_for(object, READY_LIMIT, || {
            kubectl::try_run(&mut kubectl::kubectl(&["get", object])).ok()
        });
    }
}
