//! What the operations of streams share: finding a stream by its ARN.

use stator_model::error::{ApiError, ErrorCode};
use stator_model::operations::StreamArn;

use super::request::newest_catalog;
use super::service::Call;
use crate::cluster::catalog::table::table_arn;
use crate::cluster::streams::StreamSource;

/// The stream of that ARN; when this node does not know it, it asks for the newest catalog.
///
/// # Errors
/// ValidationException for what is no stream's ARN, ResourceNotFoundException.
pub(super) async fn find_stream(call: &Call<'_>, arn: &str) -> Result<StreamSource, ApiError> {
    let parts = StreamArn::parse(arn)?;
    let cluster = call.cluster;
    let is_ours = parts.region == cluster.region() && parts.account_id == cluster.account_id();
    if !is_ours {
        return Err(no_such_stream(arn));
    }
    if let Some(source) = cluster.stream(parts.table_name, parts.label) {
        return Ok(source);
    }
    newest_catalog(call).await?;
    cluster
        .stream(parts.table_name, parts.label)
        .ok_or_else(|| no_such_stream(arn))
}

/// The ARN of a stream.
pub(super) fn stream_arn(call: &Call<'_>, source: &StreamSource) -> String {
    let cluster = call.cluster;
    let table = table_arn(cluster.region(), cluster.account_id(), &source.table_name);
    format!("{table}/stream/{}", source.label())
}

/// The error for a stream that is not there, or not any more.
pub(super) fn no_such_stream(arn: &str) -> ApiError {
    ApiError::new(
        ErrorCode::ResourceNotFoundException,
        format!("Requested resource not found: Stream: {arn} not found"),
    )
}
