//! The ops port of every process: `GET /livez`, `GET /readyz`, `GET /metrics`, and `GET` or `PUT`
//! `/log-filter`. It is not authenticated and carries no data of users; a network policy keeps it
//! inside the cluster.
//!
//! Ready means able to serve, not merely started: whoever knows sets it on [`Readiness`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::http::{BodyError, ServerOptions, read_body};
use crate::task::TaskOwner;
use crate::telemetry::LogFilterHandle;

/// Probes, a scraper and a person: far fewer than this.
const CONNECTIONS_MAX: usize = 64;
const LOG_FILTER_BYTES_MAX: usize = 4 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(5);
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Where the ops port listens.
#[derive(Args, Clone, Debug)]
pub struct OpsArgs {
    /// Address of the ops port: liveness, readiness, metrics, log filter.
    #[arg(long, env = "STATOR_OPS_LISTEN", default_value = "127.0.0.1:9090")]
    pub ops_listen: SocketAddr,
}

/// Whether the process can serve, shared by who knows and who is asked. Starts as not ready.
#[derive(Clone, Debug)]
pub struct Readiness {
    /// `None` when ready, else the reason why not.
    not_ready: Arc<Mutex<Option<String>>>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::new()
    }
}

impl Readiness {
    /// Not ready, because the process is starting.
    #[must_use]
    pub fn new() -> Self {
        Self {
            not_ready: Arc::new(Mutex::new(Some("starting".to_owned()))),
        }
    }

    /// The process can serve.
    pub fn set_ready(&self) {
        if self.not_ready.lock().take().is_some() {
            info!("ready");
        }
    }

    /// The process cannot serve; `reason` is shown to whoever asks, without a final dot.
    pub fn set_not_ready(&self, reason: String) {
        let mut not_ready = self.not_ready.lock();
        if not_ready.as_ref() != Some(&reason) {
            info!(reason, "not ready");
            *not_ready = Some(reason);
        }
    }

    /// `None` when ready, else the reason why not.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.not_ready.lock().clone()
    }

    /// Whether the process can serve.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.not_ready.lock().is_none()
    }
}

/// Serves the ops port in a task of `tasks`. It should be the last owner to shut down, so that a
/// draining process still says that it lives and is not ready.
pub fn serve(
    listener: TcpListener,
    registry: Arc<Registry>,
    readiness: Readiness,
    log_filter: LogFilterHandle,
    tasks: &TaskOwner,
) {
    let ops = Arc::new(Ops {
        registry,
        readiness,
        log_filter,
    });
    let options = ServerOptions {
        connections_max: CONNECTIONS_MAX,
        ..ServerOptions::new("ops")
    };
    let handler = move |request| {
        let ops = Arc::clone(&ops);
        async move { ops.answer(request).await }
    };
    crate::http::serve(listener, options, handler, tasks);
}

struct Ops {
    registry: Arc<Registry>,
    readiness: Readiness,
    log_filter: LogFilterHandle,
}

impl Ops {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let method = request.method();
        let reads = method == Method::GET || method == Method::HEAD;
        match request.uri().path() {
            "/livez" if reads => text(StatusCode::OK, "live\n".to_owned()),
            "/readyz" if reads => self.readyz(),
            "/metrics" if reads => self.metrics(),
            "/log-filter" if reads => self.log_filter(),
            "/log-filter" if method == Method::PUT => self.set_log_filter(request).await,
            "/log-filter" => not_allowed("GET, HEAD, PUT"),
            "/livez" | "/readyz" | "/metrics" => not_allowed("GET, HEAD"),
            _ => text(StatusCode::NOT_FOUND, "not found\n".to_owned()),
        }
    }

    fn readyz(&self) -> Response<Full<Bytes>> {
        match self.readiness.reason() {
            None => text(StatusCode::OK, "ready\n".to_owned()),
            Some(reason) => text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("not ready: {reason}\n"),
            ),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut body = String::new();
        if let Err(error) = encode(&mut body, &self.registry) {
            warn!(%error, "metrics could not be encoded");
            return text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n"));
        }
        respond(StatusCode::OK, OPEN_METRICS, body)
    }

    fn log_filter(&self) -> Response<Full<Bytes>> {
        match self.log_filter.get() {
            Ok(filter) => text(StatusCode::OK, format!("{filter}\n")),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    async fn set_log_filter(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let deadline = Instant::now() + BODY_TIMEOUT;
        let body = match read_body(request.into_body(), LOG_FILTER_BYTES_MAX, deadline).await {
            Ok(body) => body,
            Err(error @ BodyError::TooLarge { .. }) => {
                return text(StatusCode::PAYLOAD_TOO_LARGE, format!("{error}\n"));
            }
            Err(error) => return text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        };
        let Ok(filter) = std::str::from_utf8(&body) else {
            return text(
                StatusCode::BAD_REQUEST,
                "the filter is not UTF-8\n".to_owned(),
            );
        };
        match self.log_filter.set(filter) {
            Ok(()) => {
                info!(filter = filter.trim(), "log filter changed");
                self.log_filter()
            }
            Err(error) => text(StatusCode::BAD_REQUEST, format!("{error}\n")),
        }
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    respond(status, TEXT, body)
}

fn not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        "method not allowed\n".to_owned(),
    );
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn respond(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;

    struct Fixture {
        address: SocketAddr,
        readiness: Readiness,
        tasks: TaskOwner,
    }

    impl Fixture {
        async fn start() -> Self {
            let counter = Counter::<u64>::default();
            counter.inc_by(42);
            let mut registry = Registry::with_prefix("stator");
            registry.register("test_writes", "Writes", counter);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (readiness, tasks) = (Readiness::new(), TaskOwner::new("ops"));
            let filter = LogFilterHandle::detached("info");
            serve(
                listener,
                Arc::new(registry),
                readiness.clone(),
                filter,
                &tasks,
            );
            Self {
                address,
                readiness,
                tasks,
            }
        }

        async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            let length = body.len();
            let head = format!("{method} {path} HTTP/1.1\r\nHost: ops\r\nConnection: close\r\n");
            let request = format!("{head}Content-Length: {length}\r\n\r\n{body}");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut response = String::new();
            stream.read_to_string(&mut response).await.unwrap();
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            (
                head.split(' ').nth(1).unwrap().parse().unwrap(),
                body.to_owned(),
            )
        }

        async fn stop(self) {
            self.tasks.shutdown(Duration::from_secs(5)).await;
        }
    }

    #[tokio::test]
    async fn readiness_follows_what_the_process_says() {
        let ops = Fixture::start().await;
        assert_eq!(ops.ask("GET", "/livez", "").await.0, 200);
        assert_eq!(
            ops.ask("GET", "/readyz", "").await,
            (503, "not ready: starting\n".to_owned())
        );
        ops.readiness.set_ready();
        assert_eq!(
            ops.ask("GET", "/readyz", "").await,
            (200, "ready\n".to_owned())
        );
        ops.readiness.set_not_ready("draining".to_owned());
        assert_eq!(
            ops.ask("GET", "/readyz", "").await,
            (503, "not ready: draining\n".to_owned())
        );
        ops.stop().await;
    }

    #[tokio::test]
    async fn metrics_are_open_metrics_text() {
        let ops = Fixture::start().await;
        let (status, body) = ops.ask("GET", "/metrics", "").await;
        assert_eq!(status, 200);
        assert!(body.contains("stator_test_writes_total 42\n"), "{body}");
        assert!(body.ends_with("# EOF\n"), "{body}");
        ops.stop().await;
    }

    #[tokio::test]
    async fn the_log_filter_is_read_and_changed() {
        let ops = Fixture::start().await;
        assert_eq!(
            ops.ask("GET", "/log-filter", "").await,
            (200, "info\n".to_owned())
        );
        assert_eq!(
            ops.ask("PUT", "/log-filter", "debug\n").await,
            (200, "debug\n".to_owned())
        );
        assert_eq!(ops.ask("PUT", "/log-filter", "a=loud").await.0, 400);
        assert_eq!(
            ops.ask("PUT", "/log-filter", &"x".repeat(5000)).await.0,
            413
        );
        assert_eq!(
            ops.ask("GET", "/log-filter", "").await,
            (200, "debug\n".to_owned())
        );
        assert_eq!(ops.ask("POST", "/log-filter", "").await.0, 405);
        assert_eq!(ops.ask("GET", "/secrets", "").await.0, 404);
        ops.stop().await;
    }
}
