//! The client's side: one port, DynamoDB JSON over HTTP behind a door for the native protocol.
//!
//! The way of a request: connection limit (`kit`) → [`door`] → [`http`]: target, body, signature,
//! limit of requests in flight → [`crate::operations`], which authorises before it looks anything up.

mod door;
mod http;

pub(crate) use self::door::is_http;
pub(crate) use self::http::{Access, Session};
