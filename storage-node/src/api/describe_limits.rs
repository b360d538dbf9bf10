//! DescribeLimits and DescribeEndpoints.

use bytes::Bytes;
use stator_model::error::ApiError;
use stator_model::operations::{
    DescribeEndpointsResponse, DescribeLimitsResponse, parse_no_members,
};

use super::request::authorize;
use super::service::Call;

pub(super) fn limits(call: &Call<'_>) -> Result<Bytes, ApiError> {
    parse_no_members(&call.body)?;
    authorize(call, "dynamodb:DescribeLimits", "*")?;
    Ok(DescribeLimitsResponse::default().to_json().into())
}

/// The endpoint is the one that the client has found already.
pub(super) fn endpoints(call: &Call<'_>) -> Result<Bytes, ApiError> {
    parse_no_members(&call.body)?;
    authorize(call, "dynamodb:DescribeEndpoints", "*")?;
    let address = call.host.map_or_else(
        || format!("dynamodb.{}.amazonaws.com", call.cluster.region()),
        str::to_owned,
    );
    Ok(DescribeEndpointsResponse { address }.to_json().into())
}
