//! Answers: status, headers, checksum, and the JSON pieces that are written by hand on hot paths.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use http::{Response, StatusCode};
use http_body_util::Full;
use stator_kit::rng::RandomSource;
use stator_model::error::ApiError;
use stator_model::operations::ReturnConsumedCapacity;

use super::consumed::Consumed;
use crate::table::codec_json::attributes_to_json;

/// The content type that SDKs send and get back.
pub(super) const JSON_1_0: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
/// The other one that is accepted.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const CRC32: HeaderName = HeaderName::from_static("x-amz-crc32");
const SERVER_NAME: HeaderValue = HeaderValue::from_static("Server");

/// Length of a request id, as Amazon's.
const REQUEST_ID_LEN: usize = 52;

/// An answer of the API, its body as it goes over the wire.
pub(super) fn json(
    status: StatusCode,
    content_type: HeaderValue,
    body: Bytes,
    random: &dyn RandomSource,
) -> Response<Full<Bytes>> {
    let crc = crc32fast::hash(&body);
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SERVER, SERVER_NAME);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(REQUEST_ID, request_id(random));
    headers.insert(CRC32, HeaderValue::from(crc));
    response
}

/// The HTTP status of an error.
pub(super) fn status(error: &ApiError) -> StatusCode {
    StatusCode::from_u16(error.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// An answer that is no JSON.
pub(super) fn text(
    status: StatusCode,
    text: impl Into<Bytes>,
    random: &dyn RandomSource,
) -> Response<Full<Bytes>> {
    let body: Bytes = text.into();
    let (len, crc) = (body.len(), crc32fast::hash(&body));
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(SERVER, SERVER_NAME);
    headers.insert(REQUEST_ID, request_id(random));
    headers.insert(CRC32, HeaderValue::from(crc));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
    response
}

/// A response body written member by member, with no tree in between.
pub(super) struct Body {
    out: Vec<u8>,
}

impl Body {
    /// An object without members yet; `capacity` bytes are reserved.
    pub(super) fn begin(capacity: usize) -> Self {
        let mut out = Vec::with_capacity(capacity + 16);
        out.push(b'{');
        Self { out }
    }

    /// Begins a member; the caller appends its value. `name` needs no escaping.
    pub(super) fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        &mut self.out
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str, number: u64) {
        self.member(name)
            .extend_from_slice(number.to_string().as_bytes());
    }

    /// An item from its stored or transported encoding.
    pub(super) fn encoded_item(&mut self, name: &str, attributes: &[u8]) -> Result<(), ApiError> {
        attributes_to_json(attributes, self.member(name))
            .map_err(|_| ApiError::internal("an item in an answer between nodes is damaged"))
    }

    /// `ConsumedCapacity`, if the caller asked for it.
    pub(super) fn capacity(&mut self, mode: ReturnConsumedCapacity, table: &str, units: f64) {
        if mode != ReturnConsumedCapacity::None {
            write_capacity(mode, table, units, self.member("ConsumedCapacity"));
        }
    }

    /// `ConsumedCapacity` with the arms of indexes, if the caller asked for it.
    pub(super) fn consumed(
        &mut self,
        mode: ReturnConsumedCapacity,
        table: &str,
        consumed: &Consumed,
    ) {
        if mode != ReturnConsumedCapacity::None {
            consumed.write(mode, table, self.member("ConsumedCapacity"));
        }
    }

    /// The body, complete.
    pub(super) fn end(mut self) -> Bytes {
        self.out.push(b'}');
        Bytes::from(self.out)
    }
}

/// Appends one report of consumed capacity.
pub(super) fn write_capacity(
    mode: ReturnConsumedCapacity,
    table: &str,
    units: f64,
    out: &mut Vec<u8>,
) {
    Consumed::of_table(units).write(mode, table, out);
}

/// 52 random characters of Amazon's alphabet.
fn request_id(random: &dyn RandomSource) -> HeaderValue {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHIJKLMNOPQRSTUV";
    let mut id = [0_u8; REQUEST_ID_LEN];
    for chunk in id.chunks_mut(12) {
        let mut bits = random.next_u64();
        for slot in chunk {
            let at = usize::try_from(bits & 31).unwrap_or(0);
            *slot = ALPHABET.get(at).copied().unwrap_or(b'0');
            bits >>= 5;
        }
    }
    HeaderValue::from_bytes(&id).unwrap_or(HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use stator_kit::rng::SeededRandom;

    use super::*;

    #[test]
    fn bodies_are_written_member_by_member() {
        assert_eq!(&*Body::begin(0).end(), b"{}");
        let mut body = Body::begin(0);
        body.number("Count", 2);
        body.capacity(ReturnConsumedCapacity::Indexes, "T", 0.5);
        assert_eq!(
            &*body.end(),
            br#"{"Count":2,"ConsumedCapacity":{"TableName":"T","CapacityUnits":0.5,"Table":{"CapacityUnits":0.5}}}"#
        );
    }

    #[test]
    fn answers_carry_checksum_and_request_id() {
        let response = json(
            StatusCode::OK,
            JSON_1_0,
            Bytes::from_static(b"{}"),
            &SeededRandom::new(1),
        );
        assert_eq!(response.headers()["x-amz-crc32"], "2745614147");
        assert_eq!(response.headers()["x-amzn-requestid"].len(), 52);
    }
}
