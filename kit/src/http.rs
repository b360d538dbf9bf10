//! HTTP/1.1, both sides: the server loop the API ports run on, and a pooled client.
//!
//! The server is on the database's hot path. It adds to bare hyper one atomic load per poll and two
//! atomic stores per request; timers are per server, not per request. Every limit is a field of
//! [`ServerOptions`].

mod body;
mod client;
mod connection;
mod connector;
mod gzip;
mod response;
mod server;

pub use body::{BodyError, REQUEST_BYTES_MAX, read_body};
pub use client::{ClientError, ClientOptions, HttpClient};
pub use gzip::{GzipError, accepts_gzip, compress, decoded, decompress};
pub use response::{AMZ_JSON, CRC32_HEADER, REQUEST_ID_HEADER, RequestId, data_plane_response};
pub use server::{HttpServer, OverLimit, ServerMetrics, ServerOptions, serve};
