//! HTTP requests signed with the operator's key.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use stator_kit::{
    clock::SharedClock,
    http::HttpClient,
    sigv4::{AccessKey, Signer},
};
use stator_model::admin::ADMIN_SERVICE_NAME;
use tokio::time::Instant;

use super::{
    AdminService, Clients, ServiceError, TableService, admin::AdminClient, dynamodb::DynamoDbClient,
};

/// Longer than an election and a catalog write; a reconcile that waits longer had better read again.
const DEADLINE: Duration = Duration::from_secs(10);

/// Makes real clients over one pool of connections.
pub struct SignedClients {
    http: HttpClient,
    clock: SharedClock,
}

impl SignedClients {
    /// Over that pool.
    pub fn new(http: HttpClient, clock: SharedClock) -> Self {
        Self { http, clock }
    }

    fn client(&self, endpoint: &str, region: &str, service: &str, key: AccessKey) -> SignedClient {
        SignedClient {
            http: self.http.clone(),
            clock: Arc::clone(&self.clock),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            signer: Signer::new(key, region, service),
        }
    }
}

impl Clients for SignedClients {
    fn tables(&self, endpoint: &str, region: &str, key: AccessKey) -> Arc<dyn TableService> {
        Arc::new(DynamoDbClient {
            client: self.client(endpoint, region, "dynamodb", key),
        })
    }

    fn admin(&self, endpoint: &str, region: &str, key: AccessKey) -> Arc<dyn AdminService> {
        Arc::new(AdminClient {
            client: self.client(endpoint, region, ADMIN_SERVICE_NAME, key),
        })
    }
}

/// One endpoint under one key.
pub(super) struct SignedClient {
    http: HttpClient,
    clock: SharedClock,
    endpoint: String,
    signer: Signer,
}

impl SignedClient {
    /// Sends and gives the body of a success.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Bytes, ServiceError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.endpoint));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let unreachable =
            |error: String| ServiceError::Unreachable(format!("{}: {error}", self.endpoint));
        let request = request
            .body(body)
            .map_err(|error| unreachable(error.to_string()))?;
        let (mut parts, body) = request.into_parts();
        self.signer
            .sign(&mut parts, &body, self.clock.now())
            .map_err(|error| unreachable(error.to_string()))?;
        let answer = self
            .http
            .send(Request::from_parts(parts, body), Instant::now() + DEADLINE)
            .await
            .map_err(|error| unreachable(with_causes(&error)))?;
        let (parts, body) = answer.into_parts();
        if parts.status.is_success() {
            Ok(body)
        } else {
            Err(refusal(&self.endpoint, parts.status, &body))
        }
    }
}

/// The message of an error and of all that caused it; hyper hides the interesting part in the causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// DynamoDB's error body.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    #[serde(rename = "__type")]
    code: String,
    #[serde(alias = "Message")]
    message: String,
}

/// A 4xx is a refusal, unless it asks to come again (throttling, or a table that is busy).
fn refusal(endpoint: &str, status: StatusCode, body: &[u8]) -> ServiceError {
    let error: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let code = error.code.rsplit('#').next().unwrap_or_default().to_owned();
    let again = [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ResourceInUseException",
        "LimitExceededException",
    ];
    if status.is_client_error() && !code.is_empty() && !again.contains(&code.as_str()) {
        return ServiceError::Refused {
            code,
            message: error.message,
        };
    }
    ServiceError::Unreachable(format!(
        "{endpoint} answered {}: {code} {}",
        status.as_u16(),
        error.message
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, refused: Option<&str>) {
        let error = refusal(
            "http://x",
            StatusCode::from_u16(status).unwrap(),
            body.as_bytes(),
        );
        match refused {
            Some(code) => assert!(error.is(code), "{error}"),
            None => assert!(matches!(error, ServiceError::Unreachable(_)), "{error}"),
        }
    }

    #[test]
    fn a_refusal_is_final_unless_it_asks_to_come_again() {
        let body = |code: &str| {
            format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"m"}}"#)
        };
        check(
            400,
            &body("ValidationException"),
            Some("ValidationException"),
        );
        check(400, &body("ResourceInUseException"), None);
        check(500, &body("InternalServerError"), None);
        check(502, "<html>", None);
        check(404, "", None);
    }
}
