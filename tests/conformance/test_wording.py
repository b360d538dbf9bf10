"""`--wording current`: the texts that the service has changed (model/src/wording.rs)."""

import pytest
from conftest import create_table
from test_ttl import Node

WRONG = "One or more parameter values were invalid: "


@pytest.fixture(scope="module")
def current(request, tmp_path_factory):
    if request.config.getoption("--cluster") or request.config.getoption("--endpoint"):
        pytest.skip("tested with a node of its own")
    node = Node(tmp_path_factory.mktemp("wording"), "--wording=current")
    yield node.client
    node.running.stop()


def test_the_current_words(current, invalid):
    table = create_table(current)
    invalid(
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, "
        "SSESpecification, ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, "
        "DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required",
        current.update_table,
        TableName=table,
    )
    for clause, kind, operand in (("ADD", "STRING", {"S": "x"}), ("DELETE", "NUMBER", {"N": "1"})):
        invalid(
            "1 validation error detected: Invalid UpdateExpression: Incorrect operand type for operator or function; "
            f"operator: {clause}, operand type: {kind}, typeSet: ALLOWED_FOR_{clause}_OPERAND",
            current.update_item,
            TableName=table,
            Key={"pk": {"S": "a"}},
            UpdateExpression=f"{clause} v :v",
            ExpressionAttributeValues={":v": operand},
        )
    index = f"arn:aws:dynamodb:us-east-1:000000000000:table/{table}/index/i"
    for arn, words in (
        ("nonsense", "ARNs must start with 'arn:': nonsense"),
        ("arn:aws:s3:::bucket", "Provided Arn is not a DynamoDB resource arn: arn:aws:s3:::bucket"),
        (index, f"Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {index}"),
    ):
        invalid(WRONG + words, current.tag_resource, ResourceArn=arn, Tags=[{"Key": "a", "Value": "b"}])
