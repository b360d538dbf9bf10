"""Stock clients on a cache cluster while it changes: boto3, and the DAX client for Python where pods can be reached.

Each key has one writer, whose values count up. A reader notes what was acknowledged before it asks; an older answer ends
the process with 1. A line on standard input begins a new phase; the answer is a line: errors, reads and writes of the last.
"""

import os
import sys
import threading
import time
from urllib.parse import urlparse

import boto3
import botocore.session
from botocore.config import Config

TABLE = "orders"
KEYS = 6

url = os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
acknowledged = [0] * KEYS
counts = {"errors": 0, "reads": 0, "writes": 0}
lock = threading.Lock()
stop = threading.Event()
old = threading.Event()


def count(what):
    with lock:
        counts[what] += 1


def failed(who, error):
    time.sleep(0.05)
    count("errors")
    print(f"{time.time():.2f} {who}: {type(error).__name__}: {error}", file=sys.stderr)


def boto():
    config = Config(retries={"mode": "standard", "total_max_attempts": 8}, connect_timeout=3, read_timeout=20)
    return boto3.client("dynamodb", config=config)


def native():
    """The DAX client; None where the nodes' own addresses cannot be reached from here."""
    parsed = urlparse(url)
    if parsed.hostname in ("127.0.0.1", "localhost"):
        return None
    from amazondax import AmazonDaxClient

    host = f"{parsed.hostname}:{parsed.port}"
    return AmazonDaxClient(botocore.session.get_session(), region_name="us-east-1", endpoints=[host])


def key(number):
    return {"customerId": {"S": f"cache-{number}"}, "orderId": {"S": "1"}}


def write(client, who, number):
    value = 0
    while not stop.is_set():
        value += 1
        try:
            client.put_item(TableName=TABLE, Item={**key(number), "v": {"N": str(value)}})
        except Exception as error:
            failed(f"{who} wrote {number}", error)
            continue
        acknowledged[number] = value
        count("writes")
        time.sleep(0.02)


def read(client, who, offset):
    number = offset
    while not stop.is_set():
        number = (number + 1) % KEYS
        at_least = acknowledged[number]
        try:
            answer = client.get_item(TableName=TABLE, Key=key(number))
        except Exception as error:
            failed(f"{who} read {number}", error)
            continue
        found = int(answer.get("Item", {}).get("v", {"N": "0"})["N"])
        if found < at_least:
            print(f"{who}: {number} was {found} after {at_least} was acknowledged", file=sys.stderr)
            old.set()
        count("reads")
        time.sleep(0.01)


def main():
    boto().delete_item(TableName=TABLE, Key=key(0))
    for number in range(KEYS):
        boto().delete_item(TableName=TABLE, Key=key(number))
    threads = []
    for number in range(KEYS):
        dax = native() if number % 2 else None
        client, who = (dax, "dax") if dax else (boto(), "boto3")
        threads.append(threading.Thread(target=write, args=(client, who, number)))
        threads.append(threading.Thread(target=read, args=(client, who, number)))
    for thread in threads:
        thread.start()
    for line in sys.stdin:
        with lock:
            print(counts["errors"], counts["reads"], counts["writes"], flush=True)
            for what in counts:
                counts[what] = 0
        if line.strip() == "end":
            break
    stop.set()
    for thread in threads:
        thread.join()
    for number in range(KEYS):
        boto().delete_item(TableName=TABLE, Key=key(number))
    sys.exit(1 if old.is_set() else 0)


main()
