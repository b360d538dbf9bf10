"""TransactWriteItems and TransactGetItems (G01, G02, G03, G05, G06)."""

import uuid

import pytest
from botocore.exceptions import ClientError

CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons"
DOES_NOT_MATCH = "The provided key element does not match the schema"
TWICE = "Transaction request cannot include multiple operations on one item"


def other():
    """Another partition key, most likely in another partition."""
    return {"S": uuid.uuid4().hex}


def put(table, item, **more):
    return {"Put": {"TableName": table, "Item": item, **more}}


def delete(table, pk, **more):
    return {"Delete": {"TableName": table, "Key": {"pk": pk}, **more}}


def check(table, pk, condition, **more):
    return {"ConditionCheck": {"TableName": table, "Key": {"pk": pk}, "ConditionExpression": condition, **more}}


def update(table, pk, expression, **more):
    return {"Update": {"TableName": table, "Key": {"pk": pk}, "UpdateExpression": expression, **more}}


def get(table, pk, **more):
    return {"Get": {"TableName": table, "Key": {"pk": pk}, **more}}


def read(client, table, pk):
    return client.get_item(TableName=table, Key={"pk": pk}, ConsistentRead=True).get("Item")


@pytest.fixture
def cancelled(refused):
    """Calls a function that must be cancelled; the codes of its reasons and the reasons themselves."""

    def call(function, **parameters):
        answer = refused(function, **parameters)
        assert (answer.code, answer.status) == ("TransactionCanceledException", 400)
        reasons = answer.response["CancellationReasons"]
        codes = [reason["Code"] for reason in reasons]
        assert answer.response["Error"]["Message"] == f"{CANCELLED} [{', '.join(codes)}]"
        for reason in reasons:
            assert ("Message" in reason) == (reason["Code"] != "None")
        return codes, reasons

    return call


def test_all_kinds_of_actions_happen_together(client, hash_table, pk):
    updated, deleted, checked = other(), other(), other()
    client.put_item(TableName=hash_table, Item={"pk": deleted})
    client.put_item(TableName=hash_table, Item={"pk": checked, "n": {"N": "1"}})
    answer = client.transact_write_items(
        TransactItems=[
            put(hash_table, {"pk": pk, "a": {"S": "x"}}),
            update(hash_table, updated, "ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}}),
            delete(hash_table, deleted),
            check(hash_table, checked, "n = :one", ExpressionAttributeValues={":one": {"N": "1"}}),
        ]
    )
    assert set(answer) == {"ResponseMetadata"}
    assert read(client, hash_table, pk) == {"pk": pk, "a": {"S": "x"}}
    assert read(client, hash_table, updated) == {"pk": updated, "n": {"N": "1"}}
    assert read(client, hash_table, deleted) is None
    assert read(client, hash_table, checked) == {"pk": checked, "n": {"N": "1"}}


def test_tables_may_differ(client, hash_table, sorted_table, pk):
    client.transact_write_items(
        TransactItems=[
            put(hash_table, {"pk": pk}),
            put(sorted_table, {"pk": pk, "sk": {"S": "a"}}),
        ]
    )
    answer = client.transact_get_items(
        TransactItems=[
            {"Get": {"TableName": sorted_table, "Key": {"pk": pk, "sk": {"S": "a"}}}},
            get(hash_table, pk),
        ]
    )
    assert answer["Responses"] == [{"Item": {"pk": pk, "sk": {"S": "a"}}}, {"Item": {"pk": pk}}]


def test_every_failed_condition_is_told_and_nothing_happens(client, hash_table, pk, cancelled):
    there, second = other(), other()
    client.put_item(TableName=hash_table, Item={"pk": there, "a": {"S": "x"}})
    codes, reasons = cancelled(
        client.transact_write_items,
        TransactItems=[
            put(hash_table, {"pk": pk}),
            check(
                hash_table,
                there,
                "attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            ),
            update(
                hash_table,
                second,
                "SET a = :a",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeValues={":a": {"S": "y"}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            ),
        ],
    )
    assert codes == ["None", "ConditionalCheckFailed", "ConditionalCheckFailed"]
    assert reasons[1] == {
        "Code": "ConditionalCheckFailed",
        "Message": "The conditional request failed",
        "Item": {"pk": there, "a": {"S": "x"}},
    }
    assert "Item" not in reasons[2]
    assert read(client, hash_table, pk) is None
    assert read(client, hash_table, second) is None


def test_the_item_of_a_failed_condition_is_told_only_when_asked(client, hash_table, pk, cancelled):
    client.put_item(TableName=hash_table, Item={"pk": pk})
    codes, reasons = cancelled(
        client.transact_write_items,
        TransactItems=[delete(hash_table, pk, ConditionExpression="attribute_not_exists(pk)")],
    )
    assert codes == ["ConditionalCheckFailed"]
    assert "Item" not in reasons[0]


def test_conditions_see_the_items_before_the_transaction(client, hash_table, pk, cancelled):
    second = other()
    codes, _ = cancelled(
        client.transact_write_items,
        TransactItems=[put(hash_table, {"pk": pk}), check(hash_table, second, "attribute_exists(pk)")],
    )
    assert codes == ["None", "ConditionalCheckFailed"]


@pytest.mark.parametrize(
    "action, message",
    [
        (lambda t, pk: put(t, {"pk": {"N": "1"}}),
         "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N"),
        (lambda t, pk: put(t, {"a": pk}), "One or more parameter values were invalid: Missing the key pk in the item"),
        (lambda t, pk: delete(t, {"N": "1"}), DOES_NOT_MATCH),
        (lambda t, pk: {"Delete": {"TableName": t, "Key": {"pk": pk, "x": pk}}}, DOES_NOT_MATCH),
        (lambda t, pk: update(t, pk, "SET pk = :v", ExpressionAttributeValues={":v": {"S": "x"}}),
         "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key"),
    ],
)
def test_an_action_against_the_schema_stands_alone(client, hash_table, pk, cancelled, action, message):
    codes, reasons = cancelled(
        client.transact_write_items,
        TransactItems=[
            check(hash_table, other(), "attribute_exists(pk)"),
            action(hash_table, pk),
            delete(hash_table, {"N": "2"}),
        ],
    )
    assert codes == ["None", "ValidationError", "None"]
    assert reasons[1]["Message"] == message


@pytest.mark.parametrize(
    "expression, values, message",
    [
        ("SET b = a + :one", {":one": {"N": "1"}}, "An operand in the update expression has an incorrect data type"),
        ("SET b = nowhere", None, "The provided expression refers to an attribute that does not exist in the item"),
        ("SET x.y = :one", {":one": {"N": "1"}},
         "The document path provided in the update expression is invalid for update"),
    ],
)
def test_an_update_that_the_item_does_not_allow_stands_alone(
    client, hash_table, pk, cancelled, expression, values, message
):
    client.put_item(TableName=hash_table, Item={"pk": pk, "a": {"S": "x"}})
    more = {"ExpressionAttributeValues": values} if values else {}
    codes, reasons = cancelled(
        client.transact_write_items,
        TransactItems=[
            check(hash_table, other(), "attribute_exists(pk)"),
            update(hash_table, pk, expression, **more),
        ],
    )
    assert codes == ["None", "ValidationError"]
    assert reasons[1]["Message"] == message


def test_an_updated_item_is_measured_flat(client, hash_table, pk, cancelled):
    # 409,600 bytes with the key: PutItem's limit, which UpdateItem by itself cannot reach.
    room = 409_600 - len("pk") - len(pk["S"]) - len("a")
    client.transact_write_items(
        TransactItems=[
            update(hash_table, pk, "SET a = :a", ExpressionAttributeValues={":a": {"S": "x" * room}}),
        ]
    )
    assert len(read(client, hash_table, pk)["a"]["S"]) == room
    codes, reasons = cancelled(
        client.transact_write_items,
        TransactItems=[
            update(hash_table, pk, "SET b = :b", ExpressionAttributeValues={":b": {"S": "x"}}),
        ],
    )
    assert codes == ["ValidationError"]
    assert reasons[0]["Message"] == "Item size to update has exceeded the maximum allowed size"


def test_two_actions_on_one_item(client, hash_table, pk, invalid):
    for second in (
        delete(hash_table, pk),
        check(hash_table, pk, "attribute_exists(pk)"),
        update(hash_table, pk, "REMOVE a"),
    ):
        invalid(TWICE, client.transact_write_items, TransactItems=[put(hash_table, {"pk": pk}), second])
    invalid(TWICE, client.transact_get_items, TransactItems=[get(hash_table, pk), get(hash_table, pk)])


def test_numbers_of_actions(client, hash_table, invalid):
    few = (
        "1 validation error detected: Value '[]' at 'transactItems' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1"
    )
    for function in (client.transact_write_items, client.transact_get_items):
        invalid(few, function, TransactItems=[])
    keys = [{"S": uuid.uuid4().hex} for _ in range(101)]
    client.transact_write_items(TransactItems=[put(hash_table, {"pk": key}) for key in keys[:100]])
    answer = client.transact_get_items(TransactItems=[get(hash_table, key) for key in keys[:100]])
    assert [response["Item"]["pk"] for response in answer["Responses"]] == keys[:100]


def test_more_than_a_hundred_actions(client, hash_table, refused):
    keys = [{"S": uuid.uuid4().hex} for _ in range(101)]
    for function, items in (
        (client.transact_write_items, [put(hash_table, {"pk": key}) for key in keys]),
        (client.transact_get_items, [get(hash_table, key) for key in keys]),
    ):
        answer = refused(function, TransactItems=items)
        assert answer.code == "ValidationException"
        assert answer.message.endswith(
            "at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100"
        )


def test_exactly_one_action_a_member(client, hash_table, pk, invalid):
    invalid(
        "TransactItems can only contain one of Check, Put, Update or Delete",
        client.transact_write_items,
        TransactItems=[{**put(hash_table, {"pk": pk}), **delete(hash_table, pk)}],
    )
    invalid(
        "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request",
        client.transact_write_items,
        TransactItems=[{}],
    )


@pytest.mark.parametrize(
    "action, path",
    [
        ({"Put": {"TableName": "T"}}, "put.item"),
        ({"Delete": {"TableName": "T"}}, "delete.key"),
        ({"Update": {"TableName": "T", "Key": {}}}, "update.updateExpression"),
        ({"ConditionCheck": {"TableName": "T", "Key": {}}}, "conditionCheck.conditionExpression"),
        ({"Put": {"Item": {}}}, "put.tableName"),
    ],
)
def test_required_members(client, invalid, action, path):
    invalid(
        f"1 validation error detected: Value null at 'transactItems.1.member.{path}' failed to satisfy "
        "constraint: Member must not be null",
        client.transact_write_items,
        TransactItems=[action],
    )


def test_words_outside_of_their_sets(client, hash_table, pk, invalid):
    invalid(
        "2 validation errors detected: Value 'X' at 'returnConsumedCapacity' failed to satisfy constraint: "
        "Member must satisfy enum value set: [INDEXES, TOTAL, NONE]; Value 'Y' at "
        "'returnItemCollectionMetrics' failed to satisfy constraint: Member must satisfy enum value set: "
        "[SIZE, NONE]",
        client.transact_write_items,
        TransactItems=[delete(hash_table, pk)],
        ReturnConsumedCapacity="X",
        ReturnItemCollectionMetrics="Y",
    )
    invalid(
        "1 validation error detected: Value 'ALL_NEW' at "
        "'transactItems.1.member.delete.returnValuesOnConditionCheckFailure' failed to satisfy constraint: "
        "Member must satisfy enum value set: [ALL_OLD, NONE]",
        client.transact_write_items,
        TransactItems=[delete(hash_table, pk, ReturnValuesOnConditionCheckFailure="ALL_NEW")],
    )


def test_expressions_are_checked_first(client, hash_table, pk, invalid):
    invalid(
        "Value provided in ExpressionAttributeValues unused in expressions: keys: {:b}",
        client.transact_write_items,
        TransactItems=[
            update(
                "no-such-table",
                pk,
                "SET a = :a",
                ExpressionAttributeValues={":a": {"S": "x"}, ":b": {"S": "y"}},
            )
        ],
    )
    invalid(
        "Invalid ConditionExpression: An expression attribute value used in expression is not defined; "
        "attribute value: :a",
        client.transact_write_items,
        TransactItems=[check(hash_table, pk, "a = :a")],
    )
    invalid(
        "ExpressionAttributeNames can only be specified when using expressions",
        client.transact_write_items,
        TransactItems=[delete(hash_table, pk, ExpressionAttributeNames={"#a": "a"})],
    )


def test_empty_keys_are_invalid_as_such(client, hash_table, invalid):
    message = (
        "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an "
        "empty string value. Key: pk"
    )
    invalid(message, client.transact_write_items, TransactItems=[put(hash_table, {"pk": {"S": ""}})])
    invalid(message, client.transact_write_items, TransactItems=[delete(hash_table, {"S": ""})])
    invalid(message, client.transact_get_items, TransactItems=[get(hash_table, {"S": ""})])


@pytest.fixture(scope="module")
def index_table(client):
    name = f"conformance-{uuid.uuid4().hex[:12]}"
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": "S"} for attribute in ("pk", "g")],
        BillingMode="PAY_PER_REQUEST",
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-g",
                "KeySchema": [{"AttributeName": "g", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
    client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    yield name
    client.delete_table(TableName=name)


def test_empty_index_keys_are_invalid_as_such(client, index_table, pk, invalid):
    invalid(
        "One or more parameter values are not valid. A value specified for a secondary index key is not supported. "
        "The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-g, IndexKey: g",
        client.transact_write_items,
        TransactItems=[put(index_table, {"pk": pk, "g": {"S": ""}})],
    )


def test_sizes(client, hash_table, pk, refused, invalid):
    invalid(
        "Item size has exceeded the maximum allowed size",
        client.transact_write_items,
        TransactItems=[put(hash_table, {"pk": pk, "a": {"S": "x" * 410_000}})],
    )
    large = [put(hash_table, {"pk": other(), "a": {"S": "x" * 399_000}}) for _ in range(11)]
    assert refused(client.transact_write_items, TransactItems=large).code == "ValidationException"
    client.transact_write_items(TransactItems=large[:10])
    keys = [action["Put"]["Item"]["pk"] for action in large]
    for key in keys[10:]:
        client.put_item(TableName=hash_table, Item={"pk": key, "a": {"S": "x" * 399_000}})
    # The limit on a write is about the request: more than 4 MB may be deleted.
    client.transact_write_items(TransactItems=[delete(hash_table, key) for key in keys])
    assert read(client, hash_table, keys[0]) is None


def test_missing_tables(client, hash_table, pk, refused):
    for function, items in (
        (client.transact_write_items, [put(hash_table, {"pk": pk}), put("no-such-table", {"pk": pk})]),
        (client.transact_get_items, [get(hash_table, pk), get("no-such-table", pk)]),
    ):
        answer = refused(function, TransactItems=items)
        assert (answer.code, answer.message) == ("ResourceNotFoundException", "Requested resource not found")
    assert read(client, hash_table, pk) is None


def test_a_token_makes_a_repetition_do_nothing(client, hash_table, pk):
    request = {
        "TransactItems": [
            update(hash_table, pk, "ADD n :one", ExpressionAttributeValues={":one": {"N": "1"}}),
            put(hash_table, {"pk": other(), "a": {"S": "x" * 5000}}),
        ],
        "ClientRequestToken": uuid.uuid4().hex,
    }
    first = client.transact_write_items(**request, ReturnConsumedCapacity="TOTAL")
    assert first["ConsumedCapacity"] == [
        {"TableName": hash_table, "CapacityUnits": 12.0, "WriteCapacityUnits": 12.0}
    ]
    for _ in range(2):
        again = client.transact_write_items(**request, ReturnConsumedCapacity="TOTAL")
        assert again["ConsumedCapacity"] == [
            {"TableName": hash_table, "CapacityUnits": 6.0, "ReadCapacityUnits": 6.0}
        ]
    # How much is told of the cost is no parameter of the transaction.
    assert "ConsumedCapacity" not in client.transact_write_items(**request)
    assert read(client, hash_table, pk)["n"] == {"N": "1"}


def test_a_token_with_other_parameters(client, hash_table, pk, refused):
    token = uuid.uuid4().hex
    client.transact_write_items(TransactItems=[put(hash_table, {"pk": pk})], ClientRequestToken=token)
    answer = refused(
        client.transact_write_items,
        TransactItems=[put(hash_table, {"pk": other()})],
        ClientRequestToken=token,
    )
    assert (answer.code, answer.status) == ("IdempotentParameterMismatchException", 400)


def test_a_cancelled_transaction_may_be_repeated_under_its_token(client, hash_table, pk, cancelled):
    request = {
        "TransactItems": [
            check(hash_table, pk, "attribute_exists(pk)"),
            put(hash_table, {"pk": other()}),
        ],
        "ClientRequestToken": uuid.uuid4().hex,
    }
    assert cancelled(client.transact_write_items, **request)[0] == ["ConditionalCheckFailed", "None"]
    client.put_item(TableName=hash_table, Item={"pk": pk})
    client.transact_write_items(**request)
    assert read(client, hash_table, request["TransactItems"][1]["Put"]["Item"]["pk"]) is not None


def test_tokens_have_bounded_lengths(client, hash_table, pk, invalid):
    for token, rule in (("", "greater than or equal to 1"), ("x" * 37, "less than or equal to 36")):
        invalid(
            f"1 validation error detected: Value '{token}' at 'clientRequestToken' failed to satisfy constraint: "
            f"Member must have length {rule}",
            client.transact_write_items,
            TransactItems=[put(hash_table, {"pk": pk})],
            ClientRequestToken=token,
        )


def test_capacity_of_writes(client, hash_table, sorted_table, pk):
    gone = other()
    client.put_item(TableName=hash_table, Item={"pk": gone, "a": {"S": "x" * 3000}})
    answer = client.transact_write_items(
        TransactItems=[
            put(hash_table, {"pk": pk, "a": {"S": "x" * 500}}),
            delete(hash_table, gone),
            check(hash_table, other(), "attribute_not_exists(pk)"),
            put(sorted_table, {"pk": pk, "sk": {"S": "a"}}),
        ],
        ReturnConsumedCapacity="INDEXES",
    )
    capacity = {entry["TableName"]: entry for entry in answer["ConsumedCapacity"]}
    assert capacity[hash_table] == {
        "TableName": hash_table,
        "CapacityUnits": 10.0,
        "WriteCapacityUnits": 10.0,
        "Table": {"CapacityUnits": 10.0, "WriteCapacityUnits": 10.0},
    }
    assert capacity[sorted_table]["CapacityUnits"] == 2.0


def test_reads_are_positional(client, hash_table, pk):
    missing = other()
    client.put_item(TableName=hash_table, Item={"pk": pk, "a": {"S": "x"}, "m": {"M": {"b": {"N": "1"}}}})
    answer = client.transact_get_items(
        TransactItems=[
            get(hash_table, missing),
            get(hash_table, pk, ProjectionExpression="m.#b", ExpressionAttributeNames={"#b": "b"}),
        ],
        ReturnConsumedCapacity="TOTAL",
    )
    assert answer["Responses"] == [{}, {"Item": {"m": {"M": {"b": {"N": "1"}}}}}]
    assert answer["ConsumedCapacity"] == [
        {"TableName": hash_table, "CapacityUnits": 4.0, "ReadCapacityUnits": 4.0}
    ]
    answer = client.transact_get_items(TransactItems=[get(hash_table, pk, ProjectionExpression="nothing")])
    assert answer["Responses"] == [{}]


def test_a_read_of_a_wrong_key_cancels(client, hash_table, pk, cancelled):
    codes, reasons = cancelled(
        client.transact_get_items,
        TransactItems=[get(hash_table, pk), get(hash_table, {"N": "1"}), get(hash_table, {"N": "2"})],
    )
    assert codes == ["None", "ValidationError", "None"]
    assert reasons[1]["Message"] == DOES_NOT_MATCH


def test_read_members(client, invalid):
    invalid(
        "1 validation error detected: Value null at 'transactItems.1.member.get' failed to satisfy constraint: "
        "Member must not be null",
        client.transact_get_items,
        TransactItems=[{}],
    )
    invalid(
        "1 validation error detected: Value null at 'transactItems.1.member.get.key' failed to satisfy "
        "constraint: Member must not be null",
        client.transact_get_items,
        TransactItems=[{"Get": {"TableName": "T"}}],
    )


def test_contention_ends_in_conflicts_and_an_exact_sum(client, hash_table, pk):
    """Transfers between two accounts, and readers that must never see them out of balance (G02, G07)."""
    from concurrent.futures import ThreadPoolExecutor

    second = other()
    client.transact_write_items(
        TransactItems=[
            put(hash_table, {"pk": pk, "n": {"N": "100"}}),
            put(hash_table, {"pk": second, "n": {"N": "100"}}),
        ]
    )
    one = {":one": {"N": "1"}}

    def conflicts(function, **parameters):
        try:
            return function(**parameters), None
        except ClientError as error:
            code = error.response["Error"]["Code"]
            assert code in ("TransactionCanceledException", "TransactionConflictException"), error
            if code == "TransactionCanceledException":
                codes = {reason["Code"] for reason in error.response["CancellationReasons"]}
                assert codes <= {"None", "TransactionConflict"}
                messages = {reason.get("Message") for reason in error.response["CancellationReasons"]}
                assert messages <= {None, "Transaction is ongoing for the item"}
            else:
                assert error.response["Error"]["Message"] == "Transaction is ongoing for the item"
            return None, code

    def transfer(_):
        done, _code = conflicts(
            client.transact_write_items,
            TransactItems=[
                update(hash_table, pk, "SET n = n - :one", ExpressionAttributeValues=one),
                update(hash_table, second, "SET n = n + :one", ExpressionAttributeValues=one),
            ],
        )
        return done is not None

    def balance(_):
        seen, _code = conflicts(
            client.transact_get_items, TransactItems=[get(hash_table, pk), get(hash_table, second)]
        )
        if seen is None:
            return None
        return sum(int(response["Item"]["n"]["N"]) for response in seen["Responses"])

    with ThreadPoolExecutor(8) as pool:
        transfers = pool.map(transfer, range(60))
        balances = pool.map(balance, range(60))
        moved = sum(transfers)
        assert {balance for balance in balances if balance is not None} <= {200}
    assert moved > 0
    assert read(client, hash_table, pk)["n"] == {"N": str(100 - moved)}
    assert read(client, hash_table, second)["n"] == {"N": str(100 + moved)}
