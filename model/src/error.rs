//! The service's errors: one list of codes, one error type, one place that makes its wire shape.
//!
//! Source: developer guide, "Error handling with DynamoDB"; texts observed on the service.

use std::fmt;

use crate::value::Item;

mod cancellation;
mod code;
mod throttled;
mod wire;

pub use cancellation::{CancellationCode, CancellationReason};
pub use code::ErrorCode;
pub use throttled::{Throttled, ThrottlingReason, ThroughputLimit, Usage};

/// An error as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiError {
    /// What kind of error, by its name in the API.
    pub code: ErrorCode,
    /// The text, word for word as the service has it; a few errors have none.
    pub message: Option<String>,
    /// The item that failed a condition, when `ReturnValuesOnConditionCheckFailure` asked for it.
    pub item: Option<Item>,
    /// What was out of capacity.
    pub throttling_reasons: Vec<ThrottlingReason>,
    /// Why a transaction was cancelled: an entry for each of its actions, in their order.
    pub cancellation_reasons: Vec<CancellationReason>,
    /// How far the check that failed is from the item: see [`ValidationScope`].
    pub scope: ValidationScope,
}

/// PutItem and UpdateItem, and only they, put `1 validation error detected: ` before the texts of
/// some checks. The site that raises an error knows which kind of check it is; the operation knows
/// whether it is one of the two. Nothing is decided by looking at the text, which may be a user's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ValidationScope {
    /// The text stands as it is in every operation.
    #[default]
    Bare,
    /// A check on the request as such: empty and duplicate sets, `NULL: false`, the syntax and size
    /// of expressions, redundant parentheses, operands that must differ, values without an
    /// expression, expressions mixed with legacy parameters, illegal `ReturnValues`.
    Request,
}

impl ApiError {
    /// An error of that code with a text.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError {
            message: Some(message.into()),
            ..ApiError::without_message(code)
        }
    }

    /// An error of that code without a text.
    pub fn without_message(code: ErrorCode) -> ApiError {
        ApiError {
            code,
            message: None,
            item: None,
            throttling_reasons: Vec::new(),
            cancellation_reasons: Vec::new(),
            scope: ValidationScope::Bare,
        }
    }

    /// A ValidationException whose text is the same in every operation.
    pub fn validation(message: impl Into<String>) -> ApiError {
        ApiError::new(ErrorCode::ValidationException, message)
    }

    /// A ValidationException of the scope [`ValidationScope::Request`].
    pub fn request_validation(message: impl Into<String>) -> ApiError {
        ApiError {
            scope: ValidationScope::Request,
            ..ApiError::validation(message)
        }
    }

    /// A ValidationException that starts `One or more parameter values were invalid: `.
    pub fn invalid_parameter(message: impl fmt::Display) -> ApiError {
        ApiError::validation(format!(
            "One or more parameter values were invalid: {message}"
        ))
    }

    /// A refusal of something that DynamoDB has and this version does not, by the member's name.
    pub fn not_supported(member: &str) -> ApiError {
        ApiError::invalid_parameter(format!("{member} is not supported by this version"))
    }

    /// A SerializationException.
    pub fn serialization(message: impl Into<String>) -> ApiError {
        ApiError::new(ErrorCode::SerializationException, message)
    }

    /// The table of a data request does not exist.
    pub fn not_found() -> ApiError {
        ApiError::new(
            ErrorCode::ResourceNotFoundException,
            "Requested resource not found",
        )
    }

    /// The table of a control request does not exist.
    pub fn table_not_found(table_name: &str) -> ApiError {
        ApiError::new(
            ErrorCode::ResourceNotFoundException,
            format!("Requested resource not found: Table: {table_name} not found"),
        )
    }

    /// A condition was false; `item` is what the caller asked to see of it.
    pub fn conditional_check_failed(item: Option<Item>) -> ApiError {
        ApiError {
            item,
            ..ApiError::new(
                ErrorCode::ConditionalCheckFailedException,
                "The conditional request failed",
            )
        }
    }

    /// Something of ours went wrong; the text is for the client and holds no details.
    pub fn internal(message: impl Into<String>) -> ApiError {
        ApiError::new(ErrorCode::InternalServerError, message)
    }

    /// Cannot serve now; the client may try again.
    pub fn unavailable(message: impl Into<String>) -> ApiError {
        ApiError::new(ErrorCode::ServiceUnavailable, message)
    }

    /// The error as PutItem and UpdateItem word it: see [`ValidationScope`].
    #[must_use]
    pub fn in_put_or_update(mut self) -> ApiError {
        if self.scope == ValidationScope::Request {
            self.scope = ValidationScope::Bare;
            self.message = self
                .message
                .map(|text| format!("1 validation error detected: {text}"));
        }
        self
    }

    /// The HTTP status of the answer.
    pub fn http_status(&self) -> u16 {
        self.code.http_status()
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => write!(formatter, "{}: {message}", self.code.as_str()),
            None => formatter.write_str(self.code.as_str()),
        }
    }
}

impl std::error::Error for ApiError {}
