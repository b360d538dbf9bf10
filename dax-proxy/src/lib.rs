//! A DAX-compatible cache in front of any DynamoDB endpoint.
//!
//! `session` speaks with clients, `operations` decides, [`cache`] holds, `upstream` speaks with the
//! store, `wire` cuts bodies. The promise about what a hit may show is written in [`cache`].

mod answer;
pub mod cache;
mod cluster;
pub mod config;
pub mod identity;
mod metrics;
mod operations;
pub mod run;
mod session;
mod upstream;
mod wire;
