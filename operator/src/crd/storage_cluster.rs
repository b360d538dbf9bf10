//! `StorageCluster`: the replicated database that holds the tables of one account in one Region.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::condition::{Condition, any_object};

/// Desired state of a storage cluster.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "stator.dev",
    version = "v1alpha1",
    kind = "StorageCluster",
    namespaced,
    status = "StorageClusterStatus",
    derive = "PartialEq",
    doc = "A replicated database that holds the tables of one account in one Region.",
    category = "stator",
    annotation("helm.sh/resource-policy", "keep"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.nodes"),
    printcolumn(name = "Ready-Nodes", type_ = "integer", json_path = ".status.readyNodes"),
    printcolumn(name = "Updated", type_ = "integer", json_path = ".status.updatedNodes"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Image", type_ = "string", json_path = ".status.image", priority = 1),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.endpoint", priority = 1),
    printcolumn(name = "Cluster-Id", type_ = "string", json_path = ".status.clusterId", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 40")
        .message("metadata.name: at most 40 characters, so that the names of pods and volumes fit"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name: must be a DNS label (a-z, 0-9, -), since Services carry it")
)]
#[serde(rename_all = "camelCase")]
pub struct StorageClusterSpec {
    /// The failure domains, normally one per zone. Cannot be changed yet.
    #[serde(default = "default_racks")]
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("racks cannot be changed yet: the replica groups of this version have a fixed membership"))]
    #[x_kube(validation = Rule::new("self.all(r, self.exists_one(o, o.name == r.name))")
        .message("two racks have the same name"))]
    #[x_kube(validation = Rule::new("self.size() != 2")
        .message("two racks survive the loss of neither: use one, or three or more"))]
    pub racks: Vec<Rack>,
    /// Storage nodes in each rack. Cannot be changed yet.
    #[serde(default = "default_nodes_per_rack")]
    #[schemars(schema_with = "nodes_per_rack")]
    #[x_kube(validation = Rule::new("self == oldSelf")
        .message("nodesPerRack cannot be changed yet: the replica groups of this version have a fixed membership"))]
    pub nodes_per_rack: i32,
    /// The volume of each storage node. Cannot be changed yet.
    #[serde(default)]
    #[x_kube(validation = Rule::new("self == oldSelf").message("volume cannot be changed yet"))]
    pub volume: Volume,
    /// Region name used in ARNs and signatures. Fixed at creation.
    #[serde(default = "default_region")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("region is fixed at creation"))]
    pub region: String,
    /// Account number used in ARNs, 12 digits. Fixed at creation.
    #[serde(default = "default_account_id")]
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("accountId is fixed at creation"))]
    pub account_id: String,
    /// Image of the storage nodes. Absent means the one that belongs to the operator; a change rolls one node at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When to pull it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Always", "IfNotPresent", "Never"]))]
    pub image_pull_policy: Option<String>,
    /// Requests and limits of each storage node, as in a container.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "any_object")]
    pub resources: Map<String, Value>,
    /// What no two racks may share: a node label. `topology.kubernetes.io/zone` unless the cluster has no zones.
    #[serde(default = "default_topology_key")]
    #[schemars(length(min = 1, max = 317))]
    pub topology_key: String,
    /// `required`: a pod waits until it can be placed apart from the others. `preferred`: for clusters of one kube node.
    #[serde(default = "default_anti_affinity")]
    #[schemars(extend("enum" = ["required", "preferred"]))]
    pub pod_anti_affinity_type: String,
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
    /// Log filter of the storage nodes at start, as in `RUST_LOG`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_filter: Option<String>,
}

/// A failure domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rack {
    /// Name of the rack, part of the pods' names.
    #[schemars(
        length(min = 1, max = 10),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The value of the topology key that this rack is bound to. Absent: any that no other rack has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub zone: Option<String>,
}

/// A volume claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// Size, as a Kubernetes quantity.
    #[serde(default = "default_volume_size")]
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$"))]
    pub size: String,
    /// Absent means the cluster's default class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
}

impl Default for Volume {
    fn default() -> Self {
        Self {
            size: default_volume_size(),
            storage_class_name: None,
        }
    }
}

fn default_racks() -> Vec<Rack> {
    ["a", "b", "c"]
        .into_iter()
        .map(|name| Rack {
            name: name.to_owned(),
            zone: None,
        })
        .collect()
}

fn default_nodes_per_rack() -> i32 {
    1
}

fn default_volume_size() -> String {
    "10Gi".to_owned()
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_account_id() -> String {
    "000000000000".to_owned()
}

fn default_topology_key() -> String {
    "topology.kubernetes.io/zone".to_owned()
}

fn default_anti_affinity() -> String {
    "required".to_owned()
}

fn nodes_per_rack(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "integer", "format": "int32", "minimum": 1, "maximum": 20})
}

fn any_objects(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"type": "array", "items": any_object(generator)})
}

impl Default for StorageClusterSpec {
    fn default() -> Self {
        Self {
            racks: default_racks(),
            nodes_per_rack: default_nodes_per_rack(),
            volume: Volume::default(),
            region: default_region(),
            account_id: default_account_id(),
            image: None,
            image_pull_policy: None,
            resources: Map::new(),
            topology_key: default_topology_key(),
            pod_anti_affinity_type: default_anti_affinity(),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            priority_class_name: None,
            log_filter: None,
        }
    }
}

/// What is known of the storage cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StorageClusterStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Conditions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Identity that the storage nodes minted; a mirror, never an instruction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_id: Option<String>,
    /// Number of storage nodes wanted.
    #[serde(default)]
    pub nodes: i64,
    /// Number that can serve.
    #[serde(default)]
    pub ready_nodes: i64,
    /// Number that run the present template.
    #[serde(default)]
    pub updated_nodes: i64,
    /// The image of the present template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Where the DynamoDB API is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The storage nodes that are not well, with the reason that they give themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub unwell_nodes: Vec<UnwellNode>,
}

/// A storage node that does not serve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnwellNode {
    /// Name of the node and of its pod.
    pub name: String,
    /// `Missing`, `NotReady`, `Bootstrapping`, `NotVoting` or `Unreachable`.
    pub state: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
