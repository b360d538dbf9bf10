//! The production transport: gRPC over HTTP/2, over mutual TLS unless told otherwise.
//!
//! A node keeps two connections to each other node, one for Raft and one for all else, made when first needed and made
//! again after they broke. Connecting is a step of its own, so that a failure of it is known as "not sent".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use stator_kit::task::TaskOwner;
use stator_kit::tls::ReloadingClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::{Code, Status};

use super::codec::RawCodec;
use super::{AddressBook, MESSAGE_SIZE_BYTES_MAX, Service, Transport, TransportError};
use crate::replication::NodeId;

/// The longest time to resolve a name, connect and shake hands.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Pings find a connection whose other end is gone: within twice this.
const PING_INTERVAL: Duration = Duration::from_secs(3);
/// Bytes in flight on one stream and on one connection; a snapshot's block fits the first.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// Calls other nodes. Clones share connections.
#[derive(Clone)]
pub struct RpcClient {
    inner: Arc<Inner>,
}

struct Inner {
    addresses: AddressBook,
    tls: Option<ReloadingClientConfig>,
    owner: TaskOwner,
    /// By address and whether it is for Raft; twice as many as there are nodes.
    slots: Mutex<BTreeMap<(String, bool), Arc<Slot>>>,
}

/// A connection, or none yet. The lock is held while one is made, so that callers share the attempt.
type Slot = tokio::sync::Mutex<Option<http2::SendRequest<Body>>>;

impl RpcClient {
    /// A client that finds nodes in `addresses`; `tls` of `None` speaks plain text, for loopback and tests only.
    #[must_use]
    pub fn new(
        addresses: AddressBook,
        tls: Option<ReloadingClientConfig>,
        owner: TaskOwner,
    ) -> Self {
        let slots = Mutex::default();
        Self {
            inner: Arc::new(Inner {
                addresses,
                tls,
                owner,
                slots,
            }),
        }
    }

    /// Calls a node by its address, for the time before its id is known.
    ///
    /// # Errors
    /// [`TransportError`], naming node 0.
    pub async fn call_address(
        &self,
        address: &str,
        service: Service,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, TransportError> {
        self.inner
            .call(NodeId(0), address.to_owned(), service, payload, deadline)
            .await
    }
}

impl Transport for RpcClient {
    fn call(
        &self,
        to: NodeId,
        service: Service,
        payload: Bytes,
        deadline: Instant,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let inner = self.inner.clone();
        Box::pin(async move {
            let Some(address) = inner.addresses.get(to) else {
                return Err(not_sent(to, &"no address is known"));
            };
            inner.call(to, address, service, payload, deadline).await
        })
    }
}

fn not_sent(to: NodeId, reason: &impl ToString) -> TransportError {
    TransportError::NotSent {
        to,
        reason: reason.to_string(),
    }
}

fn lost(to: NodeId, reason: &impl ToString) -> TransportError {
    TransportError::Lost {
        to,
        reason: reason.to_string(),
    }
}

impl Inner {
    async fn call(
        &self,
        to: NodeId,
        address: String,
        service: Service,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Bytes, TransportError> {
        if payload.len() > MESSAGE_SIZE_BYTES_MAX {
            return Err(not_sent(to, &"the message is too large"));
        }
        let connected = tokio::time::timeout_at(deadline, self.connection(&address, service)).await;
        let connection = match connected {
            Ok(Ok(connection)) => connection,
            Ok(Err(reason)) => return Err(not_sent(to, &reason)),
            Err(_) => return Err(not_sent(to, &"deadline while connecting")),
        };
        let origin = origin(self.tls.is_some());
        let mut grpc = tonic::client::Grpc::with_origin(Connection(connection), origin)
            .max_decoding_message_size(MESSAGE_SIZE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_SIZE_BYTES_MAX);
        let call = async move {
            grpc.ready().await.map_err(|error| not_sent(to, &error))?;
            let path = http::uri::PathAndQuery::from_static(service.path());
            let request = tonic::Request::new(payload);
            let answer = grpc.unary(request, path, RawCodec).await;
            answer
                .map(tonic::Response::into_inner)
                .map_err(|status| failed(to, &status))
        };
        match tokio::time::timeout_at(deadline, call).await {
            Ok(answer) => answer,
            Err(_) => Err(lost(to, &"deadline")),
        }
    }

    async fn connection(
        &self,
        address: &str,
        service: Service,
    ) -> Result<http2::SendRequest<Body>, String> {
        let key = (address.to_owned(), service == Service::Raft);
        let slot = self.slots.lock().entry(key).or_default().clone();
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| !connection.is_closed()) {
            return Ok(connection.clone());
        }
        let connect = tokio::time::timeout(CONNECT_TIMEOUT, self.connect(address)).await;
        let connection = connect.map_err(|_| "connecting takes too long".to_owned())??;
        *slot = Some(connection.clone());
        Ok(connection)
    }

    async fn connect(&self, address: &str) -> Result<http2::SendRequest<Body>, String> {
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| error.to_string())?;
        stream
            .set_nodelay(true)
            .map_err(|error| error.to_string())?;
        let Some(tls) = &self.tls else {
            return self.handshake(stream).await;
        };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let stream = tls.connector().connect(name, stream).await;
        self.handshake(stream.map_err(|error| error.to_string())?)
            .await
    }

    async fn handshake<S>(&self, stream: S) -> Result<http2::SendRequest<Body>, String>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) =
            http2::Builder::new(self.owner.background_executor("rpc stream"))
                .timer(TokioTimer::new())
                .keep_alive_interval(PING_INTERVAL)
                .keep_alive_timeout(PING_INTERVAL)
                .initial_stream_window_size(STREAM_WINDOW_BYTES)
                .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(|error| error.to_string())?;
        self.owner.spawn_background("rpc connection", async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to another node ended");
            }
        });
        Ok(sender)
    }
}

fn origin(tls: bool) -> http::Uri {
    // The name is not looked at: the certificate was checked against the address.
    http::Uri::from_static(if tls { "https://node" } else { "http://node" })
}

/// What a status says about delivery.
fn failed(to: NodeId, status: &Status) -> TransportError {
    match status.code() {
        // Set by our server for calls that took no effect.
        Code::FailedPrecondition | Code::Unimplemented => not_sent(to, &status.message()),
        _ => lost(to, status),
    }
}

/// A connection as tonic wants to see it.
struct Connection(http2::SendRequest<Body>);

impl tower::Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, hyper::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}

#[cfg(test)]
mod tests;
