//! The names of all operations, built or not.
//!
//! Source: public service models of DynamoDB (62 operations) and DynamoDB Streams (4).

/// The API that an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// `DynamoDB_20120810`.
    DynamoDb,
    /// `DynamoDBStreams_20120810`.
    Streams,
}

macro_rules! operations {
    (dynamodb: $($name:ident)+; streams: $($stream:ident)+;) => {
        /// An operation of DynamoDB or DynamoDB Streams, by its name in the API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)+
            $(#[doc = concat!("`", stringify!($stream), "` of DynamoDB Streams")] $stream,)+
        }

        impl Operation {
            /// Every operation that the service has.
            pub const ALL: &'static [Operation] =
                &[$(Operation::$name,)+ $(Operation::$stream,)+];

            /// The name in the API.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Operation::$name => stringify!($name),)+
                    $(Operation::$stream => stringify!($stream),)+
                }
            }

            /// The API that the operation belongs to.
            pub fn service(self) -> Service {
                match self {
                    $(Operation::$name => Service::DynamoDb,)+
                    $(Operation::$stream => Service::Streams,)+
                }
            }

            /// The operation of an `X-Amz-Target` header. Version and name must be exact.
            pub fn from_target(target: &str) -> Option<Operation> {
                match target.split_once('.')? {
                    ("DynamoDB_20120810", name) => match name {
                        $(stringify!($name) => Some(Operation::$name),)+
                        _ => None,
                    },
                    ("DynamoDBStreams_20120810", name) => match name {
                        $(stringify!($stream) => Some(Operation::$stream),)+
                        _ => None,
                    },
                    _ => None,
                }
            }
        }
    };
}

operations! {
    dynamodb:
        BatchExecuteStatement
        BatchGetItem
        BatchWriteItem
        CancelBulkOperation
        CreateBackup
        CreateGlobalTable
        CreateTable
        DeleteBackup
        DeleteItem
        DeleteResourcePolicy
        DeleteTable
        DescribeBackup
        DescribeBulkOperation
        DescribeContinuousBackups
        DescribeContributorInsights
        DescribeEndpoints
        DescribeExport
        DescribeGlobalTable
        DescribeGlobalTableSettings
        DescribeImport
        DescribeKinesisStreamingDestination
        DescribeLimits
        DescribeTable
        DescribeTableReplicaAutoScaling
        DescribeTimeToLive
        DisableKinesisStreamingDestination
        EnableKinesisStreamingDestination
        ExecuteStatement
        ExecuteTransaction
        ExportTableToPointInTime
        GetItem
        GetResourcePolicy
        ImportTable
        ListBackups
        ListBulkOperations
        ListContributorInsights
        ListExports
        ListGlobalTables
        ListImports
        ListTables
        ListTagsOfResource
        PutItem
        PutResourcePolicy
        Query
        RestoreTableFromBackup
        RestoreTableToPointInTime
        Scan
        SearchVectors
        StartBulkPutItems
        TagResource
        TransactGetItems
        TransactWriteItems
        UntagResource
        UpdateContinuousBackups
        UpdateContributorInsights
        UpdateGlobalTable
        UpdateGlobalTableSettings
        UpdateItem
        UpdateKinesisStreamingDestination
        UpdateTable
        UpdateTableReplicaAutoScaling
        UpdateTimeToLive
    ;
    streams:
        DescribeStream
        GetRecords
        GetShardIterator
        ListStreams
    ;
}

impl Operation {
    /// The `X-Amz-Target` header of the operation.
    pub fn target(self) -> String {
        let version = match self.service() {
            Service::DynamoDb => "DynamoDB_20120810",
            Service::Streams => "DynamoDBStreams_20120810",
        };
        format!("{version}.{}", self.as_str())
    }

    /// The action that the operation needs, as policies spell it, for the operations where it is
    /// one and the same.
    pub fn action(self) -> String {
        format!("dynamodb:{}", self.as_str())
    }

    /// Whether this version does it. The others are known by name and refused as not supported.
    pub fn is_built(self) -> bool {
        matches!(
            self,
            Operation::CreateTable
                | Operation::UpdateTable
                | Operation::DescribeTable
                | Operation::ListTables
                | Operation::DeleteTable
                | Operation::PutItem
                | Operation::GetItem
                | Operation::UpdateItem
                | Operation::DeleteItem
                | Operation::Query
                | Operation::Scan
                | Operation::BatchGetItem
                | Operation::BatchWriteItem
                | Operation::UpdateTimeToLive
                | Operation::DescribeTimeToLive
                | Operation::TagResource
                | Operation::UntagResource
                | Operation::ListTagsOfResource
                | Operation::DescribeLimits
                | Operation::DescribeEndpoints
                | Operation::UpdateContinuousBackups
                | Operation::DescribeContinuousBackups
                | Operation::UpdateContributorInsights
                | Operation::DescribeContributorInsights
                | Operation::ListContributorInsights
                | Operation::PutResourcePolicy
                | Operation::GetResourcePolicy
                | Operation::DeleteResourcePolicy
                | Operation::ListStreams
                | Operation::DescribeStream
                | Operation::GetShardIterator
                | Operation::GetRecords
                | Operation::ExecuteStatement
                | Operation::BatchExecuteStatement
                | Operation::ExecuteTransaction
                | Operation::TransactGetItems
                | Operation::TransactWriteItems
        )
    }

    /// The refusal of a known operation that this version does not do.
    pub fn not_supported(self) -> crate::error::ApiError {
        crate::error::ApiError::validation(format!(
            "The operation {} is not supported by this version",
            self.as_str()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_service_is_known() {
        assert_eq!(Operation::ALL.len(), 62 + 4);
        for operation in Operation::ALL {
            assert_eq!(
                Operation::from_target(&operation.target()),
                Some(*operation)
            );
        }
        assert_eq!(
            Operation::ALL
                .iter()
                .filter(|operation| operation.is_built())
                .count(),
            37
        );
    }

    #[test]
    fn other_targets_are_unknown() {
        for target in [
            "",
            "PutItem",
            "DynamoDB_20111205.PutItem",
            "DynamoDB_20120810.putItem",
            "DynamoDB_20120810.GetRecords",
            "DynamoDBStreams_20120810.PutItem",
            "DynamoDB_20120810.PutItem.",
        ] {
            assert_eq!(Operation::from_target(target), None, "{target}");
        }
    }
}
