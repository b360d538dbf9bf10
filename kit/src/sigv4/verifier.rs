//! Verifying a signed request.
//!
//! The checks run from cheap to dear, so that a stranger cannot make the process hash bodies: form,
//! completeness, time window, scope, access key, session token, and only then the signature. The
//! first that fails decides the error.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use http::request::Parts;

use super::SigV4Error;
use super::authorization::{Claim, check_scope, invalid};
use super::canonical::SignedParts;
use super::key::Scope;
use super::timestamp::{Timestamp, as_str, date_of};
use crate::access::{Credential, CredentialsStore, Principal};

/// What a verifier accepts.
#[derive(Clone, Debug)]
pub struct VerifierOptions {
    /// The Region that credentials must be scoped to.
    pub region: String,
    /// The services that credentials may be scoped to; error messages name the first.
    pub services: Vec<String>,
    /// How far the client's clock may be off, in either direction, to the second. `DynamoDB` allows
    /// 5 minutes, the default; it is also how long a captured request can be replayed.
    pub window: Duration,
}

impl VerifierOptions {
    /// Accepts `service` in `region`, within 5 minutes.
    #[must_use]
    pub fn new(region: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            region: region.into(),
            services: vec![service.into()],
            window: Duration::from_secs(300),
        }
    }
}

/// Verifies requests against the credentials of a store. Shared by reference; all state is inside.
#[derive(Debug)]
pub struct Verifier {
    pub(super) options: VerifierOptions,
    credentials: CredentialsStore,
}

impl Verifier {
    /// A verifier that looks access keys up in `credentials`, also after they were reloaded.
    #[must_use]
    pub fn new(options: VerifierOptions, credentials: CredentialsStore) -> Self {
        Self {
            options,
            credentials,
        }
    }

    /// Who signed the request. `body` is the body as it came over the wire, `now` the wall clock.
    ///
    /// # Errors
    /// [`SigV4Error`], whose texts are meant for the client.
    pub fn verify(
        &self,
        parts: &Parts,
        body: &[u8],
        now: SystemTime,
    ) -> Result<Arc<Principal>, SigV4Error> {
        let claim = Claim::read(parts)?;
        self.check_window(&claim, now)?;
        let timestamp = claim.timestamp.to_basic();
        check_scope(
            &claim,
            &self.options.region,
            &self.options.services,
            date_of(&timestamp),
        )?;
        if !signs_host(&claim.signed_headers) {
            return Err(invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        let credential =
            self.credential(&claim.access_key_id, claim.session_token.as_deref(), now)?;

        let scope = Scope {
            date: &claim.date,
            region: &claim.region,
            service: &claim.service,
        };
        let key = credential.day_keys.get(&credential.secret, scope);
        let signed = SignedParts {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query(),
            headers: &parts.headers,
            signed_headers: &claim.signed_headers,
            body,
        };
        let expected = signed.signature(&key, &timestamp, scope);
        let mut presented = [0_u8; 32];
        if hex::decode_to_slice(claim.signature.as_bytes(), &mut presented).is_err()
            || verify_slices_are_equal(expected.as_ref(), &presented).is_err()
        {
            return Err(SigV4Error::mismatch());
        }
        Ok(Arc::clone(&credential.principal))
    }

    fn check_window(&self, claim: &Claim<'_>, now: SystemTime) -> Result<(), SigV4Error> {
        let now = Timestamp::from_system_time(now);
        let window = i64::try_from(self.options.window.as_secs()).unwrap_or(i64::MAX);
        // A presigned request may ask for less time than the window, never for more.
        let behind = claim
            .expires_seconds
            .map_or(window, |expires| expires.min(window));
        let (earliest, latest) = (now.minus(behind), now.plus(window));
        let (verdict, relation, bound, sign, seconds) = if claim.timestamp < earliest {
            (
                "Signature expired",
                "is now earlier than",
                earliest,
                '-',
                behind,
            )
        } else if claim.timestamp > latest {
            (
                "Signature not yet current",
                "is still later than",
                latest,
                '+',
                window,
            )
        } else {
            return Ok(());
        };
        let unit = if seconds % 60 == 0 {
            format!("{} min.", seconds / 60)
        } else {
            format!("{seconds} s.")
        };
        let (claimed, bound, now) = (claim.timestamp.to_basic(), bound.to_basic(), now.to_basic());
        let message = format!(
            "{verdict}: {} {relation} {} ({} {sign} {unit})",
            as_str(&claimed),
            as_str(&bound),
            as_str(&now),
        );
        Err(SigV4Error::InvalidSignature(message.into()))
    }

    /// The credential of an access key, if the session token belongs to it and it has not ended.
    pub(super) fn credential(
        &self,
        access_key_id: &str,
        presented: Option<&[u8]>,
        now: SystemTime,
    ) -> Result<Arc<Credential>, SigV4Error> {
        let found = self.credentials.lookup(access_key_id);
        let credential = found.ok_or(SigV4Error::UnrecognizedClient)?;
        let right = match (&credential.session_token, presented) {
            (None, None) => true,
            (Some(expected), Some(presented)) => {
                verify_slices_are_equal(expected.expose().as_bytes(), presented).is_ok()
            }
            _ => false,
        };
        if !right {
            return Err(SigV4Error::UnrecognizedClient);
        }
        if credential.expires_at.is_some_and(|end| now >= end) {
            return Err(SigV4Error::ExpiredToken);
        }
        Ok(credential)
    }
}

fn signs_host(signed_headers: &str) -> bool {
    signed_headers
        .split(';')
        .any(|name| name.eq_ignore_ascii_case("host"))
}

#[cfg(test)]
mod tests;
