//! Calls to peers, over HTTP/1.1 with mutual TLS.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, Request, StatusCode, Uri};
use stator_kit::http::{ClientError, ClientOptions, HttpClient};
use stator_kit::task::TaskOwner;
use stator_kit::tls::ReloadingClientConfig;
use tokio::time::Instant;

use super::forward::{Forward, ForwardError, Forwarded};
use super::message::{Call, MESSAGE_BYTES_MAX};
use super::peer::Peer;
use crate::message::{decode, encode};

/// To reach a peer's port. Pods that have gone do not answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Forwarded answers are as long as the store's.
const ANSWER_BYTES_MAX: usize = 17 * 1024 * 1024;

/// Why a peer has not answered a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerError {
    /// Its name is not known: there is no such node.
    Absent,
    /// Nothing listens there, as it seems.
    Refused,
    /// Nothing is known of it.
    Silent,
}

/// The way to peers. A trait, so that a test can delay, lose and cut.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Posts a message and waits for the answer until `deadline`.
    fn post(
        &self,
        peer: &Peer,
        path: &'static str,
        body: Bytes,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>>;

    /// Hands a client's request to a peer.
    fn forward(
        &self,
        peer: &Peer,
        request: Forward,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Forwarded, ForwardError>>;
}

/// One call.
pub(crate) async fn call<C: Call>(
    transport: &dyn Transport,
    peer: &Peer,
    message: &C,
    patience: Duration,
) -> Result<C::Answer, PeerError> {
    let deadline = Instant::now() + patience;
    let body = transport
        .post(peer, C::PATH, encode(message).into(), deadline)
        .await?;
    decode(&body).map_err(|error| {
        tracing::warn!(peer = %peer.name, path = C::PATH, %error, "a peer's answer cannot be read");
        PeerError::Silent
    })
}

/// [`Transport`] over HTTP.
pub(crate) struct HttpTransport {
    /// Changes, leases and forwarded requests share the pool: nothing waits in it for anything else.
    client: HttpClient,
    scheme: &'static str,
}

impl HttpTransport {
    /// Without `tls` in the clear: for loopback.
    pub(crate) fn new(tls: Option<ReloadingClientConfig>, tasks: &TaskOwner) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let client = HttpClient::new(
            ClientOptions {
                connect_timeout: CONNECT_TIMEOUT,
                response_bytes_max: ANSWER_BYTES_MAX.max(MESSAGE_BYTES_MAX),
                tls,
                ..ClientOptions::default()
            },
            tasks,
        );
        Self { client, scheme }
    }

    fn uri(&self, peer: &Peer, path: &str) -> Uri {
        // The address was checked when the flags were read.
        format!("{}://{}{path}", self.scheme, peer.address)
            .parse()
            .unwrap_or_default()
    }
}

impl Transport for HttpTransport {
    fn post(
        &self,
        peer: &Peer,
        path: &'static str,
        body: Bytes,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, PeerError>> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri(peer, path);
        let (client, name) = (self.client.clone(), peer.name.clone());
        Box::pin(async move {
            match client.send(request, deadline).await {
                Ok(response) if response.status() == StatusCode::OK => Ok(response.into_body()),
                Ok(response) => {
                    tracing::debug!(peer = name, path, status = %response.status(), "a peer refused a call");
                    Err(PeerError::Silent)
                }
                Err(error) => {
                    let kind = peer_error(&error);
                    tracing::debug!(
                        peer = name,
                        path,
                        ?kind,
                        error = &error as &dyn Error,
                        "a peer did not answer"
                    );
                    Err(kind)
                }
            }
        })
    }

    fn forward(
        &self,
        peer: &Peer,
        request: Forward,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Forwarded, ForwardError>> {
        let request = request.into_http(self.uri(peer, Forward::PATH));
        let client = self.client.clone();
        Box::pin(async move {
            match client.send(request, deadline).await {
                Ok(response) if response.status() == StatusCode::MISDIRECTED_REQUEST => {
                    Err(ForwardError::NotExecuted)
                }
                Ok(response) => Ok(Forwarded::of_http(response)),
                Err(ClientError::NotSent(_)) => Err(ForwardError::NotExecuted),
                Err(_) => Err(ForwardError::Lost),
            }
        })
    }
}

/// What an error says of the peer.
fn peer_error(error: &ClientError) -> PeerError {
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            if cause.kind() == io::ErrorKind::ConnectionRefused {
                return PeerError::Refused;
            }
            if names_nobody(cause) {
                return PeerError::Absent;
            }
        }
        source = cause.source();
    }
    PeerError::Silent
}

fn names_nobody(error: &io::Error) -> bool {
    // The resolver's errors have no kind of their own. A name server that cannot be asked says something else.
    const UNKNOWN_NAMES: [&str; 2] = [
        "Name or service not known",
        "No address associated with hostname",
    ];
    let text = error.to_string();
    UNKNOWN_NAMES.iter().any(|unknown| text.contains(unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn error_of(address: &str) -> PeerError {
        let tasks = TaskOwner::new("test");
        let transport = HttpTransport::new(None, &tasks);
        let peer = Peer {
            name: "other".to_owned(),
            address: address.to_owned(),
        };
        let deadline = Instant::now() + Duration::from_secs(2);
        let posted = transport.post(&peer, "/v1/leave", Bytes::from_static(b"x"), deadline);
        posted.await.unwrap_err()
    }

    #[tokio::test]
    async fn a_port_that_is_closed_a_name_that_is_none_and_a_node_that_hangs_are_told_apart() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        // It accepts in the kernel, and never answers.
        assert_eq!(error_of(&address).await, PeerError::Silent);
        drop(free);
        assert_eq!(error_of(&address).await, PeerError::Refused);
        assert_eq!(
            error_of("no-such-node.invalid:8112").await,
            PeerError::Absent
        );
    }
}
