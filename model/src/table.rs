//! Tables: what a request fixes ([`TableSettings`]) and what DescribeTable tells
//! ([`TableDescription`]).
//!
//! Source: public service model, `TableDescription` and what it holds.

use serde::{Deserialize, Serialize};

use crate::key::{KeySchema, ScalarType};
use crate::limits;

/// What a table is, apart from its data. Names only what this version can do.
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
    #[serde(rename = "MaxReadRequestUnits", default)]
    pub max_read_request_units: Option<i64>,
    /// Most write units a second.
    #[serde(rename = "MaxWriteRequestUnits", default)]
    pub max_write_request_units: Option<i64>,
}

/// What DescribeTable and the control operations tell about a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableDescription {
    /// The types of the key attributes; DeleteTable's answer has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attribute_definitions: Vec<AttributeDefinition>,
    /// The name.
    pub table_name: String,
    /// The primary key; DeleteTable's answer has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key_schema: Vec<KeySchemaElement>,
    /// Where the table is in its life.
    pub table_status: TableStatus,
    /// When it was made: seconds since 1970 with a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_date_time: Option<f64>,
    /// Always there; zeros for an on-demand table.
    pub provisioned_throughput: ProvisionedThroughputDescription,
    /// Bytes of all items; may lag.
    #[serde(default)]
    pub table_size_bytes: u64,
    /// Number of items; may lag.
    #[serde(default)]
    pub item_count: u64,
    /// `arn:aws:dynamodb:<region>:<account>:table/<name>`.
    pub table_arn: String,
    /// A UUID; another table of the same name has another one.
    #[serde(default)]
    pub table_id: String,
    /// Only if the table is, or ever was, on-demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billing_mode_summary: Option<BillingModeSummary>,
    /// Only if a table class was ever set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_class_summary: Option<TableClassSummary>,
    /// Whether DeleteTable is refused.
    #[serde(default)]
    pub deletion_protection_enabled: bool,
    /// Upper limits of an on-demand table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughputDescription>,
}

/// Provisioned units as described.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ProvisionedThroughputDescription {
    /// When the units were last raised: seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_increase_date_time: Option<f64>,
    /// When they were last lowered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_decrease_date_time: Option<f64>,
    /// How often they were lowered since midnight UTC.
    pub number_of_decreases_today: i64,
    /// Read units a second.
    pub read_capacity_units: i64,
    /// Write units a second.
    pub write_capacity_units: i64,
}

/// The billing mode as described.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BillingModeSummary {
    /// The mode.
    pub billing_mode: BillingMode,
    /// When the table last became on-demand: seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_to_pay_per_request_date_time: Option<f64>,
}

/// The table class as described.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableClassSummary {
    /// The class.
    pub table_class: TableClass,
    /// When it last changed: seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_update_date_time: Option<f64>,
}

/// The upper limits as described; absent members do not limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct OnDemandThroughputDescription {
    /// Most read units a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_read_request_units: Option<i64>,
    /// Most write units a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_write_request_units: Option<i64>,
}

impl From<OnDemandThroughput> for OnDemandThroughputDescription {
    fn from(limits: OnDemandThroughput) -> OnDemandThroughputDescription {
        OnDemandThroughputDescription {
            max_read_request_units: limits.max_read_request_units,
            max_write_request_units: limits.max_write_request_units,
        }
    }
}

/// What a description holds beside the settings.
#[derive(Clone, Debug)]
pub struct TableFacts {
    /// Where the table is in its life.
    pub table_status: TableStatus,
    /// When it was made: seconds since 1970.
    pub creation_date_time: f64,
    /// A UUID.
    pub table_id: String,
    /// See [`table_arn`].
    pub table_arn: String,
    /// Bytes of all items.
    pub table_size_bytes: u64,
    /// Number of items.
    pub item_count: u64,
}

impl TableSettings {
    /// The description that the API answers.
    pub fn describe(&self, facts: TableFacts) -> TableDescription {
        let units = self.provisioned_throughput;
        let on_demand = self.billing_mode == BillingMode::PayPerRequest;
        TableDescription {
            attribute_definitions: self.attribute_definitions.clone(),
            table_name: self.table_name.clone(),
            key_schema: self.key_schema.elements(),
            table_status: facts.table_status,
            creation_date_time: Some(facts.creation_date_time),
            provisioned_throughput: ProvisionedThroughputDescription {
                read_capacity_units: units.map_or(0, |units| units.read_capacity_units),
                write_capacity_units: units.map_or(0, |units| units.write_capacity_units),
                ..ProvisionedThroughputDescription::default()
            },
            table_size_bytes: facts.table_size_bytes,
            item_count: facts.item_count,
            table_arn: facts.table_arn,
            table_id: facts.table_id,
            billing_mode_summary: on_demand.then_some(BillingModeSummary {
                billing_mode: self.billing_mode,
                last_update_to_pay_per_request_date_time: Some(facts.creation_date_time),
            }),
            table_class_summary: (self.table_class != TableClass::Standard).then_some(
                TableClassSummary {
                    table_class: self.table_class,
                    last_update_date_time: None,
                },
            ),
            deletion_protection_enabled: self.deletion_protection_enabled,
            on_demand_throughput: self.on_demand_throughput.map(Into::into),
        }
    }
}

impl TableDescription {
    /// The shortened description that DeleteTable answers.
    #[must_use]
    pub fn for_delete(mut self) -> TableDescription {
        self.table_status = TableStatus::Deleting;
        self.attribute_definitions = Vec::new();
        self.key_schema = Vec::new();
        self
    }
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
