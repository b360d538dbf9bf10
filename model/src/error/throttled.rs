//! Why a request was throttled, and the error that says so.
//!
//! Source: public service model, `ThrottlingReason`; texts observed on the service.

use super::{ApiError, ErrorCode};

/// One reason of a throttled request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThrottlingReason {
    /// `<Table|Index><Read|Write><Limit>`.
    pub reason: String,
    /// ARN of the table or index.
    pub resource: String,
}

/// Reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usage {
    /// Read units.
    Read,
    /// Write units.
    Write,
}

/// The limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThroughputLimit {
    /// The units that a table or index is provisioned with.
    ProvisionedThroughput,
    /// The quota of the account, or what an on-demand table serves for now.
    AccountLimit,
    /// What one partition serves.
    KeyRangeThroughput,
    /// `OnDemandThroughput`.
    MaxOnDemandThroughput,
}

impl ThroughputLimit {
    fn as_str(self) -> &'static str {
        match self {
            ThroughputLimit::ProvisionedThroughput => "ProvisionedThroughputExceeded",
            ThroughputLimit::AccountLimit => "AccountLimitExceeded",
            ThroughputLimit::KeyRangeThroughput => "KeyRangeThroughputExceeded",
            ThroughputLimit::MaxOnDemandThroughput => "MaxOnDemandThroughputExceeded",
        }
    }
}

/// A table or index that is out of capacity.
#[derive(Clone, Copy, Debug)]
pub struct Throttled<'a> {
    /// ARN of the table or index.
    pub resource: &'a str,
    /// Whether it is an index.
    pub is_index: bool,
    /// Whether it is on-demand.
    pub on_demand: bool,
    /// Reading or writing.
    pub usage: Usage,
    /// What was reached.
    pub limit: ThroughputLimit,
}

const TABLE_PROVISIONED: &str = "The level of configured provisioned throughput for the table was \
     exceeded. Consider increasing your provisioning level with the UpdateTable API.";
const INDEX_PROVISIONED: &str = "The level of configured provisioned throughput for one or more \
     global secondary indexes of the table was exceeded. Consider increasing your provisioning \
     level for the under-provisioned global secondary indexes with the UpdateTable API";
const ON_DEMAND: &str = "Throughput exceeds the current capacity of your table or index. DynamoDB \
     is automatically scaling your table or index so please try again shortly. If exceptions \
     persist, check if you have a hot key: \
     https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html";
const ON_DEMAND_MAX: &str = "Throughput exceeds the maximum OnDemandThroughput configured on table \
     or index. Increase the maximum with the UpdateTable API, or try again later.";

impl From<Throttled<'_>> for ApiError {
    fn from(throttled: Throttled<'_>) -> ApiError {
        let Throttled {
            resource,
            is_index,
            on_demand,
            usage,
            limit,
        } = throttled;
        let (code, text) = match (on_demand, limit, is_index) {
            (true, ThroughputLimit::MaxOnDemandThroughput, _) => {
                (ErrorCode::ThrottlingException, ON_DEMAND_MAX)
            }
            (true, _, _) => (ErrorCode::ThrottlingException, ON_DEMAND),
            (false, _, false) => (
                ErrorCode::ProvisionedThroughputExceededException,
                TABLE_PROVISIONED,
            ),
            (false, _, true) => (
                ErrorCode::ProvisionedThroughputExceededException,
                INDEX_PROVISIONED,
            ),
        };
        let arm = if is_index { "Index" } else { "Table" };
        let usage = match usage {
            Usage::Read => "Read",
            Usage::Write => "Write",
        };
        ApiError {
            throttling_reasons: vec![ThrottlingReason {
                reason: format!("{arm}{usage}{}", limit.as_str()),
                resource: resource.to_owned(),
            }],
            ..ApiError::new(code, text)
        }
    }
}

impl ApiError {
    /// Whether a table or index was out of capacity: in a batch, the request is then unprocessed.
    pub fn is_throttled(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::ProvisionedThroughputExceededException
                | ErrorCode::ThrottlingException
                | ErrorCode::RequestLimitExceeded
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_follows_billing_mode_and_limit() {
        let check = |is_index, on_demand, limit, code: ErrorCode, reason: &str| {
            let error = ApiError::from(Throttled {
                resource: "arn",
                is_index,
                on_demand,
                usage: Usage::Write,
                limit,
            });
            assert_eq!(error.code, code);
            assert_eq!(error.throttling_reasons[0].reason, reason);
            assert!(error.is_throttled() && error.code.is_retryable());
        };
        check(
            false,
            false,
            ThroughputLimit::ProvisionedThroughput,
            ErrorCode::ProvisionedThroughputExceededException,
            "TableWriteProvisionedThroughputExceeded",
        );
        check(
            true,
            false,
            ThroughputLimit::KeyRangeThroughput,
            ErrorCode::ProvisionedThroughputExceededException,
            "IndexWriteKeyRangeThroughputExceeded",
        );
        check(
            false,
            true,
            ThroughputLimit::MaxOnDemandThroughput,
            ErrorCode::ThrottlingException,
            "TableWriteMaxOnDemandThroughputExceeded",
        );
    }
}
