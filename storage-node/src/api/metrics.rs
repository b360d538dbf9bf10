//! What the API counts: requests, errors and their time, by operation.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use stator_model::error::ApiError;
use stator_model::operations::Operation;
use tokio::time::Instant;

/// Answered requests: `stator_requests_total{operation,code}`.
const REQUESTS: &str = "requests";
/// Time from the request's head to its answer: `stator_request_seconds{operation}`.
const REQUEST_SECONDS: &str = "request_seconds";

/// Counters of the API. Labels come from closed sets: operations and error codes.
#[derive(Clone)]
pub struct ApiMetrics {
    requests: Family<Outcome, Counter>,
    seconds: Family<Kind, Histogram, fn() -> Histogram>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    operation: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    operation: &'static str,
}

/// Buckets from a quarter of a millisecond to the server's deadline.
fn histogram() -> Histogram {
    Histogram::new([
        0.000_25, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0,
    ])
}

impl ApiMetrics {
    /// Metrics registered with the node's registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::new_with_constructor(histogram),
        };
        registry.register(
            REQUESTS,
            "Answered requests by operation and code",
            metrics.requests.clone(),
        );
        registry.register(
            REQUEST_SECONDS,
            "Time from a request's head to its answer in seconds",
            metrics.seconds.clone(),
        );
        metrics
    }

    /// The beginning of a request.
    pub(super) fn start(&self) -> Instant {
        Instant::now()
    }

    /// The end of a request.
    pub(super) fn answered(
        &self,
        operation: Option<Operation>,
        result: Result<(), &ApiError>,
        started: Option<Instant>,
    ) {
        let operation = operation.map_or("unknown", Operation::as_str);
        let code = result.map_or_else(|error| error.code.as_str(), |()| "ok");
        self.requests
            .get_or_create(&Outcome { operation, code })
            .inc();
        if let Some(started) = started {
            let elapsed: Duration = started.elapsed();
            self.seconds
                .get_or_create(&Kind { operation })
                .observe(elapsed.as_secs_f64());
        }
    }
}
