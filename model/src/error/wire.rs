//! The one place that makes and reads the wire shape of an error.

use serde::de::MapAccess;

use crate::error::{ApiError, CancellationReason, ErrorCode, ThrottlingReason};
use crate::json::AttributeMap;
use crate::json::read::{Context, Member, Members, read_document};
use crate::json::write::{Object, write_item, write_list};
use crate::value::Item;

impl ApiError {
    /// The body of the answer: `{"__type":"<namespace>#<name>","message":"…"}`.
    pub fn to_json_body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        let mut object = Object::begin(&mut out);
        object.text(
            "__type",
            &format!("{}#{}", self.code.namespace(), self.code.as_str()),
        );
        if let Some(message) = &self.message {
            for member in message_members(self.code) {
                object.text(member, message);
            }
        }
        if let Some(item) = &self.item {
            write_item(item, object.member("Item"));
        }
        if !self.throttling_reasons.is_empty() {
            let member = reasons_member(self.code);
            write_list(
                &self.throttling_reasons,
                object.member(member),
                |reason, out| {
                    let mut object = Object::begin(out);
                    object.text("reason", &reason.reason);
                    object.text("resource", &reason.resource);
                    object.end();
                },
            );
        }
        if !self.cancellation_reasons.is_empty() {
            write_list(
                &self.cancellation_reasons,
                object.member("CancellationReasons"),
                CancellationReason::write,
            );
        }
        object.end();
        out
    }

    /// Reads the body of an error answer, for clients. A name that we do not know, or a body that
    /// is not an error, becomes an error of the kind that the status tells, with the text there is.
    pub fn from_json_body(status: u16, body: &[u8]) -> ApiError {
        let mut wire = ErrorWire::default();
        let context = Context::default();
        if read_document(body, &context, &mut wire).is_err() {
            wire = ErrorWire::default();
        }
        let name = wire.type_name.unwrap_or_default();
        let name = name.rsplit('#').next().unwrap_or_default();
        match ErrorCode::from_name(name) {
            Some(code) => ApiError {
                message: wire.message,
                item: wire.item,
                throttling_reasons: wire.throttling_reasons,
                cancellation_reasons: wire.cancellation_reasons,
                ..ApiError::without_message(code)
            },
            None => {
                let code = match status {
                    413 => ErrorCode::RequestEntityTooLarge,
                    503 => ErrorCode::ServiceUnavailable,
                    500.. => ErrorCode::InternalServerError,
                    _ => ErrorCode::ValidationException,
                };
                let text = wire.message.unwrap_or_default();
                ApiError::new(code, format!("{name} (HTTP status {status}): {text}"))
            }
        }
    }
}

/// The service writes `Message` with a capital in some and `message` in all others. For two of them
/// its model says one and clients are known to read the other, so they have both.
fn message_members(code: ErrorCode) -> &'static [&'static str] {
    match code {
        ErrorCode::SerializationException | ErrorCode::TransactionCanceledException => &["Message"],
        ErrorCode::IdempotentParameterMismatchException
        | ErrorCode::TransactionInProgressException => &["Message", "message"],
        _ => &["message"],
    }
}

/// The model spells the member of ThrottlingException with a lower-case letter.
fn reasons_member(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::ThrottlingException => "throttlingReasons",
        _ => "ThrottlingReasons",
    }
}

#[derive(Default)]
struct ErrorWire {
    type_name: Option<String>,
    message: Option<String>,
    item: Option<Item>,
    throttling_reasons: Vec<ThrottlingReason>,
    cancellation_reasons: Vec<CancellationReason>,
}

#[derive(Default)]
struct ReasonWire {
    reason: Option<String>,
    resource: Option<String>,
}

impl Members for ReasonWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "reason" => self.reason = value.text()?,
            "resource" => self.resource = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

impl Members for ErrorWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "__type" => self.type_name = value.text()?,
            "message" | "Message" => self.message = value.text()?,
            "Item" => self.item = value.read(AttributeMap::ITEM)?,
            "ThrottlingReasons" | "throttlingReasons" => {
                let reasons = value.structures::<ReasonWire>()?.unwrap_or_default();
                self.throttling_reasons = reasons
                    .into_iter()
                    .map(|wire| ThrottlingReason {
                        reason: wire.reason.unwrap_or_default(),
                        resource: wire.resource.unwrap_or_default(),
                    })
                    .collect();
            }
            "CancellationReasons" => {
                self.cancellation_reasons = value.structures()?.unwrap_or_default();
            }
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::AttributeValue;

    #[test]
    fn bodies_have_the_services_shape() {
        let check = |error: ApiError, expected: &str| {
            assert_eq!(String::from_utf8(error.to_json_body()).unwrap(), expected);
        };
        check(
            ApiError::validation("a \"b\""),
            r#"{"__type":"com.amazon.coral.validate#ValidationException","message":"a \"b\""}"#,
        );
        check(
            ApiError::serialization("x"),
            r#"{"__type":"com.amazon.coral.service#SerializationException","Message":"x"}"#,
        );
        check(
            ApiError::without_message(ErrorCode::UnknownOperationException),
            r#"{"__type":"com.amazon.coral.service#UnknownOperationException"}"#,
        );
        let item = Item::from([("pk".to_owned(), AttributeValue::string("a"))]);
        check(
            ApiError::new(ErrorCode::TransactionInProgressException, "x"),
            concat!(
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionInProgressException","#,
                r#""Message":"x","message":"x"}"#
            ),
        );
        check(
            ApiError::transaction_canceled(vec![
                CancellationReason::none(),
                CancellationReason::of(ApiError::conditional_check_failed(Some(item.clone()))),
            ]),
            concat!(
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","#,
                r#""Message":"Transaction cancelled, please refer cancellation reasons for "#,
                r#"specific reasons [None, ConditionalCheckFailed]","CancellationReasons":["#,
                r#"{"Code":"None"},{"Code":"ConditionalCheckFailed","#,
                r#""Message":"The conditional request failed","Item":{"pk":{"S":"a"}}}]}"#
            ),
        );
        check(
            ApiError::conditional_check_failed(Some(item)),
            concat!(
                r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","#,
                r#""message":"The conditional request failed","Item":{"pk":{"S":"a"}}}"#
            ),
        );
    }

    fn throttled(on_demand: bool) -> ApiError {
        ApiError::from(crate::error::Throttled {
            resource: "arn",
            is_index: false,
            on_demand,
            usage: crate::error::Usage::Read,
            limit: crate::error::ThroughputLimit::KeyRangeThroughput,
        })
    }

    #[test]
    fn throttling_reasons_are_spelled_by_the_error() {
        let reasons = r#"[{"reason":"TableReadKeyRangeThroughputExceeded","resource":"arn"}]"#;
        let body = |on_demand| String::from_utf8(throttled(on_demand).to_json_body()).unwrap();
        assert!(body(false).ends_with(&format!(r#","ThrottlingReasons":{reasons}}}"#)));
        assert!(body(true).ends_with(&format!(r#","throttlingReasons":{reasons}}}"#)));
    }

    #[test]
    fn a_client_reads_back_what_was_written() {
        let item = Item::from([("pk".to_owned(), AttributeValue::string("a"))]);
        for error in [
            ApiError::conditional_check_failed(Some(item.clone())),
            ApiError::transaction_canceled(vec![
                CancellationReason::of(ApiError::conditional_check_failed(Some(item))),
                CancellationReason::none(),
                CancellationReason::conflict(),
                CancellationReason::of(ApiError::validation("x")),
            ]),
            ApiError::serialization("NUMBER_VALUE cannot be converted to String"),
            ApiError::not_found(),
            throttled(false),
            throttled(true),
        ] {
            assert_eq!(ApiError::from_json_body(400, &error.to_json_body()), error);
        }
    }

    #[test]
    fn a_foreign_body_keeps_its_status_kind() {
        assert_eq!(
            ApiError::from_json_body(502, b"<html>").code,
            ErrorCode::InternalServerError
        );
        let strange =
            ApiError::from_json_body(400, br#"{"__type":"a#NewException","message":"m"}"#);
        assert_eq!(strange.code, ErrorCode::ValidationException);
        assert!(strange.message.unwrap().contains("NewException"));
    }
}
