//! A cluster of cache nodes (M10 to M12, invariant 6): real nodes and sockets in one process, links between them that a test
//! cuts, and a lease that it takes away in place of an API server's. The lease in a real API server: `tests/kubernetes`.

mod history;
pub(crate) mod links;
pub(crate) mod nodes;

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use self::links::Mode;
use self::nodes::{Election, Nodes};
use crate::client::{item, key};
use crate::fake_store::{Behaviour, Gate, until};

#[tokio::test]
async fn what_is_written_through_any_node_is_a_hit_on_every_node() {
    for election in [Election::Lease, Election::FirstPeer] {
        let cluster = Nodes::start(3, election).await;
        cluster.ready(&[0, 1, 2]).await;
        for node in 0..3 {
            assert_eq!(cluster.get(node, "a").await.v(), None);
        }
        for writer in 0..3 {
            let v = format!("of {writer}");
            assert_eq!(cluster.put(writer, "a", &v).await.status, 200);
            for reader in 0..3 {
                let read = cluster.get(reader, "a").await;
                assert_eq!((read.cache.as_str(), read.v()), ("hit", Some(v.as_str())));
            }
        }
        let delete = json!({"TableName": "orders", "Key": key("a")});
        cluster.try_call(1, "DeleteItem", delete).await.unwrap();
        for reader in 0..3 {
            let read = cluster.get(reader, "a").await;
            assert_eq!((read.cache.as_str(), read.v()), ("hit", None));
        }
    }
}

#[tokio::test]
async fn batches_transactions_statements_and_tables_reach_every_node() {
    let cluster = Nodes::start(3, Election::Lease).await;
    cluster.ready(&[0, 1, 2]).await;
    let held = async |v: &str| {
        for node in 0..3 {
            assert_eq!(cluster.get(node, "a").await.v(), Some(v));
        }
    };
    cluster.put(0, "a", "1").await;
    held("1").await;
    let batch = json!({"RequestItems": {"orders": [{"PutRequest": {"Item": item("a", "2")}}]}});
    assert_eq!(
        cluster
            .try_call(2, "BatchWriteItem", batch)
            .await
            .unwrap()
            .status,
        200
    );
    held("2").await;
    // The store's own doing stands for what the fake one cannot: a transaction, a statement.
    let update = "UPDATE \"orders\" SET v = '3' WHERE pk = 'a'";
    for (v, operation, body) in [
        (
            "3",
            "TransactWriteItems",
            json!({"TransactItems": [{"Put": {"TableName": "orders", "Item": item("a", "3")}}]}),
        ),
        ("4", "ExecuteStatement", json!({"Statement": update})),
        (
            "5",
            "UpdateTable",
            json!({"TableName": "orders", "DeletionProtectionEnabled": true}),
        ),
    ] {
        cluster.store.put("orders", item("a", v));
        cluster
            .store
            .next(operation, Behaviour::Answer(200, json!({})));
        let reply = cluster.try_call(1, operation, body).await.unwrap();
        assert_eq!(reply.status, 200, "{operation}: {reply:?}");
        held(v).await;
    }
}

/// A write is not acknowledged while a replica may serve what was there before it.
#[tokio::test]
async fn a_silent_replica_is_waited_for_and_expelled() {
    let cluster = Nodes::start(3, Election::Lease).await;
    cluster.ready(&[0, 1, 2]).await;
    let (primary, silent) = (cluster.primary(), cluster.replica());
    cluster.put(primary, "a", "1").await;
    cluster.get(silent, "a").await;
    assert_eq!(cluster.get(silent, "a").await.cache, "hit");
    cluster.set_links(silent, Mode::Hanging);
    let started = Instant::now();
    assert_eq!(cluster.put(primary, "a", "2").await.status, 200);
    let waited = started.elapsed();
    let read = cluster.get(silent, "a").await;
    assert_eq!((read.cache.as_str(), read.v()), ("bypass", Some("2")));
    assert!(
        waited > Duration::from_millis(300) && waited < Duration::from_secs(3),
        "{waited:?}"
    );
    // It is not waited for again.
    let started = Instant::now();
    assert_eq!(cluster.put(primary, "a", "3").await.status, 200);
    assert!(started.elapsed() < Duration::from_millis(500));
    // A write on its way to the primary is lost with it; what it cannot settle it does not write.
    assert_eq!(cluster.put(silent, "a", "lost").await.status, 500);
    let refused = cluster.put(silent, "a", "4").await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(cluster.get(primary, "a").await.v(), Some("3"));
    cluster.set_links(silent, Mode::Open);
    cluster.ready(&[silent]).await;
    assert_eq!(cluster.get(silent, "a").await.v(), Some("3"));
    assert_eq!(cluster.put(silent, "a", "5").await.status, 200);
    assert_eq!(cluster.get(primary, "a").await.v(), Some("5"));
}

#[tokio::test]
async fn a_replica_is_promoted_when_the_primary_is_cut_off() {
    for mode in [Mode::Closed, Mode::Hanging] {
        let cluster = Nodes::start(3, Election::Lease).await;
        cluster.ready(&[0, 1, 2]).await;
        let (old, other) = (cluster.primary(), cluster.replica());
        cluster.put(old, "a", "1").await;
        cluster.set_links(old, mode);
        cluster.nodes[old].lease.set_reachable(false);
        let started = Instant::now();
        let mut written = cluster.put(other, "a", "2").await;
        if mode == Mode::Hanging {
            // It was on its way to the old primary, which may have executed it: nobody says that it has not.
            assert_eq!(written.status, 500);
            written = cluster.put(other, "a", "2").await;
        }
        // Otherwise it waits for the promotion.
        assert_eq!(written.status, 200, "{mode:?}");
        let took = started.elapsed();
        assert!(took < Duration::from_secs(6), "{mode:?}: {took:?}");
        assert_ne!(cluster.primary(), old);
        let read = cluster.get(old, "a").await;
        assert_eq!((read.cache.as_str(), read.v()), ("bypass", Some("2")));
        assert_eq!(cluster.put(old, "a", "3").await.status, 503);
        cluster.set_links(old, Mode::Open);
        cluster.nodes[old].lease.set_reachable(true);
        cluster.ready(&[0, 1, 2]).await;
        for node in 0..3 {
            assert_eq!(cluster.get(node, "a").await.v(), Some("2"));
        }
    }
}

/// The API server's absence costs hits, not answers.
#[tokio::test]
async fn without_the_lease_every_node_serves_from_the_store() {
    let cluster = Nodes::start(3, Election::Lease).await;
    cluster.ready(&[0, 1, 2]).await;
    cluster.put(0, "a", "1").await;
    cluster.lose_the_lease().await;
    for node in 0..3 {
        let v = format!("of {node}");
        assert_eq!(cluster.put(node, "a", &v).await.status, 200);
        for reader in 0..3 {
            let read = cluster.get(reader, "a").await;
            assert_eq!(
                (read.cache.as_str(), read.v()),
                ("bypass", Some(v.as_str()))
            );
        }
    }
    cluster.set_lease(true);
    cluster.ready(&[0, 1, 2]).await;
    for node in 0..3 {
        assert_eq!(cluster.get(node, "a").await.v(), Some("of 2"));
    }
}

/// A write that was sent while nobody was the primary is settled with whoever is when it ends.
#[tokio::test]
async fn a_write_that_outlives_the_absence_of_a_primary_is_settled_with_the_next() {
    let cluster = Nodes::start(3, Election::Lease).await;
    cluster.ready(&[0, 1, 2]).await;
    cluster.put(0, "a", "1").await;
    cluster.lose_the_lease().await;
    let gate = Gate::new();
    cluster
        .store
        .next("PutItem", Behaviour::HoldReply(gate.clone()));
    let writing = cluster.put(0, "a", "2");
    let meanwhile = async {
        gate.reached().await;
        // What every node holds now is what the store holds; it is made old behind their backs, so that a node which is
        // not told shows it.
        cluster.store.put("orders", item("a", "1"));
        cluster.set_lease(true);
        cluster.ready(&[0, 1, 2]).await;
        for node in 0..3 {
            assert_eq!(cluster.get(node, "a").await.v(), Some("1"));
            let read = cluster.get(node, "a").await;
            // Where the write is under way nothing is stored.
            assert!(read.v() == Some("1") && (read.cache == "hit" || node == 0));
        }
        cluster.store.put("orders", item("a", "2"));
        gate.open();
    };
    let (written, ()) = tokio::join!(writing, meanwhile);
    assert_eq!(written.status, 200);
    for node in 0..3 {
        assert_eq!(cluster.get(node, "a").await.v(), Some("2"), "node {node}");
    }
}

#[tokio::test]
async fn a_node_that_stops_gives_its_place_back_at_once() {
    let mut cluster = Nodes::start(3, Election::Lease).await;
    cluster.ready(&[0, 1, 2]).await;
    let (old, other) = (cluster.primary(), cluster.replica());
    cluster.put(other, "a", "1").await;
    let started = Instant::now();
    cluster.stop(old).await;
    cluster.promoted(old).await;
    let took = started.elapsed();
    assert!(took < Duration::from_millis(1_500), "{took:?}");
    assert_eq!(cluster.put(other, "a", "2").await.status, 200);
    // A replica that stops is not waited for.
    let replica = (0..3)
        .find(|node| *node != old && *node != cluster.primary())
        .unwrap();
    let primary = cluster.primary();
    cluster.ready(&[replica]).await;
    cluster.stop(replica).await;
    let started = Instant::now();
    assert_eq!(cluster.put(primary, "a", "3").await.status, 200);
    assert!(started.elapsed() < Duration::from_millis(500));
    cluster.run(old).await;
    cluster.run(replica).await;
    cluster.ready(&[0, 1, 2]).await;
    for node in 0..3 {
        assert_eq!(cluster.get(node, "a").await.v(), Some("3"));
    }
}

/// Without Kubernetes: who is gone is known by its port, and its return finds nothing old.
#[tokio::test]
async fn without_a_lease_the_first_peer_is_the_primary() {
    let mut cluster = Nodes::start(3, Election::FirstPeer).await;
    cluster.ready(&[0, 1, 2]).await;
    assert_eq!(cluster.metric(0, "stator_dax_cluster_primary").await, 1);
    assert_eq!(cluster.metric(0, "stator_dax_cluster_replicas").await, 2);
    cluster.put(1, "a", "1").await;
    cluster.stop(0).await;
    cluster.set_links(0, Mode::Closed);
    assert_eq!(cluster.put(1, "a", "2").await.status, 200);
    assert_eq!(cluster.get(2, "a").await.v(), Some("2"));
    cluster.outside(2).await;
    let read = cluster.get(2, "a").await;
    assert_eq!((read.cache.as_str(), read.v()), ("bypass", Some("2")));
    cluster.set_links(0, Mode::Open);
    cluster.run(0).await;
    cluster.ready(&[0, 1, 2]).await;
    assert_eq!(cluster.get(0, "a").await.v(), Some("2"));
}

/// What a replica holds outlives the primary, and a node that joins gets what the primary holds.
#[tokio::test]
async fn a_promoted_replica_is_warm_and_warms_the_others() {
    let cluster = Nodes::start(3, Election::Lease).await;
    cluster.ready(&[0, 1, 2]).await;
    let old = cluster.primary();
    for pk in ["a", "b", "c"] {
        cluster.put(old, pk, "1").await;
    }
    // Until the list of replicas in sync has been written.
    until("a list", || cluster.nodes[0].lease.in_sync().len() == 2).await;
    cluster.set_links(old, Mode::Closed);
    cluster.nodes[old].lease.set_reachable(false);
    cluster.promoted(old).await;
    let others: Vec<usize> = (0..3).filter(|node| *node != old).collect();
    cluster.ready(&others).await;
    for node in others {
        for pk in ["a", "b", "c"] {
            cluster.hit(node, pk, "1").await;
        }
    }
    assert_eq!(cluster.store.count("GetItem"), 0);
    cluster.put(cluster.primary(), "a", "2").await;
    cluster.set_links(old, Mode::Open);
    cluster.nodes[old].lease.set_reachable(true);
    cluster.ready(&[old]).await;
    cluster.hit(old, "a", "2").await;
    cluster.hit(old, "b", "1").await;
}

/// A replica that the primary has gone on without does not take over with what it holds.
#[tokio::test]
async fn a_replica_that_was_left_behind_takes_over_with_nothing() {
    let cluster = Nodes::start(2, Election::Lease).await;
    cluster.ready(&[0, 1]).await;
    let (old, behind) = (cluster.primary(), cluster.replica());
    cluster.put(old, "a", "1").await;
    cluster.hit(behind, "a", "1").await;
    until("a list", || cluster.nodes[0].lease.in_sync().len() == 1).await;
    cluster.set_links(behind, Mode::Hanging);
    assert_eq!(cluster.put(old, "a", "2").await.status, 200);
    assert_eq!(cluster.nodes[0].lease.in_sync().len(), 0);
    cluster.nodes[old].lease.set_reachable(false);
    cluster.promoted(old).await;
    cluster.ready(&[behind]).await;
    let read = cluster.get(behind, "a").await;
    assert_eq!((read.cache.as_str(), read.v()), ("miss", Some("2")));
}

/// SIGTERM with a lame duck: the primary's place goes to another while it serves on.
#[tokio::test]
async fn a_primary_that_retires_hands_over_and_serves_on() {
    let cluster = Nodes::start(3, Election::Lease).await;
    cluster.ready(&[0, 1, 2]).await;
    let old = cluster.primary();
    cluster.put(old, "a", "1").await;
    until("a list", || cluster.nodes[0].lease.in_sync().len() == 2).await;
    let running = cluster.nodes[old].running.as_ref().unwrap();
    let retiring = running.serve_on(Duration::from_secs(3));
    let meanwhile = async {
        cluster.promoted(old).await;
        cluster.ready(&[0, 1, 2]).await;
        assert_eq!(cluster.metric(old, "stator_dax_cluster_primary").await, 0);
        assert!(!running.readiness.is_ready());
        for node in 0..3 {
            let v = format!("of {node}");
            assert_eq!(cluster.put(node, "a", &v).await.status, 200);
            cluster.hit(old, "a", &v).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_ne!(cluster.primary(), old, "it does not take its place again");
    };
    tokio::join!(retiring, meanwhile);
}
