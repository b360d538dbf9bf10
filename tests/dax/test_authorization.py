"""The published client against a cache that verifies signatures (`serve`): right, wrong, and over a restart of the cache."""

import json
import os
import time

import botocore.session
import pytest
from amazondax import AmazonDaxClient
from conftest import conformance

KEY = ("AKIDAPP", "the-secret-of-the-application")


class Cache:
    """A cache with a credentials file and a volume, which can be started again on its port."""

    def __init__(self, node, folder):
        self.folder = folder
        self.port, self.peers, self.ops = conformance.free_ports(3)
        credentials = {"accessKeyId": KEY[0], "secretAccessKey": KEY[1], "principal": "app"}
        (folder / "credentials.json").write_text(json.dumps({"credentials": [credentials]}))
        self.arguments = [
            os.environ["STATOR_DAX_PROXY"], "serve",
            "--upstream", node,
            "--credentials-file", str(folder / "credentials.json"),
            "--data-dir", str(folder / "data"),
            "--listen", f"127.0.0.1:{self.port}",
            "--peer-listen", f"127.0.0.1:{self.peers}",
            "--ops-listen", f"127.0.0.1:{self.ops}",
            "--aws-access-key-id", "any",
            "--aws-secret-access-key", "any",
        ]
        self.start()

    def start(self):
        self.running = conformance.Running(self.arguments, self.ops, self.folder / "log")

    def client(self, key_id=KEY[0], secret=KEY[1], region=conformance.REGION):
        session = botocore.session.get_session()
        session.set_credentials(key_id, secret)
        return AmazonDaxClient(session, region_name=region, endpoints=[f"127.0.0.1:{self.port}"])


@pytest.fixture(scope="module")
def signed(node, tmp_path_factory):
    cache = Cache(node, tmp_path_factory.mktemp("signed"))
    yield cache
    cache.running.stop()


def test_a_right_signature_is_served(signed, hash_table):
    with signed.client() as dax:
        key = {"pk": {"N": "71"}}
        dax.put_item(TableName=hash_table, Item={**key, "a": {"S": "b"}})
        assert dax.get_item(TableName=hash_table, Key=key)["Item"] == {**key, "a": {"S": "b"}}


@pytest.mark.parametrize(
    "wrong", [{"secret": "another-one"}, {"key_id": "AKIDNOBODY"}, {"region": "eu-west-1"}]
)
def test_a_wrong_signature_is_refused_and_reads_nothing(signed, hash_table, wrong):
    key = {"pk": {"N": "72"}}
    with signed.client() as dax:
        dax.put_item(TableName=hash_table, Item={**key, "a": {"S": "secret"}})
    with pytest.raises(Exception) as refused:
        with signed.client(**wrong) as dax:
            dax.get_item(TableName=hash_table, Key=key)
    assert "secret" not in str(refused.value)


def test_a_client_goes_on_over_a_restart_with_what_it_has_learnt(signed, hash_table):
    with signed.client() as dax:
        items = [{"pk": {"N": str(80 + n)}, f"name-{n}": {"S": "x"}, "n": {"N": str(n)}} for n in range(5)]
        for item in items:
            dax.put_item(TableName=hash_table, Item=item)
            assert dax.get_item(TableName=hash_table, Key={"pk": item["pk"]})["Item"] == item
        signed.running.stop()
        signed.start()
        # The client authorises anew by itself; its ids mean what they meant.
        for item in items:
            read = eventually(lambda: dax.get_item(TableName=hash_table, Key={"pk": item["pk"]}))
            assert read["Item"] == item
            item["n"] = {"N": "100"}
            dax.put_item(TableName=hash_table, Item=item)
            assert dax.get_item(TableName=hash_table, Key={"pk": item["pk"]})["Item"] == item


def eventually(call, attempts=40):
    """A client may need some seconds to find the node again; what it answers then must be right."""
    for attempt in range(attempts):
        try:
            return call()
        except Exception:
            if attempt + 1 == attempts:
                raise
            time.sleep(0.25)
