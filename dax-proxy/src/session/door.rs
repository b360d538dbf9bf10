//! The first byte of a connection tells the protocol.
//!
//! The native DAX protocol begins with the text `J7yne5G` in CBOR, whose first byte is 0x67; HTTP begins
//! with a method, which is upper-case ASCII. The byte is looked at and left where it is. The native
//! protocol is not built yet: such a connection is closed, which its clients report as a failure to
//! connect to this node, and a line in the log says why.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tracing::{debug, warn};

use crate::metrics::Metrics;

/// First byte of the native protocol: a CBOR text of seven bytes.
const NATIVE_FIRST_BYTE: u8 = 0x67;

/// A client that connects and says nothing holds a connection this long before it is let go; the idle
/// timeout of HTTP connections is as long.
const FIRST_BYTE_WAIT: Duration = Duration::from_secs(60);

/// Whether a fresh connection speaks HTTP, and so may be handed on. Waits for its first byte.
pub(crate) async fn is_http(stream: &TcpStream, metrics: &Metrics) -> bool {
    let mut first = [0_u8; 1];
    match tokio::time::timeout(FIRST_BYTE_WAIT, stream.peek(&mut first)).await {
        Ok(Ok(1)) => {}
        // It left or said nothing: probes do.
        Ok(Ok(_) | Err(_)) | Err(_) => return false,
    }
    match first {
        [NATIVE_FIRST_BYTE] => {
            metrics.refused_native.inc();
            warn!(
                peer = peer(stream),
                "native DAX protocol is not built yet, use DynamoDB JSON over HTTP"
            );
            false
        }
        [byte] if byte.is_ascii_uppercase() => true,
        [byte] => {
            debug!(
                peer = peer(stream),
                first_byte = byte,
                "neither HTTP nor the native DAX protocol"
            );
            false
        }
    }
}

fn peer(stream: &TcpStream) -> String {
    stream.peer_addr().map_or_else(
        |_| "unknown".to_owned(),
        |peer: SocketAddr| peer.to_string(),
    )
}
