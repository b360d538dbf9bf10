//! Reading and rewriting request and answer bodies without understanding more of them than needed.
//!
//! The proxy stands in front of any DynamoDB endpoint, so what it does not know must reach the store as
//! it came: bodies are cut into their top-level members, the few that matter are read or replaced, and
//! the rest is carried over byte for byte.

mod capacity;
mod item;
mod members;
mod normal;

pub(crate) use self::capacity::{CapacityMode, ReadCapacity};
pub(crate) use self::item::{item_json, parse_item, parse_item_bytes};
pub(crate) use self::members::{Members, MembersError, ObjectWriter, array, write_string};
pub(crate) use self::normal::normalised;
