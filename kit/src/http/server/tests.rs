use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;

use super::*;
use crate::http::read_body;

const GRACE: Duration = Duration::from_secs(5);

async fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let deadline = Instant::now() + GRACE;
    let body = read_body(request.into_body(), 1 << 20, deadline)
        .await
        .unwrap_or_default();
    Response::new(Full::new(body))
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn post(body: &str) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Reads until the response's body has arrived whole.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0_u8; 4096];
    while !text.ends_with(end) {
        let length = stream.read(&mut buffer).await.unwrap();
        assert_ne!(length, 0, "closed early after {text:?}");
        text.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    text
}

async fn until(condition: impl Fn() -> bool) {
    tokio::time::timeout(GRACE, async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the condition holds in time");
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    serve(listener, ServerOptions::new("test"), echo, &tasks);
    let mut client = TcpStream::connect(address).await.unwrap();
    for body in ["one", "two", "three"] {
        client.write_all(post(body).as_bytes()).await.unwrap();
        let response = read_until(&mut client, body).await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
        assert!(response.contains("date: "), "{response}");
    }
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_head_over_the_limit_is_answered_431() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    let options = ServerOptions {
        header_bytes_max: 1024,
        ..ServerOptions::new("test")
    };
    serve(listener, options, echo, &tasks);
    let mut client = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "GET / HTTP/1.1\r\nHost: test\r\nX-Long: {}\r\n\r\n",
        "x".repeat(2048)
    );
    client.write_all(head.as_bytes()).await.unwrap();
    let mut response = String::new();
    client.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 431 "), "{response}");
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn beyond_the_connection_limit_clients_are_closed_where_they_have_others_to_go_to() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    let options = ServerOptions {
        connections_max: 1,
        over_limit: OverLimit::IsClosed,
        ..ServerOptions::new("test")
    };
    let metrics = options.metrics.clone();
    serve(listener, options, echo, &tasks);
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(post("first").as_bytes()).await.unwrap();
    read_until(&mut first, "first").await;
    let mut second = TcpStream::connect(address).await.unwrap();
    let mut nothing = Vec::new();
    assert_eq!(second.read_to_end(&mut nothing).await.unwrap(), 0);
    assert_eq!(metrics.limit_stalls.get(), 1);
    drop(first);
    // As soon as the place is free.
    loop {
        let mut third = TcpStream::connect(address).await.unwrap();
        let sent = third.write_all(post("third").as_bytes()).await;
        let read = third.read(&mut [0; 1]).await;
        if sent.is_ok() && read.is_ok_and(|bytes| bytes == 1) {
            break;
        }
    }
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn at_the_connection_limit_clients_wait_for_a_place() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    let options = ServerOptions {
        connections_max: 1,
        ..ServerOptions::new("test")
    };
    let metrics = options.metrics.clone();
    serve(listener, options, echo, &tasks);
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(post("first").as_bytes()).await.unwrap();
    read_until(&mut first, "first").await;
    until(|| metrics.limit_stalls.get() > 0).await;
    let mut second = TcpStream::connect(address).await.unwrap();
    second.write_all(post("second").as_bytes()).await.unwrap();
    assert_eq!(metrics.connections.get(), 1);
    drop(first);
    read_until(&mut second, "second").await;
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_drain_finishes_the_request_at_hand_and_closes_idle_connections() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    let (entered, release) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (count, gate) = (Arc::clone(&entered), Arc::clone(&release));
    let handler = move |request: Request<Incoming>| {
        let (count, gate) = (Arc::clone(&count), Arc::clone(&gate));
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            gate.notified().await;
            echo(request).await
        }
    };
    serve(listener, ServerOptions::new("test"), handler, &tasks);
    let mut idle = TcpStream::connect(address).await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(post("payload").as_bytes()).await.unwrap();
    until(|| entered.load(Ordering::SeqCst) == 1).await;
    let token = tasks.token();
    let client = async {
        token.cancelled().await;
        assert_eq!(
            idle.read(&mut [0_u8; 16]).await.unwrap(),
            0,
            "the idle one is closed"
        );
        release.notify_one();
        let response = read_until(&mut busy, "payload").await;
        assert!(response.contains("connection: close"), "{response}");
        assert_eq!(busy.read(&mut [0_u8; 16]).await.unwrap(), 0);
    };
    let (report, ()) = tokio::join!(tasks.shutdown(GRACE), client);
    assert!(report.overdue.is_empty());
}

/// Drives a connection in memory, so that time can be paused.
fn in_memory<H, F>(handler: H, tasks: &TaskOwner) -> (HttpServer<H>, tokio::io::DuplexStream)
where
    H: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let options = ServerOptions {
        idle_timeout: Duration::from_secs(3),
        ..ServerOptions::new("t")
    };
    let server = HttpServer::new(options, handler);
    let (client, io) = tokio::io::duplex(4096);
    let connection = server.clone();
    tasks.spawn("connection", async move {
        connection.serve_connection(io).await
    });
    (server, client)
}

#[tokio::test]
async fn a_connection_is_closed_only_after_it_was_idle_for_the_timeout() {
    let tasks = TaskOwner::new("test");
    let (server, mut client) = in_memory(echo, &tasks);
    let mut buffer = vec![0_u8; 4096];
    for _ in 0..4 {
        client.write_all(post("x").as_bytes()).await.unwrap();
        assert_ne!(client.read(&mut buffer).await.unwrap(), 0);
        for _ in 0..3 {
            server.shared.connections.sweep(3);
        }
    }
    server.shared.connections.sweep(3);
    assert_eq!(
        client.read(&mut buffer).await.unwrap(),
        0,
        "idle for more than 3 ticks"
    );
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_client_that_dawdles_over_its_head_is_dropped() {
    let tasks = TaskOwner::new("test");
    let (server, mut client) = in_memory(echo, &tasks);
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: te")
        .await
        .unwrap();
    until(|| server.shared.connections.len() == 1).await;
    for _ in 0..=(3 + crate::http::connection::CLOSE_TICKS) {
        server.shared.connections.sweep(3);
    }
    assert_eq!(client.read(&mut [0_u8; 64]).await.unwrap(), 0);
    until(|| server.shared.connections.len() == 0).await;
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_running_handler_is_not_swept_away() {
    let tasks = TaskOwner::new("test");
    let gate = Arc::new(Notify::new());
    let entered = Arc::new(AtomicUsize::new(0));
    let (release, count) = (Arc::clone(&gate), Arc::clone(&entered));
    let handler = move |_request| {
        let (release, count) = (Arc::clone(&release), Arc::clone(&count));
        async move {
            count.fetch_add(1, Ordering::SeqCst);
            release.notified().await;
            Response::new(Full::new(Bytes::from_static(b"done")))
        }
    };
    let (server, mut client) = in_memory(handler, &tasks);
    client.write_all(post("x").as_bytes()).await.unwrap();
    until(|| entered.load(Ordering::SeqCst) == 1).await;
    for _ in 0..100 {
        server.shared.connections.sweep(3);
    }
    gate.notify_one();
    let mut buffer = vec![0_u8; 4096];
    let length = client.read(&mut buffer).await.unwrap();
    assert!(buffer[..length].ends_with(b"done"));
    drop(client);
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn hostile_bytes_end_the_connection_and_nothing_else() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    serve(listener, ServerOptions::new("test"), echo, &tasks);
    for bytes in [
        &b"\0\xff\xfe garbage\r\n\r\n"[..],
        b"POST / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n",
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(bytes).await.unwrap();
        client.shutdown().await.unwrap();
        drop(client.read_to_end(&mut Vec::new()).await);
    }
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(post("well").as_bytes()).await.unwrap();
    read_until(&mut client, "well").await;
    assert_eq!(tasks.shutdown(GRACE).await.overdue, Vec::<&str>::new());
}

#[tokio::test]
async fn a_client_that_writes_too_much_reads_its_answer_all_the_same() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    let refuse = |request: Request<Incoming>| async {
        let deadline = Instant::now() + GRACE;
        let refused = read_body(request.into_body(), 1 << 20, deadline)
            .await
            .is_err();
        Response::new(Full::new(Bytes::from(format!("refused {refused}"))))
    };
    serve(listener, ServerOptions::new("test"), refuse, &tasks);
    let mut client = TcpStream::connect(address).await.unwrap();
    // More than the sockets' buffers hold, so that a server that stopped reading would be noticed.
    let body = "x".repeat((1 << 20) + (1 << 19));
    client.write_all(post(&body).as_bytes()).await.unwrap();
    read_until(&mut client, "refused true").await;
    tasks.shutdown(GRACE).await;
}

#[tokio::test]
async fn a_door_takes_what_is_not_http_and_lets_the_rest_pass() {
    let (listener, address) = listen().await;
    let tasks = TaskOwner::new("test");
    let server = HttpServer::new(ServerOptions::new("test"), echo);
    let owner = tasks.clone();
    tasks.spawn("server", async move {
        let door = |mut stream: TcpStream| async {
            let mut first = [0_u8; 1];
            stream.peek(&mut first).await.ok()?;
            if first == *b"J" {
                stream.write_all(b"native").await.ok()?;
                return None;
            }
            Some(stream)
        };
        server.run_with_door(listener, &owner, door).await;
    });
    let mut native = TcpStream::connect(address).await.unwrap();
    native.write_all(b"J").await.unwrap();
    read_until(&mut native, "native").await;
    let mut http = TcpStream::connect(address).await.unwrap();
    http.write_all(post("json").as_bytes()).await.unwrap();
    read_until(&mut http, "json").await;
    tasks.shutdown(GRACE).await;
}
