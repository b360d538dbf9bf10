//! Invariant 4: a follower's state equals the leader's at the same log index, byte for byte.
//!
//! Source: the design, section 6, invariant 4; Schneider, "Implementing fault-tolerant services using the state machine
//! approach", 1990.
//!
//! Compared are digests of all rows that a group replicates, by log index, between all nodes and also between a node
//! before and after a crash. No stronger form is true: nodes reach an index at different times, and entries applied in
//! one batch have no state of their own in between, so not every index is compared.
//!
//! Seen failing with its bug put in: `Bug::ForgetfulEngine`, in `scenario::a_replica_that_differs_is_caught`.

use std::collections::BTreeMap;
use std::ops::Bound;

use stator_storage_node::engine::{Direction, Engine, Keyspace};
use stator_storage_node::replication::NodeId;

use crate::world::World;

/// The digest at each log index, and who told it first.
#[derive(Default)]
pub(crate) struct Digests {
    by_index: BTreeMap<u64, (u64, NodeId)>,
    pub(crate) compared: u64,
}

/// Every so many indexes are compared: the digest reads all rows.
const EVERY: u64 = 3;

/// The tag of the row that marks an install, the only row of a group that is a node's own.
const INSTALLING_TAG: u8 = 4;

/// Compares the state of `node` at `index` with what others had there.
pub(crate) fn check(world: &World, node: NodeId, index: u64, engine: &dyn Engine) {
    if index == 0 || !index.is_multiple_of(EVERY) {
        return;
    }
    let view = engine.snapshot();
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for keyspace in Keyspace::ALL {
        let rows = view.scan(
            keyspace,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
        );
        for row in rows {
            let (key, value) = row.unwrap();
            if keyspace == Keyspace::System && key.get(5) == Some(&INSTALLING_TAG) {
                continue;
            }
            hasher.update(&[keyspace.code()]);
            hasher.update(&(key.len() as u64).to_be_bytes());
            hasher.update(&key);
            hasher.update(&(value.len() as u64).to_be_bytes());
            hasher.update(&value);
        }
    }
    let digest = hasher.digest();
    let mut digests = world.digests.lock();
    let (first, by) = *digests.by_index.entry(index).or_insert((digest, node));
    if by != node {
        digests.compared += 1;
    }
    if first != digest {
        world.violation(format!(
            "invariant 4: nodes {by} and {node} differ at log index {index}"
        ));
    }
}
