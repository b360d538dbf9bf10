use std::net::{Ipv4Addr, SocketAddr};

use http::StatusCode;
use hyper::body::Incoming;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::*;
use crate::clock::{SystemWallClock, WallClock as _};
use crate::http::{ServerMetrics, ServerOptions, serve};
use crate::tls::issue::CertificateAuthority;
use crate::tls::{ALPN_HTTP1, MutualTls, ReloadingServerConfig, TlsFiles};

const GRACE: Duration = Duration::from_secs(5);

fn soon() -> Instant {
    Instant::now() + GRACE
}

fn post(scheme: &str, address: SocketAddr, body: &'static [u8]) -> Request<Bytes> {
    let uri = format!("{scheme}://{address}/");
    Request::post(uri).body(Bytes::from_static(body)).unwrap()
}

async fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = read_body(request.into_body(), 1 << 20, soon())
        .await
        .unwrap_or_default();
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = StatusCode::IM_A_TEAPOT;
    response
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn answers_of_any_status_come_back_over_one_pooled_connection() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    let options = ServerOptions::new("test");
    let metrics: ServerMetrics = options.metrics.clone();
    serve(listener, options, echo, &tasks);
    let client = HttpClient::new(ClientOptions::default(), &tasks);
    for body in [&b"one"[..], b"two", b""] {
        let response = client
            .send(post("http", address, body), soon())
            .await
            .unwrap();
        assert_eq!(
            (response.status(), &response.body()[..]),
            (StatusCode::IM_A_TEAPOT, body)
        );
        assert_eq!(metrics.open_connections(), 1);
    }
    assert!(tasks.shutdown(GRACE).await.overdue.is_empty());
}

#[tokio::test]
async fn what_nobody_listens_to_was_not_sent() {
    let (listener, address) = listen().await;
    drop(listener);
    let tasks = TaskOwner::new("test");
    let client = HttpClient::new(ClientOptions::default(), &tasks);
    let error = client
        .send(post("http", address, b"x"), soon())
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::NotSent(_)), "{error:?}");
    let error = client
        .send(post("https", address, b"x"), soon())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ClientError::NotSent(_)),
        "https without TLS: {error:?}"
    );
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn what_was_received_and_not_answered_is_lost() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    let client = HttpClient::new(ClientOptions::default(), &tasks);
    // The server reads the request and hangs up.
    let hang_up = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0_u8; 4096];
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
    };
    let (answer, ()) = tokio::join!(client.send(post("http", address, b"x"), soon()), hang_up);
    assert!(matches!(answer, Err(ClientError::Lost(_))), "{answer:?}");
    // The server reads the request and says nothing until the deadline.
    let deadline = Instant::now() + Duration::from_millis(50);
    let silence = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = Vec::new();
        // Ends when the client gives up and closes.
        drop(stream.read_to_end(&mut buffer).await);
        assert!(buffer.starts_with(b"POST / HTTP/1.1\r\n"));
    };
    let (answer, ()) = tokio::join!(client.send(post("http", address, b"x"), deadline), silence);
    assert!(matches!(answer, Err(ClientError::Lost(_))), "{answer:?}");
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_deadline_that_passes_before_sending_is_not_sent() {
    // The server accepts and never answers the TLS handshake, so nothing of the request leaves.
    let (listener, address) = listen().await;
    let (_directory, files) = certificates();
    let tls = Some(ReloadingClientConfig::load(files, MutualTls::Off, &[ALPN_HTTP1]).unwrap());
    let tasks = TaskOwner::new("test");
    let client = HttpClient::new(
        ClientOptions {
            tls,
            ..ClientOptions::default()
        },
        &tasks,
    );
    for wait in [Duration::ZERO, Duration::from_millis(20)] {
        let answer = client
            .send(post("https", address, b"x"), Instant::now() + wait)
            .await;
        assert!(matches!(answer, Err(ClientError::NotSent(_))), "{answer:?}");
    }
    drop(listener);
    tasks.shutdown(GRACE).await;
}

fn certificates() -> (tempfile::TempDir, TlsFiles) {
    let directory = tempfile::tempdir().unwrap();
    let now = SystemWallClock.now();
    let authority = CertificateAuthority::new("test", now).unwrap();
    let addresses = [Ipv4Addr::LOCALHOST.into()];
    let (certificate, key) = authority
        .issue_server_client("node", &[], &addresses, now)
        .unwrap();
    std::fs::write(directory.path().join("ca.crt"), authority.certificate_pem()).unwrap();
    std::fs::write(directory.path().join("tls.crt"), certificate).unwrap();
    std::fs::write(directory.path().join("tls.key"), key.expose()).unwrap();
    let files = TlsFiles::in_directory(directory.path());
    (directory, files)
}

#[tokio::test]
async fn an_answer_over_the_limit_is_lost() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    serve(listener, ServerOptions::new("test"), echo, &tasks);
    let options = ClientOptions {
        response_bytes_max: 3,
        ..ClientOptions::default()
    };
    let client = HttpClient::new(options, &tasks);
    assert!(
        client
            .send(post("http", address, b"123"), soon())
            .await
            .is_ok()
    );
    let answer = client.send(post("http", address, b"1234"), soon()).await;
    assert!(matches!(answer, Err(ClientError::Lost(_))), "{answer:?}");
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn https_works_end_to_end_and_plain_http_on_its_port_does_not() {
    let (_directory, files) = certificates();
    let mutual = MutualTls::Required;
    let server = ReloadingServerConfig::load(files.clone(), mutual, &[ALPN_HTTP1]).unwrap();
    let tls = Some(ReloadingClientConfig::load(files, mutual, &[ALPN_HTTP1]).unwrap());

    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    let options = ServerOptions {
        tls: Some(server),
        ..ServerOptions::new("test")
    };
    serve(listener, options, echo, &tasks);
    let client = HttpClient::new(
        ClientOptions {
            tls,
            ..ClientOptions::default()
        },
        &tasks,
    );
    let response = client
        .send(post("https", address, b"secret"), soon())
        .await
        .unwrap();
    assert_eq!(&response.body()[..], b"secret");
    assert!(
        client
            .send(post("http", address, b"secret"), soon())
            .await
            .is_err()
    );
    assert!(tasks.shutdown(GRACE).await.overdue.is_empty());
}

#[tokio::test]
async fn requests_over_the_bound_wait_for_a_place() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    serve(listener, ServerOptions::new("test"), echo, &tasks);
    let options = ClientOptions {
        requests_max: 1,
        ..ClientOptions::default()
    };
    let client = HttpClient::new(options, &tasks);
    let taken = client.places.acquire().await.unwrap();
    let deadline = Instant::now() + Duration::from_millis(20);
    let answer = client.send(post("http", address, b"x"), deadline).await;
    assert!(matches!(answer, Err(ClientError::NotSent(_))), "{answer:?}");
    drop(taken);
    let sends = (0..8).map(|_| client.send(post("http", address, b"x"), soon()));
    for answer in futures::future::join_all(sends).await {
        assert_eq!(answer.unwrap().body(), "x");
    }
    assert!(tasks.shutdown(GRACE).await.overdue.is_empty());
}
