"""ItemCount and TableSizeBytes: a node of its own that counts every second; the service counts every six hours."""

import pytest
from conftest import create_table
from test_ttl import Node, until


@pytest.fixture
def node(request, tmp_path):
    if request.config.getoption("--cluster") or request.config.getoption("--endpoint"):
        pytest.skip("tested with a node of its own")
    node = Node(tmp_path, "--table-size-seconds=1")
    yield node
    node.running.stop()


def test_items_and_entries_are_counted(node):
    client = node.client
    table = create_table(client, sort_key="S")
    client.update_table(
        TableName=table,
        AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by-g",
                    "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        ],
    )
    for number in range(7):
        item = {"pk": {"S": f"p{number}"}, "sk": {"S": "s"}, "v": {"S": "x" * 100}}
        if number < 3:
            item["g"] = {"S": "g"}
        client.put_item(TableName=table, Item=item)

    def described():
        return client.describe_table(TableName=table)["Table"]

    # pk, sk and v with their names are 2 + 2 + 2 + 1 + 1 + 100 bytes, g is two more; an entry has no v.
    until("counted", lambda: (described()["ItemCount"], described()["TableSizeBytes"]) == (7, 7 * 108 + 3 * 2))

    def entries():
        index = described()["GlobalSecondaryIndexes"][0]
        return index["ItemCount"], index["IndexSizeBytes"]

    until("counted", lambda: entries() == (3, 3 * 9))
    client.delete_item(TableName=table, Key={"pk": {"S": "p0"}, "sk": {"S": "s"}})
    until("counted again", lambda: described()["ItemCount"] == 6 and entries()[0] == 2)
