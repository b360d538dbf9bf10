"""Scan (D05-D07)."""

import pytest
from conftest import create_table


@pytest.fixture(scope="module")
def filled(client):
    name = create_table(client)
    for number in range(60):
        client.put_item(TableName=name, Item={"pk": {"S": f"key-{number}"}, "n": {"N": str(number)}})
    yield name
    client.delete_table(TableName=name)


def walk(client, **parameters):
    seen, start = [], {}
    for _ in range(1000):
        answer = client.scan(ConsistentRead=True, **parameters, **start)
        seen += [item["pk"]["S"] for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            return seen
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    raise AssertionError("the scan does not end")


ALL = sorted(f"key-{number}" for number in range(60))


@pytest.mark.parametrize("limit", [1, 7, 60, 100])
def test_each_item_once(client, filled, limit):
    seen = walk(client, TableName=filled, Limit=limit)
    assert sorted(seen) == ALL
    assert seen == walk(client, TableName=filled, Limit=limit), "the order of a layout is stable"


@pytest.mark.parametrize("segments", [1, 3, 7, 100])
def test_segments_are_disjoint_and_complete(client, filled, segments):
    seen = []
    for segment in range(segments):
        seen += walk(client, TableName=filled, Segment=segment, TotalSegments=segments, Limit=5)
    assert sorted(seen) == ALL


def test_filter_and_count(client, filled):
    parameters = {
        "TableName": filled,
        "FilterExpression": "n < :n",
        "ExpressionAttributeValues": {":n": {"N": "10"}},
    }
    answer = client.scan(**parameters)
    assert (answer["Count"], answer["ScannedCount"]) == (10, 60)
    answer = client.scan(Select="COUNT", **parameters)
    assert (answer["Count"], answer["ScannedCount"]) == (10, 60)
    assert "Items" not in answer


def test_capacity_is_that_of_what_was_read(client, filled):
    whole = client.scan(TableName=filled, ReturnConsumedCapacity="TOTAL")
    counted = client.scan(TableName=filled, Select="COUNT", ReturnConsumedCapacity="TOTAL")
    assert whole["ConsumedCapacity"]["CapacityUnits"] == counted["ConsumedCapacity"]["CapacityUnits"] == 0.5


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"Segment": 0},
            "The TotalSegments parameter is required but was not present in the request "
            "when Segment parameter is present",
        ),
        (
            {"TotalSegments": 2},
            "The Segment parameter is required but was not present in the request "
            "when parameter TotalSegments is present",
        ),
        (
            {"Segment": 5, "TotalSegments": 5},
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: "
            "Segment: 5 is not less than TotalSegments: 5",
        ),
        (
            {"Limit": 0},
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
    ],
)
def test_refusals(client, filled, invalid, parameters, message):
    invalid(message, client.scan, TableName=filled, **parameters)
