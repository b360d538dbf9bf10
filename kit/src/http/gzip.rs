//! gzip of bodies, both ways (RFC 1952).
//!
//! A body is worked on in pieces with a chance for other tasks between them: sixteen megabytes take
//! tens of milliseconds, too long for a task that shares its thread.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use http::HeaderMap;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use tokio::task::yield_now;

/// Bytes between two chances for other tasks: a fifth of a millisecond of inflating, half a one of
/// deflating.
const PIECE_BYTES: usize = 64 * 1024;

/// Why a body could not be decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GzipError {
    /// Longer than the caller takes once it is decompressed: HTTP 413.
    #[error("body is larger than {limit_bytes} bytes when decompressed")]
    TooLarge {
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// Not gzip, cut short, or followed by something else.
    #[error("body is not gzip")]
    Corrupt(#[source] std::io::Error),
}

/// The content of `body`, which is one gzip member or several, and nothing after them. A body that
/// would take more than `limit_bytes` costs no more than that.
///
/// # Errors
/// [`GzipError`].
pub async fn decompress(body: &[u8], limit_bytes: usize) -> Result<Bytes, GzipError> {
    let mut decoder = MultiGzDecoder::new(body);
    let mut whole = Vec::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let length = decoder.read(&mut piece).map_err(GzipError::Corrupt)?;
        let Some(read) = piece.get(..length).filter(|read| !read.is_empty()) else {
            return Ok(Bytes::from(whole));
        };
        if whole.len().saturating_add(length) > limit_bytes {
            return Err(GzipError::TooLarge { limit_bytes });
        }
        whole.extend_from_slice(read);
        yield_now().await;
    }
}

/// The content of a body that came with these headers: as it is, or out of gzip. `None` for a coding
/// that nobody here reads.
///
/// # Errors
/// [`GzipError`].
pub async fn decoded(
    headers: &HeaderMap,
    body: Bytes,
    limit_bytes: usize,
) -> Result<Option<Bytes>, GzipError> {
    let Some(coding) = headers.get(CONTENT_ENCODING) else {
        return Ok(Some(body));
    };
    let coding = coding.to_str().unwrap_or("unreadable").trim();
    if coding.is_empty() || coding.eq_ignore_ascii_case("identity") {
        Ok(Some(body))
    } else if coding.eq_ignore_ascii_case("gzip") {
        decompress(&body, limit_bytes).await.map(Some)
    } else {
        Ok(None)
    }
}

/// `body` as one gzip member.
///
/// The fastest level: JSON of items shrinks to a quarter with it, and the best level takes five times
/// as long for a few percent more.
pub async fn compress(body: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 3 + 64), Compression::fast());
    for piece in body.chunks(PIECE_BYTES) {
        // Writing to a vector does not fail.
        drop(encoder.write_all(piece));
        yield_now().await;
    }
    Bytes::from(encoder.finish().unwrap_or_default())
}

/// Whether the caller takes a gzip answer.
#[must_use]
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            let named = parts
                .next()
                .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
            let refused = parts.any(|parameter| {
                parameter
                    .strip_prefix("q=")
                    .and_then(|quality| quality.trim().parse::<f32>().ok())
                    .is_some_and(|quality| quality <= 0.0)
            });
            named && !refused
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    proptest! {
        #[test]
        fn members_are_joined_and_come_out_as_they_went_in(
            members in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 1..4),
        ) {
            let whole = members.concat();
            let packed: Vec<u8> = members.iter().flat_map(|member| run(compress(member))).collect();
            prop_assert_eq!(&run(decompress(&packed, whole.len())).unwrap(), &whole);
            if let Some(less) = whole.len().checked_sub(1) {
                let refused = run(decompress(&packed, less));
                let too_large = matches!(refused, Err(GzipError::TooLarge { .. }));
                prop_assert!(too_large);
            }
        }

        #[test]
        fn what_is_no_gzip_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if !bytes.starts_with(&[0x1f, 0x8b]) {
                let refused = run(decompress(&bytes, 1_000));
                let corrupt = matches!(refused, Err(GzipError::Corrupt(_)));
                prop_assert!(corrupt);
            }
        }

        #[test]
        fn a_changed_cut_or_longer_body_is_refused(at in 0_usize..1_000, bit in 0_u32..8) {
            let content: Vec<u8> = (0..=255).cycle().take(700).collect();
            let packed = run(compress(&content)).to_vec();
            let at = at % packed.len();
            prop_assert!(run(decompress(&packed[..at], 1_000)).is_err());
            prop_assert!(run(decompress(&[packed.as_slice(), b"x"].concat(), 1_000)).is_err());
            let mut changed = packed;
            changed[at] ^= 1 << bit;
            // The head has bytes without a meaning; where one was hit, the content is whole.
            if let Ok(read) = run(decompress(&changed, 1_000)) {
                prop_assert_eq!(read, content);
            }
        }
    }

    #[test]
    fn a_small_body_that_grows_costs_no_more_than_the_limit() {
        let zeros = vec![0_u8; 4 * 1024 * 1024];
        let packed = run(compress(&zeros));
        assert!(packed.len() < 64 * 1024);
        assert!(matches!(
            run(decompress(&packed, 1024 * 1024)),
            Err(GzipError::TooLarge { .. })
        ));
    }

    #[test]
    fn callers_say_whether_they_take_gzip() {
        for (value, expected) in [
            ("gzip", true),
            ("gzip, deflate", true),
            ("deflate;q=0.5, GZIP;q=1.0", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("identity", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]);
            assert_eq!(accepts_gzip(&headers), expected, "{value}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
