// The AWS SDK for JavaScript v3 against the endpoint in AWS_ENDPOINT_URL: see docs/testing.md.
import assert from "node:assert/strict";
import {
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  ResourceNotFoundException,
  TransactionCanceledException,
  waitUntilTableExists,
  waitUntilTableNotExists,
} from "@aws-sdk/client-dynamodb";
import {
  DynamoDBDocumentClient,
  ExecuteStatementCommand,
  GetCommand,
  paginateQuery,
  paginateScan,
  PutCommand,
  QueryCommand,
  TransactWriteCommand,
  UpdateCommand,
} from "@aws-sdk/lib-dynamodb";

const TableName = `sdk-javascript-${process.pid}`;
const client = new DynamoDBClient({});
const documents = DynamoDBDocumentClient.from(client);

await client.send(
  new CreateTableCommand({
    TableName,
    BillingMode: "PAY_PER_REQUEST",
    AttributeDefinitions: [
      { AttributeName: "customer", AttributeType: "S" },
      { AttributeName: "order", AttributeType: "N" },
      { AttributeName: "state", AttributeType: "S" },
    ],
    KeySchema: [
      { AttributeName: "customer", KeyType: "HASH" },
      { AttributeName: "order", KeyType: "RANGE" },
    ],
    GlobalSecondaryIndexes: [
      {
        IndexName: "by-state",
        KeySchema: [{ AttributeName: "state", KeyType: "HASH" }],
        Projection: { ProjectionType: "ALL" },
      },
    ],
  }),
);
await waitUntilTableExists({ client, maxWaitTime: 30 }, { TableName });

const Key = { customer: "ann", order: 1 };
const item = { ...Key, state: "open", amount: 12.5, tags: new Set(["a", "b"]), note: { deep: [1, null, true] } };
const put = new PutCommand({ TableName, Item: item, ConditionExpression: "attribute_not_exists(customer)" });
await documents.send(put);
await assert.rejects(documents.send(put), ConditionalCheckFailedException);
assert.deepEqual((await documents.send(new GetCommand({ TableName, Key, ConsistentRead: true }))).Item, item);

const updated = await documents.send(
  new UpdateCommand({
    TableName,
    Key,
    UpdateExpression: "SET #s = :s ADD amount :more",
    ExpressionAttributeNames: { "#s": "state" },
    ExpressionAttributeValues: { ":s": "paid", ":more": 7.5 },
    ReturnValues: "UPDATED_NEW",
  }),
);
assert.deepEqual(updated.Attributes, { state: "paid", amount: 20 });

await client.send(
  new BatchWriteItemCommand({
    RequestItems: {
      [TableName]: Array.from({ length: 25 }, (_, n) => ({
        PutRequest: { Item: { customer: { S: "bob" }, order: { N: String(n) }, state: { S: "open" } } },
      })),
    },
  }),
);
const query = {
  TableName,
  KeyConditionExpression: "customer = :c AND #o BETWEEN :low AND :high",
  ExpressionAttributeNames: { "#o": "order" },
  ExpressionAttributeValues: { ":c": "bob", ":low": 3, ":high": 19 },
};
const found = [];
for await (const page of paginateQuery({ client: documents, pageSize: 5 }, query)) found.push(...page.Items);
assert.deepEqual(found.map((one) => one.order), Array.from({ length: 17 }, (_, n) => n + 3));
let scanned = 0;
for await (const page of paginateScan({ client: documents, pageSize: 10 }, { TableName })) scanned += page.Count;
assert.equal(scanned, 26);

const cancelled = await documents
  .send(
    new TransactWriteCommand({
      TransactItems: [
        { Put: { TableName, Item: { customer: "cleo", order: 1 } } },
        { ConditionCheck: { TableName, Key, ConditionExpression: "attribute_not_exists(customer)" } },
      ],
    }),
  )
  .catch((error) => error);
assert.ok(cancelled instanceof TransactionCanceledException);
assert.deepEqual(cancelled.CancellationReasons.map((reason) => reason.Code), ["None", "ConditionalCheckFailed"]);

// A global secondary index follows its table within a moment.
const byState = new QueryCommand({
  TableName,
  IndexName: "by-state",
  KeyConditionExpression: "#s = :s",
  ExpressionAttributeNames: { "#s": "state" },
  ExpressionAttributeValues: { ":s": "open" },
  Select: "COUNT",
});
const deadline = Date.now() + 10_000;
while ((await documents.send(byState)).Count !== 25) {
  assert.ok(Date.now() < deadline, "the index does not follow its table");
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const statement = `SELECT amount FROM "${TableName}" WHERE customer = ? AND "order" = ?`;
const selected = await documents.send(new ExecuteStatementCommand({ Statement: statement, Parameters: ["ann", 1] }));
assert.deepEqual(selected.Items, [{ amount: 20 }]);

await client.send(new DeleteTableCommand({ TableName }));
await waitUntilTableNotExists({ client, maxWaitTime: 30 }, { TableName });
await assert.rejects(documents.send(new GetCommand({ TableName, Key })), ResourceNotFoundException);
console.log("JavaScript v3: all answers as expected");
