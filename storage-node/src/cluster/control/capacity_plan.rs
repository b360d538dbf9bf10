//! Throughput and billing mode in the catalog's changes, and how often they may change. Pure.
//!
//! Source: developer guide, "Service quotas": four decreases in the first hour of a UTC day and one
//! an hour after that, table and indexes each by themselves; four switches to on-demand in 24 hours.

use stator_model::error::{ApiError, ErrorCode};
use stator_model::operations::stream_label;
use stator_model::table::{
    BillingMode, GlobalSecondaryIndex, ProvisionedThroughput, TableSettings, WarmThroughput,
};

use crate::cluster::catalog::rows::{IndexBillingRow, SettingsRow, TableRow, WarmRow};

const HOUR_MILLIS: u64 = 60 * 60 * 1_000;
const DAY_MILLIS: u64 = 24 * HOUR_MILLIS;
/// Decreases of a UTC day that need no hour between them.
const DECREASES_AT_ONCE: u32 = 4;
/// Switches to on-demand within 24 hours.
const ON_DEMAND_SWITCHES_MAX: usize = 4;

/// Checks that throughput may be lowered and the mode switched now, and counts it in `row`, which
/// still has the settings from before.
///
/// # Errors
/// LimitExceededException.
pub(super) fn count_changes(
    row: &mut TableRow,
    before: &TableSettings,
    after: &TableSettings,
    now_millis: u64,
) -> Result<(), ApiError> {
    let to_on_demand = (before.billing_mode, after.billing_mode)
        == (BillingMode::Provisioned, BillingMode::PayPerRequest);
    if to_on_demand {
        count_switch(&mut row.settings.on_demand_switches, now_millis)?;
    }
    let last = row.billing.last_decrease_millis;
    if is_lowered(before.provisioned_throughput, after.provisioned_throughput) {
        count_decrease(&mut row.settings, "", last, now_millis)?;
    }
    for index in &after.global_secondary_indexes {
        let name = index.index_name.as_str();
        let held = before
            .global_secondary_indexes
            .iter()
            .find(|held| held.index_name == name);
        let units = held.and_then(|held| held.provisioned_throughput);
        if is_lowered(units, index.provisioned_throughput) {
            let row_of = row.global_indexes.iter().find(|row| row.name == name);
            let last = row_of.and_then(|row| row.billing.last_decrease_millis);
            count_decrease(&mut row.settings, name, last, now_millis)?;
        }
    }
    Ok(())
}

/// How often throughput was lowered on the UTC day of `now_millis`; the table's own under the empty
/// name.
pub(super) fn decreases_today(settings: &SettingsRow, name: &str, now_millis: u64) -> u32 {
    settings
        .decreases
        .get(name)
        .filter(|(day, _, _)| *day == now_millis / DAY_MILLIS)
        .map_or(0, |(_, count, _)| *count)
}

fn is_lowered(before: Option<ProvisionedThroughput>, after: Option<ProvisionedThroughput>) -> bool {
    let (Some(before), Some(after)) = (before, after) else {
        return false;
    };
    after.read_capacity_units < before.read_capacity_units
        || after.write_capacity_units < before.write_capacity_units
}

fn count_decrease(
    settings: &mut SettingsRow,
    name: &str,
    last_millis: Option<u64>,
    now_millis: u64,
) -> Result<(), ApiError> {
    let today = decreases_today(settings, name, now_millis);
    let last = last_millis.unwrap_or(0);
    if today >= DECREASES_AT_ONCE && now_millis.saturating_sub(last) < HOUR_MILLIS {
        return Err(limit_exceeded(format!(
            "Provisioned throughput decreases are limited within a given UTC day. After the first \
             {DECREASES_AT_ONCE} decreases, each subsequent decrease in the same UTC day can be \
             performed at most once every 3600 seconds. Number of decreases today: {today}. Last \
             decrease at {}. Next decrease can be made at {}",
            stream_label(last),
            stream_label(last + HOUR_MILLIS)
        )));
    }
    let day = now_millis / DAY_MILLIS;
    let entry = settings.decreases.entry(name.to_owned()).or_default();
    if entry.0 != day {
        *entry = (day, 0, now_millis);
    }
    entry.1 += 1;
    Ok(())
}

fn count_switch(switches: &mut Vec<u64>, now_millis: u64) -> Result<(), ApiError> {
    switches.retain(|at| now_millis.saturating_sub(*at) < DAY_MILLIS);
    if switches.len() >= ON_DEMAND_SWITCHES_MAX {
        let first = switches.first().copied().unwrap_or(now_millis);
        let last = switches.last().copied().unwrap_or(now_millis);
        return Err(limit_exceeded(format!(
            "Update to PayPerRequest mode are limited to {ON_DEMAND_SWITCHES_MAX} times in 1 \
             day(s). Last update at {}. Next update can be made at {}",
            stream_label(last),
            stream_label(first + DAY_MILLIS)
        )));
    }
    switches.push(now_millis);
    Ok(())
}

fn limit_exceeded(text: String) -> ApiError {
    ApiError::new(
        ErrorCode::LimitExceededException,
        format!("Subscriber limit exceeded: {text}"),
    )
}

/// Takes over what `wanted` says of an index's capacity, and when it changed.
pub(super) fn take_index_capacity(
    billing: &mut IndexBillingRow,
    wanted: &GlobalSecondaryIndex,
    now_millis: u64,
) {
    let units = wanted.provisioned_throughput;
    let read = units.map_or(0, |units| whole(units.read_capacity_units));
    let write = units.map_or(0, |units| whole(units.write_capacity_units));
    let was_provisioned = billing.read_units + billing.write_units > 0;
    if units.is_some() && was_provisioned {
        if read > billing.read_units || write > billing.write_units {
            billing.last_increase_millis = Some(now_millis);
        }
        if read < billing.read_units || write < billing.write_units {
            billing.last_decrease_millis = Some(now_millis);
        }
    }
    (billing.read_units, billing.write_units) = (read, write);
    let limits = wanted.on_demand_throughput.unwrap_or_default();
    billing.max_read_request_units = limits.max_read_request_units;
    billing.max_write_request_units = limits.max_write_request_units;
    billing.warm = wanted.warm_throughput.map(warm_row);
}

/// Warm throughput as a row; what was not asked for is 0.
pub(super) fn warm_row(warm: WarmThroughput) -> WarmRow {
    WarmRow {
        read_units: warm.read_units_per_second.map_or(0, whole),
        write_units: warm.write_units_per_second.map_or(0, whole),
    }
}

/// The warm throughput of a row.
pub(super) fn warm_of(row: WarmRow) -> WarmThroughput {
    let asked = |units: u64| (units > 0).then(|| i64::try_from(units).unwrap_or(i64::MAX));
    WarmThroughput {
        read_units_per_second: asked(row.read_units),
        write_units_per_second: asked(row.write_units),
    }
}

fn whole(units: i64) -> u64 {
    u64::try_from(units).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A day that began at a UTC midnight.
    const MIDNIGHT: u64 = 20_000 * DAY_MILLIS;

    #[test]
    fn throughput_is_lowered_four_times_and_then_once_an_hour() {
        let mut settings = SettingsRow::default();
        let mut last = None;
        let mut lower = |at: u64| {
            let outcome = count_decrease(&mut settings, "", last, at);
            if outcome.is_ok() {
                last = Some(at);
            }
            outcome.map_err(|error| error.code)
        };
        for minute in 0..4 {
            assert_eq!(lower(MIDNIGHT + minute * 60_000), Ok(()));
        }
        let refused = Err(ErrorCode::LimitExceededException);
        assert_eq!(lower(MIDNIGHT + 4 * 60_000), refused);
        assert_eq!(lower(MIDNIGHT + 3 * 60_000 + HOUR_MILLIS), Ok(()));
        assert_eq!(lower(MIDNIGHT + 4 * 60_000 + HOUR_MILLIS), refused);
        // Another day, another count.
        assert_eq!(lower(MIDNIGHT + DAY_MILLIS), Ok(()));
        assert_eq!(decreases_today(&settings, "", MIDNIGHT + DAY_MILLIS), 1);
        assert_eq!(decreases_today(&settings, "", MIDNIGHT + 2 * DAY_MILLIS), 0);
        assert_eq!(
            decreases_today(&settings, "index", MIDNIGHT + DAY_MILLIS),
            0
        );
    }

    #[test]
    fn a_table_becomes_on_demand_four_times_in_24_hours() {
        let mut switches = Vec::new();
        for hour in 0..4 {
            assert!(count_switch(&mut switches, MIDNIGHT + hour * HOUR_MILLIS).is_ok());
        }
        let refused = count_switch(&mut switches, MIDNIGHT + 23 * HOUR_MILLIS).unwrap_err();
        assert_eq!(refused.code, ErrorCode::LimitExceededException);
        assert!(count_switch(&mut switches, MIDNIGHT + DAY_MILLIS).is_ok());
    }
}
