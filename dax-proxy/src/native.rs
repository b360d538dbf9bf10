//! The native DAX protocol as pure functions: bytes in, bytes out, no socket and no clock.
//!
//! One path, two codecs: a request is read and written again as DynamoDB JSON, goes the way of every request
//! ([`crate::operations`]), and the JSON of its answer is written in the native form. So what an operation means, what
//! is cached and who may ask is decided in one place.
//!
//! ```text
//! bytes ─ scan ─▶ Frame ─ request ─▶ Request ─ translate ─▶ JSON + Shape
//! bytes ◀─ answer ───────────────────────── Shape + JSON ◀─ operations
//! ```
//!
//! Two kinds of damage are told apart. A request whose CBOR items cannot be counted has no end, so that the connection
//! cannot go on ([`FrameError`]). A request that was framed and makes no sense is answered with an error, and the next
//! one is read.
//!
//! Why so: ADR 0017. "Protocol" with a section number, in comments here, is the description of the protocol that was made
//! from the published clients.

mod answer;
mod cbor;
mod expression;
mod key;
mod lex_decimal;
mod lists;
mod method;
mod number;
mod request;
mod scan;
mod value;

#[cfg(test)]
mod vectors_test;

pub(crate) use self::answer::{
    Encoded, Endpoint, Maps, Shape, encode_answer, encode_endpoints, encode_error, encode_failure,
    encode_key_schema, encode_list_id, encode_names, joined, next_part,
};
pub(crate) use self::lists::{AttributeList, AttributeLists, ListId};
pub(crate) use self::method::{AuthFailure, Method};
pub(crate) use self::request::{Authorization, DataRequest, Request, Translated};
pub(crate) use self::scan::{FrameError, Scanner, frame_header};
