//! AWS Signature Version 4: signing requests and verifying them.
//!
//! Source: AWS General Reference, "Signature Version 4 signing process", and the published test
//! suite of that page. Error names and texts are those of `DynamoDB`, on which SDKs match.
//!
//! Both the header form (`Authorization`) and the query-string form (`X-Amz-Algorithm` and so on)
//! are understood. The payload hash is always that of the bytes at hand; there is no unsigned
//! payload.

mod authorization;
mod canonical;
mod detached;
mod key;
mod signer;
mod timestamp;
mod verifier;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;

pub use authorization::check_form;
pub use detached::{Detached, DetachedSignature, sign_detached};
pub(crate) use key::DayKeys;
pub use signer::{SignError, Signer, sign};
pub use verifier::{Verifier, VerifierOptions};

/// The only algorithm spoken.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The last element of every credential scope.
const TERMINATOR: &str = "aws4_request";

/// Text that never shows in a log line.
#[derive(Clone, Default, Deserialize, Eq, PartialEq)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for signing and for writing files, never for logging.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// What a client signs with.
#[derive(Clone, Debug)]
pub struct AccessKey {
    /// The public part.
    pub id: String,
    /// The secret part.
    pub secret: Secret,
    /// Sent along, and required by the verifier, when the key is a temporary one.
    pub session_token: Option<Secret>,
}

impl AccessKey {
    /// A permanent key.
    #[must_use]
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: Secret::new(secret),
            session_token: None,
        }
    }
}

/// The access key a process signs with, from the variables that AWS tools use.
#[derive(clap::Args, Clone, Debug)]
pub struct AccessKeyArgs {
    /// Access key id that requests are signed with.
    #[arg(long, env = "AWS_ACCESS_KEY_ID", requires = "aws_secret_access_key")]
    pub aws_access_key_id: Option<String>,

    /// Secret access key that requests are signed with; better given by environment.
    #[arg(long, env = "AWS_SECRET_ACCESS_KEY", hide_env_values = true)]
    pub aws_secret_access_key: Option<Secret>,

    /// Session token of a temporary key.
    #[arg(long, env = "AWS_SESSION_TOKEN", hide_env_values = true)]
    pub aws_session_token: Option<Secret>,
}

impl AccessKeyArgs {
    /// The key, when one is configured. An empty value counts as absent.
    #[must_use]
    pub fn access_key(self) -> Option<AccessKey> {
        let Self {
            aws_access_key_id,
            aws_secret_access_key,
            aws_session_token,
        } = self;
        let filled = |secret: &Secret| !secret.expose().is_empty();
        Some(AccessKey {
            id: aws_access_key_id.filter(|id| !id.is_empty())?,
            secret: aws_secret_access_key.filter(filled)?,
            session_token: aws_session_token.filter(filled),
        })
    }
}

/// Why a request is not accepted as signed. Names and texts are `DynamoDB`'s.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}: {}", self.name(), self.message())]
#[non_exhaustive]
pub enum SigV4Error {
    /// No signature of either form.
    MissingAuthenticationToken,
    /// A signature with parts missing or malformed.
    IncompleteSignature(String),
    /// A signature that is wrong, out of its time window, or for another scope.
    InvalidSignature(Cow<'static, str>),
    /// An unknown access key, or a session token that does not belong to it.
    UnrecognizedClient,
    /// A temporary key past its end.
    ExpiredToken,
}

impl SigV4Error {
    /// The error code, without namespace.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::MissingAuthenticationToken => "MissingAuthenticationTokenException",
            Self::IncompleteSignature(_) => "IncompleteSignatureException",
            Self::InvalidSignature(_) => "InvalidSignatureException",
            Self::UnrecognizedClient => "UnrecognizedClientException",
            Self::ExpiredToken => "ExpiredTokenException",
        }
    }

    /// The message, word for word.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::MissingAuthenticationToken => "Request is missing Authentication Token",
            Self::IncompleteSignature(message) => message,
            Self::InvalidSignature(message) => message,
            Self::UnrecognizedClient => "The security token included in the request is invalid.",
            Self::ExpiredToken => "The security token included in the request is expired",
        }
    }

    fn mismatch() -> Self {
        Self::InvalidSignature(Cow::Borrowed(
            "The request signature we calculated does not match the signature you provided. Check \
             your AWS Secret Access Key and signing method. Consult the service documentation for \
             details.",
        ))
    }
}
