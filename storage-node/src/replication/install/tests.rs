//! An install that a crash interrupts, at every point of it.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;

use super::super::OwnedRange;
use super::super::log::{LogPosition, Loss, LossyDirectory};
use super::super::rows::AppliedState;
use super::super::snapshot::{Receiving, SnapshotView};
use super::*;
use crate::engine::{EngineError, EngineSnapshot, MemoryEngine, ScanIterator};

const GROUP: GroupId = GroupId(3);

/// The group owns the items that begin with `a`; others' begin with `z`.
struct OwnsA;

impl GroupData for OwnsA {
    fn ranges(&self, _: &dyn EngineSnapshot, _: GroupId) -> Result<Vec<OwnedRange>, EngineError> {
        let lower = Bound::Included(b"a".to_vec());
        Ok(vec![(
            Keyspace::Items,
            lower,
            Bound::Excluded(b"b".to_vec()),
        )])
    }
}

/// An engine whose writes and persists fail once its budget is spent.
struct Failing {
    inner: Arc<MemoryEngine>,
    budget: AtomicI64,
}

impl Failing {
    fn spend(&self) -> Result<(), EngineError> {
        let left = self.budget.fetch_sub(1, Ordering::SeqCst);
        if left > 0 {
            Ok(())
        } else {
            Err(EngineError::Io("the power is off".into()))
        }
    }
}

impl Engine for Failing {
    fn get(&self, keyspace: Keyspace, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.inner.get(keyspace, key)
    }

    fn snapshot(&self) -> Box<dyn EngineSnapshot> {
        self.inner.snapshot()
    }

    fn scan(
        &self,
        keyspace: Keyspace,
        lower: Bound<&[u8]>,
        upper: Bound<&[u8]>,
        direction: Direction,
    ) -> ScanIterator<'_> {
        self.inner.scan(keyspace, lower, upper, direction)
    }

    fn write(&self, batch: WriteBatch) -> Result<(), EngineError> {
        self.spend()?;
        self.inner.write(batch)
    }

    fn persist(&self) -> Result<(), EngineError> {
        self.spend()?;
        self.inner.persist()
    }
}

fn fill(engine: &MemoryEngine, rows: std::ops::Range<u32>, value: u8, log_index: u64) {
    let mut batch = WriteBatch::new();
    for row in rows {
        batch.put(Keyspace::Items, format!("a{row:05}"), vec![value; 20_000]);
    }
    let position = LogPosition { term: 2, log_index };
    let state = AppliedState {
        applied: Some(position),
        ..AppliedState::default()
    };
    batch.put(Keyspace::System, AppliedState::key(GROUP), state.encode());
    engine.write(batch).unwrap();
    engine.persist().unwrap();
}

type Contents = BTreeMap<(Keyspace, Bytes), Bytes>;

fn contents(engine: &MemoryEngine) -> Contents {
    let mut all = Contents::new();
    for keyspace in Keyspace::ALL {
        let rows = engine.scan(
            keyspace,
            Bound::Unbounded,
            Bound::Unbounded,
            Direction::Forward,
        );
        all.extend(
            rows.map(|row| row.unwrap())
                .map(|(key, value)| ((keyspace, key), value)),
        );
    }
    all
}

fn installer(engine: Arc<dyn Engine>, disk: &LossyDirectory) -> Installer {
    Installer {
        group: GROUP,
        engine,
        data: Arc::new(OwnsA),
        directory: Arc::new(disk.clone()),
    }
}

fn receive(source: &MemoryEngine, disk: &LossyDirectory) -> String {
    let view = SnapshotView::take(source.snapshot(), &OwnsA, GROUP)
        .unwrap()
        .unwrap();
    let mut receiving = Receiving::start(disk, GROUP, 1).unwrap();
    let blocks: Vec<_> = view.blocks().map(|block| block.unwrap()).collect();
    assert!(
        blocks.len() >= 5,
        "several blocks of pairs, or the crash points are few"
    );
    for block in &blocks {
        receiving.block(GROUP, block).unwrap();
    }
    // A block is taken once.
    assert!(receiving.block(GROUP, &blocks[1]).is_err());
    assert_eq!(receiving.finish(disk).unwrap(), view.state);
    receiving.name
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

#[test]
fn an_interrupted_install_ends_in_the_old_state_or_the_new() {
    let source = MemoryEngine::new();
    fill(&source, 40..140, 2, 9);
    let (mut kept_old, mut taken_up, mut finished) = (0, 0, 0);
    for budget in 0..14 {
        for surviving in 0..8 {
            let engine = Arc::new(MemoryEngine::crashable());
            fill(&engine, 0..60, 1, 5);
            let mut foreign = WriteBatch::new();
            foreign.put(Keyspace::Items, "z", "another group's");
            engine.write(foreign).unwrap();
            engine.persist().unwrap();
            let old = contents(&engine);
            let mut new = contents(&source);
            new.insert((Keyspace::Items, "z".into()), "another group's".into());

            let disk = LossyDirectory::new();
            let file = receive(&source, &disk);
            let failing = Failing {
                inner: engine.clone(),
                budget: AtomicI64::new(budget),
            };
            let installed = run(installer(Arc::new(failing), &disk).install(file));
            engine.crash(surviving.min(engine.unpersisted_batches()));
            disk.crash(Loss::All, &mut || 0);
            let marked = Installing::read(&*engine.snapshot(), GROUP)
                .unwrap()
                .is_some();
            run(installer(engine.clone(), &disk).resume()).unwrap();

            let found = contents(&engine);
            if installed.is_ok() || marked {
                assert!(
                    found == new,
                    "budget {budget}, {surviving} survive: not the new state"
                );
                if marked { taken_up += 1 } else { finished += 1 }
            } else if found == old {
                kept_old += 1;
            } else {
                assert!(
                    found == new,
                    "budget {budget}, {surviving} survive: a mixture"
                );
            }
            assert!(
                disk.list().unwrap().is_empty(),
                "a received file is left over"
            );
        }
    }
    assert!(
        kept_old > 0 && taken_up > 0 && finished > 0,
        "{kept_old} {taken_up} {finished}"
    );
}

#[test]
fn a_damaged_or_foreign_snapshot_is_not_received() {
    let source = MemoryEngine::new();
    fill(&source, 0..10, 2, 9);
    let view = SnapshotView::take(source.snapshot(), &OwnsA, GROUP)
        .unwrap()
        .unwrap();
    let blocks: Vec<_> = view.blocks().map(|block| block.unwrap()).collect();
    let disk = LossyDirectory::new();

    let mut foreign = Receiving::start(&disk, GroupId(4), 1).unwrap();
    assert!(foreign.block(GroupId(4), &blocks[0]).is_err());

    let mut cut = Receiving::start(&disk, GROUP, 1).unwrap();
    cut.block(GROUP, &blocks[0]).unwrap();
    assert!(cut.finish(&disk).is_err());

    let mut damaged = blocks[1].to_vec();
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    assert!(cut.block(GROUP, &damaged.into()).is_err());
}
