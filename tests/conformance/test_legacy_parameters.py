"""Expected, AttributeUpdates, KeyConditions, QueryFilter, ScanFilter, AttributesToGet, ConditionalOperator (B10)."""

import pytest

PREFIX = "One or more parameter values were invalid: "
MIXED = (
    "Can not use both expression and non-expression parameters in the same request: "
    "Non-expression parameters: {%s} Expression parameters: {%s}"
)


def s(text):
    return {"S": text}


def n(number):
    return {"N": str(number)}


def condition(operator, *values):
    entry = {"ComparisonOperator": operator}
    if values:
        entry["AttributeValueList"] = list(values)
    return entry


@pytest.fixture
def item(client, hash_table, pk):
    """An item with one attribute of each kind that conditions look at."""
    item = {
        "pk": pk,
        "s": s("dog"),
        "n": n(5),
        "b": {"B": b"dog"},
        "ss": {"SS": ["a", "b"]},
        "l": {"L": [s("a"), n(1)]},
        "m": {"M": {"x": n(1)}},
    }
    client.put_item(TableName=hash_table, Item=item)
    return item


HOLDS = [
    ("s", condition("EQ", s("dog"))),
    ("ss", condition("EQ", {"SS": ["b", "a"]})),
    ("m", condition("EQ", {"M": {"x": n("1.0")}})),
    ("s", condition("NE", n(5))),
    ("none", condition("NE", s("dog"))),
    ("n", condition("IN", n(1), n(5))),
    ("n", condition("LE", n(5))),
    ("n", condition("LT", n(6))),
    ("n", condition("GE", n(5))),
    ("s", condition("GT", s("cat"))),
    ("n", condition("BETWEEN", n(5), n(6))),
    ("b", condition("BEGINS_WITH", {"B": b"do"})),
    ("s", condition("CONTAINS", s("og"))),
    ("ss", condition("CONTAINS", s("a"))),
    ("l", condition("CONTAINS", n(1))),
    ("s", condition("NOT_CONTAINS", s("cat"))),
    ("n", condition("NOT_CONTAINS", s("cat"))),
    ("m", condition("NOT_NULL")),
    ("none", condition("NULL")),
]

FAILS = [
    ("s", condition("EQ", s("cat"))),
    ("none", condition("EQ", s("dog"))),
    ("s", condition("NE", s("dog"))),
    ("none", condition("IN", s("dog"))),
    ("s", condition("LT", n(6))),
    ("none", condition("LT", n(6))),
    ("n", condition("BETWEEN", n(6), n(7))),
    ("n", condition("BEGINS_WITH", s("5"))),
    ("s", condition("CONTAINS", s("cat"))),
    ("none", condition("NOT_CONTAINS", s("cat"))),
    ("none", condition("NOT_NULL")),
    ("s", condition("NULL")),
]


@pytest.mark.parametrize(("attribute", "entry"), HOLDS)
def test_conditions_that_hold(client, hash_table, item, attribute, entry):
    answer = client.update_item(
        TableName=hash_table,
        Key={"pk": item["pk"]},
        Expected={attribute: entry},
        AttributeUpdates={"seen": {"Value": n(1)}},
        ReturnValues="ALL_NEW",
    )
    assert answer["Attributes"]["seen"] == n(1)
    found = client.scan(TableName=hash_table, ScanFilter={"pk": condition("EQ", item["pk"]), attribute: entry})
    assert found["Count"] == 1


@pytest.mark.parametrize(("attribute", "entry"), FAILS)
def test_conditions_that_do_not_hold(client, hash_table, item, refused, attribute, entry):
    answer = refused(
        client.delete_item, TableName=hash_table, Key={"pk": item["pk"]}, Expected={attribute: entry}
    )
    assert (answer.code, answer.message) == ("ConditionalCheckFailedException", "The conditional request failed")
    found = client.scan(TableName=hash_table, ScanFilter={"pk": condition("EQ", item["pk"]), attribute: entry})
    assert found["Count"] == 0


def test_expected_without_an_operator(client, hash_table, pk, refused):
    absent = {"TableName": hash_table, "Item": {"pk": pk, "v": n(1)}, "Expected": {"pk": {"Exists": False}}}
    client.put_item(**absent)
    assert refused(client.put_item, **absent).code == "ConditionalCheckFailedException"
    for entry in ({"Value": n("1.0")}, {"Value": n(1), "Exists": True}):
        client.put_item(TableName=hash_table, Item={"pk": pk, "v": n(1)}, Expected={"v": entry})
    answer = refused(
        client.put_item,
        TableName=hash_table,
        Item={"pk": pk},
        Expected={"v": {"Value": n(2)}},
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert answer.response["Item"] == {"pk": pk, "v": n(1)}


def test_conditional_operator(client, hash_table, item, refused, invalid):
    one_holds = {"s": condition("EQ", s("dog")), "n": condition("EQ", n(6))}
    write = {"TableName": hash_table, "Item": item, "Expected": one_holds}
    client.put_item(ConditionalOperator="OR", **write)
    for operator in ({}, {"ConditionalOperator": "AND"}):
        assert refused(client.put_item, **operator, **write).code == "ConditionalCheckFailedException"
    for empty in ({}, {"Expected": {}}):
        invalid(
            PREFIX + "ConditionalOperator cannot be used without Filter or Expected",
            client.put_item,
            TableName=hash_table,
            Item=item,
            ConditionalOperator="OR",
            **empty,
        )
    invalid(
        "1 validation error detected: Value 'XOR' at 'conditionalOperator' failed to satisfy constraint: "
        "Member must satisfy enum value set: [OR, AND]",
        client.put_item,
        ConditionalOperator="XOR",
        **write,
    )


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"Exists": True, "ComparisonOperator": "EQ", "Value": n(1)}, "Exists and ComparisonOperator cannot be used together for Attribute: a"),
        ({"Value": n(1), "AttributeValueList": [n(1)], "ComparisonOperator": "EQ"}, "Value and AttributeValueList cannot be used together for Attribute: a"),
        ({"AttributeValueList": [n(1)]}, "AttributeValueList can only be used with a ComparisonOperator for Attribute: a"),
        ({"ComparisonOperator": "EQ"}, "Value or AttributeValueList must be used with ComparisonOperator: EQ for Attribute: a"),
        ({"Exists": True}, "Value must be provided when Exists is true for Attribute: a"),
        ({"Exists": False, "Value": n(1)}, "Value cannot be used when Exists is false for Attribute: a"),
        ({}, "Value must be provided when Exists is null for Attribute: a"),
    ],
)
def test_refused_expectations(client, hash_table, pk, invalid, entry, message):
    for call, parameters in (
        (client.put_item, {"Item": {"pk": pk}}),
        (client.delete_item, {"Key": {"pk": pk}}),
        (client.update_item, {"Key": {"pk": pk}}),
    ):
        invalid(PREFIX + message, call, TableName=hash_table, Expected={"a": entry}, **parameters)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (condition("EQ"), PREFIX + "Invalid number of argument(s) for the EQ ComparisonOperator"),
        (condition("NULL", n(1)), PREFIX + "Invalid number of argument(s) for the NULL ComparisonOperator"),
        (condition("BETWEEN", n(1)), PREFIX + "Invalid number of argument(s) for the BETWEEN ComparisonOperator"),
        (condition("IN", n(1), s("a")), PREFIX + "AttributeValues inside AttributeValueList must be of same type"),
        (condition("BEGINS_WITH", n(1)), PREFIX + "ComparisonOperator BEGINS_WITH is not valid for N AttributeValue type"),
        (condition("GT", {"SS": ["a"]}), PREFIX + "ComparisonOperator GT is not valid for SS AttributeValue type"),
        (condition("CONTAINS", {"L": []}), PREFIX + "ComparisonOperator CONTAINS is not valid for L AttributeValue type"),
        (
            condition("BETWEEN", n(2), n(1)),
            "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
        ),
    ],
)
def test_refused_conditions(client, hash_table, pk, invalid, entry, message):
    invalid(message, client.scan, TableName=hash_table, ScanFilter={"a": entry})
    keys = {"pk": condition("EQ", pk)}
    invalid(message, client.query, TableName=hash_table, KeyConditions=keys, QueryFilter={"a": entry})


def test_constraints_of_conditions(client, hash_table, invalid):
    invalid(
        "1 validation error detected: Value 'X' at 'scanFilter.a.member.comparisonOperator' failed to satisfy "
        "constraint: Member must satisfy enum value set: [IN, NULL, BETWEEN, LT, NOT_CONTAINS, EQ, GT, NOT_NULL, "
        "NE, LE, BEGINS_WITH, GE, CONTAINS]",
        client.scan,
        TableName=hash_table,
        ScanFilter={"a": {"ComparisonOperator": "X"}},
    )
    invalid(
        "1 validation error detected: Value null at 'scanFilter.a.member.comparisonOperator' failed to satisfy "
        "constraint: Member must not be null",
        client.scan,
        TableName=hash_table,
        ScanFilter={"a": {}},
    )
    invalid(
        "1 validation error detected: Value 'X' at 'attributeUpdates.a.member.action' failed to satisfy "
        "constraint: Member must satisfy enum value set: [ADD, PUT, DELETE]",
        client.update_item,
        TableName=hash_table,
        Key={"pk": s("a")},
        AttributeUpdates={"a": {"Action": "X"}},
    )


def test_attribute_updates(client, hash_table, pk):
    def update(**updates):
        return client.update_item(
            TableName=hash_table, Key={"pk": pk}, AttributeUpdates=updates, ReturnValues="ALL_NEW"
        ).get("Attributes")

    # Nothing is created by what only deletes.
    assert update(a={"Action": "DELETE"}) is None
    assert "Item" not in client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)
    assert update(a={"Value": n(1)}, b={"Value": s("x"), "Action": "PUT"}) == {"pk": pk, "a": n(1), "b": s("x")}
    assert update(a={"Value": n(2), "Action": "ADD"}, c={"Value": n(5), "Action": "ADD"})["a"] == n(3)
    assert update(b={"Action": "DELETE"}) == {"pk": pk, "a": n(3), "c": n(5)}
    update(t={"Value": {"NS": ["1"]}, "Action": "ADD"})
    item = update(t={"Value": {"NS": ["2", "1"]}, "Action": "ADD"})
    assert sorted(item["t"]["NS"]) == ["1", "2"]
    assert update(t={"Value": {"NS": ["1"]}, "Action": "DELETE"})["t"] == {"NS": ["2"]}
    assert "t" not in update(t={"Value": {"NS": ["2"]}, "Action": "DELETE"})
    update(l={"Value": {"L": [n(1)]}})
    assert update(l={"Value": {"L": [s("x")]}, "Action": "ADD"})["l"] == {"L": [n(1), s("x")]}
    assert update()["a"] == n(3)


def test_attribute_updates_tell_what_they_changed(client, hash_table, pk):
    client.put_item(TableName=hash_table, Item={"pk": pk, "a": n(1), "b": n(1), "c": n(1)})
    updates = {"a": {"Value": n(2)}, "b": {"Action": "DELETE"}, "d": {"Value": n(3), "Action": "ADD"}}
    call = {"TableName": hash_table, "Key": {"pk": pk}, "AttributeUpdates": updates}
    assert client.update_item(ReturnValues="UPDATED_OLD", **call)["Attributes"] == {"a": n(1), "b": n(1)}
    assert client.update_item(ReturnValues="UPDATED_NEW", **call)["Attributes"] == {"a": n(2), "d": n(6)}


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({}, PREFIX + "Only DELETE action is allowed when no attribute value is specified"),
        ({"Action": "ADD"}, PREFIX + "Only DELETE action is allowed when no attribute value is specified"),
        ({"Action": "ADD", "Value": s("x")}, PREFIX + "ADD action is not supported for the type S"),
        ({"Action": "DELETE", "Value": n(1)}, PREFIX + "DELETE action with value is not supported for the type N"),
        ({"Action": "ADD", "Value": {"SS": ["x"]}}, "Type mismatch for attribute to update"),
        ({"Action": "DELETE", "Value": {"SS": ["x"]}}, "Type mismatch for attribute to update"),
    ],
)
def test_refused_updates(client, hash_table, pk, invalid, update, message):
    client.put_item(TableName=hash_table, Item={"pk": pk, "a": n(1)})
    invalid(message, client.update_item, TableName=hash_table, Key={"pk": pk}, AttributeUpdates={"a": update})


def test_keys_cannot_be_updated(client, hash_table, pk, invalid):
    invalid(
        PREFIX + "Cannot update attribute pk. This attribute is part of the key",
        client.update_item,
        TableName=hash_table,
        Key={"pk": pk},
        AttributeUpdates={"pk": {"Value": pk}},
    )


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (condition("EQ", n(2)), [2]),
        (condition("LT", n(2)), [0, 1]),
        (condition("LE", n(2)), [0, 1, 2]),
        (condition("GT", n(2)), [3, 4]),
        (condition("GE", n(2)), [2, 3, 4]),
        (condition("BETWEEN", n(1), n(3)), [1, 2, 3]),
    ],
)
def test_key_conditions(client, number_sorted_table, pk, entry, found):
    for number in range(5):
        client.put_item(TableName=number_sorted_table, Item={"pk": pk, "sk": n(number), "odd": n(number % 2)})
    keys = {"pk": condition("EQ", pk), "sk": entry}
    read = {"TableName": number_sorted_table, "ConsistentRead": True, "KeyConditions": keys}
    answer = client.query(**read)
    assert [int(item["sk"]["N"]) for item in answer["Items"]] == found
    answer = client.query(
        QueryFilter={"odd": condition("EQ", n(1)), "none": condition("NOT_NULL")},
        ConditionalOperator="OR",
        AttributesToGet=["sk"],
        ScanIndexForward=False,
        **read,
    )
    assert answer["Items"] == [{"sk": n(number)} for number in reversed(found) if number % 2]
    assert (answer["Count"], answer["ScannedCount"]) == (sum(number % 2 for number in found), len(found))


def test_begins_with_as_a_key_condition(client, sorted_table, pk):
    for text in ("a", "ab", "abc", "b"):
        client.put_item(TableName=sorted_table, Item={"pk": pk, "sk": s(text)})
    answer = client.query(
        TableName=sorted_table,
        KeyConditions={"pk": condition("EQ", pk), "sk": condition("BEGINS_WITH", s("ab"))},
        ConsistentRead=True,
    )
    assert [item["sk"]["S"] for item in answer["Items"]] == ["ab", "abc"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "Conditions can be of length 1 or 2 only"),
        ({"pk": condition("EQ", s("a")), "sk": condition("NE", s("a"))}, "Attempted conditional constraint is not an indexable operation"),
        ({"sk": condition("EQ", s("a"))}, "Query condition missed key schema element: pk"),
        ({"pk": condition("EQ", s("a")), "x": condition("EQ", s("a"))}, "Query condition missed key schema element: sk"),
        ({"pk": condition("GT", s("a"))}, "Query key condition not supported"),
        ({"pk": condition("EQ", n(1))}, PREFIX + "Condition parameter type does not match schema type"),
    ],
)
def test_refused_key_conditions(client, sorted_table, invalid, keys, message):
    invalid(message, client.query, TableName=sorted_table, KeyConditions=keys)


def test_query_filter_may_not_name_keys(client, sorted_table, pk, invalid):
    invalid(
        "QueryFilter can only contain non-primary key attributes: Primary key attribute: sk",
        client.query,
        TableName=sorted_table,
        KeyConditions={"pk": condition("EQ", pk)},
        QueryFilter={"sk": condition("EQ", s("a"))},
    )


def test_attributes_to_get(client, sorted_table, pk):
    item = {"pk": pk, "sk": s("a"), "a.b": n(1), "a": {"M": {"b": n(2)}}, "size": n(3)}
    client.put_item(TableName=sorted_table, Item=item)
    key = {"pk": pk, "sk": s("a")}
    answer = client.get_item(
        TableName=sorted_table, Key=key, AttributesToGet=["a.b", "size", "none"], ConsistentRead=True
    )
    assert answer["Item"] == {"a.b": n(1), "size": n(3)}
    answer = client.batch_get_item(
        RequestItems={sorted_table: {"Keys": [key], "AttributesToGet": ["size"], "ConsistentRead": True}}
    )
    assert answer["Responses"][sorted_table] == [{"size": n(3)}]


@pytest.mark.parametrize("operation", ["get_item", "query", "scan"])
def test_refused_attributes_to_get(client, sorted_table, pk, invalid, operation):
    keys = {"pk": condition("EQ", pk)}
    read = {
        "get_item": {"Key": {"pk": pk, "sk": pk}},
        "query": {"KeyConditions": keys},
        "scan": {},
    }[operation]
    call = getattr(client, operation)
    invalid(
        PREFIX + "Duplicate value in attribute name: a",
        call,
        TableName=sorted_table,
        AttributesToGet=["a", "b", "a"],
        **read,
    )
    invalid(
        "1 validation error detected: Value '[]' at 'attributesToGet' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
        call,
        TableName=sorted_table,
        AttributesToGet=[],
        **read,
    )


def test_select_and_attributes_to_get(client, sorted_table, invalid):
    for select, rest in (("COUNT", "only the Count"), ("ALL_ATTRIBUTES", "ALL_ATTRIBUTES")):
        invalid(
            f"Cannot specify the AttributesToGet when choosing to get {rest}",
            client.scan,
            TableName=sorted_table,
            Select=select,
            AttributesToGet=["a"],
        )


def test_expressions_and_legacy_parameters_are_not_mixed(client, sorted_table, pk, invalid):
    key = {"pk": pk, "sk": pk}
    keys = {"pk": condition("EQ", pk)}
    invalid(
        MIXED % ("AttributesToGet", "ProjectionExpression"),
        client.get_item,
        TableName=sorted_table,
        Key=key,
        AttributesToGet=["a"],
        ProjectionExpression="b",
    )
    invalid(
        "1 validation error detected: " + MIXED % ("AttributeUpdates, Expected", "UpdateExpression"),
        client.update_item,
        TableName=sorted_table,
        Key=key,
        AttributeUpdates={"a": {"Action": "DELETE"}},
        Expected={"a": {"Exists": False}},
        UpdateExpression="REMOVE b",
    )
    invalid(
        MIXED % ("QueryFilter", "FilterExpression"),
        client.query,
        TableName=sorted_table,
        KeyConditions=keys,
        QueryFilter={"a": condition("NULL")},
        FilterExpression="attribute_exists(a)",
    )
    invalid(
        MIXED
        % (
            "AttributesToGet, QueryFilter, ConditionalOperator, KeyConditions",
            "ProjectionExpression, FilterExpression, KeyConditionExpression",
        ),
        client.query,
        TableName=sorted_table,
        KeyConditions=keys,
        KeyConditionExpression="pk = :pk",
        QueryFilter={"a": condition("NULL")},
        FilterExpression="attribute_exists(a)",
        AttributesToGet=["a"],
        ProjectionExpression="a",
        ConditionalOperator="OR",
    )
    invalid(
        MIXED % ("ScanFilter", "ProjectionExpression"),
        client.scan,
        TableName=sorted_table,
        ScanFilter={"a": condition("NULL")},
        ProjectionExpression="a",
    )
    invalid(
        "ExpressionAttributeNames can only be specified when using expressions",
        client.scan,
        TableName=sorted_table,
        ScanFilter={"a": condition("NULL")},
        ExpressionAttributeNames={"#a": "a"},
    )


def test_many_legacy_parameters(client, hash_table, pk):
    """Limits on expressions are none on these."""
    names = [f"attribute{number:03}" for number in range(400)]
    client.update_item(
        TableName=hash_table, Key={"pk": pk}, AttributeUpdates={name: {"Value": n(1)} for name in names}
    )
    client.update_item(
        TableName=hash_table,
        Key={"pk": pk},
        Expected={name: {"Value": n(1)} for name in names},
        AttributeUpdates={"last": {"Value": n(1)}},
    )
    answer = client.get_item(TableName=hash_table, Key={"pk": pk}, AttributesToGet=names[:255], ConsistentRead=True)
    assert len(answer["Item"]) == 255


def test_key_conditions_go_with_other_expressions(client, sorted_table, pk):
    for number in range(5):
        client.put_item(TableName=sorted_table, Item={"pk": pk, "sk": s(str(number)), "v": n(number)})
    answer = client.query(
        TableName=sorted_table,
        KeyConditions={"pk": condition("EQ", pk), "sk": condition("GE", s("1"))},
        FilterExpression="#v0 < :v0",
        ProjectionExpression="#n0",
        ExpressionAttributeNames={"#n0": "sk", "#v0": "v"},
        ExpressionAttributeValues={":v0": n(3)},
    )
    assert answer["Items"] == [{"sk": s("1")}, {"sk": s("2")}]
    assert answer["ScannedCount"] == 4


def test_limits_hold_beside_key_conditions(client, sorted_table, pk, invalid):
    invalid(
        "Invalid FilterExpression: Expression size has exceeded the maximum allowed size; expression size: 4097",
        client.query,
        TableName=sorted_table,
        KeyConditions={"pk": condition("EQ", pk)},
        FilterExpression="a" * 4097,
    )
