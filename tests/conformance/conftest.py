"""Fixtures of the conformance suite.

By default the suite starts a storage node (`storage-node dev`) and a cache in front of it and runs every test
against both. With `--cluster` it starts three nodes (`storage-node serve`, which verifies signatures) instead; with
`--endpoint URL` it runs against that endpoint (the real service included), with the credentials of the environment.
"""

import json
import os
import socket
import subprocess
import time
import urllib.request
import uuid

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = os.environ.get("AWS_REGION", "us-east-1")
ACCESS_KEY = os.environ.get("AWS_ACCESS_KEY_ID", "local")
SECRET_KEY = os.environ.get("AWS_SECRET_ACCESS_KEY", "local")
START_SECONDS = 20


def pytest_addoption(parser):
    parser.addoption("--endpoint", default=None, help="run against this endpoint, not a node of our own")
    parser.addoption("--cluster", action="store_true", help="run against three nodes of our own")


def pytest_generate_tests(metafunc):
    if "endpoint" in metafunc.fixturenames:
        given = metafunc.config.getoption("--endpoint")
        names = ["node", "cache"]
        if given:
            names = ["given"]
        elif metafunc.config.getoption("--cluster"):
            names = ["cluster"]
        metafunc.parametrize("endpoint", names, indirect=True, scope="session")


def free_ports(count):
    """Held until the last is known, so that none comes twice."""
    listeners = [socket.socket() for _ in range(count)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


class Running:
    """A program of ours with its log in a file; stopped with SIGTERM."""

    def __init__(self, arguments, ops, log, wait=True):
        with open(log, "wb") as output:
            self.process = subprocess.Popen(arguments, stdout=output, stderr=output)
        self.ops = ops
        if wait:
            self.wait_until_ready()

    def wait_until_ready(self):
        """Ready means able to serve, not merely started."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.process.args} ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.ops}/readyz", timeout=1) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError(f"{self.process.args} is not ready")

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=20) == 0, f"{self.process.args} did not drain cleanly"


@pytest.fixture(scope="session")
def node(tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    port, ops = free_ports(2)
    running = Running(
        [
            os.environ["STATOR_STORAGE_NODE"], "dev",
            "--data-dir", str(folder / "data"),
            "--listen", f"127.0.0.1:{port}",
            "--ops-listen", f"127.0.0.1:{ops}",
        ],
        ops,
        folder / "log",
    )
    yield f"http://127.0.0.1:{port}"
    running.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """Three nodes; the suite speaks to the first, which leads only some of the groups."""
    folder = tmp_path_factory.mktemp("cluster")
    key = {"accessKeyId": ACCESS_KEY, "secretAccessKey": SECRET_KEY, "principal": "root"}
    (folder / "credentials.json").write_text(json.dumps({"credentials": [key]}))
    free = iter(free_ports(12))
    ports = [[next(free) for _ in range(4)] for _ in range(3)]
    peers = ",".join(f"node-{number}=127.0.0.1:{ports[number][1]}" for number in range(3))
    running = []
    for number, (api, rpc, admin, ops) in enumerate(ports):
        running.append(
            Running(
                [
                    os.environ["STATOR_STORAGE_NODE"], "serve",
                    "--node-name", f"node-{number}",
                    "--rack", f"rack-{number}",
                    "--insecure",
                    "--peers", peers,
                    "--data-dir", str(folder / f"node-{number}"),
                    "--credentials-file", str(folder / "credentials.json"),
                    "--api-listen", f"127.0.0.1:{api}",
                    "--rpc-listen", f"127.0.0.1:{rpc}",
                    "--admin-listen", f"127.0.0.1:{admin}",
                    "--ops-listen", f"127.0.0.1:{ops}",
                ],
                ops,
                folder / f"log-{number}",
                wait=False,
            )
        )
    for node in running:
        node.wait_until_ready()
    yield f"http://127.0.0.1:{ports[0][0]}"
    for node in reversed(running):
        node.stop()


@pytest.fixture(scope="session")
def cache(node, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    port, ops, peers = free_ports(3)
    running = Running(
        [
            os.environ["STATOR_DAX_PROXY"], "dev",
            "--upstream", node,
            "--data-dir", str(folder / "data"),
            "--listen", f"127.0.0.1:{port}",
            "--peer-listen", f"127.0.0.1:{peers}",
            "--ops-listen", f"127.0.0.1:{ops}",
        ],
        ops,
        folder / "log",
    )
    yield f"http://127.0.0.1:{port}"
    running.stop()


@pytest.fixture(scope="session")
def endpoint(request):
    if request.param == "given":
        return request.config.getoption("--endpoint")
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def client(endpoint):
    return make_client(endpoint)


@pytest.fixture
def local_settings(request):
    """For settings with nothing behind them yet: `dev` stores them, a cluster refuses them."""
    if request.node.callspec.params["endpoint"] == "cluster":
        pytest.skip("refused by a cluster")


@pytest.fixture
def hit_units(request):
    """Units of an eventually consistent read of an item just written: a hit of the cache costs none."""
    through_cache = request.node.callspec.params["endpoint"] == "cache"
    return lambda units: 0.0 if through_cache else units


def make_client(endpoint, **config):
    settings = {"retries": {"total_max_attempts": 1}, "parameter_validation": False, **config}
    return boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(**settings),
    )


def create_table(client, partition_key="S", sort_key=None, **settings):
    """Makes a table with keys `pk` and, where a type is given, `sk`; waits until it is ACTIVE."""
    name = f"conformance-{uuid.uuid4().hex[:12]}"
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}]
    attributes = [{"AttributeName": "pk", "AttributeType": partition_key}]
    if sort_key:
        schema.append({"AttributeName": "sk", "KeyType": "RANGE"})
        attributes.append({"AttributeName": "sk", "AttributeType": sort_key})
    settings.setdefault("BillingMode", "PAY_PER_REQUEST")
    client.create_table(TableName=name, KeySchema=schema, AttributeDefinitions=attributes, **settings)
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return name


@pytest.fixture(scope="session")
def hash_table(client):
    name = create_table(client)
    yield name
    client.delete_table(TableName=name)


@pytest.fixture(scope="session")
def sorted_table(client):
    name = create_table(client, sort_key="S")
    yield name
    client.delete_table(TableName=name)


@pytest.fixture(scope="session")
def number_sorted_table(client):
    name = create_table(client, sort_key="N")
    yield name
    client.delete_table(TableName=name)


@pytest.fixture
def pk():
    """A partition key that no other test uses."""
    return {"S": uuid.uuid4().hex}


class Refused:
    """What a refused call said."""

    def __init__(self, error):
        self.response = error.response
        self.code = error.response["Error"]["Code"]
        self.message = error.response["Error"].get("Message", "")
        self.status = error.response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def refused():
    """Calls a function that must be refused, and returns what it was told."""

    def call(function, *arguments, **parameters):
        with pytest.raises(ClientError) as caught:
            function(*arguments, **parameters)
        return Refused(caught.value)

    return call


@pytest.fixture
def invalid(refused):
    """Calls a function that must be refused with a ValidationException of exactly this message."""

    def call(message, function, **parameters):
        answer = refused(function, **parameters)
        assert (answer.code, answer.status) == ("ValidationException", 400)
        assert answer.message == message

    return call
