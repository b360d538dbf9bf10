//! The admission webhook: the API server asks about each pod that is about to be made and carries our annotation.
//!
//! Every operator answers, leading or not: what is decided depends on the pod and the defaults alone
//! ([`crate::children::sidecar`]). The registration says `failurePolicy: Ignore`, so that without any operator pods are made
//! as they are.

pub mod certificate;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::Full;
use k8s_openapi::api::core::v1::Pod;
use kube::core::{
    DynamicObject,
    admission::{AdmissionRequest, AdmissionResponse, AdmissionReview},
};
use parking_lot::Mutex;
use serde_json::Value;
use stator_kit::{
    http::{ServerOptions, read_body, serve},
    task::TaskOwner,
    tls::{ALPN_HTTP1, PemPair, ReloadingServerConfig},
};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep},
};
use tracing::warn;

use self::certificate::{Authority, CertificateError};
use crate::{
    children::sidecar::{Injection, inject},
    defaults::Defaults,
    metrics::{AdmissionLabels, Metrics},
};

/// Where the API server asks.
pub const PATH: &str = "/inject-dax";

/// An object is at most 1.5 MiB in etcd, and the review repeats a part of it.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// For the question to arrive. The API server itself waits five seconds for the answer.
const BODY_WAIT: Duration = Duration::from_secs(5);

/// How often the certificate is looked at.
const LOOK: Duration = Duration::from_secs(30);
/// The same while there is none.
const RETRY: Duration = Duration::from_secs(2);

/// Decides about pods.
pub struct Webhook {
    defaults: Defaults,
    metrics: Metrics,
}

impl Webhook {
    /// With those defaults.
    pub fn new(defaults: Defaults, metrics: Metrics) -> Self {
        Self { defaults, metrics }
    }

    /// Answers on `listener` as soon as there is a certificate, and looks after that, until the owner's token is cancelled.
    pub async fn run(self, listener: TcpListener, authority: &Authority, tasks: &TaskOwner) {
        let token = tasks.token();
        let looking = async {
            let (shown, tls) = loop {
                match Self::first_certificate(authority).await {
                    Ok(first) => break first,
                    Err(error) => {
                        warn!(%error, "the webhook has no certificate yet");
                        sleep(RETRY).await;
                    }
                }
            };
            self.serve(listener, tls.clone(), tasks);
            loop {
                sleep(LOOK).await;
                let renewed = authority.converge().await.and_then(|pair| {
                    *shown.lock() = pair;
                    Ok(tls.reload()?)
                });
                if let Err(error) = renewed {
                    warn!(%error, "the webhook's certificate stays as it was");
                }
            }
        };
        tokio::select! {
            biased;
            () = token.cancelled() => {}
            () = looking => {}
        }
    }

    async fn first_certificate(
        authority: &Authority,
    ) -> Result<(Arc<Mutex<PemPair>>, ReloadingServerConfig), CertificateError> {
        let shown = Arc::new(Mutex::new(authority.converge().await?));
        let source = Arc::clone(&shown);
        let tls = ReloadingServerConfig::from_source(move || source.lock().clone(), &[ALPN_HTTP1])?;
        Ok((shown, tls))
    }

    fn serve(self, listener: TcpListener, tls: ReloadingServerConfig, tasks: &TaskOwner) {
        let options = ServerOptions {
            tls: Some(tls),
            ..ServerOptions::new("webhook")
        };
        let webhook = Arc::new(self);
        let handler = move |request| {
            let webhook = Arc::clone(&webhook);
            async move { webhook.handle(request).await }
        };
        serve(listener, options, handler, tasks);
    }

    /// Answers one HTTP request.
    pub async fn handle<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + Unpin,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if request.method() != Method::POST || request.uri().path() != PATH {
            return status(StatusCode::NOT_FOUND);
        }
        let deadline = Instant::now() + BODY_WAIT;
        let Ok(body) = read_body(request.into_body(), BODY_BYTES_MAX, deadline).await else {
            return status(StatusCode::BAD_REQUEST);
        };
        let review = self.review(&body);
        let Ok(json) = serde_json::to_vec(&review) else {
            return status(StatusCode::INTERNAL_SERVER_ERROR);
        };
        let mut response = Response::new(Full::new(Bytes::from(json)));
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }

    /// Answers one question.
    pub fn review(&self, body: &[u8]) -> AdmissionReview<DynamicObject> {
        let review: Result<AdmissionReview<Pod>, _> = serde_json::from_slice(body);
        let request = review
            .map_err(|error| error.to_string())
            .and_then(|review| {
                let request: Result<AdmissionRequest<Pod>, _> = review.try_into();
                request.map_err(|error| error.to_string())
            });
        let (response, outcome) = match request {
            Ok(request) => self.decide(&request),
            Err(error) => {
                warn!(error, "a question of the API server cannot be read");
                (AdmissionResponse::invalid(error), "unreadable")
            }
        };
        let labels = AdmissionLabels { outcome };
        self.metrics.admissions.get_or_create(&labels).inc();
        response.into_review()
    }

    fn decide(&self, request: &AdmissionRequest<Pod>) -> (AdmissionResponse, &'static str) {
        let allowed = AdmissionResponse::from(request);
        let Some(pod) = &request.object else {
            return (allowed, "untouched");
        };
        let namespace = request.namespace.as_deref().unwrap_or_default();
        match inject(pod, namespace, &self.defaults) {
            Injection::Nothing => (allowed, "untouched"),
            Injection::Refused(reason) => (allowed.deny(reason), "refused"),
            Injection::Patch(operations) => {
                let patch = serde_json::from_value(Value::Array(operations));
                let patched = patch
                    .map_err(|error| error.to_string())
                    .and_then(|patch| allowed.with_patch(patch).map_err(|e| e.to_string()));
                match patched {
                    Ok(patched) => (patched, "injected"),
                    // The operations are made here, of texts and numbers.
                    Err(error) => (AdmissionResponse::invalid(error), "unreadable"),
                }
            }
        }
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::children::sidecar::{MEMORY_ANNOTATION, SIDECAR_ANNOTATION};

    fn webhook() -> Webhook {
        Webhook::new(Defaults::default(), Metrics::default())
    }

    /// As the API server asks.
    fn question(annotations: Value) -> Vec<u8> {
        let kind = json!({"group": "", "version": "v1", "kind": "Pod"});
        let resource = json!({"group": "", "version": "v1", "resource": "pods"});
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": "u-1",
                "kind": kind,
                "resource": resource,
                "requestKind": kind,
                "requestResource": resource,
                "namespace": "shop",
                "operation": "CREATE",
                "userInfo": {"username": "u"},
                "object": {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"generateName": "app-", "annotations": annotations},
                    "spec": {"containers": [{"name": "app", "image": "app"}]},
                },
                "oldObject": null,
                "dryRun": false,
                "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
            },
        })
        .to_string()
        .into_bytes()
    }

    fn answer(body: &[u8]) -> Value {
        let review = serde_json::to_value(webhook().review(body)).unwrap();
        assert_eq!(review["kind"], "AdmissionReview");
        review["response"].clone()
    }

    #[test]
    fn a_pod_is_patched_refused_or_left_alone() {
        let injected = answer(&question(json!({SIDECAR_ANNOTATION: "default"})));
        assert_eq!(
            (
                &injected["allowed"],
                &injected["uid"],
                &injected["patchType"]
            ),
            (&json!(true), &json!("u-1"), &json!("JSONPatch"))
        );
        let left = answer(&question(json!({})));
        assert_eq!(
            (&left["allowed"], &left["patch"]),
            (&json!(true), &Value::Null)
        );
        let annotations = json!({SIDECAR_ANNOTATION: "default", MEMORY_ANNOTATION: "x"});
        let refused = answer(&question(annotations));
        assert_eq!(refused["allowed"], false);
        let reason = refused["status"]["message"].as_str().unwrap();
        assert!(reason.contains(MEMORY_ANNOTATION), "{reason}");
    }

    #[test]
    fn what_is_no_question_is_refused() {
        for body in [&b""[..], b"{}", b"{\"request\": 1}"] {
            assert_eq!(answer(body)["allowed"], false);
        }
    }

    #[tokio::test]
    async fn it_answers_on_its_path_alone() {
        let ask = async |method: &str, path: &str| {
            let request = Request::builder()
                .method(method)
                .uri(path)
                .body(Full::new(Bytes::from(question(json!({})))))
                .unwrap();
            webhook().handle(request).await.status().as_u16()
        };
        assert_eq!(ask("POST", PATH).await, 200);
        assert_eq!(ask("GET", PATH).await, 404);
        assert_eq!(ask("POST", "/").await, 404);
    }
}
