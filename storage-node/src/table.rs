//! What a write does to an item, and how items lie in the engine: pure, no I/O, no clock.
//!
//! The leader of a replica group calls [`evaluate`] with a request and the current item *before*
//! the log, and gets a [`Mutation`] and the caller's result. Applying a log entry writes bytes and
//! evaluates nothing, so every replica holds the same bytes and versions may be mixed.

pub mod change_log;
pub mod changes;
pub mod codec;
mod codec_find;
pub mod codec_json;
pub mod evaluate;
pub mod expiry;
pub mod index;
pub mod index_check;
pub mod keys;
pub mod shards;
pub mod stored;

pub use changes::IndexUnits;
pub use evaluate::{Evaluated, Mutation, WriteAction, WriteOperation};
pub use index::IndexDefinition;
pub use index_check::ItemRules;
pub use stored::StoredItem;
