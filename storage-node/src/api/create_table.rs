//! CreateTable. Answers CREATING; the table is ACTIVE once the catalog is written.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::CreateTableRequest;

use super::request::authorize_table;
use super::service::Call;
use crate::cluster::message::ControlOperation;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = CreateTableRequest::parse(&call.body)?;
    authorize_table(&call, "dynamodb:CreateTable", &request.settings.table_name)?;
    call.cluster
        .control(
            ControlOperation::CreateTable,
            call.body.clone(),
            call.deadline,
        )
        .await
}
