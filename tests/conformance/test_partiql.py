"""PartiQL: ExecuteStatement, BatchExecuteStatement and ExecuteTransaction (P06)."""

import pytest


def execute(client, statement, *parameters, **settings):
    if parameters:
        settings["Parameters"] = list(parameters)
    return client.execute_statement(Statement=statement, **settings)


@pytest.fixture
def run(client):
    """Runs a statement and returns its items."""
    return lambda statement, *parameters, **settings: execute(client, statement, *parameters, **settings)["Items"]


@pytest.fixture
def get(client, hash_table):
    def call(pk):
        return client.get_item(TableName=hash_table, Key={"pk": pk}, ConsistentRead=True).get("Item")

    return call


@pytest.fixture
def malformed(client, invalid):
    def call(statement, detail):
        message = f"Statement wasn't well formed, can't be processed: {detail}"
        invalid(message, client.execute_statement, Statement=statement)

    return call


@pytest.fixture
def filled(client, sorted_table, pk):
    for number in range(10):
        client.put_item(
            TableName=sorted_table,
            Item={"pk": pk, "sk": {"S": f"k{number}"}, "n": {"N": str(number)}, "m": {"M": {"l": {"L": [pk]}}}},
        )
    return sorted_table


@pytest.fixture
def sort_keys(client, filled, pk):
    """The last digits of the sort keys that a SELECT of the filled table answers."""

    def call(condition, *parameters, **settings):
        statement = f'SELECT sk FROM "{filled}" WHERE pk = ? {condition}'
        answer = execute(client, statement, pk, *parameters, ConsistentRead=True, **settings)
        return "".join(item["sk"]["S"][-1] for item in answer["Items"])

    return call


# INSERT


def test_insert(run, get, hash_table, pk):
    statement = (
        f"INSERT INTO \"{hash_table}\" VALUE {{'pk': ?, 's': 'it''s', 'n': -1.50, 'b': true, 'z': null, "
        "'l': [1, 'a', [2]], 'm': {'k': {'x': 1}}, 'ss': <<'a', 'b'>>, 'ns': <<1, 2e1>>, 'p': ?}"
    )
    assert run(statement, pk, {"B": b"bytes"}) == []
    item = get(pk)
    assert sorted(item.pop("ns")["NS"]) == ["1", "20"]
    assert sorted(item.pop("ss")["SS"]) == ["a", "b"]
    assert item == {
        "pk": pk,
        "s": {"S": "it's"},
        "n": {"N": "-1.5"},
        "b": {"BOOL": True},
        "z": {"NULL": True},
        "l": {"L": [{"N": "1"}, {"S": "a"}, {"L": [{"N": "2"}]}]},
        "m": {"M": {"k": {"M": {"x": {"N": "1"}}}}},
        "p": {"B": b"bytes"},
    }


def test_insert_of_an_existing_key(run, refused, client, hash_table, pk, get):
    statement = f"INSERT INTO \"{hash_table}\" VALUE {{'pk': ?, 'v': ?}}"
    run(statement, pk, {"N": "1"})
    answer = refused(client.execute_statement, Statement=statement, Parameters=[pk, {"N": "2"}])
    assert (answer.code, answer.status) == ("DuplicateItemException", 400)
    assert answer.message == "Duplicate primary key exists in table"
    assert get(pk)["v"] == {"N": "1"}


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("{'v': 1}", "One or more parameter values were invalid: Missing the key pk in the item"),
        ("{'pk': 1}", "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"),
        (
            "{'pk': ''}",
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
            "empty string value. Key: pk",
        ),
        ("{'pk': 'a', 'x': <<>>}", "Empty bags are not supported"),
        (
            "{'pk': 'a', 'x': <<1, 'a'>>}",
            "Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags",
        ),
        (
            "{'pk': 'a', 'x': <<'a', 'a'>>}",
            "One or more parameter values were invalid: Input collection [a, a] contains duplicates.",
        ),
        ("{'pk': 'a', 'x': 1e126}", "Number overflow. Attempting to store a number with magnitude larger than supported range"),
    ],
)
def test_bad_items(client, invalid, hash_table, item, message):
    invalid(message, client.execute_statement, Statement=f'INSERT INTO "{hash_table}" VALUE {item}')


def test_a_parameter_is_a_whole_value(client, invalid, hash_table):
    invalid(
        "Unsupported data type: Parameter under key root[0] at 1:27:1",
        client.execute_statement,
        Statement="INSERT INTO t VALUE {'l':[?]}",
        Parameters=[{"S": "x"}],
    )


# SELECT


@pytest.mark.parametrize(
    ("condition", "parameters", "expected"),
    [
        ("", [], "0123456789"),
        ("AND sk = ?", ["k3"], "3"),
        ("AND sk < ?", ["k3"], "012"),
        ("AND sk <= 'k3'", [], "0123"),
        ("AND sk > ?", ["k7"], "89"),
        ("AND sk >= ?", ["k7"], "789"),
        ("AND 'k7' < sk", [], "89"),
        ("AND sk > 'k2' AND sk < 'k6' AND sk <> 'k4'", [], "35"),
        ("AND sk BETWEEN ? AND ?", ["k2", "k4"], "234"),
        ("AND begins_with(sk, 'k5')", [], "5"),
        ("AND begins_with(\"sk\", 'k') AND n >= 8", [], "89"),
        ("AND sk IN ['k1', 'k8', 'x']", [], "18"),
        ("AND (sk < 'k2' OR sk > 'k7')", [], "0189"),
        ("AND (n = 1 OR n = 5)", [], "15"),
        ("AND NOT n > 2", [], "012"),
        ("AND n IN [1, 3]", [], "13"),
        ("AND n NOT IN (0, 1, 2, 3, 4, 5, 6)", [], "789"),
        ("AND n BETWEEN 2 AND 3", [], "23"),
        ("AND x IS MISSING AND n = 4", [], "4"),
        ("AND x IS NOT MISSING", [], ""),
        ("AND n IS NULL", [], ""),
        ("AND n IS NOT NULL AND n < 2", [], "01"),
        ("AND attribute_type(n, 'N') AND n = 0", [], "0"),
        ("AND size(sk) = 2 AND n = 0", [], "0"),
        ("AND contains(m.l, pk) AND n = 9", [], "9"),
        ("AND NOT x = 'a' AND n = 1", [], "1"),
        ("ORDER BY sk DESC", [], "9876543210"),
        ("AND n < 3 ORDER BY sk ASC", [], "012"),
        ("AND (sk < 'k2' OR sk > 'k7') ORDER BY pk, sk DESC", [], "9810"),
    ],
)
def test_conditions(sort_keys, condition, parameters, expected):
    assert sort_keys(condition, *({"S": parameter} for parameter in parameters)) == expected


def test_several_partition_keys(client, run, hash_table, pk):
    keys = [f"{pk['S']}-{number}" for number in range(4)]
    for key in keys:
        client.put_item(TableName=hash_table, Item={"pk": {"S": key}})
    wanted = [{"pk": {"S": key}} for key in (keys[3], keys[1])]
    for condition in ("pk IN [?, ?]", "pk = ? OR pk = ?"):
        statement = f'SELECT * FROM "{hash_table}" WHERE {condition}'
        items = run(statement, {"S": keys[3]}, {"S": keys[1]}, ConsistentRead=True)
        assert sorted(item["pk"]["S"] for item in items) == [keys[1], keys[3]]
        statement += " ORDER BY pk DESC"
        assert run(statement, {"S": keys[1]}, {"S": keys[3]}, ConsistentRead=True) == wanted


def test_a_scan_finds_what_no_key_does(client, filled, pk):
    statement = f'SELECT sk FROM "{filled}" WHERE contains(m.l, ?) AND n > 7'
    # The table is shared by the session and may hold more than one page of 1 MB.
    items, token = [], {}
    for _ in range(2_000):
        answer = execute(client, statement, pk, ConsistentRead=True, **token)
        items += answer["Items"]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    assert "NextToken" not in answer
    assert sorted(item["sk"]["S"] for item in items) == ["k8", "k9"]


def test_columns(run, filled, pk):
    statement = f'SELECT n, m.l[0], m.l, gone FROM "{filled}" WHERE pk = ? AND sk = \'k1\''
    [item] = run(statement, pk, ConsistentRead=True)
    assert item == {"n": {"N": "1"}, "l[0]": pk, "l": {"L": [pk]}}
    assert run(f'SELECT gone FROM "{filled}" WHERE pk = ? AND sk = \'k1\'', pk, ConsistentRead=True) == [{}]


@pytest.mark.parametrize("order", ["", "ORDER BY sk DESC"])
@pytest.mark.parametrize("limit", [1, 3, 10, 20])
@pytest.mark.parametrize("condition", ["pk = ?", "pk = ? AND (sk < 'k4' OR sk > 'k5')", "contains(m.l, ?)"])
def test_pages(client, filled, pk, limit, condition, order):
    if order and "contains" in condition:
        pytest.skip("an order needs the key")
    statement = f'SELECT sk FROM "{filled}" WHERE {condition} {order}'
    seen, token = [], {}
    for _ in range(2_000):
        answer = execute(client, statement, pk, Limit=limit, ConsistentRead=True, **token)
        assert len(answer["Items"]) <= limit
        seen += [item["sk"]["S"] for item in answer["Items"]]
        if "NextToken" not in answer:
            break
        token = {"NextToken": answer["NextToken"]}
    expected = [f"k{number}" for number in range(10) if "k4" not in condition or number not in (4, 5)]
    assert "NextToken" not in answer
    assert (sorted(seen) if "contains" in condition else seen) == (expected[::-1] if order else expected)


def test_a_token_belongs_to_its_statement(client, invalid, filled, pk):
    statement = f'SELECT * FROM "{filled}" WHERE pk = ?'
    token = execute(client, statement, pk, Limit=1)["NextToken"]
    again = {"Statement": statement, "NextToken": token}
    for changed in ({"Parameters": [{"S": "x"}]}, {"Parameters": [pk], "Statement": statement + " AND n = 1"}):
        invalid("NextToken does not match request", client.execute_statement, **{**again, **changed})
    invalid("Invalid NextToken", client.execute_statement, **{**again, "Parameters": [pk], "NextToken": "garbage"})


def test_capacity_of_reads(client, filled, pk):
    statement = f'SELECT * FROM "{filled}" WHERE pk = ? AND n = 1'
    for consistent, units in ((True, 1.0), (False, 0.5)):
        answer = execute(client, statement, pk, ConsistentRead=consistent, ReturnConsumedCapacity="TOTAL")
        assert answer["ConsumedCapacity"] == {"TableName": filled, "CapacityUnits": units}
    answer = execute(client, statement, pk, ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"]["Table"] == {"CapacityUnits": 0.5}
    assert "ConsumedCapacity" not in execute(client, statement, pk)


@pytest.mark.parametrize(
    ("clause", "message"),
    [
        ("ORDER BY sk", "Must have WHERE clause in the statement when using ORDER BY clause."),
        (
            "WHERE n = 1 ORDER BY sk",
            "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause.",
        ),
        ("WHERE pk = 'a' ORDER BY n", "Attribute n in ORDER BY clause must be part of the primary key"),
        (
            "WHERE pk IN ['a', 'b'] ORDER BY sk",
            "Must have hash key in ORDER BY clause when more than one hash key condition specified in WHERE clause.",
        ),
        ("WHERE pk = 1", "Key attribute's data type should match its data type in table's schema: Key pk"),
        ("WHERE pk = {}", "Key value must be of type S, N, or B. Key name: pk, Key type: M"),
        (
            "WHERE pk = 'a' AND (sk > 'b' OR sk = 'c')",
            "Overlapping conditions with range keys are not supported in where clause",
        ),
        ("WHERE pk IN ['a', 'a']", "Overlapping conditions with range keys are not supported in where clause"),
        (
            "WHERE pk IN [" + ", ".join(f"'{number}'" for number in range(51)) + "]",
            "Too many decomposed read operations for a given query.",
        ),
        (
            "WHERE pk.x = 1",
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: pk",
        ),
    ],
)
def test_conditions_that_do_not_fit_the_table(client, invalid, sorted_table, clause, message):
    invalid(message, client.execute_statement, Statement=f'SELECT * FROM "{sorted_table}" {clause}')


def test_an_unknown_index(client, invalid, hash_table):
    invalid(
        "The table does not have the specified index",
        client.execute_statement,
        Statement=f'SELECT * FROM "{hash_table}"."nothing" WHERE x = 1',
    )


# UPDATE


def test_update(run, get, client, hash_table, pk):
    client.put_item(
        TableName=hash_table,
        Item={
            "pk": pk, "n": {"N": "1"}, "l": {"L": [{"N": "1"}]}, "m": {"M": {"a": {"N": "1"}}},
            "s": {"SS": ["a", "b"]}, "gone": {"S": "x"}, "old": {"S": "o"},
        },
    )
    statement = (
        f'UPDATE "{hash_table}" SET n = n + 1, d = n - 3 SET l = list_append(l, [2]) SET m.b = ? '
        "SET s = set_delete(s, <<'a'>>) SET t = set_add(t, <<5>>) SET e = if_not_exists(e, 7) SET c = old "
        "REMOVE gone WHERE pk = ? AND m.a = 1"
    )
    assert run(statement, {"BOOL": False}, pk) == []
    assert get(pk) == {
        "pk": pk,
        "n": {"N": "2"},
        "d": {"N": "-2"},
        "l": {"L": [{"N": "1"}, {"N": "2"}]},
        "m": {"M": {"a": {"N": "1"}, "b": {"BOOL": False}}},
        "s": {"SS": ["b"]},
        "t": {"NS": ["5"]},
        "e": {"N": "7"},
        "old": {"S": "o"},
        "c": {"S": "o"},
    }


@pytest.mark.parametrize(
    ("returning", "expected"),
    [
        ("ALL OLD", {"pk": True, "v": {"N": "1"}, "w": {"N": "9"}}),
        ("ALL NEW", {"pk": True, "v": {"N": "2"}, "w": {"N": "9"}}),
        ("MODIFIED OLD", {"v": {"N": "1"}}),
        ("MODIFIED NEW", {"v": {"N": "2"}}),
    ],
)
def test_update_returning(run, client, hash_table, pk, returning, expected):
    client.put_item(TableName=hash_table, Item={"pk": pk, "v": {"N": "1"}, "w": {"N": "9"}})
    if "pk" in expected:
        expected = {**expected, "pk": pk}
    assert run(f'UPDATE "{hash_table}" SET v = 2 WHERE pk = ? RETURNING {returning} *', pk) == [expected]


def test_an_update_is_no_upsert(client, refused, hash_table, pk, get):
    answer = refused(
        client.execute_statement, Statement=f'UPDATE "{hash_table}" SET v = 1 WHERE pk = ?', Parameters=[pk]
    )
    assert (answer.code, answer.message) == ("ConditionalCheckFailedException", "The conditional request failed")
    assert get(pk) is None


def test_a_failed_condition_may_answer_the_item(client, refused, hash_table, pk):
    item = {"pk": pk, "v": {"N": "1"}}
    client.put_item(TableName=hash_table, Item=item)
    for statement in (f'UPDATE "{hash_table}" SET v = 2', f'DELETE FROM "{hash_table}"'):
        answer = refused(
            client.execute_statement,
            Statement=f"{statement} WHERE pk = ? AND v = 5",
            Parameters=[pk],
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
        assert answer.code == "ConditionalCheckFailedException"
        assert answer.response["Item"] == item


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE {t} SET v = 1", "Where clause does not contain a mandatory equality on all key attributes"),
        ("UPDATE {t} SET v = 1 WHERE v = 2", "Where clause does not contain a mandatory equality on all key attributes"),
        ("DELETE FROM {t} WHERE pk > 'a'", "Where clause does not contain a mandatory equality on all key attributes"),
        (
            "DELETE FROM {t} WHERE pk = 'a' AND pk = 'b'",
            "Multiple conditions on same key pk. Only single item Update/Insert/Delete are supported",
        ),
        ("UPDATE {t} SET v = 1 WHERE pk = 5", "The provided key element does not match the schema"),
        (
            "UPDATE {t} SET pk = 'b' WHERE pk = 'a'",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
        ("UPDATE {t}.\"i\" SET v = 1 WHERE pk = 'a'", "This operation is not supported on an index"),
        ("DELETE FROM {t}.\"i\" WHERE pk = 'a'", "This operation is not supported on an index"),
        (
            "DELETE FROM {t} WHERE pk = 'a' RETURNING ALL NEW *",
            "Invalid returning clause: RETURNING ALL NEW *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
        ),
        (
            "UPDATE {t} SET v = 1 SET v.x = 2 WHERE pk = 'a'",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [v], "
            "path two: [v, x]",
        ),
    ],
)
def test_bad_writes(client, invalid, hash_table, statement, message):
    invalid(message, client.execute_statement, Statement=statement.format(t=f'"{hash_table}"'))


def test_updates_that_the_item_does_not_allow(client, invalid, hash_table, pk):
    client.put_item(TableName=hash_table, Item={"pk": pk, "s": {"S": "x"}})
    for change, message in (
        ("SET s.x = 1", "The document path provided in the update expression is invalid for update"),
        ("SET v = gone + 1", "The provided expression refers to an attribute that does not exist in the item"),
        ("SET v = s + 1", "An operand in the update expression has an incorrect data type"),
    ):
        statement = f'UPDATE "{hash_table}" {change} WHERE pk = ?'
        invalid(message, client.execute_statement, Statement=statement, Parameters=[pk])


# DELETE


def test_delete(run, get, client, hash_table, pk):
    item = {"pk": pk, "v": {"N": "1"}}
    client.put_item(TableName=hash_table, Item=item)
    statement = f'DELETE FROM "{hash_table}" WHERE pk = ? AND v = 1'
    assert run(f"{statement} RETURNING ALL OLD *", pk) == [item]
    assert get(pk) is None
    # What is not there is deleted already, whatever else was asked of it.
    assert run(statement, pk) == []
    client.put_item(TableName=hash_table, Item=item)
    assert run(f'DELETE FROM "{hash_table}" WHERE pk = ?', pk) == []
    assert get(pk) is None


def test_capacity_of_writes(client, hash_table, pk):
    statement = f"INSERT INTO \"{hash_table}\" VALUE {{'pk': ?, 'x': ?}}"
    answer = execute(client, statement, pk, {"S": "x" * 2_000}, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == {"TableName": hash_table, "CapacityUnits": 2.0}
    answer = execute(client, f'DELETE FROM "{hash_table}" WHERE pk = ?', pk, ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"]["Table"] == {"CapacityUnits": 2.0}


# Text


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("SELEC * FROM t", "Expected data manipulation"),
        ("SELECT a WHERE b = 1", "Expected FROM after SELECT list"),
        ("SELECT * FROM t WHERE", "Unexpected term"),
        ("SELECT * FROM t; SELECT * FROM t", "Unexpected token after expression"),
    ],
)
def test_malformed_text(malformed, statement, detail):
    malformed(statement, detail)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ('SELECT COUNT(*) FROM "T"', "Unexpected path component at 1:8:5"),
        ("SELECT id FROM t LIMIT 5", "Unsupported clause: LIMIT at 1:24:1"),
        ("SELECT *, a FROM t", "Other attributes should not be present in the projection when '*' is used."),
        ("SELECT a, b.a FROM t", "Duplicate identifiers in select clause: a"),
        ("SELECT * FROM a.b.c", "A path may contain at most 2 components in the FROM clause"),
        ("SELECT * FROM a, b", "FROM clause may only contain a single table name"),
        ("SELECT * FROM t WHERE a = ?", "Number of parameters in request and statement don't match."),
        (
            "SELECT * FROM t WHERE a < [1]",
            "Incorrect operand type for operator or function; operator or function: <, operand type: L",
        ),
        (
            "UPDATE t SET a = set_add(b, <<1>>) WHERE pk = 'a'",
            "The first argument to SET_ADD must equal the assignment value at 1:18:7",
        ),
        (
            "UPDATE t SET a = set_add(a, 1) WHERE pk = 'a'",
            "The second argument to SET_ADD must be a value with type SET at 1:26:1",
        ),
        (
            "SELECT l[-1] FROM t",
            "List index is not within the allowable range; index: [-1] at 1:11:1",
        ),
        (
            "EXISTS(SELECT * FROM {t} WHERE pk = 'a' AND x = 1)",
            "EXISTS can only be used in ExecuteTransaction write requests.",
        ),
    ],
)
def test_refused_before_the_table_is_looked_at(client, invalid, hash_table, statement, message):
    invalid(message, client.execute_statement, Statement=statement.replace("{t}", f'"{hash_table}"'))


def test_keywords_comments_and_a_semicolon(run, client, hash_table, pk):
    client.put_item(TableName=hash_table, Item={"pk": pk, "year": {"N": "1"}})
    statement = f'select year /* a comment */ from "{hash_table}" where pk = ? and year = 1; -- the end'
    assert run(statement, pk, ConsistentRead=True) == [{"year": {"N": "1"}}]


def test_a_missing_table(client, refused):
    for statement in ("SELECT * FROM nothing_here", "DELETE FROM nothing_here WHERE pk = 'a'"):
        answer = refused(client.execute_statement, Statement=statement)
        assert (answer.code, answer.message) == ("ResourceNotFoundException", "Requested resource not found")


def test_constraints(client, invalid):
    begin = "1 validation error detected: "
    end = "failed to satisfy constraint: Member must"
    statement = "SELECT * FROM t"
    for settings, message in (
        ({}, f"Value null at 'statement' {end} not be null"),
        ({"Statement": ""}, f"Value '' at 'statement' {end} have length greater than or equal to 1"),
        ({"Statement": "x" * 8_193}, f"Value '{'x' * 8_193}' at 'statement' {end} have length less than or equal to 8192"),
        ({"Statement": statement, "Parameters": []}, f"Value '[]' at 'parameters' {end} have length greater than or equal to 1"),
        ({"Statement": statement, "Limit": 0}, f"Value '0' at 'limit' {end} have value greater than or equal to 1"),
        (
            {"Statement": statement, "ReturnConsumedCapacity": "X"},
            f"Value 'X' at 'returnConsumedCapacity' {end} satisfy enum value set: [INDEXES, TOTAL, NONE]",
        ),
    ):
        invalid(begin + message, client.execute_statement, **settings)


# BatchExecuteStatement


@pytest.fixture
def batch(client):
    def call(*statements, **settings):
        wire = [{"Statement": text, **({"Parameters": list(rest)} if rest else {})} for text, *rest in statements]
        return client.batch_execute_statement(Statements=wire, **settings)

    return call


def test_batch_of_writes_then_of_reads(batch, client, hash_table, pk):
    keys = [{"S": f"{pk['S']}-{number}"} for number in range(3)]
    insert = f"INSERT INTO \"{hash_table}\" VALUE {{'pk': ?, 'v': 1}}"
    answer = batch(*((insert, key) for key in keys), ReturnConsumedCapacity="TOTAL")
    assert answer["Responses"] == [{"TableName": hash_table}] * 3
    assert answer["ConsumedCapacity"] == [{"TableName": hash_table, "CapacityUnits": 3.0}]
    read = f'SELECT v FROM "{hash_table}" WHERE pk = ?'
    wire = [{"Statement": read, "Parameters": [key], "ConsistentRead": True} for key in keys[:2]]
    wire.append({"Statement": read, "Parameters": [{"S": "nobody"}]})
    answer = client.batch_execute_statement(Statements=wire, ReturnConsumedCapacity="TOTAL")
    found = {"TableName": hash_table, "Item": {"v": {"N": "1"}}}
    assert answer["Responses"] == [found, found, {"TableName": hash_table}]
    assert answer["ConsumedCapacity"] == [{"TableName": hash_table, "CapacityUnits": 2.5}]


def test_batch_errors_are_of_each_statement(batch, client, hash_table, pk):
    client.put_item(TableName=hash_table, Item={"pk": pk, "v": {"N": "1"}})
    other = {"S": pk["S"] + "-other"}
    answer = batch(
        (f"INSERT INTO \"{hash_table}\" VALUE {{'pk': ?}}", pk),
        (f'UPDATE "{hash_table}" SET v = 2 WHERE pk = ?', other),
        ("SLECT * FROM t",),
        ("DELETE FROM nothing_here WHERE pk = 'a'",),
        (f'DELETE FROM "{hash_table}" WHERE v = 1',),
        (f"INSERT INTO \"{hash_table}\" VALUE {{'pk': ?}}", {"S": pk["S"] + "-new"}),
    )
    errors = [
        (one.get("Error", {}).get("Code"), one.get("Error", {}).get("Message"), one.get("TableName"))
        for one in answer["Responses"]
    ]
    assert errors == [
        ("DuplicateItem", "Duplicate primary key exists in table", hash_table),
        ("ConditionalCheckFailed", "The conditional request failed", hash_table),
        ("ValidationError", "Statement wasn't well formed, can't be processed: Expected data manipulation", None),
        ("ResourceNotFound", "Requested resource not found", "nothing_here"),
        ("ValidationError", "Where clause does not contain a mandatory equality on all key attributes", None),
        (None, None, hash_table),
    ]


def test_batch_returning(batch, client, hash_table, pk):
    item = {"pk": pk, "v": {"N": "1"}}
    client.put_item(TableName=hash_table, Item=item)
    answer = batch((f'DELETE FROM "{hash_table}" WHERE pk = ? RETURNING ALL OLD *', pk))
    assert answer["Responses"] == [{"TableName": hash_table, "Item": item}]


def test_batch_reads_name_one_item(batch, sorted_table):
    message = "Select statements within BatchExecuteStatement must specify the primary key in the where clause."
    for text in (
        f"SELECT * FROM \"{sorted_table}\" WHERE pk = 'a'",
        f'SELECT * FROM "{sorted_table}"',
        f"SELECT * FROM \"{sorted_table}\".\"i\" WHERE pk = 'a' AND sk = 'b'",
    ):
        [answer] = batch((text,))["Responses"]
        assert answer == {"Error": {"Code": "ValidationError", "Message": message}}


def test_bad_batches(batch, client, invalid, hash_table, pk):
    insert = f"INSERT INTO \"{hash_table}\" VALUE {{'pk': ?}}"
    read = f'SELECT * FROM "{hash_table}" WHERE pk = ?'

    def wire(*statements):
        return [{"Statement": text, "Parameters": [pk]} for text in statements]

    call = client.batch_execute_statement
    invalid(
        "Read and write requests together in the same batch is not supported.", call, Statements=wire(read, insert)
    )
    for text in (insert, read):
        invalid("Provided list of item keys contains duplicates", call, Statements=wire(text, text))
    end = "failed to satisfy constraint: Member must"
    invalid(
        f"1 validation error detected: Value '[]' at 'statements' {end} have length greater than or equal to 1",
        call,
        Statements=[],
    )
    invalid(
        f"1 validation error detected: Value null at 'statements.1.member.statement' {end} not be null",
        call,
        Statements=[{}],
    )
    many = [{"Statement": f"DELETE FROM t WHERE pk = '{number}'"} for number in range(26)]
    with pytest.raises(client.exceptions.ClientError, match="Member must have length less than or equal to 25"):
        call(Statements=many)


# ExecuteTransaction


@pytest.fixture
def transact(client):
    def call(*statements, **settings):
        wire = [{"Statement": text, **({"Parameters": list(rest)} if rest else {})} for text, *rest in statements]
        return client.execute_transaction(TransactStatements=wire, **settings)

    return call


@pytest.fixture
def cancelled(transact, refused):
    """The codes and messages of the reasons for which a transaction is cancelled."""

    def call(*statements, **settings):
        answer = refused(transact, *statements, **settings)
        assert (answer.code, answer.status) == ("TransactionCanceledException", 400)
        return [(reason["Code"], reason.get("Message")) for reason in answer.response["CancellationReasons"]]

    return call


def other(pk, number=1):
    return {"S": f"{pk['S']}-{number}"}


def test_transaction_of_writes(transact, client, hash_table, pk, get):
    client.put_item(TableName=hash_table, Item={"pk": pk, "v": {"N": "1"}})
    client.put_item(TableName=hash_table, Item={"pk": other(pk), "v": {"N": "1"}})
    client.put_item(TableName=hash_table, Item={"pk": other(pk, 3)})
    answer = transact(
        (f'UPDATE "{hash_table}" SET v = v + 1 WHERE pk = ? AND v = 1', pk),
        (f'DELETE FROM "{hash_table}" WHERE pk = ?', other(pk)),
        (f"INSERT INTO \"{hash_table}\" VALUE {{'pk': ?, 'v': 5}}", other(pk, 2)),
        (f'EXISTS(SELECT * FROM "{hash_table}" WHERE pk = ? AND v IS MISSING)', other(pk, 3)),
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["Responses"] == [{}] * 4
    [capacity] = answer["ConsumedCapacity"]
    assert (capacity["TableName"], capacity["WriteCapacityUnits"]) == (hash_table, 8.0)
    assert get(pk)["v"] == {"N": "2"}
    assert get(other(pk)) is None
    assert get(other(pk, 2))["v"] == {"N": "5"}


def test_a_cancelled_transaction_changes_nothing(cancelled, client, hash_table, pk, get):
    client.put_item(TableName=hash_table, Item={"pk": pk, "v": {"N": "1"}})
    insert = f"INSERT INTO \"{hash_table}\" VALUE {{'pk': ?}}"
    failed = ("ConditionalCheckFailed", "The conditional request failed")
    assert cancelled(
        (insert, other(pk)),
        (insert, pk),
        (f'UPDATE "{hash_table}" SET v = 2 WHERE pk = ?', other(pk, 2)),
        (f'EXISTS(SELECT * FROM "{hash_table}" WHERE pk = ? AND v = 5)', other(pk, 3)),
    ) == [("None", None), ("DuplicateItem", "Duplicate primary key exists in table"), failed, failed]
    assert get(other(pk)) is None
    assert get(pk)["v"] == {"N": "1"}


def test_what_does_not_fit_the_table_cancels(cancelled, hash_table, pk):
    delete = (f'DELETE FROM "{hash_table}" WHERE pk = ?', pk)
    mismatch = ("ValidationError", "The provided key element does not match the schema")
    for text, reason in (
        (f'DELETE FROM "{hash_table}" WHERE pk = 5', mismatch),
        (f'UPDATE "{hash_table}" SET v = 1 WHERE v = 1', mismatch),
        (
            f"INSERT INTO \"{hash_table}\" VALUE {{'v': 1}}",
            ("ValidationError", "One or more parameter values were invalid: Missing the key pk in the item"),
        ),
        ("DELETE FROM nothing_here WHERE pk = 'a'", ("ResourceNotFound", "Requested resource not found")),
    ):
        assert cancelled(delete, (text,)) == [("None", None), reason]


def test_transaction_of_reads(transact, client, hash_table, pk):
    item = {"pk": pk, "v": {"N": "1"}, "m": {"M": {"x": {"S": "y"}}}}
    client.put_item(TableName=hash_table, Item=item)
    answer = transact(
        (f'SELECT * FROM "{hash_table}" WHERE pk = ?', pk),
        (f'SELECT v, m.x FROM "{hash_table}" WHERE pk = ?', other(pk)),
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["Responses"] == [{"Item": item}, {}]
    assert answer["ConsumedCapacity"][0]["ReadCapacityUnits"] == 4.0
    answer = transact((f'SELECT v, m.x FROM "{hash_table}" WHERE pk = ?', pk))
    assert answer["Responses"] == [{"Item": {"v": {"N": "1"}, "x": {"S": "y"}}}]


def test_a_token_makes_a_transaction_run_once(transact, refused, client, hash_table, pk, get):
    client.put_item(TableName=hash_table, Item={"pk": pk, "v": {"N": "1"}})
    update = f'UPDATE "{hash_table}" SET v = v + ? WHERE pk = ?'
    for _ in range(2):
        transact((update, {"N": "1"}, pk), ClientRequestToken=pk["S"])
    assert get(pk)["v"] == {"N": "2"}
    answer = refused(transact, (update, {"N": "2"}, pk), ClientRequestToken=pk["S"])
    assert answer.code == "IdempotentParameterMismatchException"


def test_bad_transactions(transact, refused, hash_table, sorted_table, pk):
    table = f'"{hash_table}"'
    read = (f"SELECT * FROM {table} WHERE pk = ?", pk)
    write = (f"DELETE FROM {table} WHERE pk = ?", pk)
    begin = "Validation failed in TransactStatements[1]: "
    for statements, message in (
        (
            [read, write],
            "ExecuteTransaction API does not support both read and write operations in the same request.",
        ),
        ([write, write], "Transaction request cannot include multiple operations on one item"),
        ([read, read], "Transaction request cannot include multiple operations on one item"),
        (
            [write, (f"UPDATE {table} SET v = 1 WHERE pk = 'a' RETURNING ALL OLD *",)],
            begin + "RETURNING clause is not supported in ExecuteTransaction.",
        ),
        (
            [read, (f"SELECT * FROM {table}.\"i\" WHERE pk = 'a'",)],
            begin + "Reads on indices are not supported within transactions.",
        ),
        (
            [read, (f"SELECT * FROM \"{sorted_table}\" WHERE pk = 'a'",)],
            begin + "Select statements within ExecuteTransaction must specify the primary key in the where clause.",
        ),
        (
            [write, (f"EXISTS(SELECT * FROM {table} WHERE pk = 'a')",)],
            begin + "EXISTS() must contain a single item read with additional condition",
        ),
        (
            [write, ("SLECT",)],
            begin + "Statement wasn't well formed, can't be processed: Expected data manipulation",
        ),
        (
            [],
            "1 validation error detected: Value '[]' at 'transactStatements' failed to satisfy constraint: Member "
            "must have length greater than or equal to 1",
        ),
    ):
        answer = refused(transact, *statements)
        assert (answer.code, answer.message) == ("ValidationException", message)
