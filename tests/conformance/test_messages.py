"""What requests are refused with, word for word, before a table is read (A07, A12, B05, B06, C01-C07, D01-D05)."""

import pytest

PREFIX = "1 validation error detected: "
INVALID = "One or more parameter values were invalid: "
STARTING_KEY = "The provided starting key is invalid"
NO_MATCH = f"{STARTING_KEY}: The provided key element does not match the schema"
SYNTAX = 'Syntax error; token: "%s", near: "%s"'
OVERLAP = (
    "Two document paths overlap with each other; must remove or rewrite one of these paths; "
    "path one: [%s], path two: [%s]"
)


def s(text):
    return {"S": text}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"SS": []}, "An string set  may not be empty"),
        ({"NS": []}, "An number set  may not be empty"),
        ({"BS": []}, "Binary sets should not be empty"),
        ({"SS": ["a", "b", "a"]}, "Input collection [a, b, a] contains duplicates."),
        ({"BS": [b"a", b"a"]}, "Input collection [YQ==, YQ==]of type BS contains duplicates."),
        ({"NULL": False}, "Null attribute value types must have the value of true"),
    ],
)
def test_values_at_any_depth_and_in_every_operation(client, hash_table, pk, invalid, value, message):
    message = INVALID + message
    for nested in (value, {"L": [value]}, {"M": {"a": {"L": [value]}}}):
        invalid(PREFIX + message, client.put_item, TableName=hash_table, Item={"pk": pk, "a": nested})
    invalid(message, client.get_item, TableName=hash_table, Key={"pk": value})
    invalid(
        message,
        client.batch_write_item,
        RequestItems={hash_table: [{"PutRequest": {"Item": {"pk": pk, "a": value}}}]},
    )
    invalid(
        message,
        client.transact_write_items,
        TransactItems=[{"Put": {"TableName": hash_table, "Item": {"pk": pk, "a": value}}}],
    )
    placed = f"ExpressionAttributeValues contains invalid value: {message} for key :v"
    condition = {
        "TableName": hash_table,
        "Key": {"pk": pk},
        "ConditionExpression": "a = :v",
        "ExpressionAttributeValues": {":v": value},
    }
    invalid(placed, client.delete_item, **condition)
    invalid(PREFIX + placed, client.update_item, **condition)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "The expression can not be empty;"),
        ("!!", SYNTAX % ("!", "!!")),
        ("a,", SYNTAX % ("<EOF>", ",")),
        ("a b", SYNTAX % ("b", "a b")),
        ("a[]", SYNTAX % ("]", "[]")),
        (":a", SYNTAX % (":a", ":a")),
        ("comment", "Attribute name is a reserved keyword; reserved keyword: comment"),
        (
            "a.#b",
            "An expression attribute name used in the document path is not defined; attribute name: #b",
        ),
        ("a, a", OVERLAP % ("a", "a")),
        ("a, a.b", OVERLAP % ("a", "a, b")),
        ("a.b, a", OVERLAP % ("a, b", "a")),
        (
            "a.b, a[1]",
            "Two document paths conflict with each other; must remove or rewrite one of these paths; "
            "path one: [a, b], path two: [a, [1]]",
        ),
    ],
)
def test_projections(client, hash_table, pk, invalid, expression, message):
    message = f"Invalid ProjectionExpression: {message}"
    key = {"pk": pk}
    invalid(message, client.get_item, TableName=hash_table, Key=key, ProjectionExpression=expression)
    invalid(message, client.scan, TableName=hash_table, ProjectionExpression=expression)
    invalid(
        message,
        client.batch_get_item,
        RequestItems={hash_table: {"Keys": [key], "ProjectionExpression": expression}},
    )


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("pk.a = :a", "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("pk[0] = :a", "KeyConditionExpressions cannot have conditions on nested attributes"),
        ("NOT pk = :a", "Invalid operator used in KeyConditionExpression: NOT"),
        ("pk IN (:a)", "Invalid operator used in KeyConditionExpression: IN"),
        ("pk <> :a", "Invalid operator used in KeyConditionExpression: <>"),
        ("contains(pk, :a)", "Invalid operator used in KeyConditionExpression: contains"),
        ("begins_with(pk, :a)", "Query key condition not supported"),
        ("pk = :a AND b = :a", "Query condition missed key schema element: sk"),
    ],
)
def test_key_conditions(client, sorted_table, invalid, condition, message):
    invalid(
        message,
        client.query,
        TableName=sorted_table,
        KeyConditionExpression=condition,
        ExpressionAttributeValues={":a": s("a")},
    )


@pytest.fixture
def query(client, sorted_table):
    return lambda **parameters: client.query(
        TableName=sorted_table,
        KeyConditionExpression="pk = :a",
        ExpressionAttributeValues={":a": s("a")},
        **parameters,
    )


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"Select": "ALL_PROJECTED_ATTRIBUTES"},
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        ),
        (
            {"Select": "SPECIFIC_ATTRIBUTES"},
            f"{PREFIX}Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            {"Select": "COUNT", "ProjectionExpression": "a"},
            "Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            {"Select": "ALL_ATTRIBUTES", "ProjectionExpression": "a"},
            "Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        ),
        (
            {"Select": "X"},
            f"{PREFIX}Value 'X' at 'select' failed to satisfy constraint: Member must satisfy enum value set: "
            "[SPECIFIC_ATTRIBUTES, COUNT, ALL_ATTRIBUTES, ALL_PROJECTED_ATTRIBUTES]",
        ),
        (
            {"Limit": 0},
            f"{PREFIX}Value at 'Limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        ({"ExclusiveStartKey": {"pk": s("a")}}, STARTING_KEY),
        ({"ExclusiveStartKey": {"pk": s("a"), "sk": {"N": "1"}}}, NO_MATCH),
        (
            {"ExclusiveStartKey": {"pk": {}, "sk": s("a")}},
            f"{STARTING_KEY}: Supplied AttributeValue is empty, must contain exactly one of the supported datatypes",
        ),
        (
            {"ExclusiveStartKey": {"pk": {"N": "dog"}, "sk": s("a")}},
            "The parameter cannot be converted to a numeric value: dog",
        ),
    ],
)
def test_queries(query, invalid, parameters, message):
    invalid(message, query, **parameters)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"ExclusiveStartKey": {"pk": s("a")}}, NO_MATCH),
        (
            {"Select": "SPECIFIC_ATTRIBUTES"},
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            {"Limit": -1, "Segment": -1, "TotalSegments": 0},
            "3 validation errors detected: Value '-1' at 'limit' failed to satisfy constraint: Member must have value "
            "greater than or equal to 1; Value '0' at 'totalSegments' failed to satisfy constraint: Member must have "
            "value greater than or equal to 1; Value '-1' at 'segment' failed to satisfy constraint: Member must have "
            "value greater than or equal to 0",
        ),
    ],
)
def test_scans(client, sorted_table, invalid, parameters, message):
    invalid(message, client.scan, TableName=sorted_table, **parameters)


def test_batches_of_nothing_and_of_too_much(client, hash_table, sorted_table, invalid):
    for name, call in (("BatchGetItem", client.batch_get_item), ("BatchWriteItem", client.batch_write_item)):
        invalid(f"The requestItems parameter is required for {name}", call, RequestItems={})
    keys = [{"pk": s(str(number))} for number in range(101)]
    invalid(
        f"{PREFIX}Value at 'RequestItems.{hash_table}.member.Keys' failed to satisfy constraint: "
        "Member must have length less than or equal to 100",
        client.batch_get_item,
        RequestItems={hash_table: {"Keys": keys}},
    )
    invalid(
        "Too many items requested for the BatchGetItem call",
        client.batch_get_item,
        RequestItems={hash_table: {"Keys": keys[:60]}, sorted_table: {"Keys": keys[:41]}},
    )


def test_values_without_an_expression_that_could_hold_them(client, hash_table, pk, invalid):
    alone = "ExpressionAttributeValues can only be specified when using expressions: "
    values = {"TableName": hash_table, "ExpressionAttributeValues": {":v": s("a")}}
    invalid(f"{alone}ConditionExpression is null", client.delete_item, Key={"pk": pk}, **values)
    invalid(f"{PREFIX}{alone}ConditionExpression is null", client.put_item, Item={"pk": pk}, **values)
    invalid(
        f"{PREFIX}{alone}UpdateExpression and ConditionExpression are null",
        client.update_item,
        Key={"pk": pk},
        **values,
    )
    invalid(f"{alone}FilterExpression is null", client.scan, ProjectionExpression="a", **values)
    invalid(f"{alone}FilterExpression and KeyConditionExpression are null", client.query, **values)
