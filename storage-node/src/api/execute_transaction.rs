//! ExecuteTransaction: up to 100 PartiQL statements, all of them reads or none, all or none executed.
//!
//! What is wrong with a statement as such fails the request and names the statement; what is wrong with
//! it in view of its table cancels the transaction (semantics sections 13 and 31).

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use stator_model::error::{ApiError, CancellationCode, CancellationReason, ErrorCode};
use stator_model::key::PrimaryKey;
use stator_model::operations::{
    ExecuteTransactionRequest, ReturnValues, ReturnValuesOnConditionCheckFailure,
    TransactGetItemsRequest,
};
use stator_model::partiql::{
    ItemWritePlan, Select, Statement, WriteKind, key_mismatch, select_columns, statement_digest,
};

use super::partiql::{duplicate_item, item_write, plan_write};
use super::request::{active_table, authorize_table, table_name};
use super::respond::Body;
use super::service::Call;
use super::transact_capacity;
use super::transact_write_items::two_on_one_item;
use crate::cluster::{Table, TransactAction, TransactWrite, TransactionToken};
use crate::table::StoredItem;
use crate::table::codec_json::item_to_json;
use crate::table::keys::item_key;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = ExecuteTransactionRequest::parse(&call.body)?;
    let statements = statements(&request)?;
    for statement in &statements {
        let name = table_name(&call, statement.table())?;
        authorize_table(&call, statement.action(), name)?;
    }
    let tables = tables(&call, &statements).await?;
    if statements.iter().all(Statement::is_read) {
        read(&call, &request, &statements, &tables).await
    } else {
        write(&call, &request, &statements, &tables).await
    }
}

/// The statements, each possible in a transaction and all of one kind.
fn statements(request: &ExecuteTransactionRequest) -> Result<Vec<Statement>, ApiError> {
    let statements = request
        .transact_statements
        .iter()
        .enumerate()
        .map(|(at, asked)| {
            let statement = Statement::parse(&asked.statement, &asked.parameters)
                .and_then(|statement| statement.check().map(|()| statement));
            statement
                .and_then(|statement| check_statement(&statement).map(|()| statement))
                .map_err(|error| in_statement(at, error))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let reads = statements
        .iter()
        .filter(|statement| statement.is_read())
        .count();
    if reads > 0 && reads < statements.len() {
        return Err(ApiError::validation(
            "ExecuteTransaction API does not support both read and write operations in the same \
             request.",
        ));
    }
    Ok(statements)
}

fn check_statement(statement: &Statement) -> Result<(), ApiError> {
    if statement.returning() != ReturnValues::None {
        return Err(ApiError::validation(
            "RETURNING clause is not supported in ExecuteTransaction.",
        ));
    }
    if statement.index().is_some() {
        return Err(ApiError::validation(if statement.is_read() {
            "Reads on indices are not supported within transactions."
        } else {
            "This operation is not supported on an index"
        }));
    }
    Ok(())
}

/// The error of a statement that fails the whole request.
fn in_statement(at: usize, error: ApiError) -> ApiError {
    let message = error.message.unwrap_or_default();
    ApiError::validation(format!(
        "Validation failed in TransactStatements[{at}]: {message}"
    ))
}

/// The table of each statement; a missing one cancels the transaction.
async fn tables(call: &Call<'_>, statements: &[Statement]) -> Result<Vec<Arc<Table>>, ApiError> {
    let mut tables = Vec::with_capacity(statements.len());
    let mut reasons = Vec::with_capacity(statements.len());
    for statement in statements {
        match active_table(call, table_name(call, statement.table())?).await {
            Ok(table) => {
                tables.push(table);
                reasons.push(CancellationReason::none());
            }
            Err(error) if error.code == ErrorCode::ResourceNotFoundException => {
                reasons.push(CancellationReason::of(error));
            }
            Err(error) => return Err(error),
        }
    }
    if tables.len() < statements.len() {
        return Err(ApiError::transaction_canceled(reasons));
    }
    Ok(tables)
}

async fn read(
    call: &Call<'_>,
    request: &ExecuteTransactionRequest,
    statements: &[Statement],
    tables: &[Arc<Table>],
) -> Result<Bytes, ApiError> {
    let mut reads = Vec::with_capacity(statements.len());
    let mut reasons = Vec::with_capacity(statements.len());
    let mut selects = Vec::with_capacity(statements.len());
    for (at, (statement, table)) in statements.iter().zip(tables).enumerate() {
        let Statement::Select(select) = statement else {
            continue;
        };
        match select.single_key(&table.key_schema) {
            Ok(Some(key)) => {
                reads.push((Arc::clone(table), key));
                reasons.push(CancellationReason::none());
            }
            Ok(None) => {
                let error = ApiError::validation(
                    "Select statements within ExecuteTransaction must specify the primary key in \
                     the where clause.",
                );
                return Err(in_statement(at, error));
            }
            Err(error) => reasons.push(CancellationReason::of(error)),
        }
        selects.push(select);
    }
    if reads.len() < statements.len() {
        return Err(ApiError::transaction_canceled(reasons));
    }
    check_distinct(reads.iter().map(|(table, key)| (table, key)))?;
    let items = call.cluster.transact_get(&reads, call.deadline).await?;
    let sizes = || {
        items
            .iter()
            .map(|item| item.as_ref().map_or(0, |stored| stored.size_bytes))
    };
    TransactGetItemsRequest::check_returned_sizes(sizes())?;
    let mut body = Body::begin(items.len() * 256);
    let out = body.member("Responses");
    out.push(b'[');
    for (at, (item, select)) in items.iter().zip(selects).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_response(item.as_ref(), select, out)?;
    }
    out.push(b']');
    transact_capacity::read(
        &mut body,
        request.return_consumed_capacity,
        &names(statements),
        sizes(),
    );
    Ok(body.end())
}

/// `{}` for a missing item, else the columns of it.
fn write_response(
    stored: Option<&StoredItem>,
    select: &Select,
    out: &mut Vec<u8>,
) -> Result<(), ApiError> {
    let Some(stored) = stored else {
        out.extend_from_slice(b"{}");
        return Ok(());
    };
    let item = stored.item().map_err(|problem| {
        tracing::error!(%problem, "a stored item cannot be read");
        ApiError::internal("a stored item cannot be read")
    })?;
    out.extend_from_slice(b"{\"Item\":");
    if select.columns.is_empty() {
        item_to_json(&item, out);
    } else {
        item_to_json(&select_columns(&select.columns, &item), out);
    }
    out.push(b'}');
    Ok(())
}

async fn write(
    call: &Call<'_>,
    request: &ExecuteTransactionRequest,
    statements: &[Statement],
    tables: &[Arc<Table>],
) -> Result<Bytes, ApiError> {
    let plans = plans(statements, tables)?;
    check_distinct(tables.iter().zip(plans.iter().map(|plan| &plan.key)))?;
    let inserts: Vec<bool> = plans
        .iter()
        .map(|plan| matches!(plan.kind, WriteKind::Put))
        .collect();
    let actions = plans
        .into_iter()
        .zip(tables)
        .zip(&request.transact_statements)
        .map(|((plan, table), asked)| {
            let on_failure = asked.return_values_on_condition_check_failure;
            action(table, plan, on_failure)
        })
        .collect();
    let transaction = TransactWrite {
        actions,
        token: token(request),
    };
    let written = call
        .cluster
        .transact_write(&transaction, call.deadline)
        .await
        .map_err(|error| of_inserts(error, &inserts))?;
    let mut body = Body::begin(statements.len() * 3 + 64);
    let out = body.member("Responses");
    out.push(b'[');
    out.extend_from_slice(vec!["{}"; statements.len()].join(",").as_bytes());
    out.push(b']');
    transact_capacity::written(
        &mut body,
        request.return_consumed_capacity,
        &names(statements),
        &written,
    );
    Ok(body.end())
}

/// What each statement means for its table; one that does not fit it cancels the transaction.
fn plans(statements: &[Statement], tables: &[Arc<Table>]) -> Result<Vec<ItemWritePlan>, ApiError> {
    let mut plans = Vec::with_capacity(statements.len());
    let mut reasons = Vec::with_capacity(statements.len());
    for (at, (statement, table)) in statements.iter().zip(tables).enumerate() {
        let plan = match statement {
            Statement::Exists(select) => {
                let plan = select.plan_check(&table.key_schema);
                Ok(plan.map_err(|error| in_statement(at, error))?)
            }
            // A condition that does not name one item is told as a key that does not fit.
            Statement::Update(_) | Statement::Delete(_)
                if statement.target(&table.key_schema).is_none() =>
            {
                Err(key_mismatch())
            }
            statement => plan_write(statement, table),
        };
        match plan {
            Ok(plan) => {
                plans.push(plan);
                reasons.push(CancellationReason::none());
            }
            Err(error) => reasons.push(CancellationReason::of(error)),
        }
    }
    if plans.len() < statements.len() {
        return Err(ApiError::transaction_canceled(reasons));
    }
    Ok(plans)
}

fn action(
    table: &Arc<Table>,
    plan: ItemWritePlan,
    on_failure: ReturnValuesOnConditionCheckFailure,
) -> TransactAction {
    let check_only = matches!(plan.kind, WriteKind::Check);
    TransactAction {
        write: item_write(table, plan, on_failure),
        check_only,
    }
}

/// The failed condition of an `INSERT` is a key that exists.
fn of_inserts(error: ApiError, inserts: &[bool]) -> ApiError {
    if error.code != ErrorCode::TransactionCanceledException {
        return error;
    }
    let mut reasons = error.cancellation_reasons;
    for (reason, is_insert) in reasons.iter_mut().zip(inserts) {
        if *is_insert && reason.code == CancellationCode::ConditionalCheckFailed {
            *reason = CancellationReason::of(duplicate_item());
        }
    }
    ApiError::transaction_canceled(reasons)
}

/// The client's token, bound to the statements and their parameters.
fn token(request: &ExecuteTransactionRequest) -> Option<TransactionToken> {
    let token = request.client_request_token.as_ref()?;
    let mut parameters = Vec::new();
    for asked in &request.transact_statements {
        let digest = statement_digest(&asked.statement, &asked.parameters);
        parameters.extend_from_slice(&digest.to_be_bytes());
        let on_failure = asked.return_values_on_condition_check_failure;
        parameters.extend_from_slice(on_failure.as_str().as_bytes());
    }
    Some(TransactionToken::new(token, &parameters))
}

fn check_distinct<'a>(
    mut targets: impl Iterator<Item = (&'a Arc<Table>, &'a PrimaryKey)>,
) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    if targets.all(|(table, key)| seen.insert(item_key(table.storage_id(), key))) {
        Ok(())
    } else {
        Err(two_on_one_item())
    }
}

fn names(statements: &[Statement]) -> Vec<&str> {
    statements.iter().map(Statement::table).collect()
}
