//! The store is a socket that answers `DescribeTable` with the identity that the test sets: what is
//! tested is when it is asked, and what happens when the answer changes.

use std::path::PathBuf;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::Full;
use prometheus_client::registry::Registry;
use stator_kit::clock::SystemWallClock;
use stator_kit::http::{ServerOptions, serve};
use stator_kit::sigv4::AccessKey;
use tokio::net::TcpListener;

use super::*;
use crate::upstream::UpstreamOptions;

struct Store {
    tables: Arc<Tables>,
    /// What `DescribeTable` answers; `None`: no such table.
    identity: Arc<Mutex<Option<&'static str>>>,
    asked: Arc<Mutex<usize>>,
    tasks: TaskOwner,
}

const FIRST: &str = "00000000-0000-4000-8000-000000000001";
const SECOND: &str = "00000000-0000-4000-8000-000000000002";

async fn store() -> Store {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let tasks = TaskOwner::new("test");
    let identity = Arc::new(Mutex::new(Some(FIRST)));
    let asked = Arc::new(Mutex::new(0));
    let (answers, counts) = (Arc::clone(&identity), Arc::clone(&asked));
    let handler = move |_| {
        *counts.lock() += 1;
        let (status, body) = match *answers.lock() {
            Some(id) => (200, describe(id)),
            None => (
                400,
                "{\"__type\":\"x#ResourceNotFoundException\"}".to_owned(),
            ),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        async move { response }
    };
    serve(listener, ServerOptions::new("store"), handler, &tasks);
    let options = UpstreamOptions {
        endpoint,
        key: AccessKey::new("a", "b"),
        region: "us-east-1".to_owned(),
        authorities: PathBuf::new(),
    };
    let upstream = Upstream::new(
        options,
        Arc::new(SystemWallClock),
        &mut Registry::default(),
        &tasks,
    )
    .unwrap();
    Store {
        tables: Tables::new(Arc::new(upstream), tasks.clone()),
        identity,
        asked,
        tasks,
    }
}

fn describe(id: &str) -> String {
    format!(
        r#"{{"Table":{{"TableName":"t","TableId":"{id}","Other":1,
            "KeySchema":[{{"AttributeName":"a","KeyType":"HASH"}},{{"AttributeName":"b","KeyType":"RANGE"}}],
            "AttributeDefinitions":[{{"AttributeName":"b","AttributeType":"N"}},
                {{"AttributeName":"a","AttributeType":"S"}}]}}}}"#
    )
}

#[tokio::test]
async fn a_table_is_known_by_its_id_and_key_and_asked_for_once() {
    let store = store().await;
    let now = Instant::now();
    let table = store.tables.get("t", now).await.unwrap();
    assert_eq!(table.handle.id(), TableId::from_text(FIRST));
    assert_eq!(table.key_schema.partition_key.name, "a");
    let sort_key = table.key_schema.sort_key.as_ref().unwrap();
    assert_eq!(
        (sort_key.name.as_str(), sort_key.scalar_type),
        ("b", ScalarType::N)
    );
    store
        .tables
        .get("t", now + REFRESH_AFTER / 2)
        .await
        .unwrap();
    assert_eq!(*store.asked.lock(), 1);
    assert!(table.may_store());
}

#[tokio::test]
async fn an_old_table_is_used_while_one_request_asks_again() {
    let store = store().await;
    let first = store.tables.get("t", Instant::now()).await.unwrap();
    *store.identity.lock() = Some(SECOND);
    let later = Instant::now() + REFRESH_AFTER;
    let used = store.tables.get("t", later).await.unwrap();
    assert_eq!(used.handle.id(), first.handle.id());
    // Asked beside the request: wait for it as its own task does.
    while store.tables.current("t").unwrap().handle.id() == first.handle.id() {
        tokio::task::yield_now().await;
    }
    assert_eq!(*store.asked.lock(), 2);
}

#[tokio::test]
async fn nothing_of_a_new_identity_is_stored_while_someone_uses_the_old_one() {
    let store = store().await;
    let old = store.tables.get("t", Instant::now()).await.unwrap();
    *store.identity.lock() = Some(SECOND);
    let much_later = Instant::now() + USE_AT_MOST;
    let new = store.tables.get("t", much_later).await.unwrap();
    assert_ne!(new.handle.id(), old.handle.id());
    assert!(!new.may_store());
    drop(old);
    assert!(new.may_store());
}

#[tokio::test]
async fn the_same_identity_asked_again_may_store_at_once() {
    let store = store().await;
    let old = store.tables.get("t", Instant::now()).await.unwrap();
    store.tables.forget("t");
    let new = store.tables.get("t", Instant::now()).await.unwrap();
    assert_eq!(new.handle.id(), old.handle.id());
    assert!(new.may_store());
    assert_eq!(*store.asked.lock(), 2);
}

#[tokio::test]
async fn a_table_that_has_gone_is_forgotten_and_so_is_its_name() {
    let store = store().await;
    let table = store.tables.get("t", Instant::now()).await.unwrap();
    let generation = table.handle.generation();
    drop(table);
    *store.identity.lock() = None;
    let gone = store.tables.get("t", Instant::now() + USE_AT_MOST).await;
    assert!(matches!(gone, Err(TableError::Refused)));
    assert!(store.tables.names.read().is_empty());
    *store.identity.lock() = Some(FIRST);
    let again = store.tables.get("t", Instant::now()).await.unwrap();
    assert_ne!(
        again.handle.generation(),
        generation,
        "what was held is dropped"
    );
}

#[tokio::test]
async fn an_unreachable_store_is_told_apart_from_a_missing_table() {
    let store = store().await;
    store.tables.get("t", Instant::now()).await.unwrap();
    store.tasks.clone().shutdown(Duration::from_secs(5)).await;
    let unreachable = store.tables.get("other", Instant::now()).await;
    assert!(matches!(unreachable, Err(TableError::Unreachable(_))));
    let known = store.tables.get("t", Instant::now()).await;
    assert!(known.is_ok(), "what is known is used on");
}
