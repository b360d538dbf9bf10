//! Requests that are almost right, for `cargo xtask fuzz-requests`.
//!
//! Each request is one of [`templates`], changed at a few places by [`mutation`]: values of the wrong type, names that
//! are missing or foreign, broken expressions, long and deep things, and at times broken bytes. A node may answer it or
//! refuse it; it may not fail (5xx), hang, or end.

pub mod mutation;
pub mod templates;
