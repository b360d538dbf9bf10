package dev.stator;

import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import software.amazon.awssdk.services.dynamodb.DynamoDbClient;
import software.amazon.awssdk.services.dynamodb.model.AttributeDefinition;
import software.amazon.awssdk.services.dynamodb.model.AttributeValue;
import software.amazon.awssdk.services.dynamodb.model.BillingMode;
import software.amazon.awssdk.services.dynamodb.model.ConditionalCheckFailedException;
import software.amazon.awssdk.services.dynamodb.model.KeySchemaElement;
import software.amazon.awssdk.services.dynamodb.model.KeyType;
import software.amazon.awssdk.services.dynamodb.model.ProjectionType;
import software.amazon.awssdk.services.dynamodb.model.PutItemRequest;
import software.amazon.awssdk.services.dynamodb.model.QueryRequest;
import software.amazon.awssdk.services.dynamodb.model.ResourceNotFoundException;
import software.amazon.awssdk.services.dynamodb.model.ReturnValue;
import software.amazon.awssdk.services.dynamodb.model.ScalarAttributeType;
import software.amazon.awssdk.services.dynamodb.model.Select;
import software.amazon.awssdk.services.dynamodb.model.TransactWriteItem;
import software.amazon.awssdk.services.dynamodb.model.TransactionCanceledException;
import software.amazon.awssdk.services.dynamodb.model.WriteRequest;

/** The AWS SDK for Java 2.x against the endpoint in AWS_ENDPOINT_URL: see docs/testing.md. */
public final class Orders {
    private static final String TABLE = "sdk-java-" + ProcessHandle.current().pid();

    private static AttributeValue text(String value) {
        return AttributeValue.fromS(value);
    }

    private static AttributeValue number(String value) {
        return AttributeValue.fromN(value);
    }

    private static void check(boolean holds, String what, Object seen) {
        if (!holds) {
            throw new AssertionError(what + ": " + seen);
        }
    }

    private static <E extends Exception> E refused(Class<E> kind, Runnable call) {
        try {
            call.run();
        } catch (Exception error) {
            check(kind.isInstance(error), "the error is a " + kind.getSimpleName(), error);
            return kind.cast(error);
        }
        throw new AssertionError("no " + kind.getSimpleName());
    }

    private static AttributeDefinition attribute(String name, ScalarAttributeType type) {
        return AttributeDefinition.builder().attributeName(name).attributeType(type).build();
    }

    private static KeySchemaElement key(String name, KeyType type) {
        return KeySchemaElement.builder().attributeName(name).keyType(type).build();
    }

    public static void main(String[] arguments) throws InterruptedException {
        try (DynamoDbClient client = DynamoDbClient.create()) {
            run(client);
        }
        System.out.println("Java 2.x: all answers as expected");
    }

    private static void run(DynamoDbClient client) throws InterruptedException {
        client.createTable(table -> table
                .tableName(TABLE)
                .billingMode(BillingMode.PAY_PER_REQUEST)
                .attributeDefinitions(
                        attribute("customer", ScalarAttributeType.S),
                        attribute("order", ScalarAttributeType.N),
                        attribute("state", ScalarAttributeType.S))
                .keySchema(key("customer", KeyType.HASH), key("order", KeyType.RANGE))
                .globalSecondaryIndexes(index -> index
                        .indexName("by-state")
                        .keySchema(key("state", KeyType.HASH))
                        .projection(projection -> projection.projectionType(ProjectionType.ALL))));
        client.waiter().waitUntilTableExists(request -> request.tableName(TABLE));

        Map<String, AttributeValue> key = Map.of("customer", text("ann"), "order", number("1"));
        Map<String, AttributeValue> item = Map.of(
                "customer", text("ann"), "order", number("1"), "state", text("open"), "amount", number("12.5"));
        PutItemRequest put = PutItemRequest.builder()
                .tableName(TABLE)
                .item(item)
                .conditionExpression("attribute_not_exists(customer)")
                .build();
        client.putItem(put);
        refused(ConditionalCheckFailedException.class, () -> client.putItem(put));
        var got = client.getItem(get -> get.tableName(TABLE).key(key).consistentRead(true)).item();
        check(got.equals(item), "the item comes back", got);

        var updated = client.updateItem(update -> update
                        .tableName(TABLE)
                        .key(key)
                        .updateExpression("SET #s = :s ADD amount :more")
                        .expressionAttributeNames(Map.of("#s", "state"))
                        .expressionAttributeValues(Map.of(":s", text("paid"), ":more", number("7.5")))
                        .returnValues(ReturnValue.UPDATED_NEW))
                .attributes();
        check(updated.equals(Map.of("state", text("paid"), "amount", number("20"))), "the update's image", updated);

        List<WriteRequest> writes = IntStream.range(0, 25)
                .mapToObj(n -> WriteRequest.builder()
                        .putRequest(one -> one.item(Map.of(
                                "customer", text("bob"), "order", number(Integer.toString(n)), "state", text("open"))))
                        .build())
                .toList();
        client.batchWriteItem(batch -> batch.requestItems(Map.of(TABLE, writes)));
        List<String> orders = new ArrayList<>();
        client.queryPaginator(query -> query
                        .tableName(TABLE)
                        .keyConditionExpression("customer = :c AND #o BETWEEN :low AND :high")
                        .expressionAttributeNames(Map.of("#o", "order"))
                        .expressionAttributeValues(
                                Map.of(":c", text("bob"), ":low", number("3"), ":high", number("19")))
                        .limit(5))
                .items()
                .forEach(one -> orders.add(one.get("order").n()));
        check(orders.equals(IntStream.range(3, 20).mapToObj(Integer::toString).toList()), "the query's order", orders);
        long scanned = client.scanPaginator(scan -> scan.tableName(TABLE).limit(10)).items().stream().count();
        check(scanned == 26, "the scan's count", scanned);

        var cancelled = refused(TransactionCanceledException.class, () -> client.transactWriteItems(
                transaction -> transaction.transactItems(
                        TransactWriteItem.builder()
                                .put(one -> one.tableName(TABLE)
                                        .item(Map.of("customer", text("cleo"), "order", number("1"))))
                                .build(),
                        TransactWriteItem.builder()
                                .conditionCheck(one -> one.tableName(TABLE)
                                        .key(key)
                                        .conditionExpression("attribute_not_exists(customer)"))
                                .build())));
        List<String> reasons = cancelled.cancellationReasons().stream().map(reason -> reason.code()).toList();
        check(reasons.equals(List.of("None", "ConditionalCheckFailed")), "the reasons", reasons);

        // A global secondary index follows its table within a moment.
        QueryRequest byState = QueryRequest.builder()
                .tableName(TABLE)
                .indexName("by-state")
                .keyConditionExpression("#s = :s")
                .expressionAttributeNames(Map.of("#s", "state"))
                .expressionAttributeValues(Map.of(":s", text("open")))
                .select(Select.COUNT)
                .build();
        Instant deadline = Instant.now().plusSeconds(10);
        while (client.query(byState).count() != 25) {
            check(Instant.now().isBefore(deadline), "the index follows its table", client.query(byState).count());
            Thread.sleep(50);
        }

        var selected = client.executeStatement(statement -> statement
                        .statement("SELECT amount FROM \"" + TABLE + "\" WHERE customer = ? AND \"order\" = ?")
                        .parameters(text("ann"), number("1")))
                .items();
        check(selected.equals(List.of(Map.of("amount", number("20")))), "the statement", selected);

        client.deleteTable(table -> table.tableName(TABLE));
        client.waiter().waitUntilTableNotExists(request -> request.tableName(TABLE));
        refused(ResourceNotFoundException.class, () -> client.getItem(get -> get.tableName(TABLE).key(key)));
    }
}
