"""SigV4 where signatures are verified (section 18 of the guide: B05): a node of its own with two access keys."""

import datetime
import email.utils
import hashlib
import http.client
import json

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from conftest import REGION
from test_ttl import Node

KEYS = {"first": "one secret", "second": "another secret"}
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


@pytest.fixture(scope="module")
def node(request, tmp_path_factory):
    if request.config.getoption("--cluster") or request.config.getoption("--endpoint"):
        pytest.skip("tested with a node of its own")
    folder = tmp_path_factory.mktemp("signatures")
    keys = [
        {"accessKeyId": key, "secretAccessKey": secret, "principal": "root"} for key, secret in KEYS.items()
    ]
    (folder / "credentials.json").write_text(json.dumps({"credentials": keys}))
    node = Node(folder, "--credentials-file", str(folder / "credentials.json"))
    yield node
    node.running.stop()


class At(SigV4Auth):
    """Signs as if the clock were wrong by `seconds`."""

    def __init__(self, seconds, *arguments):
        super().__init__(*arguments)
        self.seconds = seconds

    def add_auth(self, request):
        now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.seconds)
        request.context["timestamp"] = now.strftime("%Y%m%dT%H%M%SZ")
        self._modify_request_before_signing(request)
        string = self.string_to_sign(request, self.canonical_request(request))
        self._inject_signature_to_request(request, self.signature(string, request))


class InQuery(SigV4QueryAuth):
    """Would make the body a part of the query if it saw it."""

    def payload(self, request):
        return hashlib.sha256(b"{}").hexdigest()


class Sender:
    def __init__(self, node):
        self.host = node.endpoint.removeprefix("http://")

    def request(self, body=b"{}", path="/"):
        headers = {
            "Host": self.host,
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDB_20120810.ListTables",
        }
        return AWSRequest("POST", f"http://{self.host}{path}", headers=headers, data=body)

    def send(self, request, body=b"{}"):
        """Status, error name and message, and the headers of the answer."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        path = request.url.removeprefix(f"http://{self.host}")
        connection.request("POST", path, body, dict(request.headers.items()))
        answer = connection.getresponse()
        content = json.loads(answer.read())
        connection.close()
        name = content.get("__type", "").rpartition("#")[2]
        return answer.status, name, content.get("message"), answer

    def signed(self, key="first", secret=None, region=REGION, service="dynamodb", skew=0, token=None):
        request = self.request()
        credentials = Credentials(key, secret or KEYS.get(key, "x"), token)
        At(skew, credentials, service, region).add_auth(request)
        return request


@pytest.fixture
def sender(node):
    return Sender(node)


@pytest.mark.parametrize("key", KEYS)
def test_every_access_key_is_known(sender, key):
    assert sender.send(sender.signed(key))[0] == 200


def test_a_clock_that_is_four_minutes_off_is_good_enough(sender):
    for skew in (-240, 240):
        assert sender.send(sender.signed(skew=skew))[0] == 200


@pytest.mark.parametrize(
    ("settings", "name", "message"),
    [
        ({"key": "third"}, "UnrecognizedClientException", "The security token included in the request is invalid."),
        (
            {"token": "a token of nobody"},
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ),
        ({"secret": "one Secret"}, "InvalidSignatureException", MISMATCH),
        (
            {"region": "eu-west-1"},
            "InvalidSignatureException",
            "Credential should be scoped to a valid region, not 'eu-west-1'. ",
        ),
        (
            {"service": "s3"},
            "InvalidSignatureException",
            "Credential should be scoped to correct service: 'dynamodb'. ",
        ),
    ],
)
def test_refusals(sender, settings, name, message):
    assert sender.send(sender.signed(**settings))[:3] == (400, name, message)


def test_clocks_that_are_wrong_are_told_the_time(sender):
    def at(text):
        return datetime.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)

    for skew, words, window in [
        (-600, ["Signature expired:", "is now earlier than", "(", "- 5 min.)"], -300),
        (600, ["Signature not yet current:", "is still later than", "(", "+ 5 min.)"], 300),
    ]:
        request = sender.signed(skew=skew)
        status, name, message, answer = sender.send(request)
        assert (status, name) == (400, "InvalidSignatureException")
        dates = [word.strip("()") for word in message.split() if word.strip("()")[:2] == "20"]
        assert message == f"{words[0]} {dates[0]} {words[1]} {dates[1]} ({dates[2]} {words[3]}"
        assert dates[0] == request.headers["X-Amz-Date"]
        # An SDK sets its clock by the Date header.
        assert (at(dates[1]) - at(dates[2])).total_seconds() == window
        told = email.utils.parsedate_to_datetime(answer.getheader("Date"))
        assert abs((told - at(dates[2])).total_seconds()) <= 1


def test_what_was_signed_is_what_counts(sender):
    request = sender.signed()
    assert sender.send(request, b"{ }")[1:3] == ("InvalidSignatureException", MISMATCH)
    request = sender.signed()
    request.headers.replace_header("X-Amz-Target", "DynamoDB_20120810.DescribeLimits")
    assert sender.send(request)[1:3] == ("InvalidSignatureException", MISMATCH)


def test_an_unsigned_host_is_refused(sender):
    request = sender.signed()
    given = request.headers["Authorization"].replace(";host;", ";")
    assert given != request.headers["Authorization"]
    request.headers.replace_header("Authorization", given)
    assert sender.send(request)[:2] == (400, "InvalidSignatureException")


def test_signatures_in_the_query(sender):
    request = sender.request(body=b"")
    InQuery(Credentials("second", KEYS["second"]), "dynamodb", REGION, expires=60).add_auth(request)
    prepared = request.prepare()
    del prepared.headers["Content-Length"]
    assert sender.send(prepared)[:3] == (200, "", None)
    prepared.url = prepared.url.replace("X-Amz-Signature=", "X-Amz-Signature=0")
    assert sender.send(prepared)[1:3] == ("InvalidSignatureException", MISMATCH)
