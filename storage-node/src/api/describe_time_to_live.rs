//! DescribeTimeToLive, from the newest catalog.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{DescribeTimeToLiveRequest, DescribeTimeToLiveResponse};

use super::request::{authorize_table, newest_catalog, table_name};
use super::service::Call;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = DescribeTimeToLiveRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:DescribeTimeToLive", name)?;
    newest_catalog(&call).await?;
    let table = call
        .cluster
        .catalog()
        .table(name)
        .ok_or_else(|| ApiError::table_not_found(name))?;
    Ok(DescribeTimeToLiveResponse {
        time_to_live_description: table.time_to_live(),
    }
    .to_json()
    .into())
}
