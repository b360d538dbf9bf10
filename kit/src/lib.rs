//! What every Stator process needs: task ownership, clock and randomness seams, telemetry, the ops
//! port, TLS, `SigV4` (signing and verifying), access and the HTTP server and client.
//!
//! The crate depends on nothing of ours. It therefore knows no table, no item and no `DynamoDB`
//! error code: its error enums carry what the wire needs and the caller maps them.

pub mod access;
pub mod clock;
pub mod collections;
pub mod http;
pub mod ops;
pub mod rng;
pub mod shutdown;
pub mod sigv4;
pub mod task;
pub mod telemetry;
pub mod tls;
