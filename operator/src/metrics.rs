//! What the operator counts.

use http::{Method, Request};
use kube::client::Body;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// Requests to the API server that change something, by method and resource.
pub const KUBERNETES_WRITES: &str = "kubernetes_writes";
/// Reconciles by kind and result.
pub const RECONCILES: &str = "reconciles";
/// Time of a reconcile.
pub const RECONCILE_DURATION: &str = "reconcile_duration";
/// Answers of the webhook by outcome.
pub const ADMISSIONS: &str = "admissions";
/// Whether this operator leads.
pub const LEADING: &str = "leading";

/// Method and resource of a write.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct WriteLabels {
    /// `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// The plural, and the subresource after a slash.
    pub resource: String,
}

/// Kind and result of a reconcile.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ReconcileLabels {
    /// The kind.
    pub kind: &'static str,
    /// `ok` or the name of the error.
    pub result: &'static str,
}

/// What became of a pod that was about to be made.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct AdmissionLabels {
    /// `untouched`, `injected`, `refused` or `unreadable`.
    pub outcome: &'static str,
}

/// The counters. Clones share them.
#[derive(Clone)]
pub struct Metrics {
    /// See [`KUBERNETES_WRITES`].
    pub writes: Family<WriteLabels, Counter>,
    /// See [`RECONCILES`].
    pub reconciles: Family<ReconcileLabels, Counter>,
    /// See [`RECONCILE_DURATION`].
    pub durations: Histogram,
    /// See [`ADMISSIONS`].
    pub admissions: Family<AdmissionLabels, Counter>,
    /// See [`LEADING`].
    pub leading: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            writes: Family::default(),
            reconciles: Family::default(),
            // A reconcile is a few reads of a millisecond each, up to a call that runs into its deadline of 10 s.
            durations: Histogram::new([
                0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
            ]),
            admissions: Family::default(),
            leading: Gauge::default(),
        }
    }
}

impl Metrics {
    /// Registers them.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            KUBERNETES_WRITES,
            "Requests to the Kubernetes API server that change something",
            self.writes.clone(),
        );
        registry.register(
            RECONCILES,
            "Reconciles by kind and result",
            self.reconciles.clone(),
        );
        registry.register_with_unit(
            RECONCILE_DURATION,
            "Time from the start of a reconcile to its end",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register(
            ADMISSIONS,
            "Pods that the webhook was asked about, by outcome",
            self.admissions.clone(),
        );
        registry.register(
            LEADING,
            "1 while this operator holds the lease",
            self.leading.clone(),
        );
    }

    /// Counts a request to the API server if it is a write.
    pub fn observe_request(&self, request: &Request<Body>) {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            return;
        }
        let labels = WriteLabels {
            method: request.method().to_string(),
            resource: resource_of(request.uri().path()).to_owned(),
        };
        self.writes.get_or_create(&labels).inc();
    }
}

/// `/apis/GROUP/VERSION/namespaces/NS/RESOURCE/NAME/SUB`, or `/api/v1/...` without a group; names are left out.
fn resource_of(path: &str) -> &str {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let rest = match parts.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        _ => return "other",
    };
    match rest {
        ["namespaces", _, resource, ..] | [resource, ..] => resource,
        [] => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        assert_eq!(resource_of(path), expected, "{path}");
    }

    #[test]
    fn resources_are_read_from_paths() {
        check("/api/v1/namespaces/shop/secrets/x", "secrets");
        check(
            "/apis/apps/v1/namespaces/shop/statefulsets/x",
            "statefulsets",
        );
        check(
            "/apis/stator.dev/v1alpha1/namespaces/shop/tables/orders/status",
            "tables",
        );
        check("/api/v1/nodes/n", "nodes");
        check("/version", "other");
    }

    #[test]
    fn only_writes_are_counted() {
        let metrics = Metrics::default();
        let request = |method: Method| {
            Request::builder()
                .method(method)
                .uri("/api/v1/namespaces/shop/secrets/x")
                .body(Body::empty())
                .unwrap()
        };
        metrics.observe_request(&request(Method::GET));
        metrics.observe_request(&request(Method::PATCH));
        let labels = WriteLabels {
            method: "PATCH".to_owned(),
            resource: "secrets".to_owned(),
        };
        assert_eq!(metrics.writes.get_or_create(&labels).get(), 1);
        let labels = WriteLabels {
            method: "GET".to_owned(),
            resource: "secrets".to_owned(),
        };
        assert_eq!(metrics.writes.get_or_create(&labels).get(), 0);
    }
}
