//! The DynamoDB API over HTTP: what a stock SDK speaks to.
//!
//! [`service`] is the way of every request (target, signature, dispatch, envelope); each operation
//! has a file of its own that parses, authorises, validates and runs it. [`admin`] is the admin API.

pub mod admin;
pub mod service;

mod consumed;
mod item_collection;
mod metrics;
mod partiql;
mod read_source;
mod request;
mod resource;
mod respond;
mod write;

mod batch_execute_statement;
mod batch_get_item;
mod batch_write_item;
mod continuous_backups;
mod contributor_insights;
mod create_table;
mod delete_item;
mod delete_table;
mod describe_limits;
mod describe_stream;
mod describe_table;
mod describe_time_to_live;
mod execute_statement;
mod execute_transaction;
mod get_item;
mod get_records;
mod get_shard_iterator;
mod list_streams;
mod list_tables;
mod put_item;
mod query;
mod resource_policy;
mod scan;
mod shard_iterator;
mod streams;
mod tags;
mod transact_capacity;
mod transact_get_items;
mod transact_write_items;
mod update_item;
mod update_table;
mod update_time_to_live;

pub use service::{Access, Api, ApiMetrics};
