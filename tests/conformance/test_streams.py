"""DynamoDB Streams: ListStreams, DescribeStream, GetShardIterator, GetRecords (I01-I07, I14)."""

import os
import re
import time
import uuid

import boto3
import pytest
from botocore.config import Config
from conftest import REGION, create_table

SOON = 30
NO_STREAM = "arn:aws:dynamodb:{region}:{account}:table/no-such-table/stream/2026-01-31T12:00:00.123"
NO_SHARD = "shardId-00000001769860800123-0badbeef"


@pytest.fixture(scope="session")
def streams(endpoint):
    return boto3.client(
        "dynamodbstreams",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "local"),
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "local"),
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=False),
    )


def until(what, condition):
    deadline = time.monotonic() + SOON
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not {what} within {SOON} s"
        time.sleep(0.05)


def stream_table(client, view="NEW_AND_OLD_IMAGES", **settings):
    """A table with a stream: its name and the stream's ARN."""
    specification = {"StreamEnabled": True, "StreamViewType": view}
    name = create_table(client, StreamSpecification=specification, **settings)
    described = client.describe_table(TableName=name)["Table"]
    assert described["StreamSpecification"] == specification
    assert described["LatestStreamArn"].endswith(f":table/{name}/stream/{described['LatestStreamLabel']}")
    return name, described["LatestStreamArn"]


def shards_of(streams, arn):
    shards, start = [], {}
    while True:
        page = streams.describe_stream(StreamArn=arn, **start)["StreamDescription"]
        shards += page["Shards"]
        if "LastEvaluatedShardId" not in page:
            return shards
        start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}


def read_shard(streams, arn, shard_id, limit=None, **start):
    """What a shard holds from there on, up to the first empty answer or its end; and the next iterator."""
    start = start or {"ShardIteratorType": "TRIM_HORIZON"}
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard_id, **start)["ShardIterator"]
    records = []
    while iterator:
        page = streams.get_records(ShardIterator=iterator, **({"Limit": limit} if limit else {}))
        assert len(page["Records"]) <= (limit or 1000)
        records += page["Records"]
        iterator = page.get("NextShardIterator")
        if not page["Records"]:
            break
    return records, iterator


def read_stream(streams, arn):
    return [record for shard in shards_of(streams, arn) for record in read_shard(streams, arn, shard["ShardId"])[0]]


def read_until(streams, arn, count):
    """The records of a stream once there are that many, which must then be all."""
    until(f"{count} records", lambda: len(read_stream(streams, arn)) >= count)
    records = read_stream(streams, arn)
    assert len(records) == count
    return records


def names(records):
    return [record["eventName"] for record in records]


@pytest.fixture
def make(client):
    """Makes tables with streams that are removed afterwards."""
    made = []

    def table(view="NEW_AND_OLD_IMAGES", **settings):
        name, arn = stream_table(client, view, **settings)
        made.append(name)
        return name, arn

    yield table
    for name in made:
        client.delete_table(TableName=name)


@pytest.mark.parametrize(
    ("view", "has_new", "has_old"),
    [
        ("KEYS_ONLY", False, False),
        ("NEW_IMAGE", True, False),
        ("OLD_IMAGE", False, True),
        ("NEW_AND_OLD_IMAGES", True, True),
    ],
)
def test_records_hold_what_the_view_says(client, streams, make, view, has_new, has_old):
    name, arn = make(view)
    key = {"pk": {"S": "a"}}
    first, second = {**key, "v": {"N": "1"}}, {**key, "v": {"N": "2"}, "w": {"SS": ["x", "y"]}}
    client.put_item(TableName=name, Item=first)
    client.put_item(TableName=name, Item=second)
    client.delete_item(TableName=name, Key=key)
    records = read_until(streams, arn, 3)
    assert names(records) == ["INSERT", "MODIFY", "REMOVE"]
    for record, old, new in zip(records, [None, first, second], [first, second, None], strict=True):
        change = record["dynamodb"]
        assert change["Keys"] == key
        assert change.get("NewImage") == (new if has_new else None)
        assert change.get("OldImage") == (old if has_old else None)
        assert change["StreamViewType"] == view
    # Two bytes of the key's name, one of its value; `v`: one and two; `w`: one, and one for each element.
    sizes = {"key": 3, "first": 6, "second": 9}
    expected = [
        sizes["key"] + (sizes["first"] if has_new else 0),
        sizes["key"] + (sizes["first"] if has_old else 0) + (sizes["second"] if has_new else 0),
        sizes["key"] + (sizes["second"] if has_old else 0),
    ]
    assert [record["dynamodb"]["SizeBytes"] for record in records] == expected


def test_a_record_looks_like_the_services(client, streams, make):
    name, arn = make()
    before = int(time.time())
    client.put_item(TableName=name, Item={"pk": {"S": "a"}})
    (record,) = read_until(streams, arn, 1)
    assert re.fullmatch("[0-9a-f]{32}", record["eventID"])
    assert record["eventVersion"] == "1.1"
    assert record["eventSource"] == "aws:dynamodb"
    assert record["awsRegion"] == REGION
    assert "userIdentity" not in record
    change = record["dynamodb"]
    assert re.fullmatch("[0-9]{21,40}", change["SequenceNumber"])
    assert before <= change["ApproximateCreationDateTime"].timestamp() <= time.time() + 1
    assert change["ApproximateCreationDateTime"].microsecond == 0
    # Only the key was given: the image is there all the same.
    assert change["NewImage"] == {"pk": {"S": "a"}}
    (again,) = read_stream(streams, arn)
    assert again == record


def test_what_changes_nothing_leaves_no_record(client, streams, make):
    name, arn = make()
    item = {
        "pk": {"S": "a"},
        "n": {"N": "1"},
        "s": {"SS": ["x", "y"]},
        "m": {"M": {"k": {"N": "1"}, "l": {"L": [{"S": "z"}]}}},
    }
    key = {"pk": item["pk"]}
    client.put_item(TableName=name, Item=item)
    client.put_item(TableName=name, Item=item)
    same = {
        "pk": {"S": "a"},
        "m": {"M": {"l": {"L": [{"S": "z"}]}, "k": {"N": "1.0"}}},
        "s": {"SS": ["y", "x"]},
        "n": {"N": "1.00"},
    }
    client.put_item(TableName=name, Item=same)
    client.update_item(TableName=name, Key=key)
    values = {":n": {"N": "1"}}
    client.update_item(
        TableName=name, Key=key, UpdateExpression="SET n = :n REMOVE nothing", ExpressionAttributeValues=values
    )
    client.delete_item(TableName=name, Key={"pk": {"S": "missing"}})
    client.update_item(TableName=name, Key=key, UpdateExpression="ADD n :n", ExpressionAttributeValues=values)
    records = read_until(streams, arn, 2)
    assert names(records) == ["INSERT", "MODIFY"]
    assert records[1]["dynamodb"]["NewImage"]["n"] == {"N": "2"}


def test_an_update_that_makes_an_item_is_an_insert(client, streams, make):
    name, arn = make()
    client.update_item(TableName=name, Key={"pk": {"S": "a"}})
    (record,) = read_until(streams, arn, 1)
    assert record["eventName"] == "INSERT"
    assert record["dynamodb"]["NewImage"] == {"pk": {"S": "a"}}
    assert "OldImage" not in record["dynamodb"]


def test_each_item_of_a_batch_has_a_record_and_each_item_its_order(client, streams, make):
    name, arn = make("NEW_IMAGE")
    for version in range(4):
        puts = [{"PutRequest": {"Item": {"pk": {"S": str(n)}, "v": {"N": str(version)}}}} for n in range(25)]
        assert client.batch_write_item(RequestItems={name: puts})["UnprocessedItems"] == {}
    records = read_until(streams, arn, 100)
    for n in range(25):
        own = [record for record in records if record["dynamodb"]["Keys"]["pk"]["S"] == str(n)]
        assert names(own) == ["INSERT", "MODIFY", "MODIFY", "MODIFY"]
        assert [record["dynamodb"]["NewImage"]["v"]["N"] for record in own] == ["0", "1", "2", "3"]
    assert len({record["eventID"] for record in records}) == 100


def test_shards_and_their_numbers(client, streams, make):
    name, arn = make("KEYS_ONLY", sort_key="N")
    for n in range(40):
        client.put_item(TableName=name, Item={"pk": {"S": str(n % 8)}, "sk": {"N": str(n)}})
    read_until(streams, arn, 40)
    description = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert description["StreamArn"] == arn
    assert description["StreamLabel"] == arn.split("/stream/")[1]
    assert description["StreamStatus"] == "ENABLED"
    assert description["StreamViewType"] == "KEYS_ONLY"
    assert description["TableName"] == name
    assert description["KeySchema"] == [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ]
    label = description["CreationRequestDateTime"].astimezone().timestamp()
    assert abs(label - time.time()) < 600
    ids = [shard["ShardId"] for shard in description["Shards"]]
    assert ids == sorted(ids)
    for shard in description["Shards"]:
        assert re.fullmatch("shardId-[0-9]{20}-[0-9a-f]{8,36}", shard["ShardId"])
        numbers = shard["SequenceNumberRange"]
        assert "EndingSequenceNumber" not in numbers
        records, iterator = read_shard(streams, arn, shard["ShardId"])
        assert iterator
        given = [int(record["dynamodb"]["SequenceNumber"]) for record in records]
        assert given == sorted(set(given))
        assert all(int(numbers["StartingSequenceNumber"]) <= number for number in given)


def test_pages_of_shards(streams, make):
    _, arn = make()
    all_shards = shards_of(streams, arn)
    paged, start = [], {}
    while True:
        page = streams.describe_stream(StreamArn=arn, Limit=1, **start)["StreamDescription"]
        assert len(page["Shards"]) <= 1
        paged += page["Shards"]
        if "LastEvaluatedShardId" not in page:
            break
        start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}
    assert paged == all_shards
    none = streams.describe_stream(StreamArn=arn, ExclusiveStartShardId="shardId-99999999999999999999-00000000")
    assert none["StreamDescription"]["Shards"] == []


def test_iterators_of_every_type(client, streams, make):
    name, arn = make("NEW_IMAGE")
    put = lambda n: client.put_item(TableName=name, Item={"pk": {"S": "a"}, "n": {"N": str(n)}})
    put(0)
    read_until(streams, arn, 1)
    shards = [shard["ShardId"] for shard in shards_of(streams, arn)]
    shard = next(shard for shard in shards if read_shard(streams, arn, shard)[0])
    latest = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
    for n in range(1, 6):
        put(n)
    records = read_until(streams, arn, 6)
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    versions = lambda some: [int(record["dynamodb"]["NewImage"]["n"]["N"]) for record in some]
    seen = streams.get_records(ShardIterator=latest)["Records"]
    assert versions(seen)[-5:] == [1, 2, 3, 4, 5]
    at, _ = read_shard(streams, arn, shard, ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=numbers[2])
    assert versions(at) == [2, 3, 4, 5]
    after, _ = read_shard(streams, arn, shard, ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[2])
    assert versions(after) == [3, 4, 5]
    last, iterator = read_shard(
        streams, arn, shard, ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=numbers[5]
    )
    assert last == []
    put(6)
    until("a record", lambda: streams.get_records(ShardIterator=iterator)["Records"])
    assert versions(streams.get_records(ShardIterator=iterator)["Records"]) == [6]
    # The same iterator gives the same again; pages meet without gap.
    paged, _ = read_shard(streams, arn, shard, limit=2)
    assert versions(paged) == list(range(7))
    first = shards_of(streams, arn)[shards.index(shard)]["SequenceNumberRange"]["StartingSequenceNumber"]
    whole, _ = read_shard(streams, arn, shard, ShardIteratorType="AT_SEQUENCE_NUMBER", SequenceNumber=first)
    assert versions(whole) == list(range(7))


def test_an_answer_holds_at_most_a_megabyte(client, streams, make):
    name, arn = make("NEW_IMAGE")
    for n in range(6):
        client.put_item(TableName=name, Item={"pk": {"S": "a"}, "n": {"N": str(n)}, "b": {"S": "x" * 300_000}})
    read_until(streams, arn, 6)
    shard = next(s["ShardId"] for s in shards_of(streams, arn) if read_shard(streams, arn, s["ShardId"])[0])
    start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    page = streams.get_records(ShardIterator=start["ShardIterator"])
    assert 1 <= len(page["Records"]) <= 3
    assert sum(record["dynamodb"]["SizeBytes"] for record in page["Records"]) <= 1024 * 1024
    assert page["NextShardIterator"]


def test_a_stream_is_disabled_and_another_enabled(client, streams, make, refused):
    name, arn = make("NEW_IMAGE")
    client.put_item(TableName=name, Item={"pk": {"S": "a"}, "n": {"N": "0"}})
    enable = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    answer = refused(client.update_table, TableName=name, StreamSpecification=enable)
    assert answer.code in ("ValidationException", "ResourceInUseException")
    client.update_table(TableName=name, StreamSpecification={"StreamEnabled": False})
    status = lambda arn: streams.describe_stream(StreamArn=arn)["StreamDescription"]["StreamStatus"]
    until("DISABLED", lambda: status(arn) == "DISABLED")
    until("ACTIVE", lambda: client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE")
    client.put_item(TableName=name, Item={"pk": {"S": "a"}, "n": {"N": "1"}})
    assert "StreamSpecification" not in client.describe_table(TableName=name)["Table"]
    answer = refused(client.update_table, TableName=name, StreamSpecification={"StreamEnabled": False})
    assert answer.code in ("ValidationException", "ResourceInUseException")

    # Closed shards end: there is no next iterator after their last record.
    records = []
    for shard in shards_of(streams, arn):
        numbers = shard["SequenceNumberRange"]
        some, iterator = read_shard(streams, arn, shard["ShardId"])
        assert iterator is None
        if some:
            assert numbers["EndingSequenceNumber"] == some[-1]["dynamodb"]["SequenceNumber"]
        else:
            assert int(numbers["EndingSequenceNumber"]) >= int(numbers["StartingSequenceNumber"])
        records += some
    assert [record["dynamodb"]["NewImage"]["n"]["N"] for record in records] == ["0"]

    client.update_table(TableName=name, StreamSpecification=enable)
    until("ACTIVE", lambda: client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE")
    other = client.describe_table(TableName=name)["Table"]["LatestStreamArn"]
    assert other != arn
    until("ENABLED", lambda: status(other) == "ENABLED")
    client.put_item(TableName=name, Item={"pk": {"S": "a"}, "n": {"N": "2"}})
    (record,) = read_until(streams, other, 1)
    assert record["eventName"] == "MODIFY"
    assert record["dynamodb"]["StreamViewType"] == "KEYS_ONLY"
    assert len(read_stream(streams, arn)) == 1
    listed = [stream["StreamArn"] for stream in streams.list_streams(TableName=name)["Streams"]]
    assert sorted(listed) == sorted([arn, other])


def test_the_stream_of_a_deleted_table_stays_readable(client, streams):
    name, arn = stream_table(client)
    client.put_item(TableName=name, Item={"pk": {"S": "a"}})
    read_until(streams, arn, 1)
    client.delete_table(TableName=name)
    client.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    description = streams.describe_stream(StreamArn=arn)["StreamDescription"]
    assert description["StreamStatus"] == "DISABLED"
    assert description["TableName"] == name
    (record,) = read_stream(streams, arn)
    assert record["dynamodb"]["NewImage"] == {"pk": {"S": "a"}}
    assert all("EndingSequenceNumber" in shard["SequenceNumberRange"] for shard in description["Shards"])
    assert [stream["StreamArn"] for stream in streams.list_streams(TableName=name)["Streams"]] == [arn]


def test_lists_of_streams(streams, make):
    made = sorted(make()[1] for _ in range(3))
    listed, start = [], {}
    while True:
        page = streams.list_streams(Limit=2, **start)
        assert len(page["Streams"]) <= 2
        listed += page["Streams"]
        if "LastEvaluatedStreamArn" not in page:
            break
        start = {"ExclusiveStartStreamArn": page["LastEvaluatedStreamArn"]}
    arns = [stream["StreamArn"] for stream in listed]
    assert [arn for arn in arns if arn in made] == made
    for stream in listed:
        assert stream["StreamArn"].endswith(f":table/{stream['TableName']}/stream/{stream['StreamLabel']}")
    assert streams.list_streams(TableName=f"none-{uuid.uuid4().hex}")["Streams"] == []


def test_what_is_not_there(streams, make, refused):
    _, arn = make()
    region, account = arn.split(":")[3:5]
    unknown = NO_STREAM.format(region=region, account=account)
    for call in (
        lambda: refused(streams.describe_stream, StreamArn=unknown),
        lambda: refused(
            streams.get_shard_iterator, StreamArn=unknown, ShardId=NO_SHARD, ShardIteratorType="LATEST"
        ),
    ):
        answer = call()
        assert answer.code == "ResourceNotFoundException"
        assert answer.message == f"Requested resource not found: Stream: {unknown} not found"
    answer = refused(streams.get_shard_iterator, StreamArn=arn, ShardId=NO_SHARD, ShardIteratorType="LATEST")
    assert answer.code == "ResourceNotFoundException"
    assert answer.message == "Requested resource not found: Shard does not exist"


def test_what_is_malformed(streams, make, refused, invalid):
    _, arn = make()
    shard = shards_of(streams, arn)[0]["ShardId"]
    assert refused(streams.describe_stream, StreamArn="x" * 40).code == "ValidationException"
    assert refused(streams.get_records, ShardIterator="x" * 40).code == "ValidationException"
    good = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="LATEST")["ShardIterator"]
    assert refused(streams.get_records, ShardIterator=good[:-2] + "zz").code == "ValidationException"
    assert (
        refused(streams.get_shard_iterator, StreamArn=arn, ShardId=shard, ShardIteratorType="OLDEST").code
        == "ValidationException"
    )
    at = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "AT_SEQUENCE_NUMBER"}
    assert refused(streams.get_shard_iterator, **at).code == "ValidationException"
    assert refused(streams.get_shard_iterator, SequenceNumber="x" * 25, **at).code == "ValidationException"
    invalid(
        "1 validation error detected: Value '1001' at 'limit' failed to satisfy constraint: "
        "Member must have value less than or equal to 1000",
        streams.get_records,
        ShardIterator=good,
        Limit=1001,
    )
    invalid(
        "1 validation error detected: Value 'short' at 'streamArn' failed to satisfy constraint: "
        "Member must have length greater than or equal to 37",
        streams.describe_stream,
        StreamArn="short",
    )
    invalid(
        "1 validation error detected: Value null at 'shardIterator' failed to satisfy constraint: "
        "Member must not be null",
        streams.get_records,
    )
