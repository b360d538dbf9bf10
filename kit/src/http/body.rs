//! Reading a whole body, bounded in bytes and in time.

use std::error::Error;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use tokio::time::Instant;

type BoxError = Box<dyn Error + Send + Sync>;

/// Longest request of `DynamoDB`; a longer one is answered 413 (guide: "Service, account, and table
/// quotas").
pub const REQUEST_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes reserved up front for a body that comes in pieces, whatever length it claims: a lying
/// `Content-Length` costs no more than this.
const RESERVED_BYTES_MAX: usize = 64 * 1024;

/// Why a body could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// Longer than the caller takes: HTTP 413.
    #[error("body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed.
        limit_bytes: usize,
    },
    /// The peer did not send all of it before the deadline.
    #[error("body did not arrive in time")]
    TimedOut,
    /// The connection broke, or the framing is wrong.
    #[error("body could not be read")]
    Broken(#[source] BoxError),
}

/// An oversized body is read on and thrown away for as many times its limit: a client that is still
/// writing when the connection closes sees a reset instead of the answer.
const DISCARDED_LIMITS: usize = 2;

/// Reads `body` to its end. A body that arrived together with its head, as small ones do, is
/// returned without a copy and without a timer.
///
/// # Errors
/// [`BodyError`]; after one the connection is of no further use and hyper closes it.
pub async fn read_body<B>(
    mut body: B,
    limit_bytes: usize,
    deadline: Instant,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let result = read_within_limit(&mut body, limit_bytes, deadline).await;
    if let Err(BodyError::TooLarge { .. }) = &result {
        let discarding = discard(&mut body, limit_bytes.saturating_mul(DISCARDED_LIMITS));
        // Best effort: the answer is the same whether all of it was read or not.
        drop(tokio::time::timeout_at(deadline, discarding).await);
    }
    result
}

async fn read_within_limit<B>(
    body: &mut B,
    limit_bytes: usize,
    deadline: Instant,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > u64::try_from(limit_bytes).unwrap_or(u64::MAX) {
        return Err(BodyError::TooLarge { limit_bytes });
    }
    let mut reading = pin!(collect(body, limit_bytes));
    if let Poll::Ready(result) = futures::poll!(reading.as_mut()) {
        return result;
    }
    match tokio::time::timeout_at(deadline, reading).await {
        Ok(result) => result,
        Err(_elapsed) => Err(BodyError::TimedOut),
    }
}

/// Reads up to `bytes` more, unless the body says beforehand that it is longer.
async fn discard<B>(body: &mut B, bytes: usize)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let mut left = bytes;
    if body.size_hint().lower() > u64::try_from(left).unwrap_or(u64::MAX) {
        return;
    }
    while let Ok(Some(data)) = next_data(body).await {
        match left.checked_sub(data.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}

async fn collect<B>(body: &mut B, limit_bytes: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    let Some(first) = next_data(body).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > limit_bytes {
        return Err(BodyError::TooLarge { limit_bytes });
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = next_data(body).await? else {
        return Ok(first);
    };
    let claimed = usize::try_from(body.size_hint().lower()).unwrap_or(RESERVED_BYTES_MAX);
    let arrived = first.len().saturating_add(second.len());
    let mut whole = BytesMut::with_capacity(arrived + claimed.min(RESERVED_BYTES_MAX));
    whole.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(data) = next {
        if whole.len().saturating_add(data.len()) > limit_bytes {
            return Err(BodyError::TooLarge { limit_bytes });
        }
        whole.extend_from_slice(&data);
        next = next_data(body).await?;
    }
    Ok(whole.freeze())
}

/// The next piece of data; trailers are dropped.
async fn next_data<B>(body: &mut B) -> Result<Option<Bytes>, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        match frame
            .transpose()
            .map_err(|error| BodyError::Broken(error.into()))?
        {
            None => return Ok(None),
            Some(frame) => match Frame::into_data(frame) {
                Ok(data) => return Ok(Some(data)),
                Err(_trailers) => {}
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::task::Context;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    /// A body of given pieces; after them it ends, or hangs.
    struct Pieces {
        pieces: VecDeque<Bytes>,
        hangs: bool,
    }

    impl Pieces {
        fn new(pieces: &[Vec<u8>]) -> Self {
            let pieces = pieces.iter().cloned().map(Bytes::from).collect();
            Self {
                pieces,
                hangs: false,
            }
        }
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.pieces.pop_front() {
                Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
                None if self.hangs => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    fn read(body: Pieces, limit: usize) -> Result<Bytes, BodyError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            read_body(body, limit, Instant::now() + Duration::from_secs(1)).await
        })
    }

    proptest! {
        #[test]
        fn a_body_within_the_limit_is_read_whole_and_one_over_it_is_refused(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..6),
            limit in 0_usize..80,
        ) {
            let whole: Vec<u8> = pieces.concat();
            match read(Pieces::new(&pieces), limit) {
                Ok(bytes) => {
                    prop_assert!(whole.len() <= limit);
                    prop_assert_eq!(bytes, whole);
                }
                Err(BodyError::TooLarge { limit_bytes }) => {
                    prop_assert_eq!(limit_bytes, limit);
                    prop_assert!(whole.len() > limit);
                }
                Err(other) => prop_assert!(false, "unexpected error {other}"),
            }
        }
    }

    #[test]
    fn a_body_that_stops_coming_is_given_up_at_the_deadline() {
        for pieces in [
            vec![],
            vec![b"half".to_vec()],
            vec![b"a".to_vec(), b"b".to_vec()],
        ] {
            let body = Pieces {
                hangs: true,
                ..Pieces::new(&pieces)
            };
            assert!(matches!(read(body, 100), Err(BodyError::TimedOut)));
        }
    }
}
