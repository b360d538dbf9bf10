//! DescribeLimits and DescribeEndpoints: what the account may have, and where the service is.

use serde::Serialize;
use serde::de::MapAccess;

use crate::error::ApiError;
use crate::json::read::{Context, Member, Members, read_document};
use crate::limits;

/// Checks the body of a request that has no members.
///
/// # Errors
/// A SerializationException.
pub fn parse_no_members(body: &[u8]) -> Result<(), ApiError> {
    read_document(body, &Context::default(), &mut NoMembers)
}

struct NoMembers;

impl Members for NoMembers {
    fn member<'de, A: MapAccess<'de>>(
        &mut self,
        _name: &str,
        value: Member<'_, 'de, A>,
    ) -> Result<(), A::Error> {
        value.ignore()
    }
}

/// A DescribeLimits answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescribeLimitsResponse {
    /// Provisioned read units of all tables.
    pub account_max_read_capacity_units: i64,
    /// Provisioned write units of all tables.
    pub account_max_write_capacity_units: i64,
    /// Provisioned read units of one table.
    pub table_max_read_capacity_units: i64,
    /// Provisioned write units of one table.
    pub table_max_write_capacity_units: i64,
}

impl Default for DescribeLimitsResponse {
    fn default() -> DescribeLimitsResponse {
        DescribeLimitsResponse {
            account_max_read_capacity_units: limits::ACCOUNT_PROVISIONED_UNITS_MAX,
            account_max_write_capacity_units: limits::ACCOUNT_PROVISIONED_UNITS_MAX,
            table_max_read_capacity_units: limits::PROVISIONED_UNITS_MAX,
            table_max_write_capacity_units: limits::PROVISIONED_UNITS_MAX,
        }
    }
}

impl DescribeLimitsResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        // Numbers cannot fail to serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// How long a client may keep an endpoint, minutes: a day, as the service says.
const ENDPOINT_CACHE_MINUTES: u64 = 1_440;

/// A DescribeEndpoints answer: one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeEndpointsResponse {
    /// Host, and port where it is not the default.
    pub address: String,
}

impl DescribeEndpointsResponse {
    /// The answer's body.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Endpoint<'a> {
            address: &'a str,
            cache_period_in_minutes: u64,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body<'a> {
            endpoints: [Endpoint<'a>; 1],
        }
        let body = Body {
            endpoints: [Endpoint {
                address: &self.address,
                cache_period_in_minutes: ENDPOINT_CACHE_MINUTES,
            }],
        };
        // Strings and numbers cannot fail to serialize.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}
