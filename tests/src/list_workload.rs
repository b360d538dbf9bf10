//! The workload behind the histories of transactions: clients that append to lists and read them, alone and in
//! transactions over several items, and record what they did.
//!
//! Lists stay short because keys are replaced after their share of operations. Clients never stop at an error.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::{Answer, Client};
use crate::list_append::{Access, Told, Transaction};

/// Keys in use at a time: few, so that transactions meet.
const KEYS: u64 = 5;
/// Operations before the keys are replaced.
const OPERATIONS_PER_TURN: u64 = 400;

/// Longer than any node goes on with a transaction: 5 s of the router, and as much of the coordinator.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(12);

/// What to run.
pub struct Options {
    /// A client for each endpoint; workers spread over them and go to the next one after an error.
    pub endpoints: Vec<Client>,
    /// The table, with one string partition key `pk`.
    pub table: String,
    /// How many workers.
    pub workers: u32,
    /// Seed of the workers' choices.
    pub seed: u64,
}

/// A workload that runs until it is asked to stop.
pub struct ListWorkload {
    stop: Arc<AtomicBool>,
    shared: Arc<Shared>,
    workers: JoinSet<Vec<Transaction>>,
    endpoints: Vec<Client>,
    table: String,
}

struct Shared {
    start: Instant,
    operations: AtomicU64,
    transactions: AtomicU64,
    next_value: AtomicI64,
}

impl Shared {
    fn now(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }
}

impl ListWorkload {
    /// Starts the workers on the current runtime.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let shared = Arc::new(Shared {
            start: Instant::now(),
            operations: AtomicU64::new(0),
            transactions: AtomicU64::new(0),
            next_value: AtomicI64::new(1),
        });
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = JoinSet::new();
        for number in 0..options.workers {
            let worker = Worker {
                endpoints: options.endpoints.clone(),
                endpoint: number as usize,
                table: options.table.clone(),
                random: StdRng::seed_from_u64(options.seed ^ u64::from(number)),
                shared: shared.clone(),
                stop: stop.clone(),
            };
            workers.spawn(worker.run());
        }
        Self {
            stop,
            shared,
            workers,
            endpoints: options.endpoints.clone(),
            table: options.table.clone(),
        }
    }

    /// Write transactions acknowledged so far.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.shared.transactions.load(Ordering::Relaxed)
    }

    /// Waits until `count` more write transactions are acknowledged; `false` past the limit.
    pub async fn wait_for_transactions(&self, count: u64, limit: Duration) -> bool {
        let start = Instant::now();
        let goal = self.transactions() + count;
        while start.elapsed() < limit {
            if self.transactions() >= goal {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }

    /// Stops the workers, reads every key once more, and returns all that was recorded.
    ///
    /// # Errors
    /// Where a key cannot be read within `limit`.
    pub async fn stop(mut self, limit: Duration) -> Result<Vec<Transaction>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut history = Vec::new();
        while let Some(recorded) = self.workers.join_next().await {
            history.extend(recorded.context("a worker panicked")?);
        }
        // What got no answer may still be on its way; nodes give up within seconds.
        let unknown = history
            .iter()
            .filter(|transaction| transaction.told == Told::Unknown)
            .map(|transaction| transaction.call)
            .max();
        if let Some(last) = unknown {
            let since = Duration::from_nanos(u64::try_from(self.shared.now() - last).unwrap_or(0));
            tokio::time::sleep(GIVEN_UP_AFTER.saturating_sub(since)).await;
        }
        let keys: BTreeSet<String> = history
            .iter()
            .flat_map(|transaction| &transaction.accesses)
            .map(|access| match access {
                Access::Append(key, _) | Access::Read(key, _) => key.clone(),
            })
            .collect();
        for key in keys {
            let client = self.endpoints.first().context("no endpoint")?;
            // A write is refused while a transaction holds the item: after it, none that is open does.
            let settle = json!({
                "TableName": self.table, "Key": {"pk": {"S": key}},
                "UpdateExpression": "SET settled = :yes",
                "ExpressionAttributeValues": {":yes": {"BOOL": true}},
            });
            client.call_until_ok("UpdateItem", &settle, limit).await?;
            let call = self.shared.now();
            let read = json!({
                "TableName": self.table, "Key": {"pk": {"S": key}}, "ConsistentRead": true,
            });
            let body = client.call_until_ok("GetItem", &read, limit).await?;
            history.push(Transaction {
                call,
                told: Told::Happened(self.shared.now()),
                accesses: vec![Access::Read(key, list(body.get("Item")))],
            });
        }
        Ok(history)
    }
}

struct Worker {
    endpoints: Vec<Client>,
    endpoint: usize,
    table: String,
    random: StdRng,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
}

impl Worker {
    async fn run(mut self) -> Vec<Transaction> {
        let mut recorded = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            let count = self.shared.operations.fetch_add(1, Ordering::Relaxed);
            let turn = count / OPERATIONS_PER_TURN;
            let client = self.endpoints.get(self.endpoint % self.endpoints.len());
            let Some(client) = client.cloned() else {
                return recorded;
            };
            let keys = self.keys(turn);
            let transaction = match self.random.random_range(0..10) {
                0..2 => self.get(&client, &keys).await,
                2..4 => self.append(&client, &keys).await,
                4..6 => self.read_transaction(&client, &keys).await,
                6..8 => self.write_transaction(&client, &keys).await,
                _ => self.checked_transaction(&client, &keys).await,
            };
            let Some(transaction) = transaction else {
                continue;
            };
            if transaction.told == Told::Unknown {
                self.endpoint += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            recorded.push(transaction);
        }
        recorded
    }

    /// Two or three different keys.
    fn keys(&mut self, turn: u64) -> Vec<String> {
        let mut keys = BTreeSet::new();
        let count = self.random.random_range(2..4);
        while keys.len() < count {
            keys.insert(self.random.random_range(0..KEYS));
        }
        keys.into_iter()
            .map(|key| format!("list-{turn}-{key}"))
            .collect()
    }

    fn value(&self) -> i64 {
        self.shared.next_value.fetch_add(1, Ordering::Relaxed)
    }

    fn update(&self, key: &str, value: i64) -> Value {
        json!({
            "TableName": self.table,
            "Key": {"pk": {"S": key}},
            "UpdateExpression": "SET l = list_append(if_not_exists(l, :none), :value)",
            "ExpressionAttributeValues": {":none": {"L": []}, ":value": {"L": [number(value)]}},
        })
    }

    async fn get(&self, client: &Client, keys: &[String]) -> Option<Transaction> {
        let key = keys.first()?;
        let body = json!({
            "TableName": self.table, "Key": {"pk": {"S": key}}, "ConsistentRead": true,
        });
        let call = self.shared.now();
        let answer = client.call("GetItem", &body).await;
        let Answer::Ok(body) = answer else {
            return None;
        };
        Some(Transaction {
            call,
            told: Told::Happened(self.shared.now()),
            accesses: vec![Access::Read(key.clone(), list(body.get("Item")))],
        })
    }

    async fn append(&self, client: &Client, keys: &[String]) -> Option<Transaction> {
        let key = keys.first()?;
        let value = self.value();
        let mut body = self.update(key, value);
        body.as_object_mut()?
            .insert("ReturnValues".to_owned(), json!("ALL_NEW"));
        let call = self.shared.now();
        let answer = client.call("UpdateItem", &body).await;
        let mut accesses = vec![Access::Append(key.clone(), value)];
        if let Answer::Ok(body) = &answer {
            let seen = list(body.get("Attributes"));
            accesses.push(Access::Read(key.clone(), seen));
        }
        self.outcome(call, &answer, accesses)
    }

    async fn read_transaction(&self, client: &Client, keys: &[String]) -> Option<Transaction> {
        let call = self.shared.now();
        let seen = self.read(client, keys).await?;
        Some(Transaction {
            call,
            told: Told::Happened(self.shared.now()),
            accesses: seen
                .into_iter()
                .map(|(key, list)| Access::Read(key, list))
                .collect(),
        })
    }

    async fn read(&self, client: &Client, keys: &[String]) -> Option<Vec<(String, Vec<i64>)>> {
        let gets: Vec<Value> = keys
            .iter()
            .map(|key| json!({"Get": {"TableName": self.table, "Key": {"pk": {"S": key}}}}))
            .collect();
        let body = json!({"TransactItems": gets});
        let Answer::Ok(body) = client.call("TransactGetItems", &body).await else {
            return None;
        };
        let responses = body.get("Responses")?.as_array()?;
        let lists = responses.iter().map(|response| list(response.get("Item")));
        Some(keys.iter().cloned().zip(lists).collect())
    }

    async fn write_transaction(&self, client: &Client, keys: &[String]) -> Option<Transaction> {
        let mut items = Vec::new();
        let mut accesses = Vec::new();
        for key in keys {
            let value = self.value();
            items.push(json!({"Update": self.update(key, value)}));
            accesses.push(Access::Append(key.clone(), value));
        }
        self.write(client, items, accesses).await
    }

    /// Appends to all keys but the first, on condition that the first is as it was read before: a transaction that
    /// reads and writes.
    async fn checked_transaction(&self, client: &Client, keys: &[String]) -> Option<Transaction> {
        let (first, rest) = keys.split_first()?;
        let seen = self.read(client, std::slice::from_ref(first)).await?;
        let (_, seen) = seen.into_iter().next()?;
        let mut check = json!({
            "TableName": self.table,
            "Key": {"pk": {"S": first}},
            "ConditionExpression": "attribute_not_exists(l)",
        });
        if !seen.is_empty() {
            let list: Vec<Value> = seen.iter().map(|value| number(*value)).collect();
            let check = check.as_object_mut()?;
            check.insert("ConditionExpression".to_owned(), json!("l = :seen"));
            check.insert(
                "ExpressionAttributeValues".to_owned(),
                json!({":seen": {"L": list}}),
            );
        }
        let mut items = vec![json!({"ConditionCheck": check})];
        let mut appends = Vec::new();
        for key in rest {
            let value = self.value();
            items.push(json!({"Update": self.update(key, value)}));
            appends.push(Access::Append(key.clone(), value));
        }
        let mut transaction = self.write(client, items, appends).await?;
        if matches!(transaction.told, Told::Happened(_)) {
            let read = Access::Read(first.clone(), seen);
            transaction.accesses.push(read);
        }
        Some(transaction)
    }

    async fn write(
        &self,
        client: &Client,
        items: Vec<Value>,
        accesses: Vec<Access>,
    ) -> Option<Transaction> {
        let body = json!({
            "TransactItems": items,
            "ClientRequestToken": format!("token-{}", self.value()),
        });
        let call = self.shared.now();
        let answer = client.call("TransactWriteItems", &body).await;
        if let Answer::Ok(_) = &answer {
            self.shared.transactions.fetch_add(1, Ordering::Relaxed);
        }
        self.outcome(call, &answer, accesses)
    }

    fn outcome(&self, call: i64, answer: &Answer, accesses: Vec<Access>) -> Option<Transaction> {
        let told = match answer {
            Answer::Ok(_) => Told::Happened(self.shared.now()),
            Answer::Refused { .. } | Answer::NotSent => Told::Refused,
            Answer::Unknown { .. } => Told::Unknown,
        };
        Some(Transaction {
            call,
            told,
            accesses,
        })
    }
}

fn number(value: i64) -> Value {
    json!({"N": value.to_string()})
}

fn list(item: Option<&Value>) -> Vec<i64> {
    let values = item
        .and_then(|item| item.get("l")?.get("L")?.as_array())
        .map(Vec::as_slice);
    values
        .unwrap_or_default()
        .iter()
        // A value that cannot be read is judged as one that nobody appended.
        .map(|value| {
            let text = value.get("N").and_then(Value::as_str);
            text.and_then(|text| text.parse().ok()).unwrap_or(i64::MIN)
        })
        .collect()
}
