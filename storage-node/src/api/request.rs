//! What operations share: authorisation, and finding a table by name or ARN.

use std::sync::Arc;
use std::time::Duration;

use stator_model::error::{ApiError, ErrorCode};
use tokio::time::Instant;

use super::service::Call;
use crate::cluster::Table;
use crate::cluster::catalog::table::table_arn;

/// How long a control-plane read waits for the newest catalog: an election and a little.
const NEWEST_WITHIN: Duration = Duration::from_secs(4);

/// Asks whether the caller may do this.
///
/// # Errors
/// AccessDeniedException.
pub(super) fn authorize<R: std::fmt::Display + ?Sized>(
    call: &Call<'_>,
    action: &str,
    resource: &R,
) -> Result<(), ApiError> {
    stator_kit::access::authorize(call.principal, action, resource)
        .map_err(|denied| ApiError::new(ErrorCode::AccessDeniedException, denied.to_string()))
}

/// The ARN of a table, written only when somebody looks.
struct TableResource<'a> {
    call: &'a Call<'a>,
    name: &'a str,
}

impl std::fmt::Display for TableResource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cluster = self.call.cluster;
        f.write_str(&table_arn(
            cluster.region(),
            cluster.account_id(),
            self.name,
        ))
    }
}

/// Asks whether the caller may do this to a table.
///
/// # Errors
/// AccessDeniedException.
pub(super) fn authorize_table(call: &Call<'_>, action: &str, name: &str) -> Result<(), ApiError> {
    authorize(call, action, &TableResource { call, name })
}

/// The table's name in a `TableName` member, which may be a whole ARN.
///
/// # Errors
/// ResourceNotFoundException for an ARN of another account or Region.
pub(super) fn table_name<'a>(call: &Call<'_>, given: &'a str) -> Result<&'a str, ApiError> {
    let Some(rest) = given.strip_prefix("arn:") else {
        return Ok(given);
    };
    let cluster = call.cluster;
    let ours = rest
        .strip_prefix("aws:dynamodb:")
        .and_then(|rest| rest.strip_prefix(cluster.region()))
        .and_then(|rest| rest.strip_prefix(':'))
        .and_then(|rest| rest.strip_prefix(cluster.account_id()))
        .and_then(|rest| rest.strip_prefix(":table/"));
    ours.ok_or_else(ApiError::not_found)
}

/// A table that takes requests; when this node does not know it, it asks for the newest catalog.
///
/// # Errors
/// ResourceNotFoundException, or a 500 when the catalog cannot be had.
pub(super) async fn active_table(call: &Call<'_>, name: &str) -> Result<Arc<Table>, ApiError> {
    if let Some(table) = call
        .cluster
        .catalog()
        .table(name)
        .filter(|table| table.is_active())
    {
        return Ok(table);
    }
    call.cluster.barrier(call.deadline).await?;
    call.cluster
        .catalog()
        .table(name)
        .filter(|table| table.is_active())
        .ok_or_else(ApiError::not_found)
}

/// Brings this node's catalog up to date for a control-plane read. When the meta group has no leader
/// within [`NEWEST_WITHIN`], what this node knows has to do: DescribeTable may lag.
///
/// # Errors
/// Those of a node that has never seen a catalog.
pub(super) async fn newest_catalog(call: &Call<'_>) -> Result<(), ApiError> {
    let soon = call.deadline.min(Instant::now() + NEWEST_WITHIN);
    match call.cluster.barrier(soon).await {
        Ok(()) => Ok(()),
        Err(error) if call.cluster.catalog().current().version == 0 => Err(error),
        Err(_) => Ok(()),
    }
}
