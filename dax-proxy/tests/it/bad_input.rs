//! Whatever comes in, the process answers and goes on.

use serde_json::json;
use stator_kit::sigv4::{AccessKey, Signer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::client::{Proxy, key};

#[tokio::test]
async fn bodies_that_are_no_requests_are_answered_and_never_passed_on() {
    let proxy = Proxy::start().await;
    let signer = Signer::new(AccessKey::new("APP", "app-secret"), "us-east-1", "dynamodb");
    let before = proxy.store.count("PutItem");
    for (body, error) in [
        (String::new(), "SerializationException"),
        ("{".to_owned(), "SerializationException"),
        ("[]".to_owned(), "SerializationException"),
        (
            r#"{"TableName":"orders","TableName":"other","Item":{}}"#.to_owned(),
            "SerializationException",
        ),
        (
            r#"{"TableName":1,"Item":{}}"#.to_owned(),
            "SerializationException",
        ),
        (
            r#"{"Item":{"pk":{"S":"a"}}}"#.to_owned(),
            "ValidationException",
        ),
        (
            r#"{"TableName":"orders"}"#.to_owned(),
            "ValidationException",
        ),
        (
            r#"{"TableName":"orders","Item":{"v":{"S":"a"}}}"#.to_owned(),
            "ValidationException",
        ),
        (
            r#"{"TableName":"orders","Item":{"pk":{"N":"1"}}}"#.to_owned(),
            "ValidationException",
        ),
        (
            r#"{"TableName":"orders","Item":{"pk":{"S":""}}}"#.to_owned(),
            "ValidationException",
        ),
    ] {
        let reply = proxy
            .send("DynamoDB_20120810.PutItem", body.clone(), Some(&signer))
            .await;
        assert_eq!(
            (reply.status.as_u16(), reply.error()),
            (400, error),
            "{body}"
        );
    }
    let deep = format!(
        r#"{{"TableName":"orders","Item":{{"pk":{{"S":"a"}},"v":{}1{}}}}}"#,
        r#"{"L":["#.repeat(100_000),
        "]}".repeat(100_000)
    );
    let reply = proxy
        .send("DynamoDB_20120810.PutItem", deep, Some(&signer))
        .await;
    assert_eq!(reply.status.as_u16(), 400);
    assert_eq!(proxy.store.count("PutItem"), before);
    assert_eq!(proxy.get("a").await.status.as_u16(), 200, "it goes on");
}

#[tokio::test]
async fn a_wrong_read_is_the_stores_to_answer() {
    let proxy = Proxy::start().await;
    proxy.put("a", "1").await;
    let unused = json!({
        "TableName": "orders", "Key": key("a"), "ExpressionAttributeNames": {"#x": "x"},
    });
    let reply = proxy.call("GetItem", unused).await;
    assert_eq!(reply.cache(), "bypass");
    assert_eq!(proxy.store.count("GetItem"), 1);
}

#[tokio::test]
async fn unknown_operations_and_paths_and_types_are_told_so() {
    let proxy = Proxy::start().await;
    for target in [
        "DynamoDB_20120810.GetThing",
        "DynamoDB_20111205.GetItem",
        "nonsense",
    ] {
        let reply = proxy.send(target, "{}".to_owned(), None).await;
        assert_eq!(
            (reply.status.as_u16(), reply.error()),
            (400, "UnknownOperationException")
        );
    }
    for (request, status) in [
        (
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 200 ",
        ),
        (
            "GET /other HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "HTTP/1.1 404 ",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: text/xml\r\nContent-Length: 0\r\n\
             Connection: close\r\n\r\n",
            "HTTP/1.1 404 ",
        ),
    ] {
        let answer = raw(&proxy, request.as_bytes()).await;
        assert!(answer.starts_with(status), "{answer}");
    }
}

#[tokio::test]
async fn an_oversize_body_is_answered_413() {
    let proxy = Proxy::start().await;
    let head = "POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\n\
                Content-Length: 17000000\r\n\r\n";
    let mut stream = TcpStream::connect(proxy.running.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; 17_000_000]).await.unwrap();
    let mut answer = [0; 13];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413 ");
}

/// The preamble of a Python client.
const PREAMBLE: &[u8] =
    b"\x67J7yne5G\x00\x50aaaaaaaaaaaaaaaa\xa1\x69UserAgent\x75DaxPythonClient-2.1.0\x00";

#[tokio::test]
async fn noise_in_the_native_protocol_is_told_once_and_ends_its_connection() {
    let proxy = Proxy::start().await;
    // Neither protocol, another magic, an unknown service, bytes that are no CBOR.
    assert_eq!(native(&proxy, b"\x00\x01").await, b"");
    assert_eq!(native(&proxy, b"\x67J7yne5H\x00\x60\xa0\x00").await, b"");
    for noise in [b"\x02\x01".as_slice(), b"\x01\x1c", b"\x01\xff"] {
        let answer = native(&proxy, &[PREAMBLE, noise].concat()).await;
        assert!(answer.starts_with(&[0x85, 4, 0x18, 37]), "{answer:?}");
    }
    assert_eq!(proxy.get("a").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_native_client_that_has_not_authorised_is_told_at_each_request() {
    let proxy = Proxy::start().await;
    proxy.get("a").await;
    let mut stream = TcpStream::connect(proxy.running.address).await.unwrap();
    // endpoints, and a GetItem of what the cache holds, in one piece with the preamble.
    let endpoints = b"\x01\x1a\x1b\x2b\xcf\x02";
    let get = b"\x01\x1a\x0f\xb0\xcc\x6a\x43tbl\x41a\xf6";
    let requests = [PREAMBLE, endpoints, get].concat();
    stream.write_all(&requests).await.unwrap();
    // 4, 23, 31, 33: the client is to authorise and to try again.
    let refusal = b"\x84\x04\x17\x18\x1f\x18\x21\x78\x27Request is missing Authentication Token";
    for _ in 0..2 {
        let mut answer = vec![0; refusal.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, refusal);
        let mut details = vec![0; 1 + 1 + 2 + "MissingAuthenticationTokenException".len() + 3];
        stream.read_exact(&mut details).await.unwrap();
        assert!(details.ends_with(b"MissingAuthenticationTokenException\x19\x01\x90"));
    }
    let (_, metrics) = proxy.ops("/metrics").await;
    assert!(
        metrics.contains("stator_dax_native_connections_total 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_native_client_that_has_not_authorised_may_not_send_much() {
    let proxy = Proxy::start().await;
    // A BatchWriteItem whose first table has sixteen megabytes to come.
    let batch = b"\x01\x1a\x06\xed\x58\x5f\xa1\x63tbl\x81\x5a\x00\xf0\x00\x00";
    let mut stream = TcpStream::connect(proxy.running.address).await.unwrap();
    stream.write_all(&[PREAMBLE, batch].concat()).await.unwrap();
    let mut sent = 0;
    // The node stops reading long before the end.
    while sent < 15 * 1024 * 1024 {
        match stream.write(&[b'x'; 16 * 1024]).await {
            Ok(written) => sent += written,
            Err(_) => break,
        }
    }
    assert!(sent < 8 * 1024 * 1024, "{sent} bytes were taken");
    assert_eq!(proxy.get("a").await.status.as_u16(), 200);
}

/// All that comes back until the connection is closed.
async fn native(proxy: &Proxy, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(proxy.running.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // Closed with unread bytes, the kernel may answer with a reset.
    drop(stream.read_to_end(&mut answer).await);
    answer
}

async fn raw(proxy: &Proxy, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(proxy.running.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // Closed with unread bytes, the kernel may answer with a reset.
    drop(stream.read_to_end(&mut answer).await);
    String::from_utf8(answer).unwrap()
}
