//! The crash test: the power goes after every possible number of disk operations, with every kind of loss.
//!
//! One node, a quorum of one, so that each acknowledgement rests on this disk alone. The log is on the lossy disk and the
//! engine is set back to what it had persisted, plus a random part of what it had not. Every acknowledged increment must
//! be there, and none may count twice. The budget of operations walks over all points before and after each write, sync,
//! making of a segment, apply, persist and purge.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use stator_kit::clock::ManualWallClock;
use stator_storage_node::engine::{Engine, Keyspace, MemoryEngine};
use stator_storage_node::replication::{
    Loss, LossyDirectory, NodeId, ReplicationMetrics, RequestId, seed_randomness_of_this_thread,
};
use stator_storage_node::rpc::{Service, Transport, TransportError};
use tokio::time::Instant;

use crate::counter::{Answer, Ask, Bug, Counters, GROUP};
use crate::machine::start_node;

const KEY: u8 = 7;
/// Increments before the power goes at the latest, and after it is back.
const BEFORE: u128 = 60;
const AFTER: u128 = 3;

struct NoOthers;

impl Transport for NoOthers {
    fn call(
        &self,
        to: NodeId,
        _service: Service,
        _payload: Bytes,
        _deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        Box::pin(async move {
            Err(TransportError::NotSent {
                to,
                reason: "alone".to_owned(),
            })
        })
    }
}

/// One life of the node: increments under the requests `from..` until `to` or the power goes. Gives the number of the
/// first request without an acknowledgement. The runtime and all its tasks die with it.
fn live(
    disk: &LossyDirectory,
    engine: &Arc<MemoryEngine>,
    from: u128,
    to: u128,
) -> Result<u128, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let node = start_node(
            NodeId(1),
            vec![NodeId(1)],
            disk,
            engine.clone(),
            Arc::new(NoOthers),
            Arc::new(ManualWallClock::new(std::time::SystemTime::UNIX_EPOCH)),
            ReplicationMetrics::default(),
        );
        let (replication, _owner) = node.await?;
        let group = replication.group(GROUP).unwrap();
        let counters = Counters::new(
            group.clone(),
            engine.clone(),
            Bug::None,
            Arc::new(|_, _| ()),
        );
        for number in from..to {
            let deadline = Instant::now() + Duration::from_secs(10);
            loop {
                let ask = Ask::Increment(KEY, RequestId(number));
                match counters
                    .answer(ask, Instant::now() + Duration::from_secs(1))
                    .await
                {
                    Answer::Value(_) => break,
                    _ if disk.is_off() || group.status().storage_failed => return Ok(number),
                    _ if Instant::now() > deadline => {
                        return Err(format!("request {number} is never answered"));
                    }
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            // Time for the persisting and purging task, between increments of every phase of it.
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
        Ok(to)
    })
}

fn value(engine: &MemoryEngine) -> u128 {
    let row = engine.get(Keyspace::Items, &[KEY]).unwrap();
    row.map_or(0, |row| {
        u128::from(u64::from_be_bytes(row.as_ref().try_into().unwrap()))
    })
}

/// What a run met, to see that the budgets reach all kinds of points.
struct Outcome {
    acknowledged: u128,
    purged: bool,
}

fn crash_at(budget: u64, loss: Loss, lie: bool) -> Result<Outcome, String> {
    seed_randomness_of_this_thread(budget);
    let mut random = StdRng::seed_from_u64(budget);
    let disk = LossyDirectory::new();
    if lie {
        disk.lie_about_syncs();
    }
    let engine = Arc::new(MemoryEngine::crashable());
    disk.cut_power_after(budget);
    // The power may go before the node has started.
    let acknowledged = live(&disk, &engine, 0, BEFORE).unwrap_or(0);
    disk.crash(loss, &mut || random.next_u64());
    let unpersisted = engine.unpersisted_batches();
    engine.crash(match loss {
        Loss::All => 0,
        Loss::Nothing => unpersisted,
        _ => random.next_u64() as usize % (unpersisted + 1),
    });
    // The request without an answer is tried again under its id, as a router would.
    let total = acknowledged + AFTER;
    let reached = live(&disk, &engine, acknowledged, total)?;
    if reached != total || value(&engine) != total {
        return Err(format!(
            "{acknowledged} were acknowledged, then {AFTER}, but the counter is {}",
            value(&engine)
        ));
    }
    let extent = stator_storage_node::replication::inspect_log(&disk)
        .map_err(|error| error.to_string())?
        .get(&GROUP)
        .copied();
    let purged = extent.is_some_and(|extent| extent.purged.is_some());
    Ok(Outcome {
        acknowledged,
        purged,
    })
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_counts_twice_at_any_crash_point() {
    let (mut most, mut purged) = (0, false);
    // The kinds of loss that lose the most at every point, the others at some.
    let kinds = [
        (Loss::All, 1),
        (Loss::Random, 1),
        (Loss::TornLastWrite, 3),
        (Loss::Nothing, 5),
    ];
    for (loss, step) in kinds {
        for budget in (0..160).step_by(step) {
            match crash_at(budget, loss, false) {
                Ok(outcome) => {
                    most = most.max(outcome.acknowledged);
                    purged |= outcome.purged;
                }
                Err(error) => panic!("power cut after {budget} operations, {loss:?}: {error}"),
            }
        }
    }
    assert!(most >= 40, "the budgets reach only {most} increments");
    assert!(purged, "the budgets reach no purge");
}

/// The bug put in: a node that never syncs. The test above must see it, or it proves nothing.
#[test]
fn a_node_that_never_syncs_is_caught() {
    let caught = (10..160)
        .filter(|budget| crash_at(*budget, Loss::All, true).is_err())
        .count();
    assert!(caught > 50, "only {caught} of 150 crashes showed it");
}
