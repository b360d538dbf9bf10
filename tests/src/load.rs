//! A load generator that speaks HTTP, RESP and the native DAX protocol: the same loop for both sides of a comparison.
//!
//! One thread, one request in flight per connection. Requests are serialised (and signed) before the clock starts;
//! the answer is parsed just far enough to know where it ends and whether it is a success.

pub mod dax;
pub mod http;
pub mod resp;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::{Buf as _, Bytes, BytesMut};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Where an answer ends and whether it was a success.
pub struct Parsed {
    /// Bytes of the answer.
    pub length: usize,
    /// Whether it is the success that was asked for.
    pub success: bool,
}

/// Finds the end of the first answer in a buffer; `None` where it is not complete.
pub type Parser = fn(&[u8]) -> Option<Parsed>;

/// What to send where.
#[derive(Clone)]
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// What each connection begins with; it has no answer.
    pub opening: Bytes,
    /// Serialised requests, used in turn.
    pub requests: Vec<Bytes>,
    /// Reads its answers.
    pub parser: Parser,
    /// Connections, each with one request in flight.
    pub connections: usize,
    /// Time that is measured, after a tenth of it as warm-up.
    pub duration: Duration,
}

/// What came of it.
pub struct Measured {
    /// Successes per second.
    pub rate: f64,
    /// Latency in nanoseconds.
    pub latency: Histogram<u64>,
    /// Successes while measuring.
    pub successes: u64,
    /// Other answers, warm-up included.
    pub failures: u64,
    /// The first of them.
    pub first_failure: Option<String>,
}

impl Load {
    /// Runs the load on a thread of its own and waits for it.
    ///
    /// # Errors
    /// Where a connection fails or the server sends what is no answer.
    pub fn run(&self) -> Result<Measured> {
        let load = self.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("no runtime")?;
            runtime.block_on(load.run_here())
        });
        thread
            .join()
            .map_err(|_panic| anyhow::anyhow!("the load generator panicked"))?
    }

    async fn run_here(self) -> Result<Measured> {
        let start = Instant::now() + self.duration / 10;
        let end = start + self.duration;
        let mut connections = JoinSet::new();
        for number in 0..self.connections {
            let offset = number * self.requests.len() / self.connections.max(1);
            connections.spawn(drive(self.clone(), offset, start, end));
        }
        let mut total = Measured {
            rate: 0.0,
            latency: Histogram::new(3).context("no histogram")?,
            successes: 0,
            failures: 0,
            first_failure: None,
        };
        while let Some(part) = connections.join_next().await {
            let part = part.context("a connection's task")??;
            total
                .latency
                .add(&part.latency)
                .context("histograms differ")?;
            total.successes += part.successes;
            total.failures += part.failures;
            total.first_failure = total.first_failure.or(part.first_failure);
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52 answers")]
        let successes = total.successes as f64;
        total.rate = successes / self.duration.as_secs_f64();
        Ok(total)
    }
}

async fn drive(load: Load, offset: usize, start: Instant, end: Instant) -> Result<Measured> {
    let mut stream = TcpStream::connect(load.address)
        .await
        .context("cannot connect")?;
    stream.set_nodelay(true).context("cannot set TCP_NODELAY")?;
    stream
        .write_all(&load.opening)
        .await
        .context("cannot send")?;
    let mut measured = Measured {
        rate: 0.0,
        latency: Histogram::new(3).context("no histogram")?,
        successes: 0,
        failures: 0,
        first_failure: None,
    };
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    let mut requests = load.requests.iter().cycle().skip(offset);
    loop {
        let request = requests.next().context("no requests to send")?;
        let sent = Instant::now();
        if sent >= end {
            return Ok(measured);
        }
        stream.write_all(request).await.context("cannot send")?;
        let parsed = loop {
            if let Some(parsed) = (load.parser)(&buffer) {
                break parsed;
            }
            if stream
                .read_buf(&mut buffer)
                .await
                .context("cannot receive")?
                == 0
            {
                anyhow::bail!("the server closed the connection");
            }
        };
        if !parsed.success {
            measured.failures += 1;
            if measured.first_failure.is_none() {
                let text = buffer.get(..parsed.length).unwrap_or_default();
                measured.first_failure = Some(String::from_utf8_lossy(text).into_owned());
            }
        } else if sent >= start {
            measured.successes += 1;
            let nanoseconds = u64::try_from(sent.elapsed().as_nanos()).unwrap_or(u64::MAX);
            measured
                .latency
                .record(nanoseconds)
                .context("a latency out of range")?;
        }
        buffer.advance(parsed.length);
    }
}
