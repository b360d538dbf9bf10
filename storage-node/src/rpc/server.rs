//! Answers the calls of other nodes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use stator_kit::task::TaskOwner;
use stator_kit::tls::ReloadingServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tonic::Status;

use super::codec::RawCodec;
use super::{MESSAGE_SIZE_BYTES_MAX, RpcError, RpcHandler, Service};

/// Connections at once: two from each node of a cluster far larger than any planned, and room for probes.
const CONNECTIONS_MAX: usize = 1024;
/// Calls at once on a connection; more wait at the sender.
const STREAMS_MAX: u32 = 4096;
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// A pause after a failed accept, which happens when the process is out of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// Starts to answer calls on `listener` until `owner` shuts down. With `tls` the caller's certificate is demanded.
pub fn serve(
    listener: TcpListener,
    tls: Option<ReloadingServerConfig>,
    handler: Arc<dyn RpcHandler>,
    owner: &TaskOwner,
) {
    let tasks = owner.clone();
    owner.spawn("rpc server", accept(listener, tls, handler, tasks));
}

async fn accept(
    listener: TcpListener,
    tls: Option<ReloadingServerConfig>,
    handler: Arc<dyn RpcHandler>,
    owner: TaskOwner,
) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let token = owner.token();
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            biased;
            () = token.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection of another node");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (tls, handler, tasks) = (tls.clone(), handler.clone(), owner.clone());
        owner.spawn("rpc connection", async move {
            if let Err(error) = connection(stream, tls, handler, tasks).await {
                tracing::debug!(%error, "a connection of another node ended");
            }
            drop(permit);
        });
    }
}

async fn connection(
    stream: TcpStream,
    tls: Option<ReloadingServerConfig>,
    handler: Arc<dyn RpcHandler>,
    owner: TaskOwner,
) -> Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return requests(stream, handler, owner).await;
    };
    let handshake = tls.acceptor().accept(stream);
    let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await??;
    requests(stream, handler, owner).await
}

async fn requests<S>(
    stream: S,
    handler: Arc<dyn RpcHandler>,
    owner: TaskOwner,
) -> Result<(), ConnectionError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = service_fn(move |request| {
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(answer(request, handler).await) }
    });
    let token = owner.token();
    // A handler that panics has met a state it does not know: the process must end (invariant 8).
    let connection = http2::Builder::new(owner.executor("rpc call"))
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(PING_INTERVAL))
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(2 << 20)
        .initial_connection_window_size(8 << 20)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        () = token.cancelled() => connection.as_mut().graceful_shutdown(),
        ended = connection.as_mut() => return Ok(ended?),
    }
    Ok(connection.await?)
}

async fn answer(
    request: http::Request<Incoming>,
    handler: Arc<dyn RpcHandler>,
) -> http::Response<tonic::body::Body> {
    let service = Service::of_path(request.uri().path());
    let call = tower::service_fn(move |request: tonic::Request<Bytes>| {
        let handler = handler.clone();
        async move {
            let Some(service) = service else {
                return Err(Status::unimplemented("no such service in this version"));
            };
            match handler.handle(service, request.into_inner()).await {
                Ok(answer) => Ok(tonic::Response::new(answer)),
                Err(RpcError::Refused(reason)) => Err(Status::failed_precondition(reason)),
                Err(RpcError::Failed(reason)) => Err(Status::internal(reason)),
            }
        }
    });
    tonic::server::Grpc::new(RawCodec)
        .max_decoding_message_size(MESSAGE_SIZE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_SIZE_BYTES_MAX)
        .unary(call, request)
        .await
}
