//! A node of a replicated DynamoDB-compatible database.
//!
//! Layers, each knowing only the one below: [`api`] (HTTP, signatures, a file per operation) →
//! [`cluster`] (catalog, routing, latches, batches) → [`replication`] (Raft groups and their log) →
//! [`engine`] (keys and bytes). Beside them [`table`], pure: what a write does to an item.
//! [`identity`] says who this node is and when a cluster may begin; [`node`] puts one together.

pub mod config;
pub mod error;
pub mod hlc;

pub mod table;

pub mod throttle;

pub mod engine;
pub mod rpc;

pub mod replication;

pub mod cluster;

pub mod identity;

pub mod api;

pub mod node;
