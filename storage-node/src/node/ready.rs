//! Whether this node is able to serve, and why not.

use std::sync::Arc;
use std::time::Duration;

use stator_kit::ops::Readiness;
use stator_kit::task::TaskOwner;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::cluster::Cluster;
use crate::identity::{Bootstrap, Outcome};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// A ready node may be without a leader this long before it says that it cannot serve: three
/// elections' time, so that a single one does not take every node out of service at once.
const LEADERLESS_MAX: Duration = Duration::from_secs(10);

/// Shows on the readiness port what bootstrap waits for.
pub(super) fn show_bootstrap(bootstrap: &Bootstrap, readiness: &Readiness, tasks: &TaskOwner) {
    let mut outcome = bootstrap.outcome();
    let (readiness, token) = (readiness.clone(), tasks.token());
    tasks.spawn("show bootstrap", async move {
        loop {
            match &*outcome.borrow_and_update() {
                Outcome::Waiting(reason) | Outcome::NotVoting(reason) => {
                    readiness.set_not_ready(reason.clone());
                }
                Outcome::Member(_) => return,
            }
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                changed = outcome.changed() => if changed.is_err() { return },
            }
        }
    });
}

/// Follows the cluster: ready once the catalog is there and every group of this node has a leader;
/// not ready when the store has failed, leaders have been missing for long, or the node is `stopping`.
pub(super) fn watch(
    cluster: Arc<Cluster>,
    bootstrap: Arc<Bootstrap>,
    readiness: Readiness,
    stopping: CancellationToken,
    tasks: &TaskOwner,
) {
    tasks.spawn("readiness", async move {
        let mut recorded = false;
        let mut served_at: Option<Instant> = None;
        loop {
            if !recorded && cluster.catalog().current().cluster.is_some() {
                match bootstrap.record_complete() {
                    Ok(()) => recorded = true,
                    Err(problem) => tracing::error!(%problem, "completion cannot be recorded"),
                }
            }
            match cluster.obstacle() {
                None => {
                    served_at = Some(Instant::now());
                    readiness.set_ready();
                }
                Some(obstacle) => {
                    let lately = served_at.is_some_and(|at| at.elapsed() < LEADERLESS_MAX);
                    if !lately || obstacle.is_final {
                        readiness.set_not_ready(obstacle.reason);
                    }
                }
            }
            tokio::select! {
                biased;
                () = stopping.cancelled() => break,
                () = sleep(LOOK_EVERY) => {}
            }
        }
        // Said here and not by whoever stops the node, so that the last word is this one.
        readiness.set_not_ready("shutting down".to_owned());
    });
}
