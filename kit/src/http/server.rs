//! The server loop: accepts, bounds, drives and drains HTTP/1.1 connections.
//!
//! At the connection limit the server stops accepting, so that new clients wait in the kernel's
//! backlog, or closes them at once, so that they go elsewhere; either is counted. On cancellation of
//! the owner's token it stops accepting and tells every connection to finish the request at hand and
//! close; the owner's shutdown waits for them.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{debug, info, warn};

use super::connection::{Connections, drive};
use crate::task::TaskOwner;
use crate::tls::ReloadingServerConfig;

/// How often idle connections are looked for; the granularity of the idle timeout.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Pause after a failed `accept`: the process is out of file descriptors, and trying again at once
/// would spin until one is closed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// For a TLS handshake; a client on a slow link takes three round trips.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The bounds of one server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// What the server is called in log lines.
    pub name: &'static str,
    /// Open connections at once. The default, 4,096, leaves room under the usual limit of 65,536
    /// file descriptors and costs at most 4,096 x 16 KiB of head buffers.
    pub connections_max: usize,
    /// What becomes of a client beyond them. Default [`OverLimit::Waits`].
    pub over_limit: OverLimit,
    /// Request line and headers together; a longer head is answered 431. Default 16 KiB.
    pub header_bytes_max: usize,
    /// A connection without a request for this long is closed. `DynamoDB` does so after about a
    /// minute (guide: "Best practices for connections"), the default.
    pub idle_timeout: Duration,
    /// With it the server speaks TLS only.
    pub tls: Option<ReloadingServerConfig>,
    /// Metrics to keep.
    pub metrics: ServerMetrics,
}

/// What becomes of a client that finds the connection limit reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OverLimit {
    /// It waits in the kernel's backlog for a place.
    Waits,
    /// Its connection is closed: it has other servers to go to.
    IsClosed,
}

impl ServerOptions {
    /// The defaults, for a server called `name`.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            connections_max: 4_096,
            over_limit: OverLimit::Waits,
            header_bytes_max: 16 * 1024,
            idle_timeout: Duration::from_secs(60),
            tls: None,
            metrics: ServerMetrics::default(),
        }
    }
}

/// Gauge.
const CONNECTIONS: &str = "connections";
/// Counter; `_total` is added by the encoder.
const LIMIT_STALLS: &str = "connection_limit_stalls";
/// Counter; `_total` is added by the encoder.
const ACCEPT_ERRORS: &str = "accept_errors";

/// What one server counts.
#[derive(Clone, Debug, Default)]
pub struct ServerMetrics {
    connections: Gauge,
    limit_stalls: Counter,
    accept_errors: Counter,
}

impl ServerMetrics {
    /// Metrics registered under `registry`, which carries the server's prefix.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            CONNECTIONS,
            "Open HTTP connections",
            metrics.connections.clone(),
        );
        registry.register(
            LIMIT_STALLS,
            "Clients that the connection limit has made wait, or closed",
            metrics.limit_stalls.clone(),
        );
        registry.register(
            ACCEPT_ERRORS,
            "Failed attempts to accept a connection",
            metrics.accept_errors.clone(),
        );
        metrics
    }

    /// Connections open now.
    #[must_use]
    pub fn open_connections(&self) -> i64 {
        self.connections.get()
    }
}

/// A server that drives connections handed to it. Clones share limits, handler and metrics.
pub struct HttpServer<H> {
    shared: Arc<Shared<H>>,
}

struct Shared<H> {
    options: ServerOptions,
    handler: H,
    builder: http1::Builder,
    connections: Arc<Connections>,
    permits: Arc<Semaphore>,
}

impl<H> Clone for HttpServer<H> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

/// Serves `listener` in a task of `tasks` until its token is cancelled.
pub fn serve<H, F, B>(listener: TcpListener, options: ServerOptions, handler: H, tasks: &TaskOwner)
where
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let server = HttpServer::new(options, handler);
    let owner = tasks.clone();
    tasks.spawn(
        "http server",
        async move { server.run(listener, &owner).await },
    );
}

impl<H, F, B> HttpServer<H>
where
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// A server of `handler`, not yet listening.
    #[must_use]
    pub fn new(options: ServerOptions, handler: H) -> Self {
        let mut builder = http1::Builder::new();
        builder
            .header_read_timeout(None)
            .max_header_size(options.header_bytes_max);
        let permits = Arc::new(Semaphore::new(options.connections_max));
        let connections = Arc::default();
        Self {
            shared: Arc::new(Shared {
                options,
                handler,
                builder,
                connections,
                permits,
            }),
        }
    }

    /// Accepts connections until the token of `tasks` is cancelled, then tells them to close.
    pub async fn run(&self, listener: TcpListener, tasks: &TaskOwner) {
        self.run_with_door(listener, tasks, |stream| std::future::ready(Some(stream)))
            .await;
    }

    /// As [`Self::run`], but each accepted connection passes `door` first, in a task of its own and
    /// holding its place under the connection limit. The door looks at the first bytes
    /// ([`TcpStream::peek`]) and hands the stream back to be served HTTP, or keeps it and gives
    /// `None` when it is done with it. It must bound its own waiting.
    pub async fn run_with_door<D, G>(&self, listener: TcpListener, tasks: &TaskOwner, door: D)
    where
        D: Fn(TcpStream) -> G + Clone + Send + 'static,
        G: Future<Output = Option<TcpStream>> + Send,
    {
        let Shared {
            options,
            connections,
            ..
        } = &*self.shared;
        let token = tasks.token();
        let first_sweep = Instant::now() + SWEEP_INTERVAL;
        let mut sweeps = tokio::time::interval_at(first_sweep, SWEEP_INTERVAL);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let idle_ticks = u32::try_from(options.idle_timeout.as_secs()).unwrap_or(u32::MAX);
        info!(server = options.name, address = ?listener.local_addr().ok(), "listening");
        loop {
            tokio::select! {
                biased;
                () = token.cancelled() => break,
                _ = sweeps.tick() => connections.sweep(idle_ticks),
                accepted = self.accept(&listener) => match accepted {
                    Ok((stream, permit)) => self.start(stream, permit, door.clone(), tasks),
                    Err(error) => self.accept_failed(&error).await,
                },
            }
        }
        drop(listener);
        connections.drain();
        info!(
            server = options.name,
            connections = connections.len(),
            "draining"
        );
    }

    /// Runs a connection that was accepted elsewhere, to its end. It counts against no limit; the
    /// idle timeout and the drain need [`Self::run`] to be running.
    pub async fn serve_connection<I>(&self, io: I)
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let Shared {
            options,
            handler,
            builder,
            connections,
            ..
        } = &*self.shared;
        let registered = connections.register();
        options.metrics.connections.inc();
        let _gauge = GaugeGuard(&options.metrics.connections);
        if let Err(error) = drive(builder, TokioIo::new(io), registered, handler).await {
            debug!(
                server = options.name,
                error = &error as &dyn Error,
                "connection ended"
            );
        }
    }

    /// Waits for a free place, then for a client.
    ///
    /// # Cancel safety
    /// A place taken is given back when the future is dropped; no accepted client is lost.
    async fn accept(
        &self,
        listener: &TcpListener,
    ) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
        let permits = Arc::clone(&self.shared.permits);
        if self.shared.options.over_limit == OverLimit::IsClosed {
            loop {
                let (stream, _peer) = listener.accept().await?;
                match Arc::clone(&permits).try_acquire_owned() {
                    Ok(permit) => return Ok((stream, permit)),
                    Err(_full) => self.shared.options.metrics.limit_stalls.inc(),
                };
            }
        }
        let permit = match Arc::clone(&permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_full) => {
                self.shared.options.metrics.limit_stalls.inc();
                permits.acquire_owned().await.map_err(io::Error::other)?
            }
        };
        let (stream, _peer) = listener.accept().await?;
        Ok((stream, permit))
    }

    fn start<D, G>(
        &self,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
        door: D,
        tasks: &TaskOwner,
    ) where
        D: Fn(TcpStream) -> G + Send + 'static,
        G: Future<Output = Option<TcpStream>> + Send,
    {
        let server = self.clone();
        tasks.spawn("http connection", async move {
            let _permit = permit;
            if let Err(error) = stream.set_nodelay(true) {
                debug!(error = &error as &dyn Error, "TCP_NODELAY could not be set");
            }
            let Some(stream) = door(stream).await else {
                return;
            };
            match &server.shared.options.tls {
                None => server.serve_connection(stream).await,
                Some(tls) => server.serve_tls(stream, tls).await,
            }
        });
    }

    async fn serve_tls(&self, stream: TcpStream, tls: &ReloadingServerConfig) {
        let handshake = tls.acceptor().accept(stream);
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake).await {
            Ok(Ok(stream)) => self.serve_connection(stream).await,
            Ok(Err(error)) => {
                let server = self.shared.options.name;
                debug!(server, error = &error as &dyn Error, "TLS handshake failed");
            }
            Err(_elapsed) => debug!(server = self.shared.options.name, "TLS handshake timed out"),
        }
    }

    async fn accept_failed(&self, error: &io::Error) {
        self.shared.options.metrics.accept_errors.inc();
        // The client gave up between its handshake and our accept; the next one is fine.
        if error.kind() == io::ErrorKind::ConnectionAborted {
            return;
        }
        warn!(server = self.shared.options.name, %error, "a connection could not be accepted");
        tokio::time::sleep(ACCEPT_BACKOFF).await;
    }
}

/// Counts a connection down when it ends, is dropped or panics.
struct GaugeGuard<'a>(&'a Gauge);

impl Drop for GaugeGuard<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests;
