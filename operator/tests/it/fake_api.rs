//! As much of a Kubernetes API server as the controllers can tell from a real one: objects by path, server-side apply as a
//! deep merge, generations, resource versions, label selectors. It remembers every write.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::{Client, client::Body};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

/// The server. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct FakeApi {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// By path without the query.
    objects: BTreeMap<String, Value>,
    writes: Vec<String>,
    events: Vec<Value>,
    version: u64,
}

impl FakeApi {
    /// A client of it.
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        Client::new(service, "default")
    }

    /// Puts an object there, as somebody else would. Counts as no write.
    pub(crate) fn put(&self, path: &str, object: Value) {
        let mut state = self.state.lock();
        let mut stored = object;
        state.stamp(&mut stored, None);
        state.objects.insert(path.to_owned(), stored);
    }

    /// Changes an object, as somebody else would. Counts as no write.
    pub(crate) fn change(&self, path: &str, change: Value) {
        let mut state = self.state.lock();
        let old = state
            .objects
            .get(path)
            .cloned()
            .unwrap_or_else(|| panic!("no {path}"));
        let mut new = old.clone();
        merge(&mut new, &change);
        state.stamp(&mut new, Some(&old));
        state.objects.insert(path.to_owned(), new);
    }

    /// Takes an object away, as somebody else would.
    pub(crate) fn remove(&self, path: &str) {
        self.state.lock().objects.remove(path);
    }

    /// The object at a path.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state.lock().objects.get(path).cloned()
    }

    /// The paths that contain `part`.
    pub(crate) fn paths(&self, part: &str) -> Vec<String> {
        self.state
            .lock()
            .objects
            .keys()
            .filter(|path| path.contains(part))
            .cloned()
            .collect()
    }

    /// What was written since the last call, Events left out.
    pub(crate) fn take_writes(&self) -> Vec<String> {
        std::mem::take(&mut self.state.lock().writes)
    }

    /// The reasons of all Events so far.
    pub(crate) fn event_reasons(&self) -> Vec<String> {
        let state = self.state.lock();
        state
            .events
            .iter()
            .map(|event| event["reason"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let (status, answer) = self
            .state
            .lock()
            .handle(&parts.method, &path, &query, &body);
        Response::builder()
            .status(status)
            .header("content-type", "application/json")
            .body(Body::from(answer.to_string().into_bytes()))
            .unwrap()
    }
}

impl State {
    fn handle(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        if path.contains("/events") {
            self.events.push(body.clone());
            return (StatusCode::CREATED, body.clone());
        }
        if *method != Method::GET {
            self.writes.push(format!("{method} {path}"));
        }
        match method.as_str() {
            "GET" => match self.objects.get(path) {
                Some(object) => (StatusCode::OK, object.clone()),
                None if is_collection(path) => (StatusCode::OK, self.list(path, query)),
                None => failure(StatusCode::NOT_FOUND, "NotFound"),
            },
            "POST" => {
                let path = format!("{path}/{}", body["metadata"]["name"].as_str().unwrap());
                if self.objects.contains_key(&path) {
                    return failure(StatusCode::CONFLICT, "AlreadyExists");
                }
                (StatusCode::CREATED, self.store(&path, body.clone(), None))
            }
            "PATCH" => match path.strip_suffix("/status") {
                Some(path) => {
                    let Some(old) = self.objects.get(path).cloned() else {
                        return failure(StatusCode::NOT_FOUND, "NotFound");
                    };
                    let mut new = old.clone();
                    new["status"] = body["status"].clone();
                    (StatusCode::OK, self.store(path, new, Some(&old)))
                }
                None => {
                    let old = self.objects.get(path).cloned();
                    let mut new = old.clone().unwrap_or_else(|| json!({}));
                    merge(&mut new, body);
                    (StatusCode::OK, self.store(path, new, old.as_ref()))
                }
            },
            "DELETE" => match self.objects.remove(path) {
                Some(object) => (StatusCode::OK, object),
                None => failure(StatusCode::NOT_FOUND, "NotFound"),
            },
            other => panic!("{other} {path}"),
        }
    }

    fn store(&mut self, path: &str, mut object: Value, old: Option<&Value>) -> Value {
        self.stamp(&mut object, old);
        self.objects.insert(path.to_owned(), object.clone());
        object
    }

    /// What the server sets by itself, one of its defaults among it.
    fn stamp(&mut self, object: &mut Value, old: Option<&Value>) {
        self.version += 1;
        if object["kind"] == "StatefulSet" {
            object["spec"]["revisionHistoryLimit"] = json!(10);
        }
        let generation = old.map_or(0, |old| {
            old["metadata"]["generation"].as_u64().unwrap_or_default()
        });
        let same_spec = old.is_some_and(|old| old["spec"] == object["spec"]);
        let uid = format!("uid-{}", self.version);
        let metadata = object["metadata"].as_object_mut().unwrap();
        metadata.insert(
            "resourceVersion".to_owned(),
            json!(self.version.to_string()),
        );
        metadata.insert(
            "generation".to_owned(),
            json!(if same_spec {
                generation
            } else {
                generation + 1
            }),
        );
        metadata.entry("uid").or_insert_with(|| json!(uid));
        metadata
            .entry("creationTimestamp")
            .or_insert_with(|| json!("2026-01-01T00:00:00Z"));
    }

    fn list(&self, path: &str, query: &str) -> Value {
        let selector: Map<String, Value> = query
            .split('&')
            .filter_map(|pair| pair.strip_prefix("labelSelector="))
            .flat_map(|selector| {
                let selector = selector
                    .replace("%3D", "=")
                    .replace("%2F", "/")
                    .replace("%2C", ",");
                selector.split(',').map(str::to_owned).collect::<Vec<_>>()
            })
            .filter_map(|term| {
                term.split_once('=')
                    .map(|(key, value)| (key.to_owned(), json!(value)))
            })
            .collect();
        let prefix = format!("{path}/");
        let items: Vec<Value> = self
            .objects
            .iter()
            .filter(|(path, _)| path.starts_with(&prefix))
            .filter(|(_, object)| {
                selector
                    .iter()
                    .all(|(key, value)| object["metadata"]["labels"].get(key) == Some(value))
            })
            .map(|(_, object)| object.clone())
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
    }
}

/// `.../namespaces/NS/RESOURCE` has no name at its end.
fn is_collection(path: &str) -> bool {
    let after = path.split("/namespaces/").nth(1).unwrap_or_default();
    after.split('/').count() == 2
}

fn failure(status: StatusCode, reason: &str) -> (StatusCode, Value) {
    let body = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "reason": reason, "message": reason,
        "code": status.as_u16(),
    });
    (status, body)
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                if value.is_null() {
                    into.remove(key);
                } else {
                    merge(into.entry(key.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (into, from) => *into = from.clone(),
    }
}
