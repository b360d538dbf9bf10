//! Who this node is, and when a cluster may begin.
//!
//! The identity of a node lies on its volume and nowhere else, so that a volume that was lost, or
//! mounted under another name, is noticed before it can do harm. The rules (design, "Identity";
//! ADR 0013):
//!
//! 1. A cluster begins only when every listed peer reports an empty volume.
//! 2. The first name in order mints the cluster id and the founding plan, records both, hands them
//!    to every peer, and records completion when each has stored them.
//! 3. An empty volume under a name that an existing cluster knows does not vote and says why.

pub mod bootstrap;
pub mod volume;

pub use bootstrap::{Bootstrap, BootstrapError, Outcome};
pub use volume::{Founding, FoundingNode, IdentityError, VolumeIdentity};
