//! PutItem.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::expression::ConditionExpression;
use stator_model::operations::{Expressions, PutItemRequest};

use super::request::{active_table, authorize_table, table_name};
use super::service::Call;
use super::write;
use crate::cluster::ItemWrite;
use crate::table::{WriteAction, WriteOperation};

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let mut request = PutItemRequest::parse(&call.body)?;
    authorize_table(
        &call,
        "dynamodb:PutItem",
        table_name(&call, &request.table_name)?,
    )?;
    let (condition, expressions) = validate(&mut request).map_err(ApiError::in_put_or_update)?;
    request.check_size()?;
    let table = active_table(&call, table_name(&call, &request.table_name)?).await?;
    if let Some(condition) = &condition {
        condition.check_key_attributes_scalar(&table.key_schema)?;
    }
    let key = table.key_schema.key_of_item(&request.item)?;
    let write = ItemWrite {
        table,
        key,
        operation: WriteOperation {
            action: WriteAction::Put(request.item),
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

fn validate(
    request: &mut PutItemRequest,
) -> Result<(Option<ConditionExpression>, Expressions), ApiError> {
    let expressions = request.take_expressions()?;
    let context = expressions.context();
    let condition = write::condition(expressions.condition.as_deref(), &context)?;
    request.check_return_values()?;
    context.finish()?;
    drop(context);
    Ok((condition, expressions))
}
