//! UpdateContinuousBackups and DescribeContinuousBackups: the setting, with no backups behind it.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{
    DescribeContinuousBackupsRequest, UpdateContinuousBackupsRequest, backup_table_not_found,
};

use super::request::{authorize_table, newest_catalog, table_name};
use super::service::Call;
use crate::cluster::message::ControlOperation;

pub(super) async fn update(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = UpdateContinuousBackupsRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:UpdateContinuousBackups", name)?;
    call.control(ControlOperation::UpdateContinuousBackups)
        .await
}

pub(super) async fn describe(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = DescribeContinuousBackupsRequest::parse(&call.body)?;
    let name = table_name(&call, &request.table_name)?;
    authorize_table(&call, "dynamodb:DescribeContinuousBackups", name)?;
    newest_catalog(&call).await?;
    let table = call
        .cluster
        .catalog()
        .table(name)
        .ok_or_else(|| backup_table_not_found(name))?;
    let now_millis = call.cluster.now_millis();
    Ok(table.continuous_backups(now_millis).to_json().into())
}
