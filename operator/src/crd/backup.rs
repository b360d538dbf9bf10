//! `Backup`: the kind exists, so that manifests can be checked and stored; its controller comes in a later version.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::{AckResourceMetadata, Condition};

/// A backup of a table.
#[derive(
    CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize,
)]
#[kube(
    group = "stator.dev",
    version = "v1alpha1",
    kind = "Backup",
    namespaced,
    status = "BackupStatus",
    derive = "PartialEq",
    doc = "A backup of a table. Its controller comes in a later version; the status says so.",
    category = "stator",
    annotation("helm.sh/resource-policy", "keep"),
    printcolumn(name = "Table", type_ = "string", json_path = ".spec.tableName"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.backupStatus"),
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
        name = "ARN",
        type_ = "string",
        json_path = ".status.ackResourceMetadata.arn",
        priority = 1
    ),
    printcolumn(
        name = "Size",
        type_ = "integer",
        json_path = ".status.backupSizeBytes",
        priority = 1
    ),
    printcolumn(
        name = "Type",
        type_ = "string",
        json_path = ".status.backupType",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("a backup cannot be changed"))]
#[serde(rename_all = "camelCase")]
pub struct BackupSpec {
    /// Name of the backup.
    #[schemars(length(min = 3, max = 255), regex(pattern = r"^[a-zA-Z0-9_.-]+$"))]
    pub backup_name: String,
    /// Name or ARN of the table.
    #[schemars(length(min = 1, max = 1024))]
    pub table_name: String,
}

/// What is known of the backup.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// ARN, account and Region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ack_resource_metadata: Option<AckResourceMetadata>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub backup_creation_date_time: Option<String>,
    /// When it goes, for backups of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub backup_expiry_date_time: Option<String>,
    /// Its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_size_bytes: Option<i64>,
    /// `CREATING`, `AVAILABLE` or `DELETED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_status: Option<String>,
    /// `USER`, `SYSTEM` or `AWS_BACKUP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_type: Option<String>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
