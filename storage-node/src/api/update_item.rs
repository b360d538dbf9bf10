//! UpdateItem.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::expression::{ConditionExpression, UpdateExpression};
use stator_model::operations::{Expressions, UpdateItemRequest};

use super::request::{active_table, authorize_table, table_name};
use super::service::Call;
use super::write;
use crate::cluster::ItemWrite;
use crate::table::{WriteAction, WriteOperation};

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let mut request = UpdateItemRequest::parse(&call.body)?;
    authorize_table(
        &call,
        "dynamodb:UpdateItem",
        table_name(&call, &request.table_name)?,
    )?;
    let (parsed, expressions) = validate(&mut request).map_err(ApiError::in_put_or_update)?;
    let (expression, condition) = parsed;
    let table = active_table(&call, table_name(&call, &request.table_name)?).await?;
    let key = table.key_schema.key_from_map(&request.key)?;
    if let Some(expression) = &expression {
        expression.check_key_targets(&table.key_schema)?;
        expression.check_index_keys_scalar(|name| table.is_index_key(name))?;
    }
    if let Some(condition) = &condition {
        condition.check_key_attributes_scalar(&table.key_schema)?;
    }
    let write = ItemWrite {
        table,
        key,
        operation: WriteOperation {
            action: WriteAction::Update {
                key: request.key,
                expression,
            },
            condition,
            return_values: write::return_values(request.return_values),
            return_item_on_failure: write::item_on_failure(
                request.return_values_on_condition_check_failure,
            ),
        },
        texts: write::texts(expressions),
    };
    let outcome = call.cluster.write(&write, call.deadline).await?;
    write::response(
        &outcome,
        &write,
        request.return_consumed_capacity,
        request.return_item_collection_metrics,
        &request.table_name,
    )
}

type Parsed = (Option<UpdateExpression>, Option<ConditionExpression>);

fn validate(request: &mut UpdateItemRequest) -> Result<(Parsed, Expressions), ApiError> {
    let expressions = request.take_expressions()?;
    let context = expressions.context();
    let expression = expressions
        .update
        .as_deref()
        .map(|text| UpdateExpression::parse(text, &context))
        .transpose()?;
    let condition = write::condition(expressions.condition.as_deref(), &context)?;
    context.finish()?;
    drop(context);
    Ok(((expression, condition), expressions))
}
