//! What the cluster layer counts, by table, under the names of CloudWatch's metrics.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// Items that expired: `stator_time_to_live_deleted_item_count_total{table}`.
const TIME_TO_LIVE_DELETED: &str = "time_to_live_deleted_item_count";

/// Counters of the cluster layer.
#[derive(Clone, Default)]
pub struct ClusterMetrics {
    time_to_live_deleted: Family<OfTable, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfTable {
    table: String,
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
        metrics
    }

    /// An item of `table` expired and is deleted.
    pub(super) fn expired(&self, table: &str) {
        let table = OfTable {
            table: table.to_owned(),
        };
        self.time_to_live_deleted.get_or_create(&table).inc();
    }
}
