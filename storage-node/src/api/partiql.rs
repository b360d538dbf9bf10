//! What the PartiQL operations share: one statement, run on the cluster.

mod select;

use std::sync::Arc;

use bytes::Bytes;
use stator_model::error::{ApiError, ErrorCode};
use stator_model::operations::{ReturnValues, ReturnValuesOnConditionCheckFailure};
use stator_model::partiql::{ItemWritePlan, Statement, WriteKind};

pub(super) use self::select::{Selected, select, shaped};
use super::read_source::table_with;
use super::request::{authorize_table, table_name};
use super::service::Call;
use super::write;
use crate::cluster::message::WriteOutcome;
use crate::cluster::{ItemWrite, Table, WriteTexts};
use crate::table::{WriteAction, WriteOperation};

/// The answer to `EXISTS` outside of a transaction.
pub(super) const EXISTS_ALONE: &str =
    "EXISTS can only be used in ExecuteTransaction write requests.";

/// Asks whether the caller may run the statement, and finds its table.
///
/// # Errors
/// AccessDeniedException, ResourceNotFoundException, or a 500 when the catalog cannot be had.
pub(super) async fn statement_table(
    call: &Call<'_>,
    statement: &Statement,
) -> Result<Arc<Table>, ApiError> {
    let name = table_name(call, statement.table())?;
    authorize_table(call, statement.action(), name)?;
    table_with(call, name, statement.index()).await
}

/// The write that a statement means, planned against the table's key.
///
/// # Errors
/// A ValidationException.
pub(super) fn plan_write(statement: &Statement, table: &Table) -> Result<ItemWritePlan, ApiError> {
    let schema = &table.key_schema;
    match statement {
        Statement::Insert(insert) => insert.plan(schema),
        Statement::Update(update) => update.plan(schema),
        Statement::Delete(delete) => delete.plan(schema),
        Statement::Select(_) | Statement::Exists(_) => Err(ApiError::validation(EXISTS_ALONE)),
    }
}

/// Runs an `INSERT`, `UPDATE` or `DELETE`.
///
/// # Errors
/// The caller's error, or a 500 at the deadline: the outcome is then unknown.
pub(super) async fn run_write(
    call: &Call<'_>,
    table: &Arc<Table>,
    statement: &Statement,
    on_failure: ReturnValuesOnConditionCheckFailure,
) -> Result<WriteOutcome, ApiError> {
    let plan = plan_write(statement, table)?;
    let inserts = matches!(plan.kind, WriteKind::Put);
    let write = item_write(table, plan, on_failure);
    let outcome = call.cluster.write(&write, call.deadline).await;
    match outcome {
        Err(error) if inserts && error.code == ErrorCode::ConditionalCheckFailedException => {
            Err(duplicate_item())
        }
        outcome => outcome,
    }
}

/// The error of an `INSERT` whose key exists.
pub(super) fn duplicate_item() -> ApiError {
    ApiError::new(
        ErrorCode::DuplicateItemException,
        "Duplicate primary key exists in table",
    )
}

/// The plan as the cluster takes it; a check of a transaction is a deletion that is not made.
pub(super) fn item_write(
    table: &Arc<Table>,
    plan: ItemWritePlan,
    on_failure: ReturnValuesOnConditionCheckFailure,
) -> ItemWrite {
    let action = match plan.kind {
        WriteKind::Put => WriteAction::Put(plan.item),
        WriteKind::Update(expression) => WriteAction::Update {
            key: plan.item,
            expression: Some(expression),
        },
        WriteKind::Delete | WriteKind::Check => WriteAction::Delete,
    };
    ItemWrite {
        table: Arc::clone(table),
        key: plan.key,
        operation: WriteOperation {
            action,
            condition: plan.condition,
            return_values: write::return_values(plan.return_values),
            return_item_on_failure: write::item_on_failure(on_failure),
        },
        texts: WriteTexts {
            condition: plan.texts.condition,
            update: plan.texts.update,
            names: plan.texts.names,
            values: plan.texts.values,
        },
    }
}

/// The attributes that a write answers, if the statement asked for any and there are any.
pub(super) fn returned<'o>(statement: &Statement, outcome: &'o WriteOutcome) -> Option<&'o Bytes> {
    /// An encoding of no attributes: a count of 0.
    const NO_ATTRIBUTES: &[u8] = &[0];
    let attributes = outcome.attributes.as_ref()?;
    let asked = statement.returning() != ReturnValues::None;
    (asked && &**attributes != NO_ATTRIBUTES).then_some(attributes)
}
