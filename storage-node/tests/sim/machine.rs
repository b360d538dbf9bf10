//! A simulated machine: a disk and an engine that survive crashes as far as they were synced, and the node on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures::future::BoxFuture;
use stator_kit::clock::WallClock;
use stator_kit::task::TaskOwner;
use stator_storage_node::engine::{
    Direction, Engine, EngineError, EngineSnapshot, Keyspace, MemoryEngine, ScanIterator,
    WriteBatch,
};
use stator_storage_node::replication::{
    Execution, GroupConfig, Loss, LossyDirectory, NodeId, Replication, ReplicationMetrics,
    ReplicationOptions, Timing,
};
use stator_storage_node::rpc::{Service, Transport};
use tokio::time::Instant;

use crate::counter::{AllItems, Answer, Ask, Bug, CALL_TIMEOUT, Counters, GROUP};
use crate::invariants::{acknowledged_on_quorum, replicas_are_equal};
use crate::network::{Handler, SimTransport, listen, spawn};
use crate::world::World;

/// What one node keeps through crashes.
pub(crate) struct Machine {
    pub(crate) id: NodeId,
    pub(crate) disk: LossyDirectory,
    pub(crate) engine: Arc<MemoryEngine>,
    pub(crate) metrics: ReplicationMetrics,
    crashed: AtomicBool,
    leads: AtomicBool,
}

/// The wall clock of a simulated machine follows the simulated time.
pub(crate) struct SimClock;

impl WallClock for SimClock {
    fn now(&self) -> SystemTime {
        let since = turmoil::since_epoch().unwrap_or(Duration::from_secs(1));
        SystemTime::UNIX_EPOCH + since
    }
}

/// Short intervals and a short log, so that syncs, purges and snapshots all happen in seconds.
pub(crate) fn timing() -> Timing {
    Timing {
        heartbeat_interval: Duration::from_millis(50),
        election_timeout_min: Duration::from_millis(300),
        election_timeout_max: Duration::from_millis(600),
        persist_interval: Duration::from_millis(400),
        persist_entries: 16,
        kept_entries: 8,
        segment_size_bytes: 16 << 10,
    }
}

/// Starts the real replication code on a disk and an engine.
pub(crate) async fn start_node(
    id: NodeId,
    voters: Vec<NodeId>,
    disk: &LossyDirectory,
    engine: Arc<dyn Engine>,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn WallClock>,
    metrics: ReplicationMetrics,
) -> Result<(Replication, TaskOwner), String> {
    let owner = TaskOwner::new("node");
    let options = ReplicationOptions {
        node_id: id,
        groups: vec![GroupConfig {
            id: GROUP,
            voters,
            learners: Vec::new(),
        }],
        engine,
        data: Arc::new(AllItems),
        log: Arc::new(disk.clone()),
        transport,
        clock,
        seed: id.0,
        owner: owner.clone(),
        metrics,
        timing: timing(),
        execution: Execution::Simulated {
            sync_time: Duration::from_millis(1),
        },
    };
    let replication = Replication::start(options)
        .await
        .map_err(|error| error.to_string())?;
    replication
        .initialize_group(GROUP)
        .await
        .map_err(|error| error.to_string())?;
    Ok((replication, owner))
}

impl Machine {
    pub(crate) fn new(id: NodeId, bug: Bug) -> Self {
        let disk = LossyDirectory::new();
        if bug == Bug::LyingDisks {
            disk.lie_about_syncs();
        }
        Self {
            id,
            disk,
            engine: Arc::new(MemoryEngine::crashable()),
            metrics: ReplicationMetrics::default(),
            crashed: AtomicBool::new(false),
            leads: AtomicBool::new(false),
        }
    }

    /// Tells the machine that it will find its disk after a crash when it starts again.
    pub(crate) fn crash(&self) {
        self.crashed.store(true, Ordering::SeqCst);
        self.leads.store(false, Ordering::SeqCst);
    }

    pub(crate) fn leads(&self) -> bool {
        self.leads.load(Ordering::SeqCst)
    }

    fn lose_what_was_not_synced(&self, world: &World) {
        let losses = [Loss::All, Loss::TornLastWrite, Loss::Random, Loss::Nothing];
        let loss = losses[world.random() as usize % losses.len()];
        self.disk.crash(loss, &mut || world.random());
        let unpersisted = self.engine.unpersisted_batches() as u64;
        let surviving = match loss {
            Loss::All => 0,
            Loss::Nothing => unpersisted,
            Loss::TornLastWrite | Loss::Random => world.random() % (unpersisted + 1),
        };
        self.engine.crash(surviving as usize);
        world.trace(&format!(
            "node {} lost {loss:?}, engine kept {surviving}",
            self.id
        ));
    }

    /// The software of the node, from its start to its crash.
    pub(crate) async fn run(self: Arc<Self>, world: Arc<World>) -> turmoil::Result {
        if self.crashed.swap(false, Ordering::SeqCst) {
            self.lose_what_was_not_synced(&world);
        }
        let engine: Arc<dyn Engine> = match world.bug {
            Bug::ForgetfulEngine if self.id == NodeId(3) => Arc::new(ForgetfulEngine {
                inner: self.engine.clone(),
                writes: AtomicU64::new(0),
            }),
            _ => self.engine.clone(),
        };
        let (replication, _owner) = start_node(
            self.id,
            world.machines.keys().copied().collect(),
            &self.disk,
            engine.clone(),
            Arc::new(SimTransport),
            Arc::new(SimClock),
            self.metrics.clone(),
        )
        .await?;
        let group = replication.group(GROUP).unwrap();
        let acknowledged = {
            let world = world.clone();
            Arc::new(move |term, log_index| acknowledged_on_quorum::check(&world, term, log_index))
        };
        let counters = Counters::new(group.clone(), engine, world.bug, acknowledged);

        let (machine, observed, seen) = (self.clone(), group.clone(), world.clone());
        spawn(async move {
            let mut applied = observed.applied();
            loop {
                let index = *applied.borrow_and_update();
                machine
                    .leads
                    .store(observed.leadership().is_some(), Ordering::SeqCst);
                if machine.leads() && seen.transfer.swap(false, Ordering::SeqCst) {
                    let mut others = seen.machines.keys().filter(|other| **other != machine.id);
                    let to = *others.next_back().unwrap();
                    let asked = observed.transfer_leader(to).await;
                    seen.trace(&format!(
                        "node {} hands over to {to}: {asked:?}",
                        machine.id
                    ));
                }
                if observed.is_readable() {
                    replicas_are_equal::check(&seen, machine.id, index, &*machine.engine);
                }
                tokio::select! {
                    biased;
                    changed = applied.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(Duration::from_millis(20)) => {}
                }
            }
        });

        let handler: Handler = Arc::new(move |service, payload| {
            let (replication, counters, world) =
                (replication.clone(), counters.clone(), world.clone());
            Box::pin(async move {
                match service {
                    Service::Raft => replication.handle_rpc(payload).await.ok(),
                    _ => answer_client(counters, world, payload).await,
                }
            }) as BoxFuture<'static, Option<Bytes>>
        });
        Ok(listen(handler).await?)
    }
}

async fn answer_client(counters: Counters, world: Arc<World>, payload: Bytes) -> Option<Bytes> {
    let deadline = Instant::now() + CALL_TIMEOUT;
    let answer: Answer = counters.answer(Ask::decode(&payload), deadline).await;
    let drop_reply = world.random() as u8 >= 255 - *world.dropped_replies.lock();
    let dropping = *world.dropped_replies.lock() > 0;
    if dropping && drop_reply {
        world.trace("a reply is dropped");
        return None;
    }
    Some(answer.encode())
}

/// An engine that forgets every twentieth write of an item: the bug that invariant 4 has to find.
struct ForgetfulEngine {
    inner: Arc<MemoryEngine>,
    writes: AtomicU64,
}

impl Engine for ForgetfulEngine {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.inner.get(keyspace, key)
    }

    fn snapshot(&self) -> Box<dyn EngineSnapshot> {
        self.inner.snapshot()
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        lower: std::ops::Bound<&[u8]>,
        upper: std::ops::Bound<&[u8]>,
        direction: Direction,
    ) -> ScanIterator<'_> {
        self.inner.scan(keyspace, lower, upper, direction)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        let mut kept = WriteBatch::new();
        for write in batch.writes() {
            let items = write.keyspace == Keyspace::Items;
            if items && self.writes.fetch_add(1, Ordering::SeqCst) % 20 == 19 {
                continue;
            }
            match write.value.clone() {
                Some(value) => kept.put(write.keyspace, write.key.clone(), value),
                None => kept.delete(write.keyspace, write.key.clone()),
            }
        }
        self.inner.write(kept)
    }

    fn persist(&self) -> Result<(), EngineError> {
        self.inner.persist()
    }
}
