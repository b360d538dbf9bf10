//! Errors: a path of codes, a message, and the name that the API has for it (protocol, section 11).

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use stator_model::ApiError;

use super::super::cbor::Writer;
use super::super::lists::ListIds;
use super::super::method::AuthFailure;
use super::items::value_bytes;
use super::{Shape, Unreadable, Written};
use crate::wire::{Members, parse_item};

/// What clients go by. The first code is 4 for an error of the caller's, 1 for one that may pass.
fn codes(name: &str, status: StatusCode) -> Vec<i128> {
    let last = match name {
        "ProvisionedThroughputExceededException" => 40,
        "ResourceNotFoundException" => 41,
        "ConditionalCheckFailedException" => 43,
        "ResourceInUseException" => 45,
        "InternalServerError" => 47,
        "ItemCollectionSizeLimitExceededException" => 48,
        "LimitExceededException" => 49,
        "ThrottlingException" => 50,
        "TransactionConflictException" => 57,
        "TransactionCanceledException" => 58,
        "TransactionInProgressException" => 59,
        "IdempotentParameterMismatchException" => 60,
        "RequestLimitExceeded" => 61,
        "AccessDeniedException" => return vec![4, 37, 38, 42],
        "NotImplementedException" => return vec![4, 37, 38, 44],
        _ if status.is_server_error() => return vec![1, 37, 38, 39],
        _ => 46,
    };
    vec![4, 37, 38, 39, last]
}

/// Codes, message, and the first three parts of the details; `parts` are the details' number.
fn begin(
    codes: &[i128],
    message: &str,
    name: &str,
    status: StatusCode,
    request_id: Option<&str>,
    parts: usize,
) -> Writer {
    let mut writer = Writer::new();
    writer.array(codes.len());
    codes.iter().for_each(|code| writer.integer(*code));
    writer.text(message);
    writer.array(parts);
    match request_id {
        Some(id) => writer.text(id),
        None => writer.null(),
    }
    writer.text(name);
    writer.integer(status.as_u16().into());
    writer
}

/// An error that was found here.
pub(crate) fn encode_error(error: &ApiError) -> Vec<u8> {
    let status =
        StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let name = error.code.as_str();
    let message = error.message.as_deref().unwrap_or_default();
    begin(&codes(name, status), message, name, status, None, 3).finish()
}

impl AuthFailure {
    /// The answer to a request on a connection that is not authorised.
    pub(crate) fn encode(self, message: &str) -> Vec<u8> {
        let (last, name) = match self {
            Self::Wrong => (32, "UnrecognizedClientException"),
            Self::Missing => (33, "MissingAuthenticationTokenException"),
        };
        begin(
            &[4, 23, 31, last],
            message,
            name,
            StatusCode::BAD_REQUEST,
            None,
            3,
        )
        .finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Reason<'a> {
    code: Option<String>,
    message: Option<String>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
}

/// An error that the store, or another part of the proxy, answered.
pub(super) fn encode_refusal(
    shape: Option<&Shape>,
    status: StatusCode,
    json: &[u8],
    request_id: Option<&str>,
    ids: &mut ListIds<'_>,
) -> Written<Vec<u8>> {
    let members = Members::parse(json)?;
    let kind = members.text("__type")?.ok_or(Unreadable)?;
    let name = kind.rsplit('#').next().unwrap_or_default();
    let message = match members.text("message")? {
        Some(message) => Some(message),
        None => members.text("Message")?,
    };
    let message = message.as_deref().unwrap_or_default();
    let codes = codes(name, status);
    let Some(reasons) = members.get("CancellationReasons") else {
        return Ok(begin(&codes, message, name, status, request_id, 3).finish());
    };
    let reasons: Vec<Reason<'_>> = serde_json::from_str(reasons)?;
    let mut writer = begin(&codes, message, name, status, request_id, 4);
    writer.array(reasons.len() * 3);
    for (place, reason) in reasons.iter().enumerate() {
        writer.text(reason.code.as_deref().unwrap_or("None"));
        match &reason.message {
            Some(message) => writer.text(message),
            None => writer.null(),
        }
        // Clients put the key into the item, which those of a read do not have.
        match (reason.item, shape) {
            (Some(item), Some(Shape::TransactWrite { schemas })) => {
                let (_, schema) = schemas.get(place).ok_or(Unreadable)?;
                writer.bytes(&value_bytes(schema, &parse_item(item.get())?, ids));
            }
            _ => writer.null(),
        }
    }
    Ok(writer.finish())
}
