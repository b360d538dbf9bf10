//! UpdateTable changes one concern at a time: which members go together in one request.

use super::UpdateTableRequest;
use crate::error::ApiError;
use crate::operations::control_wire::IndexUpdateShape;
use crate::table::{BillingMode, WarmThroughput};

/// Refuses members that do not go together. The billing mode goes with throughput and, when it
/// becomes on-demand, with a stream, upper limits, or an index to make or remove. A changed capacity
/// of an index (`indexes` are the changes of indexes) goes with everything but encryption, class and
/// deletion protection.
///
/// # Errors
/// A ValidationException that names the first member that had to be alone. The words about IOPS and
/// stream status speak of the request, not of a change that is running.
pub(super) fn check(
    request: &UpdateTableRequest,
    indexes: &[IndexUpdateShape],
) -> Result<(), ApiError> {
    let units = request.provisioned_throughput.is_some();
    let billing = request.billing_mode.is_some();
    let limits = request.on_demand_throughput.is_some();
    // An empty structure asks for nothing.
    let warm = request
        .warm_throughput
        .is_some_and(|warm| warm != WarmThroughput::default());
    let stream = request.stream_specification.is_some();
    let encryption = request.sse_specification.is_some();
    let class = request.table_class.is_some();
    let protection = request.deletion_protection_enabled.is_some();
    let concerns = [
        units || billing,
        limits,
        warm,
        stream,
        encryption,
        class,
        protection,
        !indexes.is_empty(),
    ];
    if concerns.iter().filter(|asked| **asked).count() < 2 {
        return Ok(());
    }
    for (asked, words) in [
        (
            encryption,
            "Server-Side Encryption modification must be the only operation in the request",
        ),
        (
            class,
            "TableClass modification must be the only operation in the request",
        ),
        (
            protection,
            "DeletionProtection modification must be the only operation in the request",
        ),
    ] {
        if asked {
            return Err(ApiError::invalid_parameter(words));
        }
    }
    let creates = indexes.iter().any(|index| index.create.is_some());
    let deletes = indexes.iter().any(|index| index.delete.is_some());
    if warm && creates {
        return Err(ApiError::invalid_parameter(
            "Create global secondary index cannot be specified when updating WarmThroughput",
        ));
    }
    // The warm throughput of the table and that of its indexes are one concern.
    if warm && (units || billing || stream || deletes) {
        return Err(ApiError::invalid_parameter(
            "WarmThroughput must be the only operation in the request",
        ));
    }
    // So are the upper limits; units beside limits have words of their own.
    if limits && (stream || warm || creates || deletes) {
        return Err(ApiError::invalid_parameter(
            "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request",
        ));
    }
    let provisioned = units || request.billing_mode == Some(BillingMode::Provisioned);
    if provisioned && stream {
        return Err(ApiError::invalid_parameter(
            "You cannot modify stream status while updating table IOPS",
        ));
    }
    if provisioned && (creates || deletes) {
        return Err(ApiError::invalid_parameter(
            "You cannot create or delete index while updating table IOPS",
        ));
    }
    if stream && (creates || deletes) {
        return Err(ApiError::invalid_parameter(
            "You cannot create or delete index while changing stream status",
        ));
    }
    Ok(())
}
