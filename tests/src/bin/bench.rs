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

#[path = "bench/dax.rs"]
mod cache;
#[path = "bench/floors.rs"]
mod floors;
#[path = "bench/machine.rs"]
mod machine;
#[path = "bench/page.rs"]
mod page;
#[path = "bench/scale.rs"]
mod scale;
#[path = "bench/servers.rs"]
mod servers;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use clap::Parser as _;
use serde_json::{Value, json};
use stator_tests::load::{Load, Measured, Parser, dax, http, resp};
use stator_tests::node_processes::root_key;
use tokio::runtime::Runtime;

use servers::{Endpoint, Servers};

const VALUE_BYTES: usize = 1024;
const KEYS: usize = 1000;
/// Requests of a row that are made before its clock starts. Each PutItem has a value of its own: a write of what is
/// there already is no change, and would be acknowledged without a log entry.
const REQUESTS: usize = 8000;
/// Items of one partition in the Query rows.
const QUERY_ITEMS: usize = 10;

#[derive(clap::Parser)]
pub(crate) struct Options {
    /// Folder of the release programs.
    #[arg(long)]
    bin_dir: PathBuf,
    /// Seconds that each row is measured in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Instead of all rows: GetItem of a table of so many items beside one of ten thousand.
    #[arg(long)]
    scale: Option<u64>,
    /// Instead of all rows: the cache, its hits, misses and memory.
    #[arg(long)]
    dax: bool,
    /// The page to write.
    #[arg(long)]
    out: PathBuf,
}

/// One line of the table.
pub(crate) struct Row {
    name: String,
    connections: usize,
    address: SocketAddr,
    parser: Parser,
    /// What a connection begins with.
    opening: fn() -> Bytes,
    /// Serialises and signs anew before each round: a signature is good for five minutes.
    requests: Box<dyn Fn() -> Result<Vec<Bytes>>>,
    /// Where the fsyncs of this row can be counted.
    fsyncs: Option<String>,
    rounds: Vec<Measured>,
    fsync_counts: Vec<u64>,
}

impl Row {
    /// Successes per second of each round, the smallest first.
    fn rates(&self) -> Vec<f64> {
        let mut rates: Vec<_> = self.rounds.iter().map(|round| round.rate).collect();
        rates.sort_by(f64::total_cmp);
        rates
    }

    /// The median of the rounds' rates.
    fn rate(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.rate))
    }

    /// A quantile of the latency in microseconds: the median of the rounds'.
    fn latency_us(&self, quantile: f64) -> u64 {
        let mut values: Vec<_> = self
            .rounds
            .iter()
            .map(|round| round.latency.value_at_quantile(quantile))
            .collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or(0) / 1000
    }

    /// All writes of the measured times, divided by the fsyncs of the log in the same times and their warm-ups: rather
    /// too small than too large.
    fn writes_per_fsync(&self) -> Option<f64> {
        let fsyncs: u64 = self.fsync_counts.iter().sum();
        let writes: u64 = self.rounds.iter().map(|round| round.successes).sum();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let ratio = writes as f64 / fsyncs as f64;
        (fsyncs > 0).then_some(ratio)
    }
}

/// The middle one, or 0 of none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

fn main() -> Result<()> {
    let options = Options::parse();
    let runtime = Runtime::new().context("no runtime")?;
    if options.dax {
        let measured = (options.rounds, Duration::from_secs(options.seconds));
        return cache::run(&runtime, &options.bin_dir, measured, &options.out);
    }
    if let Some(items) = options.scale {
        let measured = (options.rounds, Duration::from_secs(options.seconds));
        return scale::run(&runtime, &options.bin_dir, items, measured, &options.out);
    }
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let fsync = machine::fsync_time(folder.path())?;
    let servers = runtime.block_on(Servers::start(&options.bin_dir, folder.path()))?;
    let mut rows = rows(&servers);
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
            let load = Load {
                address: row.address,
                opening: (row.opening)(),
                requests: (row.requests)()?,
                parser: row.parser,
                connections: row.connections,
                duration: Duration::from_secs(options.seconds),
            };
            let before = count_fsyncs(&runtime, row)?;
            let measured = load.run().with_context(|| row.name.clone())?;
            if let (Some(before), Some(after)) = (before, count_fsyncs(&runtime, row)?) {
                row.fsync_counts.push(after - before);
            }
            row.rounds.push(measured);
        }
    }
    let tables = runtime.block_on(machine::tables(&servers))?;
    let page = page::page(&options, &rows, fsync, &tables)?;
    std::fs::write(&options.out, &page).context("cannot write the page")?;
    println!("{page}");
    Ok(())
}

/// The item of a key, with a value that no other request writes.
fn item(number: usize) -> Value {
    let value = format!("{number:08}{}", "x".repeat(VALUE_BYTES - 68));
    let mut item = key(number);
    item["value"] = json!({"S": value});
    item
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

/// The requests of one row, numbered.
fn requests(
    endpoint: &Endpoint,
    operation: &'static str,
    body: impl Fn(usize) -> Value + 'static,
) -> Box<dyn Fn() -> Result<Vec<Bytes>>> {
    let (url, key) = (endpoint.url.clone(), endpoint.key.clone());
    Box::new(move || {
        let sign = |number| http::request(&url, key.as_ref(), operation, &body(number));
        (0..REQUESTS).map(sign).collect()
    })
}

fn rows(servers: &Servers) -> Vec<Row> {
    let mut rows = Vec::new();
    for connections in [1, 32] {
        let mut add = |name: String, address, parser: Parser, requests, fsyncs| {
            rows.push(Row {
                name,
                connections,
                address,
                parser,
                opening: Bytes::new,
                requests,
                fsyncs,
                rounds: Vec::new(),
                fsync_counts: Vec::new(),
            });
        };
        if let Some(redis) = servers.redis {
            let set = |number| resp::set(&name(number), &vec![b'x'; VALUE_BYTES]);
            let get = |number| resp::get(&name(number));
            let sets = Box::new(move || Ok((0..KEYS).map(set).collect()));
            let gets = Box::new(move || Ok((0..KEYS).map(get).collect()));
            add("Redis SET".into(), redis, resp::parse, sets, None);
            add("Redis GET".into(), redis, resp::parse, gets, None);
        }
        for endpoint in servers.all() {
            let (label, address) = (&endpoint.label, endpoint.address);
            let mut add = |name: &str, requests, fsyncs| {
                add(
                    format!("{name}, {label}"),
                    address,
                    http::parse,
                    requests,
                    fsyncs,
                );
            };
            let put = |number| json!({"TableName": "bench", "Item": item(number)});
            let get = |number| json!({"TableName": "bench", "Key": key(number)});
            let strong =
                |number| json!({"TableName": "bench", "Key": key(number), "ConsistentRead": true});
            let query = |_| {
                json!({
                    "TableName": "bench",
                    "KeyConditionExpression": "pk = :pk",
                    "ExpressionAttributeValues": {":pk": {"S": "ten"}},
                })
            };
            add(
                "PutItem",
                requests(endpoint, "PutItem", put),
                endpoint.metrics.clone(),
            );
            add("GetItem", requests(endpoint, "GetItem", get), None);
            if !endpoint.cache {
                let requests = requests(endpoint, "GetItem", strong);
                add("GetItem strongly consistent", requests, None);
            }
            add("Query of ten", requests(endpoint, "Query", query), None);
        }
        for endpoint in servers.all().iter().filter(|endpoint| endpoint.cache) {
            let get = |number| dax::get("bench", &name(number), "0");
            rows.push(Row {
                name: format!("GetItem, native protocol, {}", endpoint.label),
                connections,
                address: endpoint.address,
                parser: dax::parse,
                opening: || dax::opening(&root_key(), "us-east-1"),
                requests: Box::new(move || Ok((0..KEYS).map(get).collect())),
                fsyncs: None,
                rounds: Vec::new(),
                fsync_counts: Vec::new(),
            });
        }
    }
    rows
}

fn key(number: usize) -> Value {
    json!({"pk": {"S": name(number)}, "sk": {"S": "0"}})
}

fn name(number: usize) -> String {
    format!("key-{:06}", number % KEYS)
}

fn count_fsyncs(runtime: &Runtime, row: &Row) -> Result<Option<u64>> {
    let Some(url) = &row.fsyncs else {
        return Ok(None);
    };
    let (_, text) = runtime.block_on(stator_tests::client::get(url))?;
    Ok(machine::counter(&text, "fsyncs_total"))
}
