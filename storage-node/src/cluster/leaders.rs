//! Where leaders sit: handed away before a node goes, and back to where they are spread evenly.
//!
//! Each group has a preferred leader, its first voter in the catalog. The preferred node *asks* for
//! the leadership, once it has run for a while and follows closely; so a node that drains, or is
//! behind, gets none, and nobody has to know about others' drains.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Cluster;
use super::message::DataRequest;
use crate::replication::{GroupHandle, GroupId, NodeId};

/// A node asks for a leadership only after it has known another leader for this long: elections and
/// restarts settle first.
const SETTLED_AFTER: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A follower at most this many entries behind takes over without a pause worth mentioning.
const LAG_ENTRIES_MAX: u64 = 64;
/// How long a leadership may take to go.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(5);
/// A drained node takes no leadership for this long: it is about to be restarted.
const DRAINED_FOR: Duration = Duration::from_secs(120);

impl Cluster {
    /// Asks for the leaderships that this node is preferred for.
    pub(super) async fn spread_leaders(&self) {
        let token = self.tasks.token();
        let mut led_elsewhere_since = std::collections::BTreeMap::<GroupId, Instant>::new();
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = sleep(LOOK_EVERY) => {}
            }
            self.end_stale_drain();
            let state = self.catalog.current();
            for (id, local) in &self.groups {
                let preferred = state.groups.get(&id.0).and_then(|row| row.voters.first());
                let leader = local.handle.leader();
                let elsewhere = leader.filter(|leader| {
                    *leader != self.node_id() && preferred == Some(&self.node_id().0)
                });
                let Some(leader) = elsewhere.filter(|_| !self.is_draining()) else {
                    led_elsewhere_since.remove(id);
                    continue;
                };
                let since = led_elsewhere_since.entry(*id).or_insert_with(Instant::now);
                if since.elapsed() < SETTLED_AFTER {
                    continue;
                }
                led_elsewhere_since.remove(id);
                let ask = DataRequest::YieldLeader {
                    group: id.0,
                    to: self.node_id().0,
                };
                let deadline = Instant::now() + HANDOVER_TIMEOUT;
                if let Err(refusal) = self.call(leader, &ask, deadline).await {
                    tracing::debug!(?refusal, group = id.0, "leadership not handed over");
                }
            }
        }
    }

    /// Hands the leadership of `group` to `to` if that node follows closely.
    pub(super) async fn yield_leader(&self, group: GroupId, to: NodeId) {
        let Some(local) = self.groups.get(&group) else {
            return;
        };
        let close = local.handle.status().voters.iter().any(|voter| {
            voter.node == to && voter.lag_entries.is_some_and(|lag| lag <= LAG_ENTRIES_MAX)
        });
        if close && local.handle.leadership().is_some() {
            tracing::info!(
                group = group.0,
                to = to.0,
                "handing leadership to the preferred node"
            );
            if let Err(problem) = local.handle.transfer_leader(to).await {
                tracing::debug!(%problem, group = group.0, "leadership not handed over");
            }
        }
    }

    /// Hands every leadership of this node to the voter that follows most closely, and takes none for
    /// two minutes. Returns how many went.
    pub async fn drain_leaders(&self) -> u32 {
        self.draining.store(true, Ordering::Relaxed);
        *self.drained_at.lock() = Some(Instant::now());
        let handovers = self
            .groups
            .values()
            .map(|local| self.hand_over(&local.handle));
        let gone = futures::future::join_all(handovers).await;
        u32::try_from(gone.into_iter().filter(|gone| *gone).count()).unwrap_or(u32::MAX)
    }

    /// Ends a drain that was not followed by a restart.
    fn end_stale_drain(&self) {
        let mut drained_at = self.drained_at.lock();
        if drained_at.is_some_and(|at| at.elapsed() > DRAINED_FOR) {
            *drained_at = None;
            self.draining.store(false, Ordering::Relaxed);
        }
    }

    async fn hand_over(&self, group: &GroupHandle) -> bool {
        let deadline = Instant::now() + HANDOVER_TIMEOUT;
        if group.leader() != Some(self.node_id()) {
            return false;
        }
        let mut tried = 0;
        while group.leader() == Some(self.node_id()) && Instant::now() < deadline {
            let status = group.status();
            let mut others: Vec<_> = status
                .voters
                .iter()
                .filter(|voter| voter.node != self.node_id())
                .collect();
            others.sort_by_key(|voter| voter.lag_entries.unwrap_or(u64::MAX));
            let Some(next) = others.get(tried % others.len().max(1)) else {
                return false;
            };
            tried += 1;
            if let Err(problem) = group.transfer_leader(next.node).await {
                tracing::debug!(%problem, group = group.id().0, "leadership not handed over");
            }
            let asked = Instant::now();
            while group.leader() == Some(self.node_id()) && asked.elapsed() < HANDOVER_TIMEOUT / 4 {
                sleep(Duration::from_millis(5)).await;
            }
        }
        group.leader() != Some(self.node_id())
    }

    /// Drains a node of the cluster by name.
    pub async fn drain_leaders_of(self: &Arc<Self>, node: NodeId) -> Option<u32> {
        if node == self.node_id() {
            return Some(self.drain_leaders().await);
        }
        let deadline = Instant::now() + HANDOVER_TIMEOUT * 2;
        match self.call(node, &DataRequest::DrainLeaders, deadline).await {
            Ok(super::message::DataAnswer::Drained { moved_leaders }) => Some(moved_leaders),
            _ => None,
        }
    }
}
