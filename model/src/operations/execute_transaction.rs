//! ExecuteTransaction: runs up to 100 PartiQL statements, all or none.

use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, Member, Members, read_document};
use crate::limits;
use crate::operations::constraints::Constraints;
use crate::operations::parameters::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
use crate::operations::statements::{StatementWire, check_count};
use crate::value::AttributeValue;

/// An ExecuteTransaction request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExecuteTransactionRequest {
    /// The statements, 1 to 100: all of them reads, or none.
    pub transact_statements: Vec<ParameterizedStatement>,
    /// Makes a repetition within ten minutes do nothing.
    pub client_request_token: Option<String>,
    /// Whether the answer tells what it cost.
    pub return_consumed_capacity: ReturnConsumedCapacity,
}

/// One statement of a transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParameterizedStatement {
    /// The statement.
    pub statement: String,
    /// What its `?` stand for.
    pub parameters: Vec<AttributeValue>,
    /// Whether the reason of a failed condition carries the item.
    pub return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure,
}

impl ExecuteTransactionRequest {
    /// Reads a request and makes the checks that come before statements are parsed.
    ///
    /// # Errors
    /// A SerializationException or ValidationException in the service's words.
    pub fn parse(body: &[u8]) -> Result<ExecuteTransactionRequest, ApiError> {
        let mut wire = RequestWire::default();
        read_document(body, &Context::default(), &mut wire)?;
        let mut constraints = Constraints::default();
        check_count(
            "transactStatements",
            wire.transact_statements.as_ref().map(Vec::len),
            limits::TRANSACTION_STATEMENTS_MAX,
            &mut constraints,
        );
        let mut statements = wire.transact_statements.unwrap_or_default();
        let mut on_failure = Vec::with_capacity(statements.len());
        for (at, statement) in statements.iter().enumerate() {
            let path = format!("transactStatements.{}.member.", at + 1);
            on_failure.push(statement.constrain(&path, &mut constraints));
        }
        if let Some(token) = &wire.client_request_token {
            constraints.length(
                "clientRequestToken",
                token,
                1,
                limits::CLIENT_REQUEST_TOKEN_LENGTH_MAX,
            );
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
        Ok(ExecuteTransactionRequest {
            transact_statements: statements
                .into_iter()
                .zip(on_failure)
                .map(|(wire, on_failure)| ParameterizedStatement {
                    statement: wire.statement.unwrap_or_default(),
                    parameters: wire.parameters.unwrap_or_default(),
                    return_values_on_condition_check_failure: on_failure,
                })
                .collect(),
            client_request_token: wire.client_request_token,
            return_consumed_capacity,
        })
    }
}

#[derive(Default)]
struct RequestWire {
    transact_statements: Option<Vec<StatementWire>>,
    client_request_token: Option<String>,
    return_consumed_capacity: Option<String>,
}

impl Members for RequestWire {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        match name {
            "TransactStatements" => self.transact_statements = value.structures()?,
            "ClientRequestToken" => self.client_request_token = value.text()?,
            "ReturnConsumedCapacity" => self.return_consumed_capacity = value.text()?,
            _ => value.ignore()?,
        }
        Ok(())
    }
}
