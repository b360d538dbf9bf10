//! What an operation answers, before it is HTTP.

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use stator_model::{ApiError, ErrorCode};

use crate::cache::CachedItem;
use crate::upstream::{Answered, UpstreamError};

/// Where an answer came from; the header `x-stator-cache`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheOutcome {
    /// All of it from the cache.
    Hit,
    /// At least a part was fetched, and may be stored.
    Miss,
    /// The store answered and nothing of it may be stored: strongly consistent reads, writes, errors.
    Bypass,
}

impl CacheOutcome {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Bypass => "bypass",
        }
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    /// Of `body`, where it is known already.
    pub(crate) crc32: Option<u32>,
    pub(crate) outcome: CacheOutcome,
    /// The store's, so that both logs can be searched for one request.
    pub(crate) request_id: Option<HeaderValue>,
}

/// Why a request has no answer of its own: the store's error, or none at all. Shared by all who waited
/// for one fill.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    /// The store's answer, to be passed on unchanged.
    Answered(Answered),
    /// The store did not answer.
    Upstream(UpstreamError),
}

impl Answer {
    /// 200 with a body made here.
    pub(crate) fn ok(body: impl Into<Bytes>, outcome: CacheOutcome) -> Self {
        Self {
            status: StatusCode::OK,
            body: body.into(),
            crc32: None,
            outcome,
            request_id: None,
        }
    }

    /// A whole item out of the cache: nothing is copied and nothing computed.
    pub(crate) fn item(item: &CachedItem, outcome: CacheOutcome) -> Self {
        let (body, crc32) = item.answer();
        Self {
            crc32: Some(crc32),
            ..Self::ok(body, outcome)
        }
    }

    /// The store's answer, unchanged.
    pub(crate) fn passed(answered: Answered, outcome: CacheOutcome) -> Self {
        let Answered {
            status,
            body,
            request_id,
        } = answered;
        Self {
            status,
            body,
            crc32: None,
            outcome,
            request_id,
        }
    }

    /// An error of ours.
    pub(crate) fn error(error: &ApiError) -> Self {
        Self {
            status: StatusCode::from_u16(error.http_status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            body: error.to_json_body().into(),
            crc32: None,
            outcome: CacheOutcome::Bypass,
            request_id: None,
        }
    }
}

impl Failure {
    /// The store's answer is not what the API says.
    pub(crate) fn unreadable() -> Self {
        tracing::warn!("an answer of the store cannot be read");
        Self::Upstream(UpstreamError::Lost)
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self::error(&error)
    }
}

impl From<Box<ApiError>> for Answer {
    fn from(error: Box<ApiError>) -> Self {
        Self::error(&error)
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Answered(answered) => Self::passed(answered, CacheOutcome::Bypass),
            Failure::Upstream(error) => Self::from(error),
        }
    }
}

impl From<UpstreamError> for Answer {
    fn from(error: UpstreamError) -> Self {
        Self::error(&match error {
            UpstreamError::NotSent => ApiError::unavailable("The store cannot be reached."),
            // 500 leaves open whether a write has happened, and 500 is what the service says then.
            UpstreamError::Lost => ApiError::internal("The store did not answer in time."),
        })
    }
}

/// Too much at once (DAX: `ThrottlingException`).
pub(crate) fn throttled() -> ApiError {
    ApiError::new(ErrorCode::ThrottlingException, "Rate exceeded")
}
