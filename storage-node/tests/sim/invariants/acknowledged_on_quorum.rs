//! Invariant 1: an acknowledged write is on a quorum of disks.
//!
//! Source: the design, section 6, invariant 1; Ongaro, "Consensus: Bridging Theory and Practice", section 3.6.2.
//!
//! Checked at the moment of each acknowledgement, on copies of the disks as a crash that loses everything unsynced would
//! leave them. No stronger form is true: a follower outside the quorum may lack the entry for ever so long, and the
//! leader's own disk need not be in the quorum.
//!
//! Seen failing with its bug put in: `Bug::LyingDisks`, in `scenario::disks_that_lie_are_caught`.

use stator_storage_node::replication::inspect_log;

use crate::counter::GROUP;
use crate::world::World;

/// Counts the disks that hold the entry of `log_index` that the leader of `term` wrote.
pub(crate) fn check(world: &World, term: u64, log_index: u64) {
    let holds = |disk: &stator_storage_node::replication::LossyDirectory| {
        let Ok(groups) = inspect_log(&disk.durable_copy()) else {
            return false;
        };
        let last = groups.get(&GROUP).and_then(|extent| extent.last);
        // A log that ends in a later term holds all that was committed before that term began.
        last.is_some_and(|(last_term, last_index)| {
            last_term > term || (last_term == term && last_index >= log_index)
        })
    };
    let disks = world
        .machines
        .values()
        .filter(|machine| holds(&machine.disk))
        .count();
    let quorum = world.machines.len() / 2 + 1;
    if disks < quorum {
        world.violation(format!(
            "invariant 1: entry {log_index} of term {term} was acknowledged from {disks} disks"
        ));
    }
}
