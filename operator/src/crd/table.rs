//! `Table`: ACK's resource of that name under our group, with our additions in `spec.stator`.
//!
//! Field names, initialisms included, are ACK's (aws-controllers-k8s/dynamodb-controller); an ACK manifest works after its
//! `apiVersion` is changed. ACK's schema has no enums and bounds; ours has those that CreateTable would enforce anyway, so
//! that `kubectl apply` fails early and names the field. Values with a closed set stay `String` in Rust: an object that a
//! later version let in must not stop this version's watch.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::table_status::*;

/// Desired state of a DynamoDB table.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "stator.dev",
    version = "v1alpha1",
    kind = "Table",
    namespaced,
    status = "TableStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A DynamoDB-compatible table. Field names are those of ACK's dynamodb.services.k8s.aws/v1alpha1 Table.",
    category = "stator",
    annotation("helm.sh/resource-policy", "keep"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.tableStatus"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Synced",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="ACK.ResourceSynced")].status"#
    ),
    printcolumn(
        name = "Class",
        type_ = "string",
        json_path = ".spec.tableClass",
        priority = 1
    ),
    printcolumn(
        name = "Cluster",
        type_ = "string",
        json_path = ".status.stator.storageCluster",
        priority = 1
    ),
    printcolumn(
        name = "ARN",
        type_ = "string",
        json_path = ".status.ackResourceMetadata.arn",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(validation = Rule::new("self.tableName == oldSelf.tableName")
    .message("tableName: value is immutable once set").field_path(".tableName"))]
#[x_kube(validation = Rule::new(
    "(has(self.stator) && has(self.stator.storageCluster) ? self.stator.storageCluster : 'default') == \
     (has(oldSelf.stator) && has(oldSelf.stator.storageCluster) ? oldSelf.stator.storageCluster : 'default')")
    .message("stator.storageCluster: a table belongs to its storage cluster for ever").field_path(".stator"))]
#[x_kube(validation = Rule::new(
    "self.keySchema.all(k, self.attributeDefinitions.exists(d, d.attributeName == k.attributeName))")
    .message("attributeDefinitions: every attribute of keySchema must be defined").field_path(".attributeDefinitions"))]
#[x_kube(validation = Rule::new(
    "!has(self.globalSecondaryIndexes) || self.globalSecondaryIndexes.all(i, i.keySchema.all(k, \
     self.attributeDefinitions.exists(d, d.attributeName == k.attributeName)))")
    .message("attributeDefinitions: every key attribute of globalSecondaryIndexes must be defined")
    .field_path(".attributeDefinitions"))]
#[x_kube(validation = Rule::new(
    "!has(self.localSecondaryIndexes) || self.localSecondaryIndexes.all(i, i.keySchema.all(k, \
     self.attributeDefinitions.exists(d, d.attributeName == k.attributeName)))")
    .message("attributeDefinitions: every key attribute of localSecondaryIndexes must be defined")
    .field_path(".attributeDefinitions"))]
#[x_kube(validation = Rule::new(
    "self.attributeDefinitions.all(d, self.keySchema.exists(k, k.attributeName == d.attributeName) || \
     (has(self.globalSecondaryIndexes) && self.globalSecondaryIndexes.exists(i, i.keySchema.exists(k, k.attributeName == d.attributeName))) || \
     (has(self.localSecondaryIndexes) && self.localSecondaryIndexes.exists(i, i.keySchema.exists(k, k.attributeName == d.attributeName))))")
    .message("attributeDefinitions: only attributes that are part of the key schema of the table or of an index may be defined")
    .field_path(".attributeDefinitions"))]
#[x_kube(validation = Rule::new(
    "oldSelf.hasValue() || has(self.provisionedThroughput) || (has(self.billingMode) && self.billingMode == 'PAY_PER_REQUEST')")
    .message("provisionedThroughput: required unless billingMode is PAY_PER_REQUEST (the default is PROVISIONED)")
    .field_path(".provisionedThroughput").optional_old_self(true))]
#[x_kube(validation = Rule::new(
    "!(has(self.provisionedThroughput) && has(self.billingMode) && self.billingMode == 'PAY_PER_REQUEST')")
    .message("provisionedThroughput: must be absent when billingMode is PAY_PER_REQUEST")
    .field_path(".provisionedThroughput"))]
#[x_kube(validation = Rule::new(
    "!(has(self.onDemandThroughput) && has(self.billingMode) && self.billingMode == 'PROVISIONED')")
    .message("onDemandThroughput: only with billingMode PAY_PER_REQUEST").field_path(".onDemandThroughput"))]
#[x_kube(validation = Rule::new(
    "!has(self.localSecondaryIndexes) || self.localSecondaryIndexes.size() == 0 || self.keySchema.size() == 2")
    .message("localSecondaryIndexes: the table needs a sort key (keyType RANGE)").field_path(".localSecondaryIndexes"))]
#[serde(rename_all = "camelCase")]
pub struct TableSpec {
    /// Name of the table in the DynamoDB API, 3 to 255 of a-z, A-Z, 0-9, `_`, `.`, `-`. Cannot be changed.
    #[schemars(length(min = 3, max = 255), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub table_name: String,
    /// The attributes that key schemas name, with their types.
    #[schemars(length(min = 1, max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["attributeName"]))]
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// Partition key (HASH) and optionally sort key (RANGE), in this order. Cannot be changed.
    #[schemars(length(min = 1, max = 2))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("Value is immutable once set"))]
    #[x_kube(validation = Rule::new("self.size() == 0 || self[0].keyType == 'HASH'")
        .message("the first element must have keyType HASH"))]
    #[x_kube(validation = Rule::new("self.size() < 2 || self[1].keyType == 'RANGE'")
        .message("the second element must have keyType RANGE"))]
    #[x_kube(validation = Rule::new("self.size() < 2 || self[0].attributeName != self[1].attributeName")
        .message("both elements name the same attribute"))]
    pub key_schema: Vec<KeySchemaElement>,
    /// `PROVISIONED` (the default) or `PAY_PER_REQUEST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["PROVISIONED", "PAY_PER_REQUEST"]))]
    pub billing_mode: Option<String>,
    /// Capacity of a table with billing mode `PROVISIONED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// Upper bounds of a table with billing mode `PAY_PER_REQUEST`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// `STANDARD` (the default) or `STANDARD_INFREQUENT_ACCESS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["STANDARD", "STANDARD_INFREQUENT_ACCESS"]))]
    pub table_class: Option<String>,
    /// Refuse to delete the table, by API and by Kubernetes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_protection_enabled: Option<bool>,
    /// Global secondary indexes, matched by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["indexName"]))]
    pub global_secondary_indexes: Option<Vec<GlobalSecondaryIndex>>,
    /// Local secondary indexes. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 5), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["indexName"]))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("Value is immutable once set"))]
    pub local_secondary_indexes: Option<Vec<LocalSecondaryIndex>>,
    /// The change stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_specification: Option<StreamSpecification>,
    /// Encryption at rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sse_specification: Option<SseSpecification>,
    /// The attribute that holds the time at which an item expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_live: Option<TimeToLive>,
    /// Point-in-time recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continuous_backups: Option<ContinuousBackups>,
    /// `ENABLE` or `DISABLE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["ENABLE", "DISABLE", "ENABLED", "DISABLED"]))]
    pub contributor_insights: Option<String>,
    /// A JSON policy document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_policy: Option<String>,
    /// Replicas in other Regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub table_replicas: Option<Vec<TableReplica>>,
    /// Tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    pub tags: Option<Vec<Tag>>,
    /// What only this operator knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stator: Option<TableStator>,
}

/// The storage cluster of a table that names none.
pub const DEFAULT_STORAGE_CLUSTER: &str = "default";

impl TableSpec {
    /// The `StorageCluster` of the same namespace that holds this table.
    pub fn storage_cluster(&self) -> &str {
        self.stator
            .as_ref()
            .and_then(|stator| stator.storage_cluster.as_deref())
            .unwrap_or(DEFAULT_STORAGE_CLUSTER)
    }
}

/// Name and type of a key attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttributeDefinition {
    /// Name of the attribute.
    #[schemars(length(min = 1, max = 255))]
    pub attribute_name: String,
    /// `S`, `N` or `B`. Quote the N: YAML reads a bare N as false.
    #[schemars(extend("enum" = ["S", "N", "B"]))]
    pub attribute_type: String,
}

/// One part of a primary key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeySchemaElement {
    /// Name of the attribute.
    #[schemars(length(min = 1, max = 255))]
    pub attribute_name: String,
    /// `HASH` or `RANGE`.
    #[schemars(extend("enum" = ["HASH", "RANGE"]))]
    pub key_type: String,
}

/// Capacity units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProvisionedThroughput {
    /// Strongly consistent reads of up to 4 KB a second.
    #[schemars(range(min = 1))]
    pub read_capacity_units: i64,
    /// Writes of up to 1 KB a second.
    #[schemars(range(min = 1))]
    pub write_capacity_units: i64,
}

/// Bounds of on-demand capacity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnDemandThroughput {
    /// Most read request units a second; -1 for no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_read_request_units: Option<i64>,
    /// Most write request units a second; -1 for no bound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_request_units: Option<i64>,
}

/// Which attributes an index holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Projection {
    /// `ALL`, `KEYS_ONLY` or `INCLUDE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["ALL", "KEYS_ONLY", "INCLUDE"]))]
    pub projection_type: Option<String>,
    /// The attributes of `INCLUDE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub non_key_attributes: Option<Vec<String>>,
}

/// A global secondary index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalSecondaryIndex {
    /// Name of the index.
    #[schemars(length(min = 3, max = 255), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub index_name: String,
    /// Its key.
    #[schemars(length(min = 1, max = 8))]
    pub key_schema: Vec<KeySchemaElement>,
    /// What it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
    /// Its capacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// Its upper bounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughput>,
}

/// A local secondary index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalSecondaryIndex {
    /// Name of the index.
    #[schemars(length(min = 3, max = 255), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub index_name: String,
    /// Its key.
    #[schemars(length(min = 1, max = 2))]
    pub key_schema: Vec<KeySchemaElement>,
    /// What it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub projection: Option<Projection>,
}

/// The change stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamSpecification {
    /// On or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_enabled: Option<bool>,
    /// What a record holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES", "KEYS_ONLY"]))]
    pub stream_view_type: Option<String>,
}

/// Encryption at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SseSpecification {
    /// Whether a key other than the service's own is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The key's ARN.
    #[serde(rename = "kmsMasterKeyID", skip_serializing_if = "Option::is_none")]
    pub kms_master_key_id: Option<String>,
    /// The key as a Kubernetes object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_master_key_ref: Option<ResourceReference>,
    /// `AES256` or `KMS`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["AES256", "KMS"]))]
    pub sse_type: Option<String>,
}

/// A reference to another object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ResourceReference {
    /// The object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<NamespacedName>,
}

/// Name and namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamespacedName {
    /// Name of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its namespace; absent means that of the referrer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Expiry of items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeToLive {
    /// The attribute with the time, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribute_name: Option<String>,
    /// On or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// Point-in-time recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContinuousBackups {
    /// On or off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_in_time_recovery_enabled: Option<bool>,
    /// How far back, 1 to 35 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub recovery_period_in_days: Option<i64>,
}

/// A replica in another Region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableReplica {
    /// The Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region_name: Option<String>,
    /// Overrides for its global secondary indexes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 20))]
    pub global_secondary_indexes: Option<Vec<ReplicaIndex>>,
    /// The key's ARN.
    #[serde(rename = "kmsMasterKeyID", skip_serializing_if = "Option::is_none")]
    pub kms_master_key_id: Option<String>,
    /// Override of its read capacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput_override: Option<ThroughputOverride>,
    /// Override of its class.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["STANDARD", "STANDARD_INFREQUENT_ACCESS"]))]
    pub table_class_override: Option<String>,
}

/// An index of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaIndex {
    /// Name of the index.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_name: Option<String>,
    /// Override of its read capacity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioned_throughput_override: Option<ThroughputOverride>,
}

/// Read capacity that differs from the table's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThroughputOverride {
    /// Strongly consistent reads of up to 4 KB a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub read_capacity_units: Option<i64>,
}

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tag {
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub key: Option<String>,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub value: Option<String>,
}

/// What ACK does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TableStator {
    /// The `StorageCluster` of this namespace that holds the table, for ever. Absent means `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub storage_cluster: Option<String>,
}
