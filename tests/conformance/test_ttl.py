"""Expiry of items (J01-J06): a node of its own that looks for expired items every second."""

import os
import time
import urllib.request

import boto3
import pytest
from botocore.config import Config
from conftest import REGION, Running, create_table, free_ports, make_client

SOON = 30
YEAR = 365 * 24 * 60 * 60


def until(what, condition):
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline, f"not {what} within {SOON} s"
        time.sleep(0.05)


class Node:
    def __init__(self, folder, *flags):
        port, self.ops = free_ports(2)
        self.running = Running(
            [
                os.environ["STATOR_STORAGE_NODE"], "dev", "--in-memory", "--ttl-scan-seconds=1",
                "--listen", f"127.0.0.1:{port}",
                "--ops-listen", f"127.0.0.1:{self.ops}",
                *flags,
            ],
            self.ops,
            folder / "log",
        )
        self.endpoint = f"http://127.0.0.1:{port}"
        self.client = make_client(self.endpoint)
        self.streams = boto3.client(
            "dynamodbstreams",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def counted(self, name, **labels):
        """The lines of the metrics whose name begins so, with these labels."""
        labels = [f'{label}="{value}"' for label, value in labels.items()]
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ops}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return [line for line in lines if line.startswith(name) and all(label in line for label in labels)]

    def metric(self, name, **labels):
        return sum(float(line.rsplit(" ", 1)[1]) for line in self.counted(name, **labels))


@pytest.fixture
def own_node(request, tmp_path):
    """A node that nothing else uses, for its metrics."""
    if request.config.getoption("--cluster") or request.config.getoption("--endpoint"):
        pytest.skip("reads the metrics of a node of its own")
    node = Node(tmp_path)
    yield node
    node.running.stop()


@pytest.fixture(scope="module")
def fast(request, tmp_path_factory):
    if request.config.getoption("--cluster"):
        pytest.skip("tested with a node of its own")
    if request.config.getoption("--endpoint"):
        pytest.skip("the service expires items within two days")
    node = Node(tmp_path_factory.mktemp("ttl"), "--stream-retention-seconds=8", "--stream-shard-seconds=1")
    yield node
    node.running.stop()


def expiring_table(node, **settings):
    name = create_table(node.client, **settings)
    specification = {"Enabled": True, "AttributeName": "expires"}
    answer = node.client.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)
    assert answer["TimeToLiveSpecification"] == specification
    described = node.client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    assert described["TimeToLiveStatus"] in ("ENABLING", "ENABLED")
    assert described["AttributeName"] == "expires"
    return name


def test_what_has_expired_goes_and_nothing_else(fast):
    name = expiring_table(fast)
    now = int(time.time())
    stays = {
        "future": {"N": str(now + 3600)},
        "millis": {"N": str((now - 10) * 1000)},
        "text": {"S": str(now - 10)},
        "ancient": {"N": str(now - 6 * YEAR)},
        "zero": {"N": "0"},
        "list": {"L": [{"N": str(now - 10)}]},
        "none": None,
    }
    for key, expires in stays.items():
        item = {"pk": {"S": key}, **({"expires": expires} if expires else {})}
        fast.client.put_item(TableName=name, Item=item)
    for n in range(30):
        item = {"pk": {"S": f"gone-{n}"}, "expires": {"N": str(now - 10 - n)}, "other": {"S": "x" * 100}}
        fast.client.put_item(TableName=name, Item=item)
    keys = lambda: {item["pk"]["S"] for item in fast.client.scan(TableName=name, ConsistentRead=True)["Items"]}
    until("only what stays", lambda: keys() == set(stays))
    counted = f'stator_time_to_live_deleted_item_count_total{{table="{name}"}}'
    until("all counted", lambda: fast.metric(counted) == 30)


def test_an_expired_item_can_be_saved_by_an_update_and_is_removed_when_its_time_comes(fast):
    name = expiring_table(fast)
    key = {"pk": {"S": "a"}}
    soon = int(time.time()) + 2
    fast.client.put_item(TableName=name, Item={**key, "expires": {"N": str(soon)}})
    fast.client.put_item(TableName=name, Item={"pk": {"S": "saved"}, "expires": {"N": str(soon)}})
    fast.client.update_item(
        TableName=name,
        Key={"pk": {"S": "saved"}},
        UpdateExpression="SET expires = :later",
        ExpressionAttributeValues={":later": {"N": str(soon + 3600)}},
    )
    assert "Item" in fast.client.get_item(TableName=name, Key=key, ConsistentRead=True)
    until("gone", lambda: "Item" not in fast.client.get_item(TableName=name, Key=key, ConsistentRead=True))
    assert time.time() >= soon
    assert "Item" in fast.client.get_item(TableName=name, Key={"pk": {"S": "saved"}}, ConsistentRead=True)


def read_all(node, arn):
    records = []
    for shard in node.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        try:
            iterator = node.streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            records += node.streams.get_records(ShardIterator=iterator)["Records"]
        except node.streams.exceptions.TrimmedDataAccessException:
            continue
    return records


def test_an_expiry_is_a_removal_by_the_service(fast):
    name = expiring_table(
        fast, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    )
    arn = fast.client.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    item = {"pk": {"S": "a"}, "expires": {"N": str(int(time.time()) - 5)}}
    removals = []

    def removed():
        found = [record for record in read_all(fast, arn) if record["eventName"] == "REMOVE"]
        removals.extend(found)
        return bool(found)

    fast.client.put_item(TableName=name, Item=item)
    until("a removal", removed)
    record = removals[0]
    assert record["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}
    assert record["dynamodb"]["OldImage"] == item
    assert "NewImage" not in record["dynamodb"]
    fast.client.put_item(TableName=name, Item={"pk": {"S": "b"}})
    fast.client.delete_item(TableName=name, Key={"pk": {"S": "b"}})
    own = lambda: [
        record
        for record in read_all(fast, arn)
        if record["eventName"] == "REMOVE" and record["dynamodb"]["Keys"] == {"pk": {"S": "b"}}
    ]
    found = []
    until("the other removal", lambda: found.extend(own()) or found)
    assert "userIdentity" not in found[0]


def test_records_are_trimmed_and_shards_roll(fast):
    """I02, I05: this node keeps records for eight seconds and a shard open for one."""
    name = create_table(
        fast.client, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    )
    arn = fast.client.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    put = lambda n: fast.client.put_item(TableName=name, Item={"pk": {"S": "a"}, "n": {"N": str(n)}})
    put(0)
    shards = lambda: fast.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    first = {shard["ShardId"] for shard in shards()}
    children = []

    def has_child():
        children[:] = [shard for shard in shards() if shard.get("ParentShardId") in first]
        return bool(children)

    start = lambda shard, **how: fast.streams.get_shard_iterator(StreamArn=arn, ShardId=shard, **how)["ShardIterator"]
    until("a child", has_child)
    child, parent = children[0], children[0]["ParentShardId"]
    assert child["ShardId"] > parent
    told = next(shard for shard in shards() if shard["ShardId"] == parent)["SequenceNumberRange"]
    filtered = fast.streams.describe_stream(
        StreamArn=arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": parent}
    )["StreamDescription"]["Shards"]
    assert [shard["ShardId"] for shard in filtered] == [child["ShardId"]]
    old = start(parent, ShardIteratorType="TRIM_HORIZON")
    page = fast.streams.get_records(ShardIterator=old)
    assert [record["dynamodb"]["NewImage"]["n"]["N"] for record in page["Records"]] == ["0"]
    # The parent was read to its end; what follows is in the child.
    assert "NextShardIterator" not in page
    assert page["Records"][-1]["dynamodb"]["SequenceNumber"] == told["EndingSequenceNumber"]
    put(1)
    iterator = start(child["ShardId"], ShardIteratorType="TRIM_HORIZON")
    page = fast.streams.get_records(ShardIterator=iterator)
    assert [record["dynamodb"]["NewImage"]["n"]["N"] for record in page["Records"]] == ["1"]

    def trimmed():
        try:
            fast.streams.get_records(ShardIterator=old)
        except fast.streams.exceptions.TrimmedDataAccessException:
            return True
        return False

    until("trimmed", trimmed)
    until("hidden", lambda: parent not in {shard["ShardId"] for shard in shards()})


def test_a_deleted_tables_stream_is_gone_after_the_retention(fast):
    name = create_table(
        fast.client, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
    )
    arn = fast.client.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    fast.client.put_item(TableName=name, Item={"pk": {"S": "a"}})
    fast.client.delete_table(TableName=name)
    fast.streams.describe_stream(StreamArn=arn)

    def gone():
        try:
            fast.streams.describe_stream(StreamArn=arn)
        except fast.streams.exceptions.ResourceNotFoundException:
            return True
        return False

    until("gone", gone)
    assert arn not in [stream["StreamArn"] for stream in fast.streams.list_streams()["Streams"]]
