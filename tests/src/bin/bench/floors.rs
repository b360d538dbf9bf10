//! The floors of the design's section 7, and what this run says to each.

use std::fmt;
use std::time::Duration;

use crate::{Row, machine};

/// The label of the rows that are judged: `serve`, signatures verified, one node.
pub(crate) const SINGLE: &str = "one node (serve, signed)";
/// The same with three.
pub(crate) const THREE: &str = "three nodes (serve, signed)";
/// The same through the cache.
pub(crate) const CACHED: &str = "through the proxy, one node behind";

/// One floor and how it was met.
pub(crate) struct Floor {
    what: String,
    floor: String,
    here: String,
    met: bool,
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.met { "met" } else { "**missed**" };
        write!(
            f,
            "| {} | {} | {} | {word} |",
            self.what, self.floor, self.here
        )
    }
}

/// The rate of a row by its name.
fn rate(rows: &[Row], name: &str, connections: usize) -> Option<f64> {
    rows.iter()
        .find(|row| row.name == name && row.connections == connections)
        .map(Row::rate)
}

/// A row's rate against the Redis command of the same kind and connections.
pub(crate) fn to_redis(rows: &[Row], row: &Row) -> Option<f64> {
    let peer = if row.name.starts_with("PutItem") {
        "Redis SET"
    } else {
        "Redis GET"
    };
    Some(row.rate() / rate(rows, peer, row.connections)?)
}

/// Every floor that can be judged from what was measured.
pub(crate) fn judge(rows: &[Row], fsync: Duration, tables: &machine::Tables) -> Vec<Floor> {
    let of = |operation: &str, label: &str, connections| {
        rate(rows, &format!("{operation}, {label}"), connections)
    };
    let ratio = |what: &str, here: Option<f64>, peer: Option<f64>, least: f64| {
        let ratio = here? / peer?;
        Some(Floor {
            what: what.to_owned(),
            floor: format!("at least {least:.2}"),
            here: format!("{ratio:.2}"),
            met: ratio >= least,
        })
    };
    let get = |connections| rate(rows, "Redis GET", connections);
    let put = of("PutItem", SINGLE, 32);
    // 60 % of one fsync for 32 connections at a time, where that is less than a quarter of Redis.
    let by_fsync = 0.6 * 32.0 / fsync.as_secs_f64();
    let put_floor = rate(rows, "Redis SET", 32).map(|set| (set / 4.0).min(by_fsync));
    let grouped = rows
        .iter()
        .find(|row| row.name == format!("PutItem, {SINGLE}") && row.connections == 32)
        .and_then(Row::writes_per_fsync);
    let limit = |what: &str, here: f64, most: f64, unit: &str| {
        Some(Floor {
            what: what.to_owned(),
            floor: format!("under {most:.0} {unit}"),
            here: format!("{here:.0} {unit}"),
            met: here < most,
        })
    };
    [
        ratio(
            "GetItem to Redis GET, 32 connections",
            of("GetItem", SINGLE, 32),
            get(32),
            0.5,
        ),
        put.zip(put_floor).map(|(here, least)| Floor {
            what: "durable PutItem, 32 connections".to_owned(),
            floor: format!("at least {least:.0}/s"),
            here: format!("{here:.0}/s"),
            met: here >= least,
        }),
        ratio(
            "Query of ten to Redis GET, 32 connections",
            of("Query of ten", SINGLE, 32),
            get(32),
            0.2,
        ),
        grouped.map(|here| Floor {
            what: "acknowledged writes per fsync, 32 connections".to_owned(),
            floor: "at least 8".to_owned(),
            here: format!("{here:.1}"),
            met: here >= 8.0,
        }),
        ratio(
            "PutItem, three nodes to one, 32 connections",
            of("PutItem", THREE, 32),
            put,
            0.5,
        ),
        ratio(
            "a hit in the cache over JSON to Redis GET, 1 connection",
            of("GetItem", CACHED, 1),
            get(1),
            0.4,
        ),
        ratio(
            "the same, 32 connections",
            of("GetItem", CACHED, 32),
            get(32),
            0.4,
        ),
        ratio(
            "a hit in the cache over the native protocol to Redis GET, 1 connection",
            of("GetItem, native protocol", CACHED, 1),
            get(1),
            1.0 / 1.5,
        ),
        ratio(
            "the same, 32 connections",
            of("GetItem, native protocol", CACHED, 32),
            get(32),
            1.0 / 1.5,
        ),
        limit("idle memory", tables.before_mib, 64.0, "MiB"),
        limit("start to the first answer", tables.start_ms, 1000.0, "ms"),
        limit("CreateTable to ACTIVE", tables.create_ms, 50.0, "ms"),
    ]
    .into_iter()
    .flatten()
    .collect()
}
