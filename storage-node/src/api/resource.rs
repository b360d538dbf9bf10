//! Operations on a table's ARN: finding the table.

use std::sync::Arc;

use stator_model::error::ApiError;
use stator_model::operations::TableArn;

use super::request::{authorize, newest_catalog};
use super::service::Call;
use crate::cluster::Table;

/// Asks whether the caller may do this to the resource, and finds the table by the newest catalog;
/// `None` if this cluster has no such table.
///
/// # Errors
/// AccessDeniedException, or a 500 when the catalog cannot be had.
pub(super) async fn table_of(
    call: &Call<'_>,
    action: &str,
    arn: &str,
) -> Result<Option<Arc<Table>>, ApiError> {
    authorize(call, action, arn)?;
    newest_catalog(call).await?;
    let table = TableArn::parse(arn).and_then(|arn| call.cluster.catalog().table(arn.table_name));
    Ok(table.filter(|table| table.arn == arn))
}
