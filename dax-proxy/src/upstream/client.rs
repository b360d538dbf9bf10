//! Sending one request to the store.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use http::uri::Scheme;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use serde::Deserialize;
use stator_kit::clock::SharedClock;
use stator_kit::http::{
    AMZ_JSON, CRC32_HEADER, ClientError, ClientOptions, HttpClient, REQUEST_ID_HEADER, decoded,
};
use stator_kit::ops::Readiness;
use stator_kit::sigv4::{AccessKey, Signer};
use stator_kit::task::TaskOwner;
use stator_kit::tls::{
    ALPN_HTTP1, MutualTls, RELOAD_INTERVAL, ReloadingClientConfig, TlsError, TlsFiles,
};
use stator_model::ErrorCode;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::sidecar::FOLLOW_PATH;

/// From the call to the whole answer. Longer than a page of Scan takes anywhere, and within the time that
/// a process has to drain.
const DEADLINE: Duration = Duration::from_secs(20);

/// How long the endpoint is asked for its region, at the start of a sidecar.
const REGION_PATIENCE: Duration = Duration::from_secs(60);
/// For one answer of these.
const REGION_ANSWER_PATIENCE: Duration = Duration::from_secs(5);

/// Between two questions whether the store is there, at the start.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);

/// The longest answer, decompressed: of a BatchGetItem, 16 MB.
const ANSWER_BYTES_MAX: usize = 17 * 1024 * 1024;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
/// A compressed answer would have to be unpacked to be cut.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// The store and how it is spoken to.
#[derive(Clone)]
pub(crate) struct UpstreamOptions {
    /// `http://host:port` or `https://host:port`.
    pub(crate) endpoint: Uri,
    /// The proxy's own.
    pub(crate) key: AccessKey,
    /// Of the store.
    pub(crate) region: String,
    /// PEM of the authorities that an https endpoint is verified against.
    pub(crate) authorities: PathBuf,
}

/// The client of the store; pooled connections.
pub(crate) struct Upstream {
    endpoint: Uri,
    client: HttpClient,
    signer: Signer,
    clock: SharedClock,
    metrics: UpstreamMetrics,
    /// As of the last call: a change is logged, each call is not.
    reachable: AtomicBool,
}

/// What the store answered: any status.
#[derive(Clone, Debug)]
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) request_id: Option<HeaderValue>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum UpstreamError {
    /// It was surely not sent.
    NotSent,
    /// It may have been sent, and may have been executed.
    Lost,
}

/// Why a sidecar does not hear what is new.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FollowError {
    /// The endpoint answers, but not that.
    Refused(StatusCode),
    /// It does not answer.
    NoAnswer,
}

/// Why the client cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamStartError {
    /// The authorities for https cannot be loaded.
    #[error("the authorities that the store is verified against cannot be loaded")]
    Tls(#[from] TlsError),
    /// The region is neither given nor to be learned.
    #[error("the endpoint does not say which region it is in; --region says it")]
    Region,
}

/// Counts of the way to the store.
#[derive(Debug)]
struct UpstreamMetrics {
    not_sent: Counter,
    lost: Counter,
    seconds: Histogram,
}

impl Answered {
    /// 200.
    pub(crate) fn is_success(&self) -> bool {
        self.status == StatusCode::OK
    }

    /// Whether it is this error of the API.
    pub(crate) fn is_error(&self, code: ErrorCode) -> bool {
        !self.is_success() && self.error_name().as_deref() == Some(code.as_str())
    }

    /// Whether a write that was answered so has surely not happened: the store itself refused it. An
    /// answer of something between here and there, or a 5xx, says nothing.
    pub(crate) fn surely_not_executed(&self) -> bool {
        matches!(
            self.status,
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE
        ) && self.error_name().is_some()
    }

    /// The error's name without its namespace.
    fn error_name(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct ErrorBody {
            #[serde(rename = "__type")]
            error_type: String,
        }
        let body: ErrorBody = serde_json::from_slice(&self.body).ok()?;
        let name = body.error_type.rsplit('#').next()?;
        (!name.is_empty()).then(|| name.to_owned())
    }
}

impl Upstream {
    pub(crate) fn new(
        options: UpstreamOptions,
        clock: SharedClock,
        registry: &mut Registry,
        tasks: &TaskOwner,
    ) -> Result<Self, UpstreamStartError> {
        let UpstreamOptions {
            endpoint,
            key,
            region,
            authorities,
        } = options;
        let client = client(&endpoint, authorities, tasks)?;
        Ok(Self {
            endpoint,
            client,
            signer: Signer::new(key, region, "dynamodb"),
            clock,
            metrics: UpstreamMetrics::register(registry.sub_registry_with_prefix("upstream")),
            reachable: AtomicBool::new(true),
        })
    }

    /// Sends one operation of the data and control planes.
    pub(crate) async fn call(
        &self,
        operation: &str,
        body: Bytes,
    ) -> Result<Answered, UpstreamError> {
        self.call_target("DynamoDB_20120810", operation, body).await
    }

    /// Sends one operation; once.
    pub(crate) async fn call_target(
        &self,
        prefix: &str,
        operation: &str,
        body: Bytes,
    ) -> Result<Answered, UpstreamError> {
        let request = self.request(prefix, operation, body)?;
        self.send(request).await
    }

    /// Sends a request as its caller has signed it, to the same path and under the same name of the host.
    pub(crate) async fn pass_as_signed(
        &self,
        parts: &http::request::Parts,
        body: Bytes,
    ) -> Result<Answered, UpstreamError> {
        let mut uri = self.endpoint.clone().into_parts();
        uri.path_and_query = parts.uri.path_and_query().cloned();
        let uri = Uri::from_parts(uri).map_err(|_| UpstreamError::NotSent)?;
        let mut request = Request::new(body);
        *request.method_mut() = parts.method.clone();
        *request.uri_mut() = uri;
        let mut headers = parts.headers.clone();
        for name in OF_A_CONNECTION {
            headers.remove(name);
        }
        *request.headers_mut() = headers;
        self.send(request).await
    }

    /// Asks the cluster what is new.
    pub(crate) async fn follow(
        &self,
        question: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, FollowError> {
        let mut uri = self.endpoint.clone().into_parts();
        uri.path_and_query = Some(http::uri::PathAndQuery::from_static(FOLLOW_PATH));
        let uri = Uri::from_parts(uri).map_err(|_| FollowError::NoAnswer)?;
        let request = Request::post(uri).body(question);
        let request = request.map_err(|_| FollowError::NoAnswer)?;
        let request = self.signed(request).map_err(|_| FollowError::NoAnswer)?;
        let answer = self.client.send(request, deadline).await;
        match answer.map(Response::into_parts) {
            Ok((parts, body)) if parts.status == StatusCode::OK => Ok(body),
            Ok((parts, _)) => Err(FollowError::Refused(parts.status)),
            Err(error) => {
                debug!(%error, "a question for what is new was not answered");
                Err(FollowError::NoAnswer)
            }
        }
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Answered, UpstreamError> {
        let started = Instant::now();
        let response = self.client.send(request, started + DEADLINE).await;
        self.metrics
            .seconds
            .observe(started.elapsed().as_secs_f64());
        match response {
            Ok(response) => {
                self.note_reachable(true, None);
                answered(response).await.inspect_err(|_| {
                    self.metrics.lost.inc();
                })
            }
            Err(ClientError::NotSent(source)) => {
                self.metrics.not_sent.inc();
                self.note_reachable(false, Some(&source));
                Err(UpstreamError::NotSent)
            }
            Err(error) => {
                self.metrics.lost.inc();
                self.note_reachable(false, Some(&error));
                Err(UpstreamError::Lost)
            }
        }
    }

    /// Asks until the store answers as one that serves this key, and tells readiness meanwhile.
    pub(crate) async fn wait_until_it_answers(&self, readiness: &Readiness) {
        loop {
            match self
                .call("ListTables", Bytes::from_static(b"{\"Limit\":1}"))
                .await
            {
                // A key that may not list tables may still read and write.
                Ok(answered)
                    if answered.is_success()
                        || answered.is_error(ErrorCode::AccessDeniedException) =>
                {
                    readiness.set_ready();
                    return;
                }
                Ok(answered) => {
                    let name = answered.error_name().unwrap_or_default();
                    readiness
                        .set_not_ready(format!("the store answers {} {name}", answered.status));
                }
                Err(_) => readiness.set_not_ready("the store cannot be reached".to_owned()),
            }
            tokio::time::sleep(PROBE_INTERVAL).await;
        }
    }

    fn request(
        &self,
        prefix: &str,
        operation: &str,
        body: Bytes,
    ) -> Result<Request<Bytes>, UpstreamError> {
        let unsendable = |_| UpstreamError::NotSent;
        let target = HeaderValue::try_from(format!("{prefix}.{operation}"));
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.clone())
            .header(TARGET, target.map_err(|_| UpstreamError::NotSent)?)
            .header(CONTENT_TYPE, AMZ_JSON)
            .header(ACCEPT_ENCODING, IDENTITY)
            .body(body)
            .map_err(unsendable)?;
        self.signed(request)
    }

    /// The request with this proxy's own signature.
    fn signed(&self, request: Request<Bytes>) -> Result<Request<Bytes>, UpstreamError> {
        let (mut parts, body) = request.into_parts();
        self.signer
            .sign(&mut parts, &body, self.clock.now())
            .map_err(|error| {
                warn!(%error, "a request could not be signed");
                UpstreamError::NotSent
            })?;
        Ok(Request::from_parts(parts, body))
    }

    fn note_reachable(&self, reachable: bool, error: Option<&dyn std::fmt::Display>) {
        let before = self.reachable.swap(reachable, Ordering::Relaxed);
        let error = error.map(ToString::to_string);
        match (before, reachable) {
            (true, false) => warn!(upstream = %self.endpoint, error, "the store does not answer"),
            (false, true) => info!(upstream = %self.endpoint, "the store answers again"),
            (false, false) => debug!(error, "the store does not answer"),
            (true, true) => {}
        }
    }
}

/// A client for an endpoint, http or https.
fn client(
    endpoint: &Uri,
    authorities: PathBuf,
    tasks: &TaskOwner,
) -> Result<HttpClient, UpstreamStartError> {
    let tls = if endpoint.scheme() == Some(&Scheme::HTTPS) {
        let files = TlsFiles {
            authorities,
            certificate: PathBuf::new(),
            key: PathBuf::new(),
        };
        let tls = ReloadingClientConfig::load(files, MutualTls::Off, &[ALPN_HTTP1])?;
        tls.follow(RELOAD_INTERVAL, tasks);
        Some(tls)
    } else {
        None
    };
    let options = ClientOptions {
        tls,
        ..ClientOptions::default()
    };
    Ok(HttpClient::new(options, tasks))
}

/// The region of an endpoint, as its health answer names it: `healthy: dynamodb.REGION.amazonaws.com`.
///
/// # Errors
/// [`UpstreamStartError`], also when the endpoint does not say within a minute.
pub(crate) async fn region_of(
    endpoint: &Uri,
    authorities: PathBuf,
    tasks: &TaskOwner,
) -> Result<String, UpstreamStartError> {
    let client = client(endpoint, authorities, tasks)?;
    let deadline = Instant::now() + REGION_PATIENCE;
    loop {
        let request = Request::get(endpoint.clone()).body(Bytes::new());
        let request = request.map_err(|_| UpstreamStartError::Region)?;
        let answer = client
            .send(request, Instant::now() + REGION_ANSWER_PATIENCE)
            .await;
        match answer.map(|answer| region_in(answer.body())) {
            Ok(Some(region)) => return Ok(region),
            Ok(None) => debug!(%endpoint, "the endpoint does not name its region"),
            Err(error) => debug!(%endpoint, %error, "the endpoint does not answer"),
        }
        if Instant::now() >= deadline {
            return Err(UpstreamStartError::Region);
        }
        tokio::time::sleep(PROBE_INTERVAL).await;
    }
}

fn region_in(answer: &[u8]) -> Option<String> {
    let text = str::from_utf8(answer).ok()?.trim();
    let region = text
        .strip_prefix("healthy: dynamodb.")?
        .strip_suffix(".amazonaws.com")?;
    let sane = !region.is_empty()
        && region
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    sane.then(|| region.to_owned())
}

/// What is of one connection and not of a request (RFC 9110, section 7.6.1), and what the client writes itself.
const OF_A_CONNECTION: [HeaderName; 7] = [
    http::header::CONNECTION,
    http::header::TE,
    http::header::TRANSFER_ENCODING,
    http::header::UPGRADE,
    http::header::CONTENT_LENGTH,
    http::header::EXPECT,
    HeaderName::from_static("keep-alive"),
];

impl UpstreamMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            not_sent: Counter::default(),
            lost: Counter::default(),
            // 0.25 ms to 16 s: a read on loopback to just under the deadline.
            seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 17)),
        };
        registry.register(
            "not_sent",
            "Requests that surely did not reach the store",
            metrics.not_sent.clone(),
        );
        registry.register(
            "lost",
            "Requests without a readable answer, which may have been executed",
            metrics.lost.clone(),
        );
        registry.register_with_unit(
            "request",
            "Time of a request to the store, from sending to the whole answer",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        metrics
    }
}

/// The answer, with its checksum verified where the store gives one. Nothing of ours asks for a coding; a caller whose
/// request is passed on as it is may have.
async fn answered(response: Response<Bytes>) -> Result<Answered, UpstreamError> {
    let (parts, body) = response.into_parts();
    if !crc32_matches(&parts.headers, &body) {
        warn!("an answer of the store does not match its checksum");
        return Err(UpstreamError::Lost);
    }
    let Ok(Some(body)) = decoded(&parts.headers, body, ANSWER_BYTES_MAX).await else {
        warn!("an answer of the store cannot be decompressed");
        return Err(UpstreamError::Lost);
    };
    Ok(Answered {
        status: parts.status,
        body,
        request_id: parts.headers.get(REQUEST_ID_HEADER).cloned(),
    })
}

fn crc32_matches(headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(given) = headers.get(CRC32_HEADER) else {
        return true;
    };
    let given = given
        .to_str()
        .ok()
        .and_then(|given| given.parse::<u32>().ok());
    given == Some(crc32fast::hash(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Answered {
        Answered {
            status: StatusCode::from_u16(status).unwrap(),
            body: Bytes::from_static(body.as_bytes()),
            request_id: None,
        }
    }

    #[test]
    fn only_the_stores_own_refusal_says_that_nothing_was_written() {
        let refusal =
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#;
        assert!(answer(400, refusal).surely_not_executed());
        assert!(answer(400, refusal).is_error(ErrorCode::ConditionalCheckFailedException));
        assert!(!answer(400, "<html>bad request</html>").surely_not_executed());
        assert!(!answer(500, refusal).surely_not_executed());
        assert!(!answer(503, "").surely_not_executed());
        assert!(!answer(408, refusal).surely_not_executed());
    }

    #[test]
    fn an_endpoint_names_its_region() {
        let region = |text: &str| region_in(text.as_bytes());
        assert_eq!(
            region("healthy: dynamodb.eu-west-1.amazonaws.com ").as_deref(),
            Some("eu-west-1")
        );
        for other in [
            "",
            "ok",
            "healthy: dynamodb..amazonaws.com",
            "healthy: dynamodb.a/b.amazonaws.com",
        ] {
            assert_eq!(region(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_was_damaged_on_the_way_is_no_answer() {
        let response = |crc32: &str| {
            Response::builder()
                .header(CRC32_HEADER, crc32)
                .body(Bytes::from_static(b"{}"))
                .unwrap()
        };
        assert!(answered(response("2745614147")).await.is_ok());
        assert!(answered(response("1")).await.is_err());
        assert!(answered(response("x")).await.is_err());
    }
}
