"""Tags, limits, endpoints, continuous backups, contributor insights, resource policies (P03, P04)."""

import json

import pytest
from conftest import create_table

NO_SUCH_NAME = "no-such-table"
WRONG = "One or more parameter values were invalid: "
STATEMENT = {"Effect": "Allow", "Principal": "*", "Action": "dynamodb:*", "Resource": "*"}


@pytest.fixture(scope="module")
def table(client):
    name = create_table(client)
    yield client.describe_table(TableName=name)["Table"]
    client.delete_table(TableName=name)


@pytest.fixture
def missing_arn(table):
    return table["TableArn"].replace(table["TableName"], NO_SUCH_NAME)


def tags_of(client, arn):
    return {tag["Key"]: tag["Value"] for tag in client.list_tags_of_resource(ResourceArn=arn)["Tags"]}


def test_tags_come_and_go(client, table):
    arn = table["TableArn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "a", "Value": "2"}])
    assert tags_of(client, arn) == {"a": "2", "b": ""}
    client.untag_resource(ResourceArn=arn, TagKeys=["a", "never-there"])
    assert tags_of(client, arn) == {"b": ""}
    client.untag_resource(ResourceArn=arn, TagKeys=["b"])
    assert tags_of(client, arn) == {}


def test_at_most_fifty_tags(client, refused):
    name = create_table(client)
    arn = client.describe_table(TableName=name)["Table"]["TableArn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": f"k{n}", "Value": "v"} for n in range(50)])
    answer = refused(client.tag_resource, ResourceArn=arn, Tags=[{"Key": "one-more", "Value": "v"}])
    assert answer.code == "ValidationException"
    assert len(tags_of(client, arn)) == 50
    client.delete_table(TableName=name)


def test_refused_tags(client, invalid, refused, table, missing_arn):
    arn = table["TableArn"]
    tags = [{"Key": "a", "Value": "b"}]
    invalid("Atleast one Tag needs to be provided as Input.", client.tag_resource, ResourceArn=arn, Tags=[])
    invalid("Atleast one Tag Key needs to be provided as Input.", client.untag_resource, ResourceArn=arn, TagKeys=[])
    invalid(
        "Invalid TableArn: Invalid ResourceArn provided as input not-an-arn",
        client.tag_resource,
        ResourceArn="not-an-arn",
        Tags=tags,
    )
    empty = [{"Key": "", "Value": "v"}]
    invalid("The Tag Key provided is invalid, Key: ", client.tag_resource, ResourceArn=arn, Tags=empty)
    invalid("The Tag Value provided is invalid, Value: null", client.tag_resource, ResourceArn=arn, Tags=[{"Key": "a"}])
    invalid("The Tag Key provided is invalid, Key: ", client.untag_resource, ResourceArn=arn, TagKeys=[""])
    invalid(
        "Duplicate Tag Keys provided as input: Duplicate Tag Key found a",
        client.tag_resource,
        ResourceArn=arn,
        Tags=tags + tags,
    )
    reserved = refused(client.tag_resource, ResourceArn=arn, Tags=[{"Key": "aws:a", "Value": "b"}])
    assert reserved.code == "ValidationException"
    for call, more in ((client.tag_resource, {"Tags": tags}), (client.untag_resource, {"TagKeys": ["a"]})):
        assert refused(call, ResourceArn=missing_arn, **more).code == "ResourceNotFoundException"
    assert refused(client.list_tags_of_resource, ResourceArn=missing_arn).code == "AccessDeniedException"


def test_limits(client):
    limits = client.describe_limits()
    assert limits["AccountMaxReadCapacityUnits"] == 80000
    assert limits["AccountMaxWriteCapacityUnits"] == 80000
    assert limits["TableMaxReadCapacityUnits"] == 40000
    assert limits["TableMaxWriteCapacityUnits"] == 40000


def test_endpoints(client):
    (endpoint,) = client.describe_endpoints()["Endpoints"]
    assert endpoint["Address"]
    assert endpoint["CachePeriodInMinutes"] == 1440


def test_continuous_backups(client, refused, table, local_settings):
    name = table["TableName"]
    described = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    assert described["ContinuousBackupsStatus"] == "ENABLED"
    assert described["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    on = {"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 7}
    client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=on)
    described = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = described["PointInTimeRecoveryDescription"]
    assert (recovery["PointInTimeRecoveryStatus"], recovery["RecoveryPeriodInDays"]) == ("ENABLED", 7)
    assert recovery["EarliestRestorableDateTime"] <= recovery["LatestRestorableDateTime"]
    client.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    answer = refused(client.describe_continuous_backups, TableName=NO_SUCH_NAME)
    assert (answer.code, answer.message) == ("TableNotFoundException", f"Table not found: {NO_SUCH_NAME}")
    answer = refused(
        client.update_continuous_backups,
        TableName=name,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True, "RecoveryPeriodInDays": 36},
    )
    assert answer.message == (
        "1 validation error detected: Value '36' at 'pointInTimeRecoverySpecification.recoveryPeriodInDays' failed to "
        "satisfy constraint: Member must have value less than or equal to 35"
    )


def test_contributor_insights(client, refused, table):
    name = table["TableName"]
    assert client.describe_contributor_insights(TableName=name)["ContributorInsightsStatus"] == "DISABLED"
    answer = client.update_contributor_insights(TableName=name, ContributorInsightsAction="ENABLE")
    assert answer["ContributorInsightsStatus"] in ("ENABLING", "ENABLED")
    described = client.describe_contributor_insights(TableName=name)
    assert described["ContributorInsightsStatus"] == "ENABLED"
    assert "LastUpdateDateTime" in described
    listed = client.list_contributor_insights(TableName=name)["ContributorInsightsSummaries"]
    assert [(entry["TableName"], entry["ContributorInsightsStatus"]) for entry in listed] == [(name, "ENABLED")]
    client.update_contributor_insights(TableName=name, ContributorInsightsAction="DISABLE")
    assert client.list_contributor_insights(TableName=name)["ContributorInsightsSummaries"] == []
    assert client.describe_contributor_insights(TableName=name)["ContributorInsightsStatus"] == "DISABLED"
    answer = refused(client.describe_contributor_insights, TableName=name, IndexName="no-such-index")
    assert answer.message == f"Requested resource not found: Index: no-such-index not found for table: {name}"
    answer = refused(client.update_contributor_insights, TableName=name, ContributorInsightsAction="ON")
    assert answer.message == (
        "1 validation error detected: Value 'ON' at 'contributorInsightsAction' failed to satisfy constraint: "
        "Member must satisfy enum value set: [ENABLE, DISABLE]"
    )


def test_resource_policies(client, invalid, refused, table, missing_arn, local_settings):
    arn = table["TableArn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})
    assert refused(client.get_resource_policy, ResourceArn=arn).code == "PolicyNotFoundException"
    revision = client.put_resource_policy(ResourceArn=arn, Policy=policy)["RevisionId"]
    held = client.get_resource_policy(ResourceArn=arn)
    assert (held["Policy"], held["RevisionId"]) == (policy, revision)
    answer = refused(client.put_resource_policy, ResourceArn=arn, Policy=policy, ExpectedRevisionId="other")
    assert answer.code == "PolicyNotFoundException"
    assert client.delete_resource_policy(ResourceArn=arn)["RevisionId"] == revision
    assert refused(client.get_resource_policy, ResourceArn=arn).code == "PolicyNotFoundException"
    assert refused(client.get_resource_policy, ResourceArn=missing_arn).code == "ResourceNotFoundException"
    for text, why in (
        ("no json", "This policy contains invalid Json"),
        ("null", "This text appears not to be a policy"),
        ('{"Statement":[]}', "Could not parse the policy: Statement is empty!"),
        ('{"Statement":[{}]}', "Missing required field Effect"),
    ):
        invalid(WRONG + f"Invalid policy document: {why}", client.put_resource_policy, ResourceArn=arn, Policy=text)


def test_encryption_is_described(client, local_settings):
    name = create_table(client, SSESpecification={"Enabled": True, "SSEType": "KMS"})
    described = client.describe_table(TableName=name)["Table"]["SSEDescription"]
    assert (described["Status"], described["SSEType"]) == ("ENABLED", "KMS")
    assert described["KMSMasterKeyArn"].startswith("arn:aws:kms:")
    client.delete_table(TableName=name)


def test_a_cluster_refuses_what_it_would_not_do(request, client, refused, table):
    if request.node.callspec.params["endpoint"] != "cluster":
        pytest.skip("stored and described by `dev`")
    name, arn = table["TableName"], table["TableArn"]
    recovery = {"PointInTimeRecoveryEnabled": True}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]})
    for answer in (
        refused(client.update_continuous_backups, TableName=name, PointInTimeRecoverySpecification=recovery),
        refused(client.put_resource_policy, ResourceArn=arn, Policy=policy),
        refused(create_table, client, SSESpecification={"Enabled": True, "SSEType": "KMS"}),
    ):
        assert (answer.code, answer.status) == ("ValidationException", 400)
        assert "is not supported by this version" in answer.message
