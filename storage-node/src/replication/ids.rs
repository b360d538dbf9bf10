//! The identifiers of replication. Different things have different types, so that they cannot be mixed up.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

id! {
    /// A replica group: one Raft group, the unit of placement. Group 0 is the meta group.
    GroupId(u32)
}
id! {
    /// A storage node in one incarnation. Bound to a name by the catalog, never reused.
    NodeId(u64)
}
id! {
    /// A partition of a table. Which group holds it is data in the catalog.
    PartitionId(u64)
}
id! {
    /// The identity of one client request, made once and kept through all its retries. 128 random bits.
    RequestId(u128)
}

impl GroupId {
    /// The group that holds the catalog.
    pub const META: Self = Self(0);
}
