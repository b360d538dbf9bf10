//! Parts of a table's row: indexes, streams, expiry and settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stator_model::table::StreamViewType;

use super::{KeyRow, PartitionRow};

/// `Projection` of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProjectionRow {
    /// Every attribute.
    All,
    /// The key attributes of table and index.
    KeysOnly,
    /// Those and the named ones.
    Include(Vec<String>),
}

/// A local secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalIndexRow {
    /// Its name.
    pub name: String,
    /// Prefix of its keys on disk.
    pub storage_id: u64,
    /// Its sort key; its partition key is the table's.
    pub sort_key: KeyRow,
    /// What its entries hold.
    pub projection: ProjectionRow,
}

/// Where a global secondary index is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexStatusRow {
    /// Made together with its table, which is being created.
    Creating,
    /// Made by UpdateTable: partitions are told of it, then existing items are carried over.
    Backfilling,
    /// Serves requests.
    Active,
    /// Its throughput is being changed.
    Updating,
    /// No change is carried to it any more; its partitions are being closed.
    Deleting,
}

/// Throughput settings of a global secondary index.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexBillingRow {
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
    /// `WarmThroughput`, if ever set.
    pub warm: Option<WarmRow>,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalIndexRow {
    /// Its name.
    pub name: String,
    /// Prefix of its keys on disk.
    pub storage_id: u64,
    /// Its partition key: one to four attributes.
    pub hash_keys: Vec<KeyRow>,
    /// Its sort key: none to four attributes.
    pub range_keys: Vec<KeyRow>,
    /// What its entries hold.
    pub projection: ProjectionRow,
    /// Where it is in its life.
    pub status: IndexStatusRow,
    /// Throughput.
    pub billing: IndexBillingRow,
    /// Its own partitions, ascending, covering the whole hash space.
    pub partitions: Vec<PartitionRow>,
}

/// `StreamViewType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamViewRow {
    /// Only the key.
    KeysOnly,
    /// The item after the change.
    NewImage,
    /// The item before the change.
    OldImage,
    /// Both.
    NewAndOldImages,
}

impl From<StreamViewRow> for StreamViewType {
    fn from(row: StreamViewRow) -> Self {
        match row {
            StreamViewRow::KeysOnly => Self::KeysOnly,
            StreamViewRow::NewImage => Self::NewImage,
            StreamViewRow::OldImage => Self::OldImage,
            StreamViewRow::NewAndOldImages => Self::NewAndOldImages,
        }
    }
}

impl From<StreamViewType> for StreamViewRow {
    fn from(view: StreamViewType) -> Self {
        match view {
            StreamViewType::KeysOnly => Self::KeysOnly,
            StreamViewType::NewImage => Self::NewImage,
            StreamViewType::OldImage => Self::OldImage,
            StreamViewType::NewAndOldImages => Self::NewAndOldImages,
        }
    }
}

/// A stream that the table has or had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRow {
    /// When it was enabled, milliseconds since 1970: its label and its identity within the table.
    pub enabled_millis: u64,
    /// What its records hold.
    pub view: StreamViewRow,
    /// When it was disabled; its records stay readable for 24 hours.
    pub disabled_millis: Option<u64>,
}

impl StreamRow {
    /// Whether changes are written to it.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.disabled_millis.is_none()
    }

    /// Whether records may be there that were written after `horizon_millis`.
    #[must_use]
    pub fn is_readable(&self, horizon_millis: u64) -> bool {
        self.disabled_millis
            .is_none_or(|disabled| disabled >= horizon_millis)
    }

    /// What the partitions have to know of it.
    #[must_use]
    pub fn reader(&self) -> StreamReaderRow {
        StreamReaderRow {
            enabled_millis: self.enabled_millis,
            view: self.view,
        }
    }
}

/// `TimeToLiveSpecification`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtlRow {
    /// `AttributeName`.
    pub attribute: String,
    /// Whether items expire.
    pub enabled: bool,
    /// When it was last changed, milliseconds since 1970.
    pub changed_millis: u64,
}

/// `WarmThroughput`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmRow {
    /// Reads a second.
    pub read_units: u64,
    /// Writes a second.
    pub write_units: u64,
}

/// `SSESpecification`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SseRow {
    /// `KMSMasterKeyId`, if given.
    pub kms_key: Option<String>,
}

/// Settings that the data path does not read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SettingsRow {
    /// Encryption with a KMS key, when asked for.
    pub sse: Option<SseRow>,
    /// Days that point-in-time recovery reaches back, when enabled, and since when (milliseconds
    /// since 1970).
    pub point_in_time_recovery: Option<(u32, u64)>,
    /// Contributor insights by index name, the table's own under the empty name.
    pub contributor_insights: BTreeMap<String, InsightsRow>,
    /// Resource policies by ARN suffix (empty for the table): JSON text and revision.
    pub resource_policies: BTreeMap<String, (String, u64)>,
    /// `WarmThroughput`, if ever set.
    pub warm: Option<WarmRow>,
    /// Throughput decreases of the current UTC day, by index name (the table's own under the empty
    /// name): day number since 1970, how many, time of the first (milliseconds since 1970).
    pub decreases: BTreeMap<String, (u64, u32, u64)>,
    /// Switches to on-demand of the last 24 hours, milliseconds since 1970, oldest first.
    pub on_demand_switches: Vec<u64>,
}

/// Contributor insights of a table or an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InsightsRow {
    /// Whether keys are watched.
    pub enabled: bool,
    /// When the setting last changed, milliseconds since 1970.
    pub changed_millis: u64,
    /// Only throttled keys are watched, not the most accessed ones.
    pub throttled_keys_only: bool,
}

/// What a partition's changes owe to readers of its change log.
///
/// It is part of the partition's own replicated state, not of the leader's copy of the catalog,
/// which may be old: a leader that has not heard of a new index must not acknowledge a write that
/// the index never sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadersRow {
    /// Catalog version that these readers belong to. A later one replaces an earlier one, and a
    /// leader evaluates no write before its catalog holds this version.
    pub catalog_version: u64,
    /// The enabled stream.
    pub stream: Option<StreamReaderRow>,
    /// Global secondary indexes, by storage id.
    pub indexes: Vec<u64>,
}

/// The enabled stream, as the partitions know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReaderRow {
    /// Its identity within the table.
    pub enabled_millis: u64,
    /// What its records hold.
    pub view: StreamViewRow,
}
