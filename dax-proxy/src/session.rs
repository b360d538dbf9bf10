//! The client's side: one port for DynamoDB JSON over HTTP and for the native DAX protocol.
//!
//! The way of a request: connection limit (`kit`) → [`door`] → [`http`] or [`native`]: operation, body, signature, limit
//! of requests in flight → [`crate::operations`], which authorises before it looks anything up.

mod door;
mod http;
mod native;

pub(crate) use self::door::{Protocol, protocol, unseal};
pub(crate) use self::http::{Access, FOLLOWERS_MAX, Session};
pub(crate) use self::native::NativeSession;
