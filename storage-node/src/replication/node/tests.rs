//! One node on threads, a real directory and a real clock.

use std::ops::Bound;
use std::path::Path;

use futures::future::BoxFuture;
use stator_kit::clock::SystemWallClock;
use tokio::time::Instant;

use super::*;
use crate::engine::{Engine, EngineError, EngineSnapshot, Keyspace, MemoryEngine};
use crate::replication::{
    Applied, Cause, ChangeKind, DiskDirectory, EngineWrite, GroupData, Images, LogCommand, NodeId,
    OwnedRange, PartitionId, ProposeError, RequestId,
};
use crate::rpc::{Service, Transport, TransportError};

const GROUP: GroupId = GroupId(1);

struct AllItems;

impl GroupData for AllItems {
    fn ranges(&self, _: &dyn EngineSnapshot, _: GroupId) -> Result<Vec<OwnedRange>, EngineError> {
        Ok(vec![(Keyspace::Items, Bound::Unbounded, Bound::Unbounded)])
    }
}

struct NoOthers;

impl Transport for NoOthers {
    fn call(
        &self,
        to: NodeId,
        _: Service,
        _: Bytes,
        _: Instant,
    ) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let reason = "alone".to_owned();
        Box::pin(async move { Err(TransportError::NotSent { to, reason }) })
    }
}

async fn start(
    log: &Path,
    engine: Arc<dyn Engine>,
    metrics: ReplicationMetrics,
    owner: &TaskOwner,
) -> GroupHandle {
    let replication = start_replication(log, engine, metrics, owner).await;
    replication.group(GROUP).unwrap()
}

async fn start_replication(
    log: &Path,
    engine: Arc<dyn Engine>,
    metrics: ReplicationMetrics,
    owner: &TaskOwner,
) -> Replication {
    let replication = Replication::start(ReplicationOptions {
        node_id: NodeId(1),
        groups: vec![GroupConfig {
            id: GROUP,
            voters: vec![NodeId(1)],
            learners: Vec::new(),
        }],
        engine,
        data: Arc::new(AllItems),
        log: Arc::new(DiskDirectory::open(log).unwrap()),
        transport: Arc::new(NoOthers),
        clock: Arc::new(SystemWallClock),
        seed: 1,
        owner: owner.clone(),
        metrics,
        timing: Timing::default(),
        execution: Execution::Threads,
    });
    let replication = replication.await.unwrap();
    replication.initialize_group(GROUP).await.unwrap();
    let group = replication.group(GROUP).unwrap();
    while group.leadership().is_none() {
        tokio::time::timeout(Duration::from_secs(30), group.leadership_changed())
            .await
            .unwrap();
    }
    replication
}

fn command(group: &GroupHandle, request: u128, term: u64) -> LogCommand {
    LogCommand {
        request_id: RequestId(request),
        partition: PartitionId(1),
        epoch: 1,
        evaluation_term: term,
        hlc: group.next_hlc(),
        previous_hlc: None,
        writes: vec![EngineWrite {
            keyspace: Keyspace::Items,
            key: Bytes::copy_from_slice(&request.to_be_bytes()),
            value: Some(vec![1; 1000].into()),
        }],
        appends: Vec::new(),
        change: ChangeKind::Insert,
        cause: Cause::Client,
        origin_region: "us-east-1".to_owned(),
        images: Images::default(),
        outcome: Bytes::copy_from_slice(&request.to_be_bytes()),
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_wait_together_share_syncs() {
    let directory = tempfile::tempdir().unwrap();
    let owner = TaskOwner::new("test");
    let metrics = ReplicationMetrics::default();
    let engine = Arc::new(MemoryEngine::new());
    let group = start(directory.path(), engine, metrics.clone(), &owner).await;
    let term = group.leadership().unwrap().term;
    let before = metrics.fsyncs();
    let writers: Vec<_> = (0..32_u128)
        .map(|writer| {
            let group = group.clone();
            owner.spawn_with_result("writer", async move {
                for number in 0..40 {
                    let command = command(&group, (writer << 32) | number, term);
                    group.propose(command, soon()).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let syncs = metrics.fsyncs() - before;
    assert!(syncs * 8 <= 32 * 40, "{syncs} syncs for {} writes", 32 * 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_counts_once_and_only_in_its_term() {
    let directory = tempfile::tempdir().unwrap();
    let owner = TaskOwner::new("test");
    let engine = Arc::new(MemoryEngine::new());
    let metrics = ReplicationMetrics::default();
    let group = start(directory.path(), engine.clone(), metrics, &owner).await;
    let term = group.leadership().unwrap().term;
    let first = group
        .propose(command(&group, 7, term), soon())
        .await
        .unwrap();
    assert_eq!(first.repeated, None);
    let outcome = Bytes::copy_from_slice(&7_u128.to_be_bytes());
    assert_eq!(group.remembered(RequestId(7)), Some(outcome.clone()));
    assert_eq!(group.remembered(RequestId(8)), None);
    let again: Applied = group
        .propose(command(&group, 7, term), soon())
        .await
        .unwrap();
    assert_eq!(again.repeated, Some(outcome));

    // Evaluated in another term: refused, and nothing of it is written.
    let refused = group.propose(command(&group, 9, term + 1), soon()).await;
    assert!(matches!(
        refused,
        Err(ProposeError::NotLeader { .. } | ProposeError::NotExecuted)
    ));
    assert_eq!(
        engine.get(Keyspace::Items, &9_u128.to_be_bytes()).unwrap(),
        None
    );

    // Keys of replication's own are refused at the door.
    let mut own = command(&group, 10, term);
    own.writes = vec![EngineWrite {
        keyspace: Keyspace::System,
        key: Bytes::from_static(&[1, 0]),
        value: None,
    }];
    assert_eq!(
        group.propose(own, soon()).await,
        Err(ProposeError::NotExecuted)
    );
    group.read_index(soon()).await.unwrap();
    let status = group.status();
    assert!(status.is_leader && status.applied >= again.log_index);
    assert_eq!(status.voters.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clock_ascends_through_a_restart_and_all_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Arc::new(MemoryEngine::crashable());
    let metrics = ReplicationMetrics::default();
    let owner = TaskOwner::new("first");
    let replication =
        start_replication(directory.path(), engine.clone(), metrics.clone(), &owner).await;
    let group = replication.group(GROUP).unwrap();
    let term = group.leadership().unwrap().term;
    let mut latest = command(&group, 1, term);
    // A clock that was an hour ahead.
    latest.hlc = crate::hlc::Hlc(latest.hlc.0 + (3_600_000 << 16));
    let latest_hlc = latest.hlc;
    group.propose(latest, soon()).await.unwrap();
    drop(group);
    // The process dies: no last persist, the engine forgets all.
    owner.shutdown(Duration::from_secs(5)).await;
    drop(replication);
    engine.crash(0);
    assert_eq!(
        engine.get(Keyspace::Items, &1_u128.to_be_bytes()).unwrap(),
        None
    );

    let owner = TaskOwner::new("second");
    let group = start(directory.path(), engine.clone(), metrics, &owner).await;
    group.read_index(soon()).await.unwrap();
    assert!(
        engine
            .get(Keyspace::Items, &1_u128.to_be_bytes())
            .unwrap()
            .is_some()
    );
    assert!(group.remembered(RequestId(1)).is_some());
    assert!(group.next_hlc() > latest_hlc);
    assert!(group.leadership().unwrap().term > term);
}
