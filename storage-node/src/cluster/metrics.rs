//! What the cluster layer counts, by table, under the names of CloudWatch's metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Items that expired: `stator_time_to_live_deleted_item_count_total{table}`.
const TIME_TO_LIVE_DELETED: &str = "time_to_live_deleted_item_count";
/// Actions on items refused because of a transaction: `stator_transaction_conflict_total{table}`.
const TRANSACTION_CONFLICT: &str = "transaction_conflict";

/// Counters of the cluster layer.
#[derive(Clone, Default)]
pub struct ClusterMetrics {
    time_to_live_deleted: Family<OfTable, Counter>,
    transaction_conflict: Family<OfTable, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTable {
    table: String,
}

impl OfTable {
    fn named(table: &str) -> Self {
        Self {
            table: table.to_owned(),
        }
    }
}

impl ClusterMetrics {
    /// Metrics registered with the node's registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            TIME_TO_LIVE_DELETED,
            "Items that expired and were deleted (TimeToLiveDeletedItemCount)",
            metrics.time_to_live_deleted.clone(),
        );
        registry.register(
            TRANSACTION_CONFLICT,
            "Actions on items that were refused because of a transaction (TransactionConflict)",
            metrics.transaction_conflict.clone(),
        );
        metrics
    }

    /// An item of `table` expired and is deleted.
    pub(super) fn expired(&self, table: &str) {
        let counter = &self.time_to_live_deleted;
        counter.get_or_create(&OfTable::named(table)).inc();
    }

    /// An action on an item of `table` met a transaction and is refused.
    pub(super) fn conflicted(&self, table: &str) {
        let counter = &self.transaction_conflict;
        counter.get_or_create(&OfTable::named(table)).inc();
    }
}
