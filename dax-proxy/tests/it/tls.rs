//! The TLS port: both protocols, with and without SNI (M02; protocol, section 2.1).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use stator_kit::http::{ClientOptions, HttpClient};
use stator_kit::task::TaskOwner;
use stator_kit::tls::{MutualTls, ReloadingClientConfig, TlsFiles};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::client::Proxy;

/// The preamble of a Python client, and a request for the endpoints.
const PREAMBLE: &[u8] =
    b"\x67J7yne5G\x00\x50aaaaaaaaaaaaaaaa\xa1\x69UserAgent\x75DaxPythonClient-2.1.0\x00";
const ENDPOINTS: &[u8] = b"\x01\x1a\x1b\x2b\xcf\x02";

fn config(proxy: &Proxy) -> ReloadingClientConfig {
    let files = TlsFiles::in_directory(proxy.tls_directory());
    ReloadingClientConfig::load(files, MutualTls::Off, &[]).unwrap()
}

fn address(proxy: &Proxy) -> SocketAddr {
    proxy.running.tls_address.unwrap()
}

async fn connect(proxy: &Proxy, sni: bool) -> TlsStream<TcpStream> {
    let mut config = (*config(proxy).current()).clone();
    config.enable_sni = sni;
    let stream = TcpStream::connect(address(proxy)).await.unwrap();
    let name = ServerName::try_from("dax.shop.svc").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn dynamodb_json_is_served_under_tls() {
    let proxy = Proxy::start().await;
    let tasks = TaskOwner::new("test client");
    let http = HttpClient::new(
        ClientOptions {
            tls: Some(config(&proxy)),
            ..ClientOptions::default()
        },
        &tasks,
    );
    let url = format!("https://localhost:{}/", address(&proxy).port());
    let deadline = Instant::now() + Duration::from_secs(20);
    let request = http::Request::get(url).body(bytes::Bytes::new()).unwrap();
    let answer = http.send(request, deadline).await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert!(answer.body().starts_with(b"healthy"), "{answer:?}");
}

#[tokio::test]
async fn the_native_protocol_is_served_under_tls_with_and_without_sni() {
    let proxy = Proxy::start().await;
    for sni in [true, false] {
        let mut stream = connect(&proxy, sni).await;
        // The preamble is flushed alone, byte by byte at its worst.
        stream.write_all(&PREAMBLE[..1]).await.unwrap();
        stream.flush().await.unwrap();
        stream.write_all(&PREAMBLE[1..]).await.unwrap();
        stream.write_all(ENDPOINTS).await.unwrap();
        stream.flush().await.unwrap();
        // The client has not authorised and is told so, which only a native session does.
        let refusal =
            b"\x84\x04\x17\x18\x1f\x18\x21\x78\x27Request is missing Authentication Token";
        let mut answer = vec![0; refusal.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, refusal);
    }
}

#[tokio::test]
async fn whoever_speaks_no_tls_on_the_port_is_let_go() {
    let proxy = Proxy::start().await;
    for bytes in [PREAMBLE, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00\x01"] {
        let mut stream = TcpStream::connect(address(&proxy)).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer).await);
        // At most an alert (record type 21).
        assert!(
            answer.first().is_none_or(|first| *first == 21),
            "{answer:?}"
        );
    }
    // Under TLS, the first byte is looked at as on the other port.
    let mut stream = connect(&proxy, true).await;
    stream.write_all(b"\x00\x01").await.unwrap();
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    assert_eq!(answer, b"");
    assert_eq!(proxy.get("a").await.status.as_u16(), 200);
}
