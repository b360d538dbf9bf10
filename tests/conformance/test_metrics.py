"""What a node counts by table, under CloudWatch's names: a node of its own."""

import pytest
from botocore.exceptions import ClientError
from test_ttl import own_node, until


def test_capacity_and_items_are_counted(own_node):
    client = own_node.client
    table = "counted"
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "g")],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-g",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    for sk in "abc":
        client.put_item(TableName=table, Item={"pk": {"S": "p"}, "sk": {"S": sk}, "g": {"S": "x"}})
    with pytest.raises(ClientError):
        client.put_item(
            TableName=table, Item={"pk": {"S": "p"}, "sk": {"S": "a"}}, ConditionExpression="attribute_not_exists(pk)"
        )
    client.get_item(TableName=table, Key={"pk": {"S": "p"}, "sk": {"S": "a"}})
    client.get_item(TableName=table, Key={"pk": {"S": "p"}, "sk": {"S": "a"}}, ConsistentRead=True)
    query = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": {"S": "p"}}}
    assert client.query(TableName=table, **query)["Count"] == 3
    assert client.scan(TableName=table, Limit=2)["Count"] == 2
    # Three puts and the one that failed; halves of a unit are counted.
    assert own_node.metric("stator_consumed_write_capacity_units_total", table=table, index="") == 4
    assert own_node.metric("stator_consumed_write_capacity_units_total", table=table, index="by-g") == 3
    assert own_node.metric("stator_consumed_read_capacity_units_total", table=table, index="") == 0.5 + 1 + 0.5 + 0.5
    assert own_node.metric("stator_returned_item_count_total", table=table, operation="Query") == 3
    assert own_node.metric("stator_returned_item_count_total", table=table, operation="Scan") == 2
    # What is gone is forgotten, index and table.
    client.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    until("without the index", lambda: not own_node.counted("stator_consumed", table=table, index="by-g"))
    assert own_node.metric("stator_consumed_write_capacity_units_total", table=table, index="") == 4
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    client.delete_table(TableName=table)
    until("without the table", lambda: not own_node.counted("stator_", table=table))
