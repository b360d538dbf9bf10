//! TagResource, UntagResource and ListTagsOfResource.

use bytes::Bytes;
use stator_model::error::{ApiError, ErrorCode};
use stator_model::operations::{
    ListTagsOfResourceRequest, ListTagsOfResourceResponse, TagResourceRequest, UntagResourceRequest,
};

use super::request::authorize;
use super::resource::table_of;
use super::service::Call;
use crate::cluster::message::ControlOperation;

pub(super) async fn tag(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = TagResourceRequest::parse(&call.body)?;
    authorize(&call, "dynamodb:TagResource", &request.resource_arn)?;
    call.control(ControlOperation::TagResource).await
}

pub(super) async fn untag(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = UntagResourceRequest::parse(&call.body)?;
    authorize(&call, "dynamodb:UntagResource", &request.resource_arn)?;
    call.control(ControlOperation::UntagResource).await
}

/// All tags fit on one page, as a table has 50 at most.
pub(super) async fn list(call: Call<'_>) -> Result<Bytes, ApiError> {
    let request = ListTagsOfResourceRequest::parse(&call.body)?;
    let action = "dynamodb:ListTagsOfResource";
    let table = table_of(&call, action, &request.resource_arn).await?;
    let table = table.ok_or_else(|| {
        // The service does not tell the caller of another account's tables whether they exist.
        ApiError::new(
            ErrorCode::AccessDeniedException,
            format!(
                "User: arn:aws:iam::{}:user/{} is not authorized to perform: {action} on resource: *",
                call.cluster.account_id(),
                call.principal.name()
            ),
        )
    })?;
    Ok(ListTagsOfResourceResponse { tags: table.tags() }
        .to_json()
        .into())
}
