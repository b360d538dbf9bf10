//! What DescribeTable and the control operations tell about a table.
//!
//! Source: public service model, `TableDescription`; developer guide, "Warm throughput" for what a
//! table serves at once without having been asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, IndexStatus, KeySchemaElement,
    LocalSecondaryIndex, OnDemandThroughput, Projection, ProvisionedThroughput,
    StreamSpecification, TableClass, TableSettings, TableStatus, WarmThroughput,
};
use crate::limits;

/// A table as described.
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
    /// Local indexes; absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local_secondary_indexes: Vec<LocalSecondaryIndexDescription>,
    /// Global indexes; absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub global_secondary_indexes: Vec<GlobalSecondaryIndexDescription>,
    /// The stream's settings; absent while it is off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_specification: Option<StreamSpecification>,
    /// When the newest stream was switched on, as its ARN says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_stream_label: Option<String>,
    /// The newest stream, on or off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_stream_arn: Option<String>,
    /// Encryption under a key of KMS.
    #[serde(
        rename = "SSEDescription",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub sse_description: Option<SseDescription>,
    /// Only if a table class was ever set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_class_summary: Option<TableClassSummary>,
    /// Whether DeleteTable is refused.
    #[serde(default)]
    pub deletion_protection_enabled: bool,
    /// Upper limits of an on-demand table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughputDescription>,
    /// What the table serves at once; DeleteTable's answer has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_throughput: Option<TableWarmThroughputDescription>,
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

impl From<Option<ProvisionedThroughput>> for ProvisionedThroughputDescription {
    fn from(units: Option<ProvisionedThroughput>) -> ProvisionedThroughputDescription {
        ProvisionedThroughputDescription {
            read_capacity_units: units.map_or(0, |units| units.read_capacity_units),
            write_capacity_units: units.map_or(0, |units| units.write_capacity_units),
            ..ProvisionedThroughputDescription::default()
        }
    }
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

/// Encryption as described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SseDescription {
    /// `ENABLED`, or on its way there.
    #[serde(rename = "Status")]
    pub status: String,
    /// `KMS`.
    #[serde(rename = "SSEType")]
    pub sse_type: String,
    /// The key.
    #[serde(
        rename = "KMSMasterKeyArn",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub kms_master_key_arn: Option<String>,
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

/// What a table serves at once, as described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TableWarmThroughputDescription {
    /// Read units a second.
    pub read_units_per_second: i64,
    /// Write units a second.
    pub write_units_per_second: i64,
    /// `ACTIVE`, or `UPDATING` while it is being raised.
    pub status: TableStatus,
}

/// What a global index serves at once, as described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct IndexWarmThroughputDescription {
    /// Read units a second.
    pub read_units_per_second: i64,
    /// Write units a second.
    pub write_units_per_second: i64,
    /// `ACTIVE`, or `UPDATING` while it is being raised.
    pub status: IndexStatus,
}

/// A local index as described. It has no status: it lives and dies with its table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct LocalSecondaryIndexDescription {
    /// The name.
    pub index_name: String,
    /// The key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it holds.
    pub projection: Projection,
    /// Bytes of all entries; may lag.
    #[serde(default)]
    pub index_size_bytes: u64,
    /// Number of entries; may lag.
    #[serde(default)]
    pub item_count: u64,
    /// `<table ARN>/index/<name>`.
    pub index_arn: String,
}

/// A global index as described.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GlobalSecondaryIndexDescription {
    /// The name.
    pub index_name: String,
    /// The key.
    pub key_schema: Vec<KeySchemaElement>,
    /// What it holds.
    pub projection: Projection,
    /// Where it is in its life.
    pub index_status: IndexStatus,
    /// Only while it is being made: whether the table's items are being copied already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backfilling: Option<bool>,
    /// Always there; zeros for an on-demand table.
    pub provisioned_throughput: ProvisionedThroughputDescription,
    /// Bytes of all entries; may lag.
    #[serde(default)]
    pub index_size_bytes: u64,
    /// Number of entries; may lag.
    #[serde(default)]
    pub item_count: u64,
    /// `<table ARN>/index/<name>`.
    pub index_arn: String,
    /// Upper limits of an on-demand index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_throughput: Option<OnDemandThroughputDescription>,
    /// What it serves at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_throughput: Option<IndexWarmThroughputDescription>,
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
    /// See [`super::table_arn`].
    pub table_arn: String,
    /// Bytes of all items.
    pub table_size_bytes: u64,
    /// Number of items.
    pub item_count: u64,
    /// The label of the newest stream, on or off.
    pub latest_stream_label: Option<String>,
    /// Facts of the indexes by name; an index without an entry is active and empty.
    pub indexes: BTreeMap<String, IndexFacts>,
}

/// What the description of an index holds beside the settings.
#[derive(Clone, Copy, Debug)]
pub struct IndexFacts {
    /// Where it is in its life.
    pub index_status: IndexStatus,
    /// Only while it is being made: whether the table's items are being copied already.
    pub backfilling: Option<bool>,
    /// Bytes of all entries.
    pub index_size_bytes: u64,
    /// Number of entries.
    pub item_count: u64,
}

impl Default for IndexFacts {
    fn default() -> IndexFacts {
        IndexFacts {
            index_status: IndexStatus::Active,
            backfilling: None,
            index_size_bytes: 0,
            item_count: 0,
        }
    }
}

impl TableSettings {
    /// The description that the API answers.
    pub fn describe(&self, facts: TableFacts) -> TableDescription {
        let on_demand = self.billing_mode == BillingMode::PayPerRequest;
        let warm = warm_units(
            self.billing_mode,
            self.provisioned_throughput,
            self.warm_throughput,
        );
        let mut attribute_definitions = self.attribute_definitions.clone();
        attribute_definitions.sort_by(|a, b| a.attribute_name.cmp(&b.attribute_name));
        TableDescription {
            attribute_definitions,
            table_name: self.table_name.clone(),
            key_schema: self.key_schema.elements(),
            table_status: facts.table_status,
            creation_date_time: Some(facts.creation_date_time),
            provisioned_throughput: self.provisioned_throughput.into(),
            table_size_bytes: facts.table_size_bytes,
            item_count: facts.item_count,
            billing_mode_summary: on_demand.then_some(BillingModeSummary {
                billing_mode: self.billing_mode,
                last_update_to_pay_per_request_date_time: Some(facts.creation_date_time),
            }),
            local_secondary_indexes: self
                .local_secondary_indexes
                .iter()
                .map(|index| describe_local(index, &facts))
                .collect(),
            global_secondary_indexes: self
                .global_secondary_indexes
                .iter()
                .map(|index| describe_global(index, self.billing_mode, &facts))
                .collect(),
            stream_specification: self.stream_view_type.map(StreamSpecification::enabled),
            latest_stream_arn: facts
                .latest_stream_label
                .as_ref()
                .map(|label| format!("{}/stream/{label}", facts.table_arn)),
            latest_stream_label: facts.latest_stream_label,
            sse_description: self.describe_encryption(&facts.table_arn),
            table_class_summary: (self.table_class != TableClass::Standard).then_some(
                TableClassSummary {
                    table_class: self.table_class,
                    last_update_date_time: None,
                },
            ),
            deletion_protection_enabled: self.deletion_protection_enabled,
            on_demand_throughput: self.on_demand_throughput.map(Into::into),
            warm_throughput: Some(TableWarmThroughputDescription {
                read_units_per_second: warm.0,
                write_units_per_second: warm.1,
                status: TableStatus::Active,
            }),
            table_arn: facts.table_arn,
            table_id: facts.table_id,
        }
    }

    fn describe_encryption(&self, table_arn: &str) -> Option<SseDescription> {
        let specification = self.sse_specification.as_ref()?;
        let key = specification.kms_master_key_id.as_deref();
        Some(SseDescription {
            status: "ENABLED".to_owned(),
            sse_type: "KMS".to_owned(),
            kms_master_key_arn: Some(kms_key_arn(table_arn, key)),
        })
    }
}

impl TableDescription {
    /// The shortened description that DeleteTable answers.
    #[must_use]
    pub fn for_delete(mut self) -> TableDescription {
        self.table_status = TableStatus::Deleting;
        self.attribute_definitions = Vec::new();
        self.key_schema = Vec::new();
        self.local_secondary_indexes = Vec::new();
        self.global_secondary_indexes = Vec::new();
        self.warm_throughput = None;
        self
    }
}

/// What a table or index serves at once, read units and write units: what was asked for, and never
/// less than what it is provisioned with or what an on-demand table begins with.
pub(crate) fn warm_units(
    billing_mode: BillingMode,
    provisioned: Option<ProvisionedThroughput>,
    asked: Option<WarmThroughput>,
) -> (i64, i64) {
    let (read, write) = match billing_mode {
        BillingMode::PayPerRequest => (
            limits::ON_DEMAND_READ_UNITS_INITIAL,
            limits::ON_DEMAND_WRITE_UNITS_INITIAL,
        ),
        BillingMode::Provisioned => provisioned.map_or((0, 0), |units| {
            (units.read_capacity_units, units.write_capacity_units)
        }),
    };
    let asked = asked.unwrap_or_default();
    (
        read.max(asked.read_units_per_second.unwrap_or(0)),
        write.max(asked.write_units_per_second.unwrap_or(0)),
    )
}

fn describe_local(
    index: &LocalSecondaryIndex,
    facts: &TableFacts,
) -> LocalSecondaryIndexDescription {
    let of_index = facts.indexes.get(&index.index_name);
    LocalSecondaryIndexDescription {
        index_name: index.index_name.clone(),
        key_schema: index.key_schema.elements(),
        projection: index.projection.described(),
        index_size_bytes: of_index.map_or(0, |facts| facts.index_size_bytes),
        item_count: of_index.map_or(0, |facts| facts.item_count),
        index_arn: index_arn(&facts.table_arn, &index.index_name),
    }
}

fn describe_global(
    index: &GlobalSecondaryIndex,
    billing_mode: BillingMode,
    facts: &TableFacts,
) -> GlobalSecondaryIndexDescription {
    let of_index = facts
        .indexes
        .get(&index.index_name)
        .copied()
        .unwrap_or_default();
    let warm = warm_units(
        billing_mode,
        index.provisioned_throughput,
        index.warm_throughput,
    );
    GlobalSecondaryIndexDescription {
        index_name: index.index_name.clone(),
        key_schema: index.key_schema.elements(),
        projection: index.projection.described(),
        index_status: of_index.index_status,
        backfilling: of_index.backfilling,
        provisioned_throughput: index.provisioned_throughput.into(),
        index_size_bytes: of_index.index_size_bytes,
        item_count: of_index.item_count,
        index_arn: index_arn(&facts.table_arn, &index.index_name),
        on_demand_throughput: index.on_demand_throughput.map(Into::into),
        warm_throughput: Some(IndexWarmThroughputDescription {
            read_units_per_second: warm.0,
            write_units_per_second: warm.1,
            status: IndexStatus::Active,
        }),
    }
}

/// An index's ARN.
pub fn index_arn(table_arn: &str, index_name: &str) -> String {
    format!("{table_arn}/index/{index_name}")
}

/// The ARN of a KMS key given by id, alias or ARN, in the Region and account of the table; the
/// account's default key for DynamoDB if none is given.
fn kms_key_arn(table_arn: &str, key: Option<&str>) -> String {
    let key = key.unwrap_or("alias/aws/dynamodb");
    if key.starts_with("arn:") {
        return key.to_owned();
    }
    let mut parts = table_arn.split(':').skip(3);
    let region = parts.next().unwrap_or_default();
    let account = parts.next().unwrap_or_default();
    let kind = if key.starts_with("alias/") {
        ""
    } else {
        "key/"
    };
    format!("arn:aws:kms:{region}:{account}:{kind}{key}")
}
