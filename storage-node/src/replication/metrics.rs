//! What replication counts. Names carry their units; register them on the node's registry once.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The metrics of one node's replication. Clones share their values.
#[derive(Clone, Debug)]
pub struct ReplicationMetrics {
    /// Of the log.
    pub(super) log: LogMetrics,
    /// Entries written to the engine, on leaders and followers, all groups together.
    pub(super) applied_entries: Counter,
    /// Entries that took no effect: logged in another term than they were evaluated in, or repeated.
    pub(super) skipped_entries: Counter,
    /// From the proposal to its outcome.
    pub(super) proposal_seconds: Histogram,
    /// Times that a group on this node saw a new leader.
    pub(super) leader_changes: Counter,
    /// Engine persists that ended well.
    pub(super) engine_persists: Counter,
    /// Bytes of the engine's journals.
    pub(super) engine_journal_bytes: Gauge,
    /// Snapshots sent to followers that lagged behind the log.
    pub(super) snapshots_sent: Counter,
    /// Snapshots installed on this node.
    pub(super) snapshots_installed: Counter,
}

/// The metrics of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct LogMetrics {
    pub(super) fsyncs: Counter,
    pub(super) appends: Counter,
    pub(super) size_bytes: Gauge,
}

impl Default for ReplicationMetrics {
    fn default() -> Self {
        Self {
            log: LogMetrics::default(),
            applied_entries: Counter::default(),
            skipped_entries: Counter::default(),
            // 0.1 ms to 3.3 s in doublings: an fsync on a fast disk to an election.
            proposal_seconds: Histogram::new(exponential_buckets(0.0001, 2.0, 16)),
            leader_changes: Counter::default(),
            engine_persists: Counter::default(),
            engine_journal_bytes: Gauge::default(),
            snapshots_sent: Counter::default(),
            snapshots_installed: Counter::default(),
        }
    }
}

impl ReplicationMetrics {
    /// Registers every metric. Counters get the suffix `_total` from the text format.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("fsyncs", "Syncs of the Raft log", self.log.fsyncs.clone());
        registry.register(
            "log_appends",
            "Entries written to the Raft log",
            self.log.appends.clone(),
        );
        registry.register_with_unit(
            "log_size",
            "Size of the Raft log's segments",
            Unit::Bytes,
            self.log.size_bytes.clone(),
        );
        registry.register(
            "applied_entries",
            "Log entries written to the engine",
            self.applied_entries.clone(),
        );
        registry.register(
            "skipped_entries",
            "Log entries that took no effect, repeated or evaluated in another term",
            self.skipped_entries.clone(),
        );
        registry.register_with_unit(
            "proposal_duration",
            "Time from a proposal to its outcome",
            Unit::Seconds,
            self.proposal_seconds.clone(),
        );
        registry.register(
            "leader_changes",
            "New leaders seen by the groups of this node",
            self.leader_changes.clone(),
        );
        registry.register(
            "engine_persists",
            "Syncs of the embedded engine",
            self.engine_persists.clone(),
        );
        registry.register_with_unit(
            "engine_journal_size",
            "Size of the embedded engine's journals",
            Unit::Bytes,
            self.engine_journal_bytes.clone(),
        );
        registry.register(
            "snapshots_sent",
            "Snapshots sent to members that lagged behind the log",
            self.snapshots_sent.clone(),
        );
        registry.register(
            "snapshots_installed",
            "Snapshots installed on this node",
            self.snapshots_installed.clone(),
        );
    }

    /// Syncs of the log so far.
    #[must_use]
    pub fn fsyncs(&self) -> u64 {
        self.log.fsyncs.get()
    }

    /// Snapshots installed so far.
    #[must_use]
    pub fn snapshots_installed(&self) -> u64 {
        self.snapshots_installed.get()
    }
}
