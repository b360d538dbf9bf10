//! Peers: the door of the cluster protocol on 8112.
//!
//! One node is a whole cluster in this version. The port is bound, because Services, network policies
//! and StatefulSets name it from the start, and whoever connects is told so and let go.

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// What a peer is told: readable by a person with a terminal and by an HTTP client alike.
const REFUSAL: &[u8] = b"HTTP/1.1 501 Not Implemented\r\nContent-Type: text/plain\r\n\
    Content-Length: 66\r\nConnection: close\r\n\r\n\
    a cluster of several cache nodes is not supported by this version\n";

/// Refuses every connection until `token` is cancelled.
pub(crate) async fn refuse_peers(listener: TcpListener, token: CancellationToken) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = token.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                warn!(%peer, "a peer was refused: a cluster of several cache nodes is not built yet");
                refuse(stream).await;
            }
            // Out of file descriptors, most likely: trying again at once would spin.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(100)).await,
        }
    }
}

async fn refuse(mut stream: TcpStream) {
    // A peer that has left already needs no refusal.
    if stream.write_all(REFUSAL).await.is_ok() {
        drop(stream.shutdown().await);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_peer_is_refused_politely() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let token = CancellationToken::new();
        let refusing = refuse_peers(listener, token.clone());
        let asking = async {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            token.cancel();
            answer
        };
        let ((), answer) = tokio::join!(refusing, asking);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 501 "));
        assert!(head.contains(&format!("Content-Length: {}", body.len())));
    }
}
