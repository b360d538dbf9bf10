//! Signatures that come with the text they sign, and without a request: how the native DAX protocol authorises a
//! connection. The request that was signed is a constant, `POST /` of nothing to a host that everybody knows.

use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;

use super::key::{Scope, derive};
use super::timestamp::{Timestamp, date_of};
use super::verifier::Verifier;
use super::{ALGORITHM, AccessKey, SigV4Error, TERMINATOR};
use crate::access::Principal;

/// SHA-256 of nothing.
const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A signature and what it claims to sign.
#[derive(Clone, Copy, Debug)]
pub struct Detached<'a> {
    /// Whose key.
    pub access_key_id: &'a str,
    /// 64 hexadecimal digits.
    pub signature: &'a str,
    /// Algorithm, time, scope and hash of the canonical request, in four lines.
    pub string_to_sign: &'a str,
    /// Of a temporary key.
    pub session_token: Option<&'a str>,
    /// The host names that the constant request may have been for.
    pub hosts: &'a [&'a str],
}

/// What a client of the native DAX protocol shows for itself.
#[derive(Clone, Debug)]
pub struct DetachedSignature {
    /// 64 hexadecimal digits.
    pub signature: String,
    /// What was signed.
    pub string_to_sign: String,
}

/// Signs as a client of `host`, for `service` in `region`.
#[must_use]
pub fn sign_detached(
    key: &AccessKey,
    region: &str,
    service: &str,
    host: &str,
    now: SystemTime,
) -> DetachedSignature {
    let basic = Timestamp::from_system_time(now).to_basic();
    let time = String::from_utf8_lossy(&basic);
    let scope = Scope {
        date: date_of(&basic),
        region,
        service,
    };
    let hash = request_hash(host, &time);
    let date = scope.date;
    let string_to_sign =
        format!("{ALGORITHM}\n{time}\n{date}/{region}/{service}/{TERMINATOR}\n{hash}");
    let signature = hmac::sign(&derive(&key.secret, scope), string_to_sign.as_bytes());
    DetachedSignature {
        signature: hex::encode(signature),
        string_to_sign,
    }
}

/// The hash of the constant request, made at `time`.
fn request_hash(host: &str, time: &str) -> String {
    let request =
        format!("POST\n/\n\nhost:{host}\nx-amz-date:{time}\n\nhost;x-amz-date\n{EMPTY_HASH}");
    hex::encode(digest(&SHA256, request.as_bytes()))
}

impl Verifier {
    /// Who signed.
    ///
    /// # Errors
    /// [`SigV4Error`]; a time outside of the window is [`SigV4Error::ExpiredToken`] here, so that the caller can tell a
    /// signature to be made anew from one that never was right.
    pub fn verify_detached(
        &self,
        detached: &Detached<'_>,
        now: SystemTime,
    ) -> Result<Arc<Principal>, SigV4Error> {
        let incomplete = || SigV4Error::IncompleteSignature("Malformed string to sign".to_owned());
        let lines: Vec<&str> = detached.string_to_sign.split('\n').collect();
        let [ALGORITHM, time, scope, hash] = lines.as_slice() else {
            return Err(incomplete());
        };
        let timestamp = Timestamp::parse_basic(time).ok_or_else(incomplete)?;
        let window = i64::try_from(self.options.window.as_secs()).unwrap_or(i64::MAX);
        let now_seconds = Timestamp::from_system_time(now);
        if timestamp < now_seconds.minus(window) || timestamp > now_seconds.plus(window) {
            return Err(SigV4Error::ExpiredToken);
        }
        let basic = timestamp.to_basic();
        let service = self.options.services.first().map_or("", String::as_str);
        let expected = Scope {
            date: date_of(&basic),
            region: &self.options.region,
            service,
        };
        let Scope {
            date,
            region,
            service,
        } = expected;
        if *scope != format!("{date}/{region}/{service}/{TERMINATOR}") {
            return Err(SigV4Error::InvalidSignature(
                format!("Credential should be scoped to a valid Region, here {region}, and to the service {service}.")
                    .into(),
            ));
        }
        let known_request = detached
            .hosts
            .iter()
            .any(|host| request_hash(host, time) == *hash);
        if !known_request {
            return Err(SigV4Error::mismatch());
        }
        let token = detached.session_token.map(str::as_bytes);
        let credential = self.credential(detached.access_key_id, token, now)?;
        let key = credential.day_keys.get(&credential.secret, expected);
        let right = hmac::sign(&key, detached.string_to_sign.as_bytes());
        let mut presented = [0_u8; 32];
        if hex::decode_to_slice(detached.signature.as_bytes(), &mut presented).is_err()
            || verify_slices_are_equal(right.as_ref(), &presented).is_err()
        {
            return Err(SigV4Error::mismatch());
        }
        Ok(Arc::clone(&credential.principal))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::access::CredentialsStore;
    use crate::sigv4::VerifierOptions;

    /// 2026-11-21T02:10:57Z.
    const SIGNED_AT: u64 = 1_795_227_057;

    fn verifier() -> Verifier {
        let file = r#"{"credentials":[{"accessKeyId":"AKIDEXAMPLE",
            "secretAccessKey":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY","principal":"app"}]}"#;
        let credentials = CredentialsStore::from_json(file.as_bytes()).unwrap();
        Verifier::new(VerifierOptions::new("us-east-1", "dax"), credentials)
    }

    fn text(hash: &str) -> String {
        format!("AWS4-HMAC-SHA256\n20261121T021057Z\n20261121/us-east-1/dax/aws4_request\n{hash}")
    }

    const PYTHON_HASH: &str = "9dcb28e31c897dc3caab3faefcc5fd699320716a8fe308ea00b7874f0454301c";
    const PYTHON: &str = "e3b35d6ab8da9800a874d0c70f9227d5b928c632e36004615abde6c5a6475188";
    const GO_HASH: &str = "33370d7071d4124b574715a94c2b59e932521defec07ce5dffcae166b4a3baa6";
    const GO: &str = "ec5842d2d53e66649c60106bf2078981899e26e654f91eb258639688e7c01a9e";

    fn verify(
        change: impl Fn(&mut Detached<'_>),
        text: &str,
        signature: &str,
        late: u64,
    ) -> Result<(), SigV4Error> {
        let mut detached = Detached {
            access_key_id: "AKIDEXAMPLE",
            signature,
            string_to_sign: text,
            session_token: None,
            hosts: &["dax.amazonaws.com", "https://dax.amazonaws.com"],
        };
        change(&mut detached);
        let now = UNIX_EPOCH + Duration::from_secs(SIGNED_AT + late);
        verifier()
            .verify_detached(&detached, now)
            .map(|principal| assert_eq!(principal.name(), "app"))
    }

    #[test]
    fn signatures_of_the_published_clients_are_right() {
        assert_eq!(verify(|_| {}, &text(PYTHON_HASH), PYTHON, 0), Ok(()));
        assert_eq!(verify(|_| {}, &text(GO_HASH), GO, 299), Ok(()));
    }

    #[test]
    fn signing_gives_what_the_published_clients_sign() {
        let key = AccessKey::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let now = UNIX_EPOCH + Duration::from_secs(SIGNED_AT);
        let signed = sign_detached(&key, "us-east-1", "dax", "dax.amazonaws.com", now);
        assert_eq!(signed.string_to_sign, text(PYTHON_HASH));
        assert_eq!(signed.signature, PYTHON);
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let good = text(PYTHON_HASH);
        assert_eq!(
            verify(|_| {}, &good, PYTHON, 301),
            Err(SigV4Error::ExpiredToken)
        );
        assert_eq!(verify(|_| {}, &good, GO, 0), Err(SigV4Error::mismatch()));
        assert_eq!(verify(|_| {}, &good, "e3", 0), Err(SigV4Error::mismatch()));
        assert_eq!(
            verify(|_| {}, &text(&PYTHON_HASH.replace('9', "8")), PYTHON, 0),
            Err(SigV4Error::mismatch())
        );
        let unknown = verify(
            |detached| detached.access_key_id = "AKIDOTHER",
            &good,
            PYTHON,
            0,
        );
        assert_eq!(unknown, Err(SigV4Error::UnrecognizedClient));
        let token = verify(
            |detached| detached.session_token = Some("x"),
            &good,
            PYTHON,
            0,
        );
        assert_eq!(token, Err(SigV4Error::UnrecognizedClient));
        let region = good.replace("us-east-1", "eu-west-1");
        assert!(matches!(
            verify(|_| {}, &region, PYTHON, 0),
            Err(SigV4Error::InvalidSignature(_))
        ));
        for malformed in ["", "AWS4-HMAC-SHA256\n1\n2\n3", &format!("{good}\nmore")] {
            let error = verify(|_| {}, malformed, PYTHON, 0);
            assert!(
                matches!(error, Err(SigV4Error::IncompleteSignature(_))),
                "{malformed}"
            );
        }
    }
}
