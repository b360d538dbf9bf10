//! What the cluster layer counts, by table, under the names of CloudWatch's metrics.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use stator_model::error::Usage;

use super::Table;
use super::catalog::CatalogState;

/// Items that expired: `stator_time_to_live_deleted_item_count_total{table}`.
const TIME_TO_LIVE_DELETED: &str = "time_to_live_deleted_item_count";
/// Actions on items refused because of a transaction: `stator_transaction_conflict_total{table}`.
const TRANSACTION_CONFLICT: &str = "transaction_conflict";

/// Units consumed: `stator_consumed_{read,write}_capacity_units_total{table,index}`; `index` is empty for the table's own.
const CONSUMED: [&str; 2] = [
    "consumed_read_capacity_units",
    "consumed_write_capacity_units",
];
/// Requests without capacity: `stator_{read,write}_throttle_events_total{table,index}`.
const THROTTLED: [&str; 2] = ["read_throttle_events", "write_throttle_events"];
/// Items of pages: `stator_returned_item_count_total{table,operation}`.
const RETURNED_ITEMS: &str = "returned_item_count";
/// The operations that have pages.
const PAGED: [&str; 2] = ["Query", "Scan"];

/// Units may be halves.
type Units = Counter<f64, AtomicU64>;

/// Counters of the cluster layer.
#[derive(Clone, Default)]
pub struct ClusterMetrics {
    consumed: [Family<OfIndex, Units>; 2],
    throttled: [Family<OfIndex, Counter>; 2],
    returned_items: Family<OfOperation, Counter>,
    time_to_live_deleted: Family<OfTable, Counter>,
    transaction_conflict: Family<OfTable, Counter>,
}

/// The counters of one table that every request on it needs.
#[derive(Debug)]
pub(crate) struct TableCounters {
    /// Reads, writes.
    consumed: [Units; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfIndex {
    table: String,
    index: String,
}

impl OfIndex {
    fn named(table: &str, index: &str) -> Self {
        Self {
            table: table.to_owned(),
            index: index.to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOperation {
    table: String,
    operation: &'static str,
}

/// Place of a usage in pairs of counters.
fn of<T>(pair: &[T; 2], usage: Usage) -> &T {
    let [reads, writes] = pair;
    match usage {
        Usage::Read => reads,
        Usage::Write => writes,
    }
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
        for (name, family) in CONSUMED.into_iter().zip(&metrics.consumed) {
            registry.register(
                name,
                "Capacity units consumed (ConsumedReadCapacityUnits, ConsumedWriteCapacityUnits)",
                family.clone(),
            );
        }
        for (name, family) in THROTTLED.into_iter().zip(&metrics.throttled) {
            registry.register(
                name,
                "Requests that found no capacity (ReadThrottleEvents, WriteThrottleEvents)",
                family.clone(),
            );
        }
        registry.register(
            RETURNED_ITEMS,
            "Items in pages of Query and Scan (ReturnedItemCount)",
            metrics.returned_items.clone(),
        );
        metrics
    }

    /// A request has consumed capacity of a table.
    pub(super) fn consumed(&self, table: &Table, usage: Usage, units: f64) {
        let counters = table.counters.get_or_init(|| {
            let label = OfIndex::named(&table.row.name, "");
            TableCounters {
                consumed: [
                    of(&self.consumed, Usage::Read).get_or_create_owned(&label),
                    of(&self.consumed, Usage::Write).get_or_create_owned(&label),
                ],
            }
        });
        of(&counters.consumed, usage).inc_by(units);
    }

    /// A request has consumed capacity of a global index.
    pub(super) fn consumed_of_index(&self, table: &Table, index: &str, usage: Usage, units: f64) {
        let label = OfIndex::named(&table.row.name, index);
        of(&self.consumed, usage)
            .get_or_create(&label)
            .inc_by(units);
    }

    /// A request found no capacity; `index` is empty for the table's own.
    pub(super) fn throttled(&self, table: &Table, index: &str, usage: Usage) {
        let label = OfIndex::named(&table.row.name, index);
        of(&self.throttled, usage).get_or_create(&label).inc();
    }

    /// A page with items is answered.
    pub(crate) fn returned(&self, table: &str, operation: &'static str, items: u32) {
        let label = OfOperation {
            table: table.to_owned(),
            operation,
        };
        self.returned_items
            .get_or_create(&label)
            .inc_by(u64::from(items));
    }

    /// Forgets what was counted of tables and global indexes that are gone, so that the labels do not grow with every
    /// table that ever was. A request that is still under way may count once more.
    pub(super) fn forget_gone(&self, before: &CatalogState, now: &CatalogState) {
        for (name, table) in before.tables.iter() {
            let successor = now.tables.get(name);
            if successor.is_some_and(|successor| Arc::ptr_eq(successor, table)) {
                continue;
            }
            for index in &table.row.global_indexes {
                let lives = successor.is_some_and(|successor| {
                    let mut indexes = successor.row.global_indexes.iter();
                    indexes.any(|other| other.name == index.name)
                });
                if !lives {
                    self.forget_capacity(name, &index.name);
                }
            }
            if successor.is_none() {
                self.forget_table(name);
            }
        }
    }

    fn forget_capacity(&self, table: &str, index: &str) {
        let label = OfIndex::named(table, index);
        for units in &self.consumed {
            units.remove(&label);
        }
        for events in &self.throttled {
            events.remove(&label);
        }
    }

    fn forget_table(&self, table: &str) {
        self.forget_capacity(table, "");
        for operation in PAGED {
            self.returned_items.remove(&OfOperation {
                table: table.to_owned(),
                operation,
            });
        }
        let label = OfTable::named(table);
        self.time_to_live_deleted.remove(&label);
        self.transaction_conflict.remove(&label);
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
