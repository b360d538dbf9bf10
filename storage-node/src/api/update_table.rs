//! UpdateTable: billing mode, throughput, table class, deletion protection.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::UpdateTableRequest;

use super::request::{authorize_table, table_name};
use super::service::Call;
use crate::cluster::message::ControlOperation;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = UpdateTableRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:UpdateTable", name)?;
    call.cluster
        .control(
            ControlOperation::UpdateTable,
            call.body.clone(),
            call.deadline,
        )
        .await
}
