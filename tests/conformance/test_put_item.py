"""PutItem (B01, B07, A07-A12)."""

import pytest


def test_replaces_the_whole_item(client, hash_table, pk):
    client.put_item(TableName=hash_table, Item={"pk": pk, "a": {"S": "1"}, "b": {"S": "2"}})
    client.put_item(TableName=hash_table, Item={"pk": pk, "a": {"S": "3"}})
    answer = client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)
    assert answer["Item"] == {"pk": pk, "a": {"S": "3"}}


def test_returns_the_old_item_when_asked(client, hash_table, pk):
    first = {"pk": pk, "a": {"N": "1"}}
    assert "Attributes" not in client.put_item(TableName=hash_table, Item=first, ReturnValues="ALL_OLD")
    answer = client.put_item(TableName=hash_table, Item={"pk": pk}, ReturnValues="ALL_OLD")
    assert answer["Attributes"] == first


@pytest.mark.parametrize("mode", ["ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"])
def test_refuses_other_return_values(client, hash_table, pk, refused, mode):
    answer = refused(client.put_item, TableName=hash_table, Item={"pk": pk}, ReturnValues=mode)
    assert answer.code == "ValidationException"
    assert "ReturnValues can only be ALL_OLD or NONE" in answer.message


def test_condition_guards_the_write(client, hash_table, pk, refused):
    parameters = {"TableName": hash_table, "ConditionExpression": "attribute_not_exists(pk)"}
    client.put_item(Item={"pk": pk, "v": {"N": "1"}}, **parameters)
    answer = refused(client.put_item, Item={"pk": pk, "v": {"N": "2"}}, **parameters)
    assert (answer.code, answer.message) == ("ConditionalCheckFailedException", "The conditional request failed")
    assert client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)["Item"]["v"] == {"N": "1"}


def test_failed_condition_returns_the_item_when_asked(client, hash_table, pk, refused):
    item = {"pk": pk, "v": {"N": "1"}}
    client.put_item(TableName=hash_table, Item=item)
    answer = refused(
        client.put_item,
        TableName=hash_table,
        Item={"pk": pk},
        ConditionExpression="v > :v",
        ExpressionAttributeValues={":v": {"N": "1"}},
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert answer.response["Item"] == item


def test_every_type_is_read_back_as_written(client, hash_table, pk):
    item = {
        "pk": pk,
        "s": {"S": "κλειδί \u0000 \U0001f511"},
        "empty": {"S": ""},
        "n": {"N": "-12.5"},
        "b": {"B": bytes(range(256))},
        "true": {"BOOL": True},
        "null": {"NULL": True},
        "ss": {"SS": ["a", "b"]},
        "ns": {"NS": ["1", "2.5"]},
        "bs": {"BS": [b"\x00", b"\xff"]},
        "l": {"L": [{"S": "x"}, {"L": []}, {"M": {}}]},
        "m": {"M": {"a.b": {"N": "1"}, "inner": {"M": {"x": {"BOOL": False}}}}},
    }
    client.put_item(TableName=hash_table, Item=item)
    read = client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)["Item"]
    for name in ("ss", "ns", "bs"):
        (kind, values), = read[name].items()
        read[name] = {kind: sorted(values)}
    assert read == item


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("1.50E+2", "150"),
        ("-0", "0"),
        ("00042", "42"),
        (".5", "0.5"),
        ("+1.5", "1.5"),
        ("1E-130", "0." + "0" * 129 + "1"),
        ("9.9999999999999999999999999999999999999E+125", "9" * 38 + "0" * 88),
        ("12345678901234567890123456789012345678", "12345678901234567890123456789012345678"),
    ],
)
def test_numbers_are_normalised(client, hash_table, pk, written, canonical):
    client.put_item(TableName=hash_table, Item={"pk": pk, "n": {"N": written}})
    assert client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)["Item"]["n"] == {"N": canonical}


@pytest.mark.parametrize(
    ("number", "message"),
    [
        ("dog", "The parameter cannot be converted to a numeric value: dog"),
        ("", "The parameter cannot be converted to a numeric value"),
        ("1" * 39, "Attempting to store more than 38 significant digits in a Number"),
        ("1E126", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
        ("1E-131", "Number underflow. Attempting to store a number with magnitude smaller than supported range"),
    ],
)
def test_bad_numbers_are_refused(client, hash_table, pk, invalid, number, message):
    invalid(message, client.put_item, TableName=hash_table, Item={"pk": pk, "n": {"N": number}})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        (
            {"S": "a", "N": "1"},
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ),
        (
            {"NULL": False},
            "1 validation error detected: One or more parameter values were invalid: "
            "Null attribute value types must have the value of true",
        ),
        (
            {"SS": []},
            "1 validation error detected: One or more parameter values were invalid: An string set  may not be empty",
        ),
        (
            {"SS": ["a", "a"]},
            "1 validation error detected: One or more parameter values were invalid: "
            "Input collection [a, a] contains duplicates.",
        ),
        ({"NS": ["1", "1.0"]}, "1 validation error detected: Input collection contains duplicates"),
    ],
)
def test_bad_values_are_refused(client, hash_table, pk, refused, value, message):
    answer = refused(client.put_item, TableName=hash_table, Item={"pk": pk, "x": value})
    assert answer.code == "ValidationException"
    assert answer.message.removeprefix("1 validation error detected: ") == message.removeprefix(
        "1 validation error detected: "
    )


def test_largest_item_and_one_byte_more(client, hash_table, pk, invalid):
    spare = 409_600 - len("pk") - len(pk["S"]) - len("x")
    client.put_item(TableName=hash_table, Item={"pk": pk, "x": {"S": "a" * spare}})
    invalid(
        "Item size has exceeded the maximum allowed size",
        client.put_item,
        TableName=hash_table,
        Item={"pk": pk, "x": {"S": "a" * (spare + 1)}},
    )


def nested(levels):
    value = {"S": "x"}
    for _ in range(levels):
        value = {"L": [value]}
    return value


def test_nesting_of_32_levels_and_one_more(client, hash_table, pk, refused):
    client.put_item(TableName=hash_table, Item={"pk": pk, "x": nested(31)})
    answer = refused(client.put_item, TableName=hash_table, Item={"pk": pk, "x": nested(32)})
    assert answer.code == "ValidationException"
    assert "esting" in answer.message


def test_key_must_be_there_and_of_its_type(client, hash_table, sorted_table, pk, invalid):
    invalid(
        "One or more parameter values were invalid: Missing the key pk in the item",
        client.put_item,
        TableName=hash_table,
        Item={"a": {"S": "x"}},
    )
    invalid(
        "One or more parameter values were invalid: Missing the key sk in the item",
        client.put_item,
        TableName=sorted_table,
        Item={"pk": pk},
    )
    invalid(
        "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N",
        client.put_item,
        TableName=hash_table,
        Item={"pk": {"N": "1"}},
    )


def test_key_may_not_be_empty_or_too_long(client, hash_table, sorted_table, pk, invalid):
    invalid(
        "One or more parameter values are not valid. The AttributeValue for a key attribute "
        "cannot contain an empty string value. Key: pk",
        client.put_item,
        TableName=hash_table,
        Item={"pk": {"S": ""}},
    )
    client.put_item(TableName=hash_table, Item={"pk": {"S": "k" * 2048}})
    invalid(
        "One or more parameter values were invalid: "
        "Size of hashkey has exceeded the maximum size limit of2048 bytes",
        client.put_item,
        TableName=hash_table,
        Item={"pk": {"S": "k" * 2049}},
    )
    invalid(
        "One or more parameter values were invalid: "
        "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
        client.put_item,
        TableName=sorted_table,
        Item={"pk": pk, "sk": {"S": "k" * 1025}},
    )


def test_missing_table(client, pk, refused):
    answer = refused(client.put_item, TableName="no-such-table", Item={"pk": pk})
    assert (answer.code, answer.message) == ("ResourceNotFoundException", "Requested resource not found")


def test_consumed_capacity(client, hash_table, pk):
    body = "x" * 2500
    answer = client.put_item(
        TableName=hash_table, Item={"pk": pk, "x": {"S": body}}, ReturnConsumedCapacity="TOTAL"
    )
    assert answer["ConsumedCapacity"] == {"TableName": hash_table, "CapacityUnits": 3.0}
    answer = client.put_item(TableName=hash_table, Item={"pk": pk}, ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"] == {
        "TableName": hash_table,
        "CapacityUnits": 3.0,
        "Table": {"CapacityUnits": 3.0},
    }


def test_expected_is_refused_or_honoured_but_never_ignored(client, hash_table, pk, refused):
    """The legacy parameters are a later part; until then they are refused whole."""
    client.put_item(TableName=hash_table, Item={"pk": pk})
    answer = refused(
        client.put_item, TableName=hash_table, Item={"pk": pk, "a": {"S": "x"}}, Expected={"pk": {"Exists": False}}
    )
    assert answer.code in ("ValidationException", "ConditionalCheckFailedException")
    assert "a" not in client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)["Item"]


NAMELESS = "One or more parameter values were invalid: Attribute names must have a length between 1 and 65535 bytes"


@pytest.mark.parametrize("name", ["", "x" * 65536], ids=["empty", "long"])
def test_no_way_leads_to_an_attribute_without_a_proper_name(client, hash_table, pk, invalid, name):
    """Wherever a name can stand; the longest one that is legal can be written and read."""
    table = {"TableName": hash_table}
    key = {**table, "Key": {"pk": pk}}
    one = {"N": "1"}
    invalid(NAMELESS, client.put_item, **table, Item={"pk": pk, name: one})
    invalid(NAMELESS, client.put_item, **table, Item={"pk": pk, "m": {"M": {name: one}}})
    invalid(NAMELESS, client.put_item, **table, Item={"pk": pk}, Expected={name: {"Exists": False}})
    invalid(NAMELESS, client.update_item, **key, AttributeUpdates={name: {"Value": one}})
    invalid(NAMELESS, client.get_item, **key, AttributesToGet=[name])
    invalid(NAMELESS, client.scan, **table, ScanFilter={name: {"ComparisonOperator": "NULL"}})
    named = f"ExpressionAttributeNames contains invalid value: {NAMELESS} for key #a"
    names = {"ExpressionAttributeNames": {"#a": name}}
    invalid(named, client.get_item, **key, ProjectionExpression="#a", **names)
    invalid(
        named,
        client.update_item,
        **key,
        UpdateExpression="SET #a = :one",
        ExpressionAttributeValues={":one": one},
        **names,
    )
    client.update_item(
        **key,
        UpdateExpression="SET #a = :one",
        ExpressionAttributeValues={":one": one},
        ExpressionAttributeNames={"#a": "x" * 65535},
    )
    answer = client.get_item(**key, ConsistentRead=True)
    assert answer["Item"] == {"pk": pk, "x" * 65535: one}


def test_names_and_values_of_expressions_have_a_limit(client, hash_table, pk, invalid):
    values = {f":v{number}": {"S": "x" * 300_000} for number in range(7)}
    invalid(
        "Size of ExpressionAttributeNames and ExpressionAttributeValues has exceeded the maximum allowed size "
        "of 2097152 bytes",
        client.put_item,
        TableName=hash_table,
        Item={"pk": pk},
        ConditionExpression="a IN (" + ", ".join(values) + ")",
        ExpressionAttributeValues=values,
    )
    del values[":v6"]
    client.put_item(
        TableName=hash_table,
        Item={"pk": pk},
        ConditionExpression="NOT a IN (" + ", ".join(values) + ")",
        ExpressionAttributeValues=values,
    )
