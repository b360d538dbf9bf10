"""What a client and the metrics see of conflicts between transactions and single writes (G07): a node of its own."""

import time
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError
from conftest import create_table
from test_ttl import own_node

SOON = 30


def test_both_names_are_seen_and_counted(own_node):
    client = own_node.client
    table = create_table(client)
    keys = [{"pk": {"S": name}} for name in ("a", "b", "c", "d")]
    add = {"UpdateExpression": "ADD n :one", "ExpressionAttributeValues": {":one": {"N": "1"}}}
    deadline = time.monotonic() + SOON

    def transact():
        client.transact_write_items(TransactItems=[{"Update": {"TableName": table, "Key": key, **add}} for key in keys])
        return len(keys)

    def write():
        client.update_item(TableName=table, Key=keys[0], **add)
        return 1

    def work(function):
        """What was added, the codes of refusals, and how many actions met a transaction."""
        added, codes, met = 0, set(), 0
        while time.monotonic() < deadline and not seen.issuperset(("single", "whole")):
            try:
                added += function()
            except ClientError as error:
                code = error.response["Error"]["Code"]
                codes.add(code)
                if code == "TransactionConflictException":
                    met += 1
                    seen.add("single")
                else:
                    reasons = [reason["Code"] for reason in error.response["CancellationReasons"]]
                    met += reasons.count("TransactionConflict")
                    seen.add("whole")
        return added, codes, met

    seen = set()
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(work, [transact, write, transact, write, transact, write]))
    codes = set().union(*(codes for _, codes, _ in results))
    assert codes == {"TransactionConflictException", "TransactionCanceledException"}
    items = client.scan(TableName=table, ConsistentRead=True)["Items"]
    assert sum(int(item["n"]["N"]) for item in items) == sum(added for added, _, _ in results)
    met = sum(met for _, _, met in results)
    assert own_node.metric("stator_transaction_conflict_total") >= met > 0
