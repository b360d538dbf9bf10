"""boto3, and the DAX client where the way leads through the cache, against the table of examples/orders.yaml.

The endpoint and the key are those that the environment names.
"""

import os
import sys
import time

import boto3
import botocore.session
from amazondax import AmazonDaxClient
from boto3.dynamodb.conditions import Attr, Key
from botocore.exceptions import ClientError

table = boto3.resource("dynamodb").Table("orders")
# Through the cache an eventually consistent read sees the cache's own writes at once; a replica may lag behind.
through_cache = sys.argv[1] == "cache"
customer = "boto3"
keys = [{"customerId": customer, "orderId": f"{number:03}"} for number in range(30)]


def read(key, consistent, expected):
    """The item as soon as `expected` holds of it; at once where nothing may lag."""
    until = time.monotonic() + (0 if consistent or through_cache else 30)
    while True:
        item = table.get_item(Key=key, ConsistentRead=consistent).get("Item")
        if expected(item):
            return item
        assert time.monotonic() < until, (consistent, item)
        time.sleep(0.05)


for key in keys:
    table.put_item(Item=key | {"amount": int(key["orderId"]), "lines": [{"sku": "a", "count": 2}], "tags": {"x", "y"}})

# Strong, then eventual twice: through the cache the last one is a hit.
for consistent in (True, False, False):
    item = read(keys[7], consistent, lambda item: item)
    assert item["amount"] == 7 and item["lines"][0]["count"] == 2 and item["tags"] == {"x", "y"}, item

answer = table.update_item(
    Key=keys[7],
    UpdateExpression="SET amount = amount + :five, #l[0].#c = :three REMOVE tags",
    ExpressionAttributeNames={"#l": "lines", "#c": "count"},
    ExpressionAttributeValues={":five": 5, ":three": 3},
    ReturnValues="ALL_NEW",
)
assert answer["Attributes"]["amount"] == 12 and "tags" not in answer["Attributes"], answer
for consistent in (False, True):
    item = read(keys[7], consistent, lambda item: item and item["amount"] == 12)
    assert item["lines"][0]["count"] == 3, item

try:
    table.put_item(Item=keys[7], ConditionExpression=Attr("customerId").not_exists())
    raise SystemExit("a condition that does not hold was let through")
except ClientError as error:
    assert error.response["Error"]["Code"] == "ConditionalCheckFailedException", error

# Pages of ten, in order and backwards.
for forward in (True, False):
    found, start = [], {}
    while True:
        page = table.query(
            KeyConditionExpression=Key("customerId").eq(customer) & Key("orderId").between("005", "029"),
            ScanIndexForward=forward,
            ConsistentRead=not through_cache,
            Limit=10,
            **start,
        )
        found += [item["orderId"] for item in page["Items"]]
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    expected = [f"{number:03}" for number in range(5, 30)]
    assert found == (expected if forward else expected[::-1]), found

found, start = set(), {}
while True:
    page = table.scan(FilterExpression=Attr("customerId").eq(customer), ConsistentRead=True, **start)
    found |= {item["orderId"] for item in page["Items"]}
    if "LastEvaluatedKey" not in page:
        break
    start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
assert len(found) == len(keys), found

old = table.delete_item(Key=keys[7], ReturnValues="ALL_OLD")["Attributes"]
assert old["amount"] == 12, old
for consistent in (False, True):
    read(keys[7], consistent, lambda item: item is None)
with table.batch_writer() as batch:
    for key in keys:
        batch.delete_item(Key=key)
assert table.query(KeyConditionExpression=Key("customerId").eq(customer), ConsistentRead=True)["Count"] == 0


def native(host):
    """The same protocol that Amazon's cache speaks. The client connects to the addresses of pods."""
    key = {"customerId": {"S": customer}, "orderId": {"S": "native"}}
    with AmazonDaxClient(botocore.session.get_session(), region_name="us-east-1", endpoints=[host]) as dax:
        dax.put_item(TableName="orders", Item=key | {"amount": {"N": "1"}})
        update = {"UpdateExpression": "SET amount = amount + :n", "ExpressionAttributeValues": {":n": {"N": "2"}}}
        answer = dax.update_item(TableName="orders", Key=key, ReturnValues="UPDATED_NEW", **update)
        assert answer["Attributes"] == {"amount": {"N": "3"}}, answer
        for _ in range(2):
            assert dax.get_item(TableName="orders", Key=key)["Item"] == key | {"amount": {"N": "3"}}
        # What one protocol has cached the other is answered.
        assert table.get_item(Key={"customerId": customer, "orderId": "native"})["Item"]["amount"] == 3
        found = dax.query(
            TableName="orders",
            KeyConditionExpression="customerId = :c",
            ExpressionAttributeValues={":c": {"S": customer}},
        )
        assert found["Count"] == 1, found
        assert dax.delete_item(TableName="orders", Key=key, ReturnValues="ALL_OLD")["Attributes"]["amount"] == {"N": "3"}


host = os.environ["AWS_ENDPOINT_URL_DYNAMODB"].removeprefix("http://")
# Through a port-forward the addresses of pods lead nowhere.
if through_cache and not host.startswith("127."):
    native(host)
    # The operator's authority is in SSL_CERT_FILE; the client checks the Service's name.
    native(f"daxs://{host.rpartition(':')[0]}:9111")

print("all operations answered as documented")
