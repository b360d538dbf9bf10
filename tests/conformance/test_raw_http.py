"""What clients see below the SDK (section 17 of the guide: B11)."""

import gzip
import http.client
import json
import uuid
import zlib
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import ACCESS_KEY, REGION, SECRET_KEY


def signature(url, method, body):
    """The headers that sign a request: host, date and body."""
    request = AWSRequest(method, url, data=body)
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "dynamodb", REGION).add_auth(request)
    return {name: request.headers[name] for name in ("Authorization", "X-Amz-Date")}


@pytest.fixture
def send(endpoint):
    target = urlsplit(endpoint)

    def call(body=b"{}", operation="ListTables", method="POST", path="/", headers=None):
        connection = http.client.HTTPConnection(target.hostname, target.port, timeout=30)
        sent = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": f"DynamoDB_20120810.{operation}",
            **signature(f"{endpoint}{path}", method, body),
            **(headers or {}),
        }
        connection.request(method, path, body, {name: value for name, value in sent.items() if value is not None})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer, content

    return call


@pytest.fixture
def send_to_node(request, send):
    """For what only the storage node does: the cache answers no browsers and compresses nothing."""
    if request.node.callspec.params["endpoint"] == "cache":
        pytest.skip("not a matter of the cache")
    return send


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


def error_of(content):
    answer = json.loads(content)
    return answer["__type"].split("#")[1], answer.get("message", answer.get("Message"))


def test_content_types(send_to_node):
    for given, answered in (
        ("application/x-amz-json-1.0", "application/x-amz-json-1.0"),
        ("application/x-amz-json-1.0; charset=utf-8", "application/x-amz-json-1.0"),
        ("application/json", "application/json"),
    ):
        answer, _ = send_to_node(headers={"Content-Type": given})
        assert (answer.status, answer.getheader("Content-Type")) == (200, answered)
    for given in ("text/plain", "application/x-amz-json-1.1", None):
        answer, content = send_to_node(headers={"Content-Type": given})
        assert (answer.status, content) == (404, b"<UnknownOperationException/>\n")
        assert len(answer.getheader("x-amzn-RequestId")) == 52
        assert int(answer.getheader("x-amz-crc32")) == zlib.crc32(content)


def test_bodies_that_are_not_json_are_told_before_the_target(send_to_node):
    answer, content = send_to_node(b"hi", "Dog")
    assert answer.status == 400
    assert json.loads(content) == {"__type": "com.amazon.coral.service#SerializationException"}


def test_browsers_may_call(send_to_node):
    answer, content = send_to_node(
        None,
        method="OPTIONS",
        headers={
            "Origin": "https://example.com",
            "Access-Control-Request-Headers": "x-amz-target, authorization",
            "Access-Control-Request-Method": "POST",
            "Authorization": None,
        },
    )
    assert (answer.status, content) == (200, b"")
    assert answer.getheader("Access-Control-Allow-Origin") == "*"
    assert answer.getheader("Access-Control-Max-Age") == "172800"
    assert answer.getheader("Access-Control-Allow-Headers") == "x-amz-target, authorization"
    assert answer.getheader("Access-Control-Allow-Methods") == "POST"
    assert len(answer.getheader("x-amzn-RequestId")) == 52
    assert send_to_node(headers={"Origin": "x"})[0].getheader("Access-Control-Allow-Origin") == "*"
    assert send_to_node()[0].getheader("Access-Control-Allow-Origin") is None
    assert send_to_node(None, method="OPTIONS", headers={"Authorization": None})[0].status == 404


def test_compressed_requests(send):
    compressed = {"Content-Encoding": "gzip"}
    whole = gzip.compress(b"{}")
    for body in (whole, gzip.compress(b"{") + gzip.compress(b"}")):
        answer, content = send(body, headers=compressed)
        assert answer.status == 200
        assert "TableNames" in json.loads(content)
    for body in (whole[:-1], whole + b"x", b"{}", whole[:-5] + b"xxxxx"):
        answer, content = send(body, headers=compressed)
        assert (answer.status, error_of(content)[0]) == (400, "SerializationException")


def test_the_limit_on_bodies_is_on_what_they_hold(send):
    body = gzip.compress(b'{"x": "' + b"a" * (16 * 1024 * 1024) + b'"}')
    assert send(body, headers={"Content-Encoding": "gzip"})[0].status == 413


def test_compressed_answers(send_to_node, client, hash_table):
    key = {"pk": {"S": uuid.uuid4().hex}}
    client.put_item(TableName=hash_table, Item={**key, "x": {"S": "x" * 10_000}})
    body = json.dumps({"TableName": hash_table, "Key": key, "ConsistentRead": True}).encode()
    plain_answer, plain = send_to_node(body, "GetItem")
    assert plain_answer.getheader("Content-Encoding") is None
    answer, packed = send_to_node(body, "GetItem", headers={"Accept-Encoding": "gzip, deflate"})
    assert answer.getheader("Content-Encoding") == "gzip"
    assert len(packed) < len(plain)
    assert int(answer.getheader("x-amz-crc32")) == zlib.crc32(packed)
    assert gzip.decompress(packed) == plain
    answer, _ = send_to_node(body, "GetItem", headers={"Accept-Encoding": "identity"})
    assert answer.getheader("Content-Encoding") is None


def test_signatures_that_are_missing(send_to_node):
    for given in (None, "X", "Basic abc"):
        answer, content = send_to_node(headers={"Authorization": given})
        assert answer.status == 400
        assert error_of(content) == (
            "MissingAuthenticationTokenException",
            "Request is missing Authentication Token",
        )


@pytest.mark.parametrize(
    ("given", "date", "missing"),
    [
        ("AWS4-", None, ["'Credential' parameter", "'Signature' parameter", "'SignedHeaders' parameter", "date"]),
        ("AWS4-HMAC-SHA256 Credential=a", "20260101T000000Z", ["'Signature' parameter", "'SignedHeaders' parameter"]),
        ("AWS4-HMAC-SHA256 Signature=a SignedHeaders=b", "20260101T000000Z", ["'Credential' parameter"]),
        ("AWS4-HMAC-SHA256 Credential=a, Signature=b, SignedHeaders=c", None, ["date"]),
    ],
)
def test_signatures_that_are_incomplete(send_to_node, given, date, missing):
    answer, content = send_to_node(headers={"Authorization": given, "X-Amz-Date": date})
    dated = "existence of either a 'X-Amz-Date' or a 'Date' header"
    text = "".join(f"Authorization header requires {dated if part == 'date' else part}. " for part in missing)
    assert answer.status == 400
    assert error_of(content) == ("IncompleteSignatureException", f"{text}Authorization={given}")


def test_signatures_in_the_query(send_to_node):
    unsigned = {"Authorization": None, "X-Amz-Date": None}
    names = ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"]
    answer, content = send_to_node(path="/?X-Amz-Algorithm", headers=unsigned)
    text = "".join(f"AWS query-string parameters must include '{name}'. " for name in names)
    assert error_of(content) == (
        "IncompleteSignatureException",
        text + "Re-examine the query-string parameters.",
    )
    path = "/?" + "&".join(f"{name}=a" for name in names[:-1])
    answer, content = send_to_node(path=path, headers=unsigned)
    assert error_of(content) == (
        "IncompleteSignatureException",
        "AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters.",
    )
    answer, content = send_to_node(path="/?X-Amz-Algorithm=a")
    assert error_of(content) == (
        "InvalidSignatureException",
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    )
    credential = quote("local/20260101/us-east-1/dynamodb/aws4_request", safe="")
    values = ["AWS4-HMAC-SHA256", credential, "0000", "host", "20260101T000000Z"]
    path = "/?" + "&".join(f"{name}={value}" for name, value in zip(names, values))
    assert send_to_node(path=path, headers=unsigned)[0].status in (200, 400)


PLACES = [
    # operation, body with %s in the place, what the place is read into
    ("PutItem", '{"TableName": %s}', "String"),
    ("PutItem", '{"ReturnValues": %s}', "String"),
    ("PutItem", '{"Item": %s}', "Map<AttributeValue>"),
    ("PutItem", '{"Item": {"a": %s}}', "ValueStruct<AttributeValue>"),
    ("PutItem", '{"Item": {"a": {"M": {"b": %s}}}}', "ValueStruct<AttributeValue>"),
    ("PutItem", '{"Item": {"a": {"L": [%s]}}}', "ValueStruct<AttributeValue>"),
    ("PutItem", '{"Item": {"a": {"L": %s}}}', "List"),
    ("PutItem", '{"Item": {"a": {"SS": %s}}}', "List"),
    ("PutItem", '{"Item": {"a": {"SS": [%s]}}}', "String"),
    ("PutItem", '{"Item": {"a": {"N": %s}}}', "String"),
    ("PutItem", '{"Item": {"a": {"B": %s}}}', "Blob"),
    ("PutItem", '{"Item": {"a": {"BOOL": %s}}}', "Boolean"),
    ("PutItem", '{"Expected": %s}', "Map<ExpectedAttributeValue>"),
    ("PutItem", '{"Expected": {"a": %s}}', "ValueStruct<ExpectedAttributeValue>"),
    ("PutItem", '{"Expected": {"a": {"Value": %s}}}', "FieldStruct<AttributeValue>"),
    ("PutItem", '{"Expected": {"a": {"Exists": %s}}}', "Boolean"),
    ("PutItem", '{"ExpressionAttributeNames": %s}', "Map<java.lang.String>"),
    ("PutItem", '{"ExpressionAttributeNames": {"#a": %s}}', "String"),
    ("PutItem", '{"ExpressionAttributeValues": {":a": %s}}', "ValueStruct<AttributeValue>"),
    ("UpdateItem", '{"AttributeUpdates": %s}', "Map<AttributeValueUpdate>"),
    ("UpdateItem", '{"AttributeUpdates": {"a": %s}}', "ValueStruct<AttributeValueUpdate>"),
    ("GetItem", '{"ConsistentRead": %s}', "Boolean"),
    ("GetItem", '{"AttributesToGet": %s}', "List"),
    ("GetItem", '{"AttributesToGet": [%s]}', "String"),
    ("Query", '{"Limit": %s}', "Integer"),
    ("Query", '{"KeyConditions": {"a": %s}}', "ValueStruct<Condition>"),
    ("Query", '{"KeyConditions": {"a": {"AttributeValueList": [%s]}}}', "ValueStruct<AttributeValue>"),
    ("BatchGetItem", '{"RequestItems": %s}', "Map<KeysAndAttributes>"),
    ("BatchGetItem", '{"RequestItems": {"a": %s}}', "ValueStruct<KeysAndAttributes>"),
    ("BatchGetItem", '{"RequestItems": {"a": {"Keys": %s}}}', "List"),
    ("BatchGetItem", '{"RequestItems": {"a": {"Keys": [%s]}}}', "MemberMap<AttributeValue>"),
    ("BatchWriteItem", '{"RequestItems": {"a": %s}}', "MemberList"),
    ("BatchWriteItem", '{"RequestItems": {"a": [%s]}}', "ValueStruct<WriteRequest>"),
    ("BatchWriteItem", '{"RequestItems": {"a": [{"PutRequest": %s}]}}', "FieldStruct<PutRequest>"),
]


def refusals(place):
    """What the place says to JSON that it does not take, as the service's Java parser words it."""
    kind, _, name = place.rstrip(">").partition("<")
    java = name if "java" in name else f"com.amazonaws.dynamodb.v20120810.{name}"
    collection = "Unrecognized collection type "
    given = {"true": "TRUE_VALUE", "3": "NUMBER_VALUE", '"3"': "STRING_VALUE"}
    structure = "Start of structure or map found where not expected"
    if kind in ("String", "Integer"):
        own = {"String": '"3"', "Integer": "3"}[kind]
        texts = {json_text: f"{token} cannot be converted to {kind}" for json_text, token in given.items() if json_text != own}
        return {**texts, "[]": f"{collection}class java.lang.{kind}", "{}": structure}
    if kind == "Boolean":
        number = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an Boolean"
        return {'"3"': "Unexpected token received from parser", "3": number, "[]": f"{collection}class java.lang.Boolean", "{}": structure}
    if kind == "Blob":
        no_text = "only base-64-encoded strings are convertible to bytes"
        return {
            "true": no_text,
            "3": no_text,
            "[]": f"{collection}class java.nio.ByteBuffer",
            "{}": structure,
            '"23456"': "Base64 encoded length is expected a multiple of 4 bytes but found: 5",
            '"=+/="': "Invalid Base64 character: '='",
            '"+/+="': "Invalid last non-pad Base64 character dectected",
        }
    cast = "sun.reflect.generics.reflectiveObjects.ParameterizedTypeImpl"
    scalar = {
        "ValueStruct": "Unexpected value type in payload",
        "MemberList": f"class {cast} cannot be cast to class java.lang.Class "
        f"({cast} and java.lang.Class are in module java.base of loader 'bootstrap')",
    }
    scalar["MemberMap"] = scalar["MemberList"]
    texts = dict.fromkeys(given, scalar.get(kind, "Unexpected field type"))
    if kind in ("List", "MemberList"):
        return {**texts, "{}": structure}
    if kind in ("Map", "MemberMap"):
        return {**texts, "[]": f"{collection}java.util.Map<java.lang.String, {java}>"}
    return {**texts, "[]": f"{collection}class {java}"}


@pytest.mark.parametrize(("operation", "body", "place"), PLACES)
def test_wrong_json_types_are_told_in_the_services_words(send_to_node, operation, body, place):
    for given, text in refusals(place).items():
        answer, content = send_to_node((body % given).encode(), operation)
        assert answer.status == 400
        assert json.loads(content) == {
            "__type": "com.amazon.coral.service#SerializationException",
            "Message": text,
        }, given
