"""PartiQL reads of secondary indexes (P06, E01-E13)."""

import time

import pytest

from test_indexes import index, make_table  # noqa: F401

SECONDS = 60


@pytest.fixture(scope="module")
def indexed(make_table):  # noqa: F811
    return make_table(
        "pk:S sk:S a:S g:S h:S n:N",
        LocalSecondaryIndexes=[index("by-a", ["pk"], ["a"], "KEYS_ONLY")],
        GlobalSecondaryIndexes=[
            index("by-g", ["g"], ["n"]),
            index("keys", ["g"], (), "KEYS_ONLY"),
            index("several", ["g", "h"], ["n"]),
        ],
    )


@pytest.fixture
def filled(client, indexed, pk):
    """Six items whose local index runs against their sort keys; one is in no global index."""
    for number in range(6):
        item = {"pk": pk, "sk": {"S": f"k{number}"}, "a": {"S": f"a{9 - number}"}, "n": {"N": str(number)}}
        if number != 5:
            item |= {"g": {"S": pk["S"]}, "h": {"S": "x" if number % 2 else "y"}, "v": {"S": "v"}}
        client.put_item(TableName=indexed, Item=item)
    return indexed


@pytest.fixture
def select(client, filled):
    """Runs a SELECT with `{t}` for the table; asks again until a global index has caught up."""

    def call(statement, *parameters, count=None, **settings):
        deadline = time.monotonic() + SECONDS
        while True:
            answer = client.execute_statement(
                Statement=statement.replace("{t}", filled), Parameters=list(parameters), **settings
            )
            if count is None or len(answer["Items"]) == count or time.monotonic() > deadline:
                return answer
            time.sleep(0.05)

    return call


def digits(answer):
    return "".join(item["sk"]["S"][-1] for item in answer["Items"])


def test_a_local_index_answers_in_its_own_order(select, pk):
    answer = select('SELECT * FROM "{t}"."by-a" WHERE pk = ?', pk, ConsistentRead=True)
    assert digits(answer) == "543210"
    assert set(answer["Items"][0]) == {"pk", "sk", "a"}
    answer = select('SELECT sk FROM "{t}"."by-a" WHERE pk = ? AND a >= \'a7\' ORDER BY a DESC', pk, ConsistentRead=True)
    assert digits(answer) == "012"


def test_a_local_index_fetches_what_it_does_not_hold(select, pk):
    answer = select(
        'SELECT sk, v FROM "{t}"."by-a" WHERE pk = ? AND a = \'a9\'',
        pk,
        ConsistentRead=True,
        ReturnConsumedCapacity="INDEXES",
    )
    assert answer["Items"] == [{"sk": {"S": "k0"}, "v": {"S": "v"}}]
    consumed = answer["ConsumedCapacity"]
    assert consumed["CapacityUnits"] == 2
    assert consumed["Table"] == {"CapacityUnits": 1}
    assert consumed["LocalSecondaryIndexes"] == {"by-a": {"CapacityUnits": 1}}


def test_a_global_index(select, pk):
    answer = select('SELECT * FROM "{t}"."by-g" WHERE g = ?', pk, count=5, ReturnConsumedCapacity="INDEXES")
    assert digits(answer) == "01234"
    assert answer["ConsumedCapacity"]["GlobalSecondaryIndexes"] == {"by-g": {"CapacityUnits": 0.5}}
    answer = select('SELECT sk FROM "{t}"."by-g" WHERE g = ? AND n < 3 ORDER BY n DESC', pk, count=3)
    assert digits(answer) == "210"
    answer = select('SELECT sk FROM "{t}"."by-g" WHERE g = ? AND v = \'v\' AND n IN (1, 3)', pk, count=2)
    assert digits(answer) == "13"


def test_pages_of_an_index(select, pk):
    select('SELECT * FROM "{t}"."keys" WHERE g = ?', pk, count=5)
    for name, condition, parameters in [
        ("by-g", "WHERE g = ?", (pk,)),
        ("keys", "WHERE g IN [?, 'nothing']", (pk,)),
        ("keys", "WHERE pk = ?", (pk,)),
        ("several", "WHERE g = ? AND h = 'x' OR pk = ? AND h = 'y'", (pk, pk)),
    ]:
        statement = f'SELECT sk FROM "{{t}}"."{name}" {condition}'
        select(statement, *parameters, count=5)
        found, settings = "", {}
        while True:
            answer = select(statement, *parameters, Limit=2, **settings)
            found += digits(answer)
            if "NextToken" not in answer:
                break
            settings = {"NextToken": answer["NextToken"]}
        assert "".join(sorted(found)) == "01234", name


@pytest.mark.parametrize(
    ("name", "rest", "settings", "message"),
    [
        ("no", "", {}, "The table does not have the specified index"),
        (
            "by-g",
            "WHERE g = 'x'",
            {"ConsistentRead": True},
            "Consistent reads are not supported on global secondary indexes",
        ),
        ("by-g", "WHERE g = 'x' ORDER BY sk", {}, "Attribute sk in ORDER BY clause must be part of the primary key"),
        ("several", "WHERE g = 'x' ORDER BY n", {}, "Attribute n in ORDER BY clause must be part of the primary key"),
    ],
)
def test_refusals(client, invalid, indexed, name, rest, settings, message):
    statement = f'SELECT * FROM "{indexed}"."{name}" {rest}'
    invalid(message, client.execute_statement, Statement=statement, **settings)


def test_a_global_index_without_an_attribute(client, invalid, indexed):
    invalid(
        "One or more parameter values were invalid: Global secondary index keys does not project [v]",
        client.execute_statement,
        Statement=f'SELECT v FROM "{indexed}"."keys" WHERE g = \'x\'',
    )


def test_a_batch_reads_no_index(client, indexed, pk):
    statement = f'SELECT * FROM "{indexed}"."by-a" WHERE pk = ? AND sk = \'k0\''
    answer = client.batch_execute_statement(Statements=[{"Statement": statement, "Parameters": [pk]}])
    assert answer["Responses"][0]["Error"]["Code"] == "ValidationError"


def test_a_batch_counts_the_indexes_that_it_writes(client, indexed, pk):
    statement = f"INSERT INTO \"{indexed}\" VALUE {{'pk': ?, 'sk': 'b', 'a': 'a', 'g': 'g', 'n': 1}}"
    answer = client.batch_execute_statement(
        Statements=[{"Statement": statement, "Parameters": [pk]}], ReturnConsumedCapacity="TOTAL"
    )
    # The item, an entry of the local index and one of each global index that holds it.
    assert answer["ConsumedCapacity"] == [{"TableName": indexed, "CapacityUnits": 4}]
