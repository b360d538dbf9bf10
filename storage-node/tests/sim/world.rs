//! What the simulation as a whole sees: the machines, the trace, the violations.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use stator_storage_node::replication::NodeId;

use crate::counter::Bug;
use crate::invariants::replicas_are_equal::Digests;
use crate::machine::Machine;

/// Shared by all hosts of a simulation, which run on one thread.
pub(crate) struct World {
    pub(crate) bug: Bug,
    pub(crate) machines: BTreeMap<NodeId, Arc<Machine>>,
    pub(crate) digests: Mutex<Digests>,
    /// The share of replies to clients that are dropped, in 256ths.
    pub(crate) dropped_replies: Mutex<u8>,
    /// Set for the leader to hand the group over, once.
    pub(crate) transfer: AtomicBool,
    random: Mutex<StdRng>,
    trace: Mutex<Vec<String>>,
    violations: Mutex<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Bug, machines: Vec<Machine>) -> Arc<Self> {
        Arc::new(Self {
            bug,
            machines: machines
                .into_iter()
                .map(|machine| (machine.id, Arc::new(machine)))
                .collect(),
            digests: Mutex::default(),
            dropped_replies: Mutex::new(0),
            transfer: AtomicBool::new(false),
            random: Mutex::new(StdRng::seed_from_u64(seed)),
            trace: Mutex::default(),
            violations: Mutex::default(),
        })
    }

    pub(crate) fn random(&self) -> u64 {
        self.random.lock().next_u64()
    }

    /// Adds a line to the trace, which two runs of one seed have alike.
    pub(crate) fn trace(&self, line: &str) {
        let time = turmoil::sim_elapsed().unwrap_or_default().as_micros();
        self.trace.lock().push(format!("{time} {line}"));
    }

    pub(crate) fn take_trace(&self) -> Vec<String> {
        std::mem::take(&mut *self.trace.lock())
    }

    pub(crate) fn violation(&self, what: String) {
        self.violations.lock().push(what);
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.lock().clone()
    }
}
