package dev.stator;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeDefinition;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.BillingMode;
import software.amazon.awssdk.services.dynamodb.model.DynamoDbException;
import software.amazon.awssdk.services.dynamodb.model.KeySchemaElement;
import software.amazon.awssdk.services.dynamodb.model.KeyType;
import software.amazon.awssdk.services.dynamodb.model.KeysAndAttributes;
import software.amazon.awssdk.services.dynamodb.model.ProjectionType;
import software.amazon.awssdk.services.dynamodb.model.QueryRequest;
import software.amazon.awssdk.services.dynamodb.model.ReturnValue;
import software.amazon.awssdk.services.dynamodb.model.ScalarAttributeType;
import software.amazon.awssdk.services.dynamodb.model.TransactGetItem;
import software.amazon.awssdk.services.dynamodb.model.TransactWriteItem;
import software.amazon.awssdk.services.dynamodb.model.UpdateItemRequest;
import software.amazon.awssdk.services.dynamodb.model.WriteRequest;
import software.amazon.dax.ClusterDaxClient;
import software.amazon.dax.Configuration;

/**
 * The DAX client for Java 2.x against STATOR_DAX (a URL); each result is compared with the same operation of the
 * AWS SDK against AWS_ENDPOINT_URL, past the cache. Started by {@code cargo xtask dax-clients}.
 */
public final class Matrix {
    private static final String TABLE = "dax-java-" + ProcessHandle.current().pid();

    private final DynamoDbClient dax;
    private final DynamoDbClient plain;

    private Matrix(DynamoDbClient dax, DynamoDbClient plain) {
        this.dax = dax;
        this.plain = plain;
    }

    private static AttributeValue text(String value) {
        return AttributeValue.fromS(value);
    }

    private static AttributeValue number(String value) {
        return AttributeValue.fromN(value);
    }

    private static Map<String, AttributeValue> key(int sort) {
        return Map.of("pk", text("a"), "sk", number(Integer.toString(sort)));
    }

    private static Map<String, AttributeValue> item(int sort, Map<String, AttributeValue> more) {
        Map<String, AttributeValue> item = new HashMap<>(more);
        item.putAll(key(sort));
        return item;
    }

    /** Numbers in one form: each side may print them in its own. */
    private static AttributeValue canonical(AttributeValue value) {
        if (value.n() != null) {
            return number(new BigDecimal(value.n()).stripTrailingZeros().toPlainString());
        }
        if (value.hasL()) {
            return AttributeValue.fromL(value.l().stream().map(Matrix::canonical).toList());
        }
        if (value.hasM()) {
            return AttributeValue.fromM(canonical(value.m()));
        }
        return value;
    }

    private static Map<String, AttributeValue> canonical(Map<String, AttributeValue> item) {
        Map<String, AttributeValue> members = new HashMap<>();
        item.forEach((name, value) -> members.put(name, canonical(value)));
        return members;
    }

    private static List<Map<String, AttributeValue>> canonical(List<Map<String, AttributeValue>> items) {
        return items.stream().map(Matrix::canonical).toList();
    }

    private static void check(Object seen, Object expected, String what) {
        if (!expected.equals(seen)) {
            throw new AssertionError(what + ": " + seen + " is not " + expected);
        }
    }

    private <T> T same(String what, Function<DynamoDbClient, T> call) {
        T through = call.apply(dax);
        check(through, call.apply(plain), what);
        return through;
    }

    private void refused(String code, Function<DynamoDbClient, ?> call) {
        for (DynamoDbClient client : List.of(dax, plain)) {
            try {
                call.apply(client);
            } catch (DynamoDbException error) {
                check(error.awsErrorDetails().errorCode(), code, "error code");
                continue;
            }
            throw new AssertionError("no " + code);
        }
    }

    public static void main(String[] arguments) throws Exception {
        Configuration configuration = Configuration.builder()
                .url(System.getenv("STATOR_DAX"))
                .region(Region.of(System.getenv("AWS_REGION")))
                .build();
        try (DynamoDbClient plain = DynamoDbClient.create();
                DynamoDbClient dax = ClusterDaxClient.builder().overrideConfiguration(configuration).build()) {
            new Matrix(dax, plain).run();
        }
        System.out.println("DAX for Java 2.x: all answers as those of plain DynamoDB");
        System.exit(0);
    }

    private void run() {
        createTable();
        singleItems();
        updates();
        batchesAndPages();
        transactionsAndErrors();
        plain.deleteTable(table -> table.tableName(TABLE));
    }

    private void createTable() {
        Function<String, AttributeDefinition> attribute = name -> AttributeDefinition.builder()
                .attributeName(name)
                .attributeType(name.equals("sk") ? ScalarAttributeType.N : ScalarAttributeType.S)
                .build();
        Function<String, KeySchemaElement> key = name -> KeySchemaElement.builder()
                .attributeName(name)
                .keyType(name.equals("pk") ? KeyType.HASH : KeyType.RANGE)
                .build();
        plain.createTable(table -> table
                .tableName(TABLE)
                .billingMode(BillingMode.PAY_PER_REQUEST)
                .attributeDefinitions(attribute.apply("pk"), attribute.apply("sk"), attribute.apply("l"))
                .keySchema(key.apply("pk"), key.apply("sk"))
                .localSecondaryIndexes(index -> index
                        .indexName("local")
                        .keySchema(key.apply("pk"), key.apply("l"))
                        .projection(projection -> projection.projectionType(ProjectionType.ALL))));
        plain.waiter().waitUntilTableExists(request -> request.tableName(TABLE));
    }

    private static final Map<String, AttributeValue> VALUES = Map.ofEntries(
            Map.entry("s", text("text ü")),
            Map.entry("hollow", text("")),
            Map.entry("n", number("-12.5")),
            Map.entry("large", number("12345678901234567890123456789012345678")),
            Map.entry("small", number("0.00000000000000000001")),
            Map.entry("b", AttributeValue.fromB(SdkBytes.fromByteArray(new byte[] {0, -1}))),
            Map.entry("yes", AttributeValue.fromBool(true)),
            Map.entry("nil", AttributeValue.fromNul(true)),
            Map.entry("l", text("local")),
            Map.entry("list", AttributeValue.fromL(
                    List.of(text("x"), number("1"), AttributeValue.fromM(Map.of("k", text("v")))))),
            Map.entry("m", AttributeValue.fromM(Map.of("a.b", number("1"), "c", AttributeValue.fromL(List.of())))),
            Map.entry("ss", AttributeValue.fromSs(List.of("a", "b"))),
            Map.entry("ns", AttributeValue.fromNs(List.of("1", "2.5"))),
            Map.entry("bs", AttributeValue.fromBs(List.of(SdkBytes.fromByteArray(new byte[] {1})))));

    private void singleItems() {
        dax.putItem(put -> put.tableName(TABLE).item(item(1, VALUES)));
        for (boolean consistent : new boolean[] {false, true, false}) {
            var got = same("get", client -> canonical(
                    client.getItem(get -> get.tableName(TABLE).key(key(1)).consistentRead(consistent)).item()));
            check(got, canonical(item(1, VALUES)), "the item comes back");
        }
        same("missing", client -> client.getItem(get -> get.tableName(TABLE).key(key(99))).hasItem());
        same("projection", client -> canonical(client.getItem(get -> get
                        .tableName(TABLE)
                        .key(key(1))
                        .projectionExpression("s, #list[2].k, #list[1], m.#ab, absent")
                        .expressionAttributeNames(Map.of("#list", "list", "#ab", "a.b")))
                .item()));
        var old = dax.deleteItem(delete -> delete.tableName(TABLE).key(key(1)).returnValues(ReturnValue.ALL_OLD));
        check(canonical(old.attributes()), canonical(item(1, VALUES)), "the old item");
        same("deleted", client -> client.getItem(get -> get.tableName(TABLE).key(key(1))).hasItem());
    }

    private void updates() {
        for (ReturnValue returns : List.of(
                ReturnValue.NONE,
                ReturnValue.ALL_OLD,
                ReturnValue.UPDATED_OLD,
                ReturnValue.ALL_NEW,
                ReturnValue.UPDATED_NEW)) {
            UpdateItemRequest update = UpdateItemRequest.builder()
                    .tableName(TABLE)
                    .key(key(2))
                    .updateExpression("SET s = :s, n = n + :one, li = list_append(if_not_exists(li, :l), :l) "
                            + "REMOVE hollow ADD hits :one DELETE ss :set")
                    .conditionExpression("n BETWEEN :low AND :one AND (attribute_exists(pk) OR NOT contains(s, :s))")
                    .expressionAttributeValues(Map.of(
                            ":s", text("new"),
                            ":one", number("1"),
                            ":low", number("-100"),
                            ":l", AttributeValue.fromL(List.of(text("y"))),
                            ":set", AttributeValue.fromSs(List.of("a"))))
                    .returnValues(returns)
                    .build();
            same("update " + returns, client -> {
                client.putItem(put -> put.tableName(TABLE).item(item(2, VALUES)));
                return canonical(client.updateItem(update).attributes());
            });
        }
        dax.updateItem(update -> update
                .tableName(TABLE)
                .key(key(2))
                .updateExpression("SET s = :s")
                .expressionAttributeValues(Map.of(":s", text("z"))));
        same("after an update", client -> canonical(client.getItem(get -> get.tableName(TABLE).key(key(2))).item()));
    }

    private void batchesAndPages() {
        List<WriteRequest> writes = new ArrayList<>(IntStream.range(0, 12)
                .mapToObj(n -> WriteRequest.builder()
                        .putRequest(put -> put.item(item(
                                n + 10, Map.of("l", text("l" + n), "v", number(Integer.toString(n % 3))))))
                        .build())
                .toList());
        writes.add(WriteRequest.builder().deleteRequest(delete -> delete.key(key(2))).build());
        dax.batchWriteItem(batch -> batch.requestItems(Map.of(TABLE, writes)));
        KeysAndAttributes keys = KeysAndAttributes.builder().keys(key(10), key(11), key(2)).build();
        var found = dax.batchGetItem(batch -> batch.requestItems(Map.of(TABLE, keys))).responses();
        check(found.get(TABLE).size(), 2, "a batch of keys");

        Map<String, AttributeValue> partition = Map.of(":p", text("a"));
        Map<String, AttributeValue> both = Map.of(":p", text("a"), ":v", number("1"));
        QueryRequest query = QueryRequest.builder().tableName(TABLE).limit(5).build();
        for (QueryRequest request : List.of(
                query.toBuilder().keyConditionExpression("pk = :p").expressionAttributeValues(partition).build(),
                query.toBuilder().keyConditionExpression("pk = :p AND sk > :v").expressionAttributeValues(both)
                        .scanIndexForward(false).build(),
                query.toBuilder().keyConditionExpression("pk = :p").filterExpression("v IN (:v, :v)")
                        .expressionAttributeValues(both).build(),
                query.toBuilder().indexName("local").keyConditionExpression("pk = :p")
                        .expressionAttributeValues(partition).build(),
                query.toBuilder().keyConditionExpression("pk = :p").projectionExpression("sk, v")
                        .expressionAttributeValues(partition).build())) {
            same("query " + request, client -> {
                List<Object> pages = new ArrayList<>();
                Map<String, AttributeValue> start = null;
                do {
                    var page = client.query(request.toBuilder().exclusiveStartKey(start).build());
                    pages.add(List.of(canonical(page.items()), page.count(), page.scannedCount()));
                    start = page.hasLastEvaluatedKey() ? page.lastEvaluatedKey() : null;
                } while (start != null);
                return pages;
            });
        }
        same("scan", client -> canonical(client.scan(scan -> scan.tableName(TABLE).limit(7)).items()));
    }

    private void transactionsAndErrors() {
        TransactWriteItem put = TransactWriteItem.builder()
                .put(one -> one.tableName(TABLE).item(item(30, Map.of("v", number("7")))))
                .build();
        TransactWriteItem check = TransactWriteItem.builder()
                .conditionCheck(one -> one.tableName(TABLE).key(key(11)).conditionExpression("attribute_exists(pk)"))
                .build();
        dax.transactWriteItems(transaction -> transaction.transactItems(put, check));
        TransactGetItem get = TransactGetItem.builder().get(one -> one.tableName(TABLE).key(key(30))).build();
        TransactGetItem missing = TransactGetItem.builder().get(one -> one.tableName(TABLE).key(key(31))).build();
        var got = dax.transactGetItems(transaction -> transaction.transactItems(get, missing)).responses();
        check(got.get(0).item().get("v").n(), "7", "a transaction's item");
        check(got.size(), 2, "a transaction's answers");

        TransactWriteItem failing = TransactWriteItem.builder()
                .put(one -> one.tableName(TABLE).item(key(30)).conditionExpression("attribute_not_exists(pk)"))
                .build();
        refused("TransactionCanceledException",
                client -> client.transactWriteItems(transaction -> transaction.transactItems(failing, check)));
        refused("ConditionalCheckFailedException", client -> client.putItem(one ->
                one.tableName(TABLE).item(key(30)).conditionExpression("attribute_not_exists(pk)")));
        refused("ResourceNotFoundException",
                client -> client.getItem(one -> one.tableName("no-such-table").key(key(1))));
        refused("ValidationException", client -> client.updateItem(one -> one
                .tableName(TABLE)
                .key(key(1))
                .updateExpression("SET pk = :v")
                .expressionAttributeValues(Map.of(":v", text("x")))));
    }
}
