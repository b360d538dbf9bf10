//! Who a connection belongs to (protocol, section 5).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use stator_kit::access::Principal;
use stator_kit::sigv4::{Detached, SigV4Error};
use tokio::time::Instant;

use super::super::Access;
use super::NativeSession;
use crate::native::{AuthFailure, Authorization};

/// Clients authorise again after half of five minutes, or three quarters of it; twice that is generous.
const LIFETIME: Duration = Duration::from_secs(600);

/// The host in the request that clients sign; Go has the scheme in it.
const HOSTS: [&str; 2] = ["dax.amazonaws.com", "https://dax.amazonaws.com"];

/// What the last authorizeConnection of a connection came to. It has no answer: a failure is told at the next request.
pub(super) enum Authorized {
    /// None came, or it failed.
    No(AuthFailure, String),
    /// Until then.
    As(Arc<Principal>, Instant),
}

impl Default for Authorized {
    fn default() -> Self {
        let message = SigV4Error::MissingAuthenticationToken.message().to_owned();
        Self::No(AuthFailure::Missing, message)
    }
}

impl NativeSession {
    pub(super) fn authorize(&self, authorization: &Authorization<'_>, now: Instant) -> Authorized {
        let Some(verifier) = &self.verifier else {
            return Authorized::default();
        };
        let Ok(string_to_sign) = str::from_utf8(&authorization.string_to_sign) else {
            return Authorized::default();
        };
        let detached = Detached {
            access_key_id: &authorization.access_key_id,
            signature: &authorization.signature,
            string_to_sign,
            session_token: authorization.session_token.as_deref(),
            hosts: &HOSTS,
        };
        match verifier.verify_detached(&detached, self.session.clock.now()) {
            Ok(principal) => Authorized::As(principal, now + LIFETIME),
            Err(error) => {
                let failure = match error {
                    // A new signature may be right.
                    SigV4Error::ExpiredToken | SigV4Error::MissingAuthenticationToken => {
                        AuthFailure::Missing
                    }
                    _ => AuthFailure::Wrong,
                };
                Authorized::No(failure, error.message().to_owned())
            }
        }
    }

    /// Who asks, or the answer to one who may not.
    pub(super) fn principal(
        &self,
        authorized: &Authorized,
        now: Instant,
    ) -> Result<Arc<Principal>, Bytes> {
        if let Access::Anyone(principal) = &self.session.access {
            return Ok(Arc::clone(principal));
        }
        match authorized {
            Authorized::As(principal, until) if now < *until => Ok(Arc::clone(principal)),
            Authorized::As(..) => {
                let message = SigV4Error::ExpiredToken.message().to_owned();
                Err(AuthFailure::Missing.encode(&message).into())
            }
            Authorized::No(failure, message) => Err(failure.encode(message).into()),
        }
    }
}
