//! What a user would see, from the first Table to a rolling update.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use stator_kit::{clock::SystemWallClock, rng::SeededRandom};
use stator_operator::{
    apply::Kubernetes,
    controller::{
        Context, dax_cluster::reconcile_dax_cluster, storage_cluster::reconcile_storage_cluster,
        table::reconcile_table,
    },
    crd::{DaxCluster, StorageCluster, Table},
    defaults::Defaults,
    metrics::Metrics,
};

use crate::{fake_api::FakeApi, fake_database::FakeDatabase};

const TABLE: &str = "/apis/stator.dev/v1alpha1/namespaces/shop/tables/orders";
const STORAGE: &str = "/apis/stator.dev/v1alpha1/namespaces/shop/storageclusters/default";
const DAX: &str = "/apis/stator.dev/v1alpha1/namespaces/shop/daxclusters/default";
const SETS: &str = "/apis/apps/v1/namespaces/shop/statefulsets/";
const PODS: &str = "/api/v1/namespaces/shop/pods/";
const SECRETS: &str = "/api/v1/namespaces/shop/secrets/";
const NODES: [&str; 3] = [
    "default-storage-a-0",
    "default-storage-b-0",
    "default-storage-c-0",
];

/// A namespace with the operator's controllers, whose passes the test calls one by one.
struct World {
    api: FakeApi,
    database: FakeDatabase,
    context: Context,
}

impl World {
    fn new() -> Self {
        let api = FakeApi::default();
        let database = FakeDatabase::default();
        let context = Context::new(
            Kubernetes::new(api.client(), Some("operator-0".to_owned())),
            Arc::new(database.clone()),
            Defaults::default(),
            Arc::new(SystemWallClock),
            Arc::new(SeededRandom::new(7)),
            Metrics::default(),
            Duration::from_secs(30),
        );
        Self {
            api,
            database,
            context,
        }
    }

    fn apply_orders(&self) {
        let text = include_str!("../../../examples/orders.yaml");
        let mut table: Value = serde_yaml_ng::from_str(text).unwrap();
        table["metadata"]["namespace"] = json!("shop");
        self.api.put(TABLE, table);
    }

    /// One pass of each controller over what there is.
    async fn pass(&self) {
        if let Some(table) = self.api.get(TABLE) {
            let table: Table = serde_json::from_value(table).unwrap();
            reconcile_table(&table, None, &self.context).await.unwrap();
        }
        if let Some(cluster) = self.api.get(STORAGE) {
            let cluster: StorageCluster = serde_json::from_value(cluster).unwrap();
            reconcile_storage_cluster(&cluster, &self.context)
                .await
                .unwrap();
        }
        if let Some(cluster) = self.api.get(DAX) {
            let cluster: DaxCluster = serde_json::from_value(cluster).unwrap();
            reconcile_dax_cluster(&cluster, &self.context)
                .await
                .unwrap();
        }
    }

    /// What Kubernetes' own controllers and kubelets would do by now: sets observed, missing pods made and ready.
    fn kubernetes_catches_up(&self) {
        for path in self.api.paths("/statefulsets/") {
            let set = self.api.get(&path).unwrap();
            let name = path.rsplit('/').next().unwrap();
            let container = &set["spec"]["template"]["spec"]["containers"][0];
            let revision = format!(
                "rev-{}",
                container["image"]
                    .as_str()
                    .unwrap()
                    .replace([':', '/'], "-")
            );
            self.api.change(&path, json!({"status": {
                "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "updateRevision": revision,
                "observedGeneration": set["metadata"]["generation"],
            }}));
            let pod_path = format!("{PODS}{name}-0");
            if self.api.get(&pod_path).is_some() {
                continue;
            }
            let mut labels = set["spec"]["template"]["metadata"]["labels"].clone();
            labels["controller-revision-hash"] = json!(revision);
            self.api.put(&pod_path, json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": format!("{name}-0"), "namespace": "shop", "labels": labels},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "containerStatuses": [{"name": "x", "image": "x", "imageID": "x", "ready": true, "restartCount": 0,
                        "state": {"running": {}}}],
                },
            }));
        }
    }

    fn condition(&self, path: &str, kind: &str) -> Value {
        let object = self.api.get(path).unwrap();
        let conditions = object["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        conditions
            .into_iter()
            .find(|condition| condition["type"] == kind)
            .unwrap_or_default()
    }

    /// From nothing to a table that is ready.
    async fn bring_up(&self) {
        self.apply_orders();
        for _ in 0..3 {
            self.pass().await;
        }
        self.kubernetes_catches_up();
        self.database.form(&NODES);
        for _ in 0..4 {
            self.pass().await;
        }
        for path in [TABLE, STORAGE, DAX] {
            assert_eq!(
                self.condition(path, "Ready")["status"],
                "True",
                "{:?}",
                self.api.get(path)
            );
        }
    }
}

#[tokio::test]
async fn the_first_table_brings_up_everything_and_becomes_ready() {
    let world = World::new();
    world.apply_orders();
    world.pass().await;
    world.pass().await;
    world.pass().await;
    // Nothing is created in a database that is not there.
    assert_eq!(
        world.condition(TABLE, "Ready")["reason"],
        "WaitingForStorageCluster"
    );
    assert_eq!(world.api.paths("/statefulsets/").len(), 4);
    for secret in [
        "default-root",
        "default-credentials",
        "default-ca",
        "default-node-tls",
        "default-dax-ca",
        "default-dax-tls",
    ] {
        assert!(
            world.api.get(&format!("{SECRETS}{secret}")).is_some(),
            "{secret}"
        );
    }
    assert!(
        world.api.get(STORAGE).unwrap()["metadata"]
            .get("ownerReferences")
            .is_none()
    );
    world.bring_up().await;
    assert!(world.database.table("orders").is_some());
    assert!(world.api.event_reasons().contains(&"Created".to_owned()));
}

/// Seen failing with the comparison in `Kubernetes::converge`, then with the one in `Kubernetes::report`, taken out.
#[tokio::test]
async fn a_converged_world_causes_no_writes() {
    let world = World::new();
    world.bring_up().await;
    world.pass().await;
    world.api.take_writes();
    let events = world.api.event_reasons().len();
    for _ in 0..5 {
        world.pass().await;
    }
    assert_eq!(world.api.take_writes(), Vec::<String>::new());
    assert_eq!(world.api.event_reasons().len(), events);
}

#[tokio::test]
async fn what_others_change_is_put_back_with_one_write() {
    let world = World::new();
    world.bring_up().await;
    world.api.take_writes();
    let set = format!("{SETS}default-storage-a");
    world.api.change(&set, json!({"spec": {"replicas": 0}}));
    world.kubernetes_catches_up();
    world.pass().await;
    let writes: Vec<String> = world
        .api
        .take_writes()
        .into_iter()
        .filter(|write| write.contains("/statefulsets/"))
        .collect();
    assert_eq!(writes, [format!("PATCH {set}")]);
    assert_eq!(world.api.get(&set).unwrap()["spec"]["replicas"], 1);
}

#[tokio::test]
async fn a_deleted_table_keeps_its_data_and_is_adopted_again() {
    let world = World::new();
    world.bring_up().await;
    world.api.change(
        TABLE,
        json!({"metadata": {"deletionTimestamp": "2026-01-02T00:00:00Z"}}),
    );
    world.pass().await;
    assert_eq!(
        world.api.get(TABLE).unwrap()["metadata"]["finalizers"],
        json!([])
    );
    assert!(world.database.table("orders").is_some());
    assert!(
        world
            .api
            .event_reasons()
            .contains(&"DataRetained".to_owned())
    );

    world.api.remove(TABLE);
    world.bring_up().await;
    assert!(world.api.event_reasons().contains(&"Adopted".to_owned()));
}

#[tokio::test]
async fn the_policy_delete_deletes() {
    let world = World::new();
    world.bring_up().await;
    world.api.change(
        TABLE,
        json!({"metadata": {
            "deletionTimestamp": "2026-01-02T00:00:00Z",
            "annotations": {"services.k8s.aws/deletion-policy": "delete"},
        }}),
    );
    world.pass().await;
    assert!(world.database.table("orders").is_none());
    world.pass().await;
    assert_eq!(
        world.api.get(TABLE).unwrap()["metadata"]["finalizers"],
        json!([])
    );
}

#[tokio::test]
async fn a_storage_cluster_made_again_finds_its_secrets() {
    let world = World::new();
    world.bring_up().await;
    let root = world.api.get(&format!("{SECRETS}default-root")).unwrap();
    let authority = world.api.get(&format!("{SECRETS}default-ca")).unwrap();
    world.api.remove(STORAGE);
    for _ in 0..3 {
        world.pass().await;
    }
    assert!(world.api.get(STORAGE).is_some(), "the Table makes it again");
    assert_eq!(
        world.api.get(&format!("{SECRETS}default-root")).unwrap(),
        root
    );
    assert_eq!(
        world.api.get(&format!("{SECRETS}default-ca")).unwrap(),
        authority
    );
    assert!(root["metadata"].get("ownerReferences").is_none());
}

/// Invariant 5. Seen failing with the check of `under_replicated_groups` in `plan::rollout` taken out.
#[tokio::test]
async fn a_new_image_rolls_one_node_at_a_time_followers_first() {
    let world = World::new();
    world.bring_up().await;
    world
        .api
        .change(STORAGE, json!({"spec": {"image": "new:2"}}));
    world.pass().await;
    world.kubernetes_catches_up();
    world.api.take_writes();

    let mut restarted = Vec::new();
    for _ in 0..12 {
        world.pass().await;
        let deleted: Vec<String> = world
            .api
            .take_writes()
            .into_iter()
            .filter(|write| write.starts_with("DELETE"))
            .collect();
        assert!(deleted.len() <= 1, "{deleted:?}");
        if deleted.is_empty() {
            continue;
        }
        restarted.extend(deleted);
        // While the pod is away, and while its member is behind, no other goes.
        world.pass().await;
        world.kubernetes_catches_up();
        world
            .database
            .change(|cluster| cluster.under_replicated_groups = 1);
        world.pass().await;
        assert!(
            !world
                .api
                .take_writes()
                .iter()
                .any(|write| write.starts_with("DELETE"))
        );
        world
            .database
            .change(|cluster| cluster.under_replicated_groups = 0);
    }
    let expected = ["b", "c", "a"].map(|rack| format!("DELETE {PODS}default-storage-{rack}-0"));
    assert_eq!(restarted, expected);
    assert_eq!(world.database.drained(), ["default-storage-a-0"]);
    assert_eq!(world.condition(STORAGE, "Ready")["status"], "True");
    assert_eq!(world.api.get(STORAGE).unwrap()["status"]["updatedNodes"], 3);
}

#[tokio::test]
async fn a_paused_cluster_is_left_alone() {
    let world = World::new();
    world.bring_up().await;
    world.api.change(
        STORAGE,
        json!({"metadata": {"annotations": {"stator.dev/paused": "true"}}, "spec": {"image": "new:2"}}),
    );
    world.api.take_writes();
    world.pass().await;
    assert_eq!(world.api.take_writes(), Vec::<String>::new());
}

#[tokio::test]
async fn an_edit_of_the_manifest_updates_the_table() {
    let world = World::new();
    world.bring_up().await;
    world
        .api
        .change(TABLE, json!({"spec": {"deletionProtectionEnabled": true}}));
    world.pass().await;
    world.pass().await;
    assert!(
        world
            .database
            .table("orders")
            .unwrap()
            .deletion_protection_enabled
    );
    assert_eq!(
        world.condition(TABLE, "ACK.ResourceSynced")["status"],
        "True"
    );

    // Taken out again, the setting stays and an Event says so.
    world
        .api
        .change(TABLE, json!({"spec": {"deletionProtectionEnabled": null}}));
    world.pass().await;
    assert!(
        world
            .database
            .table("orders")
            .unwrap()
            .deletion_protection_enabled
    );
    assert!(
        world
            .api
            .event_reasons()
            .contains(&"FieldUnmanaged".to_owned())
    );
}

/// A certificate of the user's own is looked at before any pod asks for it (M02).
#[tokio::test]
async fn a_given_certificate_must_be_whole() {
    let world = World::new();
    world.bring_up().await;
    let set = format!("{SETS}default-dax");
    let mounted = |world: &World| {
        let volumes = world.api.get(&set).unwrap()["spec"]["template"]["spec"]["volumes"].clone();
        let volumes = volumes.as_array().cloned().unwrap();
        let tls = volumes.into_iter().find(|volume| volume["name"] == "tls");
        tls.unwrap()["secret"]["secretName"].clone()
    };
    assert_eq!(mounted(&world), "default-dax-tls");
    world
        .api
        .change(DAX, json!({"spec": {"tls": {"secretName": "mine"}}}));
    world.pass().await;
    let ready = world.condition(DAX, "Ready");
    assert_eq!(ready["reason"], "TlsSecretNotUsable");
    assert_eq!(ready["message"], "Secret mine does not exist");
    let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mine", "namespace": "shop"}, "data": data});
    let path = format!("{SECRETS}mine");
    world.api.put(&path, secret(json!({"tls.crt": "eA=="})));
    world.pass().await;
    let ready = world.condition(DAX, "Ready");
    assert_eq!(ready["message"], "Secret mine lacks tls.key");
    assert_eq!(mounted(&world), "default-dax-tls");
    let whole = json!({"tls.crt": "eA==", "tls.key": "eA=="});
    world.api.put(&path, secret(whole));
    world.pass().await;
    assert_eq!(mounted(&world), "mine");
}
