//! What one table or index has consumed.

use std::collections::BTreeMap;
use std::time::Duration;

use stator_model::error::{ThroughputLimit, Usage};
use stator_model::limits::{
    ON_DEMAND_READ_UNITS_INITIAL, ON_DEMAND_WRITE_UNITS_INITIAL, PARTITION_READ_UNITS_MAX,
    PARTITION_WRITE_UNITS_MAX,
};

use super::Throttling;
use super::bucket::Bucket;

/// How long unused provisioned capacity is kept.
const BURST: Duration = Duration::from_secs(300);
/// Ceilings are per second: nothing is kept beyond one.
const SECOND: Duration = Duration::from_secs(1);

/// What a table or index may consume, units a second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    /// On-demand rather than provisioned.
    pub on_demand: bool,
    /// Read units: provisioned, or `MaxReadRequestUnits` if there is one.
    pub read: Option<f64>,
    /// Write units: provisioned, or `MaxWriteRequestUnits` if there is one.
    pub write: Option<f64>,
    /// Read units that an on-demand table serves at once, where it was asked for more than the
    /// usual: `WarmThroughput`, or what it was provisioned with before.
    pub warm_read: f64,
    /// The same for write units.
    pub warm_write: f64,
}

impl Limits {
    pub(super) fn configured(&self, usage: Usage) -> Option<f64> {
        match usage {
            Usage::Read => self.read,
            Usage::Write => self.write,
        }
    }

    /// What an on-demand table serves before it has served anything.
    fn initial(&self, usage: Usage) -> f64 {
        let (usual, warm) = match usage {
            Usage::Read => (ON_DEMAND_READ_UNITS_INITIAL, self.warm_read),
            Usage::Write => (ON_DEMAND_WRITE_UNITS_INITIAL, self.warm_write),
        };
        f64::from(u32::try_from(usual).unwrap_or(u32::MAX)).max(warm)
    }
}

/// Consumption of one table or index.
#[derive(Debug)]
pub(super) struct Meter {
    read: Side,
    write: Side,
}

impl Meter {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            read: Side::new(now),
            write: Side::new(now),
        }
    }

    pub(super) fn admit(
        &mut self,
        mode: Throttling,
        limits: &Limits,
        usage: Usage,
        partition: u64,
        now: Duration,
    ) -> Result<(), ThroughputLimit> {
        let side = self.side(usage);
        side.adopt(limits, usage, now);
        if let Some(configured) = &mut side.configured
            && !configured.has_tokens(now)
        {
            return Err(match limits.on_demand {
                true => ThroughputLimit::MaxOnDemandThroughput,
                false => ThroughputLimit::ProvisionedThroughput,
            });
        }
        if mode != Throttling::Full {
            return Ok(());
        }
        if !side.partition(usage, partition, now).has_tokens(now) {
            return Err(ThroughputLimit::KeyRangeThroughput);
        }
        if limits.on_demand && !side.rising.admits(limits.initial(usage), now) {
            return Err(ThroughputLimit::AccountLimit);
        }
        Ok(())
    }

    pub(super) fn charge(
        &mut self,
        mode: Throttling,
        limits: &Limits,
        usage: Usage,
        partition: u64,
        units: f64,
        now: Duration,
    ) {
        let side = self.side(usage);
        side.adopt(limits, usage, now);
        if let Some(configured) = &mut side.configured {
            configured.take(units, now);
        }
        if mode == Throttling::Full {
            side.partition(usage, partition, now).take(units, now);
            side.rising.take(units, now);
        }
    }

    /// Whether a new meter would answer the same.
    pub(super) fn is_idle(&self, now: Duration) -> bool {
        [&self.read, &self.write]
            .into_iter()
            .all(|side| side.is_idle(now))
    }

    fn side(&mut self, usage: Usage) -> &mut Side {
        match usage {
            Usage::Read => &mut self.read,
            Usage::Write => &mut self.write,
        }
    }
}

/// One usage of a meter.
#[derive(Debug)]
struct Side {
    /// What the table asks for; `None` where it asks for nothing.
    configured: Option<Bucket>,
    partitions: BTreeMap<u64, Bucket>,
    rising: Rising,
}

impl Side {
    fn new(now: Duration) -> Self {
        Self {
            configured: None,
            partitions: BTreeMap::new(),
            rising: Rising::new(now),
        }
    }

    /// Follows the table's settings, which may have changed.
    fn adopt(&mut self, limits: &Limits, usage: Usage, now: Duration) {
        let keep = if limits.on_demand { SECOND } else { BURST };
        match (limits.configured(usage), &mut self.configured) {
            (None, configured) => *configured = None,
            (Some(rate), Some(bucket)) => bucket.set_rate(rate, keep, now),
            (Some(rate), configured @ None) => *configured = Some(Bucket::new(rate, keep, now)),
        }
    }

    fn partition(&mut self, usage: Usage, partition: u64, now: Duration) -> &mut Bucket {
        let rate = match usage {
            Usage::Read => PARTITION_READ_UNITS_MAX,
            Usage::Write => PARTITION_WRITE_UNITS_MAX,
        };
        self.partitions
            .entry(partition)
            .or_insert_with(|| Bucket::new(f64::from(rate), SECOND, now))
    }

    fn is_idle(&self, now: Duration) -> bool {
        self.configured.as_ref().is_none_or(|b| b.is_full(now)) && self.rising.is_idle(now)
    }
}

/// What an on-demand table serves for now: twice the highest second that it has seen.
#[derive(Debug)]
struct Rising {
    /// Units of the highest second before this one.
    peak: f64,
    /// When this second began.
    second: Duration,
    /// Units of this second.
    units: f64,
}

impl Rising {
    fn new(now: Duration) -> Self {
        Self {
            peak: 0.0,
            second: now,
            units: 0.0,
        }
    }

    fn admits(&mut self, initial: f64, now: Duration) -> bool {
        self.turn(now);
        self.units < initial.max(2.0 * self.peak)
    }

    fn take(&mut self, units: f64, now: Duration) {
        self.turn(now);
        self.units += units;
    }

    fn turn(&mut self, now: Duration) {
        if now.saturating_sub(self.second) >= SECOND {
            self.peak = self.peak.max(self.units);
            self.units = 0.0;
            self.second = now;
        }
    }

    fn is_idle(&self, now: Duration) -> bool {
        now.saturating_sub(self.second) >= BURST
    }
}
