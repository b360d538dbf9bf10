//! All writes to Kubernetes. Each happens only when something differs, so that a converged object causes none.

use std::fmt::Debug;

use k8s_openapi::{
    api::core::v1::{ObjectReference, Pod, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource,
    api::{
        ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
        Preconditions,
    },
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{children::Child, diff, plan::EventDraft};

/// The one field manager of everything that we apply.
pub const FIELD_MANAGER: &str = "stator-operator";

/// Longest note of an Event, in bytes; the API refuses more.
const NOTE_BYTES_MAX: usize = 1_000;

/// Longest action of an Event, in bytes.
const ACTION_BYTES_MAX: usize = 128;

/// Whether an object had to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was as wanted.
    Unchanged,
    /// It was made or changed.
    Changed,
}

/// The way to the API server.
#[derive(Clone)]
pub struct Kubernetes {
    client: Client,
    recorder: Recorder,
}

impl Kubernetes {
    /// Through that client; `instance` is the name of our pod, for Events.
    pub fn new(client: Client, instance: Option<String>) -> Self {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance,
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter),
            client,
        }
    }

    /// The client, for reading.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Objects of a namespace.
    pub fn namespaced<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// Reads a child and applies it when it differs. Gives the live object.
    ///
    /// # Errors
    ///
    /// Those of the API server.
    pub async fn converge(&self, child: &Child) -> kube::Result<(Value, Written)> {
        let resource = api_resource(child);
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &child.namespace, &resource);
        let live = api.get_opt(&child.name).await?;
        if let Some(live) = live {
            let live = serde_json::to_value(live).map_err(kube::Error::SerdeError)?;
            if diff::covers(&live, &child.body) {
                return Ok((live, Written::Unchanged));
            }
        }
        let written = api
            .patch(&child.name, &forced(), &Patch::Apply(&child.body))
            .await?;
        let written = serde_json::to_value(written).map_err(kube::Error::SerdeError)?;
        Ok((written, Written::Changed))
    }

    /// Makes a Secret unless there is one of that name, which is then left alone. Gives the live one.
    ///
    /// # Errors
    ///
    /// Those of the API server.
    pub async fn create_secret_once(&self, secret: Secret) -> kube::Result<Secret> {
        let name = secret.metadata.name.clone().unwrap_or_default();
        let api: Api<Secret> =
            self.namespaced(secret.metadata.namespace.as_deref().unwrap_or_default());
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        match api.create(&parameters, &secret).await {
            Err(kube::Error::Api(status)) if status.code == 409 => api.get(&name).await,
            result => result,
        }
    }

    /// Makes an object unless there is one of that name, by server-side apply with our field manager.
    ///
    /// # Errors
    ///
    /// Those of the API server.
    pub async fn apply_if_missing<K>(&self, object: &K) -> kube::Result<Written>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + Serialize
            + DeserializeOwned,
    {
        let name = object.meta().name.clone().unwrap_or_default();
        let api: Api<K> = self.namespaced(object.meta().namespace.as_deref().unwrap_or_default());
        if api.get_opt(&name).await?.is_some() {
            return Ok(Written::Unchanged);
        }
        api.patch(
            &name,
            &PatchParams::apply(FIELD_MANAGER),
            &Patch::Apply(object),
        )
        .await?;
        Ok(Written::Changed)
    }

    /// Writes a status when it differs from the live one.
    ///
    /// # Errors
    ///
    /// Those of the API server.
    pub async fn report<K, S>(
        &self,
        object: &K,
        live: Option<&S>,
        wanted: &S,
    ) -> kube::Result<Written>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
        S: Serialize + PartialEq,
    {
        if live == Some(wanted) {
            return Ok(Written::Unchanged);
        }
        let (api, name) = self.of(object);
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            // The uid makes sure that it is still the same object.
            "metadata": {"name": name, "uid": object.meta().uid},
            "status": wanted,
        });
        api.patch_status(&name, &forced(), &Patch::Apply(&body))
            .await?;
        Ok(Written::Changed)
    }

    /// Puts a finalizer on an object.
    ///
    /// # Errors
    ///
    /// Those of the API server.
    pub async fn add_finalizer<K>(&self, object: &K, finalizer: &str) -> kube::Result<()>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let mut finalizers = object.meta().finalizers.clone().unwrap_or_default();
        finalizers.push(finalizer.to_owned());
        self.set_finalizers(object, &finalizers).await
    }

    /// Takes a finalizer off an object.
    ///
    /// # Errors
    ///
    /// Those of the API server.
    pub async fn remove_finalizer<K>(&self, object: &K, finalizer: &str) -> kube::Result<()>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let others: Vec<String> = object
            .meta()
            .finalizers
            .iter()
            .flatten()
            .filter(|other| *other != finalizer)
            .cloned()
            .collect();
        self.set_finalizers(object, &others).await
    }

    /// With the version that was read: a list is replaced whole, and another's finalizer must not get lost.
    async fn set_finalizers<K>(&self, object: &K, finalizers: &[String]) -> kube::Result<()>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let (api, name) = self.of(object);
        let body = json!({"metadata": {"resourceVersion": object.meta().resource_version, "finalizers": finalizers}});
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        api.patch(&name, &parameters, &Patch::Merge(&body)).await?;
        Ok(())
    }

    /// Deletes that very pod.
    ///
    /// # Errors
    ///
    /// Those of the API server; a pod that is gone or another one by now is none.
    pub async fn delete_pod(&self, namespace: &str, name: &str, uid: &str) -> kube::Result<()> {
        let api: Api<Pod> = self.namespaced(namespace);
        let preconditions = Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        };
        match api
            .delete(name, &DeleteParams::default().preconditions(preconditions))
            .await
        {
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Writes an Event. A failure is logged and goes no further: Events are news, not state.
    pub async fn publish(&self, about: &ObjectReference, event: &EventDraft) {
        let note = shortened(&event.note, NOTE_BYTES_MAX);
        let event = Event {
            type_: if event.warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: event.reason.clone(),
            note: Some(note),
            // The recorder counts Events of one reason and action as one, and shows the first note for all of them. What
            // is told of two pods, or of two fields, are two things.
            action: shortened(&event.note, ACTION_BYTES_MAX),
            secondary: None,
        };
        if let Err(error) = self.recorder.publish(&event, about).await {
            tracing::warn!(%error, reason = event.reason, "cannot write event");
        }
    }

    fn of<K>(&self, object: &K) -> (Api<K>, String)
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        let ObjectMeta {
            name, namespace, ..
        } = object.meta();
        (
            self.namespaced(namespace.as_deref().unwrap_or_default()),
            name.clone().unwrap_or_default(),
        )
    }
}

/// At most so many bytes, whole characters.
fn shortened(text: &str, bytes_max: usize) -> String {
    let mut text = text.to_owned();
    while text.len() > bytes_max {
        text.pop();
    }
    text
}

/// Server-side apply as our manager, taking over fields that others had set: the manifest is the truth.
fn forced() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}

fn api_resource(child: &Child) -> ApiResource {
    let (group, version) = child
        .api_version
        .split_once('/')
        .unwrap_or(("", child.api_version));
    ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(group, version, child.kind),
        child.plural,
    )
}
