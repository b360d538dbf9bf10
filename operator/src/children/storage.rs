//! What a `StorageCluster` stands for.

use serde_json::{Map, Value, json};

use super::{
    Child, NETWORK_POLICY, POD_DISRUPTION_BUDGET, SERVICE, STATEFUL_SET,
    container_security_context, extend, labels, owner, pod_security_context, probes,
};
use crate::{
    crd::{StorageCluster, storage_cluster::Rack},
    defaults::Defaults,
    names::{
        ADMIN_PORT, API_PORT, RACK_LABEL, RPC_PORT, STORAGE_CLUSTER_LABEL, STORAGE_OPS_PORT,
        StorageNames,
    },
};

/// The `app.kubernetes.io/component` of storage nodes.
const COMPONENT: &str = "storage-node";

/// The image that the storage nodes shall run.
pub fn image<'a>(cluster: &'a StorageCluster, defaults: &'a Defaults) -> &'a str {
    cluster
        .spec
        .image
        .as_deref()
        .unwrap_or(&defaults.storage_node_image)
}

/// Every object but the Secrets, in the order in which they are applied: names before pods.
pub fn children(cluster: &StorageCluster, defaults: &Defaults) -> Vec<Child> {
    let builder = Builder {
        cluster,
        defaults,
        names: StorageNames::of(cluster),
        owner: owner(cluster),
    };
    let mut children = vec![
        builder.headless_service(),
        builder.client_service(),
        builder.disruption_budget(),
    ];
    if defaults.network_policies {
        children.push(builder.network_policy());
    }
    children.extend(
        cluster
            .spec
            .racks
            .iter()
            .map(|rack| builder.stateful_set(rack)),
    );
    children
}

/// The names of all pods, which are the names of the storage nodes, in the order of racks.
pub fn pod_names(cluster: &StorageCluster) -> Vec<String> {
    let names = StorageNames::of(cluster);
    cluster
        .spec
        .racks
        .iter()
        .flat_map(|rack| {
            (0..cluster.spec.nodes_per_rack)
                .map(|ordinal| names.pod(&rack.name, ordinal))
                .collect::<Vec<_>>()
        })
        .collect()
}

struct Builder<'a> {
    cluster: &'a StorageCluster,
    defaults: &'a Defaults,
    names: StorageNames,
    owner: Option<Value>,
}

impl Builder<'_> {
    fn child(
        &self,
        kind: (&'static str, &'static str, &'static str),
        name: String,
        content: Value,
    ) -> Child {
        Child::new(
            kind,
            &self.names.namespace,
            name,
            self.owner.as_ref(),
            &self.labels(),
            content,
        )
    }

    fn labels(&self) -> Map<String, Value> {
        labels(COMPONENT, &[(STORAGE_CLUSTER_LABEL, &self.names.cluster)])
    }

    /// The label alone tells the pods: a cache has no `stator.dev/storage-cluster`.
    fn selector(&self) -> Value {
        json!({STORAGE_CLUSTER_LABEL: self.names.cluster})
    }

    /// Nodes must find each other before they are ready: that is when they bootstrap.
    fn headless_service(&self) -> Child {
        self.child(
            SERVICE,
            self.names.storage(),
            json!({"spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": true,
                "selector": self.selector(),
                "ports": [
                    {"name": "rpc", "port": RPC_PORT, "targetPort": "rpc", "protocol": "TCP"},
                    {"name": "admin", "port": ADMIN_PORT, "targetPort": "admin", "protocol": "TCP"},
                    {"name": "api", "port": API_PORT, "targetPort": "api", "protocol": "TCP"},
                ],
            }}),
        )
    }

    fn client_service(&self) -> Child {
        self.child(
            SERVICE,
            self.names.service(),
            json!({"spec": {
                "type": "ClusterIP",
                "selector": self.selector(),
                "ports": [{"name": "api", "port": API_PORT, "targetPort": "api", "protocol": "TCP"}],
            }}),
        )
    }

    /// One budget over all racks: two racks must not be drained together.
    fn disruption_budget(&self) -> Child {
        self.child(
            POD_DISRUPTION_BUDGET,
            self.names.storage(),
            json!({"spec": {
                "maxUnavailable": 1,
                "selector": {"matchLabels": self.selector()},
            }}),
        )
    }

    /// RPC is for the cluster's own nodes; the admin API for them and for the operator.
    fn network_policy(&self) -> Child {
        let own = json!({"podSelector": {"matchLabels": self.selector()}});
        let operator = json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.defaults.operator_namespace}},
            "podSelector": {"matchLabels": self.defaults.operator_pod_labels},
        });
        let port = |number: u16| json!({"port": number, "protocol": "TCP"});
        self.child(
            NETWORK_POLICY,
            self.names.storage(),
            json!({"spec": {
                "podSelector": {"matchLabels": self.selector()},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {"ports": [port(API_PORT), port(STORAGE_OPS_PORT)]},
                    {"from": [own], "ports": [port(RPC_PORT)]},
                    {"from": [own, operator], "ports": [port(ADMIN_PORT)]},
                ],
            }}),
        )
    }

    /// Parallel, because nodes bootstrap only together; OnDelete, because the operator chooses the order of restarts;
    /// volumes stay whatever happens to the object.
    fn stateful_set(&self, rack: &Rack) -> Child {
        let spec = &self.cluster.spec;
        let selector = json!({STORAGE_CLUSTER_LABEL: self.names.cluster, RACK_LABEL: rack.name});
        let mut pod_labels = self.labels();
        pod_labels.insert(RACK_LABEL.to_owned(), json!(rack.name));
        let mut claim = json!({
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": spec.volume.size}},
        });
        if let Some(class) = &spec.volume.storage_class_name {
            extend(&mut claim, json!({"storageClassName": class}));
        }
        self.child(
            STATEFUL_SET,
            self.names.rack(&rack.name),
            json!({"spec": {
                "serviceName": self.names.storage(),
                "replicas": spec.nodes_per_rack,
                "podManagementPolicy": "Parallel",
                "updateStrategy": {"type": "OnDelete"},
                "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
                "selector": {"matchLabels": selector},
                "template": {"metadata": {"labels": pod_labels}, "spec": self.pod(rack)},
                "volumeClaimTemplates": [{
                    "apiVersion": "v1",
                    "kind": "PersistentVolumeClaim",
                    "metadata": {"name": "data", "labels": selector},
                    "spec": claim,
                }],
            }}),
        )
    }

    fn pod(&self, rack: &Rack) -> Value {
        let spec = &self.cluster.spec;
        let mut pod = json!({
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": pod_security_context(),
            // A node that stops moves its leaders away and finishes what it has begun.
            "terminationGracePeriodSeconds": 60,
            "affinity": self.affinity(rack),
            "containers": [self.container(rack)],
            "volumes": [
                {"name": "credentials", "secret": {"secretName": self.names.credentials_secret(), "defaultMode": 0o440}},
                {"name": "tls", "secret": {"secretName": self.names.node_tls_secret(), "defaultMode": 0o440}},
                {"name": "tmp", "emptyDir": {}},
            ],
        });
        if !self.defaults.image_pull_secrets.is_empty() {
            extend(
                &mut pod,
                json!({"imagePullSecrets": self.defaults.image_pull_secrets}),
            );
        }
        if !spec.node_selector.is_empty() {
            extend(&mut pod, json!({"nodeSelector": spec.node_selector}));
        }
        if !spec.tolerations.is_empty() {
            extend(&mut pod, json!({"tolerations": spec.tolerations}));
        }
        if let Some(class) = &spec.priority_class_name {
            extend(&mut pod, json!({"priorityClassName": class}));
        }
        pod
    }

    fn container(&self, rack: &Rack) -> Value {
        let spec = &self.cluster.spec;
        let mut container = json!({
            "name": "storage-node",
            "image": image(self.cluster, self.defaults),
            "imagePullPolicy": spec.image_pull_policy.as_deref().unwrap_or(&self.defaults.image_pull_policy),
            "command": ["/usr/local/bin/storage-node", "serve"],
            "args": [
                "--data-dir=/data",
                "--node-name=$(POD_NAME)",
                format!("--rack={}", rack.name),
                format!("--peers={}", self.peers()),
                format!("--region={}", spec.region),
                format!("--account-id={}", spec.account_id),
                "--credentials-file=/etc/stator/credentials/credentials.json",
                "--tls-dir=/etc/stator/tls",
                format!("--api-listen=0.0.0.0:{API_PORT}"),
                format!("--rpc-listen=0.0.0.0:{RPC_PORT}"),
                format!("--admin-listen=0.0.0.0:{ADMIN_PORT}"),
                format!("--ops-listen=0.0.0.0:{STORAGE_OPS_PORT}"),
            ],
            "env": [
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            ],
            "ports": [
                {"name": "api", "containerPort": API_PORT, "protocol": "TCP"},
                {"name": "rpc", "containerPort": RPC_PORT, "protocol": "TCP"},
                {"name": "admin", "containerPort": ADMIN_PORT, "protocol": "TCP"},
                {"name": "ops", "containerPort": STORAGE_OPS_PORT, "protocol": "TCP"},
            ],
            "securityContext": container_security_context(),
            "volumeMounts": [
                {"name": "data", "mountPath": "/data"},
                {"name": "credentials", "mountPath": "/etc/stator/credentials", "readOnly": true},
                {"name": "tls", "mountPath": "/etc/stator/tls", "readOnly": true},
                {"name": "tmp", "mountPath": "/tmp"},
            ],
        });
        extend(&mut container, probes());
        if !spec.resources.is_empty() {
            extend(&mut container, json!({"resources": spec.resources}));
        }
        if let (Some(filter), Some(env)) = (
            &spec.log_filter,
            container.get_mut("env").and_then(Value::as_array_mut),
        ) {
            env.push(json!({"name": "STATOR_LOG_FILTER", "value": filter}));
        }
        container
    }

    /// `name=host:port` of every storage node, itself included, in one order for all.
    fn peers(&self) -> String {
        let peers: Vec<String> = pod_names(self.cluster)
            .iter()
            .map(|pod| format!("{pod}={}:{RPC_PORT}", self.names.pod_host(pod)))
            .collect();
        peers.join(",")
    }

    /// No two racks in one zone, no two storage nodes on one kube node.
    ///
    /// Required anti-affinity does not count kube nodes without the topology label, so that a cluster without zones works;
    /// for the same reason the pods of one rack are only drawn together, since required affinity would count them out.
    fn affinity(&self, rack: &Rack) -> Value {
        let spec = &self.cluster.spec;
        let own =
            json!({"key": STORAGE_CLUSTER_LABEL, "operator": "In", "values": [self.names.cluster]});
        let this_rack = json!({"key": RACK_LABEL, "operator": "In", "values": [rack.name]});
        let other_racks = json!({"key": RACK_LABEL, "operator": "NotIn", "values": [rack.name]});
        let apart = [
            json!({"labelSelector": {"matchExpressions": [own, other_racks]}, "topologyKey": spec.topology_key}),
            json!({"labelSelector": {"matchExpressions": [own]}, "topologyKey": "kubernetes.io/hostname"}),
        ];
        let anti_affinity = if spec.pod_anti_affinity_type == "preferred" {
            let weighted: Vec<Value> = apart
                .iter()
                .map(|term| json!({"weight": 100, "podAffinityTerm": term}))
                .collect();
            json!({"preferredDuringSchedulingIgnoredDuringExecution": weighted})
        } else {
            json!({"requiredDuringSchedulingIgnoredDuringExecution": apart})
        };
        let mut affinity = json!({"podAntiAffinity": anti_affinity});
        if spec.nodes_per_rack > 1 {
            let together = json!({"labelSelector": {"matchExpressions": [own, this_rack]}, "topologyKey": spec.topology_key});
            extend(
                &mut affinity,
                json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 100, "podAffinityTerm": together},
                ]}}),
            );
        }
        if let Some(zone) = &rack.zone {
            let term = json!({"matchExpressions": [{"key": spec.topology_key, "operator": "In", "values": [zone]}]});
            extend(
                &mut affinity,
                json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}),
            );
        }
        affinity
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{children::tests::check_fields, crd::StorageClusterSpec};

    fn cluster(name: &str) -> StorageCluster {
        let mut cluster = StorageCluster::new(name, StorageClusterSpec::default());
        cluster.metadata.namespace = Some("shop".to_owned());
        cluster.metadata.uid = Some("uid".to_owned());
        cluster
    }

    fn find<'a>(children: &'a [Child], kind: &str, name: &str) -> &'a Child {
        children
            .iter()
            .find(|child| child.kind == kind && child.name == name)
            .unwrap()
    }

    #[test]
    fn every_field_is_one_that_kubernetes_knows() {
        let mut cluster = cluster("default");
        cluster.spec.nodes_per_rack = 2;
        cluster.spec.racks[0].zone = Some("zone-1".to_owned());
        cluster.spec.volume.storage_class_name = Some("fast".to_owned());
        cluster.spec.log_filter = Some("debug".to_owned());
        for child in children(&cluster, &Defaults::default()) {
            check_fields(&child);
        }
    }

    #[test]
    fn there_is_a_stateful_set_for_each_rack_with_all_peers() {
        let children = children(&cluster("default"), &Defaults::default());
        for rack in ["a", "b", "c"] {
            let set = find(&children, "StatefulSet", &format!("default-storage-{rack}"));
            let spec = &set.body["spec"];
            assert_eq!(spec["updateStrategy"]["type"], "OnDelete");
            assert_eq!(spec["podManagementPolicy"], "Parallel");
            assert_eq!(
                spec["persistentVolumeClaimRetentionPolicy"]["whenDeleted"],
                "Retain"
            );
            let args = spec["template"]["spec"]["containers"][0]["args"]
                .as_array()
                .unwrap();
            assert!(args.contains(&json!(
                "--peers=default-storage-a-0=default-storage-a-0.default-storage.shop.svc:7000,\
                 default-storage-b-0=default-storage-b-0.default-storage.shop.svc:7000,\
                 default-storage-c-0=default-storage-c-0.default-storage.shop.svc:7000"
            )));
            assert!(args.contains(&json!(format!("--rack={rack}"))));
        }
    }

    #[test]
    fn the_client_service_of_default_is_dynamodb() {
        find(
            &children(&cluster("default"), &Defaults::default()),
            "Service",
            "dynamodb",
        );
        find(
            &children(&cluster("blue"), &Defaults::default()),
            "Service",
            "blue-dynamodb",
        );
    }

    #[test]
    fn nodes_find_each_other_before_they_are_ready() {
        let children = children(&cluster("default"), &Defaults::default());
        assert_eq!(
            find(&children, "Service", "default-storage").body["spec"]["publishNotReadyAddresses"],
            true
        );
    }

    #[test]
    fn racks_are_kept_apart_unless_that_is_only_preferred() {
        let rule = |cluster: &StorageCluster| {
            let children = children(cluster, &Defaults::default());
            find(&children, "StatefulSet", "default-storage-a").body["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"].clone()
        };
        let mut cluster = cluster("default");
        assert_eq!(
            rule(&cluster)["requiredDuringSchedulingIgnoredDuringExecution"][0]["topologyKey"],
            "topology.kubernetes.io/zone"
        );
        cluster.spec.pod_anti_affinity_type = "preferred".to_owned();
        assert!(
            rule(&cluster)
                .get("requiredDuringSchedulingIgnoredDuringExecution")
                .is_none()
        );
    }

    #[test]
    fn the_image_of_the_operator_is_used_where_none_is_named() {
        let mut cluster = cluster("default");
        let defaults = Defaults::default();
        assert_eq!(image(&cluster, &defaults), defaults.storage_node_image);
        cluster.spec.image = Some("mine:1".to_owned());
        assert_eq!(image(&cluster, &defaults), "mine:1");
    }
}
