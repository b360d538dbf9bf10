use super::*;
use crate::key::KeyAttribute;

fn attribute(name: &str, scalar_type: ScalarType) -> KeyAttribute {
    KeyAttribute {
        name: name.to_owned(),
        scalar_type,
    }
}

fn settings() -> TableSettings {
    let key_schema = KeySchema {
        partition_key: attribute("pk", ScalarType::S),
        sort_key: Some(attribute("sk", ScalarType::N)),
    };
    TableSettings::on_demand("orders", key_schema)
}

fn facts() -> TableFacts {
    TableFacts {
        table_status: TableStatus::Active,
        creation_date_time: 1.5,
        table_id: "id".to_owned(),
        table_arn: table_arn("us-east-1", "000000000000", "orders"),
        table_size_bytes: 0,
        item_count: 0,
        latest_stream_label: None,
        indexes: std::collections::BTreeMap::new(),
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
            r#""LastUpdateToPayPerRequestDateTime":1.5},"DeletionProtectionEnabled":false,"#,
            r#""WarmThroughput":{"ReadUnitsPerSecond":12000,"WriteUnitsPerSecond":4000,"#,
            r#""Status":"ACTIVE"}}"#
        )
    );
    let again: TableDescription = serde_json::from_str(&text).unwrap();
    assert_eq!(again, description);
}

#[test]
fn indexes_stream_and_encryption_are_described() {
    let mut settings = settings();
    let key = |hash: &[&str], range: &[&str]| IndexKeySchema {
        partition_keys: hash.iter().map(|n| attribute(n, ScalarType::S)).collect(),
        sort_keys: range.iter().map(|n| attribute(n, ScalarType::S)).collect(),
    };
    settings.local_secondary_indexes = vec![LocalSecondaryIndex {
        index_name: "by-a".to_owned(),
        key_schema: key(&["pk"], &["a"]),
        projection: Projection::KeysOnly,
    }];
    settings.global_secondary_indexes = vec![GlobalSecondaryIndex {
        index_name: "by-b".to_owned(),
        key_schema: key(&["b", "c"], &["d"]),
        projection: Projection::Include(vec!["e".to_owned()]),
        provisioned_throughput: None,
        on_demand_throughput: None,
        warm_throughput: None,
    }];
    settings.stream_view_type = Some(StreamViewType::NewImage);
    settings.sse_specification = Some(SseSpecification {
        enabled: true,
        kms_master_key_id: Some("1234".to_owned()),
    });
    let mut facts = facts();
    facts.latest_stream_label = Some("2026-01-31T12:00:00.123".to_owned());
    facts.indexes.insert(
        "by-b".to_owned(),
        IndexFacts {
            index_status: IndexStatus::Creating,
            backfilling: Some(true),
            ..IndexFacts::default()
        },
    );
    let description = settings.describe(facts);
    let text = serde_json::to_value(&description).unwrap();
    let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/orders";
    assert_eq!(
        text["LocalSecondaryIndexes"],
        serde_json::json!([{
            "IndexName": "by-a",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "a", "KeyType": "RANGE"},
            ],
            "Projection": {"ProjectionType": "KEYS_ONLY"},
            "IndexSizeBytes": 0,
            "ItemCount": 0,
            "IndexArn": format!("{arn}/index/by-a"),
        }])
    );
    let global = &text["GlobalSecondaryIndexes"][0];
    assert_eq!(global["IndexStatus"], "CREATING");
    assert_eq!(global["Backfilling"], true);
    assert_eq!(
        global["KeySchema"],
        serde_json::json!([
            {"AttributeName": "b", "KeyType": "HASH"},
            {"AttributeName": "c", "KeyType": "HASH"},
            {"AttributeName": "d", "KeyType": "RANGE"},
        ])
    );
    assert_eq!(
        global["Projection"],
        serde_json::json!({"ProjectionType": "INCLUDE", "NonKeyAttributes": ["e"]})
    );
    assert_eq!(
        text["StreamSpecification"],
        serde_json::json!({"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"})
    );
    assert_eq!(
        text["LatestStreamArn"],
        format!("{arn}/stream/2026-01-31T12:00:00.123")
    );
    assert_eq!(
        text["SSEDescription"]["KMSMasterKeyArn"],
        "arn:aws:kms:us-east-1:000000000000:key/1234"
    );
    let again: TableDescription = serde_json::from_value(text).unwrap();
    assert_eq!(again, description);
    assert!(description.for_delete().global_secondary_indexes.is_empty());
}

#[test]
fn warm_throughput_is_never_below_what_a_table_is_provisioned_with() {
    let provisioned = Some(ProvisionedThroughput {
        read_capacity_units: 7,
        write_capacity_units: 9,
    });
    let asked = Some(WarmThroughput {
        read_units_per_second: Some(8),
        write_units_per_second: Some(8),
    });
    assert_eq!(
        warm_units(BillingMode::Provisioned, provisioned, asked),
        (8, 9)
    );
    assert_eq!(
        warm_units(BillingMode::PayPerRequest, None, asked),
        (12_000, 4_000)
    );
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
