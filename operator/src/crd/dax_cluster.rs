//! `DaxCluster`: a DAX-compatible cache in front of a storage cluster or of any other DynamoDB endpoint.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::condition::{Condition, any_object};
use super::storage_cluster::Volume;

/// Desired state of a cache cluster.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "stator.dev",
    version = "v1alpha1",
    kind = "DaxCluster",
    namespaced,
    status = "DaxClusterStatus",
    derive = "PartialEq",
    doc = "A DAX-compatible cache in front of a storage cluster or of any other DynamoDB endpoint.",
    category = "stator",
    annotation("helm.sh/resource-policy", "keep"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.replicas"),
    printcolumn(name = "Ready-Replicas", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Primary", type_ = "string", json_path = ".status.primary"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint", priority = 1),
    printcolumn(name = "Image", type_ = "string", json_path = ".status.image", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40")
        .message("metadata.name: at most 40 characters, so that the names of pods and volumes fit"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name: must be a DNS label (a-z, 0-9, -), since Services carry it"),
    validation = Rule::new("!self.spec.coherent || self.spec.fillConsistency == 'strong'")
        .message("spec.coherent needs fillConsistency strong: a fill from a replica that lags would bring back what a stream has said to be gone")
)]
#[serde(rename_all = "camelCase")]
pub struct DaxClusterSpec {
    /// Number of cache nodes: one primary, and replicas that take over from it.
    #[serde(default = "default_replicas")]
    #[schemars(schema_with = "replicas")]
    #[x_kube(validation = Rule::new("self >= 1 && self <= 11")
        .message("replicas must be between 1 and 11: one primary and up to ten replicas"))]
    pub replicas: i32,
    /// Memory for cached items and query results, as a Kubernetes quantity.
    #[serde(default = "default_memory")]
    #[schemars(regex(pattern = r"^[0-9]+(Ki|Mi|Gi|Ti|k|M|G|T)?$"))]
    pub memory: String,
    /// How long an item may be served after it was read or written through the cache: a number and ms, s, m or h.
    #[serde(rename = "itemTTL", default = "default_ttl")]
    #[schemars(regex(pattern = r"^[0-9]{1,9}(ms|s|m|h)$"))]
    pub item_ttl: String,
    /// How long a query or scan result may be served: a number and ms, s, m or h.
    #[serde(rename = "queryTTL", default = "default_ttl")]
    #[schemars(regex(pattern = r"^[0-9]{1,9}(ms|s|m|h)$"))]
    pub query_ttl: String,
    /// `strong`: fills read consistently. `eventual`: cheaper fills, which may be older than the last write.
    #[serde(default = "default_fill_consistency")]
    #[schemars(extend("enum" = ["strong", "eventual"]))]
    pub fill_consistency: String,
    /// Follow the streams of tables, and drop what others than the cache change, within a second. Tables without a stream
    /// are cached as ever.
    #[serde(default)]
    pub coherent: bool,
    /// What the cache stands in front of. Absent means the storage cluster of the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// How cache nodes serve clients under TLS, on 9111.
    #[serde(default)]
    pub tls: DaxTls,
    /// The small volume of each cache node. Cannot be changed.
    #[serde(default = "default_volume")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("volume cannot be changed: claim templates are immutable"))]
    pub volume: Volume,
    /// Image of the cache nodes. Absent means the one that belongs to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When to pull it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Always", "IfNotPresent", "Never"]))]
    pub image_pull_policy: Option<String>,
    /// Requests and limits of each cache node, as in a container. Absent: a memory request that fits `memory`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "any_object")]
    pub resources: Map<String, Value>,
    /// Labels that a kube node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Taints that are tolerated, as in a pod.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "any_objects")]
    pub tolerations: Vec<Map<String, Value>>,
    /// Priority class of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority_class_name: Option<String>,
    /// Log filter of the cache nodes at start, as in `RUST_LOG`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_filter: Option<String>,
}

/// What a cache stands in front of: a storage cluster of the same namespace, or any DynamoDB endpoint.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.storageCluster) != has(self.endpoint)")
    .message("exactly one of storageCluster and endpoint must be given"))]
#[x_kube(validation = Rule::new(
    "!has(self.endpoint) || (has(self.region) && has(self.credentialsSecretName) && has(self.callersSecretName))")
    .message("endpoint also needs region, credentialsSecretName and callersSecretName"))]
#[serde(rename_all = "camelCase")]
pub struct Upstream {
    /// A `StorageCluster` of the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 40),
        regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub storage_cluster: Option<String>,
    /// URL of any DynamoDB endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 1024), regex(pattern = r"^https?://"))]
    pub endpoint: Option<String>,
    /// Region of that endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region: Option<String>,
    /// Secret with `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` for that endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub credentials_secret_name: Option<String>,
    /// Secret whose key `credentials.json` lists the callers that the cache accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub callers_secret_name: Option<String>,
}

/// The certificate that cache nodes show to clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DaxTls {
    /// A Secret of type kubernetes.io/tls, for the names of the Service. Absent: the operator makes an authority and a
    /// certificate; clients find the authority under ca.crt in the Secret NAME-dax-tls.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: Option<String>,
}

fn default_replicas() -> i32 {
    1
}

fn default_memory() -> String {
    "256Mi".to_owned()
}

fn default_ttl() -> String {
    "5m".to_owned()
}

fn default_fill_consistency() -> String {
    "strong".to_owned()
}

fn default_volume() -> Volume {
    Volume {
        size: "1Gi".to_owned(),
        storage_class_name: None,
    }
}

fn replicas(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "format": "int32"})
}

fn any_objects(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "array", "items": any_object(generator)})
}

impl Default for DaxClusterSpec {
    fn default() -> Self {
        Self {
            replicas: default_replicas(),
            memory: default_memory(),
            item_ttl: default_ttl(),
            query_ttl: default_ttl(),
            fill_consistency: default_fill_consistency(),
            coherent: false,
            upstream: None,
            tls: DaxTls::default(),
            volume: default_volume(),
            image: None,
            image_pull_policy: None,
            resources: Map::new(),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            priority_class_name: None,
            log_filter: None,
        }
    }
}

/// What is known of the cache cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DaxClusterStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Number of cache nodes wanted.
    #[serde(default)]
    pub replicas: i64,
    /// Number that can serve.
    #[serde(default)]
    pub ready_replicas: i64,
    /// The image of the present template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Where clients connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Where clients of the native protocol connect under TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_endpoint: Option<String>,
    /// Pod of the node that orders the writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
}
