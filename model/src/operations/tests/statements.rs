//! ExecuteStatement, BatchExecuteStatement and ExecuteTransaction, as far as they are read.

use crate::error::{ApiError, ErrorCode};
use crate::operations::{
    BatchExecuteStatementRequest, ExecuteStatementRequest, ExecuteTransactionRequest,
    ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure, batch_statement_error_code,
};
use crate::value::AttributeValue;

fn message<T: std::fmt::Debug>(result: Result<T, ApiError>) -> String {
    result.unwrap_err().message.unwrap_or_default()
}

#[test]
fn a_statement_comes_with_all_its_settings() {
    let body =
        br#"{"Statement":"SELECT","Parameters":[{"S":"a"},{"NULL":true}],"ConsistentRead":true,
        "NextToken":"t","Limit":5,"ReturnConsumedCapacity":"TOTAL",
        "ReturnValuesOnConditionCheckFailure":"ALL_OLD","Unknown":1}"#;
    assert_eq!(
        ExecuteStatementRequest::parse(body),
        Ok(ExecuteStatementRequest {
            statement: "SELECT".to_owned(),
            parameters: vec![AttributeValue::string("a"), AttributeValue::Null],
            consistent_read: true,
            next_token: Some("t".to_owned()),
            limit: Some(5),
            return_consumed_capacity: ReturnConsumedCapacity::Total,
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
        })
    );
}

#[test]
fn constraints_are_told_together() {
    assert_eq!(
        message(ExecuteStatementRequest::parse(
            br#"{"Statement":"","Limit":0,"NextToken":""}"#
        )),
        "3 validation errors detected: Value '' at 'statement' failed to satisfy constraint: Member \
         must have length greater than or equal to 1; Value '' at 'nextToken' failed to satisfy \
         constraint: Member must have length greater than or equal to 1; Value '0' at 'limit' failed \
         to satisfy constraint: Member must have value greater than or equal to 1"
    );
    assert_eq!(
        message(ExecuteStatementRequest::parse(
            br#"{"Statement":"S","Parameters":[{"SS":[]}]}"#
        )),
        "One or more parameter values were invalid: An string set  may not be empty"
    );
    assert_eq!(
        message(BatchExecuteStatementRequest::parse(
            br#"{"Statements":[{"Statement":"S"},{}]}"#
        )),
        "1 validation error detected: Value null at 'statements.2.member.statement' failed to satisfy \
         constraint: Member must not be null"
    );
    assert_eq!(
        message(ExecuteTransactionRequest::parse(
            br#"{"TransactStatements":[{"Statement":"S"}],"ClientRequestToken":""}"#
        )),
        "1 validation error detected: Value '' at 'clientRequestToken' failed to satisfy constraint: \
         Member must have length greater than or equal to 1"
    );
    assert_eq!(
        message(ExecuteTransactionRequest::parse(b"{}")),
        "1 validation error detected: Value null at 'transactStatements' failed to satisfy constraint: \
         Member must not be null"
    );
}

#[test]
fn numbers_of_statements_are_bounded() {
    let statements = |count: usize| vec![r#"{"Statement":"S"}"#; count].join(",");
    let batch = |count| format!("{{\"Statements\":[{}]}}", statements(count));
    let transaction = |count| format!("{{\"TransactStatements\":[{}]}}", statements(count));
    assert!(BatchExecuteStatementRequest::parse(batch(25).as_bytes()).is_ok());
    assert!(
        message(BatchExecuteStatementRequest::parse(batch(26).as_bytes()))
            .ends_with("Member must have length less than or equal to 25")
    );
    assert!(ExecuteTransactionRequest::parse(transaction(100).as_bytes()).is_ok());
    assert!(
        message(ExecuteTransactionRequest::parse(
            transaction(101).as_bytes()
        ))
        .ends_with("Member must have length less than or equal to 100")
    );
    assert!(
        message(BatchExecuteStatementRequest::parse(batch(0).as_bytes()))
            .contains("Value '[]' at 'statements'")
    );
}

#[test]
fn errors_in_a_batch_have_short_codes() {
    for (code, expected) in [
        (
            ErrorCode::ConditionalCheckFailedException,
            "ConditionalCheckFailed",
        ),
        (ErrorCode::DuplicateItemException, "DuplicateItem"),
        (ErrorCode::ResourceNotFoundException, "ResourceNotFound"),
        (ErrorCode::ValidationException, "ValidationError"),
        (ErrorCode::InternalServerError, "InternalServerError"),
    ] {
        assert_eq!(batch_statement_error_code(code), expected);
    }
}
