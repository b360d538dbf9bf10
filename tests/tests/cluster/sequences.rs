//! Random sequences of operations against a model that is a map, with restarts between them.
//!
//! One client, one node: each answer has one right value, which the model computes in a few lines of its own. After
//! each restart (SIGKILL and SIGTERM in turn) the whole table is compared. The seed is printed on failure;
//! `STATOR_SEQUENCE_SEED` runs one again, `STATOR_SEQUENCE_STEPS` makes it longer.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stator_kit::rng::{RandomSource as _, SeededRandom};
use stator_tests::client::{Answer, Client};

use super::{START_LIMIT, alone, start};

const TABLE: &str = "sequences";
const STEPS_DEFAULT: u64 = 600;
/// Operations between two restarts.
const STEPS_OF_A_LIFE: u64 = 100;
const PARTITIONS: u64 = 3;
const SORT_KEYS: u64 = 8;
/// Items of a page, so that queries and scans take several.
const PAGE: usize = 3;

type Key = (u64, i64);

/// What an item has besides its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Attributes {
    number: Option<i64>,
    text: Option<String>,
    list: Option<Vec<i64>>,
}

type Model = BTreeMap<Key, Attributes>;

fn number(value: i64) -> Value {
    json!({"N": value.to_string()})
}

fn list(values: &[i64]) -> Value {
    json!({"L": values.iter().copied().map(number).collect::<Vec<_>>()})
}

fn key_json((partition, sort): Key) -> Value {
    json!({"pk": {"S": format!("p{partition}")}, "sk": number(sort)})
}

fn item_json(key: Key, attributes: &Attributes) -> Value {
    let mut item = key_json(key);
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            item[name] = value;
        }
    };
    set("a", attributes.number.map(number));
    set("s", attributes.text.as_ref().map(|text| json!({"S": text})));
    set("l", attributes.list.as_deref().map(list));
    item
}

/// A condition, and what it says of an item.
#[derive(Clone, Copy, Debug)]
enum Condition {
    None,
    Exists,
    Missing,
    NumberBelow(i64),
}

impl Condition {
    fn random(random: &SeededRandom) -> Self {
        match random.below(8) {
            0 => Self::Exists,
            1 => Self::Missing,
            2 => Self::NumberBelow(below(random, 20) - 5),
            _ => Self::None,
        }
    }

    fn holds(self, item: Option<&Attributes>) -> bool {
        match self {
            Self::None => true,
            Self::Exists => item.is_some(),
            Self::Missing => item.is_none(),
            Self::NumberBelow(bound) => item
                .and_then(|item| item.number)
                .is_some_and(|number| number < bound),
        }
    }

    fn put_into(self, request: &mut Value) {
        let text = match self {
            Self::None => return,
            Self::Exists => "attribute_exists(pk)",
            Self::Missing => "attribute_not_exists(pk)",
            Self::NumberBelow(bound) => {
                request["ExpressionAttributeValues"][":bound"] = number(bound);
                "a < :bound"
            }
        };
        request["ConditionExpression"] = text.into();
    }
}

/// A change of one item: what PutItem, UpdateItem, DeleteItem, BatchWriteItem and TransactWriteItems are made of.
#[derive(Clone, Debug)]
enum Change {
    Put(Attributes),
    Delete,
    /// `SET a = if_not_exists(a, :zero) + :by REMOVE s`
    Count(i64),
    /// `SET l = list_append(if_not_exists(l, :empty), :more)`
    Append(i64),
    /// `ADD a :by SET s = :text`
    AddAndSet(i64, String),
}

impl Change {
    fn random(random: &SeededRandom) -> Self {
        match random.below(6) {
            0 | 1 => Self::Put(attributes(random)),
            2 => Self::Delete,
            3 => Self::Count(below(random, 7) - 2),
            4 => Self::Append(below(random, 100)),
            _ => Self::AddAndSet(below(random, 7) - 3, text(random)),
        }
    }

    fn apply(&self, item: Option<Attributes>) -> Option<Attributes> {
        let mut changed = item.unwrap_or_default();
        match self {
            Self::Put(attributes) => return Some(attributes.clone()),
            Self::Delete => return None,
            Self::Count(by) => {
                changed.number = Some(changed.number.unwrap_or(0) + by);
                changed.text = None;
            }
            Self::Append(more) => changed.list.get_or_insert_default().push(*more),
            Self::AddAndSet(by, text) => {
                changed.number = Some(changed.number.unwrap_or(0) + by);
                changed.text = Some(text.clone());
            }
        }
        Some(changed)
    }

    /// Operation, name of the transaction's action, and request without condition.
    fn request(&self, key: Key) -> (&'static str, &'static str, Value) {
        let update = |expression: &str, values: Value| {
            let request = json!({"TableName": TABLE, "Key": key_json(key), "UpdateExpression": expression,
                "ExpressionAttributeValues": values});
            ("UpdateItem", "Update", request)
        };
        match self {
            Self::Put(attributes) => {
                let item = item_json(key, attributes);
                ("PutItem", "Put", json!({"TableName": TABLE, "Item": item}))
            }
            Self::Delete => (
                "DeleteItem",
                "Delete",
                json!({"TableName": TABLE, "Key": key_json(key)}),
            ),
            Self::Count(by) => update(
                "SET a = if_not_exists(a, :zero) + :by REMOVE s",
                json!({":zero": number(0), ":by": number(*by)}),
            ),
            Self::Append(more) => update(
                "SET l = list_append(if_not_exists(l, :empty), :more)",
                json!({":empty": list(&[]), ":more": list(&[*more])}),
            ),
            Self::AddAndSet(by, text) => update(
                "ADD a :by SET s = :text",
                json!({":by": number(*by), ":text": {"S": text}}),
            ),
        }
    }
}

fn below(random: &SeededRandom, bound: u64) -> i64 {
    i64::try_from(random.below(bound)).unwrap()
}

fn text(random: &SeededRandom) -> String {
    "ü".repeat(usize::try_from(random.below(5)).unwrap())
}

fn attributes(random: &SeededRandom) -> Attributes {
    let some = || random.below(3) > 0;
    Attributes {
        number: some().then(|| below(random, 20)),
        text: some().then(|| text(random)),
        list: some().then(|| (0..below(random, 4)).collect()),
    }
}

fn key(random: &SeededRandom) -> Key {
    (random.below(PARTITIONS), below(random, SORT_KEYS) - 4)
}

/// The database and the model of it.
struct Pair {
    client: Client,
    model: Model,
}

impl Pair {
    async fn call(&self, operation: &str, request: &Value) -> Result<Value, String> {
        match self.client.call(operation, request).await {
            Answer::Ok(body) => Ok(body),
            Answer::Refused { code, .. } => Err(code),
            other => panic!("{operation} {request}: {other:?}"),
        }
    }

    async fn step(&mut self, random: &SeededRandom) {
        match random.below(12) {
            0..=5 => self.change(random).await,
            6 => self.batch(random).await,
            7 => self.transaction(random).await,
            8 => self.get(key(random)).await,
            9 => self.query(random).await,
            10 => self.query_index(random).await,
            _ => self.scan().await,
        }
    }

    async fn change(&mut self, random: &SeededRandom) {
        let (key, change, condition) = (
            key(random),
            Change::random(random),
            Condition::random(random),
        );
        let before = self.model.get(&key).cloned();
        let (operation, _, mut request) = change.request(key);
        condition.put_into(&mut request);
        let new_image = operation == "UpdateItem" && random.below(2) == 0;
        request["ReturnValues"] = if new_image { "ALL_NEW" } else { "ALL_OLD" }.into();
        let answer = self.call(operation, &request).await;
        if !condition.holds(before.as_ref()) {
            assert_eq!(
                answer.as_ref().map_err(String::as_str),
                Err("ConditionalCheckFailedException"),
                "{request}"
            );
            return;
        }
        let after = change.apply(before.clone());
        let image = if new_image { &after } else { &before };
        let expected = image.as_ref().map(|image| item_json(key, image));
        let seen = answer.expect(operation).get("Attributes").cloned();
        assert_eq!(seen, expected, "{operation} {request}");
        self.set(key, after);
    }

    fn set(&mut self, key: Key, item: Option<Attributes>) {
        match item {
            Some(item) => self.model.insert(key, item),
            None => self.model.remove(&key),
        };
    }

    /// Puts and deletes of different items.
    async fn batch(&mut self, random: &SeededRandom) {
        let mut changes = BTreeMap::new();
        for _ in 0..=random.below(5) {
            let put = (random.below(3) > 0).then(|| attributes(random));
            changes.insert(key(random), put);
        }
        let writes: Vec<_> = changes
            .iter()
            .map(|(key, put)| match put {
                Some(attributes) => json!({"PutRequest": {"Item": item_json(*key, attributes)}}),
                None => json!({"DeleteRequest": {"Key": key_json(*key)}}),
            })
            .collect();
        let request = json!({"RequestItems": {TABLE: writes}});
        let answer = self.call("BatchWriteItem", &request).await.unwrap();
        assert_eq!(answer["UnprocessedItems"], json!({}));
        for (key, item) in changes {
            self.set(key, item);
        }
    }

    /// All of its changes or none.
    async fn transaction(&mut self, random: &SeededRandom) {
        let mut actions = BTreeMap::new();
        for _ in 0..=random.below(4) {
            actions.insert(
                key(random),
                (Change::random(random), Condition::random(random)),
            );
        }
        let requests: Vec<_> = actions
            .iter()
            .map(|(key, (change, condition))| {
                let (_, name, mut request) = change.request(*key);
                condition.put_into(&mut request);
                json!({name: request})
            })
            .collect();
        let request = json!({"TransactItems": requests});
        let answer = self.call("TransactWriteItems", &request).await;
        let holds = actions
            .iter()
            .all(|(key, (_, condition))| condition.holds(self.model.get(key)));
        match answer {
            Ok(_) => assert!(holds, "should be cancelled: {request}"),
            Err(code) => {
                assert_eq!(code, "TransactionCanceledException", "{request}");
                assert!(!holds, "should not be cancelled: {request}");
                return;
            }
        }
        for (key, (change, _)) in actions {
            let after = change.apply(self.model.get(&key).cloned());
            self.set(key, after);
        }
    }

    async fn get(&self, key: Key) {
        let request = json!({"TableName": TABLE, "Key": key_json(key), "ConsistentRead": true});
        let seen = self
            .call("GetItem", &request)
            .await
            .unwrap()
            .get("Item")
            .cloned();
        let expected = self.model.get(&key).map(|item| item_json(key, item));
        assert_eq!(seen, expected, "{request}");
    }

    /// Every page of a Query or Scan.
    async fn pages(&self, operation: &str, mut request: Value) -> Vec<Value> {
        request["Limit"] = PAGE.into();
        request["ConsistentRead"] = true.into();
        let mut items = Vec::new();
        loop {
            let page = self.call(operation, &request).await.unwrap();
            let found = page["Items"].as_array().unwrap();
            assert!(found.len() <= PAGE, "{page}");
            items.extend(found.iter().cloned());
            match page.get("LastEvaluatedKey") {
                Some(last) => request["ExclusiveStartKey"] = last.clone(),
                None => return items,
            }
        }
    }

    async fn query(&self, random: &SeededRandom) {
        let (partition, low, high) = (
            random.below(PARTITIONS),
            below(random, SORT_KEYS) - 4,
            below(random, SORT_KEYS) - 4,
        );
        let (low, high) = (low.min(high), low.max(high));
        let forward = random.below(2) == 0;
        let request = json!({
            "TableName": TABLE,
            "KeyConditionExpression": "pk = :p AND sk BETWEEN :low AND :high",
            "ExpressionAttributeValues": {":p": {"S": format!("p{partition}")}, ":low": number(low),
                ":high": number(high)},
            "ScanIndexForward": forward,
        });
        let mut expected: Vec<_> = self
            .model
            .range((partition, low)..=(partition, high))
            .map(|(key, item)| item_json(*key, item))
            .collect();
        if !forward {
            expected.reverse();
        }
        assert_eq!(
            self.pages("Query", request.clone()).await,
            expected,
            "{request}"
        );
    }

    /// The local index on `a`, which holds only items that have one.
    async fn query_index(&self, random: &SeededRandom) {
        let (partition, low) = (random.below(PARTITIONS), below(random, 20) - 5);
        let request = json!({
            "TableName": TABLE,
            "IndexName": "by-a",
            "KeyConditionExpression": "pk = :p AND a >= :low",
            "ExpressionAttributeValues": {":p": {"S": format!("p{partition}")}, ":low": number(low)},
        });
        let mut expected: Vec<_> = self
            .model
            .iter()
            .filter(|((of, _), item)| *of == partition && item.number.is_some_and(|a| a >= low))
            .map(|(key, item)| (item.number, *key, item_json(*key, item)))
            .collect();
        expected.sort_by_key(|(number, key, _)| (*number, *key));
        let expected: Vec<_> = expected.into_iter().map(|(_, _, item)| item).collect();
        assert_eq!(
            self.pages("Query", request.clone()).await,
            expected,
            "{request}"
        );
    }

    /// Everything, in whatever order partitions come.
    async fn scan(&self) {
        let mut seen = Map::new();
        for item in self.pages("Scan", json!({"TableName": TABLE})).await {
            let key = format!("{}{}", item["pk"], item["sk"]);
            assert_eq!(seen.insert(key, item), None, "an item came twice");
        }
        let expected: Map<_, _> = self
            .model
            .iter()
            .map(|(key, item)| {
                let item = item_json(*key, item);
                (format!("{}{}", item["pk"], item["sk"]), item)
            })
            .collect();
        assert_eq!(seen, expected);
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sequences_answer_as_a_map_does_over_restarts() {
    let _alone = alone().await;
    let seed = setting("STATOR_SEQUENCE_SEED", u64::from(std::process::id()));
    let steps = setting("STATOR_SEQUENCE_STEPS", STEPS_DEFAULT);
    println!("STATOR_SEQUENCE_SEED={seed} STATOR_SEQUENCE_STEPS={steps}");
    let random = SeededRandom::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = start(folder.path(), 1).await;
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let definition = json!({
        "TableName": TABLE,
        "KeySchema": [key("pk", "HASH"), key("sk", "RANGE")],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": "a", "AttributeType": "N"},
        ],
        "BillingMode": "PAY_PER_REQUEST",
        "LocalSecondaryIndexes": [{
            "IndexName": "by-a",
            "KeySchema": [key("pk", "HASH"), key("a", "RANGE")],
            "Projection": {"ProjectionType": "ALL"},
        }],
    });
    let mut pair = Pair {
        client: cluster.client(0),
        model: Model::new(),
    };
    pair.client
        .call_until_ok("CreateTable", &definition, START_LIMIT)
        .await
        .unwrap();
    let described = json!({"TableName": TABLE});
    while pair.call("DescribeTable", &described).await.unwrap()["Table"]["TableStatus"] != "ACTIVE"
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for step in 1..=steps {
        pair.step(&random).await;
        if step % STEPS_OF_A_LIFE == 0 {
            if (step / STEPS_OF_A_LIFE).is_multiple_of(2) {
                cluster.terminate(0, START_LIMIT).await.unwrap();
            } else {
                cluster.kill(0).unwrap();
            }
            cluster.start_node(0).unwrap();
            cluster.wait_ready(0, START_LIMIT).await.unwrap();
            pair.scan().await;
        }
    }
}
