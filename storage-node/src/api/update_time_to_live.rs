//! UpdateTimeToLive.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::UpdateTimeToLiveRequest;

use super::request::{authorize_table, table_name};
use super::service::Call;
use crate::cluster::message::ControlOperation;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = UpdateTimeToLiveRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:UpdateTimeToLive", name)?;
    let operation = ControlOperation::UpdateTimeToLive;
    call.cluster
        .control(operation, call.body.clone(), call.deadline)
        .await
}
