//! Throughput: which requests a table, an index or a partition has capacity for.
//!
//! Pure: time comes in as a parameter, capacity is charged by whoever executed a request. A request
//! is admitted while its buckets hold anything and charged what it really consumed afterwards, so a
//! bucket can go below zero by one request (a page of Query or Scan, a large item); a throttled
//! request consumes nothing. What is unused is kept for 300 seconds.
//!
//! Each node counts what it executes itself: writes and strongly consistent reads of the partitions
//! that it leads, eventually consistent reads of its replicas. A bucket that was idle for 300 seconds
//! is full and so is worth nothing to keep.
//!
//! Source: developer guide, "Burst and adaptive capacity", "On-demand capacity mode".

mod bucket;
mod meter;

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;
use stator_model::error::{ApiError, Throttled, Usage};
use stator_model::table::index_arn;

pub use self::meter::Limits;
use self::meter::Meter;

/// Meters above which idle ones are dropped: every table of an account with one index each.
const METERS_MAX: usize = 5_000;

/// What is enforced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Throttling {
    /// Nothing.
    Off,
    /// What tables ask for: provisioned units and `OnDemandThroughput`.
    #[default]
    Configured,
    /// That, and the service's own ceilings: 3,000 read and 1,000 write units a second for one
    /// partition, and what an on-demand table serves for now.
    Full,
}

/// A table or index that a request consumes capacity of.
#[derive(Debug, Clone, Copy)]
pub struct Consumer<'a> {
    /// Prefix of its keys on disk: its identity.
    pub storage_id: u64,
    /// The table's ARN.
    pub table_arn: &'a str,
    /// The global index, if it is one.
    pub index_name: Option<&'a str>,
    /// What it may consume.
    pub limits: Limits,
}

/// The capacity of everything that one node serves.
#[derive(Debug, Default)]
pub struct Throttle {
    mode: Throttling,
    meters: Mutex<BTreeMap<u64, Meter>>,
}

impl Throttle {
    /// Nothing consumed yet.
    pub fn new(mode: Throttling) -> Self {
        Self {
            mode,
            meters: Mutex::default(),
        }
    }

    /// Whether the consumer has capacity for another request on `partition`. `now` is any clock that
    /// never runs backwards.
    ///
    /// # Errors
    /// ProvisionedThroughputExceededException or ThrottlingException with its reason.
    pub fn admit(
        &self,
        consumer: &Consumer<'_>,
        usage: Usage,
        partition: u64,
        now: Duration,
    ) -> Result<(), ApiError> {
        if !self.counts(consumer, usage) {
            return Ok(());
        }
        let mut meters = self.meters.lock();
        meter_of(&mut meters, consumer, now)
            .admit(self.mode, &consumer.limits, usage, partition, now)
            .map_err(|limit| {
                let of_index = consumer
                    .index_name
                    .map(|name| index_arn(consumer.table_arn, name));
                ApiError::from(Throttled {
                    resource: of_index.as_deref().unwrap_or(consumer.table_arn),
                    is_index: of_index.is_some(),
                    on_demand: consumer.limits.on_demand,
                    usage,
                    limit,
                })
            })
    }

    /// Takes what a request consumed.
    pub fn charge(
        &self,
        consumer: &Consumer<'_>,
        usage: Usage,
        partition: u64,
        units: f64,
        now: Duration,
    ) {
        if units <= 0.0 || !self.counts(consumer, usage) {
            return;
        }
        let mut meters = self.meters.lock();
        meter_of(&mut meters, consumer, now).charge(
            self.mode,
            &consumer.limits,
            usage,
            partition,
            units,
            now,
        );
    }

    /// Whether anything limits the consumer; most requests need no lock.
    fn counts(&self, consumer: &Consumer<'_>, usage: Usage) -> bool {
        match self.mode {
            Throttling::Off => false,
            Throttling::Configured => consumer.limits.configured(usage).is_some(),
            Throttling::Full => true,
        }
    }
}

fn meter_of<'m>(
    meters: &'m mut BTreeMap<u64, Meter>,
    consumer: &Consumer<'_>,
    now: Duration,
) -> &'m mut Meter {
    if meters.len() >= METERS_MAX && !meters.contains_key(&consumer.storage_id) {
        meters.retain(|_, meter| !meter.is_idle(now));
    }
    meters
        .entry(consumer.storage_id)
        .or_insert_with(|| Meter::new(now))
}

#[cfg(test)]
mod tests;
