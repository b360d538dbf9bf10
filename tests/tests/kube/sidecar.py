"""boto3 and the DAX client for Python through the cache in a pod, against its cluster and the store behind that."""

import os
import sys
import time
import uuid
from urllib.parse import urlparse

import boto3
import botocore.session
from amazondax import AmazonDaxClient

TABLE = "orders"
near_url = os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
near = boto3.client("dynamodb")
cluster = boto3.client("dynamodb", endpoint_url=os.environ["CLUSTER"])
store = boto3.client("dynamodb", endpoint_url=os.environ["STORE"])
parsed = urlparse(near_url)
dax = AmazonDaxClient(
    botocore.session.get_session(), region_name="us-east-1", endpoints=[f"{parsed.hostname}:{parsed.port}"]
)
customer = uuid.uuid4().hex


def key(order):
    return {"customerId": {"S": customer}, "orderId": {"S": order}}


def cache(answer):
    return answer["ResponseMetadata"]["HTTPHeaders"]["x-stator-cache"]


def until(what, condition):
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited for {what}")
        time.sleep(0.02)


for writer, name in ((near, "boto3"), (dax, "dax")):
    item = {**key(name), "v": {"S": "1"}}
    writer.put_item(TableName=TABLE, Item=item)
    for reader in (near, dax, cluster, store):
        found = reader.get_item(TableName=TABLE, Key=key(name), ConsistentRead=True)["Item"]
        assert found == item, (name, found)
    until(f"a hit on what {name} wrote", lambda: cache(near.get_item(TableName=TABLE, Key=key(name))) == "hit")
    # What others write through the cluster is seen, and held again.
    newer = {**key(name), "v": {"S": "2"}}
    cluster.put_item(TableName=TABLE, Item=newer)
    for reader in (near, dax):
        until("a change", lambda: reader.get_item(TableName=TABLE, Key=key(name)).get("Item") == newer)
    until("a hit on a change", lambda: cache(near.get_item(TableName=TABLE, Key=key(name))) == "hit")
    cluster.delete_item(TableName=TABLE, Key=key(name))
    until("a deletion", lambda: "Item" not in dax.get_item(TableName=TABLE, Key=key(name)))
dax.close()
print("answers are those of the store")
