//! The way of every request: method and path, target, signature, body, operation, envelope.
//!
//! The order is the service's own (semantics section 17): the target is looked at before the
//! signature, the signature before the body is parsed.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
    CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN,
};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use stator_kit::access::Principal;
use stator_kit::clock::WallClock;
use stator_kit::http::{BodyError, read_body};
use stator_kit::rng::RandomSource;
use stator_kit::sigv4::{SigV4Error, Verifier};
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

/// Who may call.
pub enum Access {
    /// Anybody; for `dev` on loopback.
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
                respond::text(StatusCode::OK, text)
            }
            (&Method::OPTIONS, _) if parts.headers.contains_key(ORIGIN) => {
                return preflight(&parts.headers);
            }
            _ => respond::text(StatusCode::NOT_FOUND, "<UnknownOperationException/>\n"),
        };
        if parts.headers.contains_key(ORIGIN) {
            let any = HeaderValue::from_static("*");
            response
                .headers_mut()
                .insert(ACCESS_CONTROL_ALLOW_ORIGIN, any);
        }
        response
    }

    async fn post(&self, parts: &Parts, body: Incoming) -> Response<Full<Bytes>> {
        let Some(content_type) = content_type(&parts.headers) else {
            return respond::text(StatusCode::NOT_FOUND, "<UnknownOperationException/>\n");
        };
        let target = parts
            .headers
            .get("x-amz-target")
            .and_then(|value| value.to_str().ok());
        let Some(operation) = target.and_then(Operation::from_target) else {
            let unknown = ApiError::without_message(ErrorCode::UnknownOperationException);
            self.metrics.answered(None, Err(&unknown), None);
            return respond::error(&unknown, content_type, &*self.random);
        };
        let timer = self.metrics.start();
        let result = self.run(operation, parts, body).await;
        self.metrics
            .answered(Some(operation), result.as_ref().map(|_| ()), Some(timer));
        match result {
            Ok(body) => respond::json(StatusCode::OK, content_type, body, &*self.random),
            Err(error) => respond::error(&error, content_type, &*self.random),
        }
    }

    async fn run(
        &self,
        operation: Operation,
        parts: &Parts,
        body: Incoming,
    ) -> Result<Bytes, ApiError> {
        let arrived = Instant::now();
        let body = match read_body(body, BODY_SIZE_BYTES_MAX, arrived + BODY_TIMEOUT).await {
            Ok(body) => body,
            Err(BodyError::TooLarge { .. }) => {
                return Err(ApiError::without_message(ErrorCode::RequestEntityTooLarge));
            }
            Err(_) => return Err(ApiError::without_message(ErrorCode::SerializationException)),
        };
        let principal = match &self.access {
            Access::AnyCaller => Arc::clone(&self.anonymous),
            Access::Signed(verifier) => verifier
                .verify(parts, &body, self.clock.now())
                .map_err(|e| not_verified(&e))?,
        };
        if parts
            .headers
            .get(CONTENT_ENCODING)
            .is_some_and(|encoding| encoding != "identity")
        {
            return Err(ApiError::not_supported("Content-Encoding"));
        }
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

/// The content type to echo; `None` for one that is not the API's.
fn content_type(headers: &HeaderMap) -> Option<HeaderValue> {
    let Some(given) = headers.get(CONTENT_TYPE) else {
        return Some(respond::JSON_1_0);
    };
    let essence = given.to_str().ok()?.split(';').next()?.trim();
    if essence.eq_ignore_ascii_case("application/x-amz-json-1.0") {
        Some(respond::JSON_1_0)
    } else if essence.eq_ignore_ascii_case("application/json") {
        Some(respond::JSON)
    } else {
        None
    }
}

fn preflight(asked: &HeaderMap) -> Response<Full<Bytes>> {
    let mut response = respond::text(StatusCode::OK, "");
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
