"""Writes and reads orders through the cache with boto3 and prints what it did. Started by `cargo xtask demo`.

The endpoint and the key come from the environment, as for any AWS client: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, ...
The table's name and key attributes are read from the table itself, so an edited manifest is honoured.
"""

import statistics
import sys
import time
import uuid

import boto3

READS = 200


def sample(kind, text):
    """A value for a key attribute of the given type."""
    number = str(uuid.uuid5(uuid.NAMESPACE_OID, text).int % 10**12)
    return {"S": {"S": text}, "N": {"N": number}, "B": {"B": text.encode()}}[kind]


def timed(call):
    start = time.perf_counter()
    answer = call()
    took = (time.perf_counter() - start) * 1000
    return answer, took, answer["ResponseMetadata"]["HTTPHeaders"].get("x-stator-cache", "-")


def main():
    client = boto3.client("dynamodb")
    table = sys.argv[1]
    description = client.describe_table(TableName=table)["Table"]
    kinds = {entry["AttributeName"]: entry["AttributeType"] for entry in description["AttributeDefinitions"]}
    names = [entry["AttributeName"] for entry in description["KeySchema"]]
    print(f"table {table} is {description['TableStatus']}; its key is {', '.join(names)}")

    partition = f"customer-{uuid.uuid4().hex[:8]}"
    orders = []
    for number in range(3):
        texts = [partition, f"order-{number}"]
        key = {name: sample(kinds[name], text) for name, text in zip(names, texts)}
        if len(names) == 1:
            key = {names[0]: sample(kinds[names[0]], f"{partition}-{number}")}
        orders.append(key)
        item = {**key, "status": {"S": "new"}, "total": {"N": str(10 * number + 5)}}
        _, took, _ = timed(lambda: client.put_item(TableName=table, Item=item))
        print(f"put      {texts[1]}: {took:.2f} ms (durable)")

    client.update_item(
        TableName=table,
        Key=orders[0],
        UpdateExpression="SET #s = :paid ADD paid_times :one",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":paid": {"S": "paid"}, ":one": {"N": "1"}},
    )
    item = client.get_item(TableName=table, Key=orders[0])["Item"]
    assert item["status"] == {"S": "paid"}, item
    print("update   order-0: status is paid, read back through the cache")

    if len(names) == 2:
        found = client.query(
            TableName=table,
            KeyConditionExpression="#p = :p",
            ExpressionAttributeNames={"#p": names[0]},
            ExpressionAttributeValues={":p": orders[0][names[0]]},
        )
        assert found["Count"] == len(orders), found
        print(f"query    {partition}: {found['Count']} orders")

    # Keys that no write has put into the cache: a read of each is a miss the first time and a hit from then on.
    misses, hits = [], []
    for number in range(READS):
        key = {name: sample(kinds[name], f"{partition}-absent-{number}") for name in names}
        _, took, state = timed(lambda: client.get_item(TableName=table, Key=key))
        assert state == "miss", state
        misses.append(took)
        _, took, state = timed(lambda: client.get_item(TableName=table, Key=key))
        assert state == "hit", state
        hits.append(took)
    for name, values in (("miss", misses), ("hit", hits)):
        print(f"get      {name:4}: median {statistics.median(values):.2f} ms, "
              f"fastest {min(values):.2f} ms, over {len(values)} reads, boto3's own time included")


main()
