//! HTTP/1.1, both sides: the server loop the API ports run on, and a pooled client.
//!
//! The server is on the database's hot path. It adds to bare hyper one atomic load per poll and two
//! atomic stores per request; timers are per server, not per request. Every limit is a field of
//! [`ServerOptions`].

mod body;
mod connection;
mod server;

pub use body::{BodyError, read_body};
pub use server::{HttpServer, ServerMetrics, ServerOptions, serve};
