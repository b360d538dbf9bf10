//! Whether the number of items matters: GetItem of a large table and of a small one, in one run on one node.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Value, json};
use stator_tests::load::{Load, Measured, http};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::machine;
use crate::median;
use crate::servers::{Endpoint, Servers, table};

/// Items of the small table.
const FEW: u64 = 10_000;
/// Items in one BatchWriteItem.
const BATCH: u64 = 25;
/// Batches in flight while loading.
const IN_FLIGHT: usize = 16;
/// Requests that are made before the clock starts, for keys spread over the whole table.
const REQUESTS: u64 = 8_000;
const CONNECTIONS: usize = 32;
/// For one batch: compactions of the engine may hold writes back.
const BATCH_LIMIT: Duration = Duration::from_secs(60);

/// One of the two tables.
struct Side {
    table: &'static str,
    items: u64,
    seconds: f64,
    resident_mib: f64,
    rounds: Vec<Measured>,
}

/// Loads both tables, measures both in turn, and writes the page.
pub(crate) fn run(
    runtime: &Runtime,
    bin: &Path,
    items: u64,
    (rounds, duration): (usize, Duration),
    out: &Path,
) -> Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let servers = runtime.block_on(Servers::start_single(bin, folder.path()))?;
    let endpoint = servers.all().first().context("no node")?;
    let mut sides = Vec::new();
    for (table, items) in [("few", FEW), ("many", items)] {
        let seconds = runtime.block_on(load(endpoint, table, items))?;
        sides.push(Side {
            table,
            items,
            seconds,
            resident_mib: endpoint.resident_mib()?,
            rounds: Vec::new(),
        });
    }
    for _ in 0..rounds {
        for side in &mut sides {
            let load = Load {
                address: endpoint.address,
                opening: Bytes::new(),
                requests: reads(endpoint, side.table, side.items)?,
                parser: http::parse,
                connections: CONNECTIONS,
                duration,
            };
            side.rounds.push(load.run()?);
        }
    }
    let page = page(&sides, folder.path(), endpoint)?;
    std::fs::write(out, &page).context("cannot write the page")?;
    println!("{page}");
    Ok(())
}

fn key(number: u64) -> Value {
    json!({"pk": {"S": format!("item-{number:012}")}, "sk": {"S": "1"}})
}

/// An item of 100 bytes as the service counts them.
fn item(number: u64) -> Value {
    let mut item = key(number);
    let names = "pk".len() + "sk".len() + "v".len();
    let used = names + "item-".len() + 12 + "1".len();
    let value = format!("{number:012}{}", "x".repeat(100 - used - 12));
    item["v"] = json!({"S": value});
    item
}

/// Writes the items; how long it took in seconds.
async fn load(endpoint: &Endpoint, name: &str, items: u64) -> Result<f64> {
    let client = endpoint.client();
    client
        .call_until_ok("CreateTable", &table(name), BATCH_LIMIT)
        .await?;
    let started = Instant::now();
    let batches = (0..items.div_ceil(BATCH)).map(|batch| {
        let client = client.clone();
        let last = items.min((batch + 1) * BATCH);
        let puts: Vec<Value> = (batch * BATCH..last)
            .map(|number| json!({"PutRequest": {"Item": item(number)}}))
            .collect();
        async move {
            let mut left = json!({ name: puts });
            // What a busy node leaves is sent again.
            while left.as_object().is_some_and(|left| !left.is_empty()) {
                let request = json!({"RequestItems": left});
                let answer = client
                    .call_until_ok("BatchWriteItem", &request, BATCH_LIMIT)
                    .await?;
                left = answer["UnprocessedItems"].clone();
            }
            Ok::<(), anyhow::Error>(())
        }
    });
    let mut done = 0;
    let mut running = futures::stream::iter(batches).buffer_unordered(IN_FLIGHT);
    while let Some(batch) = running.next().await {
        batch?;
        done += 1;
        if done % 40_000 == 0 {
            eprintln!("{} items of {items}, {:?}", done * BATCH, started.elapsed());
        }
    }
    Ok(started.elapsed().as_secs_f64())
}

/// Signed requests for items all over the table, in an order that is none.
fn reads(endpoint: &Endpoint, table: &str, items: u64) -> Result<Vec<Bytes>> {
    let step = (items / REQUESTS).max(1);
    (0..REQUESTS)
        .map(|number| {
            // A step that shares no factor with the number of requests visits each once.
            let place = (number * 4_001) % REQUESTS;
            let body = json!({"TableName": table, "Key": key(place * step % items)});
            http::request(&endpoint.url, endpoint.key.as_ref(), "GetItem", &body)
        })
        .collect()
}

fn page(sides: &[Side], folder: &Path, endpoint: &Endpoint) -> Result<String> {
    let mut page = String::from("# The number of items\n\n");
    writeln!(
        page,
        "One node (`serve`, signatures verified), items of 100 bytes, GetItem at {CONNECTIONS} connections, keys spread \
         over the whole table; both tables in one run by `cargo xtask bench --scale`, on {}.\n",
        machine::describe()
    )?;
    page.push_str("| items | GetItem, per second | median, us | 99 %, us | loaded, items per second | resident afterwards, MiB |\n");
    page.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for side in sides {
        let failures: u64 = side.rounds.iter().map(|round| round.failures).sum();
        anyhow::ensure!(failures == 0, "{failures} reads failed");
        let quantile = |quantile: f64| {
            let micros = side.rounds.iter().map(|round| {
                let nanos = round.latency.value_at_quantile(quantile);
                #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
                let nanos = nanos as f64;
                nanos / 1_000.0
            });
            median(micros)
        };
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let loaded = side.items as f64 / side.seconds;
        writeln!(
            page,
            "| {} | {:.0} | {:.0} | {:.0} | {loaded:.0} | {:.0} |",
            side.items,
            median(side.rounds.iter().map(|round| round.rate)),
            quantile(0.5),
            quantile(0.99),
            side.resident_mib,
        )?;
    }
    let rates: Vec<f64> = sides
        .iter()
        .map(|side| median(side.rounds.iter().map(|round| round.rate)))
        .collect();
    if let [few, many] = rates.as_slice() {
        writeln!(
            page,
            "\nThe small table answers {:.2} times as fast as the large one; at most 2 is asked for.",
            few / many
        )?;
    }
    writeln!(
        page,
        "After the reads the node has {:.0} MiB resident and {:.0} MiB on disk. The engine's cache (64 MiB) and its memtables \
         (16 MiB for each of three keyspaces) are bounded; the rest are the filters and indexes of its tables on disk.",
        endpoint.resident_mib()?,
        disk_mib(folder)?
    )?;
    Ok(page)
}

/// Everything below a folder.
fn disk_mib(folder: &Path) -> Result<f64> {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).context("cannot list a folder")? {
            let entry = entry.context("cannot list a folder")?;
            // Files of the engine come and go.
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += metadata.len();
            }
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let bytes = bytes as f64;
    Ok(bytes / f64::from(1 << 20))
}
