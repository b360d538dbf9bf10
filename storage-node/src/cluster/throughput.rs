//! Who pays for what: tables and indexes as consumers of capacity.
//!
//! A write is admitted and charged by the leader of its partition, with all indexes that it feeds: an
//! index without capacity holds back the writes of its table. A read is admitted and charged by the
//! node that the client asked.

use std::time::Duration;

use stator_model::error::{ApiError, Usage};

use super::catalog::rows::{IndexBillingRow, TableRow, WarmRow};
use super::{Cluster, PageSource, Table};
use crate::table::IndexUnits;
use crate::throttle::{Consumer, Limits};

impl Cluster {
    /// Whether the table has capacity for another request on `partition`.
    ///
    /// # Errors
    /// A throttling error with its reason.
    pub(super) fn admit(
        &self,
        table: &Table,
        usage: Usage,
        partition: u64,
    ) -> Result<(), ApiError> {
        let consumer = table.consumer();
        self.throttle
            .admit(&consumer, usage, partition, self.throttle_now())
            .inspect_err(|_| self.metrics.throttled(table, "", usage))
    }

    /// Takes what a request consumed of the table.
    pub(super) fn charge(&self, table: &Table, usage: Usage, partition: u64, units: f64) {
        self.metrics.consumed(table, usage, units);
        let consumer = table.consumer();
        let now = self.throttle_now();
        self.throttle
            .charge(&consumer, usage, partition, units, now);
    }

    /// Whether a global index has capacity for another request on one of its partitions.
    ///
    /// # Errors
    /// A throttling error with its reason.
    pub(super) fn admit_index(
        &self,
        table: &Table,
        index_name: &str,
        usage: Usage,
        partition: u64,
    ) -> Result<(), ApiError> {
        match table.index_consumer(index_name) {
            None => Ok(()),
            Some(consumer) => {
                let now = self.throttle_now();
                self.throttle
                    .admit(&consumer, usage, partition, now)
                    .inspect_err(|_| self.metrics.throttled(table, index_name, usage))
            }
        }
    }

    /// Takes what a request consumed of a global index.
    pub(super) fn charge_index(
        &self,
        table: &Table,
        index_name: &str,
        usage: Usage,
        partition: u64,
        units: f64,
    ) {
        if let Some(consumer) = table.index_consumer(index_name) {
            self.metrics
                .consumed_of_index(table, index_name, usage, units);
            let now = self.throttle_now();
            self.throttle
                .charge(&consumer, usage, partition, units, now);
        }
    }

    /// Whether every global index that a write changes has capacity for it: back-pressure on the
    /// table. Local indexes draw on the table's own capacity.
    ///
    /// # Errors
    /// A throttling error that names the index.
    pub(super) fn admit_index_writes(
        &self,
        table: &Table,
        partition: u64,
        index_units: &[IndexUnits],
    ) -> Result<(), ApiError> {
        index_units
            .iter()
            .filter(|arm| !arm.is_local)
            .try_for_each(|arm| self.admit_index(table, &arm.name, Usage::Write, partition))
    }

    /// Takes what a write consumed of the table and of its indexes.
    pub(super) fn charge_write(
        &self,
        table: &Table,
        partition: u64,
        table_units: f64,
        index_units: &[IndexUnits],
    ) {
        let local: f64 = index_units
            .iter()
            .filter(|arm| arm.is_local)
            .map(|arm| arm.units)
            .sum();
        self.charge(table, Usage::Write, partition, table_units + local);
        for arm in index_units.iter().filter(|arm| !arm.is_local) {
            self.charge_index(table, &arm.name, Usage::Write, partition, arm.units);
        }
    }

    /// Whether what a page reads has capacity: a global index its own, all else the table's.
    ///
    /// # Errors
    /// A throttling error with its reason.
    pub(super) fn admit_page(
        &self,
        source: PageSource<'_>,
        partition: u64,
    ) -> Result<(), ApiError> {
        match source.global_index() {
            Some(index) => self.admit_index(source.table, &index.name, Usage::Read, partition),
            None => self.admit(source.table, Usage::Read, partition),
        }
    }

    /// Takes what a page consumed, fetched items among it.
    pub(super) fn charge_page(
        &self,
        source: PageSource<'_>,
        partition: u64,
        units: f64,
        fetched_units: f64,
    ) {
        let table = source.table;
        match source.global_index() {
            Some(index) => self.charge_index(table, &index.name, Usage::Read, partition, units),
            None => self.charge(table, Usage::Read, partition, units + fetched_units),
        }
    }

    /// Counts the items of a page.
    pub fn count_returned(&self, table: &str, operation: &'static str, items: u32) {
        self.metrics.returned(table, operation, items);
    }

    fn throttle_now(&self) -> Duration {
        self.opened_at.elapsed()
    }
}

impl Table {
    fn consumer(&self) -> Consumer<'_> {
        Consumer {
            storage_id: self.row.storage_id,
            table_arn: &self.arn,
            index_name: None,
            limits: table_limits(&self.row),
        }
    }

    fn index_consumer(&self, index_name: &str) -> Option<Consumer<'_>> {
        let index = self
            .row
            .global_indexes
            .iter()
            .find(|index| index.name == index_name)?;
        Some(Consumer {
            storage_id: index.storage_id,
            table_arn: &self.arn,
            index_name: Some(&index.name),
            limits: index_limits(&index.billing, self.row.billing.on_demand),
        })
    }
}

fn table_limits(row: &TableRow) -> Limits {
    let billing = &row.billing;
    limits(
        billing.on_demand,
        (billing.read_units, billing.write_units),
        (
            billing.max_read_request_units,
            billing.max_write_request_units,
        ),
        row.settings.warm,
    )
}

fn index_limits(billing: &IndexBillingRow, on_demand: bool) -> Limits {
    limits(
        on_demand,
        (billing.read_units, billing.write_units),
        (
            billing.max_read_request_units,
            billing.max_write_request_units,
        ),
        billing.warm,
    )
}

fn limits(
    on_demand: bool,
    provisioned: (u64, u64),
    most: (Option<i64>, Option<i64>),
    warm: Option<WarmRow>,
) -> Limits {
    let of = |provisioned: u64, most: Option<i64>| match on_demand {
        true => most.and_then(|most| u64::try_from(most).ok()).map(units),
        false => Some(units(provisioned)),
    };
    Limits {
        on_demand,
        read: of(provisioned.0, most.0),
        write: of(provisioned.1, most.1),
        warm_read: warm.map_or(0.0, |warm| units(warm.read_units)),
        warm_write: warm.map_or(0.0, |warm| units(warm.write_units)),
    }
}

/// Units as the buckets count them; more than four billion a second limit nothing.
fn units(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
