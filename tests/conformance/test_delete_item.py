"""DeleteItem (B04)."""


def test_is_idempotent(client, hash_table, pk):
    client.put_item(TableName=hash_table, Item={"pk": pk, "a": {"S": "x"}})
    first = client.delete_item(TableName=hash_table, Key={"pk": pk}, ReturnValues="ALL_OLD")
    assert first["Attributes"] == {"pk": pk, "a": {"S": "x"}}
    second = client.delete_item(TableName=hash_table, Key={"pk": pk}, ReturnValues="ALL_OLD")
    assert "Attributes" not in second
    assert "Item" not in client.get_item(TableName=hash_table, Key={"pk": pk})


def test_condition(client, hash_table, pk, refused):
    client.put_item(TableName=hash_table, Item={"pk": pk, "a": {"S": "x"}})
    answer = refused(
        client.delete_item,
        TableName=hash_table,
        Key={"pk": pk},
        ConditionExpression="a = :a",
        ExpressionAttributeValues={":a": {"S": "y"}},
    )
    assert answer.code == "ConditionalCheckFailedException"
    assert "Item" in client.get_item(TableName=hash_table, Key={"pk": pk})


def test_a_condition_on_a_missing_item(client, hash_table, pk, refused):
    client.delete_item(TableName=hash_table, Key={"pk": pk}, ConditionExpression="attribute_not_exists(pk)")
    answer = refused(
        client.delete_item, TableName=hash_table, Key={"pk": pk}, ConditionExpression="attribute_exists(pk)"
    )
    assert answer.code == "ConditionalCheckFailedException"


def test_capacity(client, hash_table, pk):
    parameters = {"TableName": hash_table, "Key": {"pk": pk}, "ReturnConsumedCapacity": "TOTAL"}
    assert client.delete_item(**parameters)["ConsumedCapacity"]["CapacityUnits"] == 1.0
    client.put_item(TableName=hash_table, Item={"pk": pk, "x": {"S": "x" * 2500}})
    assert client.delete_item(**parameters)["ConsumedCapacity"]["CapacityUnits"] == 3.0
