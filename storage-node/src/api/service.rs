//! The way of every request: method and path, target, signature, body, operation, envelope.
//!
//! The order is the service's own (semantics section 17): the size of the body, the content type, the
//! target, the signature, and then the body is parsed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue,
    ORIGIN,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use stator_kit::access::Principal;
use stator_kit::clock::WallClock;
use stator_kit::http::{BodyError, GzipError, accepts_gzip, compress, decoded, read_body};
use stator_kit::rng::RandomSource;
use stator_kit::sigv4::{SigV4Error, Verifier, check_form};
use stator_model::error::{ApiError, ErrorCode};
use stator_model::limits::BODY_SIZE_BYTES_MAX;
use stator_model::operations::Operation;
use tokio::time::Instant;

pub use super::metrics::ApiMetrics;
use super::respond;
use crate::cluster::message::ControlOperation;
use crate::cluster::{Cluster, REQUEST_TIMEOUT};

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Shortest answer that is compressed for a client that takes gzip; below it head and tail of the
/// encoding eat the gain.
const GZIP_BYTES_MIN: usize = 1_024;

/// What a browser lets the program that called see of an answer.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date");

/// Who may call.
pub enum Access {
    /// Anybody, whatever the signature says; for `dev` on loopback.
    AnyCaller,
    /// Who signs with a key of the credentials file.
    Signed(Verifier),
}

/// The API of one node.
pub struct Api {
    /// Empty until the node is part of a cluster.
    cluster: Arc<OnceLock<Arc<Cluster>>>,
    access: Access,
    anonymous: Arc<Principal>,
    region: String,
    clock: Arc<dyn WallClock>,
    random: Arc<dyn RandomSource>,
    metrics: ApiMetrics,
}

/// One request on its way to an operation.
pub(super) struct Call<'a> {
    /// The database.
    pub(super) cluster: &'a Arc<Cluster>,
    /// Who asks.
    pub(super) principal: &'a Principal,
    /// The body, JSON.
    pub(super) body: Bytes,
    /// When the server gives up.
    pub(super) deadline: Instant,
    /// The host that the caller asked.
    pub(super) host: Option<&'a str>,
}

impl Call<'_> {
    /// Runs the operation on the leader of the catalog.
    pub(super) async fn control(&self, operation: ControlOperation) -> Result<Bytes, ApiError> {
        self.cluster
            .control(operation, self.body.clone(), self.deadline)
            .await
    }
}

impl Api {
    /// The API in front of `cluster`, which may be filled in later.
    pub fn new(
        cluster: Arc<OnceLock<Arc<Cluster>>>,
        access: Access,
        region: String,
        clock: Arc<dyn WallClock>,
        random: Arc<dyn RandomSource>,
        metrics: ApiMetrics,
    ) -> Arc<Self> {
        let anonymous = Arc::new(Principal::anonymous());
        Arc::new(Self {
            cluster,
            access,
            anonymous,
            region,
            clock,
            random,
            metrics,
        })
    }

    /// Answers one HTTP request.
    pub async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let mut response = match (&parts.method, parts.uri.path()) {
            (&Method::POST, "/") => self.post(&parts, body).await,
            (&Method::GET, "/") => {
                let text = format!("healthy: dynamodb.{}.amazonaws.com ", self.region);
                respond::text(StatusCode::OK, text, &*self.random)
            }
            (&Method::OPTIONS, _) if parts.headers.contains_key(ORIGIN) => {
                return preflight(&parts.headers, &*self.random);
            }
            _ => self.not_found(),
        };
        if parts.headers.contains_key(ORIGIN) {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
        response
    }

    async fn post(&self, parts: &Parts, body: Incoming) -> Response<Full<Bytes>> {
        let timer = self.metrics.start();
        let body = read_body(body, BODY_SIZE_BYTES_MAX, Instant::now() + BODY_TIMEOUT).await;
        let has_body = body.as_ref().is_ok_and(|body| !body.is_empty());
        let content_type = match content_type(&parts.headers) {
            Some(known) => known,
            // Without a body there is nothing that a type could be wrong about.
            None if !has_body && body.is_ok() => respond::JSON,
            None if body.is_ok() => return self.not_found(),
            None => respond::JSON,
        };
        let target = parts
            .headers
            .get("x-amz-target")
            .and_then(|value| value.to_str().ok());
        let operation = target.and_then(Operation::from_target);
        let result = match (body.map_err(|error| unread(&error)), operation) {
            (Err(error), _) => Err(error),
            (Ok(body), None) => Err(unknown_operation(&body)),
            (Ok(body), Some(operation)) => self.run(operation, parts, body).await,
        };
        self.metrics.answered(
            operation,
            result.as_ref().map(|_| ()),
            operation.map(|_| timer),
        );
        let (status, body) = match result {
            Ok(body) => (StatusCode::OK, body),
            Err(error) => (respond::status(&error), Bytes::from(error.to_json_body())),
        };
        if body.len() < GZIP_BYTES_MIN || !accepts_gzip(&parts.headers) {
            return respond::json(status, content_type, body, &*self.random);
        }
        let body = compress(&body).await;
        let mut response = respond::json(status, content_type, body, &*self.random);
        let gzip = HeaderValue::from_static("gzip");
        response.headers_mut().insert(CONTENT_ENCODING, gzip);
        response
    }

    fn not_found(&self) -> Response<Full<Bytes>> {
        let text = "<UnknownOperationException/>\n";
        respond::text(StatusCode::NOT_FOUND, text, &*self.random)
    }

    async fn run(
        &self,
        operation: Operation,
        parts: &Parts,
        body: Bytes,
    ) -> Result<Bytes, ApiError> {
        let principal = match &self.access {
            // Whoever it is, a client that forgot to sign is told so, as everywhere.
            Access::AnyCaller => check_form(parts).map(|()| Arc::clone(&self.anonymous)),
            Access::Signed(verifier) => verifier.verify(parts, &body, self.clock.now()),
        };
        let principal = principal.map_err(|e| not_verified(&e))?;
        // The signature is over the body as it was sent.
        let body = decoded(&parts.headers, body, BODY_SIZE_BYTES_MAX)
            .await
            .map_err(|error| undecoded(&error))?
            .ok_or_else(|| ApiError::not_supported("Content-Encoding"))?;
        let cluster = self.cluster.get().ok_or_else(|| {
            ApiError::new(
                ErrorCode::ServiceUnavailable,
                "This node is not part of a cluster yet",
            )
        })?;
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let call = Call {
            cluster,
            principal: &principal,
            body,
            deadline,
            host: parts.headers.get(HOST).and_then(|host| host.to_str().ok()),
        };
        dispatch(operation, call).await
    }
}

async fn dispatch(operation: Operation, call: Call<'_>) -> Result<Bytes, ApiError> {
    match operation {
        Operation::GetItem => super::get_item::run(call).await,
        Operation::PutItem => super::put_item::run(call).await,
        Operation::UpdateItem => super::update_item::run(call).await,
        Operation::DeleteItem => super::delete_item::run(call).await,
        Operation::Query => super::query::run(call).await,
        Operation::Scan => super::scan::run(call).await,
        Operation::BatchGetItem => super::batch_get_item::run(call).await,
        Operation::BatchWriteItem => super::batch_write_item::run(call).await,
        Operation::TransactGetItems => super::transact_get_items::run(call).await,
        Operation::TransactWriteItems => super::transact_write_items::run(call).await,
        Operation::ExecuteStatement => super::execute_statement::run(call).await,
        Operation::BatchExecuteStatement => super::batch_execute_statement::run(call).await,
        Operation::ExecuteTransaction => super::execute_transaction::run(call).await,
        Operation::CreateTable => super::create_table::run(call).await,
        Operation::UpdateTable => super::update_table::run(call).await,
        Operation::DeleteTable => super::delete_table::run(call).await,
        Operation::DescribeTable => super::describe_table::run(call).await,
        Operation::ListTables => super::list_tables::run(call).await,
        Operation::UpdateTimeToLive => super::update_time_to_live::run(call).await,
        Operation::DescribeTimeToLive => super::describe_time_to_live::run(call).await,
        Operation::TagResource => super::tags::tag(call).await,
        Operation::UntagResource => super::tags::untag(call).await,
        Operation::ListTagsOfResource => super::tags::list(call).await,
        Operation::DescribeLimits => super::describe_limits::limits(&call),
        Operation::DescribeEndpoints => super::describe_limits::endpoints(&call),
        Operation::UpdateContinuousBackups => super::continuous_backups::update(call).await,
        Operation::DescribeContinuousBackups => super::continuous_backups::describe(call).await,
        Operation::UpdateContributorInsights => super::contributor_insights::update(call).await,
        Operation::DescribeContributorInsights => super::contributor_insights::describe(call).await,
        Operation::ListContributorInsights => super::contributor_insights::list(call).await,
        Operation::PutResourcePolicy => super::resource_policy::put(call).await,
        Operation::GetResourcePolicy => super::resource_policy::get(call).await,
        Operation::DeleteResourcePolicy => super::resource_policy::delete(call).await,
        Operation::ListStreams => super::list_streams::run(call).await,
        Operation::DescribeStream => super::describe_stream::run(call).await,
        Operation::GetShardIterator => super::get_shard_iterator::run(call).await,
        Operation::GetRecords => super::get_records::run(call).await,
        other => {
            super::request::authorize(&call, &other.action(), "*")?;
            Err(other.not_supported())
        }
    }
}

/// A failed signature as the API says it.
pub(super) fn not_verified(error: &SigV4Error) -> ApiError {
    let code = ErrorCode::from_name(error.name()).unwrap_or(ErrorCode::InvalidSignatureException);
    ApiError::new(code, error.message())
}

/// Why there is no body.
fn unread(error: &BodyError) -> ApiError {
    ApiError::without_message(match error {
        BodyError::TooLarge { .. } => ErrorCode::RequestEntityTooLarge,
        _ => ErrorCode::SerializationException,
    })
}

/// The error for a target that the API does not have. A body that is not JSON is told of first.
fn unknown_operation(body: &[u8]) -> ApiError {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    ApiError::without_message(if body.is_empty() || is_json {
        ErrorCode::UnknownOperationException
    } else {
        ErrorCode::SerializationException
    })
}

/// Why a body cannot be read out of its `Content-Encoding`.
fn undecoded(error: &GzipError) -> ApiError {
    ApiError::without_message(match error {
        GzipError::TooLarge { .. } => ErrorCode::RequestEntityTooLarge,
        _ => ErrorCode::SerializationException,
    })
}

/// The content type to echo; `None` where there is none or one that is not the API's.
fn content_type(headers: &HeaderMap) -> Option<HeaderValue> {
    let given = headers.get(CONTENT_TYPE)?;
    let essence = given.to_str().ok()?.split(';').next()?.trim();
    if essence.eq_ignore_ascii_case("application/x-amz-json-1.0") {
        Some(respond::JSON_1_0)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Some(respond::JSON)
    } else {
        None
    }
}

fn preflight(asked: &HeaderMap, random: &dyn RandomSource) -> Response<Full<Bytes>> {
    let mut response = respond::text(StatusCode::OK, "", random);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("172800"));
    for (ask, answer) in [
        (ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_ALLOW_HEADERS),
        (ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_ALLOW_METHODS),
    ] {
        if let Some(value) = asked.get(ask) {
            headers.insert(answer, value.clone());
        }
    }
    response
}
