"""Every operation of the installed botocore answers something typed, and the compatibility page agrees."""

import pathlib

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.httpsession import URLLib3Session
from conftest import ACCESS_KEY, REGION, SECRET_KEY

PAGE = pathlib.Path(__file__).parents[2] / "docs/compatibility.md"
MODELS = [botocore.session.get_session().get_service_model(name) for name in ("dynamodb", "dynamodbstreams")]
OPERATIONS = [(model.metadata["targetPrefix"], name) for model in MODELS for name in model.operation_names]


def call(endpoint, target, body):
    request = AWSRequest(
        "POST",
        endpoint,
        data=body,
        headers={"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0"},
    )
    SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "dynamodb", REGION).add_auth(request)
    return URLLib3Session().send(request.prepare())


@pytest.mark.parametrize(("prefix", "name"), OPERATIONS, ids=[name for _, name in OPERATIONS])
@pytest.mark.parametrize("body", ["{}", '{"TableName":"no-such-table"}'])
def test_every_operation_answers_something_typed(endpoint, prefix, name, body):
    answer = call(endpoint, f"{prefix}.{name}", body)
    assert answer.status_code in (200, 400), answer.content
    if answer.status_code == 400:
        error = answer.content.decode()
        assert '"__type":"' in error
        assert "UnknownOperationException" not in error


@pytest.mark.parametrize(("prefix", "name"), OPERATIONS, ids=[name for _, name in OPERATIONS])
def test_the_compatibility_page_says_what_the_node_says(endpoint, request, prefix, name):
    if request.node.callspec.params["endpoint"] != "node":
        pytest.skip("the page is about the storage node")
    (row,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {name} |")]
    answer = call(endpoint, f"{prefix}.{name}", "{}").content.decode()
    assert ("is not supported by this version" in answer) == ("not built" in row), answer
