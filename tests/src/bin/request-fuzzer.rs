//! Sends requests that are almost right to each endpoint for a while. Started by `cargo xtask fuzz-requests`.

#![expect(clippy::print_stdout, reason = "a command-line tool")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use clap::Parser;
use stator_kit::rng::{RandomSource as _, SeededRandom};
use stator_tests::client::{Client, Key};
use stator_tests::request_fuzzer::{mutation, templates};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Requests of one worker between two looks whether the table is still there.
const TABLE_IS_MADE_AGAIN_AFTER: u64 = 500;

/// A longer body is refused while it is still being sent, and the refusal may be lost with the connection.
const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Parser)]
struct Options {
    /// Where to send, e.g. http://127.0.0.1:8000; may be given several times.
    #[arg(long, required = true)]
    endpoint: Vec<String>,
    /// For how long.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Requests at once to each endpoint.
    #[arg(long, default_value_t = 4)]
    workers: u64,
    /// Of the random numbers; a finding prints its request, which tells more.
    #[arg(long, default_value_t = u64::from(std::process::id()))]
    seed: u64,
}

/// Answers by status.
type Counts = BTreeMap<u16, u64>;

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    println!("seed {}", options.seed);
    let end = Instant::now() + Duration::from_secs(options.seconds);
    let sent = Arc::new(AtomicU64::new(0));
    let mut workers = JoinSet::new();
    for endpoint in &options.endpoint {
        for number in 0..options.workers {
            let random = SeededRandom::new(options.seed ^ (number << 32));
            let sent = Arc::clone(&sent);
            workers.spawn(work(endpoint.clone(), random, end, sent));
        }
    }
    let mut progress = tokio::time::interval(Duration::from_secs(30));
    let mut total = Counts::new();
    loop {
        tokio::select! {
            _ = progress.tick() => println!("{} requests", sent.load(Ordering::Relaxed)),
            worker = workers.join_next() => {
                let Some(worker) = worker else { break };
                for (status, count) in worker.context("a worker panicked")?? {
                    *total.entry(status).or_default() += count;
                }
            }
        }
    }
    for (status, count) in total {
        println!("{status}: {count}");
    }
    Ok(())
}

async fn work(
    endpoint: String,
    random: SeededRandom,
    end: Instant,
    sent: Arc<AtomicU64>,
) -> Result<Counts> {
    let key = Key {
        id: "local".to_owned(),
        secret: "local".to_owned(),
    };
    let client = Client::new(&endpoint, Some(key));
    let templates = templates::all();
    let mut counts = Counts::new();
    let mut number = 0;
    while Instant::now() < end {
        if number % TABLE_IS_MADE_AGAIN_AFTER == 0 {
            // Whichever worker comes first makes it; the others are told that it is there.
            let request = templates::table().to_string().into();
            answer(&client, "CreateTable", request).await?;
        }
        number += 1;
        let at = usize::try_from(random.below(templates.len() as u64)).unwrap_or(0);
        let Some((operation, template)) = templates.get(at) else {
            bail!("no templates");
        };
        let request = mutation::damaged(template.clone(), &random);
        if request.len() > REQUEST_BYTES_MAX {
            continue;
        }
        let status = answer(&client, operation, request.into()).await?;
        sent.fetch_add(1, Ordering::Relaxed);
        *counts.entry(status).or_default() += 1;
    }
    Ok(counts)
}

/// The status of a request that was answered or refused.
async fn answer(client: &Client, operation: &str, request: Bytes) -> Result<u16> {
    let shown = || {
        let start = request.get(..request.len().min(4000)).unwrap_or_default();
        format!(
            "{} {operation} {}",
            client.endpoint(),
            String::from_utf8_lossy(start)
        )
    };
    let (status, body) = client
        .send_bytes(operation, request.clone())
        .await
        .with_context(|| format!("no answer to {}", shown()))?;
    if !matches!(status, 200 | 400 | 413) {
        bail!("{status} {} to {}", String::from_utf8_lossy(&body), shown());
    }
    Ok(status)
}
