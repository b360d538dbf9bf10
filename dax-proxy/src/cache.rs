//! The item cache and the query cache.
//!
//! # What is promised
//!
//! **Invariant 6.** An item-cache hit is never older than the last write that was acknowledged through
//! this cache. Query-cache entries are as old as they are: they live to their TTL, and writes do not
//! touch them (DynamoDB semantics, section 29).
//!
//! It holds because of five rules. They are pure code, in [`fences`], and everything else here only
//! carries them out:
//!
//! 1. *A write is fenced before it is sent and until its outcome is known.* A fill that overlaps it in
//!    time at any point is answered to its callers but never stored, since nobody can say whether it
//!    read the item before or after the write.
//! 2. *Readers do not join a fill across a write.* The begin and the end of a write both close the door
//!    of the fill in flight; a reader that comes later starts another.
//! 3. *Of overlapping writes on one key none is stored.* Replies may be swapped on the way, so the one
//!    that is answered last need not be the one that was committed last. The key is dropped.
//! 4. *An unknown outcome drops the key.* A timed-out write may have happened, and what was there before
//!    must not outlive it. A write that the store refused did not happen, and leaves what is there.
//! 5. *The cache changes before the writer is answered*, and in one critical section with the decision.
//!
//! Fills read consistently (`--fill-consistency=strong`), so that a fill which begins after an
//! acknowledged write sees it. With `eventual` a fill may read a replica that lags, and invariant 6
//! weakens to: a hit is never older than what the store itself answered to an eventually consistent
//! read, for at most one TTL.
//!
//! What is not promised: a write that goes past this cache (to the store directly, by TTL, by a global
//! table) is seen when the entry ends. A write whose outcome stayed unknown may land after its key was
//! dropped and filled again; it was never acknowledged.
//!
//! # Concurrency
//!
//! A hit takes no lock of ours. Fences and fills in flight live in [`item_cache`]'s own shards and not in
//! the store, so that eviction cannot drop them; their number is bounded by the number of requests in
//! flight. Time is a parameter everywhere.

pub mod entry;
pub mod fences;
pub mod generations;
pub mod item_cache;
pub mod key;
pub mod query_cache;
pub mod store;

#[cfg(test)]
mod model_test;

pub use self::entry::CachedItem;
pub use self::generations::{Generations, TableHandle};
pub use self::item_cache::{FillStart, FillTicket, ItemCache, Observer, WriteOutcome, WriteTicket};
pub use self::key::{CacheKey, TableId};
pub use self::query_cache::{PageFillStart, PageTicket, QueryCache, QueryPage};
