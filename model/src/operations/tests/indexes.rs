//! Secondary indexes and streams in CreateTable and UpdateTable.

use super::{body, text};
use crate::error::ErrorCode;
use crate::operations::*;
use crate::table::*;

const TABLE: &str = r#""TableName":"orders","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"pk","KeyType":"HASH"},{"AttributeName":"sk","KeyType":"RANGE"}]"#;

fn definitions(names: &str) -> String {
    let definitions: Vec<String> = names
        .split(' ')
        .map(|name| format!(r#"{{"AttributeName":"{name}","AttributeType":"S"}}"#))
        .collect();
    format!(r#""AttributeDefinitions":[{}]"#, definitions.join(","))
}

/// An index; `key` is like `HASH a RANGE b`.
fn index(name: &str, key: &str, projection: &str) -> String {
    let words: Vec<&str> = key.split(' ').collect();
    let elements: Vec<String> = words
        .chunks(2)
        .map(|pair| {
            format!(
                r#"{{"KeyType":"{}","AttributeName":"{}"}}"#,
                pair[0], pair[1]
            )
        })
        .collect();
    format!(
        r#"{{"IndexName":"{name}","KeySchema":[{}],"Projection":{projection}}}"#,
        elements.join(",")
    )
}

const ALL: &str = r#"{"ProjectionType":"ALL"}"#;

fn create(names: &str, parts: &[&str]) -> Result<CreateTableRequest, crate::ApiError> {
    let definitions = definitions(names);
    let mut all = vec![TABLE, &definitions];
    all.extend(parts);
    CreateTableRequest::parse(&body(&all))
}

fn global(names: &str, indexes: &[String]) -> Result<CreateTableRequest, crate::ApiError> {
    let part = format!(r#""GlobalSecondaryIndexes":[{}]"#, indexes.join(","));
    create(names, &[&part])
}

fn local(names: &str, indexes: &[String]) -> Result<CreateTableRequest, crate::ApiError> {
    let part = format!(r#""LocalSecondaryIndexes":[{}]"#, indexes.join(","));
    create(names, &[&part])
}

fn check_refused(outcome: Result<CreateTableRequest, crate::ApiError>, expected: &str) {
    let message = text(outcome.unwrap_err());
    let expected = expected.replace("…", "One or more parameter values were invalid: ");
    assert_eq!(message, expected);
}

#[test]
fn a_table_with_indexes_reads_back() {
    let request = create(
        "pk sk a b c d",
        &[
            &format!(
                r#""LocalSecondaryIndexes":[{}]"#,
                index(
                    "by-a",
                    "HASH pk RANGE a",
                    r#"{"ProjectionType":"KEYS_ONLY"}"#
                )
            ),
            &format!(
                r#""GlobalSecondaryIndexes":[{}]"#,
                index(
                    "by-b",
                    "HASH b HASH c RANGE d RANGE a",
                    r#"{"ProjectionType":"INCLUDE","NonKeyAttributes":["x","y"]}"#
                )
            ),
            r#""StreamSpecification":{"StreamEnabled":true,"StreamViewType":"OLD_IMAGE"}"#,
            r#""SSESpecification":{"Enabled":true,"SSEType":"KMS"}"#,
            r#""Tags":[{"Key":"team","Value":""}]"#,
            r#""WarmThroughput":{"ReadUnitsPerSecond":13000}"#,
            r#""ResourcePolicy":"{\"Statement\":{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}}""#,
        ],
    )
    .unwrap();
    let global = &request.settings.global_secondary_indexes[0];
    assert_eq!(global.key_schema.partition_keys.len(), 2);
    assert_eq!(global.key_schema.sort_keys.len(), 2);
    assert_eq!(
        request.settings.stream_view_type,
        Some(StreamViewType::OldImage)
    );
    assert_eq!(CreateTableRequest::parse(&request.to_json()), Ok(request));
}

#[test]
fn the_models_constraints_reach_into_indexes() {
    check_refused(
        global(
            "pk sk",
            &[r#"{"IndexName":"a;","KeySchema":[],"Projection":{"ProjectionType":"SOME","NonKeyAttributes":[]},"ProvisionedThroughput":{"ReadCapacityUnits":0}}"#.to_owned()],
        ),
        "7 validation errors detected: Value 'SOME' at \
         'globalSecondaryIndexes.1.member.projection.projectionType' failed to satisfy constraint: \
         Member must satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]; Value '[]' at \
         'globalSecondaryIndexes.1.member.projection.nonKeyAttributes' failed to satisfy constraint: \
         Member must have length greater than or equal to 1; Value 'a;' at \
         'globalSecondaryIndexes.1.member.indexName' failed to satisfy constraint: Member must \
         satisfy regular expression pattern: [a-zA-Z0-9_.-]+; Value 'a;' at \
         'globalSecondaryIndexes.1.member.indexName' failed to satisfy constraint: Member must have \
         length greater than or equal to 3; Value null at \
         'globalSecondaryIndexes.1.member.provisionedThroughput.writeCapacityUnits' failed to \
         satisfy constraint: Member must not be null; Value '0' at \
         'globalSecondaryIndexes.1.member.provisionedThroughput.readCapacityUnits' failed to satisfy \
         constraint: Member must have value greater than or equal to 1; Value '[]' at \
         'globalSecondaryIndexes.1.member.keySchema' failed to satisfy constraint: Member must have \
         length greater than or equal to 1",
    );
    check_refused(
        local("pk sk", &["{}".to_owned()]),
        "3 validation errors detected: Value null at \
         'localSecondaryIndexes.1.member.projection' failed to satisfy constraint: Member must not \
         be null; Value null at 'localSecondaryIndexes.1.member.indexName' failed to satisfy \
         constraint: Member must not be null; Value null at \
         'localSecondaryIndexes.1.member.keySchema' failed to satisfy constraint: Member must not be \
         null",
    );
}

#[test]
fn local_indexes_fit_their_table() {
    check_refused(
        local("pk sk", &[]),
        "…List of LocalSecondaryIndexes is empty",
    );
    let check = |names: &str, key: &str, projection: &str, expected: &str| {
        check_refused(local(names, &[index("abc", key, projection)]), expected);
    };
    check(
        "pk sk",
        "HASH pk RANGE a",
        ALL,
        "…Some index key attributes are not defined in AttributeDefinitions. Keys: [pk, a], \
         AttributeDefinitions: [pk, sk]",
    );
    check(
        "pk sk",
        "HASH pk",
        ALL,
        "…Index KeySchema does not have a range key for index: abc",
    );
    check(
        "pk sk a",
        "HASH a RANGE sk",
        ALL,
        "…Index KeySchema does not have the same leading hash key as table KeySchema for index: \
         abc. index hash key: a, table hash key: pk",
    );
    check(
        "pk sk",
        "HASH pk RANGE pk",
        ALL,
        "Both the Hash Key and the Range Key element in the KeySchema have the same name",
    );
    check(
        "pk sk",
        "HASH pk HASH sk",
        ALL,
        "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
    );
    check(
        "pk sk",
        "HASH pk RANGE sk",
        "{}",
        "…Unknown ProjectionType: null",
    );
    let without_range = format!(
        r#""TableName":"orders","BillingMode":"PAY_PER_REQUEST","KeySchema":[{{"AttributeName":"pk","KeyType":"HASH"}}],{},"LocalSecondaryIndexes":[{}]"#,
        definitions("pk a"),
        index("abc", "HASH pk RANGE a", ALL)
    );
    check_refused(
        CreateTableRequest::parse(&body(&[&without_range])),
        "…Table KeySchema does not have a range key, which is required when specifying a \
         LocalSecondaryIndex",
    );
    let six: Vec<String> = (0..6)
        .map(|at| index(&format!("abc{at}"), "HASH pk RANGE sk", ALL))
        .collect();
    check_refused(
        local("pk sk", &six),
        "…Number of LocalSecondaryIndexes exceeds per-table limit of 5",
    );
    assert!(local("pk sk", &six[1..]).is_ok());
}

#[test]
fn global_indexes_have_keys_and_projections() {
    check_refused(
        global("pk sk", &[]),
        "…List of GlobalSecondaryIndexes is empty",
    );
    let check = |names: &str, key: &str, projection: &str, expected: &str| {
        check_refused(global(names, &[index("abc", key, projection)]), expected);
    };
    check(
        "pk sk",
        "HASH x",
        ALL,
        "…Some index key attributes are not defined in AttributeDefinitions. Keys: [x], \
         AttributeDefinitions: [pk, sk]",
    );
    check(
        "pk sk",
        "RANGE sk",
        ALL,
        "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
    );
    check(
        "pk sk a",
        "HASH sk RANGE a HASH pk",
        ALL,
        "…All HASH key attributes must precede RANGE key attributes in the KeySchema",
    );
    check(
        "pk sk",
        "HASH sk RANGE sk",
        ALL,
        "Both the Hash Key and the Range Key element in the KeySchema have the same name",
    );
    check(
        "pk sk a b c",
        "HASH pk HASH sk HASH a HASH b HASH c",
        ALL,
        "…The KeySchema exceeds the maximum allowed number of HASH key attributes",
    );
    check(
        "pk sk",
        "HASH sk",
        r#"{"ProjectionType":"ALL","NonKeyAttributes":["a"]}"#,
        "…ProjectionType is ALL, but NonKeyAttributes is specified",
    );
    check(
        "pk sk",
        "HASH sk",
        r#"{"ProjectionType":"INCLUDE"}"#,
        "…ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
    );
    check(
        "pk sk x",
        "HASH sk",
        ALL,
        "…Some AttributeDefinitions are not used. AttributeDefinitions: [pk, sk, x], keys used: \
         [pk, sk]",
    );
    let twenty_one: Vec<String> = (0..21)
        .map(|at| index(&format!("abc{at}"), "HASH sk", ALL))
        .collect();
    check_refused(
        global("pk sk", &twenty_one),
        "…GlobalSecondaryIndex count exceeds the per-table limit of 20",
    );
    assert!(global("pk sk", &twenty_one[1..]).is_ok());
    let twins = [index("abc", "HASH sk", ALL), index("abc", "HASH pk", ALL)];
    check_refused(global("pk sk", &twins), "…Duplicate index name: abc");
}

#[test]
fn a_local_and_a_global_index_share_no_name() {
    let outcome = create(
        "pk sk",
        &[
            &format!(
                r#""LocalSecondaryIndexes":[{}]"#,
                index("abc", "HASH pk RANGE sk", ALL)
            ),
            &format!(
                r#""GlobalSecondaryIndexes":[{}]"#,
                index("abc", "HASH sk", ALL)
            ),
        ],
    );
    check_refused(outcome, "…Duplicate index name: abc");
}

#[test]
fn an_indexs_capacity_fits_the_billing_mode() {
    let with_units = r#"{"IndexName":"abc","KeySchema":[{"KeyType":"HASH","AttributeName":"sk"}],"Projection":{"ProjectionType":"ALL"},"ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1}}"#;
    check_refused(
        global("pk sk", &[with_units.to_owned()]),
        "…ProvisionedThroughput should not be specified for index: abc when BillingMode is \
         PAY_PER_REQUEST",
    );
    let provisioned = TABLE.replace(
        r#""BillingMode":"PAY_PER_REQUEST""#,
        r#""ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1}"#,
    );
    let parse = |indexes: &str| {
        let definitions = definitions("pk sk");
        let indexes = format!(r#""GlobalSecondaryIndexes":[{indexes}]"#);
        CreateTableRequest::parse(&body(&[&provisioned, &definitions, &indexes]))
    };
    check_refused(
        parse(&index("abc", "HASH sk", ALL)),
        "…ProvisionedThroughput is not specified for index: abc",
    );
    assert!(parse(with_units).is_ok());
    check_refused(
        parse(&with_units.replace(
            r#""ReadCapacityUnits":1"#,
            r#""ReadCapacityUnits":1000000000001"#,
        )),
        "Given value 1000000000001 for ReadCapacityUnits is out of bounds for index abc",
    );
}

#[test]
fn a_stream_needs_a_view_type_and_only_a_stream_has_one() {
    check_refused(
        create(
            "pk sk",
            &[r#""StreamSpecification":{"StreamEnabled":true}"#],
        ),
        "…Table is being created with a stream enabled, UpdateViewType is required",
    );
    check_refused(
        create(
            "pk sk",
            &[r#""StreamSpecification":{"StreamEnabled":false,"StreamViewType":"KEYS_ONLY"}"#],
        ),
        "…Table is being created with a stream disabled, UpdateViewType should not be specified",
    );
    check_refused(
        create(
            "pk sk",
            &[r#""StreamSpecification":{"StreamViewType":"BOTH"}"#],
        ),
        "2 validation errors detected: Value null at 'streamSpecification.streamEnabled' failed to \
         satisfy constraint: Member must not be null; Value 'BOTH' at \
         'streamSpecification.streamViewType' failed to satisfy constraint: Member must satisfy \
         enum value set: [NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY]",
    );
}

fn update(part: &str) -> Result<UpdateTableRequest, crate::ApiError> {
    UpdateTableRequest::parse(&body(&[r#""TableName":"orders""#, part]))
}

fn with_index() -> TableSettings {
    global("pk sk a", &[index("abc", "HASH a", ALL)])
        .unwrap()
        .settings
}

#[test]
fn an_update_of_indexes_names_one_change_each() {
    let updates = |list: &str| update(&format!(r#""GlobalSecondaryIndexUpdates":[{list}]"#));
    let refused = |list: &str| text(updates(list).unwrap_err());
    assert!(refused("{}").contains(
        "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, \
         GlobalSecondaryIndexUpdate.Delete must not be null"
    ));
    let create = format!(r#"{{"Create":{}}}"#, index("abc", "HASH a", ALL));
    let delete = r#"{"Delete":{"IndexName":"xyz"}}"#;
    let online = updates(&format!("{create},{delete}")).unwrap_err();
    assert_eq!(online.code, ErrorCode::LimitExceededException);
    assert_eq!(online, one_online_index_at_a_time());
    let capacity = r#"{"Update":{"IndexName":"abc","ProvisionedThroughput":{"ReadCapacityUnits":1,"WriteCapacityUnits":1}}}"#;
    assert!(refused(&format!("{capacity},{create}")).contains(
        "Only one global secondary index update per index is allowed simultaneously. Index: abc"
    ));
    assert_eq!(
        refused(r#"{"Delete":{"IndexName":"a"}}"#),
        "1 validation error detected: Value 'a' at \
         'globalSecondaryIndexUpdates.1.member.delete.indexName' failed to satisfy constraint: \
         Member must have length greater than or equal to 3"
    );
    for list in [create.as_str(), delete, capacity] {
        let request = updates(list).unwrap();
        assert_eq!(UpdateTableRequest::parse(&request.to_json()), Ok(request));
    }
}

#[test]
fn an_index_is_added_with_its_definitions_and_removed_with_them() {
    let create = format!(
        r#""GlobalSecondaryIndexUpdates":[{{"Create":{}}}]"#,
        index("new", "HASH b RANGE a", ALL)
    );
    let current = with_index();
    let without = update(&create).unwrap().apply(&current).unwrap_err();
    assert_eq!(
        text(without),
        "One or more parameter values were invalid: AttributeDefinitions is not specified for \
         index: new"
    );
    // The type of a is fixed; what the request says of it, or of an attribute without use, is
    // ignored.
    let defined = format!(
        r#""AttributeDefinitions":[{{"AttributeName":"a","AttributeType":"N"}},{{"AttributeName":"b","AttributeType":"N"}},{{"AttributeName":"x","AttributeType":"N"}}],{create}"#
    );
    let changed = update(&defined).unwrap().apply(&current).unwrap();
    let names: Vec<&str> = changed
        .attribute_definitions
        .iter()
        .map(|definition| definition.attribute_name.as_str())
        .collect();
    assert_eq!(names, ["pk", "sk", "a", "b"]);
    let new = changed.global_secondary_indexes.last().unwrap();
    assert_eq!(
        new.key_schema.sort_keys[0].scalar_type,
        crate::ScalarType::S
    );
    let twice = update(&defined).unwrap().apply(&changed).unwrap_err();
    assert_eq!(
        text(twice),
        "Attempting to create an index which already exists"
    );
    let delete = update(r#""GlobalSecondaryIndexUpdates":[{"Delete":{"IndexName":"new"}}]"#);
    let removed = delete.clone().unwrap().apply(&changed).unwrap();
    assert_eq!(removed, current);
    let unknown = delete.unwrap().apply(&current).unwrap_err();
    assert_eq!(unknown.code, ErrorCode::ResourceNotFoundException);
    let message = unknown.message.unwrap_or_default();
    assert!(message.starts_with("Requested resource not found: Index new for table "));
}

#[test]
fn a_change_of_the_billing_mode_covers_the_indexes() {
    let table = r#""BillingMode":"PROVISIONED","ProvisionedThroughput":{"ReadCapacityUnits":5,"WriteCapacityUnits":5}"#;
    let current = with_index();
    let refused = update(table).unwrap().apply(&current).unwrap_err();
    assert_eq!(
        text(refused),
        "One or more parameter values were invalid: ProvisionedThroughput must be specified for \
         index: abc"
    );
    let both = format!(
        r#"{table},"GlobalSecondaryIndexUpdates":[{{"Update":{{"IndexName":"abc","ProvisionedThroughput":{{"ReadCapacityUnits":2,"WriteCapacityUnits":3}}}}}}]"#
    );
    let changed = update(&both).unwrap().apply(&current).unwrap();
    let units = changed.global_secondary_indexes[0].provisioned_throughput;
    assert_eq!(units.unwrap().write_capacity_units, 3);
    let same = update(
        r#""GlobalSecondaryIndexUpdates":[{"Update":{"IndexName":"abc","ProvisionedThroughput":{"ReadCapacityUnits":2,"WriteCapacityUnits":3}}}]"#,
    );
    assert!(
        text(same.unwrap().apply(&changed).unwrap_err()).starts_with(
            "The provisioned throughput for the index abc will not change. The requested value \
             equals the current value. Current ReadCapacityUnits provisioned for the index: 2."
        )
    );
    let back = update(r#""BillingMode":"PAY_PER_REQUEST""#)
        .unwrap()
        .apply(&changed)
        .unwrap();
    assert_eq!(back, current);
}

#[test]
fn a_stream_is_switched_on_and_off_once() {
    let on = update(r#""StreamSpecification":{"StreamEnabled":true,"StreamViewType":"KEYS_ONLY"}"#)
        .unwrap();
    let off = update(r#""StreamSpecification":{"StreamEnabled":false}"#).unwrap();
    let without = with_index();
    let with = on.apply(&without).unwrap();
    assert_eq!(with.stream_view_type, Some(StreamViewType::KeysOnly));
    assert_eq!(
        text(on.apply(&with).unwrap_err()),
        "Table already has an enabled stream: TableName: orders"
    );
    assert_eq!(off.apply(&with).unwrap(), without);
    assert_eq!(
        text(off.apply(&without).unwrap_err()),
        "Table has no stream to disable: TableName: orders"
    );
}

#[test]
fn warm_throughput_is_only_raised() {
    let warm = |units: i64| {
        update(&format!(
            r#""WarmThroughput":{{"ReadUnitsPerSecond":{units}}}"#
        ))
        .unwrap()
    };
    let current = with_index();
    let refused = "One or more parameter values were invalid: Requested ReadUnitsPerSecond for \
                   WarmThroughput for table is lower than current WarmThroughput, decreasing \
                   WarmThroughput is not supported";
    assert_eq!(text(warm(11_999).apply(&current).unwrap_err()), refused);
    let raised = warm(20_000).apply(&current).unwrap();
    assert_eq!(text(warm(19_999).apply(&raised).unwrap_err()), refused);
    // Units that were provisioned since lift what is served; only what a request names is measured against it.
    let provisioned = TableSettings {
        billing_mode: BillingMode::Provisioned,
        provisioned_throughput: Some(ProvisionedThroughput {
            read_capacity_units: 30_000,
            write_capacity_units: 30_000,
        }),
        warm_throughput: raised.warm_throughput.map(|warm| WarmThroughput {
            write_units_per_second: Some(5_000),
            ..warm
        }),
        global_secondary_indexes: Vec::new(),
        ..raised
    };
    assert!(warm(31_000).apply(&provisioned).is_ok());
    assert_eq!(text(warm(29_999).apply(&provisioned).unwrap_err()), refused);
    let warm_index = |units: i64| {
        update(&format!(
            r#""GlobalSecondaryIndexUpdates":[{{"Update":{{"IndexName":"{}","WarmThroughput":{{"ReadUnitsPerSecond":{units}}}}}}}]"#,
            current.global_secondary_indexes[0].index_name
        ))
        .unwrap()
    };
    let raised = warm_index(20_000).apply(&current).unwrap();
    for units in [-1, 19_999] {
        assert_eq!(
            text(warm_index(units).apply(&raised).unwrap_err()),
            refused.replace(
                "table",
                &format!("index {}", current.global_secondary_indexes[0].index_name)
            )
        );
    }
    check_refused(
        create(
            "pk sk",
            &[r#""WarmThroughput":{"WriteUnitsPerSecond":3999}"#],
        ),
        "…Requested WriteUnitsPerSecond for WarmThroughput for table is lower than initial \
         throughput for OnDemand. See: https://docs.aws.amazon.com/amazondynamodb/latest/\
         developerguide/on-demand-capacity-mode.html#on-demand-capacity-mode-initial",
    );
}
