//! A node of a replicated DynamoDB-compatible database.

pub mod engine;
pub mod hlc;
pub mod replication;
pub mod rpc;
