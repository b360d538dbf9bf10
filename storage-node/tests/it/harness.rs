//! Starting nodes as processes, and speaking DynamoDB JSON to them.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use stator_kit::clock::{SystemWallClock, WallClock as _};
use stator_kit::http::{ClientOptions, HttpClient};
use stator_kit::sigv4::{AccessKey, Signer};
use stator_kit::task::TaskOwner;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Longest wait for anything that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// A port that was free a moment ago, and is given to nobody else of this process. Below the ports that the system
/// hands to outgoing connections, so that none of those takes it meanwhile.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Another process of tests begins elsewhere.
    let start = std::process::id().wrapping_mul(101);
    loop {
        let next = NEXT.fetch_add(1, Ordering::Relaxed).wrapping_add(start);
        let port = 10_000 + u16::try_from(next % 20_000).unwrap();
        if TcpListener::bind(loopback(port)).is_ok() {
            return port;
        }
    }
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// A node in a process of its own, killed when dropped.
pub(crate) struct Process {
    child: Option<Child>,
    args: Vec<String>,
    pub(crate) api: u16,
    pub(crate) ops: u16,
    pub(crate) admin: u16,
    pub(crate) rpc: u16,
}

impl Process {
    /// `storage-node dev` on `data_dir`.
    pub(crate) fn dev(data_dir: &Path) -> Self {
        let (api, ops) = (free_port(), free_port());
        let args = vec![
            "dev".to_owned(),
            format!("--data-dir={}", data_dir.display()),
            format!("--listen={}", loopback(api)),
            format!("--ops-listen={}", loopback(ops)),
        ];
        let mut process = Self {
            child: None,
            args,
            api,
            ops,
            admin: 0,
            rpc: 0,
        };
        process.start();
        process
    }

    /// Starts the process (again).
    pub(crate) fn start(&mut self) {
        let child = Command::new(env!("CARGO_BIN_EXE_storage-node"))
            .args(&self.args)
            .env_clear()
            .stdout(Stdio::null())
            .stderr(if std::env::var_os("STATOR_TEST_LOGS").is_some() {
                Stdio::inherit()
            } else {
                Stdio::null()
            })
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// SIGKILL, as a crash.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM; whether the process ended well.
    pub(crate) fn terminate(&mut self) -> bool {
        let Some(mut child) = self.child.take() else {
            return false;
        };
        let id = child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        child.wait().unwrap().success()
    }

    /// The exit code of a process that ends by itself.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.child.take().unwrap().wait().unwrap().code()
    }

    /// What `/readyz` says: `Ok` when ready, else the reason.
    pub(crate) async fn ready(&self, client: &Client) -> Result<(), String> {
        match client.get(self.ops, "/readyz").await {
            Some((StatusCode::OK, _)) => Ok(()),
            Some((_, reason)) => Err(reason),
            None => Err("no answer".to_owned()),
        }
    }

    pub(crate) async fn wait_ready(&self, client: &Client) {
        eventually("ready", || async { self.ready(client).await.is_ok() }).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until `condition` holds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, condition: impl Fn() -> F) {
    let deadline = Instant::now() + SOON;
    while !condition().await {
        assert!(Instant::now() < deadline, "not {what} within {SOON:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Speaks DynamoDB JSON to nodes.
pub(crate) struct Client {
    http: HttpClient,
    signer: Option<Signer>,
    admin_signer: Option<Signer>,
    _tasks: TaskOwner,
}

pub(crate) const KEY_ID: &str = "root";
pub(crate) const SECRET: &str = "not-so-secret";

impl Client {
    pub(crate) fn unsigned() -> Self {
        let tasks = TaskOwner::new("test client");
        let http = HttpClient::new(ClientOptions::default(), &tasks);
        Self {
            http,
            signer: None,
            admin_signer: None,
            _tasks: tasks,
        }
    }

    pub(crate) fn signed() -> Self {
        let key = AccessKey::new(KEY_ID, SECRET);
        Self {
            signer: Some(Signer::new(key.clone(), "us-east-1", "dynamodb")),
            admin_signer: Some(Signer::new(key, "us-east-1", "stator-admin")),
            ..Self::unsigned()
        }
    }

    async fn send(
        &self,
        signer: Option<&Signer>,
        request: http::request::Builder,
        body: Bytes,
        timeout: Duration,
    ) -> Option<(StatusCode, Bytes)> {
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        if let Some(signer) = signer {
            signer
                .sign(&mut parts, &body, SystemWallClock.now())
                .unwrap();
        }
        let request = Request::from_parts(parts, body);
        let response = self
            .http
            .send(request, Instant::now() + timeout)
            .await
            .ok()?;
        Some((response.status(), response.into_body()))
    }

    pub(crate) async fn get(&self, port: u16, path: &str) -> Option<(StatusCode, String)> {
        let request = Request::get(format!("http://127.0.0.1:{port}{path}"));
        let (status, body) = self
            .send(None, request, Bytes::new(), Duration::from_secs(2))
            .await?;
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    }

    pub(crate) async fn admin(&self, port: u16, method: &str, path: &str) -> Option<Value> {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:{port}{path}"));
        let signer = self.admin_signer.as_ref();
        let (status, body) = self
            .send(signer, request, Bytes::new(), Duration::from_secs(10))
            .await?;
        assert_eq!(status, StatusCode::OK, "{body:?}");
        serde_json::from_slice(&body).ok()
    }

    /// One operation; `None` when no answer came.
    pub(crate) async fn try_call(
        &self,
        port: u16,
        operation: &str,
        body: &Value,
    ) -> Option<(StatusCode, Value)> {
        let target = format!("DynamoDB_20120810.{operation}");
        self.target(port, target, body).await
    }

    /// One operation of DynamoDB Streams that must succeed.
    pub(crate) async fn streams(&self, port: u16, operation: &str, body: Value) -> Value {
        let target = format!("DynamoDBStreams_20120810.{operation}");
        let (status, answer) = self.target(port, target, &body).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{operation} {body}: {answer}");
        answer
    }

    async fn target(&self, port: u16, target: String, body: &Value) -> Option<(StatusCode, Value)> {
        let body = Bytes::from(serde_json::to_vec(body).unwrap());
        let (status, body) = self.post(port, target, body).await?;
        Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// A body, whatever it is, under a target.
    pub(crate) async fn post(
        &self,
        port: u16,
        target: String,
        body: Bytes,
    ) -> Option<(StatusCode, Bytes)> {
        let request = Request::post(format!("http://127.0.0.1:{port}/"))
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", target);
        let timeout = Duration::from_secs(8);
        self.send(self.signer.as_ref(), request, body, timeout)
            .await
    }

    /// One operation that must succeed.
    pub(crate) async fn call(&self, port: u16, operation: &str, body: Value) -> Value {
        let (status, answer) = self.try_call(port, operation, &body).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{operation} {body}: {answer}");
        answer
    }

    /// One operation that must fail: the name of the error.
    pub(crate) async fn refused(&self, port: u16, operation: &str, body: Value) -> String {
        let (status, answer) = self.try_call(port, operation, &body).await.unwrap();
        assert_ne!(status, StatusCode::OK, "{operation} {body}: {answer}");
        answer["__type"]
            .as_str()
            .unwrap()
            .rsplit('#')
            .next()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn create_table(&self, port: u16, name: &str) -> Value {
        self.call(
            port,
            "CreateTable",
            json!({
                "TableName": name,
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            }),
        )
        .await
    }
}

/// `serve` processes on loopback, without TLS unless told otherwise.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Process>,
    dir: TempDir,
}

impl Cluster {
    pub(crate) fn start() -> Self {
        Self::start_of(3)
    }

    pub(crate) fn start_of(count: usize) -> Self {
        Self::start_with(count, |_| "--insecure".to_owned())
    }

    /// Three nodes under mutual TLS, each with the directory of certificates that `directory` names.
    pub(crate) fn start_with_certificates(directory: impl Fn(usize) -> PathBuf) -> Self {
        Self::start_with(3, |at| format!("--tls-dir={}", directory(at).display()))
    }

    fn start_with(count: usize, security: impl Fn(usize) -> String) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let credentials = dir.path().join("credentials.json");
        let file = json!({"credentials": [
            {"accessKeyId": KEY_ID, "secretAccessKey": SECRET, "principal": "root"},
        ]});
        std::fs::write(&credentials, file.to_string()).unwrap();
        let rpc: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let peers: Vec<String> = rpc
            .iter()
            .enumerate()
            .map(|(at, port)| format!("node-{at}=127.0.0.1:{port}"))
            .collect();
        let nodes = rpc
            .iter()
            .enumerate()
            .map(|(at, rpc)| {
                let (api, ops, admin) = (free_port(), free_port(), free_port());
                let args = vec![
                    "serve".to_owned(),
                    format!(
                        "--data-dir={}",
                        dir.path().join(format!("node-{at}")).display()
                    ),
                    format!("--node-name=node-{at}"),
                    format!("--rack=rack-{at}"),
                    format!("--peers={}", peers.join(",")),
                    format!("--credentials-file={}", credentials.display()),
                    security(at),
                    format!("--api-listen={}", loopback(api)),
                    format!("--rpc-listen={}", loopback(*rpc)),
                    format!("--admin-listen={}", loopback(admin)),
                    format!("--ops-listen={}", loopback(ops)),
                ];
                let mut process = Process {
                    child: None,
                    args,
                    api,
                    ops,
                    admin,
                    rpc: *rpc,
                };
                process.start();
                process
            })
            .collect();
        Self { nodes, dir }
    }

    pub(crate) async fn wait_ready(&self, client: &Client) {
        for node in &self.nodes {
            node.wait_ready(client).await;
        }
    }

    pub(crate) fn data_dir(&self, at: usize) -> PathBuf {
        self.dir.path().join(format!("node-{at}"))
    }

    /// Which node leads `group`, asked of node `at`.
    pub(crate) async fn leader_of(&self, client: &Client, at: usize, group: u64) -> Option<usize> {
        let status = client
            .admin(self.nodes[at].admin, "GET", "/v1/cluster")
            .await?;
        let groups = status["groups"].as_array()?;
        let group = groups
            .iter()
            .find(|candidate| candidate["groupId"] == group)?;
        group["leader"]
            .as_str()?
            .strip_prefix("node-")?
            .parse()
            .ok()
    }

    /// Waits until no group lacks a replica, seen from node `at`.
    pub(crate) async fn wait_replicated(&self, client: &Client, at: usize) {
        eventually("fully replicated", || async {
            let status = client
                .admin(self.nodes[at].admin, "GET", "/v1/cluster")
                .await;
            status.is_some_and(|status| status["underReplicatedGroups"] == 0)
        })
        .await;
    }
}
