"""UpdateItem (B03, C04)."""

import pytest


@pytest.fixture
def update(client, hash_table, pk):
    def call(expression=None, names=None, **values):
        parameters = {"TableName": hash_table, "Key": {"pk": pk}, "ReturnValues": "ALL_NEW"}
        if expression is not None:
            parameters["UpdateExpression"] = expression
        if names:
            parameters["ExpressionAttributeNames"] = names
        if values:
            parameters["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
        attributes = client.update_item(**parameters).get("Attributes", {})
        attributes.pop("pk", None)
        return attributes

    return call


def test_creates_a_missing_item(client, hash_table, pk, update):
    assert update("SET a = :a", a={"S": "x"}) == {"a": {"S": "x"}}
    assert client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)["Item"] == {
        "pk": pk,
        "a": {"S": "x"},
    }


def test_no_expression_creates_a_key_only_item(client, hash_table, pk, update):
    update()
    assert client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)["Item"] == {"pk": pk}


def test_remove_of_a_missing_item_creates_nothing(client, hash_table, pk, update):
    assert update("REMOVE a") == {}
    assert "Item" not in client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)


def test_the_right_side_sees_the_item_as_it_was(update):
    update("SET a = :one, b = :two", one={"N": "1"}, two={"N": "2"})
    assert update("SET a = b, b = a") == {"a": {"N": "2"}, "b": {"N": "1"}}


def test_arithmetic_is_exact(update):
    update("SET n = :n", n={"N": "0.1"})
    assert update("SET n = n + :n", n={"N": "0.2"}) == {"n": {"N": "0.3"}}
    assert update("SET n = n - :n", n={"N": "10000000000000000000000000000000000000"}) == {
        "n": {"N": "-9999999999999999999999999999999999999.7"}
    }


def test_arithmetic_beyond_38_digits_is_refused(client, hash_table, pk, update, refused):
    update("SET n = :n", n={"N": "1E50"})
    answer = refused(update, "SET n = n + :n", n={"N": "1"})
    assert answer.code == "ValidationException"
    read = client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)["Item"]
    assert read["n"] == {"N": "1" + "0" * 50}


def test_functions(update):
    assert update(
        "SET a = if_not_exists(a, :zero), l = list_append(if_not_exists(l, :empty), :more)",
        zero={"N": "0"},
        empty={"L": []},
        more={"L": [{"S": "x"}]},
    ) == {"a": {"N": "0"}, "l": {"L": [{"S": "x"}]}}
    assert update("SET l = list_append(:more, l)", more={"L": [{"S": "y"}]})["l"] == {
        "L": [{"S": "y"}, {"S": "x"}]
    }


def test_nested_paths_and_lists(update):
    update("SET m = :m, l = :l", m={"M": {"a": {"N": "1"}}}, l={"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]})
    assert update("SET m.b = :v, l[9] = :v REMOVE l[0]", v={"S": "v"}) == {
        "m": {"M": {"a": {"N": "1"}, "b": {"S": "v"}}},
        "l": {"L": [{"N": "1"}, {"N": "2"}, {"S": "v"}]},
    }


def test_add_and_delete(update):
    assert update("ADD n :one, s :ab", one={"N": "1"}, ab={"SS": ["a", "b"]})["n"] == {"N": "1"}
    after = update("ADD n :one DELETE s :a", one={"N": "1"}, a={"SS": ["a"]})
    assert after == {"n": {"N": "2"}, "s": {"SS": ["b"]}}
    assert "s" not in update("DELETE s :b", b={"SS": ["b"]})


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("NONE", None),
        ("ALL_OLD", {"a": {"N": "1"}, "b": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}}),
        ("UPDATED_OLD", {"a": {"N": "1"}, "b": {"M": {"x": {"N": "1"}}}}),
        ("ALL_NEW", {"a": {"N": "5"}, "b": {"M": {"x": {"N": "6"}, "y": {"N": "2"}}}}),
        ("UPDATED_NEW", {"a": {"N": "5"}, "b": {"M": {"x": {"N": "6"}}}}),
    ],
)
def test_return_values(client, hash_table, pk, mode, expected):
    client.put_item(
        TableName=hash_table,
        Item={"pk": pk, "a": {"N": "1"}, "b": {"M": {"x": {"N": "1"}, "y": {"N": "2"}}}},
    )
    answer = client.update_item(
        TableName=hash_table,
        Key={"pk": pk},
        UpdateExpression="SET a = :five, b.x = :six",
        ExpressionAttributeValues={":five": {"N": "5"}, ":six": {"N": "6"}},
        ReturnValues=mode,
    )
    if expected is not None and mode.startswith("ALL"):
        expected = {"pk": pk, **expected}
    assert answer.get("Attributes") == expected


def test_condition(client, hash_table, pk, refused):
    parameters = {
        "TableName": hash_table,
        "Key": {"pk": pk},
        "UpdateExpression": "SET version = :next",
        "ConditionExpression": "attribute_not_exists(version) OR version < :next",
    }
    client.update_item(ExpressionAttributeValues={":next": {"N": "2"}}, **parameters)
    answer = refused(client.update_item, ExpressionAttributeValues={":next": {"N": "2"}}, **parameters)
    assert answer.code == "ConditionalCheckFailedException"


@pytest.mark.parametrize(
    ("expression", "values", "message"),
    [
        (
            "SET pk = :v",
            {":v": {"S": "x"}},
            "One or more parameter values were invalid: Cannot update attribute pk. "
            "This attribute is part of the key",
        ),
        (
            "SET a.b = :v",
            {":v": {"S": "x"}},
            "The document path provided in the update expression is invalid for update",
        ),
        (
            "SET a = absent",
            None,
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        (
            "SET a = :v",
            {":v": {"S": "x"}, ":unused": {"S": "y"}},
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:unused}",
        ),
    ],
)
def test_bare_messages(client, hash_table, pk, invalid, expression, values, message):
    client.put_item(TableName=hash_table, Item={"pk": pk})
    parameters = {"ExpressionAttributeValues": values} if values else {}
    invalid(
        message,
        client.update_item,
        TableName=hash_table,
        Key={"pk": pk},
        UpdateExpression=expression,
        **parameters,
    )


@pytest.mark.parametrize(
    ("expression", "values", "message"),
    [
        (
            "SET a = :v SET b = :v",
            {":v": {"S": "x"}},
            'Invalid UpdateExpression: The "SET" section can only be used once in an update expression;',
        ),
        (
            "SET a = :v, a.b = :v",
            {":v": {"S": "x"}},
            "Invalid UpdateExpression: Two document paths overlap with each other; must remove or rewrite "
            "one of these paths; path one: [a], path two: [a, b]",
        ),
        (
            "SET a = :undefined",
            None,
            "Invalid UpdateExpression: An expression attribute value used in expression is not defined; "
            "attribute value: :undefined",
        ),
        (
            "SET a = :n + :s",
            {":n": {"N": "1"}, ":s": {"S": "x"}},
            "Invalid UpdateExpression: Incorrect operand type for operator or function; "
            "operator or function: +, operand type: S",
        ),
        (
            "ADD a :s",
            {":s": {"S": "x"}},
            "Invalid UpdateExpression: Incorrect operand type for operator or function; "
            "operator: ADD, operand type: STRING",
        ),
        ("", None, "Invalid UpdateExpression: The expression can not be empty;"),
        (
            "SET a = dog(b)",
            None,
            "Invalid UpdateExpression: Invalid function name; function: dog",
        ),
    ],
)
def test_expression_messages(client, hash_table, pk, refused, expression, values, message):
    parameters = {"ExpressionAttributeValues": values} if values else {}
    answer = refused(
        client.update_item, TableName=hash_table, Key={"pk": pk}, UpdateExpression=expression, **parameters
    )
    assert answer.code == "ValidationException"
    assert answer.message.removeprefix("1 validation error detected: ") == message


def test_deep_parentheses_are_an_error_not_a_crash(client, hash_table, pk, refused):
    answer = refused(
        client.update_item,
        TableName=hash_table,
        Key={"pk": pk},
        UpdateExpression="SET a = :v",
        ConditionExpression="(" * 4096,
        ExpressionAttributeValues={":v": {"S": "x"}},
    )
    assert answer.code == "ValidationException"
    assert "Invalid ConditionExpression: " in answer.message


def test_an_increment_counts_once(client, hash_table, pk):
    for _ in range(100):
        client.update_item(
            TableName=hash_table,
            Key={"pk": pk},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    assert client.get_item(TableName=hash_table, Key={"pk": pk})["Item"]["n"] == {"N": "100"}
