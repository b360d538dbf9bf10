//! Connections of the client: TCP, or TLS on top of it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower::Service;

use crate::tls::ReloadingClientConfig;

/// Makes connections for `http` and, when it has a TLS configuration, `https` URIs.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    /// For name lookup, TCP and TLS together.
    pub(super) timeout: Duration,
    pub(super) tls: Option<ReloadingClientConfig>,
}

/// A connection of either kind.
pub(super) enum ClientStream {
    Plain(TokioIo<TcpStream>),
    Tls(Box<TokioIo<TlsStream<TcpStream>>>),
}

impl Service<Uri> for Connector {
    type Response = ClientStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<ClientStream>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let Self { timeout, tls } = self.clone();
        Box::pin(async move {
            match tokio::time::timeout(timeout, connect(&uri, tls.as_ref())).await {
                Ok(result) => result,
                Err(_elapsed) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no connection within {timeout:?}"),
                )),
            }
        })
    }
}

async fn connect(uri: &Uri, tls: Option<&ReloadingClientConfig>) -> io::Result<ClientStream> {
    let invalid = |what: &'static str| io::Error::new(io::ErrorKind::InvalidInput, what);
    let host = uri.host().ok_or_else(|| invalid("the URI names no host"))?;
    // An IPv6 address is written in brackets in a URI and without them everywhere else.
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    let (default_port, tls) = match (uri.scheme_str(), tls) {
        (Some("http"), _) => (80, None),
        (Some("https"), Some(tls)) => (443, Some(tls)),
        (Some("https"), None) => return Err(invalid("https without a TLS configuration")),
        _ => return Err(invalid("the scheme is neither http nor https")),
    };
    let stream = TcpStream::connect((host, uri.port_u16().unwrap_or(default_port))).await?;
    stream.set_nodelay(true)?;
    let Some(tls) = tls else {
        return Ok(ClientStream::Plain(TokioIo::new(stream)));
    };
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| invalid("the host is neither a DNS name nor an address"))?;
    let stream = tls.connector().connect(name, stream).await?;
    Ok(ClientStream::Tls(Box::new(TokioIo::new(stream))))
}

impl Connection for ClientStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl Write for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }
}
