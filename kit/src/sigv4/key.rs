//! Signing keys, derived once a day per credential and scope.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use parking_lot::Mutex;

use super::{Secret, TERMINATOR};

/// Derived keys kept per credential: two days around midnight, for two services that a process may
/// verify (data and admin).
const KEPT: usize = 4;

/// What a signing key is valid for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    /// `YYYYMMDD`.
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// The keys derived lately from one secret. Four HMACs saved per request.
#[derive(Default)]
pub(crate) struct DayKeys {
    kept: Mutex<Vec<DayKey>>,
}

struct DayKey {
    date: String,
    region: String,
    service: String,
    key: Arc<hmac::Key>,
}

impl DayKeys {
    /// The signing key for `scope`, from the cache or derived from `secret`, which must be the same
    /// at every call.
    pub(super) fn get(&self, secret: &Secret, scope: Scope<'_>) -> Arc<hmac::Key> {
        let mut kept = self.kept.lock();
        if let Some(found) = kept.iter().find(|day_key| day_key.is_for(scope)) {
            return Arc::clone(&found.key);
        }
        let key = Arc::new(derive(secret, scope));
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(DayKey {
            date: scope.date.to_owned(),
            region: scope.region.to_owned(),
            service: scope.service.to_owned(),
            key: Arc::clone(&key),
        });
        key
    }
}

impl fmt::Debug for DayKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DayKeys(<hidden>)")
    }
}

impl DayKey {
    fn is_for(&self, scope: Scope<'_>) -> bool {
        self.date == scope.date && self.service == scope.service && self.region == scope.region
    }
}

pub(super) fn derive(secret: &Secret, scope: Scope<'_>) -> hmac::Key {
    let first = hmac::Key::new(
        hmac::HMAC_SHA256,
        format!("AWS4{}", secret.expose()).as_bytes(),
    );
    [scope.date, scope.region, scope.service, TERMINATOR]
        .into_iter()
        .fold(first, |key, part| {
            hmac::Key::new(
                hmac::HMAC_SHA256,
                hmac::sign(&key, part.as_bytes()).as_ref(),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: Scope<'_> = Scope {
        date: "20150830",
        region: "us-east-1",
        service: "iam",
    };

    #[test]
    fn the_documented_derivation_gives_the_documented_signature() {
        // AWS General Reference, "Examples of how to derive a signing key": signing this string to
        // sign with the derived key gives this signature.
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        let to_sign = "AWS4-HMAC-SHA256\n20150830T123600Z\n20150830/us-east-1/iam/aws4_request\n\
                       f536975d06c0309214f805bb90ccff089219ecd68b2577efef23edd43b7e1a59";
        let signature = hmac::sign(&derive(&secret, SCOPE), to_sign.as_bytes());
        let expected = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
        assert_eq!(hex::encode(signature), expected);
    }

    #[test]
    fn a_key_is_derived_once_per_scope_and_the_cache_is_bounded() {
        let (keys, secret) = (DayKeys::default(), Secret::new("secret"));
        let first = keys.get(&secret, SCOPE);
        assert!(Arc::ptr_eq(&first, &keys.get(&secret, SCOPE)));
        for date in ["1", "2", "3", "4", "5"] {
            let other = keys.get(&secret, Scope { date, ..SCOPE });
            assert!(!Arc::ptr_eq(&first, &other));
        }
        assert_eq!(keys.kept.lock().len(), KEPT);
        assert!(
            !Arc::ptr_eq(&first, &keys.get(&secret, SCOPE)),
            "derived anew after eviction"
        );
    }
}
