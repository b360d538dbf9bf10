"""Three cache nodes in front of a storage node, with nodes that come and go, under the DAX client for Python and boto3.

    soak.py --seconds 600 [--seed N]

Each key has one writer, whose values count up; a write that got no answer may still happen, so each one is conditional
on the value before it. A reader notes what was acknowledged before it asks, and an older answer, through whatever node,
is a wrong one. Other writers make items that every node remembers as missing, and read them back everywhere. Every few
seconds a node is killed, ended, or stopped for a while, the storage node among them. The process ends with 1 if any
answer was wrong, or if the nodes and the store do not agree when all is quiet again.

Without a Kubernetes API there is no election: the first node is the primary for ever.
"""

import argparse
import collections
import os
import pathlib
import random
import signal
import sys
import tempfile
import threading
import time
import uuid

import boto3
import botocore.session
from amazondax import AmazonDaxClient
from botocore.config import Config

# The programs are started as those of the conformance suite are.
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "conformance"))
from conftest import Running, free_ports  # noqa: E402

TABLE = "soak"
NODES = ("one", "two", "three")
KEYS = 8
REGION = "us-east-1"
KEYS_OF_THE_CALLER = {"aws_access_key_id": "local", "aws_secret_access_key": "local"}


def free_address():
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


class Program:
    """One program under its own addresses, over all its restarts."""

    def __init__(self, name, arguments, log):
        self.name, self.log = name, log
        (self.ops,) = free_ports(1)
        self.arguments = [*arguments, "--ops-listen", f"127.0.0.1:{self.ops}"]
        self.start()

    def start(self):
        self.running = Running(self.arguments, self.ops, self.log, wait=False)

    def wait_until_ready(self):
        self.running.wait_until_ready()

    def signal(self, number):
        self.running.process.send_signal(number)

    def end(self, how):
        self.signal(how)
        self.running.process.wait()


class Soak:
    def __init__(self, folder, generator):
        self.random = generator
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.counts = collections.Counter()
        self.wrong = []
        self.acknowledged = [0] * KEYS
        store = free_address()
        self.store_url = f"http://{store}"
        self.store = Program(
            "storage-node",
            [os.environ["STATOR_STORAGE_NODE"], "dev", "--listen", store, "--data-dir", str(folder / "store")],
            folder / "store.log",
        )
        self.store.wait_until_ready()
        self.listen = {name: free_address() for name in NODES}
        peers = {name: free_address() for name in NODES}
        self.nodes = {}
        for name in NODES:
            arguments = [os.environ["STATOR_DAX_PROXY"], "dev", "--upstream", self.store_url]
            arguments += ["--listen", self.listen[name], "--peer-listen", peers[name], "--insecure-peers"]
            arguments += ["--peers", ",".join(f"{peer}={address}" for peer, address in peers.items())]
            arguments += ["--node-name", name, "--data-dir", str(folder / name)]
            self.nodes[name] = Program(name, arguments, folder / f"{name}.log")
        for node in self.nodes.values():
            node.wait_until_ready()

    def count(self, what):
        with self.lock:
            self.counts[what] += 1

    def fail(self, message):
        with self.lock:
            self.wrong.append(message)
        print(message, file=sys.stderr, flush=True)

    def json(self, url):
        config = Config(retries={"total_max_attempts": 2}, connect_timeout=2, read_timeout=15)
        return boto3.client("dynamodb", endpoint_url=url, region_name=REGION, config=config, **KEYS_OF_THE_CALLER)

    def native(self):
        session = botocore.session.get_session()
        session.set_credentials("local", "local")
        return AmazonDaxClient(session, region_name=REGION, endpoints=list(self.listen.values()))

    def clients(self):
        """One of each kind: through every node by JSON, and the native one, which finds the nodes by itself."""
        return [self.native(), *(self.json(f"http://{address}") for address in self.listen.values())]

    def attempt(self, what, call, **arguments):
        """The answer, or `None` where there is none: a node is away, and nothing is known of what was asked."""
        try:
            answer = call(TableName=TABLE, **arguments)
        except Exception as error:
            self.count(f"{what}, no answer ({type(error).__name__})")
            time.sleep(0.05)
            return None
        self.count(what)
        return answer

    def write(self, number):
        clients = self.clients()
        value = 0
        while not self.stop.is_set():
            value += 1
            answer = self.attempt(
                "write",
                clients[(number + value // 50) % len(clients)].update_item,
                Key={"pk": {"S": f"counter-{number}"}},
                UpdateExpression="SET v = :v",
                ConditionExpression="attribute_not_exists(pk) OR v < :v",
                ExpressionAttributeValues={":v": {"N": str(value)}},
            )
            if answer is not None:
                self.acknowledged[number] = value
            time.sleep(0.01)

    def read(self, offset):
        clients = self.clients()
        turn = offset
        while not self.stop.is_set():
            turn += 1
            number, client = turn % KEYS, clients[turn // KEYS % len(clients)]
            at_least = self.acknowledged[number]
            key = {"pk": {"S": f"counter-{number}"}}
            if turn % 3:
                answer = self.attempt("read", client.get_item, Key=key)
                item = None if answer is None else answer.get("Item")
            else:
                answer = self.batch(client, key)
                item = None if answer is None else next(iter(answer), None)
            if answer is None:
                continue
            found = int(item["v"]["N"]) if item else 0
            if found < at_least:
                self.fail(f"counter {number} was {found} after {at_least} was acknowledged")

    def batch(self, client, key):
        try:
            answer = client.batch_get_item(RequestItems={TABLE: {"Keys": [key]}})
        except Exception as error:
            self.count(f"batch, no answer ({type(error).__name__})")
            time.sleep(0.05)
            return None
        self.count("batch")
        return None if answer.get("UnprocessedKeys") else answer["Responses"].get(TABLE, [])

    def appear(self, offset):
        """Items that every node has seen missing are there for everybody once their write is acknowledged."""
        clients = self.clients()
        turn = offset
        while not self.stop.is_set():
            turn += 1
            key = {"pk": {"S": f"fresh-{uuid.uuid4()}"}}
            for client in clients:
                self.attempt("missing read", client.get_item, Key=key)
            writer = clients[turn % len(clients)]
            if self.attempt("first write", writer.put_item, Item={**key, "v": {"N": "1"}}) is None:
                continue
            for client in clients:
                answer = self.attempt("read back", client.get_item, Key=key)
                if answer is not None and "Item" not in answer:
                    self.fail(f"{key} was missing after its write was acknowledged")

    def disturb(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(self.random.uniform(2, 6))
            program = self.random.choice([*self.nodes.values(), self.store])
            fault = self.random.choice(["killed", "ended", "stopped"])
            away = self.random.uniform(0, 4)
            self.count(f"{program.name} {fault}")
            if fault == "stopped":
                program.signal(signal.SIGSTOP)
                time.sleep(away)
                program.signal(signal.SIGCONT)
                continue
            program.end(signal.SIGKILL if fault == "killed" else signal.SIGTERM)
            time.sleep(away)
            program.start()
            program.wait_until_ready()

    def agree(self):
        """When all is quiet, the store has what was acknowledged, and every node answers as the store does."""
        store = self.json(self.store_url)
        time.sleep(3)
        for number in range(KEYS):
            key = {"pk": {"S": f"counter-{number}"}}
            held = store.get_item(TableName=TABLE, Key=key, ConsistentRead=True).get("Item")
            if int((held or {"v": {"N": "0"}})["v"]["N"]) < self.acknowledged[number]:
                self.fail(f"counter {number}: {self.acknowledged[number]} was acknowledged, the store has {held}")
            for client in self.clients():
                if client.get_item(TableName=TABLE, Key=key).get("Item") != held:
                    self.fail(f"counter {number}: a node answers otherwise than the store, which has {held}")

    def run(self, seconds):
        self.json(self.store_url).create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        self.json(self.store_url).get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
        work = [(self.write, number) for number in range(KEYS)]
        work += [(self.read, number) for number in range(4)] + [(self.appear, number) for number in range(2)]
        threads = [threading.Thread(target=target, args=(number,)) for target, number in work]
        for thread in threads:
            thread.start()
        try:
            self.disturb(seconds)
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()
        self.agree()
        for what, count in sorted(self.counts.items()):
            print(f"{count:9} {what}")
        idle = [what for what in ("write", "read", "batch", "first write", "read back") if not self.counts[what]]
        print(f"{len(self.wrong):9} wrong answers")
        return not self.wrong and not idle


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(pathlib.Path(folder), random.Random(options.seed))
        try:
            right = soak.run(options.seconds)
        finally:
            for program in [*soak.nodes.values(), soak.store]:
                program.end(signal.SIGKILL)
    sys.stdout.flush()
    # Threads of the DAX client go on until the process ends, and have much to say of an interpreter that shuts down.
    os._exit(0 if right else 1)


main()
