//! The operations: requests read from JSON and checked in the service's order with its texts,
//! answers written as JSON, and the same from a client's side.
//!
//! `XxxRequest::parse` does the checks that come before expressions are parsed: JSON types, the
//! table name, the model's constraints, attribute values, and how expressions and their placeholders
//! go together. What comes after (illegal combinations, sizes) is in methods named `check_…`, and
//! whoever handles the request calls them in this order: expressions parsed, `check_…`, unused
//! placeholders, `check_size`, then the table. Expressions stay text here.

mod batch_execute_statement;
mod batch_get_item;
mod batch_write_item;
mod constraints;
mod continuous_backups;
mod contributor_insights;
mod control_wire;
mod create_table;
mod data_wire;
mod delete_item;
mod delete_table;
mod describe_limits;
mod describe_table;
mod execute_statement;
mod execute_transaction;
mod expressions;
mod get_item;
mod index_rules;
mod legacy;
mod list_tables;
mod messages;
mod name;
mod parameters;
mod put_item;
mod query;
mod resource_arn;
mod resource_policy;
mod scan;
mod statements;
mod stream_label;
mod streams;
mod tag_rules;
mod tags;
mod time_to_live;
mod transact_get_items;
mod transact_write_items;
mod update_item;
mod update_table;
mod warm_rules;
mod write_response;

pub use batch_execute_statement::{
    BatchExecuteStatementRequest, BatchStatementRequest, batch_statement_error_code,
};
pub use batch_get_item::{BatchGetItemRequest, BatchGetItemResponse, KeysAndAttributes};
pub use batch_write_item::{BatchWriteItemRequest, BatchWriteItemResponse, WriteRequest};
pub use continuous_backups::{
    ContinuousBackupsResponse, DescribeContinuousBackupsRequest, PointInTimeRecovery,
    RECOVERY_PERIOD_DAYS_MAX, UpdateContinuousBackupsRequest, backup_table_not_found,
};
pub use contributor_insights::{
    ContributorInsights, ContributorInsightsMode, ContributorInsightsStatus,
    DescribeContributorInsightsRequest, ListContributorInsightsRequest,
    ListContributorInsightsResponse, UpdateContributorInsightsRequest,
};
pub use create_table::{CreateTableRequest, CreateTableResponse};
pub use delete_item::{DeleteItemRequest, DeleteItemResponse};
pub use delete_table::{DeleteTableRequest, DeleteTableResponse};
pub use describe_limits::{DescribeEndpointsResponse, DescribeLimitsResponse, parse_no_members};
pub use describe_table::{DescribeTableRequest, DescribeTableResponse};
pub use execute_statement::ExecuteStatementRequest;
pub use execute_transaction::{ExecuteTransactionRequest, ParameterizedStatement};
pub use get_item::{GetItemRequest, GetItemResponse};
pub use legacy::{
    AttributeUpdates, AttributeValueUpdate, Condition, Conditions, Expected,
    ExpectedAttributeValue, Expressions,
};
pub use list_tables::{ListTablesRequest, ListTablesResponse};
pub use name::{Operation, Service};
pub use parameters::{
    AttributeAction, ComparisonOperator, ConditionalOperator, ReturnConsumedCapacity,
    ReturnItemCollectionMetrics, ReturnValues, ReturnValuesOnConditionCheckFailure, Select,
};
pub use put_item::{PutItemRequest, PutItemResponse};
pub use query::{QueryRequest, QueryResponse};
pub use resource_arn::TableArn;
pub use resource_policy::{
    NO_POLICY, PutResourcePolicyRequest, ResourcePolicyRequest, ResourcePolicyResponse,
    policy_not_found,
};
pub use scan::{ScanRequest, ScanResponse};
pub use stream_label::stream_label;
pub use streams::{
    DescribeStreamRequest, DescribeStreamResponse, GetRecordsRequest, GetRecordsResponse,
    GetShardIteratorRequest, GetShardIteratorResponse, ListStreamsRequest, ListStreamsResponse,
    Record, RecordEvent, SequenceNumberRange, Shard, ShardIteratorStart, StreamArn, StreamStatus,
    StreamSummary,
};
pub use tag_rules::merge_tags;
pub use tags::{
    ListTagsOfResourceRequest, ListTagsOfResourceResponse, TagResourceRequest, UntagResourceRequest,
};
pub use time_to_live::{
    DescribeTimeToLiveRequest, DescribeTimeToLiveResponse, TimeToLiveDescription,
    TimeToLiveSpecification, TimeToLiveStatus, UpdateTimeToLiveRequest, UpdateTimeToLiveResponse,
};
pub use transact_get_items::{TransactGet, TransactGetItemsRequest};
pub use transact_write_items::{TransactWriteAction, TransactWriteItem, TransactWriteItemsRequest};
pub use update_item::{UpdateItemRequest, UpdateItemResponse};
pub use update_table::{UpdateTableRequest, UpdateTableResponse, one_online_index_at_a_time};

#[cfg(test)]
mod tests;
