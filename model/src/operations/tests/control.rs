use super::{body, text};
use crate::key::{KeyAttribute, KeySchema, ScalarType};
use crate::operations::*;
use crate::table::*;

const NAME: &str = r#""TableName":"orders""#;
const DEFINITIONS: &str = r#""AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"S"}]"#;
const SCHEMA: &str = r#""KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}]"#;
const ON_DEMAND: &str = r#""BillingMode":"PAY_PER_REQUEST""#;
const UNITS: &str = r#""ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":6}"#;

fn create_error(parts: &[&str]) -> String {
    text(CreateTableRequest::parse(&body(parts)).unwrap_err())
}

fn update_error(parts: &[&str]) -> String {
    text(UpdateTableRequest::parse(&body(parts)).unwrap_err())
}

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
    TableSettings {
        attribute_definitions: vec![
            AttributeDefinition {
                attribute_name: "sk".to_owned(),
                attribute_type: ScalarType::N,
            },
            AttributeDefinition {
                attribute_name: "pk".to_owned(),
                attribute_type: ScalarType::S,
            },
        ],
        billing_mode: BillingMode::Provisioned,
        provisioned_throughput: Some(ProvisionedThroughput {
            read_capacity_units: 5,
            write_capacity_units: 6,
        }),
        table_class: TableClass::StandardInfrequentAccess,
        deletion_protection_enabled: true,
        ..TableSettings::on_demand("orders", key_schema)
    }
}

#[test]
fn requests_read_back_what_clients_write() {
    let create = CreateTableRequest::from(settings());
    assert_eq!(CreateTableRequest::parse(&create.to_json()), Ok(create));
    let on_demand = CreateTableRequest::from(TableSettings {
        billing_mode: BillingMode::PayPerRequest,
        provisioned_throughput: None,
        on_demand_throughput: Some(OnDemandThroughput {
            max_read_request_units: Some(7),
            max_write_request_units: None,
        }),
        ..settings()
    });
    assert_eq!(
        CreateTableRequest::parse(&on_demand.to_json()),
        Ok(on_demand)
    );
    let update = UpdateTableRequest {
        table_name: "orders".to_owned(),
        billing_mode: Some(BillingMode::PayPerRequest),
        on_demand_throughput: Some(OnDemandThroughput {
            max_read_request_units: Some(-1),
            max_write_request_units: Some(3),
        }),
        ..UpdateTableRequest::default()
    };
    assert_eq!(UpdateTableRequest::parse(&update.to_json()), Ok(update));
    for update in [
        UpdateTableRequest {
            table_class: Some(TableClass::Standard),
            ..UpdateTableRequest::default()
        },
        UpdateTableRequest {
            deletion_protection_enabled: Some(false),
            ..UpdateTableRequest::default()
        },
    ] {
        let update = UpdateTableRequest {
            table_name: "orders".to_owned(),
            ..update
        };
        assert_eq!(UpdateTableRequest::parse(&update.to_json()), Ok(update));
    }
    let list = ListTablesRequest {
        exclusive_start_table_name: Some("abc".to_owned()),
        limit: Some(100),
    };
    assert_eq!(ListTablesRequest::parse(&list.to_json()), Ok(list));
    let describe = DescribeTableRequest {
        table_name: "orders".to_owned(),
    };
    assert_eq!(
        DescribeTableRequest::parse(&describe.to_json()),
        Ok(describe)
    );
    let delete = DeleteTableRequest {
        table_name: "orders".to_owned(),
    };
    assert_eq!(DeleteTableRequest::parse(&delete.to_json()), Ok(delete));
}

#[test]
fn answers_read_back_what_the_service_writes() {
    let table = settings().describe(TableFacts {
        table_status: TableStatus::Creating,
        creation_date_time: 1_700_000_000.25,
        table_id: "id".to_owned(),
        table_arn: "arn".to_owned(),
        table_size_bytes: 1,
        item_count: 2,
        latest_stream_label: None,
        indexes: std::collections::BTreeMap::new(),
    });
    let create = CreateTableResponse {
        table_description: table.clone(),
    };
    assert!(create.to_json().starts_with(br#"{"TableDescription":{"#));
    assert_eq!(CreateTableResponse::parse(&create.to_json()), Ok(create));
    let describe = DescribeTableResponse {
        table: table.clone(),
    };
    assert!(describe.to_json().starts_with(br#"{"Table":{"#));
    assert_eq!(
        DescribeTableResponse::parse(&describe.to_json()),
        Ok(describe)
    );
    let delete = DeleteTableResponse {
        table_description: table.for_delete(),
    };
    assert_eq!(DeleteTableResponse::parse(&delete.to_json()), Ok(delete));
    let list = ListTablesResponse {
        table_names: vec!["a".to_owned(), "b".to_owned()],
        last_evaluated_table_name: Some("b".to_owned()),
    };
    assert_eq!(ListTablesResponse::parse(&list.to_json()), Ok(list));
    assert!(DescribeTableResponse::parse(b"{}").is_err());
}

#[test]
fn create_table_words_names_in_its_own_way() {
    assert_eq!(
        create_error(&[]),
        "The parameter 'TableName' is required but was not present in the request"
    );
    for name in ["ab".to_owned(), "a".repeat(256)] {
        assert_eq!(
            create_error(&[&format!(r#""TableName":"{name}""#)]),
            "TableName must be at least 3 characters long and at most 255 characters long"
        );
    }
    assert_eq!(
        create_error(&[r#""TableName":"a;b""#]),
        "1 validation error detected: Value 'a;b' at 'tableName' failed to satisfy constraint: \
         Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    );
    assert_eq!(
        update_error(&[r#""TableName":"ab""#]),
        "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: \
         Member must have length greater than or equal to 3"
    );
}

#[test]
fn create_table_gathers_constraints() {
    assert_eq!(
        create_error(&[
            NAME,
            r#""AttributeDefinitions":[{"AttributeName":"pk","AttributeType":"X"},{"AttributeType":"S"}]"#,
            r#""KeySchema":[{"AttributeName":"pk","KeyType":"HAS"}]"#,
            r#""ProvisionedThroughput":{"ReadCapacityUnits":0}"#
        ]),
        "5 validation errors detected: Value 'X' at 'attributeDefinitions.1.member.attributeType' \
         failed to satisfy constraint: Member must satisfy enum value set: [B, N, S]; Value null at \
         'attributeDefinitions.2.member.attributeName' failed to satisfy constraint: Member must \
         not be null; Value 'HAS' at 'keySchema.1.member.keyType' failed to satisfy constraint: \
         Member must satisfy enum value set: [HASH, RANGE]; Value null at \
         'provisionedThroughput.writeCapacityUnits' failed to satisfy constraint: Member must not \
         be null; Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy \
         constraint: Member must have value greater than or equal to 1"
    );
}

#[test]
fn billing_mode_and_throughput_fit() {
    assert_eq!(
        create_error(&[NAME, DEFINITIONS, SCHEMA, ON_DEMAND, UNITS]),
        "One or more parameter values were invalid: Neither ReadCapacityUnits nor \
         WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST"
    );
    assert_eq!(
        create_error(&[NAME, DEFINITIONS, SCHEMA]),
        "One or more parameter values were invalid: ReadCapacityUnits and WriteCapacityUnits must \
         both be specified when BillingMode is PROVISIONED"
    );
    assert_eq!(
        create_error(&[
            NAME,
            DEFINITIONS,
            SCHEMA,
            r#""ProvisionedThroughput":{"ReadCapacityUnits":1000000000001,"WriteCapacityUnits":1}"#
        ]),
        "Given value 1000000000001 for ReadCapacityUnits is out of bounds"
    );
    assert_eq!(
        update_error(&[NAME, r#""BillingMode":"PROVISIONED""#]),
        "One or more parameter values were invalid: ProvisionedThroughput must be specified when \
         BillingMode is PROVISIONED"
    );
}

#[test]
fn key_schemas_have_the_right_shape() {
    let check = |schema: &str, definitions: &str, expected: &str| {
        let schema = format!(r#""KeySchema":[{schema}]"#);
        let definitions = format!(r#""AttributeDefinitions":[{definitions}]"#);
        assert_eq!(
            create_error(&[NAME, &schema, &definitions, ON_DEMAND]),
            expected
        );
    };
    let pk = r#"{"AttributeName":"pk","AttributeType":"S"}"#;
    let both =
        r#"{"AttributeName":"pk","AttributeType":"S"},{"AttributeName":"sk","AttributeType":"N"}"#;
    let hash = r#"{"AttributeName":"pk","KeyType":"HASH"}"#;
    check(
        r#"{"AttributeName":"other","KeyType":"HASH"}"#,
        pk,
        "Invalid KeySchema: Some index key attribute have no definition",
    );
    check(
        r#"{"AttributeName":"pk","KeyType":"RANGE"}"#,
        pk,
        "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
    );
    check(
        &format!(r#"{hash},{{"AttributeName":"sk","KeyType":"HASH"}}"#),
        both,
        "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
    );
    check(
        &format!(r#"{hash},{{"AttributeName":"pk","KeyType":"RANGE"}}"#),
        pk,
        "Both the Hash Key and the Range Key element in the KeySchema have the same name",
    );
    check(
        hash,
        both,
        "One or more parameter values were invalid: Number of attributes in KeySchema does not \
         exactly match number of attributes defined in AttributeDefinitions",
    );
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (member, value) in [
        ("GlobalTableSourceArn", r#""arn""#),
        ("GlobalTableSettingsReplicationMode", r#""ENABLED""#),
    ] {
        let part = format!(r#""{member}":{value}"#);
        assert_eq!(
            create_error(&[NAME, DEFINITIONS, SCHEMA, ON_DEMAND, &part]),
            format!(
                "One or more parameter values were invalid: {member} is not supported by this \
                 version"
            )
        );
    }
    for (member, value) in [
        ("ReplicaUpdates", "[{}]"),
        ("MultiRegionConsistency", r#""STRONG""#),
    ] {
        let part = format!(r#""{member}":{value}"#);
        assert!(update_error(&[NAME, &part]).contains(member));
    }
    // Switched off is what every table begins with.
    for part in [
        r#""StreamSpecification":{"StreamEnabled":false}"#,
        r#""SSESpecification":{"Enabled":false}"#,
        r#""Tags":[]"#,
        r#""GlobalSecondaryIndexes":null"#,
    ] {
        let request =
            CreateTableRequest::parse(&body(&[NAME, DEFINITIONS, SCHEMA, ON_DEMAND, part]));
        assert_eq!(
            request,
            CreateTableRequest::parse(&body(&[NAME, DEFINITIONS, SCHEMA, ON_DEMAND])),
            "{part}"
        );
    }
}

#[test]
fn update_table_changes_something() {
    assert_eq!(
        update_error(&[NAME]),
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, \
         GlobalSecondaryIndexUpdates or SSESpecification or ReplicaUpdates is required"
    );
    assert_eq!(
        update_error(&[NAME, DEFINITIONS, r#""GlobalSecondaryIndexUpdates":[]"#]),
        update_error(&[NAME])
    );
    let empty = r#""GlobalSecondaryIndexUpdates":[]"#;
    assert_eq!(
        update_error(&[NAME, r#""BillingMode":"PAY_PER_REQUEST""#, empty]),
        "One or more parameter values were invalid: List of GlobalSecondaryIndexUpdates is empty"
    );
}

/// A member that asks for each concern of UpdateTable, legal for itself.
const CONCERNS: [(&str, &str); 10] = [
    (
        "units",
        r#""ProvisionedThroughput":{"ReadCapacityUnits":7,"WriteCapacityUnits":7}"#,
    ),
    ("on-demand", r#""BillingMode":"PAY_PER_REQUEST""#),
    (
        "limits",
        r#""OnDemandThroughput":{"MaxReadRequestUnits":7}"#,
    ),
    ("warm", r#""WarmThroughput":{"ReadUnitsPerSecond":20000}"#),
    ("stream", r#""StreamSpecification":{"StreamEnabled":false}"#),
    ("encryption", r#""SSESpecification":{"Enabled":true}"#),
    ("class", r#""TableClass":"STANDARD""#),
    ("protection", r#""DeletionProtectionEnabled":true"#),
    (
        "new index",
        r#""AttributeDefinitions":[],"GlobalSecondaryIndexUpdates":[{"Create":{"IndexName":"new","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"}],"Projection":{"ProjectionType":"ALL"}}}]"#,
    ),
    (
        "changed index",
        r#""GlobalSecondaryIndexUpdates":[{"Update":{"IndexName":"old","WarmThroughput":{"ReadUnitsPerSecond":20000}}}]"#,
    ),
];

#[test]
fn update_table_changes_one_concern_at_a_time() {
    let alone =
        |what: &str| format!("{what} modification must be the only operation in the request");
    let expected = |a: &str, b: &str| -> Option<String> {
        let has = |name: &str| a == name || b == name;
        Some(if has("encryption") {
            alone("Server-Side Encryption")
        } else if has("class") {
            alone("TableClass")
        } else if has("protection") {
            alone("DeletionProtection")
        } else if has("warm") && has("new index") {
            "Create global secondary index cannot be specified when updating WarmThroughput".into()
        } else if has("warm") && (has("units") || has("on-demand") || has("stream")) {
            "WarmThroughput must be the only operation in the request".into()
        } else if has("limits") && (has("stream") || has("warm") || has("new index")) {
            "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request"
                .into()
        } else if has("units") && has("on-demand") {
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is \
             PAY_PER_REQUEST"
                .into()
        } else if has("units") && has("stream") {
            "You cannot modify stream status while updating table IOPS".into()
        } else if has("units") && has("new index") {
            "You cannot create or delete index while updating table IOPS".into()
        } else if has("stream") && has("new index") {
            "You cannot create or delete index while changing stream status".into()
        } else {
            return None;
        })
    };
    let mut accepted = Vec::new();
    for (at, (a, first)) in CONCERNS.iter().enumerate() {
        for (b, second) in CONCERNS.iter().skip(at + 1) {
            if a.ends_with("index") && b.ends_with("index") {
                continue;
            }
            let refused = UpdateTableRequest::parse(&body(&[NAME, first, second])).err();
            if refused.is_none() {
                accepted.push((*a, *b));
            }
            let expected = expected(a, b);
            assert_eq!(
                refused.map(text),
                expected.map(|words| format!("One or more parameter values were invalid: {words}")),
                "{a} and {b}"
            );
        }
    }
    assert_eq!(
        accepted,
        [
            ("units", "limits"),
            ("units", "changed index"),
            ("on-demand", "limits"),
            ("on-demand", "stream"),
            ("on-demand", "new index"),
            ("on-demand", "changed index"),
            ("limits", "changed index"),
            ("warm", "changed index"),
            ("stream", "changed index"),
        ]
    );
}

#[test]
fn encryption_has_members_that_go_together() {
    for (members, refused) in [
        (
            r#""Enabled":false,"SSEType":"KMS""#,
            "SSEType can not be specified if Enabled is false",
        ),
        (
            r#""Enabled":false,"KMSMasterKeyId":"k""#,
            "KMSMasterKeyId can not be specified if Enabled is false",
        ),
        (
            r#""Enabled":true,"SSEType":"AES256""#,
            "SSEType AES256 is not supported",
        ),
        (
            r#""Enabled":true,"KMSMasterKeyId":"k""#,
            "SSEType KMS is required if KMSMasterKeyId is specified",
        ),
    ] {
        let part = format!(r#""SSESpecification":{{{members}}}"#);
        let refused = format!("One or more parameter values were invalid: {refused}");
        assert_eq!(update_error(&[NAME, &part]), refused);
        let create =
            CreateTableRequest::parse(&body(&[NAME, DEFINITIONS, SCHEMA, ON_DEMAND, &part]));
        assert_eq!(text(create.unwrap_err()), refused);
    }
    let off = UpdateTableRequest::parse(&body(&[NAME, r#""SSESpecification":{"Enabled":false}"#]));
    assert_eq!(
        text(off.unwrap().apply(&settings()).unwrap_err()),
        "One or more parameter values were invalid: Table is already encrypted by default"
    );
}

#[test]
fn an_update_is_applied_to_the_settings() {
    let update = |parts: &[&str]| {
        let mut all = vec![NAME];
        all.extend(parts);
        UpdateTableRequest::parse(&body(&all)).unwrap()
    };
    let current = settings();
    assert!(
        text(update(&[UNITS]).apply(&current).unwrap_err())
            .starts_with("The provisioned throughput for the table will not change.")
    );
    let more = r#""ProvisionedThroughput":{"ReadCapacityUnits":50,"WriteCapacityUnits":6}"#;
    let changed = update(&[more]).apply(&current).unwrap();
    assert_eq!(
        changed.provisioned_throughput.unwrap().read_capacity_units,
        50
    );
    let limits = r#""OnDemandThroughput":{"MaxReadRequestUnits":9,"MaxWriteRequestUnits":8}"#;
    assert!(text(update(&[limits]).apply(&current).unwrap_err()).contains("OnDemandThroughput"));
    let on_demand = update(&[ON_DEMAND, limits]).apply(&current).unwrap();
    assert_eq!(on_demand.provisioned_throughput, None);
    assert_eq!(
        on_demand
            .on_demand_throughput
            .unwrap()
            .max_write_request_units,
        Some(8)
    );
    assert!(on_demand.deletion_protection_enabled);
    let less = update(&[r#""OnDemandThroughput":{"MaxReadRequestUnits":-1}"#])
        .apply(&on_demand)
        .unwrap();
    assert_eq!(
        less.on_demand_throughput.unwrap().max_read_request_units,
        None
    );
    assert!(text(update(&[UNITS]).apply(&on_demand).unwrap_err()).contains("Neither"));
    let back = update(&[r#""BillingMode":"PROVISIONED""#, UNITS])
        .apply(&less)
        .unwrap();
    assert_eq!(back, current);
    let unprotected = update(&[r#""DeletionProtectionEnabled":false"#])
        .apply(&current)
        .unwrap();
    assert!(!unprotected.deletion_protection_enabled);
}

#[test]
fn pages_of_tables_are_bounded() {
    let parse = |part: &str| ListTablesRequest::parse(&body(&[part]));
    assert_eq!(parse("").unwrap().page_length(), 100);
    assert_eq!(parse(r#""Limit":7"#).unwrap().page_length(), 7);
    assert_eq!(
        text(parse(r#""Limit":101"#).unwrap_err()),
        "1 validation error detected: Value '101' at 'limit' failed to satisfy constraint: Member \
         must have value less than or equal to 100"
    );
    assert!(parse(r#""ExclusiveStartTableName":"a;b""#).is_err());
}
