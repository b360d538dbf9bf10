use super::*;
use crate::key::KeyAttribute;

fn settings() -> TableSettings {
    TableSettings {
        table_name: "orders".to_owned(),
        key_schema: KeySchema {
            partition_key: KeyAttribute {
                name: "pk".to_owned(),
                scalar_type: ScalarType::S,
            },
            sort_key: Some(KeyAttribute {
                name: "sk".to_owned(),
                scalar_type: ScalarType::N,
            }),
        },
        attribute_definitions: vec![
            AttributeDefinition {
                attribute_name: "pk".to_owned(),
                attribute_type: ScalarType::S,
            },
            AttributeDefinition {
                attribute_name: "sk".to_owned(),
                attribute_type: ScalarType::N,
            },
        ],
        billing_mode: BillingMode::PayPerRequest,
        provisioned_throughput: None,
        on_demand_throughput: None,
        table_class: TableClass::Standard,
        deletion_protection_enabled: false,
    }
}

fn facts() -> TableFacts {
    TableFacts {
        table_status: TableStatus::Active,
        creation_date_time: 1.5,
        table_id: "id".to_owned(),
        table_arn: table_arn("us-east-1", "000000000000", "orders"),
        table_size_bytes: 0,
        item_count: 0,
    }
}

#[test]
fn a_description_has_the_apis_members() {
    let description = settings().describe(facts());
    let text = serde_json::to_string(&description).unwrap();
    assert_eq!(
        text,
        concat!(
            r#"{"AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"},"#,
            r#"{"AttributeName":"sk","AttributeType":"N"}],"TableName":"orders","#,
            r#""KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},"#,
            r#"{"AttributeName":"sk","KeyType":"RANGE"}],"TableStatus":"ACTIVE","#,
            r#""CreationDateTime":1.5,"ProvisionedThroughput":{"NumberOfDecreasesToday":0,"#,
            r#""ReadCapacityUnits":0,"WriteCapacityUnits":0},"TableSizeBytes":0,"ItemCount":0,"#,
            r#""TableArn":"arn:aws:dynamodb:us-east-1:000000000000:table/orders","TableId":"id","#,
            r#""BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST","#,
            r#""LastUpdateToPayPerRequestDateTime":1.5},"DeletionProtectionEnabled":false}"#
        )
    );
    let again: TableDescription = serde_json::from_str(&text).unwrap();
    assert_eq!(again, description);
}

#[test]
fn the_answer_to_a_deletion_is_shortened() {
    let text = serde_json::to_string(&settings().describe(facts()).for_delete()).unwrap();
    assert!(text.contains(r#""TableStatus":"DELETING""#));
    assert!(!text.contains("AttributeDefinitions") && !text.contains("KeySchema"));
}

#[test]
fn a_table_is_named_by_name_or_arn() {
    assert_eq!(table_name_of("orders"), "orders");
    assert_eq!(
        table_name_of(&table_arn("us-east-1", "000000000000", "orders")),
        "orders"
    );
    assert_eq!(table_name_of("arn:strange"), "arn:strange");
    assert!(is_table_name("a.b-c_9") && is_table_name(&"a".repeat(255)));
    assert!(!is_table_name("ab") && !is_table_name("a/b") && !is_table_name(&"a".repeat(256)));
}
