"""`amazon-dax-client` for Python, unchanged, against the native protocol (M01-M05)."""

import time
import uuid

import pytest
from botocore.exceptions import ClientError
from conftest import plain

VALUES = {
    "s": {"S": "text ü"},
    "empty": {"S": ""},
    "n": {"N": "-12.5"},
    "big": {"N": "12345678901234567890123456789012345678"},
    "small": {"N": "0.000000000000000000000000000001"},
    "b": {"B": b"\x00\xff"},
    "yes": {"BOOL": True},
    "no": {"BOOL": False},
    "nil": {"NULL": True},
    "l": {"S": "local"},
    "list": {"L": [{"S": "x"}, {"N": "1"}, {"L": []}, {"M": {"k": {"S": "v"}}}]},
    "m": {"M": {"a.b": {"N": "1"}, "c": {"M": {"d": {"S": "deep"}}}}},
    "ss": {"SS": ["a", "b"]},
    "ns": {"NS": ["1", "2.5"]},
    "bs": {"BS": [b"\x01", b"\x02"]},
}


def key(pk, sk=1):
    return {"pk": pk, "sk": {"N": str(sk)}}


def test_an_item_of_every_type_comes_back(dax, both, table, pk):
    item = {**key(pk, "-3.25"), **VALUES}
    dax.put_item(TableName=table, Item=item)
    for consistent in (False, True):
        answer = both("get_item", TableName=table, Key=key(pk, "-3.25"), ConsistentRead=consistent)
        assert plain(answer["Item"]) == plain(item)


def test_items_that_are_missing_or_have_only_a_key(dax, both, table, pk):
    assert "Item" not in both("get_item", TableName=table, Key=key(pk))
    dax.put_item(TableName=table, Item=key(pk))
    assert both("get_item", TableName=table, Key=key(pk))["Item"] == key(pk)


@pytest.mark.parametrize("number", ["0", "-1", "1E+61", "1E+50", "9.99E+125", "1E-130", "-1E-63", "100", "12345678901234567890.5"])
def test_number_keys(dax, direct, hash_table, table, pk, number):
    dax.put_item(TableName=hash_table, Item={"pk": {"N": number}, "v": pk})
    assert direct.get_item(TableName=hash_table, Key={"pk": {"N": number}})["Item"]["v"] == pk
    assert dax.get_item(TableName=hash_table, Key={"pk": {"N": number}})["Item"]["v"] == pk
    dax.put_item(TableName=table, Item={**key(pk, number), "v": pk})
    assert direct.get_item(TableName=table, Key=key(pk, number))["Item"]["v"] == pk
    assert dax.query(
        TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues={":p": pk}
    )["Items"][0]["v"] == pk


@pytest.mark.parametrize(
    "projection", ["s", "m.c.d, #list[3].k, #list[1]", "pk, sk, absent, m.#ab", "n, b, ss, ns, bs, nil, yes"]
)
def test_projections(dax, both, table, pk, projection):
    dax.put_item(TableName=table, Item={**key(pk), **VALUES})
    names = {"#list": "list", "#ab": "a.b"}
    used = {name: of for name, of in names.items() if name in projection}
    names = {"ExpressionAttributeNames": used} if used else {}
    both("get_item", TableName=table, Key=key(pk), ProjectionExpression=projection, **names)
    condition = {"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {":p": pk}}
    both("query", TableName=table, ProjectionExpression=projection, **condition, **names)


def test_updates_return_what_was_asked_for(dax, direct, table, pk):
    start = {**key(pk), "n": {"N": "1"}, "s": {"S": "old"}, "ss": {"SS": ["a", "b"]}, "gone": {"S": "x"}}
    update = {
        "UpdateExpression": "SET #s = if_not_exists(nothing, :s), li = list_append(:l, :l), n = n + :one "
        "REMOVE gone ADD hits :one DELETE ss :set",
        "ConditionExpression": "n BETWEEN :zero AND :one AND (attribute_not_exists(hits) OR NOT contains(ss, :s))",
        "ExpressionAttributeNames": {"#s": "s"},
        "ExpressionAttributeValues": {
            ":s": {"S": "new"}, ":l": {"L": [{"N": "1"}]}, ":one": {"N": "1"}, ":zero": {"N": "0"}, ":set": {"SS": ["a"]},
        },
    }
    for returns in ("NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"):
        answers = []
        for number, client in enumerate((dax, direct)):
            of = key({"S": f"{pk['S']}-{returns}-{number}"})
            client.put_item(TableName=table, Item={**start, **of})
            answer = client.update_item(TableName=table, Key=of, ReturnValues=returns, **update)
            attributes = answer.get("Attributes", {})
            attributes.pop("pk", None)
            answers.append(attributes)
            assert dax.get_item(TableName=table, Key=of)["Item"]["s"] == {"S": "new"}
        assert answers[0] == answers[1], returns


def test_puts_and_deletes_return_the_old_item(dax, table, pk):
    item = {**key(pk), "v": {"N": "1"}}
    assert "Attributes" not in dax.put_item(TableName=table, Item=item, ReturnValues="ALL_OLD")
    assert dax.put_item(TableName=table, Item=key(pk), ReturnValues="ALL_OLD")["Attributes"] == item
    assert dax.delete_item(TableName=table, Key=key(pk), ReturnValues="ALL_OLD")["Attributes"] == key(pk)
    assert "Attributes" not in dax.delete_item(TableName=table, Key=key(pk), ReturnValues="ALL_OLD")


@pytest.fixture(scope="session")
def many(direct, quiet_table):
    """Thirty items of one partition."""
    pk = {"S": uuid.uuid4().hex}
    for number in range(30):
        item = {**key(pk, number), "l": {"S": f"{number:02}"}, "g": pk, "v": {"N": str(number % 3)}}
        direct.put_item(TableName=quiet_table, Item=item)
    count = {
        "TableName": quiet_table, "IndexName": "global", "Select": "COUNT",
        "KeyConditionExpression": "g = :g", "ExpressionAttributeValues": {":g": pk},
    }
    deadline = time.monotonic() + 10
    while direct.query(**count)["Count"] < 30:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return pk


def pages(client, operation, parameters):
    found, start = [], {}
    while True:
        page = getattr(client, operation)(**parameters, **start)
        found.append((page.get("Items"), page["Count"], page["ScannedCount"], page.get("LastEvaluatedKey")))
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


@pytest.mark.parametrize(
    "parameters",
    [
        {"KeyConditionExpression": "pk = :p", "Limit": 7},
        {"KeyConditionExpression": "pk = :p AND sk >= :n", "Limit": 4, "ScanIndexForward": False},
        {"KeyConditionExpression": "pk = :p", "FilterExpression": "v IN (:n, :n)", "Limit": 9},
        {"KeyConditionExpression": "pk = :p", "Select": "COUNT", "Limit": 20},
        {"KeyConditionExpression": "pk = :p", "ProjectionExpression": "v", "ConsistentRead": True},
        {"IndexName": "local", "KeyConditionExpression": "pk = :p AND begins_with(l, :one)", "Limit": 3},
        {"IndexName": "global", "KeyConditionExpression": "g = :p", "Limit": 11},
    ],
)
def test_queries_page_as_plain_ones(dax, direct, quiet_table, many, parameters):
    values = {":p": many, ":n": {"N": "2"}, ":one": {"S": "1"}}
    texts = " ".join(str(value) for value in parameters.values())
    values = {name: value for name, value in values.items() if name in texts}
    parameters = {"TableName": quiet_table, "ExpressionAttributeValues": values, **parameters}
    assert pages(dax, "query", parameters) == pages(direct, "query", parameters)


@pytest.mark.parametrize("index", [{}, {"IndexName": "global"}])
def test_scans_page_as_plain_ones(dax, direct, quiet_table, many, index):
    filtered = {"FilterExpression": "g = :g", "ExpressionAttributeValues": {":g": many}}
    for segments in ({}, {"Segment": 1, "TotalSegments": 3}):
        parameters = {"TableName": quiet_table, "Limit": 13, **index, **filtered, **segments}
        assert pages(dax, "scan", parameters) == pages(direct, "scan", parameters)


def test_batches(dax, direct, table, hash_table, pk):
    puts = [{"PutRequest": {"Item": {**key(pk, number), "v": {"N": str(number)}}}} for number in range(5)]
    number = str(uuid.uuid4().int % 10**30)
    other = [{"PutRequest": {"Item": {"pk": {"N": number}}}}]
    answer = dax.batch_write_item(RequestItems={table: puts, hash_table: other})
    assert answer["UnprocessedItems"] == {}
    dax.batch_write_item(RequestItems={table: [{"DeleteRequest": {"Key": key(pk, 4)}}]})
    keys = [key(pk, number) for number in range(6)]
    for extra in ({}, {"ProjectionExpression": "v"}, {"ConsistentRead": True}):
        request = {table: {"Keys": keys, **extra}, hash_table: {"Keys": [{"pk": {"N": number}}]}}
        answer = dax.batch_get_item(RequestItems=request)
        straight = direct.batch_get_item(RequestItems=request)
        order = lambda items: sorted(items, key=str)
        for name in request:
            assert order(answer["Responses"][name]) == order(straight["Responses"][name])
        assert len(answer["Responses"][table]) == 4
        assert answer["Responses"][hash_table] == [{"pk": {"N": number}}]
        assert answer["UnprocessedKeys"] == {}


def test_transactions(dax, both, table, pk):
    put = {"Put": {"TableName": table, "Item": {**key(pk), "v": {"N": "1"}}}}
    missing = {
        "ConditionCheck": {
            "TableName": table, "Key": key(pk, 2), "ConditionExpression": "attribute_not_exists(pk)",
        }
    }
    dax.transact_write_items(TransactItems=[put, missing])
    update = {
        "Update": {
            "TableName": table, "Key": key(pk), "UpdateExpression": "SET v = v + :v",
            "ExpressionAttributeValues": {":v": {"N": "4"}},
        }
    }
    dax.transact_write_items(TransactItems=[update, {"Delete": {"TableName": table, "Key": key(pk, 3)}}])
    gets = [
        {"Get": {"TableName": table, "Key": key(pk)}},
        {"Get": {"TableName": table, "Key": key(pk, 2)}},
        {"Get": {"TableName": table, "Key": key(pk, 4), "ProjectionExpression": "v, absent"}},
    ]
    dax.put_item(TableName=table, Item={**key(pk, 4), "v": {"S": "x"}, "w": {"S": "y"}})
    answer = both("transact_get_items", TransactItems=gets)
    assert answer["Responses"][0]["Item"]["v"] == {"N": "5"}
    # What the item cache held before the transaction is not shown after it.
    assert dax.get_item(TableName=table, Key=key(pk))["Item"]["v"] == {"N": "5"}


def refused(call, **parameters):
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return caught.value.response["Error"]["Code"], caught.value


def test_errors_are_those_of_the_service(dax, direct, table, pk):
    item = {"TableName": table, "Item": key(pk), "ConditionExpression": "attribute_not_exists(pk)"}
    dax.put_item(**item)
    for operation, parameters in (
        ("put_item", item),
        ("put_item", {"TableName": table, "Item": {**key(pk), "s": {"SS": ["a", "a"]}}}),
        ("update_item", {"TableName": table, "Key": key(pk), "UpdateExpression": "SET pk = :v",
                         "ExpressionAttributeValues": {":v": {"S": "x"}}}),
        ("query", {"TableName": table, "KeyConditionExpression": "sk = :s",
                   "ExpressionAttributeValues": {":s": {"N": "1"}}}),
        ("get_item", {"TableName": table, "Key": key({"S": ""})}),
        ("query", {"TableName": table, "IndexName": "none", "KeyConditionExpression": "pk = :p",
                   "ExpressionAttributeValues": {":p": pk}}),
    ):
        through, straight = (refused(getattr(client, operation), **parameters) for client in (dax, direct))
        assert through[0] == straight[0], (operation, through, straight)
    code, _ = refused(dax.get_item, TableName="no-such-table", Key=key(pk))
    assert code == "ResourceNotFoundException"


def test_a_cancelled_transaction_tells_its_reasons(dax, table, pk):
    dax.put_item(TableName=table, Item={**key(pk), "v": {"N": "7"}})
    check = {
        "Put": {
            "TableName": table, "Item": key(pk), "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }
    other = {"Put": {"TableName": table, "Item": key(pk, 2)}}
    code, error = refused(dax.transact_write_items, TransactItems=[other, check])
    assert code == "TransactionCanceledException"
    reasons = error.cancellation_reasons
    # This client hands out code, message and item of each action in one flat list.
    assert reasons[::3] == ["None", "ConditionalCheckFailed"]
    assert reasons[1] is None and reasons[4] == "The conditional request failed"


def test_capacity_and_metrics(dax, table, pk):
    item = {**key(pk), "x": {"S": "x" * 3000}}
    answer = dax.put_item(TableName=table, Item=item, ReturnConsumedCapacity="TOTAL", ReturnItemCollectionMetrics="SIZE")
    assert answer["ConsumedCapacity"]["TableName"] == table
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 3.0
    metrics = answer["ItemCollectionMetrics"]
    assert metrics["ItemCollectionKey"] == {"pk": pk}
    assert len(metrics["SizeEstimateRangeGB"]) == 2
    answer = dax.get_item(TableName=table, Key=key(pk), ConsistentRead=True, ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"]["Table"]["CapacityUnits"] == 1.0
    write = [{"Put": {"TableName": table, "Item": item}}]
    answer = dax.transact_write_items(TransactItems=write, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"][0]["CapacityUnits"] == 6.0


def test_large_items_and_many_lists(dax, both, table, pk):
    item = {**key(pk), "x": {"S": "x" * 390_000}}
    dax.put_item(TableName=table, Item=item)
    assert both("get_item", TableName=table, Key=key(pk))["Item"] == item
    for number in range(50):
        item = {**key(pk, number), f"attribute-{uuid.uuid4().hex}": {"N": "1"}}
        dax.put_item(TableName=table, Item=item)
        assert both("get_item", TableName=table, Key=key(pk, number))["Item"] == item


def test_a_held_item_changes_with_every_write(dax, direct, both, hash_table):
    """Its finished answer is held too, and must go with it."""
    key = {"pk": {"N": "77"}}
    dax.delete_item(TableName=hash_table, Key=key)
    for number in range(4):
        if number % 2:
            dax.put_item(TableName=hash_table, Item={**key, "n": {"N": str(number)}, f"a{number}": {"S": "x"}})
        else:
            update = {"UpdateExpression": "SET n = :n", "ExpressionAttributeValues": {":n": {"N": str(number)}}}
            dax.update_item(TableName=hash_table, Key=key, **update)
        for _ in range(3):
            answer = both("get_item", TableName=hash_table, Key=key)
            assert answer["Item"]["n"] == {"N": str(number)}
    dax.delete_item(TableName=hash_table, Key=key)
    for _ in range(3):
        assert "Item" not in both("get_item", TableName=hash_table, Key=key)
