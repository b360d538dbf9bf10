//! A DAX-compatible cache in front of any DynamoDB endpoint.

pub mod cache;
