//! DeleteTable. Answers DELETING; the name is free once every partition is closed, and the data goes
//! in the background.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::DeleteTableRequest;

use super::request::{authorize_table, table_name};
use super::service::Call;
use crate::cluster::message::ControlOperation;

pub(super) async fn run(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = DeleteTableRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:DeleteTable", name)?;
    call.cluster
        .control(
            ControlOperation::DeleteTable,
            call.body.clone(),
            call.deadline,
        )
        .await
}
