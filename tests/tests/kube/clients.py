"""boto3 against the table of examples/orders.yaml, at the endpoint and with the key that the environment names."""

import sys
import time

import boto3
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

print("all operations answered as documented")
