"""Query (D01-D03, D08, A16)."""

import pytest


@pytest.fixture
def filled(client, sorted_table, pk):
    for number in range(10):
        client.put_item(
            TableName=sorted_table,
            Item={"pk": pk, "sk": {"S": f"k{number}"}, "n": {"N": str(number)}},
        )
    return sorted_table


@pytest.fixture
def query(client, filled, pk):
    def call(condition="pk = :pk", values=None, **parameters):
        return client.query(
            TableName=filled,
            KeyConditionExpression=condition,
            ExpressionAttributeValues={":pk": pk, **(values or {})},
            ConsistentRead=True,
            **parameters,
        )

    return call


def keys(answer):
    return [item["sk"]["S"] for item in answer["Items"]]


def test_ascending_and_descending(query):
    expected = [f"k{number}" for number in range(10)]
    assert keys(query()) == expected
    assert keys(query(ScanIndexForward=False)) == expected[::-1]


@pytest.mark.parametrize(
    ("condition", "values", "expected"),
    [
        ("sk = :a", {":a": "k3"}, "3"),
        ("sk < :a", {":a": "k3"}, "012"),
        ("sk <= :a", {":a": "k3"}, "0123"),
        ("sk > :a", {":a": "k7"}, "89"),
        ("sk >= :a", {":a": "k7"}, "789"),
        ("sk BETWEEN :a AND :b", {":a": "k2", ":b": "k4"}, "234"),
        ("begins_with(sk, :a)", {":a": "k5"}, "5"),
        (":a < sk", {":a": "k7"}, "89"),
    ],
)
def test_sort_key_conditions(query, condition, values, expected):
    bound = {name: {"S": value} for name, value in values.items()}
    answer = query(f"pk = :pk AND {condition}", bound)
    assert keys(answer) == [f"k{digit}" for digit in expected]
    answer = query(f"pk = :pk AND {condition}", bound, ScanIndexForward=False)
    assert keys(answer) == [f"k{digit}" for digit in reversed(expected)]


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 10, 20])
def test_pages(query, forward, limit):
    seen, start = [], {}
    for _ in range(20):
        answer = query(ScanIndexForward=forward, Limit=limit, **start)
        assert len(answer["Items"]) <= limit
        seen += keys(answer)
        if "LastEvaluatedKey" not in answer:
            break
        assert set(answer["LastEvaluatedKey"]) == {"pk", "sk"}
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    assert seen == [f"k{number}" for number in (range(10) if forward else reversed(range(10)))]


def test_a_start_key_need_not_exist(query, pk):
    answer = query(ExclusiveStartKey={"pk": pk, "sk": {"S": "k33"}})
    assert keys(answer) == [f"k{number}" for number in range(4, 10)]


def test_filter_counts_what_it_drops(query):
    answer = query(
        FilterExpression="n >= :eight", values={":eight": {"N": "8"}}, ReturnConsumedCapacity="TOTAL"
    )
    assert (answer["Count"], answer["ScannedCount"]) == (2, 10)
    assert answer["ConsumedCapacity"]["CapacityUnits"] == 1.0
    answer = query(FilterExpression="n >= :eight", values={":eight": {"N": "8"}}, Limit=3)
    assert (answer["Count"], answer["ScannedCount"]) == (0, 3)
    assert "LastEvaluatedKey" in answer


def test_count(query):
    answer = query(Select="COUNT")
    assert (answer["Count"], answer["ScannedCount"]) == (10, 10)
    assert "Items" not in answer


def test_projection(query):
    answer = query(ProjectionExpression="n", Limit=2)
    assert answer["Items"] == [{"n": {"N": "0"}}, {"n": {"N": "1"}}]


def test_numbers_sort_numerically(client, number_sorted_table, pk):
    numbers = ["-1E100", "-12", "-2", "-0.5", "0", "1E-100", "0.5", "2", "12", "100", "1E100"]
    for number in reversed(numbers):
        client.put_item(TableName=number_sorted_table, Item={"pk": pk, "sk": {"N": number}, "as": {"S": number}})
    answer = client.query(
        TableName=number_sorted_table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": pk},
        ConsistentRead=True,
    )
    assert [item["as"]["S"] for item in answer["Items"]] == numbers


def test_strings_sort_by_their_bytes(client, sorted_table, pk):
    strings = ["A", "Z", "a", "a\u0000", "a\u0000b", "ab", "é", "\uffff", "\U0001f511"]
    for string in reversed(strings):
        client.put_item(TableName=sorted_table, Item={"pk": pk, "sk": {"S": string}})
    answer = client.query(
        TableName=sorted_table,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": pk},
        ConsistentRead=True,
    )
    assert keys(answer) == strings


def test_a_page_ends_at_one_megabyte(client, sorted_table, pk):
    body = "x" * 300_000
    for number in range(8):
        client.put_item(TableName=sorted_table, Item={"pk": pk, "sk": {"S": str(number)}, "x": {"S": body}})
    seen, start, pages = [], {}, 0
    while True:
        answer = client.query(
            TableName=sorted_table,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": pk},
            ConsistentRead=True,
            **start,
        )
        assert answer["Count"] <= 4
        seen += keys(answer)
        pages += 1
        if "LastEvaluatedKey" not in answer:
            break
        start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}
    assert seen == [str(number) for number in range(8)]
    assert pages in (2, 3)


@pytest.mark.parametrize(
    ("condition", "values", "message"),
    [
        ("sk = :pk", None, "Query condition missed key schema element: pk"),
        ("pk > :pk", None, "Query key condition not supported"),
        (
            "pk = :pk AND sk > :a AND sk < :a",
            {":a": {"S": "x"}},
            "KeyConditionExpressions must only contain one condition per key",
        ),
        (
            "pk = :pk OR sk = :a",
            {":a": {"S": "x"}},
            "Invalid operator used in KeyConditionExpression: OR",
        ),
        (
            "pk = :pk AND sk = :n",
            {":n": {"N": "1"}},
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        (
            "pk = :pk",
            {":pk": {"S": "x" * 2049}},
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        (
            "pk = :pk AND sk BETWEEN :a AND :long",
            {":a": {"S": "a"}, ":long": {"S": "x" * 1025}},
            "One or more parameter values were invalid: Aggregated size of all range keys has exceeded "
            "the size limit of 1024 bytes",
        ),
    ],
)
def test_bad_key_conditions(query, invalid, condition, values, message):
    invalid(message, query, condition=condition, values=values)


def test_other_refusals(query, invalid, client, sorted_table, pk):
    invalid(
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: sk",
        query,
        FilterExpression="sk = :pk",
    )
    invalid(
        "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        client.query,
        TableName=sorted_table,
    )
    invalid(
        "The provided starting key is outside query boundaries based on provided conditions",
        query,
        ExclusiveStartKey={"pk": {"S": "another"}, "sk": {"S": "x"}},
    )
