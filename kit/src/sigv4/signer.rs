//! Signing a request.

use std::time::{Duration, SystemTime};

use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Uri};

use super::authorization::{AMZ_DATE, SECURITY_TOKEN};
use super::canonical::{SIGNATURE_PARAMETER, SignedParts, encode};
use super::key::{DayKeys, Scope};
use super::timestamp::{Timestamp, as_str, date_of};
use super::{ALGORITHM, AccessKey, TERMINATOR};

/// Why a request cannot be signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// Neither a `Host` header nor a host in the URI.
    #[error("the request names no host")]
    NoHost,
    /// The access key or the session token has characters that no header can carry.
    #[error("the access key cannot be sent in a header")]
    InvalidAccessKey,
}

/// Signs requests of one client to one service; keeps the keys it derived.
#[derive(Debug)]
pub struct Signer {
    key: AccessKey,
    region: String,
    service: String,
    day_keys: DayKeys,
}

/// Signs one request. Whoever signs many keeps a [`Signer`].
///
/// # Errors
/// [`SignError`]; the request is then unchanged but for a `Host` header.
pub fn sign(
    parts: &mut Parts,
    body: &[u8],
    key: &AccessKey,
    region: &str,
    service: &str,
    now: SystemTime,
) -> Result<(), SignError> {
    Signer::new(key.clone(), region, service).sign(parts, body, now)
}

impl Signer {
    /// A signer with `key` for `service` in `region`.
    #[must_use]
    pub fn new(key: AccessKey, region: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            key,
            region: region.into(),
            service: service.into(),
            day_keys: DayKeys::default(),
        }
    }

    /// Signs in the header form: sets `Host` (when absent), `X-Amz-Date`, `X-Amz-Security-Token`
    /// and `Authorization`. Signed are the host, the content type and every `x-amz-` header.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, parts: &mut Parts, body: &[u8], now: SystemTime) -> Result<(), SignError> {
        set_host(parts)?;
        let timestamp = Timestamp::from_system_time(now).to_basic();
        let date = HeaderValue::from_bytes(&timestamp).map_err(|_| SignError::InvalidAccessKey)?;
        parts.headers.insert(AMZ_DATE, date);
        parts.headers.remove(AUTHORIZATION);
        if let Some(token) = &self.key.session_token {
            parts
                .headers
                .insert(SECURITY_TOKEN, sensitive(token.expose())?);
        }
        let mut names: Vec<&str> = parts.headers.keys().map(http::HeaderName::as_str).collect();
        names.retain(|name| {
            *name == HOST.as_str() || *name == CONTENT_TYPE.as_str() || name.starts_with("x-amz-")
        });
        names.sort_unstable();
        let signed_headers = names.join(";");
        let scope = self.scope(date_of(&timestamp));
        let signature = self.signature(parts, body, &signed_headers, &timestamp, scope);
        let Scope {
            date,
            region,
            service,
        } = scope;
        let authorization = format!(
            "{ALGORITHM} Credential={}/{date}/{region}/{service}/{TERMINATOR}, \
             SignedHeaders={signed_headers}, Signature={signature}",
            self.key.id,
        );
        parts
            .headers
            .insert(AUTHORIZATION, sensitive(&authorization)?);
        Ok(())
    }

    /// Signs in the query-string form, for a URL that is handed on; only the host is signed, and
    /// the body. Verifiers allow at most their own window, however long `expires` is.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn presign(
        &self,
        parts: &mut Parts,
        body: &[u8],
        now: SystemTime,
        expires: Duration,
    ) -> Result<(), SignError> {
        set_host(parts)?;
        let timestamp = Timestamp::from_system_time(now).to_basic();
        let scope = self.scope(date_of(&timestamp));
        let Scope {
            date,
            region,
            service,
        } = scope;
        let credential = format!("{}/{date}/{region}/{service}/{TERMINATOR}", self.key.id);
        let mut query = parts
            .uri
            .query()
            .map_or_else(String::new, |query| format!("{query}&"));
        query.push_str(&format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={}\
             &X-Amz-SignedHeaders=host",
            encode(credential.as_bytes()),
            as_str(&timestamp),
            expires.as_secs(),
        ));
        if let Some(token) = &self.key.session_token {
            query.push_str(&format!(
                "&X-Amz-Security-Token={}",
                encode(token.expose().as_bytes())
            ));
        }
        set_query(parts, &query)?;
        let signature = self.signature(parts, body, "host", &timestamp, scope);
        set_query(parts, &format!("{query}&{SIGNATURE_PARAMETER}={signature}"))
    }

    fn scope<'a>(&'a self, date: &'a str) -> Scope<'a> {
        Scope {
            date,
            region: &self.region,
            service: &self.service,
        }
    }

    fn signature(
        &self,
        parts: &Parts,
        body: &[u8],
        signed_headers: &str,
        timestamp: &[u8; 16],
        scope: Scope<'_>,
    ) -> String {
        let signed = SignedParts {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
            signed_headers,
            body,
        };
        let key = self.day_keys.get(&self.key.secret, scope);
        hex::encode(signed.signature(&key, timestamp, scope))
    }
}

/// The value of a header that is not to be logged.
fn sensitive(text: &str) -> Result<HeaderValue, SignError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SignError::InvalidAccessKey)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sets the `Host` header from the URI as HTTP clients do: without user info and default port.
fn set_host(parts: &mut Parts) -> Result<(), SignError> {
    if parts.headers.contains_key(HOST) {
        return Ok(());
    }
    let host = parts.uri.host().ok_or(SignError::NoHost)?;
    let default_port = if parts.uri.scheme_str() == Some("https") {
        443
    } else {
        80
    };
    let host = match parts.uri.port_u16().filter(|port| *port != default_port) {
        Some(port) => HeaderValue::from_str(&format!("{host}:{port}")),
        None => HeaderValue::from_str(host),
    };
    parts
        .headers
        .insert(HOST, host.map_err(|_| SignError::NoHost)?);
    Ok(())
}

fn set_query(parts: &mut Parts, query: &str) -> Result<(), SignError> {
    let mut uri = std::mem::take(&mut parts.uri).into_parts();
    let path = uri.path_and_query.as_ref().map_or("/", PathAndQuery::path);
    let path_and_query = PathAndQuery::try_from(format!("{path}?{query}"));
    uri.path_and_query = Some(path_and_query.map_err(|_| SignError::InvalidAccessKey)?);
    parts.uri = Uri::from_parts(uri).map_err(|_| SignError::NoHost)?;
    Ok(())
}
