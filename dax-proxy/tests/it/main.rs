//! The whole proxy over real sockets, in front of a store that the test holds in its hand.
//!
//! The store is a fake, because these tests are about moments that a real one does not stop at: a read
//! that has been answered and is held on the wire while a write passes it, a reply that is lost after
//! the write was done. What a real store says is tested with a real store, in the workspace's `tests`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that meets something unexpected is to end there and show it"
)]

mod access;
mod bad_input;
mod batches;
mod client;
mod cluster;
mod fake_store;
mod items;
mod lifecycle;
mod overload;
mod policy;
mod process;
mod queries;
mod races;
mod sidecar;
mod statements;
mod tables;
mod tls;
mod transactions;
mod updates;
