//! The storage node as its users see it: real processes, real sockets, real fsync.
//!
//! One binary for all of it. Every test starts its own processes on ports of its own and waits for
//! conditions, never for time.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails where it stands"
)]

mod api;
mod cluster;
mod fixture;
mod harness;
mod noise;
mod removal;
mod restart;
mod streams;
mod tls;
mod transactions;
