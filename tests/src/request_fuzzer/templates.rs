//! Requests that are right, for each operation whose input has a grammar of its own.

use serde_json::{Value, json};

/// The table of the requests: string and number key, a local and a global index, a stream.
pub const TABLE: &str = "fuzz";

/// What makes [`TABLE`].
#[must_use]
pub fn table() -> Value {
    table_named(TABLE)
}

fn table_named(name: &str) -> Value {
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let attribute = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    json!({
        "TableName": name,
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "AttributeDefinitions": [
            attribute("pk", "S"), attribute("sk", "N"), attribute("a", "N"), attribute("g", "S"),
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "LocalSecondaryIndexes": [{
            "IndexName": "local", "KeySchema": [key("pk", "HASH"), key("a", "RANGE")],
            "Projection": {"ProjectionType": "ALL"},
        }],
        "GlobalSecondaryIndexes": [{
            "IndexName": "global", "KeySchema": [key("g", "HASH"), key("a", "RANGE")],
            "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["s"]},
        }],
        "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "Tags": [{"Key": "k", "Value": "v"}],
    })
}

/// One request of each kind, with its operation.
#[must_use]
pub fn all() -> Vec<(&'static str, Value)> {
    let mut all = items();
    all.extend(reads());
    all.extend(many());
    all.extend(tables());
    all
}

fn key() -> Value {
    json!({"pk": {"S": "p1"}, "sk": {"N": "1"}})
}

fn item() -> Value {
    json!({
        "pk": {"S": "p1"}, "sk": {"N": "1"}, "a": {"N": "-1.5E3"}, "g": {"S": "g1"}, "s": {"S": "text"},
        "b": {"B": "YWJj"}, "l": {"L": [{"N": "1"}, {"M": {"x": {"NULL": true}}}]}, "m": {"M": {"x": {"BOOL": false}}},
        "ns": {"NS": ["1", "2"]}, "ss": {"SS": ["a", "b"]}, "bs": {"BS": ["YQ=="]},
    })
}

fn items() -> Vec<(&'static str, Value)> {
    vec![
        (
            "PutItem",
            json!({"TableName": TABLE, "Item": item(), "ReturnValues": "ALL_OLD",
                "ConditionExpression": "attribute_not_exists(#n) OR (a BETWEEN :low AND :high AND NOT contains(s, :s))",
                "ExpressionAttributeNames": {"#n": "pk"},
                "ExpressionAttributeValues": {":low": {"N": "-9"}, ":high": {"N": "9"}, ":s": {"S": "x"}},
                "ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE"}),
        ),
        (
            "PutItem",
            json!({"TableName": TABLE, "Item": item(), "ConditionalOperator": "OR",
                "Expected": {"a": {"ComparisonOperator": "GT", "AttributeValueList": [{"N": "1"}]}, "z": {"Exists": false}}}),
        ),
        (
            "UpdateItem",
            json!({"TableName": TABLE, "Key": key(), "ReturnValues": "UPDATED_NEW",
                "UpdateExpression": "SET l[1].x = if_not_exists(m.#x, :v) + :v, s = :s REMOVE l[0], b ADD ns :set, a :v DELETE ss :ss",
                "ConditionExpression": "size(l) IN (:v, :w) AND begins_with(s, :s)",
                "ExpressionAttributeNames": {"#x": "x"},
                "ExpressionAttributeValues": {":v": {"N": "1"}, ":w": {"N": "2"}, ":s": {"S": "t"},
                    ":set": {"NS": ["3"]}, ":ss": {"SS": ["a"]}},
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}),
        ),
        (
            "UpdateItem",
            json!({"TableName": TABLE, "Key": key(), "AttributeUpdates": {
                "a": {"Action": "ADD", "Value": {"N": "1"}}, "s": {"Action": "DELETE"}, "g": {"Value": {"S": "g2"}}}}),
        ),
        (
            "DeleteItem",
            json!({"TableName": TABLE, "Key": key(), "ConditionExpression": "attribute_type(a, :t)",
                "ExpressionAttributeValues": {":t": {"S": "N"}}, "ReturnValues": "ALL_OLD"}),
        ),
        (
            "GetItem",
            json!({"TableName": TABLE, "Key": key(), "ProjectionExpression": "pk, l[0], m.#x, ss",
                "ExpressionAttributeNames": {"#x": "x"}, "ConsistentRead": true, "ReturnConsumedCapacity": "TOTAL"}),
        ),
        (
            "GetItem",
            json!({"TableName": TABLE, "Key": key(), "AttributesToGet": ["pk", "a"]}),
        ),
    ]
}

fn reads() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Query",
            json!({"TableName": TABLE, "KeyConditionExpression": "pk = :p AND sk BETWEEN :low AND :high",
                "FilterExpression": "attribute_exists(a) AND s <> :p", "Limit": 3, "ScanIndexForward": false,
                "ExpressionAttributeValues": {":p": {"S": "p1"}, ":low": {"N": "-9"}, ":high": {"N": "9"}},
                "ExclusiveStartKey": key(), "Select": "ALL_ATTRIBUTES"}),
        ),
        (
            "Query",
            json!({"TableName": TABLE, "IndexName": "global", "KeyConditions": {
                    "g": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "g1"}]},
                    "a": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "10"}]}},
                "QueryFilter": {"s": {"ComparisonOperator": "NOT_NULL"}}, "Select": "COUNT",
                "ExclusiveStartKey": {"pk": {"S": "p1"}, "sk": {"N": "1"}, "g": {"S": "g1"}, "a": {"N": "1"}}}),
        ),
        (
            "Scan",
            json!({"TableName": TABLE, "IndexName": "local", "Segment": 1, "TotalSegments": 4, "Limit": 2,
                "ProjectionExpression": "pk, a", "ConsistentRead": true}),
        ),
        (
            "Scan",
            json!({"TableName": TABLE, "ScanFilter": {
                "l": {"ComparisonOperator": "CONTAINS", "AttributeValueList": [{"N": "1"}]}}}),
        ),
        (
            "ExecuteStatement",
            json!({"Statement": "SELECT pk, l[0], m.x FROM \"fuzz\" WHERE pk = ? AND sk IN [1, 2] OR a > -1.5e3",
                "Parameters": [{"S": "p1"}], "Limit": 5}),
        ),
        (
            "ExecuteStatement",
            json!({"Statement": "INSERT INTO \"fuzz\" VALUE {'pk': 'p2', 'sk': ?, 'm': {'x': [1, <<1, 2>>, null]}}",
                "Parameters": [{"N": "7"}]}),
        ),
        (
            "ExecuteStatement",
            json!({"Statement": "UPDATE \"fuzz\" SET s = 'x''y' REMOVE l[0] WHERE pk = 'p1' AND sk = 1 RETURNING ALL NEW *"}),
        ),
    ]
}

fn many() -> Vec<(&'static str, Value)> {
    vec![
        (
            "BatchGetItem",
            json!({"RequestItems": {TABLE: {"Keys": [key(), {"pk": {"S": "p2"}, "sk": {"N": "2"}}],
                "ProjectionExpression": "pk, a", "ConsistentRead": true}}}),
        ),
        (
            "BatchWriteItem",
            json!({"RequestItems": {TABLE: [{"PutRequest": {"Item": item()}},
                {"DeleteRequest": {"Key": {"pk": {"S": "p3"}, "sk": {"N": "3"}}}}]}}),
        ),
        (
            "TransactWriteItems",
            json!({"ClientRequestToken": "token-1", "TransactItems": [
                {"Put": {"TableName": TABLE, "Item": item()}},
                {"Update": {"TableName": TABLE, "Key": {"pk": {"S": "p2"}, "sk": {"N": "2"}},
                    "UpdateExpression": "SET a = :v", "ExpressionAttributeValues": {":v": {"N": "1"}}}},
                {"ConditionCheck": {"TableName": TABLE, "Key": {"pk": {"S": "p3"}, "sk": {"N": "3"}},
                    "ConditionExpression": "attribute_not_exists(pk)"}}]}),
        ),
        (
            "TransactGetItems",
            json!({"TransactItems": [{"Get": {"TableName": TABLE, "Key": key(), "ProjectionExpression": "a"}}]}),
        ),
        (
            "BatchExecuteStatement",
            json!({"Statements": [{"Statement": "SELECT * FROM \"fuzz\" WHERE pk = 'p1' AND sk = 1"},
                {"Statement": "SELECT a FROM \"fuzz\" WHERE pk = ? AND sk = ?", "Parameters": [{"S": "p2"}, {"N": "2"}]}]}),
        ),
        (
            "ExecuteTransaction",
            json!({"ClientRequestToken": "token-2", "TransactStatements": [
                {"Statement": "DELETE FROM \"fuzz\" WHERE pk = 'p4' AND sk = 1"},
                {"Statement": "EXISTS(SELECT * FROM \"fuzz\" WHERE pk = 'p1' AND sk = 1 AND a > 0)"}]}),
        ),
    ]
}

fn tables() -> Vec<(&'static str, Value)> {
    vec![
        ("CreateTable", table_named("fuzz-other")),
        (
            "UpdateTable",
            json!({"TableName": "fuzz-other", "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5},
                "AttributeDefinitions": [{"AttributeName": "h", "AttributeType": "S"}],
                "GlobalSecondaryIndexUpdates": [{"Create": {"IndexName": "more",
                    "KeySchema": [{"AttributeName": "h", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                    "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}}}]}),
        ),
        ("DeleteTable", json!({"TableName": "fuzz-other"})),
        ("DescribeTable", json!({"TableName": TABLE})),
        (
            "ListTables",
            json!({"Limit": 2, "ExclusiveStartTableName": "a"}),
        ),
        (
            "UpdateTimeToLive",
            json!({"TableName": TABLE, "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "expires"}}),
        ),
        (
            "TagResource",
            json!({"ResourceArn": "arn:aws:dynamodb:us-east-1:000000000000:table/fuzz",
                "Tags": [{"Key": "a", "Value": "b"}]}),
        ),
    ]
}
