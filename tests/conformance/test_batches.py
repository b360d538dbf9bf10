"""BatchGetItem and BatchWriteItem (B05, B06)."""

import pytest


def key(pk, number):
    return {"pk": pk, "sk": {"S": f"{number:03}"}}


def write(client, table, requests):
    pending = {table: requests}
    for _ in range(100):
        pending = client.batch_write_item(RequestItems=pending)["UnprocessedItems"]
        if not pending:
            return
    raise AssertionError("the batch does not drain")


def test_write_then_read(client, sorted_table, pk):
    write(
        client,
        sorted_table,
        [{"PutRequest": {"Item": {**key(pk, number), "n": {"N": str(number)}}}} for number in range(25)],
    )
    answer = client.batch_get_item(
        RequestItems={
            sorted_table: {"Keys": [key(pk, number) for number in range(30)], "ConsistentRead": True}
        }
    )
    found = sorted(answer["Responses"][sorted_table], key=lambda item: item["sk"]["S"])
    assert found == [{**key(pk, number), "n": {"N": str(number)}} for number in range(25)]
    assert answer["UnprocessedKeys"] == {}
    write(client, sorted_table, [{"DeleteRequest": {"Key": key(pk, number)}} for number in range(25)])
    answer = client.batch_get_item(RequestItems={sorted_table: {"Keys": [key(pk, 1)], "ConsistentRead": True}})
    assert answer["Responses"] == {sorted_table: []}


def test_large_reads_leave_the_rest_unprocessed(client, sorted_table, pk):
    body = "x" * 300_000
    for number in range(60):
        client.put_item(TableName=sorted_table, Item={**key(pk, number), "x": {"S": body}})
    pending = {
        sorted_table: {
            "Keys": [key(pk, number) for number in range(60)],
            "ProjectionExpression": "sk",
            "ConsistentRead": True,
        }
    }
    seen, rounds = [], 0
    while pending:
        answer = client.batch_get_item(RequestItems=pending)
        seen += [item["sk"]["S"] for item in answer["Responses"][sorted_table]]
        pending = answer["UnprocessedKeys"]
        if pending:
            assert pending[sorted_table]["ProjectionExpression"] == "sk"
            assert pending[sorted_table]["ConsistentRead"] is True
        rounds += 1
    assert sorted(seen) == [f"{number:03}" for number in range(60)]
    assert rounds >= 2


def test_capacity(client, sorted_table, pk, hit_units):
    answer = client.batch_write_item(
        RequestItems={
            sorted_table: [{"PutRequest": {"Item": {**key(pk, n), "x": {"S": "x" * 2500}}}} for n in range(10)]
        },
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["ConsumedCapacity"] == [{"TableName": sorted_table, "CapacityUnits": 30.0}]
    keys = [key(pk, n) for n in range(10)]
    for consistent, units in ((True, 10.0), (False, hit_units(5.0))):
        answer = client.batch_get_item(
            RequestItems={sorted_table: {"Keys": keys, "ConsistentRead": consistent}},
            ReturnConsumedCapacity="TOTAL",
        )
        assert answer["ConsumedCapacity"] == [{"TableName": sorted_table, "CapacityUnits": units}]


def test_one_bad_item_stops_the_batch(client, sorted_table, pk, refused):
    answer = refused(
        client.batch_write_item,
        RequestItems={
            sorted_table: [
                {"PutRequest": {"Item": key(pk, 1)}},
                {"PutRequest": {"Item": {"pk": pk}}},
            ]
        },
    )
    assert answer.code == "ValidationException"
    assert "Item" not in client.get_item(TableName=sorted_table, Key=key(pk, 1), ConsistentRead=True)


@pytest.mark.parametrize(
    ("count", "same", "message"),
    [
        (2, True, "Provided list of item keys contains duplicates"),
        (
            26,
            False,
            "Map value must satisfy constraint: [Member must have length less than or equal to 25, "
            "Member must have length greater than or equal to 1]",
        ),
    ],
)
def test_refused_writes(client, sorted_table, pk, refused, count, same, message):
    requests = [{"PutRequest": {"Item": key(pk, 0 if same else number)}} for number in range(count)]
    answer = refused(client.batch_write_item, RequestItems={sorted_table: requests})
    assert answer.code == "ValidationException"
    assert message in answer.message


def test_refused_reads(client, sorted_table, pk, refused, invalid):
    invalid(
        "Provided list of item keys contains duplicates",
        client.batch_get_item,
        RequestItems={sorted_table: {"Keys": [key(pk, 1), key(pk, 1)]}},
    )
    answer = refused(
        client.batch_get_item,
        RequestItems={sorted_table: {"Keys": [key(pk, number) for number in range(101)]}},
    )
    assert answer.code == "ValidationException"
    assert "100" in answer.message or "Too many items" in answer.message
    answer = refused(client.batch_get_item, RequestItems={"no-such-table": {"Keys": [{"pk": pk}]}})
    assert answer.code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (
            {"PutRequest": {"Item": {}}, "DeleteRequest": {"Key": {}}},
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ),
        (
            {"PutRequest": {}},
            "1 validation error detected: Value null at 'requestItems.%s.member.1.member.putRequest.item' "
            "failed to satisfy constraint: Member must not be null",
        ),
        (
            {"DeleteRequest": {}},
            "1 validation error detected: Value null at 'requestItems.%s.member.1.member.deleteRequest.key' "
            "failed to satisfy constraint: Member must not be null",
        ),
    ],
)
def test_a_write_request_is_one_request(client, sorted_table, invalid, request_, message):
    message = message.replace("%s", sorted_table)
    invalid(message, client.batch_write_item, RequestItems={sorted_table: [request_]})


def test_an_empty_list_of_writes(client, sorted_table, invalid):
    invalid(
        "1 validation error detected: Value '{%s=[]}' at 'requestItems' failed to satisfy constraint: "
        "Map value must satisfy constraint: [Member must have length less than or equal to 25, "
        "Member must have length greater than or equal to 1]" % sorted_table,
        client.batch_write_item,
        RequestItems={sorted_table: []},
    )
