//! What happens to each operation: the one list, invalid by default.
//!
//! An operation is passed to the store only if it is known what it may do to items. What may write items
//! that the cache cannot name is refused, and so is every operation that is not in this list: a name
//! that a later version of the API brings must be looked at first.

use stator_model::{ApiError, ErrorCode};

/// How an operation is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handling {
    /// Item cache.
    GetItem,
    /// Item cache, key by key.
    BatchGetItem,
    /// Query cache.
    Query,
    /// Query cache.
    Scan,
    /// Written through.
    PutItem,
    /// Written through.
    DeleteItem,
    /// Written through.
    UpdateItem,
    /// Written through, item by item.
    BatchWriteItem,
    /// PartiQL: passed, and what is held of the tables that it writes is dropped.
    Statements,
    /// Passed, since it reads strongly.
    TransactGetItems,
    /// Passed, and what is held of its items is dropped.
    TransactWriteItems,
    /// Changes no item: passed.
    Pass,
    /// May change or replace a table: passed, and what is held of it is dropped.
    PassAndDrop,
    /// May write items unseen: refused.
    Refuse,
}

impl Handling {
    /// Whether it may change what caches may hold, so that the primary executes it.
    pub(crate) fn writes(self) -> bool {
        match self {
            Self::PutItem
            | Self::DeleteItem
            | Self::UpdateItem
            | Self::BatchWriteItem
            | Self::Statements
            | Self::TransactWriteItems
            | Self::PassAndDrop => true,
            Self::GetItem
            | Self::BatchGetItem
            | Self::Query
            | Self::Scan
            | Self::TransactGetItems
            | Self::Pass
            | Self::Refuse => false,
        }
    }
}

/// How `operation` is handled; `None` for a name that the API does not have.
///
/// `streams`: the target was `DynamoDBStreams_20120810`.
pub(crate) fn handling(streams: bool, operation: &str) -> Option<(&'static str, Handling)> {
    let list = if streams { STREAMS } else { DYNAMODB };
    list.iter().find(|(name, _)| *name == operation).copied()
}

/// The refusal of an operation that may write items unseen.
pub(crate) fn refusal(operation: &str) -> ApiError {
    ApiError::new(
        ErrorCode::ValidationException,
        format!(
            "{operation} is not supported by this version of the cache: it may write items that the \
                 cache cannot see; send it to the store's own endpoint"
        ),
    )
}

use Handling as H;

/// Stream records are read and nothing else.
const STREAMS: &[(&str, Handling)] = &[
    ("DescribeStream", H::Pass),
    ("GetRecords", H::Pass),
    ("GetShardIterator", H::Pass),
    ("ListStreams", H::Pass),
];

/// Every operation of `DynamoDB_20120810`.
const DYNAMODB: &[(&str, Handling)] = &[
    ("GetItem", H::GetItem),
    ("BatchGetItem", H::BatchGetItem),
    ("Query", H::Query),
    ("Scan", H::Scan),
    ("PutItem", H::PutItem),
    ("DeleteItem", H::DeleteItem),
    ("UpdateItem", H::UpdateItem),
    ("BatchWriteItem", H::BatchWriteItem),
    // Strongly consistent: nothing is served from the cache and nothing stored.
    ("TransactGetItems", H::TransactGetItems),
    ("TransactWriteItems", H::TransactWriteItems),
    // Writes that are not cut into keys here.
    ("BatchExecuteStatement", H::Statements),
    ("ExecuteStatement", H::Statements),
    ("ExecuteTransaction", H::Statements),
    ("StartBulkPutItems", H::Refuse),
    // Tables come, go or change.
    ("CreateGlobalTable", H::PassAndDrop),
    ("CreateTable", H::PassAndDrop),
    ("DeleteTable", H::PassAndDrop),
    ("ImportTable", H::PassAndDrop),
    ("RestoreTableFromBackup", H::PassAndDrop),
    ("RestoreTableToPointInTime", H::PassAndDrop),
    ("UpdateGlobalTable", H::PassAndDrop),
    ("UpdateTable", H::PassAndDrop),
    // Change no item now. What a TTL deletes later is seen when the entry ends, as in DAX.
    ("CancelBulkOperation", H::Pass),
    ("CreateBackup", H::Pass),
    ("DeleteBackup", H::Pass),
    ("DeleteResourcePolicy", H::Pass),
    ("DescribeBackup", H::Pass),
    ("DescribeBulkOperation", H::Pass),
    ("DescribeContinuousBackups", H::Pass),
    ("DescribeContributorInsights", H::Pass),
    ("DescribeEndpoints", H::Pass),
    ("DescribeExport", H::Pass),
    ("DescribeGlobalTable", H::Pass),
    ("DescribeGlobalTableSettings", H::Pass),
    ("DescribeImport", H::Pass),
    ("DescribeKinesisStreamingDestination", H::Pass),
    ("DescribeLimits", H::Pass),
    ("DescribeTable", H::Pass),
    ("DescribeTableReplicaAutoScaling", H::Pass),
    ("DescribeTimeToLive", H::Pass),
    ("DisableKinesisStreamingDestination", H::Pass),
    ("EnableKinesisStreamingDestination", H::Pass),
    ("ExportTableToPointInTime", H::Pass),
    ("GetResourcePolicy", H::Pass),
    ("ListBackups", H::Pass),
    ("ListBulkOperations", H::Pass),
    ("ListContributorInsights", H::Pass),
    ("ListExports", H::Pass),
    ("ListGlobalTables", H::Pass),
    ("ListImports", H::Pass),
    ("ListTables", H::Pass),
    ("ListTagsOfResource", H::Pass),
    ("PutResourcePolicy", H::Pass),
    ("SearchVectors", H::Pass),
    ("TagResource", H::Pass),
    ("UntagResource", H::Pass),
    ("UpdateContinuousBackups", H::Pass),
    ("UpdateContributorInsights", H::Pass),
    ("UpdateGlobalTableSettings", H::Pass),
    ("UpdateKinesisStreamingDestination", H::Pass),
    ("UpdateTableReplicaAutoScaling", H::Pass),
    ("UpdateTimeToLive", H::Pass),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_write_items_unseen_is_refused_and_unknown_names_are_unknown() {
        assert_eq!(
            handling(false, "StartBulkPutItems").map(|(_, handling)| handling),
            Some(Handling::Refuse)
        );
        assert_eq!(handling(false, "PutItems"), None);
        assert_eq!(handling(false, "GetRecords"), None);
        assert_eq!(
            handling(true, "GetRecords").map(|(_, handling)| handling),
            Some(Handling::Pass)
        );
    }
}
