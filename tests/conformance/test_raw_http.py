"""What clients see below the SDK (section 17 of the guide: B11)."""

import http.client
import json
import zlib
from urllib.parse import urlsplit

import pytest

SIGNED = (
    "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, "
    "SignedHeaders=host;x-amz-date, Signature=0000"
)


@pytest.fixture
def send(endpoint):
    target = urlsplit(endpoint)

    def call(body=b"{}", operation="ListTables", method="POST", path="/", headers=None):
        connection = http.client.HTTPConnection(target.hostname, target.port, timeout=30)
        sent = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            "X-Amz-Date": "20260101T000000Z",
            "Authorization": SIGNED,
            **(headers or {}),
        }
        connection.request(method, path, body, {name: value for name, value in sent.items() if value is not None})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    return call


def test_answers_carry_checksum_and_request_id(send):
    answer, content = send()
    assert answer.status == 200
    assert answer.getheader("Content-Type") == "application/x-amz-json-1.0"
    assert int(answer.getheader("x-amz-crc32")) == zlib.crc32(content)
    assert len(answer.getheader("x-amzn-RequestId")) == 52
    assert "TableNames" in json.loads(content)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"nonsense", b'{"TableName": \xff}'])
def test_what_is_not_json(send, body):
    answer, content = send(body, "GetItem")
    assert answer.status == 400
    assert json.loads(content)["__type"] == "com.amazon.coral.service#SerializationException"


@pytest.mark.parametrize("body", [b'{"TableName": 1}', b'{"TableName": "t", "Key": []}', b'{"TableName": "t", "Key": {"pk": {"N": 1}}}'])
def test_wrong_json_types(send, body):
    answer, content = send(body, "GetItem")
    assert answer.status == 400
    assert json.loads(content)["__type"] == "com.amazon.coral.service#SerializationException"


def test_deep_json(send):
    deep = b'{"TableName":"t","Item":{"pk":' + b'{"L":[' * 200_000 + b"]}" * 200_000 + b"}}"
    answer, content = send(deep, "PutItem")
    assert answer.status == 400
    answer, _ = send()
    assert answer.status == 200, "the process survived"


def test_unknown_operation(send):
    for operation in ("Dog", ""):
        answer, content = send(operation=operation)
        assert answer.status == 400
        assert json.loads(content)["__type"] == "com.amazon.coral.service#UnknownOperationException"
    answer, content = send(headers={"X-Amz-Target": None})
    assert json.loads(content)["__type"] == "com.amazon.coral.service#UnknownOperationException"


def test_known_operation_that_is_not_built(send):
    answer, content = send(b'{"Statement": "SELECT * FROM t"}', "ExecuteStatement")
    assert answer.status == 400
    assert json.loads(content)["__type"].split("#")[1] != "UnknownOperationException"


def test_unknown_members_are_ignored(send):
    answer, _ = send(b'{"Dog": {"x": [1, 2, {"y": null}]}}')
    assert answer.status == 200


def test_too_large_a_body(send):
    answer, _ = send(b'{"x": "' + b"a" * (16 * 1024 * 1024) + b'"}', "PutItem")
    assert answer.status == 413


def test_health_needs_no_signature(send):
    answer, content = send(None, method="GET", headers={"Authorization": None, "X-Amz-Target": None})
    assert answer.status == 200
    assert content.startswith(b"healthy: dynamodb.")


def test_other_paths_and_methods(send):
    assert send(method="PUT")[0].status == 404
    assert send(path="/other")[0].status == 404
