//! DescribeTable, from the newest catalog.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{DescribeTableRequest, DescribeTableResponse};

use super::request::{authorize_table, newest_catalog, table_name};
use super::service::Call;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = DescribeTableRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:DescribeTable", name)?;
    newest_catalog(&call).await?;
    let table = call
        .cluster
        .catalog()
        .table(name)
        .ok_or_else(|| ApiError::table_not_found(name))?;
    Ok(DescribeTableResponse {
        table: call.cluster.describe(&table),
    }
    .to_json()
    .into())
}
