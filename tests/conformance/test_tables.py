"""CreateTable, UpdateTable, DescribeTable, ListTables, DeleteTable (A01-A03, P01, N15)."""

import uuid

import pytest
from conftest import create_table

SCHEMA = {
    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def unique(prefix="table"):
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def test_life_of_a_table(client, refused):
    name = unique()
    made = client.create_table(TableName=name, **SCHEMA)["TableDescription"]
    assert made["TableName"] == name
    assert made["TableStatus"] in ("CREATING", "ACTIVE")
    if made["TableStatus"] == "CREATING":
        assert made["BillingModeSummary"] == {"BillingMode": "PAY_PER_REQUEST"}
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    described = client.describe_table(TableName=name)["Table"]
    assert described["KeySchema"] == SCHEMA["KeySchema"]
    assert described["AttributeDefinitions"] == SCHEMA["AttributeDefinitions"]
    assert described["TableId"] == made["TableId"]
    assert described["TableArn"].endswith(f":table/{name}")
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert "LastUpdateToPayPerRequestDateTime" in described["BillingModeSummary"]
    assert described["ProvisionedThroughput"]["ReadCapacityUnits"] == 0
    answer = refused(client.create_table, TableName=name, **SCHEMA)
    assert (answer.code, answer.message) == ("ResourceInUseException", f"Table already exists: {name}")
    client.delete_table(TableName=name)
    client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    answer = refused(client.describe_table, TableName=name)
    assert (answer.code, answer.message) == (
        "ResourceNotFoundException",
        f"Requested resource not found: Table: {name} not found",
    )


def test_a_table_made_again_is_another_table(client):
    name = unique()
    ids = []
    for _ in range(2):
        client.create_table(TableName=name, **SCHEMA)
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        assert "Item" not in client.get_item(TableName=name, Key={"pk": {"S": "x"}}, ConsistentRead=True)
        assert "Item" not in client.get_item(TableName=name, Key={"pk": {"S": "x"}})
        client.put_item(TableName=name, Item={"pk": {"S": "x"}})
        assert "Item" in client.get_item(TableName=name, Key={"pk": {"S": "x"}}, ConsistentRead=True)
        ids.append(client.describe_table(TableName=name)["Table"]["TableId"])
        client.delete_table(TableName=name)
        client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    assert ids[0] != ids[1]


def test_longest_name(client, refused):
    name = "a._-" * 63 + "abc"
    client.create_table(TableName=name, **SCHEMA)
    client.delete_table(TableName=name)
    answer = refused(client.create_table, TableName=name + "d", **SCHEMA)
    assert answer.code == "ValidationException"
    assert "255" in answer.message


def test_list_pages(client):
    prefix = unique("list")
    names = [f"{prefix}-{number}" for number in range(5)]
    for name in names:
        client.create_table(TableName=name, **SCHEMA)
    seen, start = [], {"ExclusiveStartTableName": prefix}
    for _ in range(10):
        answer = client.list_tables(Limit=2, **start)
        seen += [name for name in answer["TableNames"] if name.startswith(prefix)]
        if "LastEvaluatedTableName" not in answer:
            break
        start = {"ExclusiveStartTableName": answer["LastEvaluatedTableName"]}
    assert seen == names
    for name in names:
        client.delete_table(TableName=name)


def test_provisioned_settings_and_update(client):
    name = create_table(
        client,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
    )
    throughput = client.describe_table(TableName=name)["Table"]["ProvisionedThroughput"]
    assert (throughput["ReadCapacityUnits"], throughput["WriteCapacityUnits"]) == (5, 6)
    client.update_table(TableName=name, BillingMode="PAY_PER_REQUEST")
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    described = client.describe_table(TableName=name)["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    client.delete_table(TableName=name)


def test_deletion_protection(client, invalid):
    name = create_table(client, DeletionProtectionEnabled=True)
    invalid(
        "Resource cannot be deleted as it is currently protected against deletion. "
        "Disable deletion protection first.",
        client.delete_table,
        TableName=name,
    )
    client.update_table(TableName=name, DeletionProtectionEnabled=False)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    client.delete_table(TableName=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]},
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            {
                "AttributeDefinitions": [
                    {"AttributeName": "pk", "AttributeType": "S"},
                    {"AttributeName": "x", "AttributeType": "S"},
                ]
            },
            "One or more parameter values were invalid: Number of attributes in KeySchema does not exactly "
            "match number of attributes defined in AttributeDefinitions",
        ),
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}},
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits "
            "can be specified when BillingMode is PAY_PER_REQUEST",
        ),
    ],
)
def test_refused_definitions(client, invalid, refused, change, message):
    name = unique()
    invalid(message, client.create_table, TableName=name, **{**SCHEMA, **change})
    assert refused(client.describe_table, TableName=name).code == "ResourceNotFoundException"
