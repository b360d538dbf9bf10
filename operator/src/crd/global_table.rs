//! `GlobalTable`: the kind exists, so that manifests can be checked and stored; its controller comes in a later version.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::{AckResourceMetadata, Condition};

/// A table with replicas in several Regions.
#[derive(
    CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize,
)]
#[kube(
    group = "stator.dev",
    version = "v1alpha1",
    kind = "GlobalTable",
    namespaced,
    status = "GlobalTableStatus",
    derive = "PartialEq",
    doc = "A table with replicas in several Regions. Its controller comes in a later version; the status says so.",
    category = "stator",
    annotation("helm.sh/resource-policy", "keep"),
    printcolumn(
        name = "Status",
        type_ = "string",
        json_path = ".status.globalTableStatus"
    ),
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
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct GlobalTableSpec {
    /// Name of the table, the same in every Region.
    #[schemars(length(min = 3, max = 255), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub global_table_name: String,
    /// The Regions.
    #[schemars(length(max = 50))]
    pub replication_group: Vec<Replica>,
}

/// One Region of a global table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replica {
    /// Name of the Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region_name: Option<String>,
}

/// What is known of the global table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GlobalTableStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// ARN, account and Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_resource_metadata: Option<AckResourceMetadata>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub creation_date_time: Option<String>,
    /// `CREATING`, `ACTIVE`, `DELETING` or `UPDATING`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub global_table_status: Option<String>,
}
