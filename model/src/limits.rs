//! The service's limits. Source: developer guide, "Service, account, and table quotas", and the
//! constraints of the public service model.

/// Largest item, names and values: 400 × 1,024 bytes.
pub const ITEM_SIZE_BYTES_MAX: usize = 400 * 1024;
/// Levels of nesting in an item; the top-level attribute is level 1.
pub const NESTING_LEVELS_MAX: usize = 32;
/// Largest partition key value.
pub const PARTITION_KEY_BYTES_MAX: usize = 2_048;
/// Largest sort key value.
pub const SORT_KEY_BYTES_MAX: usize = 1_024;
/// Longest attribute name.
pub const ATTRIBUTE_NAME_BYTES_MAX: usize = 65_535;
/// Longest name of a key attribute.
pub const KEY_ATTRIBUTE_NAME_LENGTH_MAX: usize = 255;
/// Shortest table or index name.
pub const TABLE_NAME_LENGTH_MIN: usize = 3;
/// Longest table or index name.
pub const TABLE_NAME_LENGTH_MAX: usize = 255;
/// Longest table ARN where a table name is accepted.
pub const TABLE_ARN_LENGTH_MAX: usize = 1_024;
/// Longest expression text, checked before it is parsed.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// Most operators in one expression.
pub const EXPRESSION_OPERATORS_MAX: usize = 300;
/// Most candidates of one IN.
pub const IN_CANDIDATES_MAX: usize = 100;
/// Longest `#name` or `:value` placeholder, with its sigil.
pub const PLACEHOLDER_BYTES_MAX: usize = 255;
/// All expression attribute names and values together.
pub const EXPRESSION_ATTRIBUTES_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What one page of Query or Scan may evaluate, before the filter.
pub const PAGE_SIZE_BYTES_MAX: usize = 1024 * 1024;
/// Most segments of a parallel Scan.
pub const SCAN_SEGMENTS_MAX: u32 = 1_000_000;
/// Most keys of one BatchGetItem.
pub const BATCH_GET_KEYS_MAX: usize = 100;
/// Most bytes of items that one BatchGetItem returns.
pub const BATCH_GET_SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most requests of one BatchWriteItem.
pub const BATCH_WRITE_REQUESTS_MAX: usize = 25;
/// Most bytes of items that one BatchWriteItem puts.
pub const BATCH_WRITE_SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Largest HTTP body; above it the answer is 413.
pub const BODY_SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Names on one page of ListTables.
pub const LIST_TABLES_PAGE_MAX: usize = 100;
/// Tables of one account in one Region, by default.
pub const TABLES_PER_ACCOUNT_MAX: usize = 2_500;
/// Read or write units that one table may be provisioned with, by default.
pub const PROVISIONED_UNITS_MAX: i64 = 40_000;
/// Read or write units that all provisioned tables of one account may have, by default.
pub const ACCOUNT_PROVISIONED_UNITS_MAX: i64 = 80_000;
/// Read units a second that one partition serves at most.
pub const PARTITION_READ_UNITS_MAX: u32 = 3_000;
/// Write units a second that one partition serves at most.
pub const PARTITION_WRITE_UNITS_MAX: u32 = 1_000;
/// Read units a second that a new on-demand table serves.
pub const ON_DEMAND_READ_UNITS_INITIAL: i64 = 12_000;
/// Write units a second that a new on-demand table serves.
pub const ON_DEMAND_WRITE_UNITS_INITIAL: i64 = 4_000;
/// Local secondary indexes of one table.
pub const LOCAL_INDEXES_MAX: usize = 5;
/// Global secondary indexes of one table, by default.
pub const GLOBAL_INDEXES_MAX: usize = 20;
/// HASH attributes of a global index, and RANGE attributes of one.
pub const INDEX_KEY_ATTRIBUTES_MAX: usize = 4;
/// `NonKeyAttributes` of one index.
pub const NON_KEY_ATTRIBUTES_MAX: usize = 20;
/// `NonKeyAttributes` summed over all indexes of a table.
pub const NON_KEY_ATTRIBUTES_TOTAL_MAX: usize = 100;
/// Tags of one table.
pub const TAGS_MAX: usize = 50;
/// Longest key of a tag.
pub const TAG_KEY_LENGTH_MAX: usize = 128;
/// Longest value of a tag.
pub const TAG_VALUE_LENGTH_MAX: usize = 256;
/// Largest resource policy, white space included.
pub const RESOURCE_POLICY_BYTES_MAX: usize = 20 * 1024;
/// Most actions of one transaction.
pub const TRANSACTION_ACTIONS_MAX: usize = 100;
/// Most bytes that the actions of one transaction may hold, or its reads may return.
pub const TRANSACTION_SIZE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest PartiQL statement, in characters.
pub const STATEMENT_LENGTH_MAX: usize = 8_192;
/// Most statements of one BatchExecuteStatement.
pub const BATCH_STATEMENTS_MAX: usize = 25;
/// Most statements of one ExecuteTransaction.
pub const TRANSACTION_STATEMENTS_MAX: usize = 100;
/// Longest `NextToken`.
pub const NEXT_TOKEN_LENGTH_MAX: usize = 32_768;
/// Longest `ClientRequestToken`.
pub const CLIENT_REQUEST_TOKEN_LENGTH_MAX: usize = 36;
