//! Deterministic simulation: three nodes of the real replication code over a simulated network, clock and disk.
//!
//! First a safety phase with faults (a cut leader, a crashed node, all nodes crashed, dropped replies), then faults off:
//! the group must heal, serve, and hold every acknowledged write. Each invariant has a file with its id and source.
//! A failing run prints its seed and how to run it again.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise"
)]

#[cfg(not(tokio_unstable))]
compile_error!(
    "the simulation needs --cfg tokio_unstable, which .cargo/config.toml sets; a RUSTFLAGS variable overrides it"
);

mod client;
mod counter;
mod crash_points;
mod invariants;
mod machine;
mod network;
mod scenario;
mod world;
