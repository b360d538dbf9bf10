//! A proxy under test and a client that signs, or does not.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use stator_dax_proxy::run::{AccessOptions, CacheOptions, Options, Running, TlsOptions};
use stator_kit::clock::{SystemWallClock, WallClock as _};
use stator_kit::http::{ClientOptions, HttpClient};
use stator_kit::rng::OsRandom;
use stator_kit::sigv4::{AccessKey, Signer};
use stator_kit::task::TaskOwner;
use stator_kit::telemetry::LogFilterHandle;
use stator_kit::tls::issue::CertificateAuthority;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::fake_store::FakeStore;

/// A proxy in front of a fake store.
pub(crate) struct Proxy {
    pub(crate) running: Running,
    pub(crate) store: FakeStore,
    http: HttpClient,
    _tasks: TaskOwner,
    directory: TempDir,
}

/// An answer.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Reply {
    /// `x-stator-cache`.
    pub(crate) fn cache(&self) -> &'static str {
        match self.headers["x-stator-cache"].to_str().unwrap() {
            "hit" => "hit",
            "miss" => "miss",
            "bypass" => "bypass",
            other => panic!("{other}"),
        }
    }

    /// The error's name without its namespace.
    pub(crate) fn error(&self) -> &str {
        self.body["__type"]
            .as_str()
            .unwrap()
            .rsplit('#')
            .next()
            .unwrap()
    }
}

pub(crate) fn cache_options() -> CacheOptions {
    CacheOptions {
        size_bytes: 64 * 1024 * 1024,
        item_ttl: Some(Duration::from_secs(300)),
        query_ttl: Some(Duration::from_secs(300)),
        strong_fills: true,
        requests_max: 1_024,
    }
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        Self::start_with(cache_options()).await
    }

    /// `serve`: signatures are verified, the identity is kept.
    pub(crate) async fn start_with(cache: CacheOptions) -> Self {
        let store = FakeStore::start().await;
        let directory = tempfile::tempdir().unwrap();
        certificate(directory.path());
        let options = Options {
            upstream: store.url.parse().unwrap(),
            upstream_ca_file: PathBuf::new(),
            upstream_key: AccessKey::new("PROXY", "proxy-secret"),
            region: Some("us-east-1".to_owned()),
            account_id: "000000000000".to_owned(),
            access: AccessOptions::Signed {
                credentials_file: credentials(&directory),
            },
            listen: "127.0.0.1:0".parse().unwrap(),
            tls: Some(TlsOptions {
                listen: "127.0.0.1:0".parse().unwrap(),
                directory: directory.path().to_owned(),
            }),
            cluster: None,
            sidecar: false,
            ops_listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: Some(directory.path().join("data")),
            coherence: None,
            cache,
        };
        let running = Running::start(
            options,
            Arc::new(SystemWallClock),
            Arc::new(OsRandom),
            LogFilterHandle::detached("info"),
        )
        .await
        .unwrap();
        let tasks = TaskOwner::new("test client");
        let http = HttpClient::new(ClientOptions::default(), &tasks);
        Self {
            running,
            store,
            http,
            _tasks: tasks,
            directory,
        }
    }

    /// `ca.crt` of the certificate that the TLS port shows, beside `tls.crt` and `tls.key`.
    pub(crate) fn tls_directory(&self) -> &Path {
        self.directory.path()
    }

    /// A signed call.
    pub(crate) async fn call(&self, operation: &str, body: Value) -> Reply {
        let signer = Signer::new(AccessKey::new("APP", "app-secret"), "us-east-1", "dynamodb");
        self.send(
            &format!("DynamoDB_20120810.{operation}"),
            body.to_string(),
            Some(&signer),
        )
        .await
    }

    /// Any call.
    pub(crate) async fn send(&self, target: &str, body: String, signer: Option<&Signer>) -> Reply {
        let request = Request::post(format!("http://{}/", self.running.address))
            .header("x-amz-target", target)
            .header("content-type", "application/x-amz-json-1.0")
            .body(Bytes::from(body))
            .unwrap();
        let (mut parts, body) = request.into_parts();
        if let Some(signer) = signer {
            signer
                .sign(&mut parts, &body, SystemWallClock.now())
                .unwrap();
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        let reply = self
            .http
            .send(Request::from_parts(parts, body), deadline)
            .await
            .unwrap();
        let (parts, body) = reply.into_parts();
        let crc32: u32 = parts.headers["x-amz-crc32"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(
            crc32,
            crc32fast::hash(&body),
            "every answer carries its checksum"
        );
        let body = serde_json::from_slice(&body).unwrap();
        Reply {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// `GET` on the ops port.
    pub(crate) async fn ops(&self, path: &str) -> (StatusCode, String) {
        let request = Request::get(format!("http://{}{path}", self.running.ops_address))
            .body(Bytes::new())
            .unwrap();
        let reply = self
            .http
            .send(request, Instant::now() + Duration::from_secs(5))
            .await
            .unwrap();
        (
            reply.status(),
            String::from_utf8(reply.into_body().to_vec()).unwrap(),
        )
    }

    pub(crate) async fn get(&self, pk: &str) -> Reply {
        self.call("GetItem", json!({"TableName": "orders", "Key": key(pk)}))
            .await
    }

    pub(crate) async fn put(&self, pk: &str, v: &str) -> Reply {
        self.call(
            "PutItem",
            json!({"TableName": "orders", "Item": item(pk, v)}),
        )
        .await
    }

    pub(crate) async fn delete(&self, pk: &str) -> Reply {
        self.call("DeleteItem", json!({"TableName": "orders", "Key": key(pk)}))
            .await
    }
}

/// The value on the first line of a process's metrics that begins so.
pub(crate) async fn metric(http: &HttpClient, ops: SocketAddr, metric: &str) -> i64 {
    let request = Request::get(format!("http://{ops}/metrics"))
        .body(Bytes::new())
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(5);
    let reply = http.send(request, deadline).await.unwrap();
    let text = String::from_utf8(reply.into_body().to_vec()).unwrap();
    let line = text.lines().find(|line| line.starts_with(metric)).unwrap();
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

pub(crate) fn key(pk: &str) -> Value {
    json!({"pk": {"S": pk}})
}

pub(crate) fn item(pk: &str, v: &str) -> Value {
    json!({"pk": {"S": pk}, "v": {"S": v}})
}

fn credentials(directory: &TempDir) -> PathBuf {
    let file = directory.path().join("credentials.json");
    let json = json!({"credentials": [
        {"accessKeyId": "APP", "secretAccessKey": "app-secret", "principal": "app"},
        {"accessKeyId": "OTHER", "secretAccessKey": "other-secret", "principal": "other"},
    ]});
    std::fs::write(&file, json.to_string()).unwrap();
    file
}

/// Writes a certificate for the names of a DAX Service, with the authority that issued it.
pub(crate) fn certificate(directory: &Path) {
    let now = SystemWallClock.now();
    let authority = CertificateAuthority::new("test", now).unwrap();
    let names = ["dax.shop.svc".to_owned(), "localhost".to_owned()];
    let (certificate, key) = authority
        .issue_server_client("dax", &names, &[], now)
        .unwrap();
    std::fs::write(directory.join("ca.crt"), authority.certificate_pem()).unwrap();
    std::fs::write(directory.join("tls.crt"), certificate).unwrap();
    std::fs::write(directory.join("tls.key"), key.expose()).unwrap();
}
