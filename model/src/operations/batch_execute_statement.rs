//! BatchExecuteStatement: runs up to 25 PartiQL statements, each for itself.

use serde::de::MapAccess;

use crate::error::{ApiError, ErrorCode};
use crate::json::read::{Context, Member, Members, read_document};
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::operations::parameters::ReturnConsumedCapacity;
use crate::operations::statements::{StatementWire, check_count};
use crate::value::AttributeValue;

/// A BatchExecuteStatement request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchExecuteStatementRequest {
    /// The statements, 1 to 25.
    pub statements: Vec<BatchStatementRequest>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// One statement of a batch.
///
/// `ReturnValuesOnConditionCheckFailure` is accepted and, as in the service, does nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchStatementRequest {
    /// The statement.
    pub statement: String,
    /// What its `?` stand for.
    pub parameters: Vec<AttributeValue>,
    /// Whether the answer must reflect all writes that were acknowledged before.
    pub consistent_read: bool,
}

impl BatchExecuteStatementRequest {
    /// Reads a request and makes the checks that come before statements are parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<BatchExecuteStatementRequest, ApiError> {
        let mut wire = RequestWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let mut constraints = Constraints::default();
        check_count(
            "statements",
            wire.statements.as_ref().map(Vec::len),
            limits::BATCH_STATEMENTS_MAX,
            &mut constraints,
        );
        let mut statements = wire.statements.unwrap_or_default();
        for (at, statement) in statements.iter().enumerate() {
            statement.constrain(&format!("statements.{}.member.", at + 1), &mut constraints);
        }
        let return_consumed_capacity = constraints
            .parameter(
                "returnConsumedCapacity",
                wire.return_consumed_capacity.as_deref(),
            )
            .unwrap_or_default();
        constraints.finish()?;
        for statement in &mut statements {
            statement.check_values()?;
        }
        Ok(BatchExecuteStatementRequest {
            statements: statements
                .into_iter()
                .map(|wire| BatchStatementRequest {
                    statement: wire.statement.unwrap_or_default(),
                    parameters: wire.parameters.unwrap_or_default(),
                    consistent_read: wire.consistent_read.unwrap_or_default(),
                })
                .collect(),
            return_consumed_capacity,
        })
    }
}

/// The code under which an answer to a batch shows the error of one statement.
pub fn batch_statement_error_code(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::ConditionalCheckFailedException => "ConditionalCheckFailed",
        ErrorCode::DuplicateItemException => "DuplicateItem",
        ErrorCode::ResourceNotFoundException => "ResourceNotFound",
        ErrorCode::ItemCollectionSizeLimitExceededException => "ItemCollectionSizeLimitExceeded",
        ErrorCode::RequestLimitExceeded => "RequestLimitExceeded",
        ErrorCode::ProvisionedThroughputExceededException => "ProvisionedThroughputExceeded",
        ErrorCode::TransactionConflictException => "TransactionConflict",
        ErrorCode::ThrottlingException => "ThrottlingError",
        ErrorCode::AccessDeniedException => "AccessDenied",
        ErrorCode::InternalServerError | ErrorCode::ServiceUnavailable => "InternalServerError",
        _ => "ValidationError",
    }
}

#[derive(Default)]
struct RequestWire {
    statements: Option<Vec<StatementWire>>,
    return_consumed_capacity: Option<String>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "Statements" => self.statements = value.structures()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
