//! RESP, as far as Redis `GET` and `SET` need it.

use bytes::Bytes;

use super::Parsed;

/// `SET key value`.
#[must_use]
pub fn set(key: &str, value: &[u8]) -> Bytes {
    let mut request = format!(
        "*3\r\n$3\r\nSET\r\n${}\r\n{key}\r\n${}\r\n",
        key.len(),
        value.len()
    )
    .into_bytes();
    request.extend_from_slice(value);
    request.extend_from_slice(b"\r\n");
    request.into()
}

/// `GET key`.
#[must_use]
pub fn get(key: &str) -> Bytes {
    format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len()).into()
}

/// Ends of simple strings, errors, integers and bulk strings; an error or a missing value is no success.
#[must_use]
pub fn parse(buffer: &[u8]) -> Option<Parsed> {
    let line = buffer.windows(2).position(|pair| pair == b"\r\n")?;
    let head = buffer.get(1..line)?;
    match buffer.first()? {
        b'$' => {
            let size: i64 = std::str::from_utf8(head).ok()?.parse().ok()?;
            let Ok(size) = usize::try_from(size) else {
                return Some(Parsed {
                    length: line + 2,
                    success: false,
                });
            };
            let length = line + 2 + size + 2;
            (buffer.len() >= length).then_some(Parsed {
                length,
                success: true,
            })
        }
        kind => Some(Parsed {
            length: line + 2,
            success: *kind != b'-',
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_where_they_end() {
        let check = |bytes: &[u8], expected: Option<(usize, bool)>| {
            let parsed = parse(bytes).map(|parsed| (parsed.length, parsed.success));
            assert_eq!(parsed, expected, "{bytes:?}");
        };
        check(b"+OK\r\n", Some((5, true)));
        check(b"-ERR\r\n", Some((6, false)));
        check(b"$-1\r\n", Some((5, false)));
        check(b"$3\r\nabc\r\n+", Some((9, true)));
        check(b"$3\r\nabc\r", None);
        check(b"$3", None);
        check(b"", None);
    }
}
