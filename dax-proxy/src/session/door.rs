//! The first byte of a connection tells the protocol.
//!
//! The native DAX protocol begins with the text `J7yne5G` in CBOR, whose first byte is 0x67; HTTP begins
//! with a method, which is upper-case ASCII. The byte is looked at and left where it is. Under TLS the same
//! holds of what is inside.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

/// First byte of the native protocol: a CBOR text of seven bytes.
const NATIVE_FIRST_BYTE: u8 = 0x67;

/// A client that connects and says nothing holds a connection this long before it is let go; the idle
/// timeout of HTTP connections is as long.
const FIRST_BYTE_WAIT: Duration = Duration::from_secs(60);

/// For a TLS handshake; a client on a slow link takes three round trips.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);

/// Bytes read at once from a TLS connection: a whole record.
const RECORD_BYTES: usize = 16 * 1024;

/// A connection under TLS whose first bytes may have been looked at.
pub(crate) type Sealed = BufReader<TlsStream<TcpStream>>;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    Native,
}

/// What a fresh connection speaks; `None` if nothing that is known here. Waits for its first byte.
pub(crate) async fn protocol(stream: &TcpStream) -> Option<Protocol> {
    let mut first = [0_u8; 1];
    match tokio::time::timeout(FIRST_BYTE_WAIT, stream.peek(&mut first)).await {
        Ok(Ok(1)) => {}
        // It left or said nothing: probes do.
        Ok(Ok(_) | Err(_)) | Err(_) => return None,
    }
    let [first] = first;
    known(first, stream)
}

/// Makes a fresh connection one under TLS, and tells what it speaks; `None` as above, or if there is no TLS.
pub(crate) async fn unseal(stream: TcpStream, acceptor: TlsAcceptor) -> Option<(Sealed, Protocol)> {
    let address = peer(&stream);
    let stream = match tokio::time::timeout(HANDSHAKE_WAIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            debug!(peer = address, %error, "TLS handshake failed");
            return None;
        }
        Err(_) => {
            debug!(peer = address, "TLS handshake timed out");
            return None;
        }
    };
    let mut stream = BufReader::with_capacity(RECORD_BYTES, stream);
    let read = tokio::time::timeout(FIRST_BYTE_WAIT, stream.fill_buf()).await;
    let first = *read.ok()?.ok()?.first()?;
    let protocol = known(first, stream.get_ref().get_ref().0)?;
    Some((stream, protocol))
}

fn known(first: u8, stream: &TcpStream) -> Option<Protocol> {
    match first {
        NATIVE_FIRST_BYTE => Some(Protocol::Native),
        byte if byte.is_ascii_uppercase() => Some(Protocol::Http),
        byte => {
            debug!(
                peer = peer(stream),
                first_byte = byte,
                "neither HTTP nor the native DAX protocol"
            );
            None
        }
    }
}

fn peer(stream: &TcpStream) -> String {
    stream.peer_addr().map_or_else(
        |_| "unknown".to_owned(),
        |peer: SocketAddr| peer.to_string(),
    )
}
