//! The status of a `Table`, with ACK's field names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::{AckResourceMetadata, Condition};
use super::table::{KeySchemaElement, OnDemandThroughput, Projection, ThroughputOverride};

/// What is known of the table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// ARN, account and Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_resource_metadata: Option<AckResourceMetadata>,
    /// Present of an archived table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archival_summary: Option<ArchivalSummary>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When the table was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub creation_date_time: Option<String>,
    /// Global secondary indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_secondary_indexes_descriptions: Option<Vec<GlobalSecondaryIndexDescription>>,
    /// The version of global tables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_table_version: Option<String>,
    /// Number of items when the status was last written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_count: Option<i64>,
    /// ARN of the stream.
    #[serde(rename = "latestStreamARN", skip_serializing_if = "Option::is_none")]
    pub latest_stream_arn: Option<String>,
    /// Label of the stream, an ISO 8601 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latest_stream_label: Option<String>,
    /// Replicas in other Regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<Vec<ReplicaDescription>>,
    /// Present of a restored table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_summary: Option<RestoreSummary>,
    /// Identity of the table, a UUID. A table deleted and made again has another.
    #[serde(rename = "tableID", skip_serializing_if = "Option::is_none")]
    pub table_id: Option<String>,
    /// Size when the status was last written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_size_bytes: Option<i64>,
    /// `CREATING`, `UPDATING`, `DELETING`, `ACTIVE`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_status: Option<String>,
    /// What only this operator knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stator: Option<TableStatorStatus>,
}

/// What ACK does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableStatorStatus {
    /// The `StorageCluster` that holds the table.
    pub storage_cluster: String,
    /// The settings that the manifest names. One that leaves the manifest keeps its value and is no longer looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub managed_fields: Vec<String>,
}

/// Why a table was archived.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArchivalSummary {
    /// The backup that was taken.
    #[serde(rename = "archivalBackupARN", skip_serializing_if = "Option::is_none")]
    pub archival_backup_arn: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub archival_date_time: Option<String>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archival_reason: Option<String>,
}

/// A global secondary index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalSecondaryIndexDescription {
    /// Being filled from the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfilling: Option<bool>,
    /// Its ARN.
    #[serde(rename = "indexARN", skip_serializing_if = "Option::is_none")]
    pub index_arn: Option<String>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_name: Option<String>,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_size_bytes: Option<i64>,
    /// `CREATING`, `UPDATING`, `DELETING` or `ACTIVE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_status: Option<String>,
    /// Its number of items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_count: Option<i64>,
    /// Its key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_schema: Option<Vec<KeySchemaElement>>,
    /// Its upper bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
    /// Its capacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput: Option<ProvisionedThroughputDescription>,
}

/// Capacity and its history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionedThroughputDescription {
    /// The last decrease.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_decrease_date_time: Option<String>,
    /// The last increase.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_increase_date_time: Option<String>,
    /// Decreases of this UTC day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number_of_decreases_today: Option<i64>,
    /// Reads a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_capacity_units: Option<i64>,
    /// Writes a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_capacity_units: Option<i64>,
}

/// A replica in another Region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaDescription {
    /// Its global secondary indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_secondary_indexes: Option<Vec<ReplicaIndexDescription>>,
    /// The key's ARN.
    #[serde(rename = "kmsMasterKeyID", skip_serializing_if = "Option::is_none")]
    pub kms_master_key_id: Option<String>,
    /// Its read capacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput_override: Option<ThroughputOverride>,
    /// Its Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region_name: Option<String>,
    /// Since when it cannot be reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub replica_inaccessible_date_time: Option<String>,
    /// `CREATING`, `ACTIVE`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_status: Option<String>,
    /// Detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_status_description: Option<String>,
    /// A string, as in the API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_status_percent_progress: Option<String>,
    /// Its class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_table_class_summary: Option<TableClassSummary>,
}

/// An index of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaIndexDescription {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_name: Option<String>,
    /// Its read capacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput_override: Option<ThroughputOverride>,
}

/// The class of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableClassSummary {
    /// The last change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_update_date_time: Option<String>,
    /// `STANDARD` or `STANDARD_INFREQUENT_ACCESS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table_class: Option<String>,
}

/// Where a table was restored from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestoreSummary {
    /// The moment that was restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub restore_date_time: Option<String>,
    /// Still running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_in_progress: Option<bool>,
    /// The backup.
    #[serde(rename = "sourceBackupARN", skip_serializing_if = "Option::is_none")]
    pub source_backup_arn: Option<String>,
    /// The table.
    #[serde(rename = "sourceTableARN", skip_serializing_if = "Option::is_none")]
    pub source_table_arn: Option<String>,
}
