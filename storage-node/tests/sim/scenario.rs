//! One simulation: clients at work, a cut leader, a crashed node, dropped replies, all nodes crashed, then peace.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use stator_storage_node::replication::{NodeId, seed_randomness_of_this_thread};

use crate::client::{Client, History, KEYS};
use crate::counter::{Ask, Bug};
use crate::invariants::linearizable;
use crate::machine::Machine;
use crate::network::host;
use crate::world::World;

const NODES: [NodeId; 3] = [NodeId(1), NodeId(2), NodeId(3)];
const CLIENTS: u64 = 4;
/// Seeds of the normal run. `STATOR_SIM_SEED=n` runs one seed, `STATOR_SIM_SEEDS=n` that many.
const SEEDS: u64 = 3;
/// When faults end, and when clients do.
const FAULTS_END: Duration = Duration::from_secs(12);
const CLIENTS_END: Duration = Duration::from_secs(14);

/// What a run has seen.
struct Report {
    trace: Vec<String>,
    violations: Vec<String>,
    increments: usize,
    compared: u64,
    snapshots: u64,
    purged: bool,
}

/// A fault of the schedule, at a time.
#[derive(Clone, Debug)]
enum Fault {
    CutLeader,
    Heal,
    CrashOne(usize),
    CrashAll,
    Restart,
    DropReplies(u8),
    TransferLeader,
}

fn schedule(random: &mut StdRng) -> Vec<(Duration, Fault)> {
    let mut jitter = |at: u64| Duration::from_millis(at + random.random_range(0..500));
    let mut faults = vec![
        (jitter(1000), Fault::DropReplies(60)),
        (jitter(1800), Fault::CutLeader),
        (jitter(4000), Fault::Heal),
        (jitter(4800), Fault::CrashOne(0)),
        // Away for long enough that the log it needs is purged: it comes back by snapshot.
        (jitter(8200), Fault::Restart),
        (jitter(8900), Fault::TransferLeader),
        (jitter(9500), Fault::CrashAll),
        (jitter(10_200), Fault::Restart),
        (FAULTS_END, Fault::DropReplies(0)),
    ];
    let victim = random.random_range(0..NODES.len());
    for (_, fault) in &mut faults {
        if let Fault::CrashOne(node) = fault {
            *node = victim;
        }
    }
    faults
}

fn run(seed: u64, bug: Bug) -> Report {
    seed_randomness_of_this_thread(seed);
    let mut random = StdRng::seed_from_u64(seed);
    let world = World::new(seed, bug, NODES.map(|node| Machine::new(node, bug)).into());
    let mut builder = turmoil::Builder::new();
    builder
        .rng_seed(seed)
        .enable_random_order()
        .epoch(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .simulation_duration(Duration::from_secs(120))
        .tick_duration(Duration::from_millis(2))
        .min_message_latency(Duration::from_millis(1))
        .max_message_latency(Duration::from_millis(8))
        .tcp_capacity(4096);
    let mut sim = builder.build();
    for machine in world.machines.values() {
        let (machine, world) = (machine.clone(), world.clone());
        sim.host(host(machine.id), move || machine.clone().run(world.clone()));
    }
    let history = Arc::new(Mutex::new(History::default()));
    for number in 0..CLIENTS {
        let client = Client {
            number,
            world: world.clone(),
            history: history.clone(),
            until: CLIENTS_END,
            favourite: NODES[0],
        };
        sim.client(format!("client-{number}"), async move {
            client.run().await;
            Ok(())
        });
    }
    let (checker, seen) = (world.clone(), history.clone());
    sim.client("checker", async move {
        tokio::time::sleep(CLIENTS_END + Duration::from_secs(2)).await;
        check_counts(checker, seen).await;
        Ok(())
    });

    let mut faults = schedule(&mut random).into_iter().peekable();
    loop {
        while let Some((_, fault)) = faults.next_if(|(at, _)| *at <= sim.elapsed()) {
            apply(&mut sim, &world, &fault);
        }
        match sim.step() {
            Ok(false) => {}
            Ok(true) => break,
            Err(error) => {
                world.violation(format!("the simulation ended: {error}"));
                break;
            }
        }
    }
    drop(sim);
    let history = history.lock();
    if let Err(violation) = linearizable::check(&history.operations) {
        world.violation(violation);
    }
    let machines = || world.machines.values();
    Report {
        trace: world.take_trace(),
        violations: world.violations(),
        increments: history
            .operations
            .iter()
            .filter(|operation| operation.write)
            .count(),
        compared: world.digests.lock().compared,
        snapshots: machines()
            .map(|machine| machine.metrics.snapshots_installed())
            .sum(),
        purged: machines().any(|machine| {
            let extent = stator_storage_node::replication::inspect_log(&machine.disk);
            extent.is_ok_and(|groups| groups.values().any(|group| group.purged.is_some()))
        }),
    }
}

fn apply(sim: &mut turmoil::Sim<'_>, world: &World, fault: &Fault) {
    world.trace(&format!("{fault:?}"));
    let others = |node: NodeId| NODES.into_iter().filter(move |other| *other != node);
    match fault {
        Fault::CutLeader => {
            // Clients still reach it: it must not answer them with what it alone believes.
            let leader = world.machines.values().find(|machine| machine.leads());
            let leader = leader.map_or(NODES[0], |machine| machine.id);
            for other in others(leader) {
                sim.partition(host(leader), host(other));
            }
        }
        Fault::Heal => {
            for node in NODES {
                for other in others(node) {
                    sim.repair(host(node), host(other));
                }
            }
        }
        Fault::CrashOne(victim) => crash(sim, world, NODES[*victim]),
        Fault::CrashAll => {
            for node in NODES {
                crash(sim, world, node);
            }
        }
        Fault::Restart => {
            for node in NODES {
                if !sim.is_host_running(host(node)) {
                    sim.bounce(host(node));
                }
            }
        }
        Fault::DropReplies(share) => *world.dropped_replies.lock() = *share,
        Fault::TransferLeader => world.transfer.store(true, Ordering::SeqCst),
    }
}

fn crash(sim: &mut turmoil::Sim<'_>, world: &World, node: NodeId) {
    if sim.is_host_running(host(node)) {
        world.machines[&node].crash();
        sim.crash(host(node));
    }
}

/// Increments are exact: every one was answered, so each counter is the number of increments asked for.
async fn check_counts(world: Arc<World>, history: Arc<Mutex<History>>) {
    let mut client = Client {
        number: CLIENTS,
        world: world.clone(),
        history: history.clone(),
        until: Duration::ZERO,
        favourite: NODES[0],
    };
    for key in 0..KEYS {
        let value = client.until_answered(Ask::Read(key)).await;
        let history = history.lock();
        let writes = history
            .operations
            .iter()
            .filter(|seen| seen.write && seen.key == key);
        let asked = writes.clone().count() as u64;
        let open = writes.filter(|seen| seen.returned.is_none()).count();
        if value != asked || open > 0 {
            world.violation(format!(
                "invariant 2: counter {key} is {value} after {asked} increments, {open} without answer"
            ));
        }
    }
}

fn seeds() -> Vec<u64> {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u64>().ok())
    };
    match (number("STATOR_SIM_SEED"), number("STATOR_SIM_SEEDS")) {
        (Some(seed), _) => vec![seed],
        (None, Some(count)) => (0..count).collect(),
        (None, None) => (0..SEEDS).collect(),
    }
}

#[test]
fn three_nodes_keep_their_promises_under_faults() {
    let (mut snapshots, mut compared) = (0, 0);
    for seed in seeds() {
        let report = run(seed, Bug::None);
        println!(
            "seed {seed}: {} increments, {} states compared, {} snapshots installed",
            report.increments, report.compared, report.snapshots
        );
        if !report.violations.is_empty() {
            for line in &report.trace {
                println!("{line}");
            }
            panic!(
                "seed {seed} broke:\n{}\nagain: STATOR_SIM_SEED={seed} cargo test -p stator-storage-node --test sim \
                 three_nodes -- --nocapture",
                report.violations.join("\n")
            );
        }
        assert!(
            report.increments > 100,
            "seed {seed}: only {} increments",
            report.increments
        );
        assert!(report.purged, "seed {seed}: no log was purged");
        snapshots += report.snapshots;
        compared += report.compared;
    }
    // The simulation is worth little if what it is for never happened.
    assert!(
        snapshots > 0 || seeds().len() == 1,
        "no node caught up by snapshot"
    );
    assert!(compared > 50, "only {compared} states were compared");
}

#[test]
fn one_seed_gives_one_trace() {
    let first = run(1, Bug::None).trace;
    let second = run(1, Bug::None).trace;
    for (line, (one, other)) in first.iter().zip(&second).enumerate() {
        assert_eq!(one, other, "line {line}");
    }
    assert_eq!(first.len(), second.len());
    assert!(first.len() > 100);
}

fn caught(bug: Bug, invariant: &str) {
    let found = (0..4).any(|seed| {
        let violations = run(seed, bug).violations;
        violations
            .iter()
            .any(|violation| violation.contains(invariant))
    });
    assert!(found, "{bug:?} was not caught");
}

#[test]
fn disks_that_lie_are_caught() {
    caught(Bug::LyingDisks, "invariant 1");
}

#[test]
fn a_read_without_a_majority_is_caught() {
    caught(Bug::ReadWithoutMajority, "invariant 2");
}

#[test]
fn a_retry_as_a_new_request_is_caught() {
    caught(Bug::RetryAsNewRequest, "invariant 2");
}

#[test]
fn a_replica_that_differs_is_caught() {
    caught(Bug::ForgetfulEngine, "invariant 4");
}
