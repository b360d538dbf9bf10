"""The published client over `daxs://`: it checks the chain and the name of the Service against every node."""

import os

import botocore.session
import pytest
from amazondax import AmazonDaxClient
from certificate import certificate
from conftest import conformance


@pytest.fixture
def sealed(node, tmp_path):
    """A cache with a TLS port and a certificate for `localhost`: its URL, and the file of the authority."""
    authority = certificate(tmp_path, "localhost")
    port, ops, tls = conformance.free_ports(3)
    running = conformance.Running(
        [
            os.environ["STATOR_DAX_PROXY"], "dev",
            "--upstream", node,
            "--listen", f"127.0.0.1:{port}",
            "--ops-listen", f"127.0.0.1:{ops}",
            "--tls-listen", f"127.0.0.1:{tls}",
            "--tls-dir", str(tmp_path),
        ],
        ops,
        tmp_path / "log",
    )
    yield tls, authority
    running.stop()


def client(url):
    session = botocore.session.get_session()
    session.set_credentials("local", "local")
    return AmazonDaxClient(session, region_name=conformance.REGION, endpoints=[url])


def test_reads_and_writes(sealed, hash_table, monkeypatch):
    port, authority = sealed
    monkeypatch.setenv("SSL_CERT_FILE", authority)
    with client(f"daxs://localhost:{port}") as dax:
        key = {"pk": {"N": "41"}}
        dax.put_item(TableName=hash_table, Item={**key, "a": {"S": "x" * 100_000}})
        for _ in range(3):
            assert dax.get_item(TableName=hash_table, Key=key)["Item"]["a"]["S"] == "x" * 100_000


@pytest.mark.parametrize("trusted", [True, False])
def test_clients_that_check_are_refused_by_themselves(sealed, hash_table, monkeypatch, trusted):
    port, authority = sealed
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", authority)
    # Trusted: the name is another. Not trusted: the name is right.
    host = "127.0.0.1" if trusted else "localhost"
    with pytest.raises(Exception, match="(?i)certificate|endpoint|ssl|discover"):
        with client(f"daxs://{host}:{port}") as dax:
            dax.get_item(TableName=hash_table, Key={"pk": {"N": "41"}})
