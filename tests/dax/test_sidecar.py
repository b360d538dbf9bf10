"""The published client and boto3 through a cache in a pod (`sidecar`), behind a cache that verifies signatures."""

import os
import time

import boto3
import botocore.session
import pytest
from amazondax import AmazonDaxClient
from conftest import conformance
from test_authorization import KEY, Cache


@pytest.fixture(scope="module")
def cluster(node, tmp_path_factory):
    cache = Cache(node, tmp_path_factory.mktemp("cluster"))
    yield cache
    cache.running.stop()


class Sidecar:
    def __init__(self, cluster, folder):
        self.port, ops = conformance.free_ports(2)
        arguments = [
            os.environ["STATOR_DAX_PROXY"], "sidecar",
            "--cluster", f"http://127.0.0.1:{cluster.port}",
            "--listen", f"127.0.0.1:{self.port}",
            "--ops-listen", f"127.0.0.1:{ops}",
            "--data-dir", str(folder / "data"),
            "--aws-access-key-id", KEY[0],
            "--aws-secret-access-key", KEY[1],
        ]
        self.running = conformance.Running(arguments, ops, folder / "log")

    def dax(self, key=KEY):
        session = botocore.session.get_session()
        session.set_credentials(*key)
        return AmazonDaxClient(session, region_name=conformance.REGION, endpoints=[f"127.0.0.1:{self.port}"])

    def boto3(self, key=KEY):
        return boto3.client(
            "dynamodb",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name=conformance.REGION,
            aws_access_key_id=key[0],
            aws_secret_access_key=key[1],
        )


@pytest.fixture(scope="module")
def sidecar(cluster, tmp_path_factory):
    sidecar = Sidecar(cluster, tmp_path_factory.mktemp("sidecar"))
    yield sidecar
    sidecar.running.stop()


def test_items_and_pages_are_what_the_store_has(sidecar, table, direct):
    with sidecar.dax() as dax:
        names = {"#v": "v"}
        for number in range(3):
            key = {"pk": {"S": "sidecar"}, "sk": {"N": str(number)}}
            dax.put_item(TableName=table, Item={**key, "v": {"S": "1"}})
            updated = dax.update_item(
                TableName=table,
                Key=key,
                UpdateExpression="SET #v = :v",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={":v": {"S": "2"}},
                ReturnValues="ALL_NEW",
            )
            assert updated["Attributes"] == {**key, "v": {"S": "2"}}
            for client in (dax, sidecar.boto3(), direct):
                assert client.get_item(TableName=table, Key=key)["Item"] == {**key, "v": {"S": "2"}}
        query = {
            "TableName": table,
            "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": "sidecar"}},
        }
        assert dax.query(**query)["Items"] == direct.query(**query)["Items"]
        absent = {"pk": {"S": "sidecar"}, "sk": {"N": "99"}}
        assert "Item" not in dax.get_item(TableName=table, Key=absent)


def test_what_is_written_through_the_cluster_is_seen(sidecar, cluster, hash_table):
    key = {"pk": {"N": "171"}}
    with sidecar.dax() as near, cluster.client() as far:
        for v in "abc":
            item = {**key, "v": {"S": v}}
            far.put_item(TableName=hash_table, Item=item)
            deadline = time.monotonic() + 20
            while near.get_item(TableName=hash_table, Key=key).get("Item") != item:
                assert time.monotonic() < deadline
                time.sleep(0.01)


def test_another_key_is_the_clusters_to_judge(sidecar, hash_table):
    """Over HTTP it is passed on as it is signed; a native connection is of one key, and the cluster never sees it."""
    stranger = ("AKIDNOBODY", "nothing")
    request = {"TableName": hash_table, "Key": {"pk": {"N": "172"}}}
    with pytest.raises(Exception, match="UnrecognizedClientException"):
        sidecar.boto3(stranger).get_item(**request)
    with pytest.raises(Exception), sidecar.dax(stranger) as dax:
        dax.get_item(**request)
