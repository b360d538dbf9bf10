//! What DynamoDB is: pure types and rules, with no tokio, files or clock.
//!
//! Everything here is a function of its arguments, and of the [`wording`] that a process chooses
//! once. Bytes from the network come in through
//! [`operations`] and are checked there; no input panics.

pub mod admin;
pub mod capacity;
pub mod error;
pub mod expression;
pub mod fuzzing;
pub mod json;
pub mod key;
pub mod limits;
pub mod memcomparable;
pub mod number;
pub mod operations;
pub mod partiql;
pub mod table;
pub mod value;
pub mod wording;

pub use error::{ApiError, ErrorCode, ValidationScope};
pub use key::{KeyAttribute, KeySchema, PrimaryKey, ScalarType};
pub use number::{Number, NumberError};
pub use operations::Operation;
pub use value::{AttributeValue, Item, item_size_bytes};
