//! A cache in one pod, behind a cache cluster: it follows what writes do to the cluster's caches (0020).
//!
//! # What is promised
//!
//! Less than invariant 6, which is a promise of the cluster's own nodes: nobody waits for a sidecar. A hit is at most as old
//! as the last second: a sidecar serves hits for a second after it last heard from a node of the cluster that itself may
//! serve hits, and what it hears of is dropped before that second is counted. A key that the sidecar is writing itself may
//! be half a second older: until its own write has ended nobody can say whether that is the change it hears of. Writes
//! through the sidecar are seen by reads through it at once, as through any other cache.
//!
//! # How
//!
//! Every node keeps what happened to its item cache lately in a [`Feed`]; a [`Follower`] asks for what is new, over and over,
//! on the port for clients, and is answered as soon as there is something.
//!
//! A node tells of a change when its own cache changes. The other nodes change theirs within their lease, a second at most;
//! one of them may meanwhile answer the sidecar's read with what was there before. So everything is dropped twice: when it
//! is heard of, and once more when every node must have heard of it.
//!
//! What is told is not the item but a hash of it, so that a sidecar which holds that very item keeps it, and one whose key
//! may not read the table learns nothing of it.

mod feed;
mod follower;
mod message;

pub(crate) use self::feed::Feed;
pub(crate) use self::follower::Follower;
pub(crate) use self::message::{FOLLOW_PATH, Follow, Image, News};
