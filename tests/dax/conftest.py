"""A node, a cache in front of it, and the published DAX client for Python against the cache.

Each test does the same through DAX and through plain DynamoDB, straight at the node, and compares.
"""

import importlib.util
import pathlib
import uuid
from decimal import Decimal

import botocore.session
import pytest
from amazondax import AmazonDaxClient

# The fixtures that start programs are those of the conformance suite.
_path = pathlib.Path(__file__).parents[1] / "conformance/conftest.py"
_specification = importlib.util.spec_from_file_location("conformance_fixtures", _path)
conformance = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(conformance)

node = conformance.node
cache = conformance.cache


@pytest.fixture(scope="session")
def direct(node):
    """Plain DynamoDB, past the cache."""
    return conformance.make_client(node)


@pytest.fixture(scope="session")
def dax(cache):
    host = cache.removeprefix("http://")
    session = botocore.session.get_session()
    session.set_credentials("local", "local")
    with AmazonDaxClient(session, region_name=conformance.REGION, endpoints=[host]) as client:
        yield client


@pytest.fixture(scope="session")
def both(dax, direct):
    """Calls an operation through DAX and directly, and returns what DAX answered if it is the same."""

    def call(operation, **parameters):
        through = getattr(dax, operation)(**parameters)
        straight = getattr(direct, operation)(**parameters)
        assert without_metadata(through) == without_metadata(straight)
        return through

    return call


def without_metadata(answer):
    return {name: plain(value) for name, value in answer.items() if name != "ResponseMetadata"}


def plain(value):
    """The value with its numbers in one form: this client prints 1E-30 where the service prints all the zeros."""
    if isinstance(value, list):
        return [plain(element) for element in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["N"]:
        return {"N": str(Decimal(value["N"]).normalize())}
    return {name: plain(member) for name, member in value.items()}


@pytest.fixture(scope="session")
def hash_table(direct):
    name = conformance.create_table(direct, partition_key="N")
    yield name
    direct.delete_table(TableName=name)


def make_table(direct):
    """Keys S and N, a local index on `l`, a global one on `g`."""
    name = f"dax-{uuid.uuid4().hex[:12]}"
    key = lambda name, kind: {"AttributeName": name, "KeyType": kind}
    direct.create_table(
        TableName=name,
        KeySchema=[key("pk", "HASH"), key("sk", "RANGE")],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in (("pk", "S"), ("sk", "N"), ("l", "S"), ("g", "S"))
        ],
        BillingMode="PAY_PER_REQUEST",
        LocalSecondaryIndexes=[
            {
                "IndexName": "local",
                "KeySchema": [key("pk", "HASH"), key("l", "RANGE")],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "global",
                "KeySchema": [key("g", "HASH")],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    direct.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return name


@pytest.fixture(scope="session")
def table(direct):
    name = make_table(direct)
    yield name
    direct.delete_table(TableName=name)


@pytest.fixture(scope="session")
def quiet_table(direct):
    """One that is only read once it is filled."""
    name = make_table(direct)
    yield name
    direct.delete_table(TableName=name)


@pytest.fixture
def pk():
    """A partition key that no other test uses."""
    return {"S": uuid.uuid4().hex}
