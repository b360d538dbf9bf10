//! Rows of the meta group, in `Keyspace::Catalog`.
//!
//! ```text
//! key                           row
//! 0x01                          ClusterRow     who this cluster is; written once, at bootstrap
//! 0x02                          CountersRow    catalog version, ids not yet used
//! 0x03 | node id 8              NodeRow
//! 0x04 | group id 4             GroupRow       replicas of a data group
//! 0x05 | table name             TableRow       a table and its partitions
//! 0x06 | storage id 8           DroppedRow     a table whose data is still being removed
//! ```
//! Numbers in keys are big endian. A row is a format version byte and postcard; a newer version is
//! refused, an older one is read and takes the values that the older release gave to what it lacks
//! (`older.rs`). Every change of the catalog is one log entry that also raises
//! `CountersRow::version`. What only indexes, streams and settings need is in `table_parts.rs`.

mod older;
mod table_parts;

use std::collections::BTreeMap;

use std::cmp::Ordering;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::table_parts::{
    GlobalIndexRow, IndexBillingRow, IndexStatusRow, InsightsRow, LocalIndexRow, ProjectionRow,
    ReadersRow, SettingsRow, SseRow, StreamReaderRow, StreamRow, StreamViewRow, TtlRow, WarmRow,
};

const CLUSTER: u8 = 0x01;
const COUNTERS: u8 = 0x02;
const NODE: u8 = 0x03;
const GROUP: u8 = 0x04;
const TABLE: u8 = 0x05;
const DROPPED: u8 = 0x06;

/// A row that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RowError {
    /// Written by a newer release.
    #[error("{kind} row has format version {found}, newer than {known}")]
    NewerVersion {
        /// What kind of row.
        kind: &'static str,
        /// The version found.
        found: u8,
        /// The newest version known.
        known: u8,
    },
    /// Not what this release writes.
    #[error("{kind} row is corrupt")]
    Corrupt {
        /// What kind of row.
        kind: &'static str,
    },
}

/// A kind of row: its name in errors.
pub trait Row: Serialize + DeserializeOwned {
    /// Name of the kind.
    const KIND: &'static str;

    /// Newest format version of this kind, and the one written.
    const VERSION: u8 = 1;

    /// Reads the body of an older format version; `None` if that version is not known or the bytes
    /// are no such row.
    fn decode_older(_version: u8, _body: &[u8]) -> Option<Self> {
        None
    }

    /// The row as stored.
    fn encode(&self) -> Bytes {
        encode_versioned(self, Self::VERSION)
    }

    /// Reads a stored row.
    ///
    /// # Errors
    /// A newer format version, or bytes that are no such row.
    fn decode(bytes: &[u8]) -> Result<Self, RowError> {
        let (&version, body) = bytes
            .split_first()
            .ok_or(RowError::Corrupt { kind: Self::KIND })?;
        let corrupt = RowError::Corrupt { kind: Self::KIND };
        match version.cmp(&Self::VERSION) {
            Ordering::Greater => Err(RowError::NewerVersion {
                kind: Self::KIND,
                found: version,
                known: Self::VERSION,
            }),
            Ordering::Equal => postcard::from_bytes(body).map_err(|_| corrupt),
            Ordering::Less => Self::decode_older(version, body).ok_or(corrupt),
        }
    }
}

fn encode_versioned<T: Serialize>(row: &T, version: u8) -> Bytes {
    let encoded = postcard::to_extend(row, vec![version]);
    assert!(
        encoded.is_ok(),
        "rows hold only types that postcard can write"
    );
    Bytes::from(encoded.unwrap_or_default())
}

macro_rules! rows {
    ($($name:ident = $kind:literal),*) => { $(impl Row for $name { const KIND: &'static str = $kind; })* };
}
rows!(
    ClusterRow = "cluster",
    CountersRow = "counters",
    NodeRow = "node",
    GroupRow = "group"
);

impl Row for TableRow {
    const KIND: &'static str = "table";
    const VERSION: u8 = 2;

    fn decode_older(version: u8, body: &[u8]) -> Option<Self> {
        older::table(version, body)
    }
}

impl Row for DroppedRow {
    const KIND: &'static str = "dropped table";
    const VERSION: u8 = 2;

    fn decode_older(version: u8, body: &[u8]) -> Option<Self> {
        older::dropped(version, body)
    }
}

impl Row for PartitionStateRow {
    const KIND: &'static str = "partition";
    const VERSION: u8 = 2;

    fn decode_older(version: u8, body: &[u8]) -> Option<Self> {
        older::partition(version, body)
    }
}

/// Who this cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRow {
    /// Minted at bootstrap, also on every volume.
    pub cluster_id: u128,
    /// Region in ARNs and in the scope of signatures.
    pub region: String,
    /// Twelve digits.
    pub account_id: String,
    /// When the cluster was made, milliseconds since 1970.
    pub created_millis: u64,
}

/// What a change of the catalog touched, so that a node reloads only that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastChange {
    /// Reload everything.
    All,
    /// One table was added, changed or removed.
    Table(String),
    /// Only dropped-table rows changed.
    Dropped,
}

/// Version of the catalog, and ids that were never used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountersRow {
    /// Raised by one with every change.
    pub version: u64,
    /// What the change to this version touched.
    pub last_change: LastChange,
    /// Next table or index id on disk.
    pub next_storage_id: u64,
    /// Next partition id.
    pub next_partition_id: u64,
    /// Next node id: a wiped node that rejoins gets a new one.
    pub next_node_id: u64,
}

/// A storage node, bound for ever to a name and an incarnation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRow {
    /// The id in Raft.
    pub node_id: u64,
    /// The name in `--peers`; in Kubernetes the pod's.
    pub name: String,
    /// 1 for a founder; a node that lost its volume comes back under the next.
    pub incarnation: u64,
    /// Failure domain.
    pub rack: String,
}

/// Replicas of a data group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// The group.
    pub group_id: u32,
    /// Node ids; the first is the preferred leader.
    pub voters: Vec<u64>,
}

/// Type of a key attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyTypeRow {
    /// String.
    S,
    /// Number.
    N,
    /// Binary.
    B,
}

/// A key attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRow {
    /// Attribute name.
    pub name: String,
    /// Attribute type.
    pub key_type: KeyTypeRow,
}

/// Where a table is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableStatusRow {
    /// Serves requests.
    Active,
    /// `DeleteTable` was acknowledged; its partitions are being closed, then the name is free.
    Deleting,
    /// `CreateTable` was acknowledged; becomes active when its partitions know what they owe to
    /// indexes and streams.
    Creating,
    /// `UpdateTable` was acknowledged and is not done; the table serves requests.
    Updating,
}

/// Throughput settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingRow {
    /// On-demand rather than provisioned.
    pub on_demand: bool,
    /// When the table last became on-demand, milliseconds since 1970.
    pub on_demand_since_millis: Option<u64>,
    /// Provisioned units; 0 when on-demand.
    pub read_units: u64,
    /// Provisioned units; 0 when on-demand.
    pub write_units: u64,
    /// When throughput was last raised, milliseconds since 1970.
    pub last_increase_millis: Option<u64>,
    /// When throughput was last lowered, milliseconds since 1970.
    pub last_decrease_millis: Option<u64>,
    /// `OnDemandThroughput.MaxReadRequestUnits`.
    pub max_read_request_units: Option<i64>,
    /// `OnDemandThroughput.MaxWriteRequestUnits`.
    pub max_write_request_units: Option<i64>,
}

/// A contiguous range of a table's hash space, and the group that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionRow {
    /// Never reused.
    pub partition_id: u64,
    /// First hash, inclusive.
    pub first_hash: u64,
    /// Last hash, inclusive.
    pub last_hash: u64,
    /// The replica group.
    pub group_id: u32,
    /// Version of range and group.
    pub epoch: u64,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRow {
    /// Its name.
    pub name: String,
    /// `TableId`, a UUID: another one for a table made again under the same name.
    pub table_id: u128,
    /// Prefix of its keys on disk.
    pub storage_id: u64,
    /// Where it is in its life.
    pub status: TableStatusRow,
    /// `CreationDateTime`, milliseconds since 1970.
    pub created_millis: u64,
    /// Partition key.
    pub partition_key: KeyRow,
    /// Sort key.
    pub sort_key: Option<KeyRow>,
    /// Throughput.
    pub billing: BillingRow,
    /// `STANDARD_INFREQUENT_ACCESS` rather than `STANDARD`; `None` when never set.
    pub infrequent_access: Option<bool>,
    /// When the class was last changed, milliseconds since 1970.
    pub class_changed_millis: Option<u64>,
    /// `DeletionProtectionEnabled`.
    pub deletion_protection: bool,
    /// Ascending, covering the whole hash space.
    pub partitions: Vec<PartitionRow>,
    /// `AttributeDefinitions`: key attributes of the table and of its indexes, as declared.
    pub attribute_definitions: Vec<KeyRow>,
    /// Local secondary indexes, fixed at creation.
    pub local_indexes: Vec<LocalIndexRow>,
    /// Global secondary indexes, those being deleted included.
    pub global_indexes: Vec<GlobalIndexRow>,
    /// Streams that the table has or had, oldest first; at most the last one is enabled.
    pub streams: Vec<StreamRow>,
    /// `TimeToLiveSpecification`.
    pub ttl: Option<TtlRow>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Settings that the data path does not read.
    pub settings: SettingsRow,
    /// Catalog version of the last change of what the partitions owe to indexes and streams.
    pub readers_version: u64,
    /// Every partition is known to act by `readers_version`. While false, the leader of the meta
    /// group tells them (see `control/readers.rs`).
    pub readers_settled: bool,
}

impl TableRow {
    /// What each partition of the table owes to readers of its changes, by this row.
    #[must_use]
    pub fn readers(&self) -> ReadersRow {
        let stream = self.streams.last().filter(|stream| stream.is_enabled());
        ReadersRow {
            catalog_version: self.readers_version,
            stream: stream.map(StreamRow::reader),
            indexes: self
                .global_indexes
                .iter()
                .filter(|index| index.status != IndexStatusRow::Deleting)
                .map(|index| index.storage_id)
                .collect(),
        }
    }
}

/// A table that is gone and whose data is being removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedRow {
    /// The name it had, for logs.
    pub name: String,
    /// Prefix of its keys on disk.
    pub storage_id: u64,
    /// Its partitions.
    pub partitions: Vec<PartitionRow>,
    /// Prefixes of the keys of its local indexes.
    pub local_indexes: Vec<u64>,
    /// Its partition key; `None` for a table that never had a stream.
    pub partition_key: Option<KeyRow>,
    /// Its sort key.
    pub sort_key: Option<KeyRow>,
    /// Its streams, all of them disabled; their records stay while they are readable.
    pub streams: Vec<StreamRow>,
    /// Nothing is left but what its streams keep.
    pub only_streams_left: bool,
}

impl DroppedRow {
    /// Whether a stream of the table can still be read.
    #[must_use]
    pub fn has_streams(&self, horizon_millis: u64) -> bool {
        self.streams
            .iter()
            .any(|stream| stream.is_readable(horizon_millis))
    }
}

/// What a replica group itself knows of a partition that it holds, in `Keyspace::System` under
/// `0x81 | group id 4 | partition id 8`: written with the partition's first item, so that the keys
/// of a group follow from the group's own state and a snapshot never asks the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionStateRow {
    /// Prefix of the keys.
    pub storage_id: u64,
    /// First hash, inclusive.
    pub first_hash: u64,
    /// Last hash, inclusive.
    pub last_hash: u64,
    /// Version of range and group.
    pub epoch: u64,
    /// Prefixes of the keys of the table's local indexes, whose entries lie in the same hash range.
    pub local_indexes: Vec<u64>,
    /// What every later change of the partition owes to readers.
    pub readers: ReadersRow,
}

/// Key of the [`ClusterRow`].
pub const CLUSTER_KEY: &[u8] = &[CLUSTER];
/// Key of the [`CountersRow`].
pub const COUNTERS_KEY: &[u8] = &[COUNTERS];
/// Prefix of [`NodeRow`]s.
pub const NODE_PREFIX: &[u8] = &[NODE];
/// Prefix of [`GroupRow`]s.
pub const GROUP_PREFIX: &[u8] = &[GROUP];
/// Prefix of [`TableRow`]s.
pub const TABLE_PREFIX: &[u8] = &[TABLE];
/// Prefix of [`DroppedRow`]s.
pub const DROPPED_PREFIX: &[u8] = &[DROPPED];

/// Key of a [`NodeRow`].
pub fn node_key(node_id: u64) -> Bytes {
    prefixed(NODE, &node_id.to_be_bytes())
}

/// Key of a [`GroupRow`].
pub fn group_key(group_id: u32) -> Bytes {
    prefixed(GROUP, &group_id.to_be_bytes())
}

/// Key of a [`TableRow`].
pub fn table_key(name: &str) -> Bytes {
    prefixed(TABLE, name.as_bytes())
}

/// Key of a [`DroppedRow`].
pub fn dropped_key(storage_id: u64) -> Bytes {
    prefixed(DROPPED, &storage_id.to_be_bytes())
}

fn prefixed(kind: u8, rest: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(1 + rest.len());
    key.push(kind);
    key.extend_from_slice(rest);
    Bytes::from(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_a_newer_version_is_refused_by_name() {
        let mut bytes = GroupRow {
            group_id: 1,
            voters: vec![1, 2, 3],
        }
        .encode()
        .to_vec();
        assert!(GroupRow::decode(&bytes).is_ok());
        bytes[0] = GroupRow::VERSION + 1;
        let refused = GroupRow::decode(&bytes).unwrap_err().to_string();
        assert_eq!(refused, "group row has format version 2, newer than 1");
        assert!(GroupRow::decode(&[]).is_err());
        assert!(GroupRow::decode(&[1, 0xff]).is_err());
    }
}
