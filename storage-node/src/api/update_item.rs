//! UpdateItem.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::expression::{ConditionExpression, ExpressionContext, UpdateExpression};
use stator_model::operations::UpdateItemRequest;

use super::request::{active_table, authorize_table, table_name};
use super::service::Call;
use super::write;
use crate::cluster::{ItemWrite, WriteTexts};
use crate::table::{WriteAction, WriteOperation};

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = UpdateItemRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:UpdateItem", name)?;
    let (expression, condition) = validate(&request).map_err(ApiError::in_put_or_update)?;
    let table = active_table(&call, name).await?;
    let key = table.key_schema.key_from_map(&request.key)?;
    if let Some(expression) = &expression {
        expression.check_key_targets(&table.key_schema)?;
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
        texts: WriteTexts {
            condition: request.condition_expression,
            update: request.update_expression,
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

type Expressions = (Option<UpdateExpression>, Option<ConditionExpression>);

fn validate(request: &UpdateItemRequest) -> Result<Expressions, ApiError> {
    let context = ExpressionContext::new(
        request.expression_attribute_names.as_ref(),
        request.expression_attribute_values.as_ref(),
    );
    let expression = request
        .update_expression
        .as_deref()
        .map(|text| UpdateExpression::parse(text, &context))
        .transpose()?;
    let condition = write::condition(request.condition_expression.as_deref(), &context)?;
    context.finish()?;
    Ok((expression, condition))
}
