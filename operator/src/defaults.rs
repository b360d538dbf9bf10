//! What the operator makes when a manifest leaves it open. The Helm chart writes it; see `charts/stator/templates/configmap.yaml`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::crd::{DaxClusterSpec, StorageClusterSpec};

/// The file behind `--defaults-file`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Defaults {
    /// Image of the storage nodes of a cluster that names none.
    pub storage_node_image: String,
    /// Image of the cache nodes of a cluster that names none.
    pub dax_proxy_image: String,
    /// When to pull these.
    pub image_pull_policy: String,
    /// Secrets for pulling these.
    pub image_pull_secrets: Vec<Map<String, Value>>,
    /// Whether NetworkPolicies are put around pods.
    pub network_policies: bool,
    /// The namespace of the operator, which may speak to the admin API.
    pub operator_namespace: String,
    /// The labels of the operator's pods.
    pub operator_pod_labels: BTreeMap<String, String>,
    /// The spec of the StorageCluster `default`.
    pub storage_cluster: StorageClusterSpec,
    /// The DaxCluster `default`.
    pub dax_cluster: DefaultDaxCluster,
}

/// The DaxCluster `default`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DefaultDaxCluster {
    /// Whether there is one.
    pub enabled: bool,
    /// Its spec.
    pub spec: DaxClusterSpec,
}

impl Default for DefaultDaxCluster {
    fn default() -> Self {
        Self {
            enabled: true,
            spec: DaxClusterSpec::default(),
        }
    }
}

impl Default for Defaults {
    fn default() -> Self {
        let image = |program: &str| format!("local/stator-{program}:{}", env!("CARGO_PKG_VERSION"));
        Self {
            storage_node_image: image("storage-node"),
            dax_proxy_image: image("dax-proxy"),
            image_pull_policy: "IfNotPresent".to_owned(),
            image_pull_secrets: Vec::new(),
            network_policies: true,
            operator_namespace: "stator-system".to_owned(),
            operator_pod_labels: BTreeMap::from([(
                "app.kubernetes.io/component".to_owned(),
                "operator".to_owned(),
            )]),
            storage_cluster: StorageClusterSpec::default(),
            dax_cluster: DefaultDaxCluster::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_file_is_all_defaults() {
        assert_eq!(
            serde_yaml_ng::from_str::<Defaults>("{}").unwrap(),
            Defaults::default()
        );
    }

    #[test]
    fn an_unknown_member_is_refused() {
        assert!(serde_yaml_ng::from_str::<Defaults>("storageNodeImages: x").is_err());
    }
}
