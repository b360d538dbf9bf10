//! The ports for clients: in the clear and under TLS, each for HTTP and for the native protocol.

use std::net::SocketAddr;
use std::sync::Arc;

use stator_kit::http::{HttpServer, OverLimit, ServerMetrics, ServerOptions};
use stator_kit::task::TaskOwner;
use stator_kit::tls::ReloadingServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::session::{NativeSession, Protocol, Session, protocol, unseal};

/// The port for clients under TLS, bound.
pub(super) struct Sealing {
    pub(super) listener: TcpListener,
    pub(super) config: ReloadingServerConfig,
}

/// What the ports for clients share.
pub(super) struct Clients {
    pub(super) session: Arc<Session>,
    pub(super) native: Arc<NativeSession>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) server_metrics: ServerMetrics,
    pub(super) tasks: TaskOwner,
}

impl Clients {
    /// Starts to serve, in the clear and, if asked for, under TLS.
    pub(super) fn serve(self, listener: TcpListener, sealed: Option<Sealing>) {
        let session = Arc::clone(&self.session);
        let handler = move |request| {
            let session = Arc::clone(&session);
            async move { session.handle(request).await }
        };
        if let Some(Sealing { listener, config }) = sealed {
            let options = self.server_options("clients under TLS");
            let server = HttpServer::new(options, handler.clone());
            let (clients, http) = (self.connections(), server.clone());
            let door = move |stream: TcpStream| {
                let (clients, http, acceptor) = (clients.clone(), http.clone(), config.acceptor());
                async move {
                    let local = stream.local_addr().ok()?;
                    match unseal(stream, acceptor).await? {
                        (stream, Protocol::Http) => http.serve_connection(stream).await,
                        (stream, Protocol::Native) => clients.native(stream, local).await,
                    }
                    None
                }
            };
            let tasks = self.tasks.clone();
            self.tasks.spawn("clients under TLS", async move {
                server.run_with_door(listener, &tasks, door).await;
            });
        }
        let server = HttpServer::new(self.server_options("clients"), handler);
        let clients = self.connections();
        let door = move |stream: TcpStream| {
            let clients = clients.clone();
            async move {
                match protocol(&stream).await? {
                    Protocol::Http => Some(stream),
                    Protocol::Native => {
                        let local = stream.local_addr().ok()?;
                        clients.native(stream, local).await;
                        None
                    }
                }
            }
        };
        let tasks = self.tasks.clone();
        self.tasks.spawn("clients", async move {
            server.run_with_door(listener, &tasks, door).await;
        });
    }

    fn server_options(&self, name: &'static str) -> ServerOptions {
        ServerOptions {
            metrics: self.server_metrics.clone(),
            // A client of a cluster has other nodes; one that waits here knows nothing.
            over_limit: OverLimit::IsClosed,
            ..ServerOptions::new(name)
        }
    }

    fn connections(&self) -> NativeConnections {
        NativeConnections {
            native: Arc::clone(&self.native),
            metrics: Arc::clone(&self.metrics),
            stop: self.tasks.token(),
        }
    }
}

/// Takes connections that speak the native protocol.
#[derive(Clone)]
struct NativeConnections {
    native: Arc<NativeSession>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
}

impl NativeConnections {
    async fn native(&self, stream: impl AsyncRead + AsyncWrite + Unpin, local: SocketAddr) {
        self.metrics.native_connections.inc();
        self.native.serve(stream, local, &self.stop).await;
    }
}
