//! Tables: what a request fixes ([`TableSettings`]) and what DescribeTable tells
//! ([`TableDescription`]).
//!
//! Source: public service model, `TableDescription` and what it holds.

use serde::{Deserialize, Serialize};

use crate::key::{KeySchema, ScalarType};
use crate::limits;

mod description;
mod index;
mod settings;

pub(crate) use description::warm_units;
pub use description::{
    BillingModeSummary, GlobalSecondaryIndexDescription, IndexFacts,
    IndexWarmThroughputDescription, LocalSecondaryIndexDescription, OnDemandThroughputDescription,
    ProvisionedThroughputDescription, SseDescription, TableClassSummary, TableDescription,
    TableFacts, TableWarmThroughputDescription, index_arn,
};
pub use index::{
    GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, IndexCapacityUpdate, IndexKeySchema,
    IndexName, IndexStatus, LocalSecondaryIndex, NewGlobalSecondaryIndex, NewLocalSecondaryIndex,
    Projection, ProjectionType,
};
pub use settings::{SseSpecification, StreamSpecification, StreamViewType, Tag, WarmThroughput};

/// What a table is, apart from its data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSettings {
    /// The name, unique in the cluster.
    pub table_name: String,
    /// The primary key; it never changes.
    pub key_schema: KeySchema,
    /// The types of the key attributes, in the order of the request.
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// How capacity is paid for.
    pub billing_mode: BillingMode,
    /// The provisioned units, for [`BillingMode::Provisioned`].
    pub provisioned_throughput: Option<ProvisionedThroughput>,
    /// Upper limits, for [`BillingMode::PayPerRequest`].
    pub on_demand_throughput: Option<OnDemandThroughput>,
    /// What the table shall serve at once, as far as it was asked for.
    pub warm_throughput: Option<WarmThroughput>,
    /// Local indexes, in the order of the request.
    pub local_secondary_indexes: Vec<LocalSecondaryIndex>,
    /// Global indexes, in the order of the requests that made them.
    pub global_secondary_indexes: Vec<GlobalSecondaryIndex>,
    /// What the stream records; `None` while there is no stream.
    pub stream_view_type: Option<StreamViewType>,
    /// Encryption under a key of KMS, if it was asked for.
    pub sse_specification: Option<SseSpecification>,
    /// The storage class.
    pub table_class: TableClass,
    /// Whether DeleteTable is refused.
    pub deletion_protection_enabled: bool,
}

/// The type of one key attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AttributeDefinition {
    /// The attribute's name.
    pub attribute_name: String,
    /// Its type.
    pub attribute_type: ScalarType,
}

/// One element of a key as the API lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct KeySchemaElement {
    /// The attribute's name.
    pub attribute_name: String,
    /// Partition or sort key.
    pub key_type: KeyType,
}

/// The role of a key attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// Partition key.
    #[serde(rename = "HASH")]
    Hash,
    /// Sort key.
    #[serde(rename = "RANGE")]
    Range,
}

impl KeyType {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyType::Hash => "HASH",
            KeyType::Range => "RANGE",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<KeyType> {
        [KeyType::Hash, KeyType::Range]
            .into_iter()
            .find(|key_type| key_type.as_str() == name)
    }
}

/// How a table's capacity is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum BillingMode {
    /// By provisioned units.
    #[default]
    #[serde(rename = "PROVISIONED")]
    Provisioned,
    /// By requests.
    #[serde(rename = "PAY_PER_REQUEST")]
    PayPerRequest,
}

/// The storage class of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableClass {
    /// The usual one.
    #[default]
    #[serde(rename = "STANDARD")]
    Standard,
    /// For data that is seldom read.
    #[serde(rename = "STANDARD_INFREQUENT_ACCESS")]
    StandardInfrequentAccess,
}

/// Where a table is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TableStatus {
    /// Being made; data calls do not find it yet.
    Creating,
    /// In use.
    Active,
    /// In use, with a change under way.
    Updating,
    /// Being removed.
    Deleting,
    /// The encryption key cannot be reached.
    InaccessibleEncryptionCredentials,
    /// Being archived.
    Archiving,
    /// Archived.
    Archived,
    /// A replica may not be replicated to.
    ReplicationNotAuthorized,
}

/// Units that a table is provisioned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProvisionedThroughput {
    /// Read units a second.
    pub read_capacity_units: i64,
    /// Write units a second.
    pub write_capacity_units: i64,
}

/// Upper limits of an on-demand table; absent members do not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDemandThroughput {
    /// Most read units a second.
    #[serde(
        rename = "MaxReadRequestUnits",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub max_read_request_units: Option<i64>,
    /// Most write units a second.
    #[serde(
        rename = "MaxWriteRequestUnits",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub max_write_request_units: Option<i64>,
}

impl KeySchema {
    /// The key as the API lists it: HASH, then RANGE.
    pub fn elements(&self) -> Vec<KeySchemaElement> {
        let element = |name: &str, key_type| KeySchemaElement {
            attribute_name: name.to_owned(),
            key_type,
        };
        std::iter::once(element(&self.partition_key.name, KeyType::Hash))
            .chain(
                self.sort_key
                    .iter()
                    .map(|sort_key| element(&sort_key.name, KeyType::Range)),
            )
            .collect()
    }
}

impl BillingMode {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            BillingMode::Provisioned => "PROVISIONED",
            BillingMode::PayPerRequest => "PAY_PER_REQUEST",
        }
    }

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<BillingMode> {
        [BillingMode::Provisioned, BillingMode::PayPerRequest]
            .into_iter()
            .find(|mode| mode.as_str() == name)
    }
}

impl TableClass {
    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            TableClass::Standard => "STANDARD",
            TableClass::StandardInfrequentAccess => "STANDARD_INFREQUENT_ACCESS",
        }
    }

    /// The class of that name.
    pub fn from_name(name: &str) -> Option<TableClass> {
        [TableClass::Standard, TableClass::StandardInfrequentAccess]
            .into_iter()
            .find(|class| class.as_str() == name)
    }
}

impl TableSettings {
    /// Settings of an on-demand table with that key and nothing else asked for.
    pub fn on_demand(table_name: impl Into<String>, key_schema: KeySchema) -> TableSettings {
        let attribute_definitions = key_schema
            .attributes()
            .map(|attribute| AttributeDefinition {
                attribute_name: attribute.name.clone(),
                attribute_type: attribute.scalar_type,
            })
            .collect();
        TableSettings {
            table_name: table_name.into(),
            key_schema,
            attribute_definitions,
            billing_mode: BillingMode::PayPerRequest,
            provisioned_throughput: None,
            on_demand_throughput: None,
            warm_throughput: None,
            local_secondary_indexes: Vec::new(),
            global_secondary_indexes: Vec::new(),
            stream_view_type: None,
            sse_specification: None,
            table_class: TableClass::Standard,
            deletion_protection_enabled: false,
        }
    }

    /// The names of all key attributes, of the table and of its indexes.
    pub fn key_attribute_names(&self) -> impl Iterator<Item = &str> {
        let local = self.local_secondary_indexes.iter();
        let global = self.global_secondary_indexes.iter();
        let of_indexes = local
            .map(|index| &index.key_schema)
            .chain(global.map(|index| &index.key_schema))
            .flat_map(IndexKeySchema::attributes);
        self.key_schema
            .attributes()
            .chain(of_indexes)
            .map(|attribute| attribute.name.as_str())
    }
}

/// A table's ARN.
pub fn table_arn(region: &str, account_id: &str, table_name: &str) -> String {
    format!("arn:aws:dynamodb:{region}:{account_id}:table/{table_name}")
}

/// The table's name in a `TableName` member, which may hold a table's ARN instead.
pub fn table_name_of(reference: &str) -> &str {
    if reference.starts_with("arn:") {
        reference
            .split_once(":table/")
            .map_or(reference, |(_, name)| name)
    } else {
        reference
    }
}

/// Whether every character may stand in the name of a table or an index.
pub fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
}

/// Whether the name may be given to a table.
pub fn is_table_name(name: &str) -> bool {
    is_name(name)
        && (limits::TABLE_NAME_LENGTH_MIN..=limits::TABLE_NAME_LENGTH_MAX).contains(&name.len())
}

#[cfg(test)]
mod tests;
