//! Requests of the control plane, made from a manifest and from the planner's changes.

use serde_json::{Map, Value, json};

use crate::{
    crd::{
        TableSpec,
        table::{
            AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, OnDemandThroughput,
            Projection, ProvisionedThroughput, Tag,
        },
    },
    plan::table_changes::{TableChange, tags},
};

/// CreateTable: what it can take at once. Expiry is a call of its own, and the planner's next step.
pub(super) fn create_request(spec: &TableSpec) -> Value {
    let mut request = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            request.insert(name.to_owned(), value);
        }
    };
    set("TableName", Some(json!(spec.table_name)));
    set(
        "AttributeDefinitions",
        Some(definitions(&spec.attribute_definitions)),
    );
    set("KeySchema", Some(key(&spec.key_schema)));
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
    set(
        "GlobalSecondaryIndexes",
        list(spec.global_secondary_indexes.as_deref(), global_index),
    );
    set(
        "LocalSecondaryIndexes",
        list(spec.local_secondary_indexes.as_deref(), |index| {
            json!({
                "IndexName": index.index_name,
                "KeySchema": key(&index.key_schema),
                "Projection": projection(index.projection.as_ref()),
            })
        }),
    );
    let stream = spec.stream_specification.as_ref().filter(|stream| {
        // "Off" is what a table without the member has; the service takes it as well.
        stream.stream_enabled == Some(true)
    });
    set(
        "StreamSpecification",
        stream.map(
            |stream| json!({"StreamEnabled": true, "StreamViewType": stream.stream_view_type}),
        ),
    );
    set("Tags", spec.tags.as_deref().and_then(tag_list));
    Value::Object(request)
}

/// The operation and the request of a change.
pub(super) fn change_request(table: &str, change: &TableChange) -> (&'static str, Value) {
    match change {
        TableChange::TimeToLive {
            attribute_name,
            enabled,
        } => (
            "UpdateTimeToLive",
            json!({"TableName": table, "TimeToLiveSpecification": {
                "AttributeName": attribute_name, "Enabled": enabled,
            }}),
        ),
        TableChange::Tag { arn, tags } => (
            "TagResource",
            json!({"ResourceArn": arn, "Tags": tags.iter().map(tag).collect::<Vec<_>>()}),
        ),
        TableChange::Untag { arn, keys } => (
            "UntagResource",
            json!({"ResourceArn": arn, "TagKeys": keys}),
        ),
        change => {
            let mut request = update_request(change);
            if let Some(members) = request.as_object_mut() {
                members.insert("TableName".to_owned(), json!(table));
            }
            ("UpdateTable", request)
        }
    }
}

/// UpdateTable without the table's name.
fn update_request(change: &TableChange) -> Value {
    match change {
        TableChange::DeletionProtection(enabled) => json!({"DeletionProtectionEnabled": enabled}),
        TableChange::BillingMode {
            billing_mode,
            provisioned_throughput,
            index_throughput,
        } => {
            let updates = list(
                Some(index_throughput),
                |(name, units)| json!({"Update": {"IndexName": name, "ProvisionedThroughput": throughput(units)}}),
            );
            object([
                ("BillingMode", Some(json!(billing_mode))),
                (
                    "ProvisionedThroughput",
                    provisioned_throughput.as_ref().map(throughput),
                ),
                ("GlobalSecondaryIndexUpdates", updates),
            ])
        }
        TableChange::ProvisionedThroughput(units) => {
            json!({"ProvisionedThroughput": throughput(units)})
        }
        TableChange::OnDemandThroughput(units) => json!({"OnDemandThroughput": on_demand(units)}),
        TableChange::TableClass(class) => json!({"TableClass": class}),
        TableChange::CreateIndex {
            index,
            attribute_definitions,
        } => json!({
            "AttributeDefinitions": definitions(attribute_definitions),
            "GlobalSecondaryIndexUpdates": [{"Create": global_index(index)}],
        }),
        TableChange::DeleteIndex(name) => {
            json!({"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": name}}]})
        }
        TableChange::IndexThroughput {
            index_name,
            provisioned_throughput,
            on_demand_throughput,
        } => {
            let update = object([
                ("IndexName", Some(json!(index_name))),
                (
                    "ProvisionedThroughput",
                    provisioned_throughput.as_ref().map(throughput),
                ),
                (
                    "OnDemandThroughput",
                    on_demand_throughput.as_ref().map(on_demand),
                ),
            ]);
            json!({"GlobalSecondaryIndexUpdates": [{"Update": update}]})
        }
        TableChange::EnableStream(view) => {
            json!({"StreamSpecification": {"StreamEnabled": true, "StreamViewType": view}})
        }
        TableChange::DisableStream => json!({"StreamSpecification": {"StreamEnabled": false}}),
        TableChange::TimeToLive { .. } | TableChange::Tag { .. } | TableChange::Untag { .. } => {
            json!({})
        }
    }
}

fn list<T>(items: Option<&[T]>, one: impl Fn(&T) -> Value) -> Option<Value> {
    items
        .filter(|items| !items.is_empty())
        .map(|items| items.iter().map(one).collect())
}

fn definitions(definitions: &[AttributeDefinition]) -> Value {
    definitions
        .iter()
        .map(|definition| {
            json!({
                "AttributeName": definition.attribute_name,
                "AttributeType": definition.attribute_type,
            })
        })
        .collect()
}

fn key(key: &[KeySchemaElement]) -> Value {
    key.iter()
        .map(
            |element| json!({"AttributeName": element.attribute_name, "KeyType": element.key_type}),
        )
        .collect()
}

fn projection(projection: Option<&Projection>) -> Value {
    let kind = projection.and_then(|projection| projection.projection_type.as_ref());
    let names = projection.and_then(|projection| projection.non_key_attributes.as_ref());
    object([
        ("ProjectionType", kind.map(|kind| json!(kind))),
        ("NonKeyAttributes", names.map(|names| json!(names))),
    ])
}

fn global_index(index: &GlobalSecondaryIndex) -> Value {
    object([
        ("IndexName", Some(json!(index.index_name))),
        ("KeySchema", Some(key(&index.key_schema))),
        ("Projection", Some(projection(index.projection.as_ref()))),
        (
            "ProvisionedThroughput",
            index.provisioned_throughput.as_ref().map(throughput),
        ),
        (
            "OnDemandThroughput",
            index.on_demand_throughput.as_ref().map(on_demand),
        ),
    ])
}

/// An object of the members that are there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

fn tag_list(list: &[Tag]) -> Option<Value> {
    let tags = tags(list);
    (!tags.is_empty()).then(|| tags.iter().map(tag).collect())
}

fn tag((key, value): (&String, &String)) -> Value {
    json!({"Key": key, "Value": value})
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crd::table::StreamSpecification;
    use crate::plan::table::tests::orders;

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
    fn a_spec_with_everything_becomes_one_request() {
        let mut spec = orders();
        spec.global_secondary_indexes = Some(vec![GlobalSecondaryIndex {
            index_name: "byOrder".to_owned(),
            key_schema: vec![KeySchemaElement {
                attribute_name: "orderId".to_owned(),
                key_type: "HASH".to_owned(),
            }],
            projection: Some(Projection {
                projection_type: Some("KEYS_ONLY".to_owned()),
                non_key_attributes: None,
            }),
            ..GlobalSecondaryIndex::default()
        }]);
        spec.stream_specification = Some(StreamSpecification {
            stream_enabled: Some(true),
            stream_view_type: Some("NEW_IMAGE".to_owned()),
        });
        spec.tags = Some(vec![Tag {
            key: Some("team".to_owned()),
            value: None,
        }]);
        let request = create_request(&spec);
        assert_eq!(
            request["GlobalSecondaryIndexes"],
            json!([{
                "IndexName": "byOrder",
                "KeySchema": [{"AttributeName": "orderId", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }])
        );
        assert_eq!(
            request["StreamSpecification"],
            json!({"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"})
        );
        assert_eq!(request["Tags"], json!([{"Key": "team", "Value": ""}]));
    }

    fn check(change: TableChange, operation: &str, expected: Value) {
        assert_eq!(
            change_request("orders", &change),
            (operation, expected),
            "{change:?}"
        );
    }

    #[test]
    fn a_change_is_one_kind_of_change_in_one_call() {
        check(
            TableChange::OnDemandThroughput(OnDemandThroughput {
                max_read_request_units: Some(5),
                max_write_request_units: None,
            }),
            "UpdateTable",
            json!({"TableName": "orders", "OnDemandThroughput": {"MaxReadRequestUnits": 5}}),
        );
        check(
            TableChange::DeleteIndex("old".to_owned()),
            "UpdateTable",
            json!({"TableName": "orders", "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "old"}}]}),
        );
        check(
            TableChange::TimeToLive {
                attribute_name: "until".to_owned(),
                enabled: true,
            },
            "UpdateTimeToLive",
            json!({"TableName": "orders", "TimeToLiveSpecification": {"AttributeName": "until", "Enabled": true}}),
        );
        check(
            TableChange::Untag {
                arn: "arn".to_owned(),
                keys: vec!["a".to_owned()],
            },
            "UntagResource",
            json!({"ResourceArn": "arn", "TagKeys": ["a"]}),
        );
    }
}
