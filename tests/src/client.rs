//! A DynamoDB client that tells surely-refused from unknown: what a recorded history needs and SDKs hide.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use stator_kit::clock::{SystemWallClock, WallClock as _};
use stator_kit::sigv4::{AccessKey, sign};

/// Longer than a server's own deadline, so that its answer is seen.
const DEADLINE: Duration = Duration::from_secs(12);
/// The default of `storage-node --region`.
const REGION: &str = "us-east-1";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An access key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Access key id.
    pub id: String,
    /// Secret access key.
    pub secret: String,
}

/// What became of a request.
#[derive(Debug)]
pub enum Answer {
    /// 200 with this body.
    Ok(Value),
    /// 4xx: surely without effect.
    Refused {
        /// A ConditionalCheckFailedException.
        conditional: bool,
        /// The code after the `#`.
        code: String,
        /// The message.
        message: String,
    },
    /// The connection could not be made, or the node said 503: nothing was executed.
    NotSent,
    /// 500, a broken connection or a deadline: the request may have taken effect.
    Unknown {
        /// What was seen.
        why: String,
    },
}

/// A client of one endpoint; cheap to clone, connections are pooled.
#[derive(Clone)]
pub struct Client {
    endpoint: Arc<str>,
    key: Option<Arc<Key>>,
    http: HyperClient<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// A client of `endpoint` (`http://host:port`) that signs with `key`, where one is given.
    #[must_use]
    pub fn new(endpoint: &str, key: Option<Key>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self {
            endpoint: endpoint.trim_end_matches('/').into(),
            key: key.map(Arc::new),
            http: HyperClient::builder(TokioExecutor::new()).build(connector),
        }
    }

    /// The endpoint's URL.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Sends one DynamoDB operation and classifies its outcome. Nothing is retried.
    pub async fn call(&self, operation: &str, body: &Value) -> Answer {
        let request = self.request(
            Method::POST,
            "/",
            "dynamodb",
            Some(operation),
            body.to_string(),
        );
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                return Answer::Refused {
                    conditional: false,
                    code: String::new(),
                    message: error.to_string(),
                };
            }
        };
        match tokio::time::timeout(DEADLINE, self.send(request)).await {
            Err(_) => Answer::Unknown {
                why: "no answer within the deadline".to_owned(),
            },
            Ok(Err(error)) if error.is_connect() => Answer::NotSent,
            Ok(Err(error)) => Answer::Unknown {
                why: error.to_string(),
            },
            Ok(Ok((status, body))) => classify(status, &body),
        }
    }

    /// As [`Client::call`], but repeats until the answer is 200.
    ///
    /// # Errors
    /// The last answer, after `limit`.
    pub async fn call_until_ok(
        &self,
        operation: &str,
        body: &Value,
        limit: Duration,
    ) -> Result<Value> {
        let start = tokio::time::Instant::now();
        loop {
            match self.call(operation, body).await {
                Answer::Ok(body) => return Ok(body),
                other if start.elapsed() > limit => anyhow::bail!("{operation}: {other:?}"),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Sends any bytes as the body of an operation; status and body of the answer.
    ///
    /// # Errors
    /// Where there is no answer within the deadline.
    pub async fn send_bytes(&self, operation: &str, body: Bytes) -> Result<(u16, Bytes)> {
        let parts = signed_parts(&self.endpoint, self.key.as_deref(), operation, &body)?;
        let request = Request::from_parts(parts, Full::from(body));
        let (status, body) = tokio::time::timeout(DEADLINE, self.send(request))
            .await
            .context("no answer within the deadline")??;
        Ok((status.as_u16(), body))
    }

    /// Sends a signed request to the admin API.
    ///
    /// # Errors
    /// Where there is no 200 with JSON.
    pub async fn admin(&self, method: Method, path: &str) -> Result<Value> {
        let request = self.request(method, path, "stator-admin", None, String::new())?;
        let (status, body) = tokio::time::timeout(DEADLINE, self.send(request))
            .await
            .context("no answer within the deadline")??;
        anyhow::ensure!(
            status == StatusCode::OK,
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        serde_json::from_slice(&body).context("the admin API did not answer JSON")
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        service: &str,
        operation: Option<&str>,
        body: String,
    ) -> Result<Request<Full<Bytes>>> {
        let url = format!("{}{path}", self.endpoint);
        let parts = parts(
            method,
            &url,
            self.key.as_deref(),
            service,
            operation,
            body.as_bytes(),
        )?;
        Ok(Request::from_parts(parts, Full::from(body)))
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), SendError> {
        let response = self
            .http
            .request(request)
            .await
            .map_err(SendError::Request)?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(SendError::Body)?.to_bytes();
        Ok((parts.status, body))
    }
}

/// Head of a DynamoDB request to `endpoint` (`http://host:port`), signed where a key is given.
///
/// # Errors
/// Where the endpoint is not a URL.
pub fn signed_parts(
    endpoint: &str,
    key: Option<&Key>,
    operation: &str,
    body: &[u8],
) -> Result<Parts> {
    parts(
        Method::POST,
        endpoint,
        key,
        "dynamodb",
        Some(operation),
        body,
    )
}

fn parts(
    method: Method,
    url: &str,
    key: Option<&Key>,
    service: &str,
    operation: Option<&str>,
    body: &[u8],
) -> Result<Parts> {
    let uri: http::Uri = url.parse().context("a bad URL")?;
    let host = uri.authority().context("a URL without a host")?.to_string();
    let mut builder = Request::builder()
        .method(method)
        .uri(uri)
        .header("host", host);
    if let Some(operation) = operation {
        builder = builder
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", format!("DynamoDB_20120810.{operation}"));
    }
    let (mut parts, ()) = builder.body(()).context("a bad request")?.into_parts();
    if let Some(key) = key {
        let key = AccessKey::new(key.id.clone(), key.secret.clone());
        sign(
            &mut parts,
            body,
            &key,
            REGION,
            service,
            SystemWallClock.now(),
        )
        .context("cannot sign")?;
    }
    Ok(parts)
}

/// Unsigned GET of a URL; status and text.
///
/// # Errors
/// Where there is no answer within two seconds.
pub async fn get(url: &str) -> Result<(u16, String)> {
    let client = Client::new("", None);
    let request = Request::get(url)
        .body(Full::default())
        .context("a bad URL")?;
    let (status, body) = tokio::time::timeout(CONNECT_TIMEOUT, client.send(request))
        .await
        .context("no answer within two seconds")??;
    Ok((status.as_u16(), String::from_utf8_lossy(&body).into_owned()))
}

#[derive(Debug, thiserror::Error)]
enum SendError {
    #[error("request: {0}")]
    Request(#[source] hyper_util::client::legacy::Error),
    #[error("body: {0}")]
    Body(#[source] hyper::Error),
}

impl SendError {
    fn is_connect(&self) -> bool {
        matches!(self, Self::Request(error) if error.is_connect())
    }
}

fn classify(status: StatusCode, body: &[u8]) -> Answer {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    if status == StatusCode::OK {
        return Answer::Ok(json);
    }
    let text = |name: &str| {
        json.get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let code = text("__type")
        .rsplit('#')
        .next()
        .unwrap_or_default()
        .to_owned();
    let message = text("message");
    if status == StatusCode::SERVICE_UNAVAILABLE {
        // The node has no cluster yet: it has executed nothing.
        return Answer::NotSent;
    }
    if status.is_client_error() {
        return Answer::Refused {
            conditional: code == "ConditionalCheckFailedException",
            code,
            message,
        };
    }
    Answer::Unknown {
        why: format!("{status} {code} {message}"),
    }
}
