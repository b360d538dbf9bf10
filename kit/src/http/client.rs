//! A pooled HTTP/1.1 client whose errors say whether the request can have had an effect.
//!
//! A request repeated by mistake may count twice, so the two ways to fail are two types: *not sent*
//! (the connection could not be made, or the deadline passed before the first byte of the body was
//! taken for sending) and *lost* (anything later, an answer too long included). hyper repeats by
//! itself only what it never wrote.

use std::convert::Infallible;
use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioTimer;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::body::read_body;
use super::connector::Connector;
use crate::task::TaskOwner;
use crate::tls::ReloadingClientConfig;

type BoxError = Box<dyn Error + Send + Sync>;

/// The bounds of a client.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// For name lookup, TCP and TLS handshake together. Default 2 s.
    pub connect_timeout: Duration,
    /// An idle connection is closed after this; less than the 60 s after which servers close, so
    /// that a request seldom meets a connection just closing. Default 45 s.
    pub idle_timeout: Duration,
    /// Idle connections kept per server. Default 64, a proxy's usual concurrency.
    pub idle_connections_max: usize,
    /// Requests under way at once; more wait for a place, at most until their deadline. Default
    /// 1,024, and with it the number of connections.
    pub requests_max: usize,
    /// Longest answer taken. Default 17 MiB: the longest of `DynamoDB`, `BatchGetItem`, is 16 MB.
    pub response_bytes_max: usize,
    /// For `https`; without it such requests fail.
    pub tls: Option<ReloadingClientConfig>,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            idle_timeout: Duration::from_secs(45),
            idle_connections_max: 64,
            requests_max: 1_024,
            response_bytes_max: 17 * 1024 * 1024,
            tls: None,
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server cannot have seen the request: it may be repeated freely.
    #[error("request was not sent")]
    NotSent(#[source] BoxError),
    /// The server may have acted on the request, or may still do so.
    #[error("answer was lost")]
    Lost(#[source] BoxError),
}

#[derive(Debug, thiserror::Error)]
#[error("deadline passed")]
struct DeadlinePassed;

/// A client with a pool of connections. Clones share it.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<Connector, TrackedBody>,
    places: Arc<Semaphore>,
    response_bytes_max: usize,
}

impl HttpClient {
    /// A client whose connections run as background tasks of `tasks`.
    #[must_use]
    pub fn new(options: ClientOptions, tasks: &TaskOwner) -> Self {
        let ClientOptions {
            connect_timeout,
            idle_timeout,
            idle_connections_max,
            requests_max,
            response_bytes_max,
            tls,
        } = options;
        let client = Client::builder(tasks.background_executor("http client connection"))
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(idle_timeout)
            .pool_max_idle_per_host(idle_connections_max)
            .build(Connector {
                timeout: connect_timeout,
                tls,
            });
        let places = Arc::new(Semaphore::new(requests_max));
        Self {
            client,
            places,
            response_bytes_max,
        }
    }

    /// Sends a request with an absolute URI and reads the whole answer, of any status.
    ///
    /// # Errors
    /// [`ClientError`].
    ///
    /// # Cancel safety
    /// Dropping the future leaves open whether the request was sent.
    pub async fn send(
        &self,
        request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, ClientError> {
        if Instant::now() >= deadline {
            return Err(ClientError::NotSent(Box::new(DeadlinePassed)));
        }
        let place = tokio::time::timeout_at(deadline, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else {
            return Err(ClientError::NotSent(Box::new(DeadlinePassed)));
        };
        let taken = Arc::new(AtomicBool::new(false));
        // hyper does not ask for the body of a request that has none, so nothing is known of it.
        let traceable = !request.body().is_empty();
        let request = request.map(|body| TrackedBody {
            body: Full::new(body),
            taken: Arc::clone(&taken),
        });
        let answer = tokio::time::timeout_at(deadline, self.client.request(request)).await;
        let not_sent = || traceable && !taken.load(Ordering::Acquire);
        let response = match answer {
            Ok(Ok(response)) => response,
            Ok(Err(error)) if error.is_connect() || not_sent() => {
                return Err(ClientError::NotSent(Box::new(error)));
            }
            Ok(Err(error)) => return Err(ClientError::Lost(Box::new(error))),
            Err(_elapsed) if not_sent() => {
                return Err(ClientError::NotSent(Box::new(DeadlinePassed)));
            }
            Err(_elapsed) => return Err(ClientError::Lost(Box::new(DeadlinePassed))),
        };
        let (parts, body) = response.into_parts();
        match read_body(body, self.response_bytes_max, deadline).await {
            Ok(body) => Ok(Response::from_parts(parts, body)),
            Err(error) => Err(ClientError::Lost(Box::new(error))),
        }
    }
}

/// A body that remembers whether any of it was taken. hyper writes a request's head into its buffer
/// and asks for the body before it flushes either, so that an untouched body means an unsent head.
struct TrackedBody {
    body: Full<Bytes>,
    taken: Arc<AtomicBool>,
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.taken.store(true, Ordering::Release);
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
