//! DynamoDB JSON over HTTP (DynamoDB semantics, section 17).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, SERVER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use stator_kit::access::{Principal, authorize};
use stator_kit::clock::SharedClock;
use stator_kit::http::{
    AMZ_JSON, BodyError, CRC32_HEADER, GzipError, REQUEST_ID_HEADER, RequestId, decoded, read_body,
};
use stator_kit::rng::SharedRandom;
use stator_kit::sigv4::{SigV4Error, Verifier};
use stator_model::{ApiError, ErrorCode};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{Instrument as _, debug, debug_span};

use crate::answer::{Answer, throttled};
use crate::message::{decode, encode};
use crate::metrics::OperationLabel;
use crate::operations::policy::{Handling, handling};
use crate::operations::{Call, Proxy};
use crate::sidecar::{FOLLOW_PATH, Feed, Follow};

/// Bytes of a request's body (16 MB), beyond which the service answers 413.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A body that has not arrived after this is given up.
const BODY_WAIT: Duration = Duration::from_secs(30);

/// Bytes of a sidecar's question.
const FOLLOW_BYTES_MAX: usize = 1_024;

/// Sidecars that one node answers at once; more are refused, and ask again or another node.
pub(crate) const FOLLOWERS_MAX: usize = 4_096;

const TARGET: HeaderName = HeaderName::from_static("x-amz-target");
const CACHE: HeaderName = HeaderName::from_static("x-stator-cache");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const SERVER_NAME: HeaderValue = HeaderValue::from_static("Server");

/// Whose requests are served.
pub(crate) enum Access {
    /// Any caller's: `dev`, on loopback.
    Anyone(Arc<Principal>),
    /// Those who sign with a key of the credentials file.
    Signed(Verifier),
}

/// Everything that a request on 8111 needs.
pub(crate) struct Session {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) access: Access,
    pub(crate) clock: SharedClock,
    pub(crate) random: SharedRandom,
    /// Requests in flight; one that finds no place is answered `ThrottlingException` at once.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) region: String,
    /// What happens to the caches, for sidecars. A sidecar has none.
    pub(crate) feed: Option<Arc<Feed>>,
    /// Sidecars that wait for news.
    pub(crate) followers: Arc<Semaphore>,
}

/// A known operation and how it is called.
struct Target {
    prefix: &'static str,
    operation: &'static str,
    handling: Handling,
}

impl Session {
    /// Answers one HTTP request.
    pub(crate) async fn handle(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() == FOLLOW_PATH && request.method() == Method::POST {
            return self.follow(request).await;
        }
        if request.uri().path() != "/" {
            return self.plain(StatusCode::NOT_FOUND, "");
        }
        match *request.method() {
            Method::POST => {}
            Method::GET => {
                let text = format!("healthy: dynamodb.{}.amazonaws.com ", self.region);
                return self.plain(StatusCode::OK, text);
            }
            _ => return self.plain(StatusCode::NOT_FOUND, ""),
        }
        let (parts, body) = request.into_parts();
        let content_type = content_type(&parts.headers);
        let Some(content_type) = content_type else {
            return self.plain(StatusCode::NOT_FOUND, "<UnknownOperationException/>");
        };
        let answer = match target(&parts.headers) {
            Some(target) => self.operation(&parts, body, target).await,
            None => ApiError::without_message(ErrorCode::UnknownOperationException).into(),
        };
        self.respond(answer, content_type)
    }

    async fn operation(&self, parts: &Parts, body: Incoming, target: Target) -> Answer {
        let Target {
            prefix,
            operation,
            handling,
        } = target;
        self.proxy
            .metrics
            .requests
            .get_or_create(&OperationLabel { operation })
            .inc();
        let Ok(_permit) = self.permits.try_acquire() else {
            self.proxy.metrics.throttled.inc();
            return throttled().into();
        };
        let body = match read_body(body, BODY_BYTES_MAX, Instant::now() + BODY_WAIT).await {
            Ok(body) => body,
            Err(BodyError::TooLarge { .. }) => {
                return ApiError::without_message(ErrorCode::RequestEntityTooLarge).into();
            }
            Err(error) => {
                debug!(error = %error, "request body could not be read");
                return ApiError::without_message(ErrorCode::SerializationException).into();
            }
        };
        let principal = match &self.access {
            Access::Anyone(principal) => Arc::clone(principal),
            Access::Signed(verifier) => match verifier.verify(parts, &body, self.clock.now()) {
                Ok(principal) => principal,
                // A sidecar knows one key. What others have signed is for the cluster to say.
                Err(_) if self.proxy.follower.is_some() => {
                    return self.proxy.pass_as_signed(parts, body).await;
                }
                Err(error) => return unverified(&error).into(),
            },
        };
        let body = match decoded(&parts.headers, body, BODY_BYTES_MAX).await {
            Ok(Some(body)) => body,
            Ok(None) => return ApiError::not_supported("Content-Encoding").into(),
            Err(GzipError::TooLarge { .. }) => {
                return ApiError::without_message(ErrorCode::RequestEntityTooLarge).into();
            }
            Err(error) => {
                debug!(error = %error, "request body could not be decompressed");
                return ApiError::without_message(ErrorCode::SerializationException).into();
            }
        };
        let span = debug_span!("request", operation);
        let call = Call {
            principal,
            operation,
            target_prefix: prefix,
            body,
        };
        self.proxy.call(call, handling).instrument(span).await
    }

    /// A sidecar asks what is new.
    async fn follow(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (parts, body) = request.into_parts();
        let (Some(feed), Ok(_permit)) = (&self.feed, self.followers.try_acquire()) else {
            return self.plain(StatusCode::SERVICE_UNAVAILABLE, "");
        };
        let deadline = Instant::now() + BODY_WAIT;
        let Ok(body) = read_body(body, FOLLOW_BYTES_MAX, deadline).await else {
            return self.plain(StatusCode::BAD_REQUEST, "");
        };
        if let Access::Signed(verifier) = &self.access {
            let caller = verifier.verify(&parts, &body, self.clock.now());
            let allowed = caller.is_ok_and(|caller| {
                let resource = format!("{}*", self.proxy.table_arn_prefix);
                authorize(&caller, "dynamodb:GetItem", &resource).is_ok()
            });
            if !allowed {
                return self.plain(StatusCode::FORBIDDEN, "");
            }
        }
        let follow: Follow = match decode(&body) {
            Ok(follow) => follow,
            Err(error) => {
                debug!(%error, "a sidecar's question cannot be read");
                return self.plain(StatusCode::BAD_REQUEST, "");
            }
        };
        self.proxy.metrics.followed.inc();
        let serving = || self.proxy.may_hit(Instant::now());
        self.plain(StatusCode::OK, encode(&feed.follow(follow, serving).await))
    }

    fn respond(&self, answer: Answer, content_type: HeaderValue) -> Response<Full<Bytes>> {
        let Answer {
            status,
            body,
            crc32,
            outcome,
            request_id,
        } = answer;
        self.proxy.metrics.count_outcome(status);
        let crc32 = crc32.unwrap_or_else(|| crc32fast::hash(&body));
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CRC32_HEADER, HeaderValue::from(crc32));
        headers.insert(
            REQUEST_ID_HEADER,
            request_id.unwrap_or_else(|| self.fresh_request_id()),
        );
        headers.insert(CACHE, HeaderValue::from_static(outcome.as_str()));
        headers.insert(SERVER, SERVER_NAME);
        response
    }

    fn fresh_request_id(&self) -> HeaderValue {
        let id = RequestId::generate(self.random.as_ref());
        HeaderValue::from_str(id.as_str()).unwrap_or(HeaderValue::from_static("0"))
    }

    fn plain(&self, status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(text.into()));
        *response.status_mut() = status;
        response.headers_mut().insert(SERVER, SERVER_NAME);
        response
            .headers_mut()
            .insert(REQUEST_ID_HEADER, self.fresh_request_id());
        response
    }
}

/// The content type of the answer, which is the request's; `None` for what DynamoDB does not take.
fn content_type(headers: &HeaderMap) -> Option<HeaderValue> {
    let Some(given) = headers.get(CONTENT_TYPE) else {
        return Some(AMZ_JSON);
    };
    let given = given.to_str().ok()?;
    match given.split(';').next().unwrap_or(given).trim() {
        "application/x-amz-json-1.0" => Some(AMZ_JSON),
        "application/json" => Some(JSON),
        _ => None,
    }
}

/// The operation that a request names; `None` for what the API does not have.
fn target(headers: &HeaderMap) -> Option<Target> {
    let (prefix, operation) = headers.get(TARGET)?.to_str().ok()?.split_once('.')?;
    let (prefix, streams) = match prefix {
        "DynamoDB_20120810" => ("DynamoDB_20120810", false),
        "DynamoDBStreams_20120810" => ("DynamoDBStreams_20120810", true),
        _ => return None,
    };
    let (operation, handling) = handling(streams, operation)?;
    Some(Target {
        prefix,
        operation,
        handling,
    })
}

fn unverified(error: &SigV4Error) -> ApiError {
    // Every name of the verifier is a code of the API; were one not, the caller is refused all the same.
    let code = ErrorCode::from_name(error.name()).unwrap_or(ErrorCode::AccessDeniedException);
    ApiError::new(code, error.message())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn targets_are_known_operations_of_the_current_api() {
        let operation = |value| target(&headers(TARGET, value)).map(|target| target.operation);
        assert_eq!(operation("DynamoDB_20120810.GetItem"), Some("GetItem"));
        assert_eq!(
            operation("DynamoDBStreams_20120810.GetRecords"),
            Some("GetRecords")
        );
        for unknown in [
            "DynamoDB_20111205.GetItem",
            "DynamoDB_20120810.GetThing",
            "GetItem",
            "",
        ] {
            assert_eq!(operation(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn content_types_are_echoed_without_their_parameters() {
        let given = |value| content_type(&headers(CONTENT_TYPE, value));
        assert_eq!(
            given("application/x-amz-json-1.0; charset=utf-8"),
            Some(AMZ_JSON)
        );
        assert_eq!(given("application/json"), Some(JSON));
        assert_eq!(given("text/plain"), None);
    }
}
