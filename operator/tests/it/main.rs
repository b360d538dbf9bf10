//! The controllers against an API server and a database that live in memory.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may stop at what it did not expect"
)]

mod fake_api;
mod fake_database;
mod scenarios;
