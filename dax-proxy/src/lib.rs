//! A DAX-compatible cache in front of any DynamoDB endpoint.
//!
//! `session` speaks with clients, `operations` decides, [`cache`] holds, `upstream` speaks with the
//! store, `wire` cuts bodies, `native` translates the native protocol to and from them. The promise about what a hit may
//! show is written in [`cache`]; [`cluster`] keeps it over several nodes, and `sidecar` tells what a cache in a pod keeps
//! of it.

mod answer;
mod attribute_lists;
pub mod cache;
pub mod cluster;
mod coherence;
pub mod config;
pub mod fuzzing;
mod hits_until;
pub mod identity;
mod message;
mod metrics;
mod native;
mod node;
mod operations;
pub mod run;
mod session;
mod sidecar;
mod upstream;
mod wire;
