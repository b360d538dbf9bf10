//! What the model reads and the planner does not carry out yet: refused whole, by name.

use stator_model::error::ApiError;
use stator_model::operations::{CreateTableRequest, UpdateTableRequest};

/// Refuses a request to create what cannot be created yet.
///
/// # Errors
/// A ValidationException that names the first such member.
pub(super) fn refuse_in_create(request: &CreateTableRequest) -> Result<(), ApiError> {
    let settings = &request.settings;
    refuse(&[
        (
            "LocalSecondaryIndexes",
            !settings.local_secondary_indexes.is_empty(),
        ),
        (
            "GlobalSecondaryIndexes",
            !settings.global_secondary_indexes.is_empty(),
        ),
        ("StreamSpecification", settings.stream_view_type.is_some()),
        ("SSESpecification", settings.sse_specification.is_some()),
        ("WarmThroughput", settings.warm_throughput.is_some()),
        ("Tags", !request.tags.is_empty()),
        ("ResourcePolicy", request.resource_policy.is_some()),
    ])
}

/// Refuses a change that cannot be made yet.
///
/// # Errors
/// A ValidationException that names the first such member.
pub(super) fn refuse_in_update(request: &UpdateTableRequest) -> Result<(), ApiError> {
    let stream = request.stream_specification;
    let sse = request.sse_specification.as_ref();
    refuse(&[
        (
            "GlobalSecondaryIndexUpdates",
            !request.global_secondary_index_updates.is_empty(),
        ),
        (
            "StreamSpecification",
            stream.is_some_and(|stream| stream.stream_enabled),
        ),
        ("SSESpecification", sse.is_some_and(|sse| sse.enabled)),
        ("WarmThroughput", request.warm_throughput.is_some()),
    ])
}

fn refuse(members: &[(&str, bool)]) -> Result<(), ApiError> {
    match members.iter().find(|(_, asked)| *asked) {
        Some((member, _)) => Err(ApiError::not_supported(member)),
        None => Ok(()),
    }
}
