// The DAX clients for JavaScript, v3 and v1, against STATOR_DAX (a URL); each result is compared with the same
// operation of the AWS SDK against AWS_ENDPOINT_URL, past the cache. Started by `cargo xtask dax-clients`.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { Dax } from "@amazon-dax-sdk/client-dax";
import { DynamoDB, waitUntilTableExists } from "@aws-sdk/client-dynamodb";

const require = createRequire(import.meta.url);
process.env.AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE = "1";
const AmazonDaxClient = require("amazon-dax-client");
const AWS = require("aws-sdk");

const region = process.env.AWS_REGION;
const endpoint = process.env.STATOR_DAX;
const plain = new DynamoDB({});

const v3 = new Dax({ endpoints: [endpoint], region });
const old = new AmazonDaxClient({ endpoints: [endpoint], region, credentials: new AWS.EnvironmentCredentials("AWS") });
const v1 = new Proxy(old, {
  get: (client, name) => (name === "destroy" ? () => client.shutdown() : (request) => client[name](request).promise()),
});

/** The answer without what only one side has; sets and numbers in one form. */
function canonical(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (Array.isArray(value)) return value.map(canonical);
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).filter(
    ([name, member]) => member !== undefined && !["$metadata", "ConsumedCapacity"].includes(name),
  );
  if (members.length === 1 && members[0][0] === "N") return { N: String(Number(members[0][1])) };
  return Object.fromEntries(members.map(([name, member]) => [name, canonical(member)]).sort());
}

async function matrix(name, dax) {
  const TableName = `dax-${name}-${process.pid}`;
  const key = (attribute, kind) => ({ AttributeName: attribute, KeyType: kind });
  await plain.createTable({
    TableName,
    BillingMode: "PAY_PER_REQUEST",
    KeySchema: [key("pk", "HASH"), key("sk", "RANGE")],
    AttributeDefinitions: ["pk:S", "sk:N", "l:S"].map((pair) => {
      const [AttributeName, AttributeType] = pair.split(":");
      return { AttributeName, AttributeType };
    }),
    LocalSecondaryIndexes: [
      { IndexName: "local", KeySchema: [key("pk", "HASH"), key("l", "RANGE")], Projection: { ProjectionType: "ALL" } },
    ],
  });
  await waitUntilTableExists({ client: plain, maxWaitTime: 30 }, { TableName });

  const same = async (operation, request) => {
    const [through, straight] = [await dax[operation](request), await plain[operation](request)];
    assert.deepEqual(canonical(through), canonical(straight), `${name} ${operation} ${JSON.stringify(request)}`);
    return through;
  };
  const refused = async (operation, request, code) => {
    const errors = [];
    for (const client of [dax, plain]) {
      errors.push(await client[operation](request).then(() => null, (error) => error));
    }
    const names = errors.map((error) => error && (error.code ?? error.name));
    assert.deepEqual(names, [code, code], `${name} ${operation} ${JSON.stringify(request)}`);
    return errors[0];
  };

  const Key = (sk) => ({ pk: { S: "a" }, sk: { N: String(sk) } });
  const item = (sk, more) => ({ TableName, Item: { ...Key(sk), ...more } });
  const values = {
    s: { S: "text ü" }, hollow: { S: "" }, n: { N: "3.14" }, large: { N: "12345678901234567890" }, b: { B: Buffer.from([0, 255]) },
    yes: { BOOL: true }, nil: { NULL: true }, l: { S: "local" }, list: { L: [{ S: "x" }, { N: "1" }, { M: { k: { S: "v" } } }] },
    m: { M: { "a.b": { N: "-5e-3" }, c: { L: [] } } }, ss: { SS: ["a", "b"] }, ns: { NS: ["1", "2.5"] }, bs: { BS: [Buffer.from([1])] },
  };
  await dax.putItem(item(1, values));
  for (const ConsistentRead of [false, true, false]) await same("getItem", { TableName, Key: Key(1), ConsistentRead });
  await same("getItem", { TableName, Key: Key(99) });
  await same("getItem", {
    TableName, Key: Key(1), ProjectionExpression: "s, #list[2].k, #list[1], m.#ab, absent",
    ExpressionAttributeNames: { "#list": "list", "#ab": "a.b" },
  });

  const update = {
    TableName, UpdateExpression: "SET s = :s, n = n + :one, li = list_append(if_not_exists(li, :l), :l) REMOVE hollow ADD hits :one DELETE ss :set",
    ConditionExpression: "n BETWEEN :zero AND :ten AND (attribute_exists(pk) OR NOT contains(s, :s))",
    ExpressionAttributeValues: {
      ":s": { S: "new" }, ":one": { N: "1" }, ":zero": { N: "0" }, ":ten": { N: "10" }, ":l": { L: [{ S: "y" }] }, ":set": { SS: ["a"] },
    },
  };
  for (const ReturnValues of ["NONE", "ALL_OLD", "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW"]) {
    await dax.putItem(item(2, values));
    const through = await dax.updateItem({ ...update, Key: Key(2), ReturnValues });
    await plain.putItem(item(2, values));
    const straight = await plain.updateItem({ ...update, Key: Key(2), ReturnValues });
    assert.deepEqual(canonical(through), canonical(straight), `${name} ${ReturnValues}`);
  }
  await dax.updateItem({ TableName, Key: Key(2), UpdateExpression: "SET s = :s", ExpressionAttributeValues: { ":s": { S: "z" } } });
  await same("getItem", { TableName, Key: Key(2) });

  const puts = Array.from({ length: 12 }, (_, sk) => ({
    PutRequest: { Item: { ...Key(sk + 10), l: { S: `l${sk}` }, v: { N: String(sk % 3) } } },
  }));
  await dax.batchWriteItem({ RequestItems: { [TableName]: [...puts, { DeleteRequest: { Key: Key(2) } }] } });
  const batch = await dax.batchGetItem({ RequestItems: { [TableName]: { Keys: [10, 11, 2].map(Key) } } });
  assert.equal(batch.Responses[TableName].length, 2);
  const projected = await dax.batchGetItem({
    RequestItems: { [TableName]: { Keys: [10, 11].map(Key), ProjectionExpression: "v" } },
  });
  assert.deepEqual(projected.Responses[TableName].map((one) => one.v.N).sort(), ["0", "1"]);

  for (const request of [
    { KeyConditionExpression: "pk = :p AND sk > :n", Limit: 5, ExpressionAttributeValues: { ":p": { S: "a" }, ":n": { N: "9" } } },
    { KeyConditionExpression: "pk = :p", ScanIndexForward: false, FilterExpression: "v IN (:n, :n)", ExpressionAttributeValues: { ":p": { S: "a" }, ":n": { N: "1" } } },
    { IndexName: "local", Limit: 4, KeyConditionExpression: "pk = :p AND begins_with(l, :l)", ExpressionAttributeValues: { ":p": { S: "a" }, ":l": { S: "l" } } },
    { KeyConditionExpression: "pk = :p", ProjectionExpression: "sk, v", ExpressionAttributeValues: { ":p": { S: "a" } } },
    { KeyConditionExpression: "pk = :p", Select: "COUNT", ExpressionAttributeValues: { ":p": { S: "a" } } },
  ]) {
    const page = await same("query", { TableName, ...request });
    if (page.LastEvaluatedKey) await same("query", { TableName, ...request, ExclusiveStartKey: page.LastEvaluatedKey });
  }
  const scan = { TableName, Limit: 6, ReturnConsumedCapacity: "TOTAL" };
  const page = await same("scan", scan);
  await same("scan", { ...scan, ExclusiveStartKey: page.LastEvaluatedKey });

  const put = (sk, more) => ({ Put: { TableName, Item: { ...Key(sk), v: { N: "7" } }, ...more } });
  await dax.transactWriteItems({
    TransactItems: [
      put(30),
      { Update: { TableName, Key: Key(31), UpdateExpression: "SET v = :v", ExpressionAttributeValues: { ":v": { N: "8" } } } },
      { Delete: { TableName, Key: Key(10) } },
      { ConditionCheck: { TableName, Key: Key(11), ConditionExpression: "attribute_exists(pk)" } },
    ],
  });
  const gets = [30, 31, 10].map((sk) => ({ Get: { TableName, Key: Key(sk) } }));
  const got = await dax.transactGetItems({ TransactItems: gets });
  assert.deepEqual(got.Responses.map((one) => one.Item?.v.N), ["7", "8", undefined]);
  const cancelled = await refused(
    "transactWriteItems",
    { TransactItems: [put(32), put(30, { ConditionExpression: "attribute_not_exists(pk)", ReturnValuesOnConditionCheckFailure: "ALL_OLD" })] },
    "TransactionCanceledException",
  );
  const reasons = cancelled.CancellationReasons ?? cancelled.cancellationReasons;
  assert.deepEqual(reasons.map((reason) => reason.Code ?? reason.code), ["None", "ConditionalCheckFailed"]);

  await refused("putItem", { ...item(30), ConditionExpression: "attribute_not_exists(pk)" }, "ConditionalCheckFailedException");
  await refused("getItem", { TableName: "no-such-table", Key: Key(1) }, "ResourceNotFoundException");
  await refused(
    "updateItem",
    { TableName, Key: Key(1), UpdateExpression: "SET pk = :v", ExpressionAttributeValues: { ":v": { S: "x" } } },
    "ValidationException",
  );
  assert.deepEqual(
    canonical(await dax.deleteItem({ TableName, Key: Key(30), ReturnValues: "ALL_OLD" })),
    { Attributes: { pk: { S: "a" }, sk: { N: "30" }, v: { N: "7" } } },
  );
  await plain.deleteTable({ TableName });
  console.log(`DAX for JavaScript ${name}: all answers as those of plain DynamoDB`);
}

await matrix("v3", v3);
await matrix("v1", v1);
process.exit(0);
