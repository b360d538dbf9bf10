//! HTTP/1.1, as far as a keep-alive connection with Content-Length needs it.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use serde_json::Value;

use super::Parsed;
use crate::client::{Key, signed_parts};

/// A serialised DynamoDB request for `endpoint` (`http://host:port`), signed where a key is given.
///
/// # Errors
/// Where the endpoint is not a URL.
pub fn request(endpoint: &str, key: Option<&Key>, operation: &str, body: &Value) -> Result<Bytes> {
    let body = body.to_string();
    let parts = signed_parts(endpoint, key, operation, body.as_bytes())?;
    let mut bytes = b"POST / HTTP/1.1\r\n".to_vec();
    for (name, value) in &parts.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body.as_bytes());
    Ok(bytes.into())
}

/// Status 200 is a success. Answers must carry Content-Length, as ours do.
#[must_use]
pub fn parse(buffer: &[u8]) -> Option<Parsed> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(buffer.get(..head)?).ok()?;
    let mut lines = text.split("\r\n");
    let success = lines.next()?.contains(" 200");
    let size: usize = lines.find_map(content_length)?;
    let length = head + 4 + size;
    (buffer.len() >= length).then_some(Parsed { length, success })
}

fn content_length(line: &str) -> Option<usize> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case("content-length")
        .then(|| value.trim().parse().ok())?
}

/// The body of a serialised answer.
///
/// # Errors
/// Where it is not JSON.
pub fn body(answer: &[u8]) -> Result<Value> {
    let start = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .context("no end of headers")?;
    serde_json::from_slice(answer.get(start + 4..).unwrap_or_default()).context("no JSON body")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_where_they_end() {
        let check = |bytes: &[u8], expected: Option<(usize, bool)>| {
            let parsed = parse(bytes).map(|parsed| (parsed.length, parsed.success));
            assert_eq!(parsed, expected, "{:?}", String::from_utf8_lossy(bytes));
        };
        check(
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            Some((40, true)),
        );
        check(
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP",
            Some((47, false)),
        );
        check(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", None);
        check(b"HTTP/1.1 200 OK\r\n", None);
    }
}
