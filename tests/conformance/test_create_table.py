"""CreateTable: every check in its order, and what DescribeTable tells of all members (A17, E01, E05, E08, E12, H13, I03, P01)."""

import uuid

import pytest
from conftest import create_table

WRONG = "One or more parameter values were invalid: "
PK = {"AttributeName": "pk", "KeyType": "HASH"}
SK = {"AttributeName": "sk", "KeyType": "RANGE"}
ALL = {"ProjectionType": "ALL"}


def definitions(*names):
    return [{"AttributeName": name, "AttributeType": "S"} for name in names]


def key(*names):
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(names, ("HASH", "RANGE"), strict=False)]


def index(name, *names, projection=None, **more):
    return {"IndexName": name, "KeySchema": key(*names), "Projection": projection or ALL, **more}


def unique():
    return f"create-{uuid.uuid4().hex[:12]}"


def base(**change):
    request = {
        "TableName": unique(),
        "KeySchema": [PK, SK],
        "AttributeDefinitions": definitions("pk", "sk"),
        "BillingMode": "PAY_PER_REQUEST",
        **change,
    }
    return {name: value for name, value in request.items() if value is not None}


def wait(client, name):
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return client.describe_table(TableName=name)["Table"]


def test_names(client, invalid):
    invalid(
        "The parameter 'TableName' is required but was not present in the request",
        client.create_table,
        **base(TableName=None),
    )
    for name in ("ab", "a" * 256):
        invalid(
            "TableName must be at least 3 characters long and at most 255 characters long",
            client.create_table,
            **base(TableName=name),
        )
    invalid(
        "1 validation error detected: Value 'abc;' at 'tableName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        client.create_table,
        **base(TableName="abc;"),
    )


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (
            {"KeySchema": None, "AttributeDefinitions": None},
            [
                "Value null at 'attributeDefinitions' failed to satisfy constraint: Member must not be null",
                "Value null at 'keySchema' failed to satisfy constraint: Member must not be null",
            ],
        ),
        (
            {
                "KeySchema": [],
                "AttributeDefinitions": [{"AttributeName": "", "AttributeType": "X"}],
                "BillingMode": "FREE",
                "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": -1},
            },
            [
                "Value '' at 'attributeDefinitions.1.member.attributeName' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1",
                "Value 'X' at 'attributeDefinitions.1.member.attributeType' failed to satisfy constraint: "
                "Member must satisfy enum value set: [B, N, S]",
                "Value '[]' at 'keySchema' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1",
                "Value 'FREE' at 'billingMode' failed to satisfy constraint: "
                "Member must satisfy enum value set: [PROVISIONED, PAY_PER_REQUEST]",
                "Value '-1' at 'provisionedThroughput.writeCapacityUnits' failed to satisfy constraint: "
                "Member must have value greater than or equal to 1",
                "Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: "
                "Member must have value greater than or equal to 1",
            ],
        ),
        (
            {"GlobalSecondaryIndexes": [{"IndexName": "a;", "KeySchema": [], "Projection": {"ProjectionType": "X"}}]},
            [
                "Value 'X' at 'globalSecondaryIndexes.1.member.projection.projectionType' failed to satisfy "
                "constraint: Member must satisfy enum value set: [ALL, INCLUDE, KEYS_ONLY]",
                "Value 'a;' at 'globalSecondaryIndexes.1.member.indexName' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
                "Value 'a;' at 'globalSecondaryIndexes.1.member.indexName' failed to satisfy constraint: "
                "Member must have length greater than or equal to 3",
                "Value '[]' at 'globalSecondaryIndexes.1.member.keySchema' failed to satisfy constraint: "
                "Member must have length greater than or equal to 1",
            ],
        ),
        (
            {"LocalSecondaryIndexes": [{}]},
            [
                f"Value null at 'localSecondaryIndexes.1.member.{member}' failed to satisfy constraint: "
                "Member must not be null"
                for member in ("projection", "indexName", "keySchema")
            ],
        ),
        (
            {"StreamSpecification": {"StreamViewType": "BOTH"}},
            [
                "Value null at 'streamSpecification.streamEnabled' failed to satisfy constraint: "
                "Member must not be null",
                "Value 'BOTH' at 'streamSpecification.streamViewType' failed to satisfy constraint: "
                "Member must satisfy enum value set: [NEW_IMAGE, OLD_IMAGE, NEW_AND_OLD_IMAGES, KEYS_ONLY]",
            ],
        ),
    ],
)
def test_constraints_are_gathered(client, refused, change, broken):
    answer = refused(client.create_table, **base(**change))
    assert answer.code == "ValidationException"
    plural = "s" if len(broken) > 1 else ""
    head = f"{len(broken)} validation error{plural} detected: "
    assert answer.message.startswith(head)
    assert sorted(answer.message.removeprefix(head).split("; ")) == sorted(broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}},
            WRONG + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is "
            "PAY_PER_REQUEST",
        ),
        (
            {"BillingMode": None},
            WRONG + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        ),
        (
            {
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": {"ReadCapacityUnits": 10**12 + 1, "WriteCapacityUnits": 10**12 + 1},
            },
            f"Given value {10**12 + 1} for ReadCapacityUnits is out of bounds",
        ),
        (
            {
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 10**12 + 1},
            },
            f"Given value {10**12 + 1} for WriteCapacityUnits is out of bounds",
        ),
        (
            {"KeySchema": key("other")},
            "Invalid KeySchema: Some index key attribute have no definition",
        ),
        (
            {"KeySchema": [{"AttributeName": "pk", "KeyType": "RANGE"}]},
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type",
        ),
        (
            {"KeySchema": [PK, {"AttributeName": "sk", "KeyType": "HASH"}]},
            "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type",
        ),
        (
            {"KeySchema": [PK, {"AttributeName": "pk", "KeyType": "RANGE"}]},
            "Both the Hash Key and the Range Key element in the KeySchema have the same name",
        ),
        ({"LocalSecondaryIndexes": []}, WRONG + "List of LocalSecondaryIndexes is empty"),
        ({"GlobalSecondaryIndexes": []}, WRONG + "List of GlobalSecondaryIndexes is empty"),
        (
            {
                "KeySchema": [PK],
                "AttributeDefinitions": definitions("pk", "a"),
                "LocalSecondaryIndexes": [index("abc", "pk", "a")],
            },
            WRONG + "Table KeySchema does not have a range key, which is required when specifying a "
            "LocalSecondaryIndex",
        ),
        (
            {"LocalSecondaryIndexes": [index("abc", "pk", "a")]},
            WRONG + "Some index key attributes are not defined in AttributeDefinitions. Keys: [pk, a], "
            "AttributeDefinitions: [pk, sk]",
        ),
        (
            {"LocalSecondaryIndexes": [index("abc", "pk")]},
            WRONG + "Index KeySchema does not have a range key for index: abc",
        ),
        (
            {
                "AttributeDefinitions": definitions("pk", "sk", "a"),
                "LocalSecondaryIndexes": [index("abc", "a", "sk")],
            },
            WRONG + "Index KeySchema does not have the same leading hash key as table KeySchema for index: abc. "
            "index hash key: a, table hash key: pk",
        ),
        (
            {"LocalSecondaryIndexes": [index(f"abc{n}", "pk", "sk") for n in range(6)]},
            WRONG + "Number of LocalSecondaryIndexes exceeds per-table limit of 5",
        ),
        (
            {"GlobalSecondaryIndexes": [index("abc", "x")]},
            WRONG + "Some index key attributes are not defined in AttributeDefinitions. Keys: [x], "
            "AttributeDefinitions: [pk, sk]",
        ),
        (
            {"GlobalSecondaryIndexes": [index("abc", "sk", projection={"NonKeyAttributes": ["a"]})]},
            WRONG + "Unknown ProjectionType: null",
        ),
        (
            {
                "GlobalSecondaryIndexes": [
                    index("abc", "sk", projection={"ProjectionType": "ALL", "NonKeyAttributes": ["a"]})
                ]
            },
            WRONG + "ProjectionType is ALL, but NonKeyAttributes is specified",
        ),
        (
            {"GlobalSecondaryIndexes": [index("abc", "sk", projection={"ProjectionType": "INCLUDE"})]},
            WRONG + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified",
        ),
        (
            {
                "GlobalSecondaryIndexes": [
                    index("abc", "sk", ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1})
                ]
            },
            WRONG + "ProvisionedThroughput should not be specified for index: abc when BillingMode is PAY_PER_REQUEST",
        ),
        (
            {
                "BillingMode": "PROVISIONED",
                "ProvisionedThroughput": {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
                "GlobalSecondaryIndexes": [index("abc", "sk")],
            },
            WRONG + "ProvisionedThroughput is not specified for index: abc",
        ),
        (
            {"GlobalSecondaryIndexes": [index(f"abc{n}", "sk") for n in range(21)]},
            WRONG + "GlobalSecondaryIndex count exceeds the per-table limit of 20",
        ),
        (
            {"GlobalSecondaryIndexes": [index("abc", "sk"), index("abc", "pk")]},
            WRONG + "Duplicate index name: abc",
        ),
        (
            {"LocalSecondaryIndexes": [index("abc", "pk", "sk")], "GlobalSecondaryIndexes": [index("abc", "sk")]},
            WRONG + "Duplicate index name: abc",
        ),
        (
            {"AttributeDefinitions": definitions("pk", "sk", "x")},
            WRONG + "Number of attributes in KeySchema does not exactly match number of attributes defined in "
            "AttributeDefinitions",
        ),
    ],
)
def test_refused_definitions(client, invalid, refused, change, message):
    request = base(**change)
    invalid(message, client.create_table, **request)
    assert refused(client.describe_table, TableName=request["TableName"]).code == "ResourceNotFoundException"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"StreamSpecification": {"StreamEnabled": True}},
            WRONG + "Table is being created with a stream enabled, UpdateViewType is required",
        ),
        (
            {"StreamSpecification": {"StreamEnabled": False, "StreamViewType": "KEYS_ONLY"}},
            WRONG + "Table is being created with a stream disabled, UpdateViewType should not be specified",
        ),
        (
            {"SSESpecification": {"Enabled": False, "SSEType": "KMS"}},
            WRONG + "SSEType can not be specified if Enabled is false",
        ),
        ({"SSESpecification": {"Enabled": True, "SSEType": "AES256"}}, WRONG + "SSEType AES256 is not supported"),
        (
            {"SSESpecification": {"Enabled": True, "KMSMasterKeyId": "alias/k"}},
            WRONG + "SSEType KMS is required if KMSMasterKeyId is specified",
        ),
        (
            {"TableClass": "GLACIER"},
            "Invalid table-class parameter provided. Please try again with a valid table-class value: "
            "[STANDARD, STANDARD_INFREQUENT_ACCESS].",
        ),
        (
            {"OnDemandThroughput": {"MaxReadRequestUnits": 0}},
            WRONG + "Requested MaxReadRequestUnits for OnDemandThroughput for table is outside of valid range",
        ),
        (
            {"WarmThroughput": {"ReadUnitsPerSecond": 1}},
            WRONG + "Requested ReadUnitsPerSecond for WarmThroughput for table is lower than initial throughput for "
            "OnDemand. See: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/"
            "on-demand-capacity-mode.html#on-demand-capacity-mode-initial",
        ),
        ({"Tags": [{"Key": "", "Value": "v"}]}, "The Tag Key provided is invalid, Key: "),
        ({"Tags": [{"Key": "aws:x", "Value": "v"}]}, "Tag Key cannot be prefixed with aws:, Key: aws:x"),
        (
            {"ResourcePolicy": "{}"},
            WRONG + "Invalid policy document: Syntax error at position (1,3)",
        ),
    ],
)
def test_settings_that_do_not_fit(client, invalid, change, message):
    invalid(message, client.create_table, **base(**change))


def test_a_table_with_everything_is_described(client):
    request = base(
        AttributeDefinitions=definitions("pk", "sk", "a", "b", "c"),
        LocalSecondaryIndexes=[index("by-a", "pk", "a", projection={"ProjectionType": "KEYS_ONLY"})],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-b-c",
                "KeySchema": [
                    {"AttributeName": "b", "KeyType": "HASH"},
                    {"AttributeName": "c", "KeyType": "HASH"},
                    {"AttributeName": "a", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["x", "y"]},
            }
        ],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        OnDemandThroughput={"MaxReadRequestUnits": 7, "MaxWriteRequestUnits": 8},
        TableClass="STANDARD_INFREQUENT_ACCESS",
        DeletionProtectionEnabled=False,
    )
    made = client.create_table(**request)["TableDescription"]
    assert made["TableStatus"] == "CREATING"
    assert made["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING"
    described = wait(client, request["TableName"])
    arn = described["TableArn"]
    local = described["LocalSecondaryIndexes"][0]
    assert local["IndexArn"] == f"{arn}/index/by-a"
    assert local["KeySchema"] == key("pk", "a")
    assert local["Projection"] == {"ProjectionType": "KEYS_ONLY"}
    assert "IndexStatus" not in local
    (made_global,) = described["GlobalSecondaryIndexes"]
    assert made_global["KeySchema"] == request["GlobalSecondaryIndexes"][0]["KeySchema"]
    assert made_global["Projection"] == request["GlobalSecondaryIndexes"][0]["Projection"]
    assert made_global["IndexStatus"] == "ACTIVE"
    assert made_global["IndexArn"] == f"{arn}/index/by-b-c"
    assert described["StreamSpecification"] == request["StreamSpecification"]
    assert described["LatestStreamArn"] == f"{arn}/stream/{described['LatestStreamLabel']}"
    assert described["OnDemandThroughput"] == request["OnDemandThroughput"]
    assert described["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert described["WarmThroughput"] == {
        "ReadUnitsPerSecond": 12000,
        "WriteUnitsPerSecond": 4000,
        "Status": "ACTIVE",
    }
    deleted = client.delete_table(TableName=request["TableName"])["TableDescription"]
    assert deleted["TableStatus"] == "DELETING"
    assert not {"AttributeDefinitions", "GlobalSecondaryIndexes", "LocalSecondaryIndexes"} & set(deleted)


def test_tags_are_given_at_creation(client):
    tags = [{"Key": "team", "Value": "a"}, {"Key": "empty", "Value": ""}]
    name = create_table(client, Tags=tags)
    arn = client.describe_table(TableName=name)["Table"]["TableArn"]
    listed = client.list_tags_of_resource(ResourceArn=arn)["Tags"]
    assert sorted(listed, key=lambda tag: tag["Key"]) == sorted(tags, key=lambda tag: tag["Key"])
    client.delete_table(TableName=name)


def test_most_indexes(client):
    request = base(
        AttributeDefinitions=definitions("pk", "sk"),
        LocalSecondaryIndexes=[index(f"local-{n}", "pk", "sk") for n in range(5)],
        GlobalSecondaryIndexes=[index(f"global-{n}", "sk", "pk") for n in range(20)],
    )
    client.create_table(**request)
    described = wait(client, request["TableName"])
    assert len(described["LocalSecondaryIndexes"]) == 5
    assert len(described["GlobalSecondaryIndexes"]) == 20
    client.delete_table(TableName=request["TableName"])
