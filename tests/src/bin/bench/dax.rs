//! The cache alone: hits beside Redis, misses beside direct reads, and memory beside its bound.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Value, json};
use stator_tests::load::{Load, Measured, Parser, dax, http, resp};
use stator_tests::node_processes::root_key;
use tokio::runtime::Runtime;

use crate::machine;
use crate::median;
use crate::servers::{Endpoint, Servers, table};

const VALUE_BYTES: usize = 1024;
const KEYS: usize = 1_000;
/// Small items that are written through the cache for its memory.
const SMALL_ITEMS: usize = 1_000_000;
const BATCH: usize = 25;
const IN_FLIGHT: usize = 16;
/// What the cache of the memory row is bounded to.
const CACHE_MIB: u32 = 256;
const LIMIT: Duration = Duration::from_secs(30);

/// One line.
struct Row {
    name: &'static str,
    load: Load,
    rounds: Vec<Measured>,
}

impl Row {
    fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        median(self.rounds.iter().map(of))
    }

    fn rate(&self) -> f64 {
        self.median(|round| round.rate)
    }

    /// Median latency in microseconds.
    fn micros(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        self.median(|round| round.latency.value_at_quantile(0.5) as f64 / 1_000.0)
    }
}

fn name(number: usize) -> String {
    format!("key-{:06}", number % KEYS)
}

fn key(number: usize) -> Value {
    json!({"pk": {"S": name(number)}, "sk": {"S": "0"}})
}

/// Measures and writes the page.
pub(crate) fn run(
    runtime: &Runtime,
    bin: &Path,
    (rounds, duration): (usize, Duration),
    out: &Path,
) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let servers = runtime.block_on(Servers::start_caches(bin, folder.path(), CACHE_MIB))?;
    let [store, cache, misses, bounded] = servers.all() else {
        anyhow::bail!("not the servers that were asked for")
    };
    runtime.block_on(prepare(store))?;
    let mut rows = rows(&servers, (store, cache, misses), duration)?;
    for _ in 0..rounds {
        for row in &mut rows {
            let measured = row.load.run().with_context(|| row.name)?;
            anyhow::ensure!(
                measured.failures == 0,
                "{}: {:?}",
                row.name,
                measured.first_failure
            );
            row.rounds.push(measured);
        }
    }
    let before = bounded.resident_mib()?;
    runtime.block_on(fill(bounded))?;
    let page = page(&rows, (before, bounded.resident_mib()?))?;
    std::fs::write(out, &page).context("cannot write the page")?;
    println!("{page}");
    Ok(())
}

async fn prepare(store: &Endpoint) -> Result<()> {
    let client = store.client();
    client
        .call_until_ok("CreateTable", &table("bench"), LIMIT)
        .await?;
    client
        .call_until_ok("CreateTable", &table("small"), LIMIT)
        .await?;
    for number in 0..KEYS {
        let mut item = key(number);
        item["value"] = json!({"S": "x".repeat(VALUE_BYTES - 68)});
        let put = json!({"TableName": "bench", "Item": item});
        client.call_until_ok("PutItem", &put, LIMIT).await?;
    }
    Ok(())
}

fn rows(
    servers: &Servers,
    (store, cache, misses): (&Endpoint, &Endpoint, &Endpoint),
    duration: Duration,
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let mut add =
        |name, address, opening: Bytes, requests: Vec<Bytes>, parser: Parser, connections| {
            let load = Load {
                address,
                opening,
                requests,
                parser,
                connections,
                duration,
            };
            rows.push(Row {
                name,
                load,
                rounds: Vec::new(),
            });
        };
    let json_of = |endpoint: &Endpoint, strong: bool| {
        let request = |number| {
            let mut body = json!({"TableName": "bench", "Key": key(number)});
            if strong {
                body["ConsistentRead"] = json!(true);
            }
            http::request(&endpoint.url, endpoint.key.as_ref(), "GetItem", &body)
        };
        (0..KEYS).map(request).collect::<Result<Vec<Bytes>>>()
    };
    for connections in [1, 32] {
        if let Some(redis) = servers.redis {
            let fill = (0..KEYS).map(|number| resp::set(&name(number), &vec![b'x'; VALUE_BYTES]));
            let fill = Load {
                address: redis,
                opening: Bytes::new(),
                requests: fill.collect(),
                parser: resp::parse,
                connections: 1,
                duration: Duration::from_millis(500),
            };
            fill.run()?;
            let gets = (0..KEYS).map(|number| resp::get(&name(number))).collect();
            add(
                "Redis GET",
                redis,
                Bytes::new(),
                gets,
                resp::parse,
                connections,
            );
        }
        let native = (0..KEYS).map(|number| dax::get("bench", &name(number), "0"));
        let opening = dax::opening(&root_key(), "us-east-1");
        add(
            "hit, native protocol",
            cache.address,
            opening,
            native.collect(),
            dax::parse,
            connections,
        );
        let hits = json_of(cache, false)?;
        add(
            "hit, JSON",
            cache.address,
            Bytes::new(),
            hits,
            http::parse,
            connections,
        );
        let direct = json_of(store, true)?;
        add(
            "direct read, strongly consistent",
            store.address,
            Bytes::new(),
            direct,
            http::parse,
            connections,
        );
        let missed = json_of(misses, false)?;
        add(
            "miss, JSON",
            misses.address,
            Bytes::new(),
            missed,
            http::parse,
            connections,
        );
    }
    Ok(rows)
}

/// Writes small items through the cache.
async fn fill(cache: &Endpoint) -> Result<()> {
    let client = cache.client();
    let batches = (0..SMALL_ITEMS / BATCH).map(|batch| {
        let client = client.clone();
        async move {
            let item = |number| {
                json!({"PutRequest": {"Item": {
                    "pk": {"S": format!("small-{number}")}, "sk": {"S": "0"}, "v": {"S": "a few bytes of an item"},
                }}})
            };
            let puts: Vec<Value> = (batch * BATCH..(batch + 1) * BATCH).map(item).collect();
            let request = json!({"RequestItems": {"small": puts}});
            client.call_until_ok("BatchWriteItem", &request, LIMIT).await
        }
    });
    let mut running = futures::stream::iter(batches).buffer_unordered(IN_FLIGHT);
    while let Some(written) = running.next().await {
        written?;
    }
    Ok(())
}

fn page(rows: &[Row], (before_mib, after_mib): (f64, f64)) -> Result<String> {
    let mut page = String::from("# The cache\n\n");
    writeln!(
        page,
        "Values of 1 KB, `serve` with signatures verified, everything on one machine and in one run by `cargo xtask bench \
         --dax`, on {}.\nA miss is read through a cache whose entries live for a millisecond.\n",
        machine::describe()
    )?;
    page.push_str("| | connections | per second | median, us |\n| --- | --- | --- | --- |\n");
    for row in rows {
        let connections = row.load.connections;
        writeln!(
            page,
            "| {} | {connections} | {:.0} | {:.0} |",
            row.name,
            row.rate(),
            row.micros()
        )?;
    }
    page.push_str("\n| floor | asked | measured |\n| --- | --- | --- |\n");
    for connections in [1, 32] {
        let row = |name: &str| {
            let of = |row: &&Row| row.name == name && row.load.connections == connections;
            rows.iter().find(of)
        };
        if let (Some(redis), Some(native), Some(json)) = (
            row("Redis GET"),
            row("hit, native protocol"),
            row("hit, JSON"),
        ) {
            for (name, hit, most) in [("native", native, 1.5), ("JSON", json, 2.5)] {
                writeln!(
                    page,
                    "| cost of a hit beside Redis GET, {name}, {connections} connections | {most} | {:.2} |",
                    redis.rate() / hit.rate()
                )?;
            }
        }
        if let (1, Some(direct), Some(miss), Some(hit)) = (
            connections,
            row("direct read, strongly consistent"),
            row("miss, JSON"),
            row("hit, JSON"),
        ) {
            // What one more hop costs is what a hit costs: there and back, and nothing between.
            writeln!(
                page,
                "| a miss beside a direct read and one hop, 1 connection | 1.2 | {:.2} |",
                miss.micros() / (direct.micros() + hit.micros())
            )?;
        }
    }
    let most = 1.3 * f64::from(CACHE_MIB) + 64.0;
    writeln!(
        page,
        "| MiB resident of a cache bounded to {CACHE_MIB} MiB, after a million small items through it ({before_mib:.0} before) \
         | {most:.0} | {after_mib:.0} |"
    )?;
    Ok(page)
}
