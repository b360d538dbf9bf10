//! Both sides of every figure in one run; prints a Markdown page. Started by `cargo xtask bench`.
//!
//! Rows run one after another and the whole list is repeated, so that a slow minute of the machine hits all rows
//! alike; a figure is the median of the rounds with the smallest and the largest beside it.

#![expect(
    clippy::indexing_slicing,
    reason = "JSON: an absent member reads as null"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool"
)]

#[path = "bench/machine.rs"]
mod machine;
#[path = "bench/servers.rs"]
mod servers;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use serde_json::{Value, json};
use stator_tests::load::{Load, Measured, http, resp};
use tokio::runtime::Runtime;

use servers::{Endpoint, Servers};

const VALUE_BYTES: usize = 1024;
const KEYS: usize = 1000;
/// Items of one partition in the Query rows.
const QUERY_ITEMS: usize = 10;

#[derive(Parser)]
struct Options {
    /// Folder of the release programs.
    #[arg(long)]
    bin_dir: PathBuf,
    /// Seconds that each row is measured in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The page to write.
    #[arg(long)]
    out: PathBuf,
}

/// One line of the table.
struct Row {
    name: String,
    connections: usize,
    load: Load,
    /// Where the fsyncs of this row can be counted.
    fsyncs: Option<String>,
    rounds: Vec<Measured>,
    fsync_counts: Vec<u64>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = Runtime::new().context("no runtime")?;
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let fsync = machine::fsync_time(folder.path())?;
    let servers = runtime.block_on(Servers::start(&options.bin_dir, folder.path()))?;
    let mut rows = rows(&servers, Duration::from_secs(options.seconds))?;
    runtime.block_on(prepare(&servers))?;
    for round in 0..options.rounds {
        for row in &mut rows {
            eprintln!(
                "round {} of {}: {} x{}",
                round + 1,
                options.rounds,
                row.name,
                row.connections
            );
            let before = count_fsyncs(&runtime, row)?;
            let measured = row.load.run().with_context(|| row.name.clone())?;
            if let (Some(before), Some(after)) = (before, count_fsyncs(&runtime, row)?) {
                row.fsync_counts.push(after - before);
            }
            row.rounds.push(measured);
        }
    }
    let tables = runtime.block_on(machine::tables(&servers))?;
    let page = page(&options, &rows, fsync, &tables)?;
    std::fs::write(&options.out, &page).context("cannot write the page")?;
    println!("{page}");
    Ok(())
}

fn value() -> String {
    "x".repeat(VALUE_BYTES - 60)
}

fn item(number: usize) -> Value {
    json!({"pk": {"S": format!("key-{number:06}")}, "sk": {"S": "0"}, "value": {"S": value()}})
}

/// The items that reads find: `KEYS` single items, and a partition of ten.
async fn prepare(servers: &Servers) -> Result<()> {
    for endpoint in servers.stores() {
        let client = endpoint.client();
        let limit = Duration::from_secs(30);
        client
            .call_until_ok("CreateTable", &servers::table("bench"), limit)
            .await?;
        for number in 0..KEYS {
            let put = json!({"TableName": "bench", "Item": item(number)});
            client.call_until_ok("PutItem", &put, limit).await?;
        }
        for number in 0..QUERY_ITEMS {
            let mut item = item(0);
            item["pk"] = json!({"S": "ten"});
            item["sk"] = json!({"S": number.to_string()});
            client
                .call_until_ok(
                    "PutItem",
                    &json!({"TableName": "bench", "Item": item}),
                    limit,
                )
                .await?;
        }
    }
    Ok(())
}

fn requests(
    endpoint: &Endpoint,
    operation: &str,
    body: impl Fn(usize) -> Value,
) -> Result<Vec<bytes::Bytes>> {
    let sign = |number| {
        http::request(
            &endpoint.url,
            endpoint.key.as_ref(),
            operation,
            &body(number),
        )
    };
    (0..KEYS).map(sign).collect()
}

fn rows(servers: &Servers, duration: Duration) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for connections in [1, 32] {
        let mut add = |name: String, address, requests, parser, fsyncs| {
            let load = Load {
                address,
                requests,
                parser,
                connections,
                duration,
            };
            rows.push(Row {
                name,
                connections,
                load,
                fsyncs,
                rounds: Vec::new(),
                fsync_counts: Vec::new(),
            });
        };
        if let Some(redis) = servers.redis {
            let set = |number| resp::set(&format!("key-{number:06}"), &vec![b'x'; VALUE_BYTES]);
            let get = |number| resp::get(&format!("key-{number:06}"));
            add(
                "Redis SET".into(),
                redis,
                (0..KEYS).map(set).collect(),
                resp::parse,
                None,
            );
            add(
                "Redis GET".into(),
                redis,
                (0..KEYS).map(get).collect(),
                resp::parse,
                None,
            );
        }
        for endpoint in servers.all() {
            let label = &endpoint.label;
            let key = |number| json!({"pk": {"S": format!("key-{number:06}")}, "sk": {"S": "0"}});
            let get = |number| json!({"TableName": "bench", "Key": key(number)});
            let put = |number| json!({"TableName": "bench", "Item": item(number)});
            let query = |_| {
                json!({
                    "TableName": "bench",
                    "KeyConditionExpression": "pk = :pk",
                    "ExpressionAttributeValues": {":pk": {"S": "ten"}},
                })
            };
            let metrics = endpoint.metrics.clone();
            add(
                format!("PutItem, {label}"),
                endpoint.address,
                requests(endpoint, "PutItem", put)?,
                http::parse,
                metrics,
            );
            add(
                format!("GetItem, {label}"),
                endpoint.address,
                requests(endpoint, "GetItem", get)?,
                http::parse,
                None,
            );
            if !endpoint.cache {
                let strong = |number| json!({"TableName": "bench", "Key": key(number), "ConsistentRead": true});
                let requests = requests(endpoint, "GetItem", strong)?;
                add(
                    format!("GetItem strongly consistent, {label}"),
                    endpoint.address,
                    requests,
                    http::parse,
                    None,
                );
            }
            add(
                format!("Query of ten, {label}"),
                endpoint.address,
                requests(endpoint, "Query", query)?,
                http::parse,
                None,
            );
        }
    }
    Ok(rows)
}

fn count_fsyncs(runtime: &Runtime, row: &Row) -> Result<Option<u64>> {
    let Some(url) = &row.fsyncs else {
        return Ok(None);
    };
    let (_, text) = runtime.block_on(stator_tests::client::get(url))?;
    Ok(machine::counter(&text, "fsyncs_total"))
}

fn page(
    options: &Options,
    rows: &[Row],
    fsync: Duration,
    tables: &machine::Tables,
) -> Result<String> {
    let mut page = String::new();
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
    writeln!(
        page,
        "| row | connections | requests/s | to Redis | p50 us | p99 us | writes per fsync |"
    )?;
    writeln!(page, "| --- | --- | --- | --- | --- | --- | --- |")?;
    for row in rows {
        let mut rates: Vec<_> = row.rounds.iter().map(|round| round.rate).collect();
        rates.sort_by(f64::total_cmp);
        let median = middle(&rates);
        let peer = if row.name.starts_with("PutItem") {
            "Redis SET"
        } else {
            "Redis GET"
        };
        let peer = rows
            .iter()
            .find(|other| other.name == peer && other.connections == row.connections);
        let ratio = peer.map_or_else(
            || "-".to_owned(),
            |peer| {
                let mut rates: Vec<_> = peer.rounds.iter().map(|round| round.rate).collect();
                rates.sort_by(f64::total_cmp);
                format!("{:.2}", median / middle(&rates))
            },
        );
        let quantile = |quantile: f64| {
            let mut values: Vec<_> = row
                .rounds
                .iter()
                .map(|round| round.latency.value_at_quantile(quantile))
                .collect();
            values.sort_unstable();
            values.get(values.len() / 2).copied().unwrap_or(0) / 1000
        };
        writeln!(
            page,
            "| {} | {} | {:.0} [{:.0}, {:.0}] | {ratio} | {} | {} | {} |",
            row.name,
            row.connections,
            median,
            rates.first().copied().unwrap_or(0.0),
            rates.last().copied().unwrap_or(0.0),
            quantile(0.5),
            quantile(0.99),
            writes_per_fsync(row),
        )?;
        for round in &row.rounds {
            if let Some(failure) = &round.first_failure {
                writeln!(
                    page,
                    "\n{}: {} failures, the first: `{failure}`\n",
                    row.name, round.failures
                )?;
            }
        }
    }
    writeln!(page)?;
    writeln!(
        page,
        "CreateTable to ACTIVE on one node: median {:.1} ms over {} tables, 1 connection.",
        tables.create_ms, tables.count
    )?;
    writeln!(
        page,
        "Resident memory of an idle node: {:.1} MiB before and {:.1} MiB after these tables, {:.1} KiB per idle table.",
        tables.before_mib,
        tables.after_mib,
        tables.kib_per_table()
    )?;
    Ok(page)
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// All writes of the measured time and its warm-up, divided by the fsyncs of the log in the same time.
fn writes_per_fsync(row: &Row) -> String {
    let fsyncs: u64 = row.fsync_counts.iter().sum();
    if fsyncs == 0 {
        return "-".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let ratio = row.rounds.iter().map(|round| round.successes).sum::<u64>() as f64 / fsyncs as f64;
    format!("{ratio:.1}")
}
