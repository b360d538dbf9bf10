//! A small certificate authority, for the operator, for tests and for trying things out.
//!
//! Keys are ECDSA over P-256. Certificates are valid from an hour before they are made (clocks
//! differ) for ten years: nothing renews them by itself yet, and whoever replaces the files is
//! followed without a restart.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use super::TlsError;
use crate::sigv4::Secret;

const LIFETIME: Duration = Duration::from_secs(3_650 * 86_400);
const CLOCK_DIFFERENCE: Duration = Duration::from_secs(3_600);

/// An authority with its private key.
pub struct CertificateAuthority {
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificateAuthority")
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// A new authority called `common_name`, made at `now`. It can sign leaves only.
    ///
    /// # Errors
    /// [`TlsError::Issue`].
    pub fn new(common_name: &str, now: SystemTime) -> Result<Self, TlsError> {
        let mut params = params(common_name, now, Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self {
            certificate_pem,
            issuer: Issuer::new(params, key),
        })
    }

    /// An authority from what [`Self::certificate_pem`] and [`Self::key_pem`] gave.
    ///
    /// # Errors
    /// [`TlsError::Issue`] when either is malformed.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, TlsError> {
        let key = KeyPair::from_pem(key_pem)?;
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key)?;
        Ok(Self {
            certificate_pem: certificate_pem.to_owned(),
            issuer,
        })
    }

    /// The certificate: `ca.crt`.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key, in PKCS #8.
    #[must_use]
    pub fn key_pem(&self) -> Secret {
        Secret::new(self.issuer.key().serialize_pem())
    }

    /// A certificate and its key, good for both sides of a connection, for a peer that is reached
    /// under any of `names` (DNS, a leading `*.` allowed) and `addresses`: `tls.crt` and `tls.key`.
    ///
    /// # Errors
    /// [`TlsError::Issue`], for a name that is no DNS name.
    pub fn issue_server_client(
        &self,
        common_name: &str,
        names: &[String],
        addresses: &[IpAddr],
        now: SystemTime,
    ) -> Result<(String, Secret), TlsError> {
        let addresses = addresses.iter().map(ToString::to_string);
        let alternative_names = names.iter().cloned().chain(addresses).collect();
        let mut params = params(common_name, now, alternative_names)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), Secret::new(key.serialize_pem())))
    }
}

fn params(
    common_name: &str,
    now: SystemTime,
    alternative_names: Vec<String>,
) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(alternative_names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let start = now.checked_sub(CLOCK_DIFFERENCE).unwrap_or(now);
    let end = start.checked_add(LIFETIME).unwrap_or(start);
    let (year, month, day) = civil_date(start)?;
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = civil_date(end)?;
    params.not_after = date_time_ymd(year, month, day);
    Ok(params)
}

/// The day of `time` in UTC, always one that exists: `date_time_ymd` panics on others.
fn civil_date(time: SystemTime) -> Result<(i32, u8, u8), TlsError> {
    let timestamp = Timestamp::try_from(time).map_err(|error| TlsError::Issue(Box::new(error)))?;
    let date = timestamp.to_zoned(TimeZone::UTC).date();
    let small = |number: i8| u8::try_from(number).unwrap_or(1);
    Ok((
        i32::from(date.year()),
        small(date.month()),
        small(date.day()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_name_or_no_authority_is_refused() {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let authority = CertificateAuthority::new("test", now).unwrap();
        let bad = ["nöde.test".to_owned()];
        assert!(
            authority
                .issue_server_client("node", &bad, &[], now)
                .is_err()
        );
        assert!(CertificateAuthority::from_pem("nonsense", "nonsense").is_err());
        let key = authority.key_pem();
        assert!(CertificateAuthority::from_pem("nonsense", key.expose()).is_err());
        assert!(!format!("{authority:?} {key:?}").contains("PRIVATE"));
    }

    #[test]
    fn both_names_and_addresses_are_in_the_certificate() {
        let now = std::time::UNIX_EPOCH + Duration::from_secs(1_767_225_600);
        let authority = CertificateAuthority::new("test", now).unwrap();
        let names = ["*.storage.default.svc".to_owned(), "localhost".to_owned()];
        let addresses = ["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()];
        let (certificate, key) = authority
            .issue_server_client("node", &names, &addresses, now)
            .unwrap();
        assert!(certificate.starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(key.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
