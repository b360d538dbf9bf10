//! What a `DaxCluster` stands for.

use serde_json::{Map, Value, json};
use thiserror::Error;

use super::{
    Child, LEASE, NETWORK_POLICY, POD_DISRUPTION_BUDGET, ROLE, ROLE_BINDING, SERVICE,
    SERVICE_ACCOUNT, STATEFUL_SET, container_security_context, extend, labels, owner,
    pod_security_context, probes,
};
use crate::{
    crd::{DaxCluster, StorageCluster},
    defaults::Defaults,
    diff::quantity,
    names::{
        DAX_CLUSTER_LABEL, DAX_OPS_PORT, DAX_PEER_PORT, DAX_PORT, DAX_TLS_PORT, DaxNames,
        StorageNames,
    },
};

/// The `app.kubernetes.io/component` of cache nodes.
const COMPONENT: &str = "dax-proxy";

/// What the cache stands in front of, with everything looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvedUpstream {
    /// URL of the DynamoDB API.
    pub endpoint: String,
    /// Its Region.
    pub region: String,
    /// Its account, as far as known; for authorisation.
    pub account_id: Option<String>,
    /// Secret with the access key for it.
    pub key_secret: String,
    /// Secret with the callers that the cache accepts.
    pub callers_secret: String,
}

/// Why there are no children yet.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum DaxError {
    /// The storage cluster is not there (yet).
    #[error("StorageCluster {0} does not exist")]
    NoStorageCluster(String),
    /// A value that the schema should have refused.
    #[error("spec.{field}: {value:?} cannot be read")]
    BadValue {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
    },
}

/// The storage cluster that the cache needs to know, if it is in front of one.
pub fn storage_cluster_name(cluster: &DaxCluster) -> Option<String> {
    match &cluster.spec.upstream {
        None => Some(cluster.metadata.name.clone().unwrap_or_default()),
        Some(upstream) => upstream.storage_cluster.clone(),
    }
}

/// Looks up what the cache stands in front of.
///
/// # Errors
///
/// [`DaxError::NoStorageCluster`] when it is not there.
pub fn resolve(
    cluster: &DaxCluster,
    storage: Option<&StorageCluster>,
) -> Result<ResolvedUpstream, DaxError> {
    if let Some(name) = storage_cluster_name(cluster) {
        let storage = storage.ok_or_else(|| DaxError::NoStorageCluster(name.clone()))?;
        let names = StorageNames::of(storage);
        return Ok(ResolvedUpstream {
            endpoint: names.endpoint(),
            region: storage.spec.region.clone(),
            account_id: Some(storage.spec.account_id.clone()),
            key_secret: names.dax_secret(),
            callers_secret: names.credentials_secret(),
        });
    }
    let upstream = cluster.spec.upstream.clone().unwrap_or_default();
    let need = |field: &'static str, value: Option<String>| {
        value.ok_or(DaxError::BadValue {
            field,
            value: String::new(),
        })
    };
    Ok(ResolvedUpstream {
        endpoint: need("upstream.endpoint", upstream.endpoint)?,
        region: need("upstream.region", upstream.region)?,
        account_id: None,
        key_secret: need(
            "upstream.credentialsSecretName",
            upstream.credentials_secret_name,
        )?,
        callers_secret: need("upstream.callersSecretName", upstream.callers_secret_name)?,
    })
}

/// The image that the cache nodes shall run.
pub fn image<'a>(cluster: &'a DaxCluster, defaults: &'a Defaults) -> &'a str {
    cluster
        .spec
        .image
        .as_deref()
        .unwrap_or(&defaults.dax_proxy_image)
}

/// The Secret with the certificate that the cache nodes show to clients: a given one, else the operator's.
pub fn tls_secret(cluster: &DaxCluster) -> String {
    let given = cluster.spec.tls.secret_name.clone();
    given.unwrap_or_else(|| DaxNames::of(cluster).tls_secret())
}

/// Every object of the cluster.
///
/// # Errors
///
/// [`DaxError::BadValue`] names the field.
pub fn children(
    cluster: &DaxCluster,
    upstream: &ResolvedUpstream,
    defaults: &Defaults,
) -> Result<Vec<Child>, DaxError> {
    let names = DaxNames::of(cluster);
    let owner = owner(cluster);
    let labels = labels(COMPONENT, &[(DAX_CLUSTER_LABEL, &names.cluster)]);
    let child = |kind, name, content| {
        Child::new(
            kind,
            &names.namespace,
            name,
            owner.as_ref(),
            &labels,
            content,
        )
    };
    let selector = json!({DAX_CLUSTER_LABEL: names.cluster});
    let client_port =
        json!({"name": "dax", "port": DAX_PORT, "targetPort": "dax", "protocol": "TCP"});
    let tls_port = json!({"name": "dax-tls", "port": DAX_TLS_PORT, "targetPort": "dax-tls", "protocol": "TCP"});
    let mut children = vec![
        child(
            SERVICE,
            names.nodes(),
            json!({"spec": {
                "clusterIP": "None",
                "publishNotReadyAddresses": true,
                "selector": selector,
                "ports": [client_port, tls_port, {"name": "peers", "port": DAX_PEER_PORT, "targetPort": "peers", "protocol": "TCP"}],
            }}),
        ),
        child(
            SERVICE,
            names.service(),
            json!({"spec": {"type": "ClusterIP", "selector": selector, "ports": [client_port, tls_port]}}),
        ),
        child(
            POD_DISRUPTION_BUDGET,
            names.stateful_set(),
            json!({"spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector}}}),
        ),
    ];
    children.extend(election(&names, &child));
    if defaults.network_policies {
        children.push(child(
            NETWORK_POLICY,
            names.stateful_set(),
            json!({"spec": {
                "podSelector": {"matchLabels": selector},
                "policyTypes": ["Ingress"],
                "ingress": [
                    {"ports": [{"port": DAX_PORT, "protocol": "TCP"}, {"port": DAX_TLS_PORT, "protocol": "TCP"}, {"port": DAX_OPS_PORT, "protocol": "TCP"}]},
                    {
                        "from": [{"podSelector": {"matchLabels": selector}}],
                        "ports": [{"port": DAX_PEER_PORT, "protocol": "TCP"}],
                    },
                ],
            }}),
        ));
    }
    let spec = &cluster.spec;
    let mut claim = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": spec.volume.size}},
    });
    if let Some(class) = &spec.volume.storage_class_name {
        extend(&mut claim, json!({"storageClassName": class}));
    }
    children.push(child(
        STATEFUL_SET,
        names.stateful_set(),
        json!({"spec": {
            "serviceName": names.nodes(),
            "replicas": spec.replicas,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "selector": {"matchLabels": selector},
            "template": {"metadata": {"labels": labels}, "spec": pod(cluster, upstream, defaults)?},
            "volumeClaimTemplates": [{
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": "data", "labels": selector},
                "spec": claim,
            }],
        }}),
    ));
    Ok(children)
}

/// The Lease by which the nodes find their primary, and the right to hold it; no other right.
fn election(
    names: &DaxNames,
    child: &dyn Fn((&'static str, &'static str, &'static str), String, Value) -> Child,
) -> [Child; 4] {
    let name = names.lease();
    [
        // Its holder is the nodes' business.
        child(LEASE, name.clone(), json!({})),
        child(
            SERVICE_ACCOUNT,
            name.clone(),
            json!({"automountServiceAccountToken": false}),
        ),
        child(
            ROLE,
            name.clone(),
            json!({"rules": [{
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": [name],
                "verbs": ["get", "update"],
            }]}),
        ),
        child(
            ROLE_BINDING,
            name.clone(),
            json!({
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": names.namespace}],
            }),
        ),
    ]
}

/// Nodes apart from each other where that is possible.
fn spread(names: &DaxNames) -> Value {
    let over = |key: &str| {
        json!({
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {DAX_CLUSTER_LABEL: names.cluster}},
        })
    };
    json!([
        over("topology.kubernetes.io/zone"),
        over("kubernetes.io/hostname")
    ])
}

fn pod(
    cluster: &DaxCluster,
    upstream: &ResolvedUpstream,
    defaults: &Defaults,
) -> Result<Value, DaxError> {
    let spec = &cluster.spec;
    let names = DaxNames::of(cluster);
    let mut pod = json!({
        // For the Lease.
        "serviceAccountName": names.lease(),
        "automountServiceAccountToken": true,
        "topologySpreadConstraints": spread(&names),
        "enableServiceLinks": false,
        "securityContext": pod_security_context(),
        // Ten to go out of sight, twenty for requests in flight.
        "terminationGracePeriodSeconds": 45,
        "containers": [container(cluster, upstream, defaults)?],
        "volumes": [
            {"name": "callers", "secret": {"secretName": upstream.callers_secret, "defaultMode": 0o440}},
            {"name": "tls", "secret": {"secretName": tls_secret(cluster), "defaultMode": 0o440}},
            {"name": "peer-tls", "secret": {"secretName": names.peer_tls_secret(), "defaultMode": 0o440}},
            {"name": "tmp", "emptyDir": {}},
        ],
    });
    if !defaults.image_pull_secrets.is_empty() {
        extend(
            &mut pod,
            json!({"imagePullSecrets": defaults.image_pull_secrets}),
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
    Ok(pod)
}

fn container(
    cluster: &DaxCluster,
    upstream: &ResolvedUpstream,
    defaults: &Defaults,
) -> Result<Value, DaxError> {
    let spec = &cluster.spec;
    let memory_bytes = bytes("memory", &spec.memory)?;
    let names = DaxNames::of(cluster);
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}});
    let key = |name: &str| json!({"name": name, "valueFrom": {"secretKeyRef": {"name": upstream.key_secret, "key": name}}});
    let mut container = json!({
        "name": "dax-proxy",
        "image": image(cluster, defaults),
        "imagePullPolicy": spec.image_pull_policy.as_deref().unwrap_or(&defaults.image_pull_policy),
        "command": ["/usr/local/bin/dax-proxy", "serve"],
        "args": [
            format!("--upstream={}", upstream.endpoint),
            format!("--region={}", upstream.region),
            "--credentials-file=/etc/stator/callers/credentials.json",
            "--data-dir=/data",
            format!("--cache-size-bytes={memory_bytes}"),
            format!("--item-ttl-millis={}", millis("itemTTL", &spec.item_ttl)?),
            format!("--query-ttl-millis={}", millis("queryTTL", &spec.query_ttl)?),
            format!("--fill-consistency={}", spec.fill_consistency),
            format!("--listen=0.0.0.0:{DAX_PORT}"),
            format!("--tls-listen=0.0.0.0:{DAX_TLS_PORT}"),
            "--tls-dir=/etc/stator/tls",
            format!("--peer-listen=0.0.0.0:{DAX_PEER_PORT}"),
            format!("--peers={}", names.peers()),
            format!("--lease={}", names.lease()),
            "--peer-tls-dir=/etc/stator/peer-tls",
            format!("--ops-listen=0.0.0.0:{DAX_OPS_PORT}"),
            // Until every kube node has taken the pod out of its Services, and every native client has asked who is there,
            // which they do every four seconds.
            "--lame-duck-millis=10000",
        ],
        "env": [
            key("AWS_ACCESS_KEY_ID"),
            key("AWS_SECRET_ACCESS_KEY"),
            field("STATOR_NODE_NAME", "metadata.name"),
            field("STATOR_ADVERTISE", "status.podIP"),
        ],
        "ports": [
            {"name": "dax", "containerPort": DAX_PORT, "protocol": "TCP"},
            {"name": "dax-tls", "containerPort": DAX_TLS_PORT, "protocol": "TCP"},
            {"name": "peers", "containerPort": DAX_PEER_PORT, "protocol": "TCP"},
            {"name": "ops", "containerPort": DAX_OPS_PORT, "protocol": "TCP"},
        ],
        "securityContext": container_security_context(),
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "callers", "mountPath": "/etc/stator/callers", "readOnly": true},
            {"name": "tls", "mountPath": "/etc/stator/tls", "readOnly": true},
            {"name": "peer-tls", "mountPath": "/etc/stator/peer-tls", "readOnly": true},
            {"name": "tmp", "mountPath": "/tmp"},
        ],
    });
    if spec.coherent
        && let Some(args) = container.get_mut("args").and_then(Value::as_array_mut)
    {
        args.push(json!("--coherent"));
    }
    if let (Some(account), Some(args)) = (
        &upstream.account_id,
        container.get_mut("args").and_then(Value::as_array_mut),
    ) {
        args.push(json!(format!("--account-id={account}")));
    }
    extend(&mut container, probes());
    extend(
        &mut container,
        json!({"resources": resources(&spec.resources, memory_bytes)}),
    );
    if let (Some(filter), Some(env)) = (
        &spec.log_filter,
        container.get_mut("env").and_then(Value::as_array_mut),
    ) {
        env.push(json!({"name": "STATOR_LOG_FILTER", "value": filter}));
    }
    Ok(container)
}

/// What the user said, else a memory request with room beside the cache: 64 MiB for the program and its connections, and a
/// quarter for fragmentation. No limit: a cache killed for its memory is worse than one that is a little over.
fn resources(given: &Map<String, Value>, memory_bytes: i128) -> Value {
    if !given.is_empty() {
        return json!(given);
    }
    let mebibytes = (memory_bytes / (1 << 20)) * 5 / 4 + 64;
    json!({"requests": {"cpu": "50m", "memory": format!("{mebibytes}Mi")}})
}

fn bytes(field: &'static str, text: &str) -> Result<i128, DaxError> {
    let thousandths = quantity(text).ok_or_else(|| DaxError::BadValue {
        field,
        value: text.to_owned(),
    })?;
    Ok(thousandths / 1_000)
}

/// Milliseconds of `250ms`, `30s`, `5m`, `1h`.
fn millis(field: &'static str, text: &str) -> Result<u64, DaxError> {
    let bad = || DaxError::BadValue {
        field,
        value: text.to_owned(),
    };
    let unit_start = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(unit_start);
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(bad()),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(scale))
        .ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        children::tests::check_fields,
        crd::{DaxClusterSpec, StorageClusterSpec, dax_cluster::Upstream},
    };

    fn dax(name: &str) -> DaxCluster {
        let mut cluster = DaxCluster::new(name, DaxClusterSpec::default());
        cluster.metadata.namespace = Some("shop".to_owned());
        cluster.metadata.uid = Some("uid".to_owned());
        cluster
    }

    fn storage(name: &str) -> StorageCluster {
        let mut cluster = StorageCluster::new(name, StorageClusterSpec::default());
        cluster.metadata.namespace = Some("shop".to_owned());
        cluster
    }

    fn check_millis(text: &str, expected: Option<u64>) {
        assert_eq!(millis("itemTTL", text).ok(), expected, "{text}");
    }

    #[test]
    fn durations_are_read() {
        check_millis("5m", Some(300_000));
        check_millis("250ms", Some(250));
        check_millis("1h", Some(3_600_000));
        check_millis("7", None);
        check_millis("7d", None);
        check_millis("s", None);
    }

    #[test]
    fn every_field_is_one_that_kubernetes_knows() {
        let upstream = resolve(&dax("default"), Some(&storage("default"))).unwrap();
        for child in children(&dax("default"), &upstream, &Defaults::default()).unwrap() {
            check_fields(&child);
        }
    }

    #[test]
    fn without_an_upstream_it_is_the_storage_cluster_of_the_same_name() {
        let upstream = resolve(&dax("default"), Some(&storage("default"))).unwrap();
        assert_eq!(upstream.endpoint, "http://dynamodb.shop.svc:8000");
        assert_eq!(upstream.callers_secret, "default-credentials");
        assert_eq!(
            resolve(&dax("blue"), None),
            Err(DaxError::NoStorageCluster("blue".to_owned()))
        );
    }

    #[test]
    fn any_endpoint_can_be_the_upstream() {
        let mut dax = dax("amazon");
        dax.spec.upstream = Some(Upstream {
            endpoint: Some("https://dynamodb.eu-west-1.amazonaws.com".to_owned()),
            region: Some("eu-west-1".to_owned()),
            credentials_secret_name: Some("key".to_owned()),
            callers_secret_name: Some("callers".to_owned()),
            storage_cluster: None,
        });
        let upstream = resolve(&dax, None).unwrap();
        let children = children(&dax, &upstream, &Defaults::default()).unwrap();
        let set = children
            .iter()
            .find(|child| child.kind == "StatefulSet")
            .unwrap();
        let container = &set.body["spec"]["template"]["spec"]["containers"][0];
        assert!(
            container["args"]
                .as_array()
                .unwrap()
                .contains(&json!("--region=eu-west-1"))
        );
        assert!(
            children
                .iter()
                .any(|child| child.kind == "Service" && child.name == "amazon-dax")
        );
    }

    #[test]
    fn the_coherent_mode_is_a_flag() {
        for coherent in [false, true] {
            let mut dax = dax("default");
            dax.spec.coherent = coherent;
            let upstream = resolve(&dax, Some(&storage("default"))).unwrap();
            let children = children(&dax, &upstream, &Defaults::default()).unwrap();
            let set = children
                .iter()
                .find(|child| child.kind == "StatefulSet")
                .unwrap();
            let container = &set.body["spec"]["template"]["spec"]["containers"][0];
            let args = container["args"].as_array().unwrap();
            assert_eq!(args.contains(&json!("--coherent")), coherent);
        }
    }

    #[test]
    fn the_cache_gets_its_memory_in_bytes() {
        let upstream = resolve(&dax("default"), Some(&storage("default"))).unwrap();
        let children = children(&dax("default"), &upstream, &Defaults::default()).unwrap();
        let set = children
            .iter()
            .find(|child| child.kind == "StatefulSet")
            .unwrap();
        let container = &set.body["spec"]["template"]["spec"]["containers"][0];
        assert!(
            container["args"]
                .as_array()
                .unwrap()
                .contains(&json!("--cache-size-bytes=268435456"))
        );
        assert_eq!(container["resources"]["requests"]["memory"], "384Mi");
    }
}
