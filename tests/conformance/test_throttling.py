"""Provisioned throughput is enforced where it is switched on (H03, H04, H06, E06)."""

import os

import pytest
from conftest import Running, create_table, free_ports, make_client

ONE = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
# Costs 100 write units and 25 read units: 300 seconds of one unit a second are soon used up.
LARGE = {"S": "x" * 100 * 1000}
# What refills while a test runs is far less than what one more large item consumes.
MOST = 8


@pytest.fixture(scope="module")
def held(request, tmp_path_factory):
    """A client of a node of its own that holds tables to what they ask for."""
    if request.config.getoption("--cluster"):
        pytest.skip("tested with a node of its own")
    if request.config.getoption("--endpoint"):
        pytest.skip("the capacity of a foreign endpoint is not used up")
    folder = tmp_path_factory.mktemp("held")
    port, ops = free_ports(2)
    running = Running(
        [
            os.environ["STATOR_STORAGE_NODE"], "dev", "--in-memory",
            "--throttling", "configured",
            "--listen", f"127.0.0.1:{port}",
            "--ops-listen", f"127.0.0.1:{ops}",
        ],
        ops,
        folder / "log",
    )
    yield make_client(f"http://127.0.0.1:{port}")
    running.stop()


def use_up(refused, call, **parameters):
    """Calls until the call is throttled; what it was told."""
    for _ in range(MOST):
        try:
            call(**parameters)
        except call.__self__.exceptions.ProvisionedThroughputExceededException:
            return refused(call, **parameters)
    raise AssertionError(f"not throttled after {MOST} calls")


def test_writes_beyond_the_burst_are_throttled_with_their_reason(held, refused):
    name = create_table(held, BillingMode="PROVISIONED", ProvisionedThroughput=ONE)
    arn = held.describe_table(TableName=name)["Table"]["TableArn"]
    answer = use_up(refused, held.put_item, TableName=name, Item={"pk": {"S": "a"}, "x": LARGE})
    assert answer.code == "ProvisionedThroughputExceededException"
    assert answer.message == (
        "The level of configured provisioned throughput for the table was exceeded. "
        "Consider increasing your provisioning level with the UpdateTable API."
    )
    assert answer.response["ThrottlingReasons"] == [
        {"reason": "TableWriteProvisionedThroughputExceeded", "resource": arn}
    ]
    # Reads have a capacity of their own, and control operations none.
    assert "Item" in held.get_item(TableName=name, Key={"pk": {"S": "a"}}, ConsistentRead=True)
    held.delete_table(TableName=name)


def test_reads_beyond_the_burst_are_throttled(held, refused):
    name = create_table(held, BillingMode="PROVISIONED", ProvisionedThroughput=ONE)
    held.put_item(TableName=name, Item={"pk": {"S": "a"}, "x": LARGE, "y": LARGE, "z": LARGE})
    key = {"pk": {"S": "a"}}
    answer = use_up(refused, held.get_item, TableName=name, Key=key, ConsistentRead=True)
    assert answer.response["ThrottlingReasons"][0]["reason"] == "TableReadProvisionedThroughputExceeded"
    answer = refused(
        held.query,
        TableName=name,
        KeyConditionExpression="pk = :a",
        ExpressionAttributeValues={":a": key["pk"]},
    )
    assert answer.code == "ProvisionedThroughputExceededException"
    answer = refused(held.batch_get_item, RequestItems={name: {"Keys": [key]}})
    assert answer.code == "ProvisionedThroughputExceededException"
    held.delete_table(TableName=name)


def test_what_a_batch_has_no_capacity_for_is_unprocessed(held, refused):
    names = [
        create_table(held, BillingMode="PROVISIONED", ProvisionedThroughput=ONE),
        create_table(held),
    ]
    use_up(refused, held.put_item, TableName=names[0], Item={"pk": {"S": "a"}, "x": LARGE})
    put = [{"PutRequest": {"Item": {"pk": {"S": "b"}}}}]
    answer = held.batch_write_item(RequestItems={name: put for name in names})
    assert answer["UnprocessedItems"] == {names[0]: put}
    answer = refused(held.batch_write_item, RequestItems={names[0]: put})
    assert answer.code == "ProvisionedThroughputExceededException"
    for name in names:
        held.delete_table(TableName=name)


def test_an_on_demand_table_is_held_to_its_maximum(held, refused):
    name = create_table(held, OnDemandThroughput={"MaxWriteRequestUnits": 1})
    item = {"pk": {"S": "a"}, "x": LARGE}
    held.put_item(TableName=name, Item=item)
    answer = refused(held.put_item, TableName=name, Item=item)
    assert answer.code == "ThrottlingException"
    assert answer.response["throttlingReasons"][0]["reason"] == "TableWriteMaxOnDemandThroughputExceeded"
    held.delete_table(TableName=name)


def test_an_index_without_capacity_holds_its_table_back(held, refused):
    name = create_table(
        held,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 100, "WriteCapacityUnits": 100},
        GlobalSecondaryIndexes=[
            {
                "IndexName": "slow",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
                "ProvisionedThroughput": ONE,
            }
        ],
    )
    arn = held.describe_table(TableName=name)["Table"]["TableArn"]
    changed = {"ExpressionAttributeNames": {"#n": "n"}, "ExpressionAttributeValues": {":one": {"N": "1"}}}
    held.put_item(TableName=name, Item={"pk": {"S": "a"}, "x": LARGE})
    answer = use_up(
        refused,
        held.update_item,
        TableName=name,
        Key={"pk": {"S": "a"}},
        UpdateExpression="ADD #n :one",
        **changed,
    )
    assert answer.message.startswith(
        "The level of configured provisioned throughput for one or more global secondary indexes"
    )
    assert answer.response["ThrottlingReasons"] == [
        {"reason": "IndexWriteProvisionedThroughputExceeded", "resource": f"{arn}/index/slow"}
    ]
    held.delete_table(TableName=name)
