//! BatchExecuteStatement: up to 25 PartiQL statements, all of them reads or all writes, each for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use stator_model::capacity::write_units;
use stator_model::error::{ApiError, ErrorCode};
use stator_model::operations::{
    BatchExecuteStatementRequest, BatchStatementRequest, ReturnConsumedCapacity,
    ReturnValuesOnConditionCheckFailure, batch_statement_error_code,
};
use stator_model::partiql::{Select, Statement};
use stator_model::value::item_size_bytes;

use super::consumed::Consumed;
use super::partiql::{EXISTS_ALONE, returned, run_write, select, shaped, statement_table};
use super::respond::Body;
use super::service::Call;
use crate::cluster::Table;
use crate::table::codec_json::{attributes_to_json, string};
use crate::table::keys::item_key;

/// A statement, or why it is none, and its table, or why it has none.
struct Prepared {
    statement: Result<Statement, ApiError>,
    table: Result<Arc<Table>, ApiError>,
    consistent: bool,
}

/// What one statement gave.
struct Answer {
    /// The item that was read or that the statement returns, as JSON.
    item: Result<Option<Vec<u8>>, ApiError>,
    consumed: Consumed,
}

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = BatchExecuteStatementRequest::parse(&call.body)?;
    let mut prepared = Vec::with_capacity(request.statements.len());
    for asked in &request.statements {
        prepared.push(prepare(&call, asked).await);
    }
    check_kinds(&prepared)?;
    check_distinct(&prepared)?;
    let answers = join_all(prepared.iter().map(|one| run_one(&call, one))).await;
    response(&prepared, &answers, request.return_consumed_capacity)
}

async fn prepare(call: &Call<'_>, asked: &BatchStatementRequest) -> Prepared {
    let statement = Statement::parse(&asked.statement, &asked.parameters).and_then(|statement| {
        statement.check()?;
        match statement {
            Statement::Exists(_) => Err(ApiError::validation(EXISTS_ALONE)),
            other => Ok(other),
        }
    });
    let table = match &statement {
        Ok(statement) => statement_table(call, statement).await,
        Err(error) => Err(error.clone()),
    };
    Prepared {
        statement,
        table,
        consistent: asked.consistent_read,
    }
}

/// A batch reads or writes; what is no statement is neither.
fn check_kinds(prepared: &[Prepared]) -> Result<(), ApiError> {
    let mut kinds = prepared
        .iter()
        .filter_map(|one| one.statement.as_ref().ok())
        .map(Statement::is_read);
    let first = kinds.next();
    if kinds.any(|kind| Some(kind) != first) {
        return Err(ApiError::validation(
            "Read and write requests together in the same batch is not supported.",
        ));
    }
    Ok(())
}

/// No item may be named twice.
fn check_distinct(prepared: &[Prepared]) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    for one in prepared {
        if let (Ok(statement), Ok(table)) = (&one.statement, &one.table)
            && let Some(key) = statement.target(&table.key_schema)
            && !seen.insert(item_key(table.storage_id(), &key))
        {
            return Err(ApiError::validation(
                "Provided list of item keys contains duplicates",
            ));
        }
    }
    Ok(())
}

async fn run_one(call: &Call<'_>, prepared: &Prepared) -> Answer {
    let failed = |error: &ApiError, units: f64| Answer {
        item: Err(error.clone()),
        consumed: Consumed::of_table(units),
    };
    let (statement, table) = match (&prepared.statement, &prepared.table) {
        (Ok(statement), Ok(table)) => (statement, table),
        (Err(error), _) | (_, Err(error)) => return failed(error, 0.0),
    };
    match run_statement(call, statement, table, prepared.consistent).await {
        Ok((item, consumed)) => Answer {
            item: Ok(item),
            consumed,
        },
        // What was refused before it ran costs nothing.
        Err(error) if error.code == ErrorCode::ValidationException => failed(&error, 0.0),
        Err(error) => failed(&error, attempted_units(statement)),
    }
}

async fn run_statement(
    call: &Call<'_>,
    statement: &Statement,
    table: &Arc<Table>,
    consistent: bool,
) -> Result<(Option<Vec<u8>>, Consumed), ApiError> {
    if let Statement::Select(read) = statement {
        return read_one(call, statement, read, table, consistent).await;
    }
    let silent = ReturnValuesOnConditionCheckFailure::None;
    let outcome = run_write(call, table, statement, silent).await?;
    let item = returned(statement, &outcome)
        .map(|attributes| {
            let mut json = Vec::with_capacity(attributes.len() * 2);
            attributes_to_json(attributes, &mut json)
                .map(|()| json)
                .map_err(|_| ApiError::internal("an item in an answer between nodes is damaged"))
        })
        .transpose()?;
    Ok((item, Consumed::of_write(&outcome)))
}

/// A read of one item by its whole key.
async fn read_one(
    call: &Call<'_>,
    statement: &Statement,
    read: &Select,
    table: &Arc<Table>,
    consistent: bool,
) -> Result<(Option<Vec<u8>>, Consumed), ApiError> {
    if read.index.is_some() || statement.target(&table.key_schema).is_none() {
        return Err(ApiError::validation(
            "Select statements within BatchExecuteStatement must specify the primary key in the \
             where clause.",
        ));
    }
    let selected = select(call, table, read, consistent, None, None).await?;
    let item = shaped(read, selected.items_json)?;
    Ok(((!item.is_empty()).then_some(item), selected.consumed))
}

/// What a statement that failed consumed: the write that it attempted, as far as the statement tells.
fn attempted_units(statement: &Statement) -> f64 {
    match statement {
        Statement::Insert(insert) => write_units(0, item_size_bytes(&insert.item)),
        Statement::Select(_) | Statement::Exists(_) => 0.0,
        Statement::Update(_) | Statement::Delete(_) => write_units(0, 0),
    }
}

fn response(
    prepared: &[Prepared],
    answers: &[Answer],
    mode: ReturnConsumedCapacity,
) -> Result<Bytes, ApiError> {
    let mut body = Body::begin(answers.len() * 256);
    let out = body.member("Responses");
    out.push(b'[');
    for (at, (one, answer)) in prepared.iter().zip(answers).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_answer(one, answer, out);
    }
    out.push(b']');
    let mut consumed: BTreeMap<&str, Consumed> = BTreeMap::new();
    for (one, answer) in prepared.iter().zip(answers) {
        if let (Ok(statement), Ok(_)) = (&one.statement, &one.table) {
            let table = consumed.entry(statement.table()).or_default();
            table.add(answer.consumed.clone());
        }
    }
    let any_succeeded = answers.iter().any(|answer| answer.item.is_ok());
    if mode != ReturnConsumedCapacity::None && any_succeeded {
        let out = body.member("ConsumedCapacity");
        out.push(b'[');
        for (at, (table, consumed)) in consumed.into_iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            consumed.write(mode, table, out);
        }
        out.push(b']');
    }
    Ok(body.end())
}

/// `{"Item":{…},"TableName":"…"}` or `{"Error":{…}}`; a statement that ran has a table either way.
fn write_answer(prepared: &Prepared, answer: &Answer, out: &mut Vec<u8>) {
    let start = out.len();
    out.push(b'{');
    let code = match &answer.item {
        Ok(Some(item)) => {
            out.extend_from_slice(b"\"Item\":");
            out.extend_from_slice(item);
            None
        }
        Ok(None) => None,
        Err(error) => {
            let code = batch_statement_error_code(error.code);
            out.extend_from_slice(b"\"Error\":{\"Code\":");
            string(code, out);
            out.extend_from_slice(b",\"Message\":");
            string(error.message.as_deref().unwrap_or_default(), out);
            out.push(b'}');
            Some(code)
        }
    };
    if let Ok(statement) = &prepared.statement
        && code != Some("ValidationError")
    {
        if out.len() > start + 1 {
            out.push(b',');
        }
        out.extend_from_slice(b"\"TableName\":");
        string(statement.table(), out);
    }
    out.push(b'}');
}
