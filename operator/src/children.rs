//! The Kubernetes objects that a StorageCluster and a DaxCluster stand for: pure builders from a spec to JSON.
//!
//! JSON and not k8s-openapi's structs, because server-side apply must carry exactly the fields that we own; a test reads each
//! object through its typed struct and back, so a misspelt field does not pass.

pub mod dax;
pub mod secrets;
pub mod sidecar;
pub mod storage;

use serde_json::{Map, Value, json};

use crate::diff;

/// One object that shall exist just so.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// `apps/v1` and so on.
    pub api_version: &'static str,
    /// `StatefulSet` and so on.
    pub kind: &'static str,
    /// `statefulsets` and so on.
    pub plural: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The whole object, with the hash of itself among its annotations.
    pub body: Value,
}

impl Child {
    /// An object with the metadata that all our objects have.
    pub(crate) fn new(
        (api_version, kind, plural): (&'static str, &'static str, &'static str),
        namespace: &str,
        name: String,
        owner: Option<&Value>,
        labels: &Map<String, Value>,
        content: Value,
    ) -> Self {
        let mut body = json!({
            "apiVersion": api_version,
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
        });
        if let (Value::Object(body), Value::Object(content)) = (&mut body, content) {
            body.extend(content);
        }
        if let (Some(owner), Some(metadata)) = (
            owner,
            body.get_mut("metadata").and_then(Value::as_object_mut),
        ) {
            metadata.insert("ownerReferences".to_owned(), json!([owner]));
        }
        let hash = diff::hash(&body);
        if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("annotations".to_owned(), json!({diff::APPLIED_HASH: hash}));
        }
        Self {
            api_version,
            kind,
            plural,
            namespace: namespace.to_owned(),
            name,
            body,
        }
    }
}

pub(crate) const STATEFUL_SET: (&str, &str, &str) = ("apps/v1", "StatefulSet", "statefulsets");
pub(crate) const SERVICE: (&str, &str, &str) = ("v1", "Service", "services");
pub(crate) const POD_DISRUPTION_BUDGET: (&str, &str, &str) =
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets");
pub(crate) const SERVICE_ACCOUNT: (&str, &str, &str) = ("v1", "ServiceAccount", "serviceaccounts");
pub(crate) const ROLE: (&str, &str, &str) = ("rbac.authorization.k8s.io/v1", "Role", "roles");
pub(crate) const ROLE_BINDING: (&str, &str, &str) = (
    "rbac.authorization.k8s.io/v1",
    "RoleBinding",
    "rolebindings",
);
pub(crate) const LEASE: (&str, &str, &str) = ("coordination.k8s.io/v1", "Lease", "leases");
pub(crate) const NETWORK_POLICY: (&str, &str, &str) =
    ("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies");

/// Labels that say what an object is, for people and dashboards; selectors use our own labels.
pub(crate) fn labels(component: &str, own: &[(&str, &str)]) -> Map<String, Value> {
    let mut labels = Map::new();
    labels.insert("app.kubernetes.io/name".to_owned(), json!("stator"));
    labels.insert("app.kubernetes.io/component".to_owned(), json!(component));
    labels.insert(
        "app.kubernetes.io/managed-by".to_owned(),
        json!("stator-operator"),
    );
    for (key, value) in own {
        labels.insert((*key).to_owned(), json!(value));
    }
    labels
}

/// The controlling owner, so that Kubernetes removes the child with it.
pub(crate) fn owner<K: kube::Resource<DynamicType = ()>>(object: &K) -> Option<Value> {
    object
        .controller_owner_ref(&())
        .and_then(|reference| serde_json::to_value(reference).ok())
}

/// Pod security as the `restricted` standard asks; user 65532 is `nonroot` of the usual base images.
pub(crate) fn pod_security_context() -> Value {
    json!({
        "runAsNonRoot": true,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    })
}

/// Container security as the `restricted` standard asks.
pub(crate) fn container_security_context() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}

/// The probes of a program with an ops port named `ops`.
///
/// A start may replay a long log, hence the patient start-up probe; being ready is looked at often, since a rolling update
/// and every client's routing wait for it.
pub(crate) fn probes() -> Value {
    let get = |path: &str| json!({"path": path, "port": "ops"});
    json!({
        "startupProbe": {"httpGet": get("/livez"), "periodSeconds": 2, "failureThreshold": 150, "timeoutSeconds": 2},
        "livenessProbe": {"httpGet": get("/livez"), "periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 5},
        "readinessProbe": {"httpGet": get("/readyz"), "periodSeconds": 2, "failureThreshold": 2, "timeoutSeconds": 2},
    })
}

/// Adds the members of `more` to an object.
pub(crate) fn extend(object: &mut Value, more: Value) {
    if let (Value::Object(object), Value::Object(more)) = (object, more) {
        object.extend(more);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use k8s_openapi::api::{
        apps::v1::StatefulSet,
        coordination::v1::Lease,
        core::v1::{Service, ServiceAccount},
        networking::v1::NetworkPolicy,
        policy::v1::PodDisruptionBudget,
        rbac::v1::{Role, RoleBinding},
    };

    use super::*;

    /// Reads the object as its typed struct and writes it again: what is lost on the way is a misspelt field.
    pub(crate) fn check_fields(child: &Child) {
        let again = match child.kind {
            "StatefulSet" => again::<StatefulSet>(&child.body),
            "Service" => again::<Service>(&child.body),
            "PodDisruptionBudget" => again::<PodDisruptionBudget>(&child.body),
            "NetworkPolicy" => again::<NetworkPolicy>(&child.body),
            "ServiceAccount" => again::<ServiceAccount>(&child.body),
            "Role" => again::<Role>(&child.body),
            "RoleBinding" => again::<RoleBinding>(&child.body),
            "Lease" => again::<Lease>(&child.body),
            other => panic!("no type for {other}"),
        };
        assert!(
            diff::covers(&again, &child.body),
            "{}\n{}",
            again,
            child.body
        );
    }

    fn again<T: serde::de::DeserializeOwned + serde::Serialize>(body: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<T>(body.clone()).unwrap()).unwrap()
    }
}
