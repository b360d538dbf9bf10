//! DeleteItem.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::expression::{ConditionExpression, ExpressionContext};
use stator_model::operations::DeleteItemRequest;

use super::request::{active_table, authorize_table, table_name};
use super::service::Call;
use super::write;
use crate::cluster::{ItemWrite, WriteTexts};
use crate::table::{WriteAction, WriteOperation};

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = DeleteItemRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:DeleteItem", name)?;
    let condition = validate(&request)?;
    let table = active_table(&call, name).await?;
    if let Some(condition) = &condition {
        condition.check_key_attributes_scalar(&table.key_schema)?;
    }
    let key = table.key_schema.key_from_map(&request.key)?;
    let write = ItemWrite {
        table,
        key,
        operation: WriteOperation {
            action: WriteAction::Delete,
            condition,
            return_values: write::return_values(request.return_values),
            return_item_on_failure: write::item_on_failure(
                request.return_values_on_condition_check_failure,
            ),
        },
        texts: WriteTexts {
            condition: request.condition_expression,
            update: None,
            names: request.expression_attribute_names,
            values: request.expression_attribute_values,
        },
    };
    let outcome = call.cluster.write(&write, call.deadline).await?;
    write::response(
        &outcome,
        request.return_consumed_capacity,
        &request.table_name,
    )
}

fn validate(request: &DeleteItemRequest) -> Result<Option<ConditionExpression>, ApiError> {
    let context = ExpressionContext::new(
        request.expression_attribute_names.as_ref(),
        request.expression_attribute_values.as_ref(),
    );
    let condition = write::condition(request.condition_expression.as_deref(), &context)?;
    request.check_return_values()?;
    context.finish()?;
    Ok(condition)
}
