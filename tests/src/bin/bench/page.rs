//! The page: what was measured, on which machine, how far it spreads, and which floors it meets.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;

use crate::{Options, Row, floors, machine};

/// What the figures mean and where the time goes, written by hand after a profile.
const NOTES: &str = include_str!("notes.md");

/// Writes the page.
///
/// # Errors
/// None that memory does not cause.
pub(crate) fn page(
    options: &Options,
    rows: &[Row],
    fsync: Duration,
    tables: &machine::Tables,
) -> Result<String> {
    let mut page = String::new();
    head(&mut page, options, fsync)?;
    figures(&mut page, rows)?;
    writeln!(page, "\n## One node, idle\n")?;
    writeln!(
        page,
        "Start to the first answer: median {:.0} ms of {} starts on an empty volume.",
        tables.start_ms,
        machine::STARTS
    )?;
    writeln!(
        page,
        "CreateTable to ACTIVE: median {:.1} ms over {} tables, 1 connection.",
        tables.create_ms, tables.count
    )?;
    writeln!(
        page,
        "Resident memory: {:.1} MiB before and {:.1} MiB after these tables, {:.1} KiB per idle table.",
        tables.before_mib,
        tables.after_mib,
        tables.kib_per_table()
    )?;
    writeln!(page, "\n## Floors\n")?;
    writeln!(page, "| what | floor | here | |")?;
    writeln!(page, "| --- | --- | --- | --- |")?;
    for floor in floors::judge(rows, fsync, tables) {
        writeln!(page, "{floor}")?;
    }
    write!(page, "\n{NOTES}")?;
    Ok(page)
}

fn head(page: &mut String, options: &Options, fsync: Duration) -> Result<()> {
    writeln!(page, "# Benchmarks\n")?;
    writeln!(
        page,
        "`cargo xtask bench` measures all rows in one run on one machine and writes this page;"
    )?;
    writeln!(
        page,
        "clients and servers share its processors, so the ratios within the run are what counts.\n"
    )?;
    writeln!(page, "Machine: {}.", machine::describe())?;
    writeln!(
        page,
        "Median time of a write of 4 KB and fdatasync: {} us.",
        fsync.as_micros()
    )?;
    writeln!(
        page,
        "{} rounds of {} s for each row; values of 1 KB; median [smallest, largest] of the rounds.",
        options.rounds, options.seconds
    )?;
    writeln!(
        page,
        "PutItem is durable before it is acknowledged; Redis keeps its data in memory.\n"
    )?;
    Ok(())
}

fn figures(page: &mut String, rows: &[Row]) -> Result<()> {
    writeln!(
        page,
        "| row | connections | requests/s | to Redis | p50 us | p99 us | writes per fsync |"
    )?;
    writeln!(page, "| --- | --- | --- | --- | --- | --- | --- |")?;
    let mut failures = String::new();
    for row in rows {
        let rates = row.rates();
        let writes = row.writes_per_fsync();
        writeln!(
            page,
            "| {} | {} | {:.0} [{:.0}, {:.0}] | {} | {} | {} | {} |",
            row.name,
            row.connections,
            row.rate(),
            rates.first().copied().unwrap_or(0.0),
            rates.last().copied().unwrap_or(0.0),
            floors::to_redis(rows, row)
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            row.latency_us(0.5),
            row.latency_us(0.99),
            writes.map_or_else(|| "-".to_owned(), |writes| format!("{writes:.1}")),
        )?;
        for round in &row.rounds {
            if let Some(failure) = &round.first_failure {
                writeln!(
                    failures,
                    "\n{}: {} failures, the first: `{failure}`",
                    row.name, round.failures
                )?;
            }
        }
    }
    page.push_str(&failures);
    Ok(())
}
