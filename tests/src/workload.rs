//! The workload behind the fault tests: clients that write, compare-and-set, increment and read strongly, and record.
//!
//! Each client works on a few of the keys at a time, so that keys are contended; keys change over time, so that the
//! history of one key stays short enough for the checker. Clients never stop at an error: a refused request is left
//! out of the history, a write without an answer is recorded as unknown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::client::{Answer, Client};
use crate::history::{Action, Recorded};

/// Operations on one key before the clients go on to the next: keeps the check of a key in milliseconds.
const OPERATIONS_PER_KEY: u64 = 120;

/// Unknown writes before the clients go on to the next keys. A write of unknown outcome may take effect at any later
/// time, and each of them doubles what the checker has to try: a key with dozens, as an outage makes, is undecidable.
const UNKNOWN_PER_TURN: u64 = 8;

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
pub struct Workload {
    stop: Arc<AtomicBool>,
    shared: Arc<Shared>,
    workers: JoinSet<Vec<Recorded>>,
}

/// What the workload saw.
pub struct Report {
    /// All operations whose outcome is known or unknown, but not those surely refused.
    pub history: Vec<Recorded>,
    /// Acknowledged writes.
    pub acknowledged_writes: u64,
    /// Writes of unknown outcome.
    pub unknown_writes: u64,
    /// The longest time without an acknowledged write.
    pub longest_write_gap: Duration,
}

struct Shared {
    start: Instant,
    operations: AtomicU64,
    unknown: AtomicU64,
    /// Values written are never repeated, so that a read tells which write it saw.
    next_value: AtomicI64,
    acknowledged_writes: AtomicU64,
    last_acknowledged: AtomicI64,
    longest_gap: AtomicI64,
}

impl Shared {
    fn now(&self) -> i64 {
        i64::try_from(self.start.elapsed().as_nanos()).unwrap_or(i64::MAX)
    }

    fn acknowledged(&self) {
        let now = self.now();
        let before = self.last_acknowledged.fetch_max(now, Ordering::Relaxed);
        self.longest_gap.fetch_max(now - before, Ordering::Relaxed);
        self.acknowledged_writes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Workload {
    /// Starts the workers on the current runtime.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let shared = Arc::new(Shared {
            start: Instant::now(),
            operations: AtomicU64::new(0),
            unknown: AtomicU64::new(0),
            next_value: AtomicI64::new(1),
            acknowledged_writes: AtomicU64::new(0),
            last_acknowledged: AtomicI64::new(0),
            longest_gap: AtomicI64::new(0),
        });
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = JoinSet::new();
        for number in 0..options.workers {
            let worker = Worker {
                number,
                endpoints: options.endpoints.clone(),
                table: options.table.clone(),
                random: StdRng::seed_from_u64(options.seed ^ u64::from(number)),
                shared: shared.clone(),
                stop: stop.clone(),
                last_seen: None,
            };
            workers.spawn(worker.run());
        }
        Self {
            stop,
            shared,
            workers,
        }
    }

    /// Writes acknowledged so far.
    #[must_use]
    pub fn acknowledged_writes(&self) -> u64 {
        self.shared.acknowledged_writes.load(Ordering::Relaxed)
    }

    /// Waits until `count` more writes are acknowledged and tells how long that took, `None` past the limit.
    pub async fn wait_for_writes(&self, count: u64, limit: Duration) -> Option<Duration> {
        let start = Instant::now();
        let goal = self.acknowledged_writes() + count;
        while start.elapsed() < limit {
            if self.acknowledged_writes() >= goal {
                return Some(start.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        None
    }

    /// Stops the workers, waits for their last operations and returns what they recorded.
    pub async fn stop(mut self) -> Report {
        self.stop.store(true, Ordering::Relaxed);
        let mut history = Vec::new();
        while let Some(recorded) = self.workers.join_next().await {
            history.extend(recorded.expect("a worker panicked"));
        }
        let unknown = history
            .iter()
            .filter(|recorded| recorded.answer.is_none())
            .count();
        let gap = self.shared.longest_gap.load(Ordering::Relaxed);
        Report {
            history,
            acknowledged_writes: self.acknowledged_writes(),
            unknown_writes: unknown as u64,
            longest_write_gap: Duration::from_nanos(u64::try_from(gap).unwrap_or(0)),
        }
    }
}

struct Worker {
    number: u32,
    endpoints: Vec<Client>,
    table: String,
    random: StdRng,
    shared: Arc<Shared>,
    stop: Arc<AtomicBool>,
    last_seen: Option<i64>,
}

impl Worker {
    async fn run(mut self) -> Vec<Recorded> {
        let mut recorded = Vec::new();
        let mut endpoint = self.number as usize;
        while !self.stop.load(Ordering::Relaxed) {
            let count = self.shared.operations.fetch_add(1, Ordering::Relaxed);
            // Four keys at a time, each replaced after its share of the operations.
            let unknown = self.shared.unknown.load(Ordering::Relaxed);
            let turn = count / (4 * OPERATIONS_PER_KEY) + unknown / UNKNOWN_PER_TURN;
            let key = format!("key-{turn}-{}", count % 4);
            let action = self.choose();
            let Some(client) = self.endpoints.get(endpoint % self.endpoints.len()).cloned() else {
                return recorded;
            };
            let call = self.shared.now();
            let (operation, body) = self.request(&key, &action);
            let answer = client.call(operation, &body).await;
            let end = self.shared.now();
            let failed = !matches!(
                answer,
                Answer::Ok(_)
                    | Answer::Refused {
                        conditional: true,
                        ..
                    }
            );
            if let Some((action, known)) = outcome(action, &answer) {
                if known && !matches!(action, Action::Read(_)) {
                    self.shared.acknowledged();
                }
                if let Action::Read(seen) = action {
                    self.last_seen = seen;
                }
                if !known {
                    self.shared.unknown.fetch_add(1, Ordering::Relaxed);
                }
                let answer = known.then_some(end);
                recorded.push(Recorded {
                    client: self.number,
                    key,
                    call,
                    answer,
                    action,
                });
            }
            if failed {
                endpoint += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        recorded
    }

    fn choose(&mut self) -> Action {
        match self.random.random_range(0..10) {
            0..4 => Action::Read(None),
            4..6 => Action::Write(self.value()),
            6..8 => Action::CompareAndSet {
                expected: self.last_seen,
                next: self.value(),
                held: None,
            },
            _ => Action::Add {
                by: self.value(),
                sum: None,
            },
        }
    }

    fn value(&self) -> i64 {
        self.shared.next_value.fetch_add(1, Ordering::Relaxed)
    }

    fn request(&self, key: &str, action: &Action) -> (&'static str, Value) {
        let table = &self.table;
        let pk = json!({"S": key});
        let key = json!({"pk": pk});
        match action {
            Action::Read(_) => (
                "GetItem",
                json!({"TableName": table, "Key": key, "ConsistentRead": true}),
            ),
            Action::Write(value) => {
                let item = json!({"pk": pk, "v": number(*value)});
                ("PutItem", json!({"TableName": table, "Item": item}))
            }
            Action::CompareAndSet {
                expected: Some(expected),
                next,
                ..
            } => (
                "UpdateItem",
                json!({
                    "TableName": table,
                    "Key": key,
                    "UpdateExpression": "SET v = :next",
                    "ConditionExpression": "v = :expected",
                    "ExpressionAttributeValues": {":next": number(*next), ":expected": number(*expected)},
                }),
            ),
            Action::CompareAndSet {
                expected: None,
                next,
                ..
            } => (
                "UpdateItem",
                json!({
                    "TableName": table,
                    "Key": key,
                    "UpdateExpression": "SET v = :next",
                    "ConditionExpression": "attribute_not_exists(pk)",
                    "ExpressionAttributeValues": {":next": number(*next)},
                }),
            ),
            Action::Add { by, .. } => (
                "UpdateItem",
                json!({
                    "TableName": table,
                    "Key": key,
                    "UpdateExpression": "ADD v :by",
                    "ExpressionAttributeValues": {":by": number(*by)},
                    "ReturnValues": "UPDATED_NEW",
                }),
            ),
        }
    }
}

fn number(value: i64) -> Value {
    json!({"N": value.to_string()})
}

fn register(attributes: &Value) -> Option<i64> {
    attributes.get("v")?.get("N")?.as_str()?.parse().ok()
}

/// The action with its answer and whether the outcome is known; `None` where nothing can have happened, or a read
/// told nothing.
fn outcome(action: Action, answer: &Answer) -> Option<(Action, bool)> {
    match (action, answer) {
        (Action::Read(_), Answer::Ok(body)) => {
            Some((Action::Read(body.get("Item").and_then(register)), true))
        }
        (Action::Read(_), _) | (_, Answer::NotSent) => None,
        (Action::Write(value), Answer::Ok(_)) => Some((Action::Write(value), true)),
        (Action::CompareAndSet { expected, next, .. }, Answer::Ok(_)) => Some((
            Action::CompareAndSet {
                expected,
                next,
                held: Some(true),
            },
            true,
        )),
        (
            Action::CompareAndSet { expected, next, .. },
            Answer::Refused {
                conditional: true, ..
            },
        ) => Some((
            Action::CompareAndSet {
                expected,
                next,
                held: Some(false),
            },
            true,
        )),
        (Action::Add { by, .. }, Answer::Ok(body)) => {
            let sum = body.get("Attributes").and_then(register);
            // An acknowledged sum that cannot be read is judged as a wrong one.
            Some((
                Action::Add {
                    by,
                    sum: Some(sum.unwrap_or(i64::MIN)),
                },
                true,
            ))
        }
        (_, Answer::Refused { .. }) => None,
        (action, Answer::Unknown { .. }) => Some((action, false)),
    }
}
