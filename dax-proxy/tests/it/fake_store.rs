//! A store of the few operations that the proxy sends, with scripted delays and losses.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use parking_lot::Mutex;
use serde_json::{Value, json};
use stator_kit::http::{ServerOptions, serve};
use stator_kit::task::TaskOwner;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What happens to the next request of an operation.
pub(crate) enum Behaviour {
    /// It is executed, and its reply waits for the gate.
    HoldReply(Arc<Gate>),
    /// It is answered so and not executed.
    Answer(u16, Value),
    /// It is executed, and the connection breaks instead of the reply.
    LoseReply,
}

/// Stops one request.
pub(crate) struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            reached: Semaphore::new(0),
            open: Semaphore::new(0),
        })
    }

    /// Waits until a request stands at the gate.
    pub(crate) async fn reached(&self) {
        self.reached.acquire().await.unwrap().forget();
    }

    /// Lets it go.
    pub(crate) fn open(&self) {
        self.open.add_permits(1);
    }

    async fn pass(&self) {
        self.reached.add_permits(1);
        self.open.acquire().await.unwrap().forget();
    }
}

/// One request that arrived.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) operation: String,
    pub(crate) body: Value,
    pub(crate) headers: HeaderMap,
}

/// The store. Every table has the partition key `pk` of type S.
pub(crate) struct FakeStore {
    pub(crate) url: String,
    state: Arc<State>,
    tasks: TaskOwner,
}

#[derive(Default)]
struct State {
    tables: Mutex<BTreeMap<String, Table>>,
    seen: Mutex<Vec<Seen>>,
    script: Mutex<VecDeque<(&'static str, Behaviour)>>,
    forward_only: AtomicBool,
    /// How long each request takes.
    pace: Mutex<Duration>,
    now: AtomicUsize,
    most: AtomicUsize,
}

struct Table {
    id: String,
    items: BTreeMap<String, Value>,
}

type Answer = (u16, Value);

impl FakeStore {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (state, tasks) = (Arc::new(State::default()), TaskOwner::new("fake store"));
        let shared = Arc::clone(&state);
        let handler = move |request| {
            let state = Arc::clone(&shared);
            async move { state.handle(request).await }
        };
        serve(listener, ServerOptions::new("fake store"), handler, &tasks);
        let store = Self { url, state, tasks };
        store.create_table("orders", "00000000-0000-4000-8000-000000000001");
        store
    }

    pub(crate) fn create_table(&self, name: &str, id: &str) {
        let table = Table {
            id: id.to_owned(),
            items: BTreeMap::new(),
        };
        self.state.tables.lock().insert(name.to_owned(), table);
    }

    /// Puts an item past the proxy.
    pub(crate) fn put(&self, table: &str, item: Value) {
        let mut tables = self.state.tables.lock();
        let key = key_of(&item);
        tables.get_mut(table).unwrap().items.insert(key, item);
    }

    /// What is there, past the proxy.
    pub(crate) fn item(&self, table: &str, pk: &str) -> Option<Value> {
        let tables = self.state.tables.lock();
        tables.get(table)?.items.get(pk).cloned()
    }

    /// From now on puts are as if each had a condition: a number that comes late is refused.
    pub(crate) fn refuse_older_numbers(&self) {
        self.state.forward_only.store(true, Ordering::Relaxed);
    }

    /// Closes its port and its connections.
    pub(crate) async fn stop(&self) {
        self.tasks.clone().shutdown(Duration::from_secs(10)).await;
    }

    /// The next request of `operation` is treated so.
    pub(crate) fn next(&self, operation: &'static str, behaviour: Behaviour) {
        self.state.script.lock().push_back((operation, behaviour));
    }

    /// Every request takes this long from now on.
    pub(crate) fn pace(&self, pace: Duration) {
        *self.state.pace.lock() = pace;
    }

    /// The most requests that were there at once.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// Requests of `operation` so far.
    pub(crate) fn count(&self, operation: &str) -> usize {
        self.seen()
            .iter()
            .filter(|seen| seen.operation == operation)
            .count()
    }

    /// Requests so far, without the questions of the proxy's own start.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().clone()
    }

    /// The last request of `operation`.
    pub(crate) fn last(&self, operation: &str) -> Seen {
        self.seen()
            .into_iter()
            .rfind(|seen| seen.operation == operation)
            .unwrap()
    }
}

impl State {
    async fn handle(&self, request: Request<Incoming>) -> Response<BoxBody<Bytes, std::io::Error>> {
        let (parts, body) = request.into_parts();
        let target = parts.headers["x-amz-target"].to_str().unwrap();
        let operation = target.split_once('.').unwrap().1.to_owned();
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let seen = Seen {
            operation: operation.clone(),
            body: body.clone(),
            headers: parts.headers,
        };
        self.seen.lock().push(seen);
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        let pace = *self.pace.lock();
        tokio::time::sleep(pace).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        let behaviour = {
            let mut script = self.script.lock();
            let found = script.iter().position(|(name, _)| *name == operation);
            found
                .and_then(|index| script.remove(index))
                .map(|(_, behaviour)| behaviour)
        };
        let answer = match behaviour {
            Some(Behaviour::Answer(status, answer)) => (status, answer),
            None => self.execute(&operation, &body),
            Some(Behaviour::HoldReply(gate)) => {
                let answer = self.execute(&operation, &body);
                gate.pass().await;
                answer
            }
            Some(Behaviour::LoseReply) => {
                self.execute(&operation, &body);
                return broken();
            }
        };
        response(answer)
    }

    fn execute(&self, operation: &str, body: &Value) -> Answer {
        let mut tables = self.tables.lock();
        if self.forward_only.load(Ordering::Relaxed) && goes_back(&tables, operation, body) {
            let name = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException";
            return (400, json!({"__type": name}));
        }
        match operation {
            "ListTables" => (
                200,
                json!({"TableNames": tables.keys().collect::<Vec<_>>()}),
            ),
            "BatchGetItem" => batch_get(&tables, body),
            "BatchWriteItem" => batch_write(&mut tables, body),
            "CreateTable" | "DescribeTimeToLive" | "TransactGetItems" | "UpdateTable" => {
                (200, json!({}))
            }
            _ => {
                let name = body["TableName"].as_str().unwrap_or("");
                if operation == "DeleteTable" {
                    return tables
                        .remove(name)
                        .map_or_else(not_found, |_| (200, json!({})));
                }
                let Some(table) = tables.get_mut(name) else {
                    return not_found();
                };
                table.execute(operation, name, body)
            }
        }
    }
}

/// Whether a put of a number in `v` finds that number or a higher one: it is an older one that comes late.
fn goes_back(tables: &BTreeMap<String, Table>, operation: &str, body: &Value) -> bool {
    let put = match operation {
        "PutItem" => &body["Item"],
        "BatchWriteItem" => &body["RequestItems"]["orders"][0]["PutRequest"]["Item"],
        _ => return false,
    };
    let number = |item: &Value| item["v"]["S"].as_str().and_then(|v| v.parse::<u64>().ok());
    let held = tables["orders"].items.get(&key_of(put)).and_then(number);
    held >= number(put)
}

impl Table {
    fn execute(&mut self, operation: &str, name: &str, body: &Value) -> Answer {
        match operation {
            "DescribeTable" => (
                200,
                json!({"Table": {
                    "TableName": name, "TableId": self.id, "TableStatus": "ACTIVE",
                    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                    "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                }}),
            ),
            "GetItem" => (
                200,
                match self.items.get(&key_of(&body["Key"])) {
                    Some(item) => json!({"Item": item}),
                    None => json!({}),
                },
            ),
            "PutItem" => {
                self.items
                    .insert(key_of(&body["Item"]), body["Item"].clone());
                (200, json!({}))
            }
            "DeleteItem" => {
                self.items.remove(&key_of(&body["Key"]));
                (200, json!({}))
            }
            "UpdateItem" => (200, self.update(body)),
            "Query" | "Scan" => {
                let items: Vec<&Value> = self.items.values().collect();
                let mut page =
                    json!({"Items": items, "Count": items.len(), "ScannedCount": items.len()});
                if body["ReturnConsumedCapacity"] == "TOTAL" {
                    page["ConsumedCapacity"] = json!({"TableName": name, "CapacityUnits": 0.5});
                }
                (200, page)
            }
            other => panic!("the fake store does not know {other}"),
        }
    }

    /// Sets the attribute `v` to `:v`, whatever the expression says.
    fn update(&mut self, body: &Value) -> Value {
        let key = key_of(&body["Key"]);
        let old = self.items.get(&key).cloned();
        let mut new = old.clone().unwrap_or_else(|| body["Key"].clone());
        new["v"] = body["ExpressionAttributeValues"][":v"].clone();
        self.items.insert(key, new.clone());
        match body["ReturnValues"].as_str() {
            Some("ALL_NEW") => json!({"Attributes": new}),
            Some("UPDATED_NEW") => json!({"Attributes": {"v": new["v"]}}),
            Some("ALL_OLD") => old.map_or_else(|| json!({}), |old| json!({"Attributes": old})),
            _ => json!({}),
        }
    }
}

fn batch_get(tables: &BTreeMap<String, Table>, body: &Value) -> Answer {
    let mut responses = json!({});
    for (name, part) in body["RequestItems"].as_object().unwrap() {
        let Some(table) = tables.get(name) else {
            return not_found();
        };
        let keys = part["Keys"].as_array().unwrap();
        let items = keys.iter().filter_map(|key| table.items.get(&key_of(key)));
        responses[name] = items.cloned().collect();
    }
    (200, json!({"Responses": responses, "UnprocessedKeys": {}}))
}

fn batch_write(tables: &mut BTreeMap<String, Table>, body: &Value) -> Answer {
    for (name, requests) in body["RequestItems"].as_object().unwrap() {
        let Some(table) = tables.get_mut(name) else {
            return not_found();
        };
        for request in requests.as_array().unwrap() {
            match request.get("PutRequest") {
                Some(put) => table
                    .items
                    .insert(key_of(&put["Item"]), put["Item"].clone()),
                None => table
                    .items
                    .remove(&key_of(&request["DeleteRequest"]["Key"])),
            };
        }
    }
    (200, json!({"UnprocessedItems": {}}))
}

fn key_of(item: &Value) -> String {
    item["pk"]["S"].as_str().unwrap().to_owned()
}

fn not_found() -> Answer {
    (
        400,
        json!({
            "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            "message": "Requested resource not found",
        }),
    )
}

fn response((status, body): Answer) -> Response<BoxBody<Bytes, std::io::Error>> {
    let body = Bytes::from(body.to_string());
    let mut response = Response::new(
        Full::new(body.clone())
            .map_err(|never| match never {})
            .boxed(),
    );
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    let headers = response.headers_mut();
    headers.insert("x-amz-crc32", crc32fast::hash(&body).into());
    headers.insert("x-amzn-requestid", "STORE".parse().unwrap());
    response
}

/// A body that breaks off, and the connection with it.
fn broken() -> Response<BoxBody<Bytes, std::io::Error>> {
    let error = Err::<Frame<Bytes>, _>(std::io::Error::other("the reply is lost"));
    Response::new(http_body_util::BodyExt::boxed(StreamBody::new(
        futures::stream::iter([error]),
    )))
}

/// Waits for a condition that the test cannot be told about.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect(what);
}
