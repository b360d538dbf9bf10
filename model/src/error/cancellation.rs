//! Why a transaction was cancelled, action by action.
//!
//! Source: developer guide, "Transaction conflict handling"; `CancellationReason` of the public
//! service model.

use serde::de::MapAccess;

use crate::error::{ApiError, ErrorCode};
use crate::json::AttributeMap;
use crate::json::read::{Member, Members};
use crate::json::write::{Object, write_item};
use crate::value::Item;

/// What one action of a cancelled transaction had to do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CancellationReason {
    /// What kind of reason.
    pub code: CancellationCode,
    /// The text; none for [`CancellationCode::None`].
    pub message: Option<String>,
    /// The item that failed its condition, if the action asked for it.
    pub item: Option<Item>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)+) => {
        /// The kinds of reasons.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum CancellationCode {
            /// The action would have succeeded.
            #[default]
            None,
            $($(#[$doc])* $variant,)+
        }

        impl CancellationCode {
            /// The name in the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    CancellationCode::None => "None",
                    $(CancellationCode::$variant => $text,)+
                }
            }

            /// The reason with that name in the API.
            pub fn from_name(name: &str) -> Option<CancellationCode> {
                match name {
                    "None" => Some(CancellationCode::None),
                    $($text => Some(CancellationCode::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// A condition was false.
    ConditionalCheckFailed = "ConditionalCheckFailed",
    /// An item collection with a local index is above 10 GB.
    ItemCollectionSizeLimitExceeded = "ItemCollectionSizeLimitExceeded",
    /// Another transaction holds the item.
    TransactionConflict = "TransactionConflict",
    /// The table or index is out of capacity.
    ProvisionedThroughputExceeded = "ProvisionedThroughputExceeded",
    /// Requests come too fast.
    ThrottlingError = "ThrottlingError",
    /// The action breaks a rule.
    ValidationError = "ValidationError",
    /// The caller may not do this.
    AccessDenied = "AccessDenied",
    /// A PartiQL INSERT of an existing key.
    DuplicateItem = "DuplicateItem",
    /// A PartiQL statement about a missing table.
    ResourceNotFound = "ResourceNotFound",
}

/// The text of a conflict, with a transaction and with a single write alike.
pub(crate) const CONFLICT: &str = "Transaction is ongoing for the item";

impl CancellationReason {
    /// The action would have succeeded.
    pub fn none() -> CancellationReason {
        CancellationReason::default()
    }

    /// Another transaction holds the item.
    pub fn conflict() -> CancellationReason {
        CancellationReason::of(ApiError::transaction_conflict())
    }

    /// The reason that the same error of a single request becomes in a transaction.
    pub fn of(error: ApiError) -> CancellationReason {
        let code = match error.code {
            ErrorCode::ConditionalCheckFailedException => CancellationCode::ConditionalCheckFailed,
            ErrorCode::ItemCollectionSizeLimitExceededException => {
                CancellationCode::ItemCollectionSizeLimitExceeded
            }
            ErrorCode::TransactionConflictException => CancellationCode::TransactionConflict,
            ErrorCode::ProvisionedThroughputExceededException => {
                CancellationCode::ProvisionedThroughputExceeded
            }
            ErrorCode::ThrottlingException | ErrorCode::RequestLimitExceeded => {
                CancellationCode::ThrottlingError
            }
            ErrorCode::AccessDeniedException => CancellationCode::AccessDenied,
            ErrorCode::DuplicateItemException => CancellationCode::DuplicateItem,
            ErrorCode::ResourceNotFoundException => CancellationCode::ResourceNotFound,
            _ => CancellationCode::ValidationError,
        };
        CancellationReason {
            code,
            message: error.message,
            item: error.item,
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut object = Object::begin(out);
        object.text("Code", self.code.as_str());
        object.optional_text("Message", self.message.as_deref());
        if let Some(item) = &self.item {
            write_item(item, object.member("Item"));
        }
        object.end();
    }
}

impl ApiError {
    /// A single write met an item that a transaction holds.
    pub fn transaction_conflict() -> ApiError {
        ApiError::new(ErrorCode::TransactionConflictException, CONFLICT)
    }

    /// A transaction was cancelled; `reasons` has an entry for each action.
    ///
    /// An action that breaks a rule is found before anything is executed: the first such reason
    /// stands alone, and every other is [`CancellationCode::None`].
    pub fn transaction_canceled(mut reasons: Vec<CancellationReason>) -> ApiError {
        let is_validation =
            |reason: &CancellationReason| reason.code == CancellationCode::ValidationError;
        if let Some(first) = reasons.iter().position(is_validation) {
            for (at, reason) in reasons.iter_mut().enumerate() {
                if at != first {
                    *reason = CancellationReason::none();
                }
            }
        }
        let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
        ApiError {
            cancellation_reasons: reasons,
            ..ApiError::new(
                ErrorCode::TransactionCanceledException,
                format!(
                    "Transaction cancelled, please refer cancellation reasons for specific \
                     reasons [{}]",
                    codes.join(", ")
                ),
            )
        }
    }

    /// The token was used with other parameters.
    pub fn idempotent_parameter_mismatch() -> ApiError {
        ApiError::new(
            ErrorCode::IdempotentParameterMismatchException,
            "DynamoDB rejected the request because you retried a request with a different payload \
             but with an idempotent token that was already used.",
        )
    }

    /// The transaction with this token still runs.
    pub fn transaction_in_progress() -> ApiError {
        ApiError::new(
            ErrorCode::TransactionInProgressException,
            "The transaction with the given request token is already in progress.",
        )
    }
}

impl Members for CancellationReason {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Code" => {
                self.code = value
                    .text()?
                    .and_then(|name| CancellationCode::from_name(&name))
                    .unwrap_or_default();
            }
            "Message" => self.message = value.text()?,
            "Item" => self.item = value.read(AttributeMap::ITEM)?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_broken_rule_stands_alone() {
        let error = ApiError::transaction_canceled(vec![
            CancellationReason::of(ApiError::conditional_check_failed(None)),
            CancellationReason::of(ApiError::validation("first")),
            CancellationReason::conflict(),
            CancellationReason::of(ApiError::validation("second")),
        ]);
        let message = error.message.unwrap();
        assert!(
            message.ends_with("[None, ValidationError, None, None]"),
            "{message}"
        );
        assert_eq!(
            error.cancellation_reasons[1].message.as_deref(),
            Some("first")
        );
        assert_eq!(error.cancellation_reasons[0], CancellationReason::none());
    }

    #[test]
    fn codes_are_found_again() {
        for code in [
            CancellationCode::None,
            CancellationCode::ConditionalCheckFailed,
            CancellationCode::ItemCollectionSizeLimitExceeded,
            CancellationCode::TransactionConflict,
            CancellationCode::ProvisionedThroughputExceeded,
            CancellationCode::ThrottlingError,
            CancellationCode::ValidationError,
            CancellationCode::AccessDenied,
            CancellationCode::DuplicateItem,
            CancellationCode::ResourceNotFound,
        ] {
            assert_eq!(CancellationCode::from_name(code.as_str()), Some(code));
        }
    }
}
