//! The control plane of the DynamoDB API, as much of it as the planner uses.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Method;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{ServiceError, TableService, signed::SignedClient};
use crate::{
    crd::{
        TableSpec,
        table::{AttributeDefinition, KeySchemaElement, OnDemandThroughput, ProvisionedThroughput},
    },
    plan::table_changes::{ServiceTable, TableChange},
};

pub(super) struct DynamoDbClient {
    pub(super) client: SignedClient,
}

impl DynamoDbClient {
    async fn call<T: DeserializeOwned>(
        &self,
        operation: &str,
        request: Value,
    ) -> Result<T, ServiceError> {
        let target = format!("DynamoDB_20120810.{operation}");
        let headers = [
            ("x-amz-target", target.as_str()),
            ("content-type", "application/x-amz-json-1.0"),
        ];
        let body = self
            .client
            .send(
                Method::POST,
                "/",
                &headers,
                Bytes::from(request.to_string()),
            )
            .await?;
        serde_json::from_slice(&body).map_err(|error| {
            ServiceError::Unreachable(format!("the answer to {operation} cannot be read: {error}"))
        })
    }
}

impl TableService for DynamoDbClient {
    fn describe<'a>(
        &'a self,
        table: &'a str,
    ) -> BoxFuture<'a, Result<Option<ServiceTable>, ServiceError>> {
        Box::pin(async move {
            match self
                .call::<Described>("DescribeTable", json!({"TableName": table}))
                .await
            {
                Ok(answer) => Ok(Some(answer.table.into())),
                Err(error) if error.is("ResourceNotFoundException") => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    fn create<'a>(
        &'a self,
        spec: &'a TableSpec,
    ) -> BoxFuture<'a, Result<ServiceTable, ServiceError>> {
        Box::pin(async move {
            let answer: Changed = self.call("CreateTable", create_request(spec)).await?;
            Ok(answer.table_description.into())
        })
    }

    fn update<'a>(
        &'a self,
        table: &'a str,
        change: &'a TableChange,
    ) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(async move {
            let _: Changed = self
                .call("UpdateTable", update_request(table, change))
                .await?;
            Ok(())
        })
    }

    fn delete<'a>(&'a self, table: &'a str) -> BoxFuture<'a, Result<(), ServiceError>> {
        Box::pin(async move {
            let _: Changed = self
                .call("DeleteTable", json!({"TableName": table}))
                .await?;
            Ok(())
        })
    }
}

fn create_request(spec: &TableSpec) -> Value {
    let definitions: Vec<Value> = spec
        .attribute_definitions
        .iter()
        .map(|definition| json!({"AttributeName": definition.attribute_name, "AttributeType": definition.attribute_type}))
        .collect();
    let key: Vec<Value> = spec
        .key_schema
        .iter()
        .map(
            |element| json!({"AttributeName": element.attribute_name, "KeyType": element.key_type}),
        )
        .collect();
    let mut request = json!({"TableName": spec.table_name, "AttributeDefinitions": definitions, "KeySchema": key});
    let mut set = |name: &str, value: Option<Value>| {
        if let (Some(request), Some(value)) = (request.as_object_mut(), value) {
            request.insert(name.to_owned(), value);
        }
    };
    set(
        "BillingMode",
        spec.billing_mode.as_ref().map(|mode| json!(mode)),
    );
    set(
        "ProvisionedThroughput",
        spec.provisioned_throughput.as_ref().map(throughput),
    );
    set(
        "OnDemandThroughput",
        spec.on_demand_throughput.as_ref().map(on_demand),
    );
    set(
        "TableClass",
        spec.table_class.as_ref().map(|class| json!(class)),
    );
    set(
        "DeletionProtectionEnabled",
        spec.deletion_protection_enabled
            .map(|enabled| json!(enabled)),
    );
    request
}

fn update_request(table: &str, change: &TableChange) -> Value {
    match change {
        TableChange::DeletionProtection(enabled) => {
            json!({"TableName": table, "DeletionProtectionEnabled": enabled})
        }
        TableChange::BillingMode {
            billing_mode,
            provisioned_throughput: None,
        } => {
            json!({"TableName": table, "BillingMode": billing_mode})
        }
        TableChange::BillingMode {
            billing_mode,
            provisioned_throughput: Some(units),
        } => {
            json!({"TableName": table, "BillingMode": billing_mode, "ProvisionedThroughput": throughput(units)})
        }
        TableChange::ProvisionedThroughput(units) => {
            json!({"TableName": table, "ProvisionedThroughput": throughput(units)})
        }
        TableChange::OnDemandThroughput(units) => {
            json!({"TableName": table, "OnDemandThroughput": on_demand(units)})
        }
        TableChange::TableClass(class) => json!({"TableName": table, "TableClass": class}),
    }
}

fn throughput(units: &ProvisionedThroughput) -> Value {
    json!({"ReadCapacityUnits": units.read_capacity_units, "WriteCapacityUnits": units.write_capacity_units})
}

fn on_demand(units: &OnDemandThroughput) -> Value {
    let mut bounds = serde_json::Map::new();
    let members = [
        ("MaxReadRequestUnits", units.max_read_request_units),
        ("MaxWriteRequestUnits", units.max_write_request_units),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            bounds.insert(name.to_owned(), json!(value));
        }
    }
    Value::Object(bounds)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Described {
    table: Description,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Changed {
    table_description: Description,
}

/// `TableDescription`, as much of it as is used. DeleteTable's is shortened, hence the defaults.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Description {
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
            key_schema: table
                .key_schema
                .into_iter()
                .map(|element| KeySchemaElement {
                    attribute_name: element.attribute_name,
                    key_type: element.key_type,
                })
                .collect(),
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
            provisioned_throughput: ProvisionedThroughput {
                read_capacity_units: table.provisioned_throughput.read_capacity_units,
                write_capacity_units: table.provisioned_throughput.write_capacity_units,
            },
            on_demand_throughput: table.on_demand_throughput.map(|bounds| OnDemandThroughput {
                max_read_request_units: bounds.max_read_request_units,
                max_write_request_units: bounds.max_write_request_units,
            }),
            // Absent unless the class was ever changed.
            table_class: or(
                table.table_class_summary.map(|summary| summary.table_class),
                "STANDARD",
            ),
            deletion_protection_enabled: table.deletion_protection_enabled,
            creation_date_time: table.creation_date_time.and_then(rfc3339),
            item_count: table.item_count,
            size_bytes: table.table_size_bytes,
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
    use super::*;
    use crate::plan::table::tests::{orders, orders_in_service};

    #[test]
    fn a_spec_becomes_a_request_without_what_it_does_not_say() {
        assert_eq!(
            create_request(&orders()),
            json!({
                "TableName": "orders",
                "AttributeDefinitions": [
                    {"AttributeName": "customerId", "AttributeType": "S"},
                    {"AttributeName": "orderId", "AttributeType": "S"},
                ],
                "KeySchema": [
                    {"AttributeName": "customerId", "KeyType": "HASH"},
                    {"AttributeName": "orderId", "KeyType": "RANGE"},
                ],
                "BillingMode": "PAY_PER_REQUEST",
            })
        );
    }

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
    fn a_change_is_one_kind_of_change() {
        assert_eq!(
            update_request(
                "orders",
                &TableChange::OnDemandThroughput(OnDemandThroughput {
                    max_read_request_units: Some(5),
                    max_write_request_units: None,
                })
            ),
            json!({"TableName": "orders", "OnDemandThroughput": {"MaxReadRequestUnits": 5}})
        );
    }
}
