//! ExecuteStatement: one PartiQL statement.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::ExecuteStatementRequest;
use stator_model::partiql::{NextToken, Select, Statement, statement_digest};

use super::consumed::Consumed;
use super::partiql::{
    EXISTS_ALONE, Selected, returned, run_write, select, shaped, statement_table,
};
use super::respond::Body;
use super::service::Call;
use crate::cluster::message::WriteOutcome;
use crate::table::codec_json::{attributes_to_json, item_to_json, string};

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = ExecuteStatementRequest::parse(&call.body)?;
    let statement = Statement::parse(&request.statement, &request.parameters)?;
    statement.check()?;
    let table = statement_table(&call, &statement).await?;
    match &statement {
        Statement::Select(select) => {
            let digest = statement_digest(&request.statement, &request.parameters);
            let token = request
                .next_token
                .as_deref()
                .map(|token| NextToken::decode(token, digest))
                .transpose()?;
            let selected = self::select(
                &call,
                &table,
                select,
                request.consistent_read,
                request.limit,
                token,
            )
            .await?;
            selected_response(selected, select, digest, &request)
        }
        Statement::Exists(_) => Err(ApiError::validation(EXISTS_ALONE)),
        write => {
            let on_failure = request.return_values_on_condition_check_failure;
            let outcome = run_write(&call, &table, write, on_failure).await?;
            written_response(&outcome, write, &request)
        }
    }
}

fn selected_response(
    selected: Selected,
    select: &Select,
    digest: u64,
    request: &ExecuteStatementRequest,
) -> Result<Bytes, ApiError> {
    let items = shaped(select, selected.items_json)?;
    let mut body = Body::begin(items.len() + 256);
    let out = body.member("Items");
    out.push(b'[');
    out.extend_from_slice(&items);
    out.push(b']');
    if let Some(next) = &selected.next {
        string(&next.encode(digest), body.member("NextToken"));
        if let Some(key) = &next.key {
            item_to_json(key, body.member("LastEvaluatedKey"));
        }
    }
    let mode = request.return_consumed_capacity;
    body.consumed(mode, &select.table, &selected.consumed);
    Ok(body.end())
}

fn written_response(
    outcome: &WriteOutcome,
    statement: &Statement,
    request: &ExecuteStatementRequest,
) -> Result<Bytes, ApiError> {
    let attributes = returned(statement, outcome);
    let mut body = Body::begin(attributes.map_or(0, |bytes| bytes.len() * 2) + 64);
    let out = body.member("Items");
    out.push(b'[');
    if let Some(attributes) = attributes {
        attributes_to_json(attributes, out)
            .map_err(|_| ApiError::internal("an item in an answer between nodes is damaged"))?;
    }
    out.push(b']');
    let mode = request.return_consumed_capacity;
    body.consumed(mode, statement.table(), &Consumed::of_write(outcome));
    Ok(body.end())
}
