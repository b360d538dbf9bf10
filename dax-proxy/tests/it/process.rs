//! The program itself: flags, the data directory, SIGTERM.

use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::fake_store::FakeStore;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dax-proxy"));
    command
        .env_clear()
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Waits for the line that says where clients connect.
async fn address(child: &mut Child) -> String {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let reading = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("the program ended");
            let Some((_, rest)) = line.split_once("clients") else {
                continue;
            };
            let Some(start) = rest.find("127.0.0.1:") else {
                continue;
            };
            let address = rest[start..].chars();
            break address
                .take_while(|c| c.is_ascii_digit() || ".:".contains(*c))
                .collect();
        }
    };
    let address = tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .unwrap();
    // Nobody reads on: what is still logged must not block the program.
    drop(lines);
    address
}

#[tokio::test]
async fn dev_serves_any_caller_and_ends_with_0_on_sigterm() {
    let store = FakeStore::start().await;
    let mut child = program()
        .args([
            "dev",
            "--listen",
            "127.0.0.1:0",
            "--ops-listen",
            "127.0.0.1:0",
        ])
        .args(["--upstream", &store.url])
        .spawn()
        .unwrap();
    let address = address(&mut child).await;
    let body = json!({"TableName": "orders", "Key": {"pk": {"S": "a"}}}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: DynamoDB_20120810.GetItem\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(&address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("{}"),
        "{answer}"
    );

    let pid = child.id().unwrap().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .await
            .unwrap()
            .success()
    );
    let ended = tokio::time::timeout(Duration::from_secs(20), child.wait())
        .await
        .unwrap();
    assert_eq!(ended.unwrap().code(), Some(0));
}

#[tokio::test]
async fn serve_does_not_start_without_a_key_or_a_credentials_file() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let arguments = [
        "serve",
        "--upstream",
        "http://127.0.0.1:1",
        "--credentials-file",
        "/none",
    ];
    let run = async |with_key: bool| {
        let mut command = program();
        command.args(arguments).arg("--data-dir").arg(&data);
        if with_key {
            command
                .env("AWS_ACCESS_KEY_ID", "a")
                .env("AWS_SECRET_ACCESS_KEY", "the-secret");
        }
        let output = command.output().await.unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (success, text) = run(false).await;
    assert!(!success && text.contains("AWS_ACCESS_KEY_ID"), "{text}");
    let (success, text) = run(true).await;
    assert!(!success && text.contains("/none"), "{text}");
    assert!(!text.contains("the-secret"), "{text}");
}
