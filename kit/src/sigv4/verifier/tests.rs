use std::time::UNIX_EPOCH;

use http::{Method, Request};
use proptest::prelude::*;

use super::*;
use crate::sigv4::{AccessKey, Secret, Signer};

/// 2015-08-30T12:36:00Z, the time of AWS's published vectors.
const VECTOR_UNIX_SECONDS: u64 = 1_440_938_160;
const VECTOR_ID: &str = "AKIDEXAMPLE";
const VECTOR_SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn at(seconds_after_vector: i64) -> SystemTime {
    let seconds = i64::try_from(VECTOR_UNIX_SECONDS).unwrap() + seconds_after_vector;
    UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap())
}

fn store() -> CredentialsStore {
    let file = format!(
        r#"{{"credentials":[
            {{"accessKeyId":"{VECTOR_ID}","secretAccessKey":"{VECTOR_SECRET}","principal":"root"}},
            {{"accessKeyId":"ASIATEMP","secretAccessKey":"other","sessionToken":"token+/=",
              "principal":"visitor","expiration":"2015-08-30T13:00:00Z"}}]}}"#
    );
    CredentialsStore::from_json(file.as_bytes()).unwrap()
}

fn verifier(service: &str) -> Verifier {
    Verifier::new(VerifierOptions::new("us-east-1", service), store())
}

fn signer() -> Signer {
    Signer::new(
        AccessKey::new(VECTOR_ID, VECTOR_SECRET),
        "us-east-1",
        "dynamodb",
    )
}

fn temporary_signer() -> Signer {
    let token = Some(Secret::new("token+/="));
    let key = AccessKey {
        session_token: token,
        ..AccessKey::new("ASIATEMP", "other")
    };
    Signer::new(key, "us-east-1", "dynamodb")
}

fn request() -> Parts {
    let request = Request::post("http://localhost:8000/")
        .header("x-amz-target", "DynamoDB_20120810.GetItem")
        .header("content-type", "application/x-amz-json-1.0");
    request.body(()).unwrap().into_parts().0
}

fn with_authorization(value: &str) -> Parts {
    let mut parts = request();
    parts.headers.insert("host", "localhost".parse().unwrap());
    parts
        .headers
        .insert("x-amz-date", "20150830T123600Z".parse().unwrap());
    parts
        .headers
        .insert("authorization", value.parse().unwrap());
    parts
}

fn check(parts: &Parts, name: &str, message: &str) {
    let error = verifier("dynamodb").verify(parts, b"", at(0)).unwrap_err();
    assert_eq!((error.name(), error.message()), (name, message));
}

/// A vector of AWS's published suite (service "service", no body unless given).
fn check_vector(method: &str, uri: &str, headers: &[(&str, &str)], body: &[u8], auth: &str) {
    let mut builder = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let builder = builder.header("host", "example.amazonaws.com");
    let mut parts = builder
        .header("x-amz-date", "20150830T123600Z")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let value = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, {auth}"
    );
    parts
        .headers
        .insert("authorization", value.parse().unwrap());
    let principal = verifier("service").verify(&parts, body, at(0));
    assert_eq!(principal.unwrap().name(), "root", "{method} {uri}");
}

#[test]
fn the_published_vectors_verify() {
    check_vector(
        "GET",
        "/",
        &[],
        b"",
        "SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    );
    check_vector(
        "POST",
        "/",
        &[],
        b"",
        "SignedHeaders=host;x-amz-date, \
         Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    );
    check_vector(
        "GET",
        "/?Param2=value2&Param1=value1",
        &[],
        b"",
        "SignedHeaders=host;x-amz-date, \
         Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    );
    check_vector(
        "POST",
        "/",
        &[("content-type", "application/x-www-form-urlencoded")],
        b"Param1=value1",
        "SignedHeaders=content-type;host;x-amz-date, \
         Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    );
}

#[test]
fn the_signer_gives_the_published_signature() {
    let mut parts = Request::get("https://example.amazonaws.com/")
        .body(())
        .unwrap()
        .into_parts()
        .0;
    let key = AccessKey::new(VECTOR_ID, VECTOR_SECRET);
    crate::sigv4::sign(&mut parts, b"", &key, "us-east-1", "service", at(0)).unwrap();
    assert_eq!(
        parts.headers["authorization"],
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
}

#[test]
fn both_forms_verify_with_and_without_a_session_token() {
    for (signer, name) in [(signer(), "root"), (temporary_signer(), "visitor")] {
        let mut parts = request();
        signer.sign(&mut parts, b"{}", at(0)).unwrap();
        assert_eq!(
            verifier("dynamodb")
                .verify(&parts, b"{}", at(60))
                .unwrap()
                .name(),
            name
        );
        let mut parts = request();
        signer
            .presign(&mut parts, b"{}", at(0), Duration::from_secs(900))
            .unwrap();
        assert_eq!(
            verifier("dynamodb")
                .verify(&parts, b"{}", at(60))
                .unwrap()
                .name(),
            name
        );
    }
}

#[test]
fn separators_may_be_spaces_or_commas() {
    let mut parts = request();
    signer().sign(&mut parts, b"", at(0)).unwrap();
    let text = parts.headers["authorization"].to_str().unwrap().to_owned();
    for replacement in [" ", ",", " , "] {
        parts.headers.insert(
            "authorization",
            text.replace(", ", replacement).parse().unwrap(),
        );
        verifier("dynamodb").verify(&parts, b"", at(0)).unwrap();
    }
}

#[test]
fn a_date_header_serves_in_place_of_x_amz_date() {
    let mut parts = request();
    signer().sign(&mut parts, b"", at(0)).unwrap();
    parts
        .headers
        .insert("date", "Sun, 30 Aug 2015 12:36:00 GMT".parse().unwrap());
    let date = parts.headers.remove("x-amz-date").unwrap();
    let wrong = verifier("dynamodb").verify(&parts, b"", at(0)).unwrap_err();
    assert_eq!(
        wrong,
        SigV4Error::mismatch(),
        "the signed x-amz-date is gone"
    );
    parts.headers.insert("x-amz-date", date);
    verifier("dynamodb").verify(&parts, b"", at(0)).unwrap();
}

#[test]
fn an_unsigned_request_misses_its_token() {
    let missing = "MissingAuthenticationTokenException";
    check(
        &request(),
        missing,
        "Request is missing Authentication Token",
    );
    for value in ["Basic Zm9v", "Bearer x", "", "AWS x:y"] {
        check(
            &with_authorization(value),
            missing,
            "Request is missing Authentication Token",
        );
    }
}

#[test]
fn every_missing_part_is_named() {
    let mut parts = with_authorization("AWS4-HMAC-SHA256 Signature=1, SignedHeaders=host");
    parts.headers.remove("x-amz-date");
    check(
        &parts,
        "IncompleteSignatureException",
        "Authorization header requires 'Credential' parameter. Authorization header requires \
         existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256 \
         Signature=1, SignedHeaders=host",
    );
    check(
        &with_authorization("AWS4-HMAC-SHA256"),
        "IncompleteSignatureException",
        "Authorization header requires 'Credential' parameter. Authorization header requires \
         'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. \
         Authorization=AWS4-HMAC-SHA256",
    );
    let mut parts = request();
    let query = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-SignedHeaders=host&\
                 X-Amz-Signature=b";
    parts.uri = query.parse().unwrap();
    check(
        &parts,
        "IncompleteSignatureException",
        "AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string \
         parameters.",
    );
}

#[test]
fn a_malformed_credential_is_incomplete() {
    check(
        &with_authorization("AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=1"),
        "IncompleteSignatureException",
        "Credential must have exactly 5 slash-delimited elements, e.g. \
         keyid/date/region/service/term, got 'a/b'",
    );
}

#[test]
fn both_forms_at_once_are_refused() {
    let mut parts = request();
    signer()
        .presign(&mut parts, b"", at(0), Duration::from_secs(60))
        .unwrap();
    signer().sign(&mut parts, b"", at(0)).unwrap();
    check(
        &parts,
        "InvalidSignatureException",
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    );
}

#[test]
fn unknown_keys_and_wrong_tokens_are_not_recognised() {
    let unknown = Signer::new(
        AccessKey::new("NOBODY", VECTOR_SECRET),
        "us-east-1",
        "dynamodb",
    );
    let tokenless = Signer::new(AccessKey::new("ASIATEMP", "other"), "us-east-1", "dynamodb");
    let token = Some(Secret::new("stolen"));
    let key = AccessKey {
        session_token: token.clone(),
        ..AccessKey::new("ASIATEMP", "other")
    };
    let wrong_token = Signer::new(key, "us-east-1", "dynamodb");
    let key = AccessKey {
        session_token: token,
        ..AccessKey::new(VECTOR_ID, VECTOR_SECRET)
    };
    let needless_token = Signer::new(key, "us-east-1", "dynamodb");
    for signer in [unknown, tokenless, wrong_token, needless_token] {
        let mut parts = request();
        signer.sign(&mut parts, b"", at(0)).unwrap();
        check(
            &parts,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        );
    }
}

#[test]
fn a_temporary_key_ends() {
    let (end, mut parts) = (at(24 * 60), request());
    temporary_signer().sign(&mut parts, b"", end).unwrap();
    let error = verifier("dynamodb").verify(&parts, b"", end).unwrap_err();
    assert_eq!(error.name(), "ExpiredTokenException");
    assert_eq!(
        error.message(),
        "The security token included in the request is expired"
    );
}

#[test]
fn the_window_is_five_minutes_both_ways_to_the_second() {
    let mut parts = request();
    signer().sign(&mut parts, b"", at(0)).unwrap();
    let verify = |now| verifier("dynamodb").verify(&parts, b"", at(now));
    verify(300).unwrap();
    verify(-300).unwrap();
    let expired = verify(301).unwrap_err();
    assert_eq!(expired.name(), "InvalidSignatureException");
    assert_eq!(
        expired.message(),
        "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z \
         (20150830T124101Z - 5 min.)"
    );
    let early = verify(-301).unwrap_err();
    assert_eq!(
        early.message(),
        "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z \
         (20150830T123059Z + 5 min.)"
    );
}

#[test]
fn a_stale_request_is_called_expired_whatever_else_is_wrong_with_it() {
    let mut parts = with_authorization(
        "AWS4-HMAC-SHA256 Credential=alternator/2/3/4/aws4_request SignedHeaders=x-amz-date;host \
         Signature=123",
    );
    parts
        .headers
        .insert("x-amz-date", "20140101T010101Z".parse().unwrap());
    let error = verifier("dynamodb").verify(&parts, b"", at(0)).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("Signature expired: 20140101T010101Z is now"),
        "{error}"
    );
}

#[test]
fn presigned_requests_expire_when_they_say() {
    let mut parts = request();
    signer()
        .presign(&mut parts, b"", at(0), Duration::from_secs(10))
        .unwrap();
    verifier("dynamodb").verify(&parts, b"", at(10)).unwrap();
    let error = verifier("dynamodb")
        .verify(&parts, b"", at(11))
        .unwrap_err();
    assert!(
        error.message().ends_with("(20150830T123611Z - 10 s.)"),
        "{error}"
    );
}

#[test]
fn every_wrong_part_of_the_scope_is_named() {
    let key = AccessKey::new(VECTOR_ID, VECTOR_SECRET);
    let signed = |region: &str, service: &str| {
        let mut parts = request();
        Signer::new(key.clone(), region, service)
            .sign(&mut parts, b"", at(0))
            .unwrap();
        parts
    };
    let name = "InvalidSignatureException";
    check(
        &signed("x", "dynamodb"),
        name,
        "Credential should be scoped to a valid region, not 'x'. ",
    );
    check(
        &signed("us-east-1", "s3"),
        name,
        "Credential should be scoped to correct service: 'dynamodb'. ",
    );
    check(
        &signed("x", "s3"),
        name,
        "Credential should be scoped to a valid region, not 'x'. Credential should be scoped to \
         correct service: 'dynamodb'. ",
    );
    check(
        &with_authorization(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150829/us-east-1/dynamodb/aws4, \
             SignedHeaders=host, Signature=1",
        ),
        name,
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws4'. Date in \
         Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
         '20150829' != '20150830', from '20150830T123600Z'. ",
    );
}

#[test]
fn the_host_must_be_signed() {
    check(
        &with_authorization(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=x-amz-date, Signature=1",
        ),
        "InvalidSignatureException",
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    );
}

fn mismatch_text() -> &'static str {
    "The request signature we calculated does not match the signature you provided. Check your AWS \
     Secret Access Key and signing method. Consult the service documentation for details."
}

#[test]
fn a_wrong_secret_or_a_malformed_signature_does_not_match() {
    let wrong = Signer::new(AccessKey::new(VECTOR_ID, "wrong"), "us-east-1", "dynamodb");
    let mut parts = request();
    wrong.sign(&mut parts, b"", at(0)).unwrap();
    check(&parts, "InvalidSignatureException", mismatch_text());
    for signature in ["zz", "5fa0", &"f".repeat(63), &"0".repeat(66)] {
        let value = format!(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/dynamodb/aws4_request, \
             SignedHeaders=host, Signature={signature}"
        );
        check(
            &with_authorization(&value),
            "InvalidSignatureException",
            mismatch_text(),
        );
    }
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_what_is_changed_afterwards_does_not(
        path in "/[a-z0-9%.~/]{0,12}",
        query in prop::option::of("[a-z0-9=&%+]{0,16}"),
        value in "[ -~]{0,24}",
        body: Vec<u8>,
        tamper in 0_usize..6,
    ) {
        let uri = match query {
            Some(query) => format!("http://localhost:8000{path}?{query}"),
            None => format!("http://localhost:8000{path}"),
        };
        let request = Request::post(&uri).header("x-amz-meta", &value).body(()).unwrap();
        let (mut parts, ()) = request.into_parts();
        signer().sign(&mut parts, &body, at(0)).unwrap();
        let verifier = verifier("dynamodb");
        prop_assert!(verifier.verify(&parts, &body, at(0)).is_ok());

        let mut body = body;
        match tamper {
            0 => body.push(0),
            1 => parts.method = Method::PUT,
            2 => drop(parts.headers.insert("host", "elsewhere".parse().unwrap())),
            3 => drop(parts.headers.append("x-amz-meta", "more".parse().unwrap())),
            4 => parts.uri = format!("{uri}tampered").parse().unwrap(),
            _ => drop(parts.headers.insert("x-amz-date", "20150830T123601Z".parse().unwrap())),
        }
        let error = verifier.verify(&parts, &body, at(0)).unwrap_err();
        prop_assert_eq!(error, SigV4Error::mismatch());
    }

    #[test]
    fn hostile_authorization_never_panics(value in "(AWS4-HMAC-SHA256 )?[ -~]{0,80}", query in "[ -~&&[^#<>\"`{}\\\\^| ]]{0,60}") {
        let mut parts = with_authorization(&value);
        prop_assert!(verifier("dynamodb").verify(&parts, b"", at(0)).is_err());
        parts.headers.remove("authorization");
        if let Ok(uri) = format!("/?X-Amz-Algorithm=AWS4-HMAC-SHA256&{query}").parse() {
            parts.uri = uri;
            prop_assert!(verifier("dynamodb").verify(&parts, b"", at(0)).is_err());
        }
    }
}
