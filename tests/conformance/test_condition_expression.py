"""ConditionExpression and FilterExpression: grammar, functions, messages (C01, C02, C06, C07)."""

import re

import pytest

INVALID = "Invalid ConditionExpression: "
VALUES = {
    ":s": {"S": "dog"},
    ":n": {"N": "5"},
    ":b": {"B": b"dog"},
    ":l": {"L": []},
    ":ss": {"SS": ["a"]},
    ":t": {"BOOL": True},
    ":type": {"S": "S"},
    ":d": {"S": "d"},
    ":og": {"S": "og"},
    ":a": {"S": "a"},
    ":three": {"N": "3"},
}


def used(expression, values):
    """The values that the expression mentions; others would be refused as unused."""
    words = re.findall(r":\w+", expression)
    return {name: value for name, value in values.items() if name in words}


@pytest.fixture
def check(client, hash_table, pk):
    """Deletes an item on a condition; the item is there again for the next check."""
    item = {
        "pk": pk,
        "s": {"S": "dog"},
        "n": {"N": "5"},
        "b": {"B": b"dog"},
        "ss": {"SS": ["a", "b"]},
        "l": {"L": [{"S": "a"}, {"N": "5"}]},
        "m": {"M": {"x": {"S": "dog"}, "y": {"L": [{"N": "5"}]}}},
        "t": {"BOOL": True},
        "null": {"NULL": True},
        "twin": {"S": "dog"},
        "emoji": {"S": "\U0001f511"},
    }

    def call(expression, names=None, values=None):
        client.put_item(TableName=hash_table, Item=item)
        parameters = {"TableName": hash_table, "Key": {"pk": pk}, "ConditionExpression": expression}
        values = used(expression, VALUES) if values is None else values
        if values:
            parameters["ExpressionAttributeValues"] = values
        if names:
            parameters["ExpressionAttributeNames"] = names
        client.delete_item(**parameters)

    return call


@pytest.mark.parametrize(
    "expression",
    [
        "s = :s",
        "s=:s and(n)=:n",
        "s <> :n",
        "absent <> :n",
        "absent <> nothing",
        "s = twin",
        "n < m.y[0] OR n = m.y[0]",
        ":n = n",
        "n BETWEEN :three AND :n",
        "n IN (:s, :n)",
        "NOT n IN (:s)",
        "not absent = :s",
        "attribute_exists(m.y[0]) AND attribute_not_exists(m.y[1])",
        "attribute_exists(null)",
        "attribute_type(s, :type)",
        "begins_with(s, :d)",
        "begins_with(b, :b)",
        "begins_with(:s, :d)",
        "contains(s, :og)",
        "contains(ss, :a)",
        "contains(l, :n)",
        "contains(:s, :og)",
        "size(s) = :three",
        "size(l) < size(s)",
        "NOT size(n) >= :three",
        "size(emoji) < :three",
        "(s = :s AND (n = :n OR t = :s))",
        "s = :s OR n = :s AND t = :s",
        "m <> s",
    ],
)
def test_what_holds(check, expression):
    names = None
    if "null" in expression:
        expression, names = expression.replace("null", "#null"), {"#null": "null"}
    check(expression, names)


@pytest.mark.parametrize(
    "expression",
    [
        "s = :n",
        "absent = :s",
        "absent = nothing",
        "absent < :s",
        "s < :n",
        "l < n",
        "n BETWEEN :d AND :s",
        "absent IN (:s)",
        "attribute_type(n, :type)",
        "begins_with(n, :s)",
        "contains(n, :n)",
        "contains(ss, :n)",
        "size(n) = :n",
        "size(absent) < :n",
        "NOT s = :s",
        "s = :s AND NOT n = :n",
    ],
)
def test_what_does_not_hold(check, refused, expression):
    answer = refused(check, expression)
    assert (answer.code, answer.message) == ("ConditionalCheckFailedException", "The conditional request failed")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "The expression can not be empty;"),
        ("s = :s !!", 'Syntax error; token: "!", near: ":s !!"'),
        ("s", 'Syntax error; token: "<EOF>", near: "s"'),
        ("s = :s AND", 'Syntax error; token: "<EOF>", near: "AND"'),
        ("INVALID SYNTAX", 'Syntax error; token: "SYNTAX", near: "INVALID SYNTAX"'),
        ("((s = :s))", "The expression has redundant parentheses;"),
        ("status = :s", "Attribute name is a reserved keyword; reserved keyword: status"),
        ("Size = :s", "Attribute name is a reserved keyword; reserved keyword: Size"),
        ("#x = :s", "An expression attribute name used in the document path is not defined; attribute name: #x"),
        ("s = :x", "An expression attribute value used in expression is not defined; attribute value: :x"),
        ("dog(s)", "Invalid function name; function: dog"),
        ("ATTRIBUTE_EXISTS(s)", "Invalid function name; function: ATTRIBUTE_EXISTS"),
        ("size(s)", "The function is not allowed to be used this way in an expression; function: size"),
        (
            "attribute_exists(s) = :s",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "attribute_exists(s, n)",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, "
            "number of operands: 2",
        ),
        (
            "contains(s)",
            "Incorrect number of operands for operator or function; operator or function: contains, "
            "number of operands: 1",
        ),
        (
            "attribute_exists(:s)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "s < :l",
            "Incorrect operand type for operator or function; operator or function: <, operand type: L",
        ),
        (
            "begins_with(s, :n)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "size(:n) = :n",
            "Incorrect operand type for operator or function; operator or function: size, operand type: N",
        ),
        (
            "s = s",
            "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: =, first operand: [s]",
        ),
        (
            "contains(l, l)",
            "The first operand must be distinct from the remaining operands for this operator or function; "
            "operator: contains, first operand: [l]",
        ),
        (
            "s BETWEEN :s AND :n",
            "The BETWEEN operator requires same data type for lower and upper bounds; "
            "lower bound operand: AttributeValue: {S:dog}, upper bound operand: AttributeValue: {N:5}",
        ),
        (
            "s BETWEEN :s AND :d",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {S:dog}, upper bound operand: AttributeValue: {S:d}",
        ),
        ("a" * 4097, "Expression size has exceeded the maximum allowed size; expression size: 4097"),
        (
            " AND ".join(["attribute_exists(s)"] * 1 + ["n = :n"] * 151),
            "The expression contains too many operators; operator count: 302",
        ),
    ],
)
def test_refusals(check, invalid, expression, message):
    invalid(INVALID + message, check, expression=expression)


def test_limits_that_are_just_kept(check, refused):
    many = " AND ".join(["n = :n"] * 150)
    check(many)
    values = {f":v{number}": {"N": str(number)} for number in range(99)}
    check(f"n IN ({', '.join(values)})", values=values)


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        ({}, None, "ExpressionAttributeNames must not be empty"),
        ({"x": "s"}, None, 'ExpressionAttributeNames contains invalid key: Syntax error; key: "x"'),
        (None, {}, "ExpressionAttributeValues must not be empty"),
        (None, {"x": {"S": "a"}}, 'ExpressionAttributeValues contains invalid key: Syntax error; key: "x"'),
        (
            None,
            {":s": {}},
            "ExpressionAttributeValues contains invalid value: Supplied AttributeValue is empty, "
            "must contain exactly one of the supported datatypes for key :s",
        ),
        (
            None,
            {":s": {"N": "dog"}},
            "ExpressionAttributeValues contains invalid value: "
            "The parameter cannot be converted to a numeric value: dog for key :s",
        ),
        ({"#a": "s"}, None, "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}"),
        (
            None,
            {":s": {"S": "x"}, ":x": {"S": "x"}},
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}",
        ),
    ],
)
def test_placeholders(client, hash_table, pk, invalid, names, values, message):
    parameters = {} if names is None else {"ExpressionAttributeNames": names}
    parameters["ExpressionAttributeValues"] = {":s": {"S": "dog"}} if values is None else values
    invalid(
        message,
        client.delete_item,
        TableName=hash_table,
        Key={"pk": pk},
        ConditionExpression="s = :s",
        **parameters,
    )


def test_placeholders_without_expressions(client, hash_table, pk, invalid):
    values = {":s": {"S": "x"}}
    for call, parameters, absent in (
        (client.delete_item, {"Key": {"pk": pk}}, "ConditionExpression is null"),
        (client.query, {}, "FilterExpression and KeyConditionExpression are null"),
        (client.scan, {}, "FilterExpression is null"),
    ):
        invalid(
            f"ExpressionAttributeValues can only be specified when using expressions: {absent}",
            call,
            TableName=hash_table,
            ExpressionAttributeValues=values,
            **parameters,
        )
    invalid(
        "1 validation error detected: ExpressionAttributeValues can only be specified when using expressions: "
        "UpdateExpression and ConditionExpression are null",
        client.update_item,
        TableName=hash_table,
        Key={"pk": pk},
        ExpressionAttributeValues=values,
    )
    invalid(
        "ExpressionAttributeNames can only be specified when using expressions",
        client.delete_item,
        TableName=hash_table,
        Key={"pk": pk},
        ExpressionAttributeNames={"#a": "a"},
    )


def test_a_name_is_one_element_of_a_path(client, hash_table, pk, check):
    client.put_item(TableName=hash_table, Item={"pk": pk, "a.b": {"N": "1"}})
    client.update_item(
        TableName=hash_table,
        Key={"pk": pk},
        UpdateExpression="SET #c = :two",
        ConditionExpression="#a = :one AND attribute_not_exists(a)",
        ExpressionAttributeNames={"#a": "a.b", "#c": "c[0]"},
        ExpressionAttributeValues={":one": {"N": "1"}, ":two": {"N": "2"}},
    )
    read = client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True)["Item"]
    assert read["c[0]"] == {"N": "2"}


def test_keys_are_scalars(client, hash_table, pk, invalid):
    invalid(
        "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk",
        client.delete_item,
        TableName=hash_table,
        Key={"pk": pk},
        ConditionExpression="attribute_exists(pk.x)",
    )


def test_puts_and_updates_say_where_they_found_it(client, hash_table, pk, invalid):
    """Of all operations only these two put a beginning before some texts."""
    detected = "1 validation error detected: "
    put = {"TableName": hash_table, "Item": {"pk": pk}}
    invalid(
        f"{detected}{INVALID}The expression can not be empty;", client.put_item, ConditionExpression="", **put
    )
    invalid(
        f"{detected}ReturnValues can only be ALL_OLD or NONE", client.put_item, ReturnValues="ALL_NEW", **put
    )
    invalid(
        "ReturnValues can only be ALL_OLD or NONE",
        client.delete_item,
        TableName=hash_table,
        Key={"pk": pk},
        ReturnValues="UPDATED_OLD",
    )
    invalid(
        "2 validation errors detected: Value 'x' at 'returnConsumedCapacity' failed to satisfy constraint: "
        "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; Value 'y' at 'returnValues' failed to "
        "satisfy constraint: Member must satisfy enum value set: [ALL_NEW, UPDATED_OLD, ALL_OLD, NONE, UPDATED_NEW]",
        client.put_item,
        ReturnConsumedCapacity="x",
        ReturnValues="y",
        **put,
    )
