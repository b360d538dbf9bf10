"""Coherent mode (M20): what others write past the cache is seen through it within a second."""

import os
import time
import urllib.request

import pytest
from conftest import conformance

# The promise, and what a busy machine may add to it.
PROMISED, PATIENCE = 1, 10


class Node(conformance.Running):
    def __init__(self, folder, port, ops):
        self.arguments = [
            os.environ["STATOR_STORAGE_NODE"], "dev",
            "--data-dir", str(folder / "node"),
            "--stream-shard-seconds=1",
            "--listen", f"127.0.0.1:{port}",
            "--ops-listen", f"127.0.0.1:{ops}",
        ]
        self.log = folder / "node.log"
        super().__init__(self.arguments, ops, self.log)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A node whose shards end every second, a coherent cache, and a client of each."""
    folder = tmp_path_factory.mktemp("coherent")
    port, ops, cache, cache_ops = conformance.free_ports(4)
    node = Node(folder, port, ops)
    running = conformance.Running(
        [
            os.environ["STATOR_DAX_PROXY"], "dev", "--coherent",
            "--upstream", f"http://127.0.0.1:{port}",
            "--listen", f"127.0.0.1:{cache}",
            "--ops-listen", f"127.0.0.1:{cache_ops}",
        ],
        cache_ops,
        folder / "cache.log",
    )

    class World:
        direct = conformance.make_client(f"http://127.0.0.1:{port}")
        cached = conformance.make_client(f"http://127.0.0.1:{cache}")

        def restart_node(self):
            self.node.process.kill()
            self.node.process.wait()
            time.sleep(1)
            self.node = Node(folder, port, ops)

        def metric(self, name):
            with urllib.request.urlopen(f"http://127.0.0.1:{cache_ops}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
            return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    world = World()
    world.node = node
    yield world
    running.stop()
    world.node.stop()


def make_table(world, view):
    settings = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": view}} if view else {}
    return conformance.create_table(world.direct, sort_key="S", **settings)


@pytest.fixture(scope="module")
def table(world):
    return make_table(world, "NEW_AND_OLD_IMAGES")


def key(number):
    return {"pk": {"S": "p"}, "sk": {"S": f"{number:03}"}}


def get(world, table, number):
    answer = world.cached.get_item(TableName=table, Key=key(number))
    outcome = answer["ResponseMetadata"]["HTTPHeaders"]["x-stator-cache"]
    return answer.get("Item", {}).get("v", {}).get("N"), outcome


def put(client, table, number, value):
    client.put_item(TableName=table, Item={**key(number), "v": {"N": str(value)}})


def seen(what, condition):
    """Waits for it, and says how long it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() < started + PATIENCE, what
        time.sleep(0.01)
    return time.monotonic() - started


def is_followed(world, table):
    """Ready when a change past the cache is seen: the first request has to find the stream."""
    put(world.direct, table, 999, 0)
    get(world, table, 999)
    put(world.direct, table, 999, 1)
    seen("followed", lambda: get(world, table, 999)[0] == "1")


def held(world, table, number, value):
    seen("held", lambda: get(world, table, number) == (value, "hit"))


@pytest.mark.parametrize("view", ["NEW_AND_OLD_IMAGES", "NEW_IMAGE", "OLD_IMAGE", "KEYS_ONLY"])
def test_puts_updates_and_deletions_of_others(world, view):
    table = make_table(world, view)
    is_followed(world, table)
    times = []
    held(world, table, 1, None)
    put(world.direct, table, 1, 1)
    times.append(seen("a put", lambda: get(world, table, 1)[0] == "1"))
    for value in range(2, 8):
        held(world, table, 1, str(value - 1))
        world.direct.update_item(
            TableName=table,
            Key=key(1),
            UpdateExpression="SET v = :v",
            ExpressionAttributeValues={":v": {"N": str(value)}},
        )
        times.append(seen("an update", lambda: get(world, table, 1)[0] == str(value)))
    held(world, table, 1, "7")
    world.direct.delete_item(TableName=table, Key=key(1))
    times.append(seen("a deletion", lambda: get(world, table, 1)[0] is None))
    print(f"{view}: {max(times):.2f} s at most, {PROMISED} s promised")


def test_pages_of_others_changes(world, table):
    is_followed(world, table)

    def query():
        answer = world.cached.query(
            TableName=table,
            KeyConditionExpression="pk = :p AND sk BETWEEN :a AND :b",
            ExpressionAttributeValues={":p": {"S": "p"}, ":a": {"S": "100"}, ":b": {"S": "199"}},
        )
        return answer["Count"], answer["ResponseMetadata"]["HTTPHeaders"]["x-stator-cache"]

    for count in range(1, 4):
        put(world.direct, table, 100 + count, count)
        seen("a page", lambda: query()[0] == count)
    # Once nobody writes, pages are held as ever.
    seen("held", lambda: query() == (3, "hit"))
    time.sleep(2)
    query()
    assert query() == (3, "hit")


def test_own_writes_stay(world, table):
    is_followed(world, table)
    put(world.cached, table, 2, 1)
    world.cached.delete_item(TableName=table, Key=key(3))
    time.sleep(2)
    assert get(world, table, 2) == ("1", "hit")
    assert get(world, table, 3) == (None, "hit")


def test_changes_while_the_store_was_away_are_seen(world, table):
    is_followed(world, table)
    put(world.direct, table, 4, 1)
    held(world, table, 4, "1")
    world.restart_node()
    put(world.direct, table, 4, 2)
    seen("a change after a restart", lambda: get(world, table, 4)[0] == "2")
    is_followed(world, table)


def test_a_table_without_a_stream_is_cached_as_ever(world):
    table = make_table(world, None)
    put(world.cached, table, 5, 1)
    put(world.direct, table, 5, 2)
    time.sleep(1.5)
    assert get(world, table, 5) == ("1", "hit")


def test_records_are_counted(world, table):
    before = world.metric("stator_dax_coherence_changes_total")
    put(world.direct, table, 6, 1)
    seen("counted", lambda: world.metric("stator_dax_coherence_changes_total") > before)
    assert world.metric("stator_dax_coherence_drops_total") > 0
