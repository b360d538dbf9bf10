//! A client's write on its way from a replica to the primary.
//!
//! `POST /v1/forward` with the client's body. Headers: `x-stator-operation` and `x-stator-principal`, the name of the verified caller in hexadecimal UTF-8. The answer is the client's, or 421 if the node is not the primary
//! and has done nothing.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use stator_kit::access::Principal;
use stator_kit::http::REQUEST_ID_HEADER;

use crate::answer::{Answer, CacheOutcome};

const OPERATION: HeaderName = HeaderName::from_static("x-stator-operation");
const PRINCIPAL: HeaderName = HeaderName::from_static("x-stator-principal");

/// A write to be forwarded.
#[derive(Clone, Debug)]
pub(crate) struct Forward {
    /// Who asks; verified by the node that forwards.
    pub(crate) principal: Principal,
    /// Of `DynamoDB_20120810`: streams are not written.
    pub(crate) operation: String,
    /// The client's.
    pub(crate) body: Bytes,
}

/// Why a forwarded write has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardError {
    /// The peer has surely done nothing.
    NotExecuted,
    /// It may have.
    Lost,
}

/// The primary's answer.
#[derive(Clone, Debug)]
pub(crate) struct Forwarded {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
    pub(crate) request_id: Option<HeaderValue>,
}

impl Forward {
    /// Where it is posted.
    pub(crate) const PATH: &'static str = "/v1/forward";

    pub(super) fn into_http(self, uri: Uri) -> Request<Bytes> {
        let mut request = Request::new(self.body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        let value =
            |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
        let headers = request.headers_mut();
        headers.insert(OPERATION, value(&self.operation));
        headers.insert(PRINCIPAL, value(&hex::encode(self.principal.name())));
        request
    }

    /// Reads what [`Self::into_http`] wrote; `None` if it is something else.
    pub(super) fn of_http(headers: &HeaderMap, body: Bytes) -> Option<Self> {
        let operation = headers.get(OPERATION)?.to_str().ok()?.to_owned();
        let name = hex::decode(headers.get(PRINCIPAL)?).ok()?;
        Some(Self {
            principal: Principal::new(String::from_utf8(name).ok()?),
            operation,
            body,
        })
    }
}

impl Forwarded {
    pub(super) fn of_http(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            body,
            request_id: parts.headers.get(REQUEST_ID_HEADER).cloned(),
        }
    }
}

impl From<Forwarded> for Answer {
    fn from(forwarded: Forwarded) -> Self {
        let Forwarded {
            status,
            body,
            request_id,
        } = forwarded;
        Self {
            status,
            body,
            crc32: None,
            outcome: CacheOutcome::Bypass,
            request_id,
        }
    }
}

/// The answer as the peer gets it.
pub(super) fn to_http(answer: Answer) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    if let Some(id) = answer.request_id {
        response.headers_mut().insert(REQUEST_ID_HEADER, id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_write_keeps_who_asks() {
        let sent = Forward {
            principal: Principal::new("arn:aws:iam::1:user/żółw"),
            operation: "PutItem".to_owned(),
            body: Bytes::from_static(b"{}"),
        };
        let http = sent
            .clone()
            .into_http(Uri::from_static("http://h:1/v1/forward"));
        let read = Forward::of_http(http.headers(), http.body().clone()).unwrap();
        assert_eq!(read.principal.name(), sent.principal.name());
        assert_eq!((read.operation, read.body), (sent.operation, sent.body));
        assert!(Forward::of_http(&HeaderMap::new(), Bytes::new()).is_none());
    }
}
