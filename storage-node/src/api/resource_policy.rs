//! PutResourcePolicy, GetResourcePolicy and DeleteResourcePolicy: the policy as it was given, with
//! no decision behind it.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{PutResourcePolicyRequest, ResourcePolicyRequest};

use super::request::authorize;
use super::resource::table_of;
use super::service::Call;
use crate::cluster::message::ControlOperation;

pub(super) async fn put(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = PutResourcePolicyRequest::parse(&call.body)?;
    authorize(&call, "dynamodb:PutResourcePolicy", &request.resource_arn)?;
    call.control(ControlOperation::PutResourcePolicy).await
}

pub(super) async fn get(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = ResourcePolicyRequest::parse(&call.body)?;
    let action = "dynamodb:GetResourcePolicy";
    let table = table_of(&call, action, &request.resource_arn).await?;
    let table = table.ok_or_else(ApiError::not_found)?;
    Ok(table.resource_policy()?.to_json().into())
}

pub(super) async fn delete(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = ResourcePolicyRequest::parse(&call.body)?;
    authorize(
        &call,
        "dynamodb:DeleteResourcePolicy",
        &request.resource_arn,
    )?;
    call.control(ControlOperation::DeleteResourcePolicy).await
}
