//! The first byte of a connection tells the protocol.
//!
//! The native DAX protocol begins with the text `J7yne5G` in CBOR, whose first byte is 0x67; HTTP begins
//! with a method, which is upper-case ASCII. The byte is looked at and left where it is.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tracing::debug;

/// First byte of the native protocol: a CBOR text of seven bytes.
const NATIVE_FIRST_BYTE: u8 = 0x67;

/// A client that connects and says nothing holds a connection this long before it is let go; the idle
/// timeout of HTTP connections is as long.
const FIRST_BYTE_WAIT: Duration = Duration::from_secs(60);

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
    match first {
        [NATIVE_FIRST_BYTE] => Some(Protocol::Native),
        [byte] if byte.is_ascii_uppercase() => Some(Protocol::Http),
        [byte] => {
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
