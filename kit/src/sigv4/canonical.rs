//! The canonical form of a request and the string to sign. Each is built in one buffer and hashed
//! at once: an update of the hash costs more than a copy of the few bytes it takes.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use http::{HeaderMap, Method};

use super::key::Scope;
use super::timestamp::BasicText;
use super::{ALGORITHM, TERMINATOR};

/// The query parameter that carries the signature, and is not part of what is signed.
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// Bytes of a canonical request as SDKs make them, session token included; longer ones grow.
const REQUEST_CAPACITY: usize = 2_048;

/// The parts of a request that its signature covers.
pub(super) struct SignedParts<'a> {
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
    pub(super) headers: &'a HeaderMap,
    /// Header names joined by semicolons, as the client lists them.
    pub(super) signed_headers: &'a str,
    pub(super) body: &'a [u8],
}

impl SignedParts<'_> {
    /// The signature under `key`: 32 bytes.
    pub(super) fn signature(
        &self,
        key: &hmac::Key,
        timestamp: &BasicText,
        scope: Scope<'_>,
    ) -> hmac::Tag {
        let mut text = Vec::with_capacity(REQUEST_CAPACITY);
        self.write(&mut |bytes| text.extend_from_slice(bytes));
        let request_hash = hex_digest(digest(&SHA256, &text).as_ref());
        text.clear();
        for part in [
            ALGORITHM.as_bytes(),
            b"\n",
            timestamp,
            b"\n",
            scope.date.as_bytes(),
            b"/",
            scope.region.as_bytes(),
            b"/",
            scope.service.as_bytes(),
            b"/",
            TERMINATOR.as_bytes(),
            b"\n",
            &request_hash,
        ] {
            text.extend_from_slice(part);
        }
        hmac::sign(key, &text)
    }

    /// Feeds the canonical request to `sink`.
    fn write(&self, sink: &mut impl FnMut(&[u8])) {
        sink(self.method.as_str().as_bytes());
        sink(b"\n");
        write_path(self.path, sink);
        sink(b"\n");
        write_query(self.query.unwrap_or_default(), sink);
        sink(b"\n");
        for name in self.signed_headers.split(';') {
            write_lower(name, sink);
            sink(b":");
            for (index, value) in self.headers.get_all(name).iter().enumerate() {
                if index > 0 {
                    sink(b",");
                }
                write_header_value(value.as_bytes(), sink);
            }
            sink(b"\n");
        }
        sink(b"\n");
        write_lower(self.signed_headers, sink);
        sink(b"\n");
        sink(&hex_digest(digest(&SHA256, self.body).as_ref()));
    }
}

/// The 64 lower-case hex digits of a SHA-256.
fn hex_digest(digest: &[u8]) -> [u8; 64] {
    let mut text = [b'0'; 64];
    let encoded = hex::encode_to_slice(digest, &mut text);
    debug_assert!(encoded.is_ok(), "a SHA-256 has 32 bytes");
    text
}

fn write_lower(text: &str, sink: &mut impl FnMut(&[u8])) {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        sink(text.to_ascii_lowercase().as_bytes());
    } else {
        sink(text.as_bytes());
    }
}

/// Trimmed, with each run of spaces made one.
fn write_header_value(value: &[u8], sink: &mut impl FnMut(&[u8])) {
    let value = value.trim_ascii();
    if !value.windows(2).any(|pair| pair == b"  ") {
        sink(value);
        return;
    }
    let mut words = value
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty());
    if let Some(first) = words.next() {
        sink(first);
    }
    for word in words {
        sink(b" ");
        sink(word);
    }
}

/// Dot segments and empty segments removed, then each byte of the path as sent encoded (again),
/// which is the rule for every service but S3.
fn write_path(path: &str, sink: &mut impl FnMut(&[u8])) {
    if path.is_empty() || path == "/" {
        sink(b"/");
        return;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    for segment in &segments {
        sink(b"/");
        sink(encode(segment.as_bytes()).as_bytes());
    }
    if segments.is_empty() || path.ends_with('/') {
        sink(b"/");
    }
}

/// Parameters decoded, encoded anew by one rule, and sorted by name and value.
fn write_query(query: &str, sink: &mut impl FnMut(&[u8])) {
    if query.is_empty() {
        return;
    }
    let mut parameters: Vec<(String, String)> = parameters(query)
        .filter(|(name, _)| name.as_ref() != SIGNATURE_PARAMETER.as_bytes())
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    parameters.sort_unstable();
    for (index, (name, value)) in parameters.iter().enumerate() {
        if index > 0 {
            sink(b"&");
        }
        sink(name.as_bytes());
        sink(b"=");
        sink(value.as_bytes());
    }
}

/// The decoded parameters of a query string, in the order sent.
pub(super) fn parameters(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
}

/// Percent-encoding that leaves only RFC 3986's unreserved characters as they are.
pub(super) fn encode(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
    text
}

/// Percent-decoding; a plus is a space, and a broken escape stands for itself.
fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let escaped = match (first, tail) {
            (b'%', [high, low, ..]) => hex_value(*high).zip(hex_value(*low)),
            _ => None,
        };
        match (first, escaped) {
            (_, Some((high, low))) => {
                decoded.push(high << 4 | low);
                rest = tail.get(2..).unwrap_or_default();
            }
            (b'+', None) => {
                decoded.push(b' ');
                rest = tail;
            }
            (byte, None) => {
                decoded.push(*byte);
                rest = tail;
            }
        }
    }
    Cow::Owned(decoded)
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl Fn(&mut dyn FnMut(&[u8]))) -> String {
        let mut bytes = Vec::new();
        write(&mut |piece: &[u8]| bytes.extend_from_slice(piece));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_documented_request_has_the_documented_canonical_form() {
        let mut headers = HeaderMap::new();
        let content_type = "application/x-www-form-urlencoded;   charset=utf-8";
        headers.insert("content-type", content_type.parse().unwrap());
        headers.insert("host", "iam.amazonaws.com".parse().unwrap());
        headers.insert("x-amz-date", "20150830T123600Z".parse().unwrap());
        let parts = SignedParts {
            method: &Method::GET,
            path: "/",
            query: Some("Version=2010-05-08&Action=ListUsers"),
            headers: &headers,
            signed_headers: "content-type;host;X-Amz-Date",
            body: b"",
        };
        let text = written(|mut sink| parts.write(&mut sink));
        let expected = "GET\n/\nAction=ListUsers&Version=2010-05-08\n\
             content-type:application/x-www-form-urlencoded; charset=utf-8\n\
             host:iam.amazonaws.com\nx-amz-date:20150830T123600Z\n\n\
             content-type;host;x-amz-date\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text, expected);
        let hash = "f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        assert_eq!(hex::encode(digest(&SHA256, text.as_bytes())), hash);
    }

    #[test]
    fn paths_are_normalised_as_in_the_published_suite() {
        for (path, expected) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/./", "/"),
            ("/example/..", "/"),
            ("/../../x", "/x"),
            ("/./example", "/example"),
            ("//example//", "/example/"),
            ("/example%20space/", "/example%2520space/"),
            ("/-._~0aZ", "/-._~0aZ"),
        ] {
            assert_eq!(
                written(|mut sink| write_path(path, &mut sink)),
                expected,
                "{path}"
            );
        }
    }

    #[test]
    fn queries_are_sorted_and_encoded_as_in_the_published_suite() {
        for (query, expected) in [
            ("", ""),
            ("Param1", "Param1="),
            ("Param2=value2&Param1=value1", "Param1=value1&Param2=value2"),
            ("Param1=value2&Param1=Value1", "Param1=Value1&Param1=value2"),
            ("a=x%2fy&b=1+2&c=%zz", "a=x%2Fy&b=1%202&c=%25zz"),
            ("b=1&X-Amz-Signature=feed&a=1", "a=1&b=1"),
        ] {
            assert_eq!(
                written(|mut sink| write_query(query, &mut sink)),
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn header_values_are_trimmed_and_joined() {
        let mut headers = HeaderMap::new();
        for value in ["  value4 ", "a   b    c", "value1"] {
            headers.append("my-header1", value.parse().unwrap());
        }
        let parts = SignedParts {
            method: &Method::POST,
            path: "/",
            query: None,
            headers: &headers,
            signed_headers: "my-header1;not-there",
            body: b"",
        };
        let text = written(|mut sink| parts.write(&mut sink));
        assert!(
            text.contains("\nmy-header1:value4,a b c,value1\nnot-there:\n\n"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(bytes: Vec<u8>) {
            let text = encode(&bytes);
            let decoded = decode(&text);
            prop_assert_eq!(decoded.as_ref(), &bytes[..]);
        }

        #[test]
        fn hostile_paths_and_queries_never_panic(text in "[/%&=+.a-f0-9\u{80}]{0,40}") {
            let path = written(|mut sink| write_path(&text, &mut sink));
            prop_assert!(path.starts_with('/'));
            written(|mut sink| write_query(&text, &mut sink));
        }
    }
}
