"""Secondary indexes on the data path (E01-E13)."""

import itertools
import time
import uuid

import pytest

SECONDS = 60
# A cache answers a question that was asked before from memory, so each has a limit of its own.
LIMITS = itertools.count(100_000)
CONSISTENT_GSI = "Consistent reads are not supported on global secondary indexes"


def key_schema(hash_keys, range_keys=()):
    return [{"AttributeName": name, "KeyType": "HASH"} for name in hash_keys] + [
        {"AttributeName": name, "KeyType": "RANGE"} for name in range_keys
    ]


def index(name, hash_keys, range_keys=(), projection="ALL", include=None):
    settings = {"ProjectionType": projection}
    if include:
        settings["NonKeyAttributes"] = include
    return {"IndexName": name, "KeySchema": key_schema(hash_keys, range_keys), "Projection": settings}


def definitions(text):
    """`pk:S n:N` as AttributeDefinitions."""
    pairs = [word.split(":") for word in text.split()]
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in pairs]


@pytest.fixture(scope="module")
def make_table(client):
    made = []

    def make(attributes, range_keys=("sk",), **settings):
        name = f"conformance-{uuid.uuid4().hex[:12]}"
        client.create_table(
            TableName=name,
            KeySchema=key_schema(["pk"], range_keys),
            AttributeDefinitions=definitions(attributes),
            BillingMode="PAY_PER_REQUEST",
            **settings,
        )
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        made.append(name)
        return name

    yield make
    for name in made:
        client.delete_table(TableName=name)


@pytest.fixture(scope="module")
def local_table(make_table):
    return make_table(
        "pk:S sk:S a:S n:N",
        LocalSecondaryIndexes=[
            index("by-a", ["pk"], ["a"]),
            index("by-n", ["pk"], ["n"], "KEYS_ONLY"),
            index("with-x", ["pk"], ["a"], "INCLUDE", ["x"]),
        ],
    )


@pytest.fixture(scope="module")
def global_table(make_table):
    return make_table(
        "pk:S sk:S g:S h:S n:N b:B",
        GlobalSecondaryIndexes=[
            index("by-g", ["g"], ["n"]),
            index("keys", ["g"], (), "KEYS_ONLY"),
            index("with-x", ["g"], ["sk"], "INCLUDE", ["x"]),
            index("several", ["g", "h"], ["n", "b"]),
        ],
    )


def eventually(condition, what):
    """The value of `condition` once it is true; global indexes follow their table."""
    deadline = time.monotonic() + SECONDS
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"never {what}"
        time.sleep(0.02)


def query_all(client, **parameters):
    """All pages of a Query."""
    parameters.setdefault("Limit", next(LIMITS))
    items, start = [], {}
    while True:
        answer = client.query(**parameters, **start)
        items += answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return items
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def scan_all(client, **parameters):
    parameters.setdefault("Limit", next(LIMITS))
    items, start = [], {}
    while True:
        answer = client.scan(**parameters, **start)
        items += answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return items
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}


def by_g(client, table, value, name="by-g", **parameters):
    return query_all(
        client,
        TableName=table,
        IndexName=name,
        KeyConditionExpression="g = :g",
        ExpressionAttributeValues={":g": {"S": value}},
        **parameters,
    )


# Local indexes.


@pytest.fixture
def local_items(client, local_table, pk):
    for number in range(6):
        item = {"pk": pk, "sk": {"S": f"k{number}"}, "a": {"S": f"a{9 - number}"}, "x": {"S": "x"}, "y": {"S": "y" * 100}}
        if number % 2:
            item["n"] = {"N": str(number)}
        client.put_item(TableName=local_table, Item=item)
    return local_table


def local_query(client, table, pk, name, condition="", values=None, **parameters):
    parameters.setdefault("ConsistentRead", True)
    return client.query(
        TableName=table,
        IndexName=name,
        KeyConditionExpression=f"pk = :pk{condition}",
        ExpressionAttributeValues={":pk": pk, **(values or {})},
        **parameters,
    )


def sks(answer):
    items = answer["Items"] if isinstance(answer, dict) else answer
    return [item["sk"]["S"] for item in items]


def test_a_local_index_orders_by_its_own_key_and_is_consistent(client, local_items, pk):
    assert sks(local_query(client, local_items, pk, "by-a")) == ["k5", "k4", "k3", "k2", "k1", "k0"]
    backward = local_query(client, local_items, pk, "by-a", ScanIndexForward=False)
    assert sks(backward) == ["k0", "k1", "k2", "k3", "k4", "k5"]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("a = :a", "4"),
        ("a < :a", "5"),
        ("a <= :a", "54"),
        ("a > :b", "10"),
        ("a >= :b", "210"),
        ("a BETWEEN :a AND :b", "432"),
        ("begins_with(a, :p)", "543210"),
    ],
)
def test_conditions_on_the_sort_key_of_an_index(client, local_items, pk, condition, expected):
    values = {":a": {"S": "a5"}, ":b": {"S": "a7"}, ":p": {"S": "a"}}
    values = {name: value for name, value in values.items() if name in condition}
    answer = local_query(client, local_items, pk, "by-a", f" AND {condition}", values)
    assert sks(answer) == [f"k{digit}" for digit in expected]


def test_a_local_index_is_sparse_and_follows_updates(client, local_items, pk):
    assert sks(local_query(client, local_items, pk, "by-n")) == ["k1", "k3", "k5"]
    key = {"pk": pk, "sk": {"S": "k3"}}
    client.update_item(TableName=local_items, Key=key, UpdateExpression="REMOVE n")
    assert sks(local_query(client, local_items, pk, "by-n")) == ["k1", "k5"]
    client.update_item(
        TableName=local_items,
        Key=key,
        UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "0"}},
    )
    assert sks(local_query(client, local_items, pk, "by-n")) == ["k3", "k1", "k5"]
    client.delete_item(TableName=local_items, Key=key)
    assert sks(local_query(client, local_items, pk, "by-n")) == ["k1", "k5"]


def test_projections_of_local_indexes(client, local_items, pk):
    item = local_query(client, local_items, pk, "by-n", Limit=1)["Items"][0]
    assert sorted(item) == ["n", "pk", "sk"]
    item = local_query(client, local_items, pk, "with-x", Limit=1)["Items"][0]
    assert sorted(item) == ["a", "pk", "sk", "x"]
    item = local_query(client, local_items, pk, "by-a", Limit=1)["Items"][0]
    assert sorted(item) == ["a", "n", "pk", "sk", "x", "y"]


def test_unprojected_attributes_are_fetched_and_charged_item_by_item(client, local_items, pk):
    fetched = local_query(
        client, local_items, pk, "by-n", Select="ALL_ATTRIBUTES", ReturnConsumedCapacity="INDEXES"
    )
    assert all(sorted(item) == ["a", "n", "pk", "sk", "x", "y"] for item in fetched["Items"])
    assert fetched["ConsumedCapacity"] == {
        "TableName": local_items,
        "CapacityUnits": 4.0,
        "Table": {"CapacityUnits": 3.0},
        "LocalSecondaryIndexes": {"by-n": {"CapacityUnits": 1.0}},
    }
    named = local_query(
        client,
        local_items,
        pk,
        "with-x",
        ProjectionExpression="sk, y",
        ConsistentRead=False,
        ReturnConsumedCapacity="INDEXES",
    )
    assert all(sorted(item) == ["sk", "y"] for item in named["Items"])
    assert named["ConsumedCapacity"]["CapacityUnits"] == 3.5
    projected = local_query(
        client, local_items, pk, "with-x", ProjectionExpression="sk, x", ReturnConsumedCapacity="INDEXES"
    )
    assert projected["ConsumedCapacity"]["Table"] == {"CapacityUnits": 0.0}
    assert projected["ConsumedCapacity"]["LocalSecondaryIndexes"] == {"with-x": {"CapacityUnits": 1.0}}


def test_pages_of_a_local_index(client, local_items, pk):
    page = local_query(client, local_items, pk, "by-a", Limit=2)
    assert page["LastEvaluatedKey"] == {"pk": pk, "sk": {"S": "k4"}, "a": {"S": "a5"}}
    rest = local_query(client, local_items, pk, "by-a", ExclusiveStartKey=page["LastEvaluatedKey"])
    assert sks(rest) == ["k3", "k2", "k1", "k0"]


def test_starting_keys_of_an_index(client, local_items, pk, invalid):
    def call(start, **parameters):
        return lambda **_: local_query(client, local_items, pk, "by-a", ExclusiveStartKey=start, **parameters)

    good = {"pk": pk, "sk": {"S": "k4"}, "a": {"S": "a5"}}
    wrong = "The provided starting key is invalid"
    invalid(wrong, call({name: good[name] for name in ("pk", "sk")}))
    invalid(wrong, call({**good, "z": {"S": "z"}}))
    invalid(wrong, call({**good, "a": {"N": "1"}}))
    invalid(f"{wrong}: The provided key element does not match the schema", call({**good, "sk": {"N": "1"}}))
    invalid(
        "The provided starting key is outside query boundaries based on provided conditions",
        call({**good, "pk": {"S": "another"}}),
    )
    invalid(
        "The provided starting key does not match the range key predicate",
        call(good, condition=" AND a > :a", values={":a": {"S": "a5"}}),
    )


def test_a_filter_of_an_index_query_may_name_the_tables_key_but_not_the_indexes(client, local_items, pk, invalid):
    answer = local_query(client, local_items, pk, "by-a", FilterExpression="sk > :s", values={":s": {"S": "k3"}})
    assert (sks(answer), answer["ScannedCount"]) == (["k5", "k4"], 6)
    invalid(
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: a",
        lambda **_: local_query(client, local_items, pk, "by-a", FilterExpression="a > :s", values={":s": {"S": "k3"}}),
    )


def test_scan_of_a_local_index(client, local_items, pk):
    items = scan_all(client, TableName=local_items, IndexName="by-n", ConsistentRead=True)
    assert sks([item for item in items if item["pk"] == pk]) == ["k1", "k3", "k5"]


def test_item_collection_metrics(client, local_table, hash_table, pk):
    key = {"pk": pk, "sk": {"S": "s"}}
    expected = {"ItemCollectionKey": {"pk": pk}, "SizeEstimateRangeGB": [0.0, 1.0]}
    size = {"ReturnItemCollectionMetrics": "SIZE"}
    assert client.put_item(TableName=local_table, Item=key, **size)["ItemCollectionMetrics"] == expected
    assert client.update_item(TableName=local_table, Key=key, **size)["ItemCollectionMetrics"] == expected
    assert client.delete_item(TableName=local_table, Key=key, **size)["ItemCollectionMetrics"] == expected
    assert "ItemCollectionMetrics" not in client.put_item(TableName=hash_table, Item={"pk": pk}, **size)
    batch = client.batch_write_item(
        RequestItems={local_table: [{"PutRequest": {"Item": key}}], hash_table: [{"DeleteRequest": {"Key": {"pk": pk}}}]},
        **size,
    )
    assert batch["ItemCollectionMetrics"] == {local_table: [expected]}


def test_capacity_of_writes_with_local_indexes(client, local_table, pk):
    key = {"pk": pk, "sk": {"S": "s"}}

    def update(expression, values=None):
        parameters = {"ExpressionAttributeValues": values} if values else {}
        answer = client.update_item(
            TableName=local_table, Key=key, UpdateExpression=expression, ReturnConsumedCapacity="INDEXES", **parameters
        )
        capacity = answer["ConsumedCapacity"]
        arms = capacity.get("LocalSecondaryIndexes", {})
        return {name: arm["CapacityUnits"] for name, arm in arms.items()}, capacity["CapacityUnits"]

    assert update("SET z = :v", {":v": {"S": "1"}}) == ({}, 1.0)
    assert update("SET a = :v", {":v": {"S": "1"}}) == ({"by-a": 1.0, "with-x": 1.0}, 3.0)
    # Only the index that projects the attribute changes.
    assert update("SET z = :v", {":v": {"S": "2"}}) == ({"by-a": 1.0}, 2.0)
    # Another key: a removal and an insertion.
    assert update("SET a = :v", {":v": {"S": "2"}}) == ({"by-a": 2.0, "with-x": 2.0}, 5.0)
    assert update("REMOVE a") == ({"by-a": 1.0, "with-x": 1.0}, 3.0)
    assert update("REMOVE a") == ({}, 1.0)


def test_an_item_and_its_local_entries_share_400_kb(client, local_table, pk, invalid):
    item = {"pk": pk, "sk": {"S": "s"}, "big": {"S": "x" * 250_000}}
    client.put_item(TableName=local_table, Item=item)
    invalid(
        "Item size has exceeded the maximum allowed size",
        client.put_item,
        TableName=local_table,
        Item={**item, "a": {"S": "1"}},
    )


# Global indexes.


def test_a_global_index_follows_puts_updates_and_deletes(client, global_table, pk):
    value = pk["S"]
    for number in range(3):
        client.put_item(
            TableName=global_table,
            Item={"pk": pk, "sk": {"S": str(number)}, "g": {"S": value}, "n": {"N": str(-number)}},
        )
    eventually(lambda: sks(by_g(client, global_table, value)) == ["2", "1", "0"], "all three")
    key = {"pk": pk, "sk": {"S": "1"}}
    client.update_item(
        TableName=global_table,
        Key=key,
        UpdateExpression="SET n = :n",
        ExpressionAttributeValues={":n": {"N": "10"}},
    )
    eventually(lambda: sks(by_g(client, global_table, value)) == ["2", "0", "1"], "moved")
    client.update_item(TableName=global_table, Key=key, UpdateExpression="REMOVE n")
    eventually(lambda: sks(by_g(client, global_table, value)) == ["2", "0"], "sparse")
    assert len(by_g(client, global_table, value, "keys")) == 3
    client.delete_item(TableName=global_table, Key=key)
    eventually(lambda: len(by_g(client, global_table, value, "keys")) == 2, "deleted")


def test_ties_are_in_the_order_of_the_tables_key(client, global_table, pk):
    value = pk["S"]
    for sk in ("b", "c", "a"):
        client.put_item(
            TableName=global_table, Item={"pk": pk, "sk": {"S": sk}, "g": {"S": value}, "n": {"N": "1"}}
        )
    eventually(lambda: len(by_g(client, global_table, value)) == 3, "all three")
    assert sks(by_g(client, global_table, value)) == ["a", "b", "c"]
    # One item a page: the starting keys tell ties apart.
    assert sks(by_g(client, global_table, value, Limit=1)) == ["a", "b", "c"]
    assert sks(by_g(client, global_table, value, Limit=1, ScanIndexForward=False)) == ["c", "b", "a"]


def test_projections_of_global_indexes(client, global_table, pk, invalid):
    value = pk["S"]
    client.put_item(
        TableName=global_table,
        Item={"pk": pk, "sk": {"S": "s"}, "g": {"S": value}, "n": {"N": "1"}, "x": {"S": "x"}, "y": {"S": "y"}},
    )
    for name, attributes in (("by-g", "g n pk sk x y"), ("keys", "g pk sk"), ("with-x", "g pk sk x")):
        item = eventually(lambda: by_g(client, global_table, value, name), name)[0]
        assert sorted(item) == attributes.split()
    for name in ("keys", "with-x"):
        invalid(
            f"One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global "
            f"secondary index {name} because its projection type is not ALL",
            lambda **_: by_g(client, global_table, value, name, Select="ALL_ATTRIBUTES"),
        )
    invalid(
        "One or more parameter values were invalid: Global secondary index with-x does not project [y]",
        lambda **_: by_g(client, global_table, value, "with-x", ProjectionExpression="x, y"),
    )
    assert by_g(client, global_table, value, "with-x", ProjectionExpression="x") == [{"x": {"S": "x"}}]


def test_reads_that_global_indexes_refuse(client, global_table, pk, invalid):
    query = {
        "TableName": global_table,
        "KeyConditionExpression": "g = :g",
        "ExpressionAttributeValues": {":g": pk},
    }
    invalid(CONSISTENT_GSI, client.query, **query, IndexName="by-g", ConsistentRead=True)
    invalid(CONSISTENT_GSI, client.scan, TableName=global_table, IndexName="by-g", ConsistentRead=True)
    missing = "The table does not have the specified index: nowhere"
    invalid(missing, client.query, **query, IndexName="nowhere")
    invalid(missing, client.scan, TableName=global_table, IndexName="nowhere")
    query["KeyConditionExpression"] = "pk = :g"
    invalid("Query condition missed key schema element: g", client.query, **query, IndexName="by-g")


def test_keys_of_several_attributes(client, global_table, pk, invalid):
    value = pk["S"]
    for number, binary in ((1, b"a"), (1, b"b"), (2, b"a"), (2, b"c")):
        client.put_item(
            TableName=global_table,
            Item={
                "pk": pk,
                "sk": {"S": f"{number}{binary.decode()}"},
                "g": {"S": value},
                "h": {"S": "h"},
                "n": {"N": str(number)},
                "b": {"B": binary},
            },
        )
    client.put_item(
        TableName=global_table,
        Item={"pk": pk, "sk": {"S": "no b"}, "g": {"S": value}, "h": {"S": "h"}, "n": {"N": "1"}},
    )
    values = {":g": {"S": value}, ":h": {"S": "h"}, ":n": {"N": "1"}, ":b": {"B": b"b"}}

    def found(condition):
        used = {name: bound for name, bound in values.items() if name in condition}
        answer = client.query(
            TableName=global_table,
            IndexName="several",
            KeyConditionExpression=condition,
            ExpressionAttributeValues=used,
            Limit=next(LIMITS),
        )
        return sks(answer)

    eventually(lambda: found("g = :g AND h = :h") == ["1a", "1b", "2a", "2c"], "all four")
    assert found("g = :g AND h = :h AND n > :n") == ["2a", "2c"]
    assert found("h = :h AND n = :n AND g = :g") == ["1a", "1b"]
    assert found("g = :g AND h = :h AND n = :n AND b >= :b") == ["1b"]
    invalid("Query condition missed key schema element: h", lambda **_: found("g = :g"))
    invalid("Query condition missed key schema element: n", lambda **_: found("g = :g AND h = :h AND b = :b"))
    invalid("Query key condition not supported", lambda **_: found("g = :g AND h = :h AND n > :n AND b = :b"))
    invalid("Query key condition not supported", lambda **_: found("g = :g AND h > :h"))


def test_parallel_scan_of_a_global_index(client, global_table, pk):
    for number in range(20):
        client.put_item(
            TableName=global_table,
            Item={"pk": pk, "sk": {"S": str(number)}, "g": {"S": f"{pk['S']}-{number}"}, "n": {"N": "1"}},
        )

    def mine(**parameters):
        items = scan_all(client, TableName=global_table, IndexName="by-g", **parameters)
        return sorted(item["sk"]["S"] for item in items if item["pk"] == pk)

    expected = sorted(str(number) for number in range(20))
    eventually(lambda: mine() == expected, "all twenty")
    assert mine(Limit=3) == expected
    parts = [mine(Segment=segment, TotalSegments=3, Limit=5) for segment in range(3)]
    assert sorted(sk for part in parts for sk in part) == expected


def test_capacity_of_a_global_index(client, global_table, pk):
    value = pk["S"]
    item = {"pk": pk, "sk": {"S": "s"}, "g": {"S": value}, "n": {"N": "1"}, "x": {"S": "x" * 1500}}
    put = client.put_item(TableName=global_table, Item=item, ReturnConsumedCapacity="INDEXES")
    assert put["ConsumedCapacity"] == {
        "TableName": global_table,
        "CapacityUnits": 7.0,
        "Table": {"CapacityUnits": 2.0},
        "GlobalSecondaryIndexes": {
            "by-g": {"CapacityUnits": 2.0},
            "keys": {"CapacityUnits": 1.0},
            "with-x": {"CapacityUnits": 2.0},
        },
    }
    again = client.put_item(TableName=global_table, Item=item, ReturnConsumedCapacity="INDEXES")
    assert "GlobalSecondaryIndexes" not in again["ConsumedCapacity"]
    eventually(lambda: by_g(client, global_table, value), "there")
    read = client.query(
        TableName=global_table,
        IndexName="by-g",
        KeyConditionExpression="g = :g",
        ExpressionAttributeValues={":g": {"S": value}},
        ReturnConsumedCapacity="INDEXES",
    )
    assert read["ConsumedCapacity"] == {
        "TableName": global_table,
        "CapacityUnits": 0.5,
        "Table": {"CapacityUnits": 0.0},
        "GlobalSecondaryIndexes": {"by-g": {"CapacityUnits": 0.5}},
    }


# Index keys in writes.


@pytest.fixture
def bad_key(global_table, pk):
    def item(**attributes):
        return {"pk": pk, "sk": {"S": "s"}, **attributes}

    return item


def test_index_keys_of_another_type_are_refused(client, global_table, bad_key, invalid):
    message = (
        "One or more parameter values were invalid: Type mismatch for Index Key g Expected: S Actual: N IndexName: by-g"
    )
    item = bad_key(g={"N": "1"})
    invalid(message, client.put_item, TableName=global_table, Item=item)
    invalid(message, client.batch_write_item, RequestItems={global_table: [{"PutRequest": {"Item": item}}]})
    invalid(
        message,
        client.update_item,
        TableName=global_table,
        Key=bad_key(),
        UpdateExpression="SET g = :g",
        ExpressionAttributeValues={":g": {"N": "1"}},
    )
    assert "Item" not in client.get_item(TableName=global_table, Key=bad_key(), ConsistentRead=True)


def test_empty_index_keys_are_refused(client, global_table, bad_key, invalid):
    invalid(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The "
        "AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-g, IndexKey: g",
        client.put_item,
        TableName=global_table,
        Item=bad_key(g={"S": ""}),
    )
    invalid(
        "One or more parameter values are not valid. The update expression attempted to update a secondary index key to "
        "a value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value.",
        client.update_item,
        TableName=global_table,
        Key=bad_key(),
        UpdateExpression="SET g = :g",
        ExpressionAttributeValues={":g": {"S": ""}},
    )


def test_nothing_is_inside_an_index_key(client, global_table, bad_key, invalid):
    invalid(
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: IndexKey: g",
        client.update_item,
        TableName=global_table,
        Key=bad_key(),
        UpdateExpression="SET g.a = :g",
        ExpressionAttributeValues={":g": {"S": "x"}},
    )


def test_index_keys_that_are_too_long_are_refused(client, global_table, bad_key, invalid):
    invalid(
        "One or more parameter values were invalid: Size limit exceeded for Index Key g Actual Size: 2049 bytes Max Size: "
        "2048 bytes IndexName: by-g",
        client.put_item,
        TableName=global_table,
        Item=bad_key(g={"S": "x" * 2049}),
    )


# Indexes that come and go.


def describe_index(client, table, name):
    description = client.describe_table(TableName=table)["Table"]
    indexes = description.get("GlobalSecondaryIndexes", [])
    return next((index for index in indexes if index["IndexName"] == name), None)


def wait_active(client, table, name):
    eventually(
        lambda: (describe_index(client, table, name) or {}).get("IndexStatus") == "ACTIVE", f"{name} active"
    )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def create_index(client, table, attributes, settings):
    return client.update_table(
        TableName=table,
        AttributeDefinitions=definitions(attributes),
        GlobalSecondaryIndexUpdates=[{"Create": settings}],
    )


def test_an_index_that_is_added_is_filled_and_then_follows(client, make_table, refused):
    table = make_table("pk:S sk:S")
    for number in range(300):
        item = {"pk": {"S": f"p{number % 7}"}, "sk": {"S": f"{number:03}"}, "g": {"S": f"g{number % 3}"}}
        # These do not fit the index and are skipped.
        if number % 10 == 0:
            item["g"] = {"N": "1"}
        if number % 10 == 1:
            item["g"] = {"S": ""}
        client.put_item(TableName=table, Item=item)
    create_index(client, table, "pk:S sk:S g:S", index("added", ["g"], ["sk"]))
    # Writes go on meanwhile.
    for number in range(300, 330):
        item = {"pk": {"S": f"p{number % 7}"}, "sk": {"S": f"{number:03}"}, "g": {"S": f"g{number % 3}"}}
        client.put_item(TableName=table, Item=item)
    client.delete_item(TableName=table, Key={"pk": {"S": "p3"}, "sk": {"S": "003"}})
    wait_active(client, table, "added")
    expected = {
        f"g{group}": [
            f"{number:03}"
            for number in range(330)
            if number % 3 == group and (number >= 300 or number % 10 > 1) and number != 3
        ]
        for group in range(3)
    }

    def found():
        return {value: sks(by_g(client, table, value, "added")) for value in expected}

    eventually(lambda: found() == expected, "as the table")
    # From now on such items are refused; the old ones can still be changed otherwise.
    key = {"pk": {"S": "p0"}, "sk": {"S": "000"}}
    answer = refused(client.put_item, TableName=table, Item={**key, "g": {"N": "1"}})
    assert answer.code == "ValidationException"
    client.update_item(
        TableName=table, Key=key, UpdateExpression="SET z = :z", ExpressionAttributeValues={":z": {"N": "1"}}
    )


def test_an_index_that_is_deleted_is_unknown_afterwards(client, make_table, invalid):
    table = make_table("pk:S sk:S g:S", GlobalSecondaryIndexes=[index("by-g", ["g"])])
    client.put_item(TableName=table, Item={"pk": {"S": "p"}, "sk": {"S": "s"}, "g": {"S": "g"}})
    eventually(lambda: by_g(client, table, "g"), "there")
    client.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    eventually(lambda: describe_index(client, table, "by-g") is None, "gone")
    invalid(
        "The table does not have the specified index: by-g",
        client.query,
        TableName=table,
        IndexName="by-g",
        KeyConditionExpression="g = :g",
        ExpressionAttributeValues={":g": {"S": "g"}},
    )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    # An index of the same name begins empty and is filled anew.
    create_index(client, table, "pk:S sk:S g:S", index("by-g", ["g"], ["sk"], "KEYS_ONLY"))
    wait_active(client, table, "by-g")
    assert sks(by_g(client, table, "g")) == ["s"]


def test_an_index_cannot_be_read_before_it_is_filled(client, make_table, refused):
    table = make_table("pk:S sk:S")
    with_items = [{"pk": {"S": "p"}, "sk": {"S": f"{number:04}"}, "g": {"S": "g"}} for number in range(500)]
    for start in range(0, 500, 25):
        requests = [{"PutRequest": {"Item": item}} for item in with_items[start : start + 25]]
        client.batch_write_item(RequestItems={table: requests})
    create_index(client, table, "pk:S sk:S g:S", index("late", ["g"]))

    def count():
        try:
            return len(by_g(client, table, "g", "late"))
        except client.exceptions.ClientError as error:
            assert "backfilling" in error.response["Error"]["Message"], error
            return None

    # Never a part of it.
    assert eventually(count, "readable") == 500
