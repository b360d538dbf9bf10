//! The headers every answer of the data plane carries.
//!
//! Source: `DynamoDB` developer guide, "`DynamoDB` low-level API". SDKs verify `x-amz-crc32` when it
//! is there and retry on a mismatch. hyper adds `Date`, formatted once a second, and
//! `Content-Length`.

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, SERVER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::rng::RandomSource;

/// Carries the request id of an answer.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// Carries the CRC-32 (IEEE) of the body as sent, in decimal.
pub const CRC32_HEADER: HeaderName = HeaderName::from_static("x-amz-crc32");

/// The content type of JSON answers.
pub const AMZ_JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

const SERVER_VALUE: HeaderValue = HeaderValue::from_static("Server");

/// Headers of an answer: the four here, `Date` and `Content-Length` of hyper's, and two to spare,
/// so that the map is allocated once.
const HEADERS: usize = 8;

const RANDOM_LENGTH: usize = 26;

/// The constant second half, as in the ids of the real service.
const SUFFIX: &[u8; 26] = b"VV4KQNSO5AEMVJF66Q9ASUAAJG";

const LENGTH: usize = RANDOM_LENGTH + SUFFIX.len();

/// The id of one request: 52 characters, of which the first 26 carry 128 random bits in base 32.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct RequestId([u8; LENGTH]);

impl RequestId {
    /// A new id.
    #[must_use]
    pub fn generate(random: &dyn RandomSource) -> Self {
        Self::from_bits(random.next_u128())
    }

    /// The id that carries `bits`.
    #[must_use]
    pub fn from_bits(bits: u128) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
        let mut text = [b'0'; LENGTH];
        let (random, suffix) = text.split_at_mut(RANDOM_LENGTH);
        suffix.copy_from_slice(SUFFIX);
        let mut rest = bits;
        for digit in random.iter_mut().rev() {
            let index = usize::try_from(rest & 31).unwrap_or(0);
            *digit = ALPHABET.get(index).copied().unwrap_or(b'0');
            rest >>= 5;
        }
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    fn header_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.0).unwrap_or(HeaderValue::from_static("0"))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An answer of the data plane with `body` as it goes over the wire (compressed already, if at all).
#[must_use]
pub fn data_plane_response(
    status: StatusCode,
    content_type: HeaderValue,
    request_id: &RequestId,
    body: Bytes,
) -> Response<Full<Bytes>> {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(SERVER, SERVER_VALUE);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(REQUEST_ID_HEADER, request_id.header_value());
    headers.insert(CRC32_HEADER, HeaderValue::from(crc32fast::hash(&body)));
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rng::SeededRandom;

    #[test]
    fn an_answer_carries_the_headers_clients_look_at() {
        let id = RequestId::generate(&SeededRandom::new(1));
        let body = Bytes::from_static(b"123456789");
        let response = data_plane_response(StatusCode::OK, AMZ_JSON, &id, body);
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        assert_eq!(header("x-amzn-RequestId"), id.as_str());
        assert_eq!(
            header("x-amz-crc32"),
            "3421780262",
            "the check value of CRC-32/IEEE"
        );
        assert_eq!(header("server"), "Server");
        assert_eq!(header("content-type"), "application/x-amz-json-1.0");
    }

    proptest! {
        #[test]
        fn ids_are_52_characters_of_base_32_and_as_different_as_their_bits(a: u128, b: u128) {
            let (first, second) = (RequestId::from_bits(a), RequestId::from_bits(b));
            prop_assert_eq!(first.as_str().len(), 52);
            prop_assert!(first.as_str().bytes().all(|c| matches!(c, b'0'..=b'9' | b'A'..=b'V')));
            prop_assert_eq!(first == second, a == b);
        }
    }
}
