//! What the figures depend on: the machine, its fsync; and the cost of tables.

use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::time::Instant;

use crate::servers::{Servers, table};

/// Tables made for the figures per table.
const TABLES: usize = 500;

/// Starts on an empty volume for the time of a start.
pub(crate) const STARTS: usize = 5;

/// Cost of a node and of its tables.
pub(crate) struct Tables {
    pub(crate) start_ms: f64,
    pub(crate) count: usize,
    pub(crate) create_ms: f64,
    pub(crate) before_mib: f64,
    pub(crate) after_mib: f64,
}

impl Tables {
    pub(crate) fn kib_per_table(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let count = self.count as f64;
        (self.after_mib - self.before_mib) * 1024.0 / count
    }
}

/// Starts nodes, makes tables one after another on one of them and looks at its memory before and after.
pub(crate) async fn tables(servers: &Servers) -> Result<Tables> {
    let mut starts = Vec::with_capacity(STARTS);
    let mut fresh = None;
    for _ in 0..STARTS {
        let start = Instant::now();
        fresh = Some(servers.fresh_node().await?);
        starts.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    starts.sort_by(f64::total_cmp);
    let endpoint = fresh.context("no node was started")?;
    let client = endpoint.client();
    let before_mib = endpoint.resident_mib()?;
    let mut times = Vec::with_capacity(TABLES);
    for number in 0..TABLES {
        let name = format!("table-{number:05}");
        let start = Instant::now();
        client
            .call_until_ok("CreateTable", &table(&name), Duration::from_secs(10))
            .await?;
        loop {
            let describe = json!({"TableName": name});
            let answer = client
                .call_until_ok("DescribeTable", &describe, Duration::from_secs(10))
                .await?;
            if answer["Table"]["TableStatus"] == "ACTIVE" {
                break;
            }
        }
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(Tables {
        start_ms: starts.get(STARTS / 2).copied().unwrap_or(0.0),
        count: TABLES,
        create_ms: times.get(TABLES / 2).copied().unwrap_or(0.0),
        before_mib,
        after_mib: endpoint.resident_mib()?,
    })
}

/// Median time of a 4 KB write and fdatasync into a preallocated file.
pub(crate) fn fsync_time(folder: &Path) -> Result<Duration> {
    let mut file = std::fs::File::create(folder.join("fsync")).context("cannot make a file")?;
    file.write_all(&vec![0; 1 << 20])
        .context("cannot preallocate")?;
    file.sync_all().context("cannot sync")?;
    let mut times = Vec::new();
    for round in 0..200_u64 {
        file.seek(std::io::SeekFrom::Start(round * 4096))
            .context("cannot seek")?;
        let start = Instant::now();
        file.write_all(&[1; 4096]).context("cannot write")?;
        file.sync_data().context("cannot sync")?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

/// Processors, memory and kernel.
pub(crate) fn describe() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        text.lines()
            .find(|line| line.starts_with(name))
            .and_then(|line| line.split_once(':'))
            .map_or_else(
                || "unknown".to_owned(),
                |(_, value)| value.trim().to_owned(),
            )
    };
    format!(
        "{} processors ({}), {} memory, Linux {}",
        std::thread::available_parallelism().map_or(0, usize::from),
        field(&read("/proc/cpuinfo"), "model name"),
        field(&read("/proc/meminfo"), "MemTotal"),
        read("/proc/sys/kernel/osrelease").trim(),
    )
}

/// The value of a counter in a metrics page, summed over its labels; its name may have a prefix.
pub(crate) fn counter(text: &str, name: &str) -> Option<u64> {
    let mut found = None;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ')?;
        let series = series.split('{').next()?;
        if series.ends_with(name) {
            found = Some(found.unwrap_or(0) + value.parse::<u64>().ok()?);
        }
    }
    found
}
