//! ExecuteStatement: runs one PartiQL statement.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, Member, Members, read_document};
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::operations::parameters::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use crate::operations::statements::StatementWire;
use crate::value::AttributeValue;

/// An ExecuteStatement request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExecuteStatementRequest {
    /// The statement.
    pub statement: String,
    /// What its `?` stand for.
    pub parameters: Vec<AttributeValue>,
    /// Whether the answer must reflect all writes that were acknowledged before.
    pub consistent_read: bool,
    /// Where to go on: what an earlier answer to the same statement said.
    pub next_token: Option<String>,
    /// The most items to evaluate, before the condition.
    pub limit: Option<u32>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
    /// Whether the error of a failed condition carries the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

impl ExecuteStatementRequest {
    /// Reads a request and makes the checks that come before the statement is parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<ExecuteStatementRequest, ApiError> {
        let mut wire = RequestWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let mut constraints = Constraints::default();
        let on_failure = wire.statement.constrain("", &mut constraints);
        if let Some(token) = &wire.next_token {
            constraints.length("nextToken", token, 1, limits::NEXT_TOKEN_LENGTH_MAX);
        }
        constraints.range("limit", wire.limit, 1, i64::MAX);
        let return_consumed_capacity = constraints
            .parameter(
                "returnConsumedCapacity",
                wire.return_consumed_capacity.as_deref(),
            )
            .unwrap_or_default();
        constraints.finish()?;
        wire.statement.check_values()?;
        Ok(ExecuteStatementRequest {
            statement: wire.statement.statement.unwrap_or_default(),
            parameters: wire.statement.parameters.unwrap_or_default(),
            consistent_read: wire.statement.consistent_read.unwrap_or_default(),
            next_token: wire.next_token,
            limit: wire.limit.and_then(|limit| u32::try_from(limit).ok()),
            return_consumed_capacity,
            return_values_on_condition_check_failure: on_failure,
        })
    }
}

#[derive(Default)]
struct RequestWire {
    statement: StatementWire,
    next_token: Option<String>,
    limit: Option<i64>,
    return_consumed_capacity: Option<String>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "NextToken" => self.next_token = value.text()?,
            "Limit" => self.limit = value.integer()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = value.text()?,
            _ => self.statement.take(name, value)?,
        }
        Ok(())
    }
}
