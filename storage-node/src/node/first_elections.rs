//! Leaders right after a start, without waiting for an election timeout.
//!
//! When all nodes went down together nobody leads, and a timeout that is long enough to forgive a busy leader is a
//! pause that serves nobody. So the preferred node of each group stands at once. It asks first (pre-vote): where a
//! leader lives its followers refuse, and nothing has changed. The others stand after their timeouts, as ever.

use std::sync::Arc;
use std::time::Duration;

use stator_kit::task::TaskOwner;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::replication::{GroupHandle, NodeId};

/// Between two attempts: the peers are starting too, and a living leader is heard of within two heartbeats.
const ATTEMPT_EVERY: Duration = Duration::from_millis(200);
/// After these the ordinary timeouts have come.
const ATTEMPTS: u32 = 10;

/// Stands for election in those of `groups` that prefer this node and have no leader.
pub(super) fn begin(
    cluster: Arc<Cluster>,
    groups: Vec<GroupHandle>,
    me: NodeId,
    tasks: &TaskOwner,
) {
    let token = tasks.token();
    tasks.spawn("first elections", async move {
        for _ in 0..ATTEMPTS {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = sleep(ATTEMPT_EVERY) => {}
            }
            let catalog = cluster.catalog().current();
            let preferred = |group: &&GroupHandle| {
                let row = catalog.groups.get(&group.id().0);
                row.is_some_and(|row| row.voters.first() == Some(&me.0))
            };
            for group in groups.iter().filter(preferred) {
                if group.leader().is_some() {
                    continue;
                }
                if let Err(problem) = group.elect().await {
                    tracing::debug!(%problem, group = group.id().0, "did not stand for election");
                }
            }
        }
    });
}
