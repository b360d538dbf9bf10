"""UpdateTable: what it refuses, and what it changes (H05, H13, I14, E05)."""

import uuid

import pytest
from conftest import create_table

WRONG = "One or more parameter values were invalid: "
UNITS = {"ReadCapacityUnits": 5, "WriteCapacityUnits": 6}


def wait(client, name):
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return client.describe_table(TableName=name)["Table"]


@pytest.fixture(scope="module")
def table(client):
    name = create_table(client)
    yield name
    client.delete_table(TableName=name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {},
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates or "
            "SSESpecification or ReplicaUpdates is required",
        ),
        (
            {"TableName": "ab", "BillingMode": "PAY_PER_REQUEST"},
            "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: "
            "Member must have length greater than or equal to 3",
        ),
        (
            {"BillingMode": "PAY_PER_REQUEST", "ProvisionedThroughput": UNITS},
            WRONG + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        (
            {"BillingMode": "PROVISIONED"},
            WRONG + "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
        ),
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 10**12 + 1, "WriteCapacityUnits": 1}},
            f"Given value {10**12 + 1} for ReadCapacityUnits is out of bounds",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{}]},
            WRONG + "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, "
            "GlobalSecondaryIndexUpdate.Delete must not be null",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "abc"}}, {"Delete": {"IndexName": "abc"}}]},
            WRONG + "Only one global secondary index update per index is allowed simultaneously. Index: abc",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "a"}}]},
            "1 validation error detected: Value 'a' at 'globalSecondaryIndexUpdates.1.member.delete.indexName' failed "
            "to satisfy constraint: Member must have length greater than or equal to 3",
        ),
        (
            {"BillingMode": "PAY_PER_REQUEST", "GlobalSecondaryIndexUpdates": []},
            WRONG + "List of GlobalSecondaryIndexUpdates is empty",
        ),
        (
            {"TableClass": "STANDARD", "DeletionProtectionEnabled": False},
            WRONG + "TableClass modification must be the only operation in the request",
        ),
        (
            {"BillingMode": "PAY_PER_REQUEST", "DeletionProtectionEnabled": False},
            WRONG + "DeletionProtection modification must be the only operation in the request",
        ),
        (
            {"SSESpecification": {"Enabled": False}, "TableClass": "STANDARD"},
            WRONG + "Server-Side Encryption modification must be the only operation in the request",
        ),
        (
            {"ProvisionedThroughput": UNITS, "StreamSpecification": {"StreamEnabled": False}},
            WRONG + "You cannot modify stream status while updating table IOPS",
        ),
        (
            {"ProvisionedThroughput": UNITS, "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "abc"}}]},
            WRONG + "You cannot create or delete index while updating table IOPS",
        ),
        (
            {
                "StreamSpecification": {"StreamEnabled": False},
                "GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "abc"}}],
            },
            WRONG + "You cannot create or delete index while changing stream status",
        ),
        (
            {"WarmThroughput": {"ReadUnitsPerSecond": 20000}, "BillingMode": "PAY_PER_REQUEST"},
            WRONG + "WarmThroughput must be the only operation in the request",
        ),
        (
            {"OnDemandThroughput": {"MaxReadRequestUnits": 9}, "StreamSpecification": {"StreamEnabled": False}},
            WRONG + "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": True}},
            WRONG + "If stream is being enabled then UpdateViewType is required",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}},
            WRONG + "If stream is being disabled, then UpdateViewType must not be specified",
        ),
        ({"SSESpecification": {"Enabled": False}}, WRONG + "Table is already encrypted by default"),
        (
            {"GlobalSecondaryIndexUpdates": [{"Delete": {"IndexName": "abc"}, "Update": {"IndexName": "abc"}}]},
            WRONG + "Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object",
        ),
        (
            {"GlobalSecondaryIndexUpdates": [{"Update": {"IndexName": "abc", "WarmThroughput": {}}}]},
            WRONG + "WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified "
            "for index: abc",
        ),
    ],
)
def test_refused_changes(client, invalid, table, change, message):
    invalid(message, client.update_table, **{"TableName": table, **change})


def test_a_missing_table_is_named(client, refused):
    answer = refused(client.update_table, TableName="no-such-table", BillingMode="PAY_PER_REQUEST")
    assert (answer.code, answer.message) == (
        "ResourceNotFoundException",
        "Requested resource not found: Table: no-such-table not found",
    )


def test_one_index_at_a_time(client, refused, table):
    updates = [{"Delete": {"IndexName": "abc"}}, {"Delete": {"IndexName": "xyz"}}]
    answer = refused(client.update_table, TableName=table, GlobalSecondaryIndexUpdates=updates)
    assert (answer.code, answer.message) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table",
    )
    answer = refused(client.update_table, TableName=table, GlobalSecondaryIndexUpdates=updates[:1])
    assert answer.code == "ResourceNotFoundException"


def test_throughput_that_stays_the_same_is_no_change(client, invalid):
    name = create_table(client, BillingMode="PROVISIONED", ProvisionedThroughput=UNITS)
    invalid(
        "The provisioned throughput for the table will not change. The requested value equals the current value. "
        "Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. "
        "Current WriteCapacityUnits provisioned for the table: 6. Requested WriteCapacityUnits: 6. "
        "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits.",
        client.update_table,
        TableName=name,
        ProvisionedThroughput=UNITS,
    )
    client.delete_table(TableName=name)


def test_throughput_is_raised_and_lowered(client, refused):
    name = create_table(client, BillingMode="PROVISIONED", ProvisionedThroughput=UNITS)
    answer = client.update_table(
        TableName=name, ProvisionedThroughput={"ReadCapacityUnits": 10, "WriteCapacityUnits": 6}
    )
    assert answer["TableDescription"]["TableStatus"] == "UPDATING"
    throughput = wait(client, name)["ProvisionedThroughput"]
    assert throughput["ReadCapacityUnits"] == 10
    assert "LastIncreaseDateTime" in throughput
    assert throughput["NumberOfDecreasesToday"] == 0
    for units in (9, 8, 7, 6):
        client.update_table(
            TableName=name, ProvisionedThroughput={"ReadCapacityUnits": units, "WriteCapacityUnits": 6}
        )
        wait(client, name)
    throughput = client.describe_table(TableName=name)["Table"]["ProvisionedThroughput"]
    # A UTC day may end in between.
    assert throughput["NumberOfDecreasesToday"] in (1, 2, 3, 4)
    if throughput["NumberOfDecreasesToday"] == 4:
        answer = refused(
            client.update_table,
            TableName=name,
            ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 6},
        )
        assert answer.code == "LimitExceededException"
    client.delete_table(TableName=name)


def test_upper_limits_are_set_and_removed(client, table):
    client.update_table(
        TableName=table, OnDemandThroughput={"MaxReadRequestUnits": 9, "MaxWriteRequestUnits": 8}
    )
    assert wait(client, table)["OnDemandThroughput"] == {"MaxReadRequestUnits": 9, "MaxWriteRequestUnits": 8}
    client.update_table(
        TableName=table, OnDemandThroughput={"MaxReadRequestUnits": -1, "MaxWriteRequestUnits": -1}
    )
    assert "OnDemandThroughput" not in wait(client, table)


def test_warm_throughput_is_raised_only(client, refused):
    name = create_table(client)
    client.update_table(TableName=name, WarmThroughput={"ReadUnitsPerSecond": 13000, "WriteUnitsPerSecond": 5000})
    warm = wait(client, name)["WarmThroughput"]
    assert (warm["ReadUnitsPerSecond"], warm["WriteUnitsPerSecond"]) == (13000, 5000)
    answer = refused(client.update_table, TableName=name, WarmThroughput={"ReadUnitsPerSecond": 12500})
    assert answer.code == "ValidationException"
    client.delete_table(TableName=name)


def test_a_stream_is_enabled_once_and_disabled_once(client, invalid):
    name = create_table(client)
    on = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    invalid(
        f"Table has no stream to disable: TableName: {name}",
        client.update_table,
        TableName=name,
        StreamSpecification={"StreamEnabled": False},
    )
    client.update_table(TableName=name, StreamSpecification=on)
    described = wait(client, name)
    assert described["StreamSpecification"] == on
    invalid(
        f"Table already has an enabled stream: TableName: {name}",
        client.update_table,
        TableName=name,
        StreamSpecification=on,
    )
    client.update_table(TableName=name, StreamSpecification={"StreamEnabled": False})
    after = wait(client, name)
    assert "StreamSpecification" not in after
    assert after["LatestStreamArn"] == described["LatestStreamArn"]
    client.delete_table(TableName=name)


def test_class_and_billing_mode(client):
    name = create_table(client)
    client.update_table(TableName=name, TableClass="STANDARD_INFREQUENT_ACCESS")
    assert wait(client, name)["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    client.update_table(TableName=name, BillingMode="PROVISIONED", ProvisionedThroughput=UNITS)
    described = wait(client, name)
    assert described["BillingModeSummary"]["BillingMode"] == "PROVISIONED"
    assert described["ProvisionedThroughput"]["WriteCapacityUnits"] == 6
    client.delete_table(TableName=name)


def test_changes_of_indexes_that_are_there_or_are_not(client, invalid, refused):
    name = f"conformance-{uuid.uuid4().hex[:12]}"
    key = lambda *attributes: [
        {"AttributeName": attribute, "KeyType": kind} for attribute, kind in zip(attributes, ("HASH", "RANGE"))
    ]
    everything = {"ProjectionType": "ALL"}
    definitions = [{"AttributeName": attribute, "AttributeType": "S"} for attribute in ("pk", "sk", "a")]
    client.create_table(
        TableName=name,
        KeySchema=key("pk", "sk"),
        AttributeDefinitions=definitions,
        BillingMode="PAY_PER_REQUEST",
        LocalSecondaryIndexes=[{"IndexName": "local", "KeySchema": key("pk", "a"), "Projection": everything}],
        GlobalSecondaryIndexes=[
            {"IndexName": f"global-{number}", "KeySchema": key("a"), "Projection": everything} for number in range(20)
        ],
    )
    wait(client, name)

    def change(action, index):
        made = {"KeySchema": key("a"), "Projection": everything} if action == "Create" else {}
        update = {action: {"IndexName": index, **made}}
        return {"TableName": name, "AttributeDefinitions": definitions, "GlobalSecondaryIndexUpdates": [update]}

    for index in ("local", "global-3"):
        invalid("Attempting to create an index which already exists", client.update_table, **change("Create", index))
    invalid(
        "Cannot delete an index that is not a GlobalSecondaryIndex: local",
        client.update_table,
        **change("Delete", "local"),
    )
    answer = refused(client.update_table, **change("Delete", "ghost"))
    assert (answer.code, answer.message) == (
        "ResourceNotFoundException",
        f"Requested resource not found: Index ghost for table {name}",
    )
    answer = refused(client.update_table, **change("Create", "one-more"))
    assert (answer.code, answer.message) == (
        "LimitExceededException",
        "Subscriber limit exceeded: Number of global secondary indexes exceeds per-table limit of 20",
    )
    client.delete_table(TableName=name)
