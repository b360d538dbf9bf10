"""GetItem (B02, C03, F03, F04, B09)."""

import pytest


def test_missing_item_has_no_item_member(client, hash_table, pk):
    assert "Item" not in client.get_item(TableName=hash_table, Key={"pk": pk})
    assert "Item" not in client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)


def test_projection(client, hash_table, pk):
    client.put_item(
        TableName=hash_table,
        Item={
            "pk": pk,
            "a": {"M": {"b": {"N": "1"}, "c": {"N": "2"}}},
            "l": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]},
            "name": {"S": "n"},
        },
    )
    answer = client.get_item(
        TableName=hash_table,
        Key={"pk": pk},
        ProjectionExpression="a.b, l[2], l[0], #n",
        ExpressionAttributeNames={"#n": "name"},
        # A replica of a cluster may not have heard of the put yet.
        ConsistentRead=True,
    )
    assert answer["Item"] == {
        "a": {"M": {"b": {"N": "1"}}},
        "l": {"L": [{"N": "0"}, {"N": "2"}]},
        "name": {"S": "n"},
    }
    absent = {"ProjectionExpression": "absent", "ConsistentRead": True}
    answer = client.get_item(TableName=hash_table, Key={"pk": pk}, **absent)
    assert answer["Item"] == {}


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "Invalid ProjectionExpression: The expression can not be empty;"),
        (
            "name",
            "Invalid ProjectionExpression: Attribute name is a reserved keyword; reserved keyword: name",
        ),
        (
            "a, a.b",
            "Invalid ProjectionExpression: Two document paths overlap with each other; "
            "must remove or rewrite one of these paths; path one: [a], path two: [a, b]",
        ),
        (
            "a.b, a[1]",
            "Invalid ProjectionExpression: Two document paths conflict with each other; "
            "must remove or rewrite one of these paths; path one: [a, b], path two: [a, [1]]",
        ),
        (
            "#x",
            "Invalid ProjectionExpression: An expression attribute name used in the document path "
            "is not defined; attribute name: #x",
        ),
        ("a" * 4097, "Invalid ProjectionExpression: Expression size has exceeded the maximum allowed size; "
                     "expression size: 4097"),
    ],
)
def test_bad_projections(client, hash_table, pk, invalid, expression, message):
    invalid(message, client.get_item, TableName=hash_table, Key={"pk": pk}, ProjectionExpression=expression)


def test_unused_and_orphan_names(client, hash_table, pk, invalid):
    invalid(
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#unused}",
        client.get_item,
        TableName=hash_table,
        Key={"pk": pk},
        ProjectionExpression="a",
        ExpressionAttributeNames={"#unused": "b"},
    )
    invalid(
        "ExpressionAttributeNames can only be specified when using expressions",
        client.get_item,
        TableName=hash_table,
        Key={"pk": pk},
        ExpressionAttributeNames={"#a": "b"},
    )


def test_key_must_match_the_schema(client, hash_table, sorted_table, pk, invalid):
    message = "The provided key element does not match the schema"
    invalid(message, client.get_item, TableName=hash_table, Key={"pk": {"N": "1"}})
    invalid(message, client.get_item, TableName=hash_table, Key={"pk": pk, "sk": {"S": "x"}})
    invalid(message, client.get_item, TableName=hash_table, Key={"other": pk})
    invalid(message, client.get_item, TableName=sorted_table, Key={"pk": pk})


def test_capacity_by_consistency(client, hash_table, pk, hit_units):
    client.put_item(TableName=hash_table, Item={"pk": pk, "x": {"S": "x" * 5000}})
    parameters = {"TableName": hash_table, "Key": {"pk": pk}, "ReturnConsumedCapacity": "TOTAL"}
    strong = client.get_item(ConsistentRead=True, **parameters)["ConsumedCapacity"]
    assert strong == {"TableName": hash_table, "CapacityUnits": 2.0}
    eventual = client.get_item(ProjectionExpression="pk", **parameters)["ConsumedCapacity"]
    assert eventual == {"TableName": hash_table, "CapacityUnits": hit_units(1.0)}


def test_a_strong_read_sees_the_last_write(client, hash_table, pk):
    for value in range(50):
        client.put_item(TableName=hash_table, Item={"pk": pk, "v": {"N": str(value)}})
        read = client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)
        assert read["Item"]["v"] == {"N": str(value)}


def test_bad_table_names(client, pk, refused):
    answer = refused(client.get_item, TableName="no such table!", Key={"pk": pk})
    assert answer.code == "ValidationException"
    assert "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+" in answer.message
