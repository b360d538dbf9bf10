//! What the control plane answers, as much of it as the planner uses.

use serde::Deserialize;

use crate::{
    crd::table::{
        AttributeDefinition, KeySchemaElement, OnDemandThroughput, Projection,
        ProvisionedThroughput,
    },
    plan::table_changes::{ServiceIndex, ServiceTable, ServiceTimeToLive},
};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Described {
    pub(super) table: Description,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Changed {
    pub(super) table_description: Description,
}

/// `TableDescription`, as much of it as is used. DeleteTable's is shortened, hence the defaults.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Description {
    table_id: String,
    table_arn: String,
    table_status: String,
    key_schema: Vec<Element>,
    attribute_definitions: Vec<Definition>,
    billing_mode_summary: Option<BillingModeSummary>,
    provisioned_throughput: Units,
    on_demand_throughput: Option<Bounds>,
    table_class_summary: Option<TableClassSummary>,
    deletion_protection_enabled: bool,
    creation_date_time: Option<f64>,
    item_count: i64,
    table_size_bytes: i64,
    global_secondary_indexes: Vec<Index>,
    local_secondary_indexes: Vec<Index>,
    stream_specification: Option<Stream>,
    latest_stream_arn: Option<String>,
    latest_stream_label: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Index {
    index_name: String,
    key_schema: Vec<Element>,
    projection: ProjectionMembers,
    index_arn: String,
    index_status: String,
    backfilling: Option<bool>,
    item_count: i64,
    index_size_bytes: i64,
    provisioned_throughput: Units,
    on_demand_throughput: Option<Bounds>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ProjectionMembers {
    projection_type: Option<String>,
    non_key_attributes: Option<Vec<String>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Stream {
    stream_enabled: bool,
    stream_view_type: Option<String>,
}

/// DescribeTimeToLive's answer.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct DescribedExpiry {
    time_to_live_description: Expiry,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Expiry {
    time_to_live_status: String,
    attribute_name: Option<String>,
}

impl From<DescribedExpiry> for ServiceTimeToLive {
    fn from(answer: DescribedExpiry) -> Self {
        let expiry = answer.time_to_live_description;
        Self {
            enabled: matches!(expiry.time_to_live_status.as_str(), "ENABLED" | "ENABLING"),
            attribute_name: expiry.attribute_name,
        }
    }
}

/// A page of ListTagsOfResource.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct TagPage {
    pub(super) tags: Vec<TagMembers>,
    pub(super) next_token: Option<String>,
}

/// One tag.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct TagMembers {
    pub(super) key: String,
    pub(super) value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Element {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct BillingModeSummary {
    billing_mode: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TableClassSummary {
    table_class: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Units {
    read_capacity_units: i64,
    write_capacity_units: i64,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Bounds {
    max_read_request_units: Option<i64>,
    max_write_request_units: Option<i64>,
}

impl From<Description> for ServiceTable {
    fn from(table: Description) -> Self {
        let or = |text: Option<String>, default: &str| {
            text.filter(|text| !text.is_empty())
                .unwrap_or_else(|| default.to_owned())
        };
        Self {
            table_id: table.table_id,
            arn: table.table_arn,
            status: table.table_status,
            key_schema: key(table.key_schema),
            attribute_definitions: table
                .attribute_definitions
                .into_iter()
                .map(|definition| AttributeDefinition {
                    attribute_name: definition.attribute_name,
                    attribute_type: definition.attribute_type,
                })
                .collect(),
            // Absent unless the table was ever on-demand.
            billing_mode: or(
                table
                    .billing_mode_summary
                    .map(|summary| summary.billing_mode),
                "PROVISIONED",
            ),
            provisioned_throughput: table.provisioned_throughput.into(),
            on_demand_throughput: table.on_demand_throughput.map(Bounds::into),
            // Absent unless the class was ever changed.
            table_class: or(
                table.table_class_summary.map(|summary| summary.table_class),
                "STANDARD",
            ),
            deletion_protection_enabled: table.deletion_protection_enabled,
            creation_date_time: table.creation_date_time.and_then(rfc3339),
            item_count: table.item_count,
            size_bytes: table.table_size_bytes,
            global_secondary_indexes: indexes(table.global_secondary_indexes),
            local_secondary_indexes: indexes(table.local_secondary_indexes),
            stream_view_type: table
                .stream_specification
                .filter(|stream| stream.stream_enabled)
                .and_then(|stream| stream.stream_view_type),
            latest_stream_arn: table.latest_stream_arn,
            latest_stream_label: table.latest_stream_label,
            time_to_live: None,
            tags: None,
        }
    }
}

fn key(elements: Vec<Element>) -> Vec<KeySchemaElement> {
    elements
        .into_iter()
        .map(|element| KeySchemaElement {
            attribute_name: element.attribute_name,
            key_type: element.key_type,
        })
        .collect()
}

fn indexes(indexes: Vec<Index>) -> Vec<ServiceIndex> {
    indexes
        .into_iter()
        .map(|index| ServiceIndex {
            index_name: index.index_name,
            key_schema: key(index.key_schema),
            projection: Projection {
                projection_type: index.projection.projection_type,
                non_key_attributes: index.projection.non_key_attributes,
            },
            arn: index.index_arn,
            item_count: index.item_count,
            size_bytes: index.index_size_bytes,
            status: index.index_status,
            backfilling: index.backfilling,
            provisioned_throughput: index.provisioned_throughput.into(),
            on_demand_throughput: index.on_demand_throughput.map(Bounds::into),
        })
        .collect()
}

impl From<Units> for ProvisionedThroughput {
    fn from(units: Units) -> Self {
        Self {
            read_capacity_units: units.read_capacity_units,
            write_capacity_units: units.write_capacity_units,
        }
    }
}

impl From<Bounds> for OnDemandThroughput {
    fn from(bounds: Bounds) -> Self {
        Self {
            max_read_request_units: bounds.max_read_request_units,
            max_write_request_units: bounds.max_write_request_units,
        }
    }
}

/// The wire has seconds with a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the range is checked; the fraction is dropped on purpose"
)]
fn rfc3339(seconds: f64) -> Option<String> {
    let in_range = (0.0..=253_402_207_200.0).contains(&seconds);
    let timestamp = in_range.then(|| jiff::Timestamp::from_second(seconds as i64).ok())??;
    Some(timestamp.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::requests::create_request;
    use super::*;
    use crate::plan::table::tests::{orders, orders_in_service};

    #[test]
    fn a_description_is_read() {
        let mut answer = create_request(&orders());
        answer["TableId"] = json!("id-1");
        answer["TableArn"] = json!(orders_in_service().arn);
        answer["TableStatus"] = json!("ACTIVE");
        answer["CreationDateTime"] = json!(1_700_000_000.25);
        answer["BillingModeSummary"] = json!({"BillingMode": "PAY_PER_REQUEST"});
        let described: Described = serde_json::from_value(json!({"Table": answer})).unwrap();
        let table = ServiceTable::from(described.table);
        assert_eq!(
            table.creation_date_time.as_deref(),
            Some("2023-11-14T22:13:20Z")
        );
        assert_eq!(
            ServiceTable {
                creation_date_time: None,
                ..table
            },
            orders_in_service()
        );
    }

    #[test]
    fn indexes_and_stream_are_read() {
        let described: Described = serde_json::from_value(json!({"Table": {
            "GlobalSecondaryIndexes": [{
                "IndexName": "byOrder", "IndexStatus": "CREATING", "Backfilling": true,
                "KeySchema": [{"AttributeName": "orderId", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
            "LatestStreamLabel": "2026-01-01T00:00:00.000",
        }}))
        .unwrap();
        let table = ServiceTable::from(described.table);
        let index = &table.global_secondary_indexes[0];
        assert_eq!(
            (index.status.as_str(), index.backfilling),
            ("CREATING", Some(true))
        );
        assert_eq!(index.projection.projection_type.as_deref(), Some("ALL"));
        assert_eq!(table.stream_view_type.as_deref(), Some("KEYS_ONLY"));
    }

    #[test]
    fn expiry_is_read_while_it_is_being_switched() {
        let expiry = |status: &str| {
            let answer: DescribedExpiry = serde_json::from_value(json!({
                "TimeToLiveDescription": {"TimeToLiveStatus": status, "AttributeName": "until"},
            }))
            .unwrap();
            ServiceTimeToLive::from(answer).enabled
        };
        assert!(expiry("ENABLING") && expiry("ENABLED"));
        assert!(!expiry("DISABLING") && !expiry("DISABLED"));
    }
}
