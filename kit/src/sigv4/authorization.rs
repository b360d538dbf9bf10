//! Reading what a request claims about its signature, from either form.

use std::borrow::Cow;

use http::header::{AUTHORIZATION, DATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::canonical::{SIGNATURE_PARAMETER, parameters};
use super::timestamp::Timestamp;
use super::{ALGORITHM, SigV4Error, TERMINATOR};

pub(super) const AMZ_DATE: HeaderName = HeaderName::from_static("x-amz-date");
pub(super) const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Everything a signed request says about its signature. Nothing in it is verified.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    pub(super) access_key_id: Cow<'a, str>,
    pub(super) date: Cow<'a, str>,
    pub(super) region: Cow<'a, str>,
    pub(super) service: Cow<'a, str>,
    pub(super) terminator: Cow<'a, str>,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) timestamp: Timestamp,
    pub(super) session_token: Option<Cow<'a, [u8]>>,
    /// Seconds the signer asks it to be valid for; query form only.
    pub(super) expires_seconds: Option<i64>,
}

/// The parts as they were found, any of them missing.
#[derive(Default)]
struct Found<'a> {
    algorithm: Option<Cow<'a, str>>,
    credential: Option<Cow<'a, str>>,
    signed_headers: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    date: Option<Cow<'a, str>>,
    session_token: Option<Cow<'a, [u8]>>,
    expires: Option<Cow<'a, str>>,
}

impl<'a> Claim<'a> {
    pub(super) fn read(parts: &'a Parts) -> Result<Self, SigV4Error> {
        Found::complete(parts)?.into_claim()
    }
}

/// Whether a request has a signature of one form with all its parts, whatever they say. For processes
/// that serve any caller: a client that forgot to sign is told so here too.
///
/// # Errors
/// [`SigV4Error`]: no signature, parts missing, or both forms at once.
pub fn check_form(parts: &Parts) -> Result<(), SigV4Error> {
    Found::complete(parts).map(|_| ())
}

impl<'a> Found<'a> {
    /// The parts of the one signature that the request has, none of them missing.
    fn complete(parts: &'a Parts) -> Result<Self, SigV4Error> {
        let header = parts.headers.get(AUTHORIZATION);
        let query = parts
            .uri
            .query()
            .filter(|query| query.contains("X-Amz-"))
            .map(from_query);
        let query = query.filter(|found| found.algorithm.is_some());
        match (header, query) {
            (Some(_), Some(_)) => Err(invalid(
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP \
                 header.",
            )),
            (None, Some(found)) => found.complete_query(),
            (None, None) => Err(SigV4Error::MissingAuthenticationToken),
            (Some(header), None) => {
                let header = header.to_str().unwrap_or_default();
                if !header.starts_with("AWS4-") {
                    return Err(SigV4Error::MissingAuthenticationToken);
                }
                from_header(header, &parts.headers).complete_header(header)
            }
        }
    }
}

/// Whether a part is missing or says nothing.
fn is_absent(part: &Option<Cow<'_, str>>) -> bool {
    part.as_deref().is_none_or(str::is_empty)
}

impl<'a> Found<'a> {
    fn complete_header(self, header: &str) -> Result<Self, SigV4Error> {
        let mut missing = String::new();
        for (name, part) in [
            ("Credential", &self.credential),
            ("Signature", &self.signature),
            ("SignedHeaders", &self.signed_headers),
        ] {
            if is_absent(part) {
                missing.push_str(&format!(
                    "Authorization header requires '{name}' parameter. "
                ));
            }
        }
        if is_absent(&self.date) {
            missing.push_str(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' \
                 header. ",
            );
        }
        if !missing.is_empty() {
            return Err(SigV4Error::IncompleteSignature(format!(
                "{missing}Authorization={header}"
            )));
        }
        Ok(self)
    }

    fn complete_query(self) -> Result<Self, SigV4Error> {
        let mut missing = String::new();
        for (name, part) in [
            ("X-Amz-Algorithm", &self.algorithm),
            ("X-Amz-Credential", &self.credential),
            ("X-Amz-Signature", &self.signature),
            ("X-Amz-SignedHeaders", &self.signed_headers),
            ("X-Amz-Date", &self.date),
        ] {
            if is_absent(part) {
                missing.push_str(&format!(
                    "AWS query-string parameters must include '{name}'. "
                ));
            }
        }
        if !missing.is_empty() {
            return Err(SigV4Error::IncompleteSignature(format!(
                "{missing}Re-examine the query-string parameters."
            )));
        }
        Ok(self)
    }

    /// The caller has reported whatever is missing; an empty default cannot verify.
    fn into_claim(self) -> Result<Claim<'a>, SigV4Error> {
        let algorithm = self.algorithm.unwrap_or_default();
        if algorithm != ALGORITHM {
            return Err(SigV4Error::IncompleteSignature(format!(
                "Unsupported AWS 'algorithm': '{algorithm}'."
            )));
        }
        let date_text = self.date.unwrap_or_default();
        let Some(timestamp) = Timestamp::parse_date_header(&date_text) else {
            return Err(SigV4Error::IncompleteSignature(format!(
                "Date must be in ISO-8601 'basic format'. Got '{date_text}'. See \
                 http://en.wikipedia.org/wiki/ISO_8601"
            )));
        };
        let credential = self.credential.unwrap_or_default();
        let [access_key_id, date, region, service, terminator] = split_credential(&credential)?;
        let expires_seconds = match self.expires {
            None => None,
            Some(text) => Some(parse_expires(&text)?),
        };
        Ok(Claim {
            access_key_id,
            date,
            region,
            service,
            terminator,
            signed_headers: self.signed_headers.unwrap_or_default(),
            signature: self.signature.unwrap_or_default(),
            timestamp,
            session_token: self.session_token,
            expires_seconds,
        })
    }
}

fn from_header<'a>(header: &'a str, headers: &'a HeaderMap) -> Found<'a> {
    let mut found = Found::default();
    let mut pieces = header
        .split([' ', ',', '\t'])
        .filter(|piece| !piece.is_empty());
    found.algorithm = pieces.next().map(Cow::Borrowed);
    for piece in pieces {
        let Some((name, value)) = piece.split_once('=') else {
            continue;
        };
        let slot = match name {
            "Credential" => &mut found.credential,
            "SignedHeaders" => &mut found.signed_headers,
            "Signature" => &mut found.signature,
            _ => continue,
        };
        slot.get_or_insert(Cow::Borrowed(value));
    }
    let date = headers.get(AMZ_DATE).or_else(|| headers.get(DATE));
    found.date = date.and_then(|date| date.to_str().ok()).map(Cow::Borrowed);
    found.session_token = headers
        .get(SECURITY_TOKEN)
        .map(|token| Cow::Borrowed(token.as_bytes()));
    found
}

fn from_query(query: &str) -> Found<'_> {
    let mut found = Found::default();
    for (name, value) in parameters(query) {
        let slot = match name.as_ref() {
            b"X-Amz-Algorithm" => &mut found.algorithm,
            b"X-Amz-Credential" => &mut found.credential,
            b"X-Amz-SignedHeaders" => &mut found.signed_headers,
            b"X-Amz-Date" => &mut found.date,
            b"X-Amz-Expires" => &mut found.expires,
            b"X-Amz-Security-Token" => {
                found.session_token.get_or_insert(value);
                continue;
            }
            name if name == SIGNATURE_PARAMETER.as_bytes() => &mut found.signature,
            _ => continue,
        };
        slot.get_or_insert(into_text(value));
    }
    found
}

fn into_text(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    match bytes {
        Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// Splits `key id/date/region/service/aws4_request`.
fn split_credential<'a>(credential: &Cow<'a, str>) -> Result<[Cow<'a, str>; 5], SigV4Error> {
    let elements: Option<[Cow<'a, str>; 5]> = match credential {
        Cow::Borrowed(text) => five(text).map(|elements| elements.map(Cow::Borrowed)),
        Cow::Owned(text) => {
            five(text).map(|elements| elements.map(|element| Cow::Owned(element.to_owned())))
        }
    };
    elements.ok_or_else(|| {
        SigV4Error::IncompleteSignature(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. \
             keyid/date/region/service/term, got '{credential}'"
        ))
    })
}

fn five(text: &str) -> Option<[&str; 5]> {
    let mut elements = text.split('/');
    let five = [
        elements.next()?,
        elements.next()?,
        elements.next()?,
        elements.next()?,
        elements.next()?,
    ];
    elements.next().is_none().then_some(five)
}

fn parse_expires(text: &str) -> Result<i64, SigV4Error> {
    const WEEK_SECONDS: i64 = 604_800;
    match text.parse::<i64>() {
        Ok(seconds) if (1..=WEEK_SECONDS).contains(&seconds) => Ok(seconds),
        _ => Err(SigV4Error::IncompleteSignature(
            "X-Amz-Expires must be a number of seconds between 1 and 604800".to_owned(),
        )),
    }
}

/// What is wrong with the scope, all of it, or nothing.
pub(super) fn check_scope(
    claim: &Claim<'_>,
    region: &str,
    services: &[String],
    date: &str,
) -> Result<(), SigV4Error> {
    let mut wrong = String::new();
    if claim.region != region {
        wrong.push_str(&format!(
            "Credential should be scoped to a valid region, not '{}'. ",
            claim.region
        ));
    }
    if !services.iter().any(|service| *service == claim.service) {
        let expected = services.first().map_or("", String::as_str);
        wrong.push_str(&format!(
            "Credential should be scoped to correct service: '{expected}'. "
        ));
    }
    if claim.terminator != TERMINATOR {
        wrong.push_str(&format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{}'. ",
            claim.terminator
        ));
    }
    if claim.date != date {
        wrong.push_str(&format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from \
             HTTP: '{}' != '{date}', from '{}'. ",
            claim.date,
            super::timestamp::as_str(&claim.timestamp.to_basic()),
        ));
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(SigV4Error::InvalidSignature(wrong.into()))
    }
}

pub(super) fn invalid(message: &'static str) -> SigV4Error {
    SigV4Error::InvalidSignature(Cow::Borrowed(message))
}
