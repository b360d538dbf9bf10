//! What replica groups cost when nobody writes: memory, processor time and tasks of 100, 1,000 and 10,000 of them.
//!
//! ```sh
//! cargo run --release -p stator-storage-node --example many_groups
//! ```
//!
//! prints the table of ADR 0014. Each row is a process of its own, so that none inherits another's memory. A row with
//! three replicas holds three nodes in the one process, which call each other without a network; its figures are
//! divided by three, so that every row speaks of one node. `--groups N --replicas R` measures one row.

#![expect(clippy::print_stdout, reason = "a command-line tool")]

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use clap::Parser;
use futures::future::BoxFuture;
use stator_kit::clock::SystemWallClock;
use stator_kit::task::TaskOwner;
use stator_storage_node::engine::{EngineError, EngineSnapshot, Keyspace, MemoryEngine};
use stator_storage_node::replication::{
    DiskDirectory, Execution, GroupConfig, GroupData, GroupId, NodeId, OwnedRange, Replication,
    ReplicationMetrics, ReplicationOptions, Timing,
};
use stator_storage_node::rpc::{Service, Transport, TransportError};
use tokio::time::Instant;

/// How long groups may take to find their leaders before the row is called unusable.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);
/// The rows of the table, for one and for three replicas.
const SIZES: [u32; 3] = [100, 1_000, 10_000];

#[derive(Parser)]
struct Options {
    /// Groups; without it every row is measured, each in a process of its own.
    #[arg(long)]
    groups: Option<u32>,
    /// Nodes in the process: 1 or 3.
    #[arg(long, default_value_t = 1)]
    replicas: u64,
    /// Seconds of idleness that are measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let Some(groups) = options.groups else {
        return all_rows(&options);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    println!("{}", runtime.block_on(row(groups, &options))?);
    Ok(())
}

fn all_rows(options: &Options) -> Result<()> {
    println!(
        "| groups | replicas | resident MiB | KiB a group | leaders after | processor, idle | tasks |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for replicas in [1, 3] {
        for groups in SIZES {
            let row = Command::new(std::env::current_exe().context("no path of its own")?)
                .args(["--groups", &groups.to_string()])
                .args(["--replicas", &replicas.to_string()])
                .args(["--seconds", &options.seconds.to_string()])
                .output()
                .context("cannot start a row")?;
            ensure!(
                row.status.success(),
                "the row of {groups} groups failed: {}",
                String::from_utf8_lossy(&row.stderr)
            );
            print!("{}", String::from_utf8_lossy(&row.stdout));
        }
    }
    Ok(())
}

/// One row of the table.
async fn row(groups: u32, options: &Options) -> Result<String> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let before = Usage::now()?;
    let owner = TaskOwner::new("groups");
    let started = Instant::now();
    let nodes = start(groups, options.replicas, folder.path(), &owner).await?;
    let settled = settle(&nodes, groups).await;
    let took = started.elapsed();
    let idle = Usage::now()?;
    tokio::time::sleep(Duration::from_secs(options.seconds)).await;
    let after = Usage::now()?;
    let tasks = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (nodes_count, groups_count, seconds, tasks) = (
        options.replicas as f64,
        f64::from(groups),
        options.seconds as f64,
        tasks as f64,
    );
    let memory = (after.resident_mib - before.resident_mib) / nodes_count;
    let leaders = if settled == groups {
        format!("{:.1} s", took.as_secs_f64())
    } else {
        format!("never: {settled} of {groups} after {} s", took.as_secs())
    };
    Ok(format!(
        "| {groups} | {} | {memory:.0} | {:.0} | {leaders} | {:.1} % of one | {:.0} |",
        options.replicas,
        memory * 1024.0 / groups_count,
        (after.processor_seconds - idle.processor_seconds) / seconds / nodes_count * 100.0,
        tasks / nodes_count,
    ))
}

/// The nodes of the process, with every group on each of them.
async fn start(
    groups: u32,
    replicas: u64,
    folder: &Path,
    owner: &TaskOwner,
) -> Result<Vec<Replication>> {
    let others = Arc::new(OnceLock::new());
    let voters: Vec<NodeId> = (1..=replicas).map(NodeId).collect();
    let mut nodes = BTreeMap::new();
    for node in &voters {
        let log = folder.join(format!("log-{node}"));
        std::fs::create_dir(&log).context("cannot make the log's folder")?;
        let started = Replication::start(ReplicationOptions {
            node_id: *node,
            groups: (1..=groups)
                .map(|id| GroupConfig {
                    id: GroupId(id),
                    voters: voters.clone(),
                    learners: Vec::new(),
                })
                .collect(),
            engine: Arc::new(MemoryEngine::new()),
            data: Arc::new(NoItems),
            log: Arc::new(DiskDirectory::open(&log).context("cannot open the log's folder")?),
            transport: Arc::new(InProcess {
                nodes: Arc::clone(&others),
                owner: owner.clone(),
            }),
            clock: Arc::new(SystemWallClock),
            seed: node.0,
            owner: owner.clone(),
            metrics: ReplicationMetrics::default(),
            timing: Timing::default(),
            execution: Execution::Threads,
        });
        nodes.insert(*node, started.await.context("replication does not start")?);
    }
    ensure!(others.set(nodes.clone()).is_ok(), "started twice");
    for id in 1..=groups {
        // One of the members begins a group; its first election follows from that.
        let member = nodes
            .values()
            .nth(usize::try_from(id).unwrap_or(0) % nodes.len())
            .context("no nodes")?;
        member
            .initialize_group(GroupId(id))
            .await
            .context("a group does not begin")?;
    }
    Ok(nodes.into_values().collect())
}

/// Waits until every group has a leader that may evaluate; how many have.
async fn settle(nodes: &[Replication], groups: u32) -> u32 {
    let deadline = Instant::now() + SETTLE_LIMIT;
    loop {
        let led = (1..=groups)
            .filter(|id| {
                nodes.iter().any(|node| {
                    let group = node.group(GroupId(*id));
                    group.is_some_and(|group| group.leadership().is_some())
                })
            })
            .count();
        let led = u32::try_from(led).unwrap_or(groups);
        if led == groups || Instant::now() > deadline {
            return led;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Groups without data: only their logs, votes and timers are of interest.
struct NoItems;

impl GroupData for NoItems {
    fn ranges(&self, _: &dyn EngineSnapshot, _: GroupId) -> Result<Vec<OwnedRange>, EngineError> {
        Ok(vec![(
            Keyspace::Items,
            Bound::Unbounded,
            Bound::Excluded(Vec::new()),
        )])
    }
}

/// Calls between nodes of one process: messages are encoded and decoded as ever, only sockets are missing.
struct InProcess {
    nodes: Arc<OnceLock<BTreeMap<NodeId, Replication>>>,
    owner: TaskOwner,
}

impl Transport for InProcess {
    fn call(
        &self,
        to: NodeId,
        _: Service,
        payload: Bytes,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let node = self.nodes.get().and_then(|nodes| nodes.get(&to).cloned());
        let owner = self.owner.clone();
        Box::pin(async move {
            let Some(node) = node else {
                let reason = "not started".to_owned();
                return Err(TransportError::NotSent { to, reason });
            };
            let lost = |reason: &str| TransportError::Lost {
                to,
                reason: reason.to_owned(),
            };
            let answer = owner.spawn_with_result("call", async move {
                node.handle_rpc(payload).await.map_err(|e| e.to_string())
            });
            match tokio::time::timeout_at(deadline, answer).await {
                Ok(Ok(answer)) => answer.map_err(|reason| lost(&reason)),
                Ok(Err(_)) => Err(lost("ended")),
                Err(_) => Err(lost("deadline")),
            }
        })
    }
}

/// What the process has used so far.
struct Usage {
    resident_mib: f64,
    processor_seconds: f64,
}

impl Usage {
    /// Reads `/proc`.
    fn now() -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status").context("no /proc")?;
        let resident_kib: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.split_whitespace().next())
            .and_then(|kib| kib.parse().ok())
            .context("no VmRSS")?;
        let stat = std::fs::read_to_string("/proc/self/stat").context("no /proc")?;
        let fields = stat.rsplit_once(')').context("a bad stat")?.1;
        // The 14th and 15th field, in hundredths of a second; two are before the closing bracket.
        let ticks: f64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        Ok(Self {
            resident_mib: resident_kib / 1024.0,
            processor_seconds: ticks / 100.0,
        })
    }
}
