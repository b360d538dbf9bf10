use super::{body, item, text};
use crate::capacity::ConsumedCapacity;
use crate::operations::*;

const TABLE: &str = r#""TableName":"T""#;
const CONDITION: &str = r#""KeyConditionExpression":"pk = :p""#;
const VALUES: &str = r#""ExpressionAttributeValues":{":p":{"S":"a"}}"#;

fn query(parts: &[&str]) -> Result<QueryRequest, crate::ApiError> {
    let mut all = vec![TABLE, CONDITION, VALUES];
    all.extend(parts);
    QueryRequest::parse(&body(&all))
}

fn scan(parts: &[&str]) -> Result<ScanRequest, crate::ApiError> {
    let mut all = vec![TABLE];
    all.extend(parts);
    ScanRequest::parse(&body(&all))
}

#[test]
fn requests_read_back_what_clients_write() {
    let query = QueryRequest {
        index_name: Some("idx".to_owned()),
        select: Some(Select::AllProjectedAttributes),
        limit: Some(7),
        consistent_read: true,
        filter_expression: Some("a = :p".to_owned()),
        expression_attribute_values: Some(item(&[(":p", "a")])),
        scan_index_forward: false,
        exclusive_start_key: Some(item(&[("pk", "a")])),
        return_consumed_capacity: ReturnConsumedCapacity::Total,
        ..QueryRequest::new("T", "pk = :p")
    };
    assert_eq!(QueryRequest::parse(&query.to_json()), Ok(query));
    let scan = ScanRequest {
        table_name: "T".to_owned(),
        select: Some(Select::Count),
        limit: Some(u32::MAX),
        segment: Some(0),
        total_segments: Some(1_000_000),
        projection_expression: Some("a".to_owned()),
        exclusive_start_key: Some(item(&[("pk", "a")])),
        ..ScanRequest::default()
    };
    assert_eq!(ScanRequest::parse(&scan.to_json()), Ok(scan));
}

#[test]
fn answers_have_the_services_members() {
    let mut response = QueryResponse {
        items: Some(vec![item(&[("pk", "a")]), Default::default()]),
        count: 2,
        scanned_count: 12,
        last_evaluated_key: Some(item(&[("pk", "a")])),
        consumed_capacity: ConsumedCapacity::report(ReturnConsumedCapacity::Total, "T", 0.5),
    };
    assert_eq!(
        String::from_utf8(response.to_json()).unwrap(),
        concat!(
            r#"{"Items":[{"pk":{"S":"a"}},{}],"Count":2,"ScannedCount":12,"#,
            r#""LastEvaluatedKey":{"pk":{"S":"a"}},"#,
            r#""ConsumedCapacity":{"TableName":"T","CapacityUnits":0.5}}"#
        )
    );
    assert_eq!(
        QueryResponse::parse(&response.to_json()).as_ref(),
        Ok(&response)
    );
    response.items = None;
    assert!(
        !String::from_utf8(response.to_json())
            .unwrap()
            .contains("Items")
    );
}

#[test]
fn a_query_needs_a_key_condition() {
    let without = |parts: &[&str]| {
        let mut request = QueryRequest::parse(&body(parts)).unwrap();
        let refused = request
            .take_expressions()
            .and_then(|_| request.take_key_conditions());
        text(refused.unwrap_err())
    };
    assert_eq!(
        without(&[TABLE]),
        "Either the KeyConditions or KeyConditionExpression parameter must be specified in the \
         request."
    );
    assert_eq!(
        without(&[TABLE, r#""KeyConditions":{}"#]),
        "Conditions can be of length 1 or 2 only"
    );
    assert!(query(&[]).unwrap().scan_index_forward);
}

#[test]
fn limits_below_one_are_worded_by_operation() {
    assert_eq!(
        text(query(&[r#""Limit":0"#]).unwrap_err()),
        "1 validation error detected: Value at 'Limit' failed to satisfy constraint: Member must \
         have value greater than or equal to 1"
    );
    assert_eq!(
        text(scan(&[r#""Limit":0"#]).unwrap_err()),
        "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: Member \
         must have value greater than or equal to 1"
    );
    assert_eq!(
        scan(&[r#""Limit":"1""#]).unwrap_err(),
        crate::ApiError::serialization("STRING_VALUE cannot be converted to Integer")
    );
}

#[test]
fn select_fits_projection_and_index() {
    let check = |parts: &[&str], query_text: &str, scan_text: &str| {
        assert_eq!(
            text(query(parts).unwrap().check_select().unwrap_err()),
            query_text
        );
        assert_eq!(
            text(scan(parts).unwrap().check_select().unwrap_err()),
            scan_text
        );
    };
    let projection = r#""ProjectionExpression":"a""#;
    let both = "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName";
    check(&[r#""Select":"ALL_PROJECTED_ATTRIBUTES""#], both, both);
    let specific = "Must specify the AttributesToGet or ProjectionExpression when choosing to get \
                    SPECIFIC_ATTRIBUTES";
    check(
        &[r#""Select":"SPECIFIC_ATTRIBUTES""#],
        &format!("1 validation error detected: {specific}"),
        specific,
    );
    let count = "Cannot specify the ProjectionExpression when choosing to get only the Count";
    check(&[r#""Select":"COUNT""#, projection], count, count);
    let all = "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES";
    check(&[r#""Select":"ALL_ATTRIBUTES""#, projection], all, all);
    for parts in [
        &[][..],
        &[projection],
        &[projection, r#""Select":"SPECIFIC_ATTRIBUTES""#],
        &[r#""Select":"COUNT""#],
        &[
            r#""Select":"ALL_PROJECTED_ATTRIBUTES""#,
            r#""IndexName":"idx""#,
        ],
    ] {
        assert_eq!(query(parts).unwrap().check_select(), Ok(()), "{parts:?}");
    }
    assert_eq!(
        text(query(&[r#""Select":"x""#]).unwrap_err()),
        "1 validation error detected: Value 'x' at 'select' failed to satisfy constraint: Member \
         must satisfy enum value set: [SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, \
         ALL_PROJECTED_ATTRIBUTES]"
    );
}

#[test]
fn segments_come_in_pairs_and_in_range() {
    let check = |parts: &[&str], expected: &str| {
        assert_eq!(
            text(scan(parts).unwrap().check_segments().unwrap_err()),
            expected
        );
    };
    check(
        &[r#""Segment":0"#],
        "The TotalSegments parameter is required but was not present in the request when Segment \
         parameter is present",
    );
    check(
        &[r#""TotalSegments":1"#],
        "The Segment parameter is required but was not present in the request when parameter \
         TotalSegments is present",
    );
    check(
        &[r#""Segment":5"#, r#""TotalSegments":5"#],
        "The Segment parameter is zero-based and must be less than parameter TotalSegments: \
         Segment: 5 is not less than TotalSegments: 5",
    );
    assert_eq!(
        text(scan(&[r#""TotalSegments":1000001"#]).unwrap_err()),
        "1 validation error detected: Value '1000001' at 'totalSegments' failed to satisfy \
         constraint: Member must have value less than or equal to 1000000"
    );
    let pair = scan(&[r#""Segment":4"#, r#""TotalSegments":5"#]).unwrap();
    assert_eq!(pair.check_segments(), Ok(()));
}

#[test]
fn broken_starting_keys_are_named_but_for_numbers() {
    assert_eq!(
        text(scan(&[r#""ExclusiveStartKey":{"pk":{}}"#]).unwrap_err()),
        "The provided starting key is invalid: Supplied AttributeValue is empty, must contain \
         exactly one of the supported datatypes"
    );
    assert_eq!(
        text(scan(&[r#""ExclusiveStartKey":{"pk":{"N":"dog"}}"#]).unwrap_err()),
        "The parameter cannot be converted to a numeric value: dog"
    );
    // The words end with the key: a value elsewhere has its own.
    assert_eq!(
        text(
            scan(&[
                r#""ExclusiveStartKey":{"pk":{"S":"a"}}"#,
                r#""FilterExpression":"a = :v""#,
                r#""ExpressionAttributeValues":{":v":{"SS":[]}}"#
            ])
            .unwrap_err()
        ),
        "ExpressionAttributeValues contains invalid value: One or more parameter values were \
         invalid: An string set  may not be empty for key :v"
    );
}

#[test]
fn orphan_values_list_all_expressions_of_the_operation() {
    assert_eq!(
        text(scan(&[VALUES]).unwrap_err()),
        "ExpressionAttributeValues can only be specified when using expressions: FilterExpression \
         is null"
    );
}
