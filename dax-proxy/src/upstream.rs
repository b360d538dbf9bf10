//! The store behind the cache: any DynamoDB endpoint over HTTP or HTTPS.
//!
//! Every request is signed anew with the proxy's own key, as Amazon's cache does with its service role,
//! and carries a deadline. What the store answers (status, error code, body) goes to the caller
//! unchanged. A sidecar alone passes on what others have signed as they have signed it. Nothing is sent twice: a client's SDK repeats, and knows whether it may.

mod client;
mod tables;

pub(crate) use self::client::UpstreamStartError;
pub(crate) use self::client::{
    Answered, FollowError, Upstream, UpstreamError, UpstreamOptions, region_of,
};
pub(crate) use self::tables::{Described, Nodes, Table, TableError, Tables};
