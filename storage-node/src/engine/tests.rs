//! Both engines against a `BTreeMap`, with crashes and reopening among the operations.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;

type Model = BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>;

#[derive(Clone, Debug)]
enum Operation {
    Write(Vec<(Keyspace, Vec<u8>, Option<Vec<u8>>)>),
    Get(Keyspace, Vec<u8>),
    Scan(Keyspace, Bound<Vec<u8>>, Bound<Vec<u8>>, bool),
    Persist,
    /// A crash that keeps a share of the unsynced batches, in 256ths.
    Crash(u8),
}

fn keyspace() -> impl Strategy<Value = Keyspace> {
    prop::sample::select(&Keyspace::ALL[..])
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    // A small alphabet, so that operations meet each other.
    vec(prop::sample::select(&[0_u8, 1, 0x7f, 0xff][..]), 1..4)
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded)
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let write = (
        keyspace(),
        key(),
        prop::option::weighted(0.7, vec(any::<u8>(), 0..6)),
    );
    prop_oneof![
        6 => vec(write, 1..6).prop_map(Operation::Write),
        2 => (keyspace(), key()).prop_map(|(keyspace, key)| Operation::Get(keyspace, key)),
        3 => (keyspace(), bound(), bound(), any::<bool>())
            .prop_map(|(keyspace, lower, upper, back)| Operation::Scan(keyspace, lower, upper, back)),
        1 => Just(Operation::Persist),
        1 => any::<u8>().prop_map(Operation::Crash),
    ]
}

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

fn contains(lower: &Bound<Vec<u8>>, upper: &Bound<Vec<u8>>, key: &Vec<u8>) -> bool {
    let above = match lower {
        Bound::Included(low) => key >= low,
        Bound::Excluded(low) => key > low,
        Bound::Unbounded => true,
    };
    let below = match upper {
        Bound::Included(high) => key <= high,
        Bound::Excluded(high) => key < high,
        Bound::Unbounded => true,
    };
    above && below
}

fn check_scan(rows: ScanIterator<'_>, model: &Model, scan: &Operation) -> TestCaseResult {
    let Operation::Scan(keyspace, lower, upper, back) = scan else {
        unreachable!()
    };
    let rows: Vec<_> = rows
        .map(|row| {
            row.map(|(key, value)| (key.to_vec(), value.to_vec()))
                .unwrap()
        })
        .collect();
    let mut expected: Vec<_> = model
        .iter()
        .filter(|((space, key), _)| space == keyspace && contains(lower, upper, key))
        .map(|((_, key), value)| (key.clone(), value.clone()))
        .collect();
    if *back {
        expected.reverse();
    }
    prop_assert_eq!(rows, expected);
    Ok(())
}

/// Runs operations against an engine and a model; `crash` gets the engine and how many of the batches since the last
/// persist shall survive, and gives the engine back with how many did (`None`: all).
fn check_engine<E: Engine>(
    mut engine: E,
    operations: Vec<Operation>,
    crash: impl Fn(E, usize) -> (E, Option<usize>),
) -> TestCaseResult {
    // The states since the last persist, oldest first; the last is the newest.
    let mut states = vec![Model::new()];
    for operation in operations {
        match &operation {
            Operation::Write(writes) => {
                let mut model = states.last().unwrap().clone();
                let mut batch = WriteBatch::new();
                for (keyspace, key, value) in writes {
                    match value {
                        Some(value) => {
                            batch.put(*keyspace, key.clone(), value.clone());
                            model.insert((*keyspace, key.clone()), value.clone());
                        }
                        None => {
                            batch.delete(*keyspace, key.clone());
                            model.remove(&(*keyspace, key.clone()));
                        }
                    }
                }
                engine.write(batch).unwrap();
                states.push(model);
            }
            Operation::Get(keyspace, key) => {
                let found = engine
                    .get(*keyspace, key)
                    .unwrap()
                    .map(|value| value.to_vec());
                let expected = states
                    .last()
                    .unwrap()
                    .get(&(*keyspace, key.clone()))
                    .cloned();
                prop_assert_eq!(&found, &expected);
                let found = engine.snapshot().get(*keyspace, key).unwrap();
                prop_assert_eq!(found.map(|value| value.to_vec()), expected);
            }
            Operation::Scan(keyspace, lower, upper, back) => {
                let direction = if *back {
                    Direction::Backward
                } else {
                    Direction::Forward
                };
                let model = states.last().unwrap();
                let rows = engine.scan(*keyspace, slice(lower), slice(upper), direction);
                check_scan(rows, model, &operation)?;
                let snapshot = engine.snapshot();
                let rows = snapshot.scan(*keyspace, slice(lower), slice(upper), direction);
                check_scan(rows, model, &operation)?;
            }
            Operation::Persist => {
                engine.persist().unwrap();
                states = vec![states.pop().unwrap()];
            }
            Operation::Crash(share) => {
                let unpersisted = states.len() - 1;
                let wanted = unpersisted * usize::from(*share) / 256;
                let survived;
                (engine, survived) = crash(engine, wanted);
                states = vec![states[survived.unwrap_or(unpersisted)].clone()];
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_memory_engine_behaves_as_a_map_through_crashes(operations in vec(operation(), 1..60)) {
        check_engine(MemoryEngine::crashable(), operations, |engine, surviving| {
            engine.crash(surviving);
            (engine, Some(surviving))
        })?;
    }
}

proptest! {
    // Opening a store costs tens of milliseconds, so fewer cases.
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_fjall_engine_behaves_as_a_map_through_reopening(operations in vec(operation(), 1..40)) {
        let directory = tempfile::tempdir().unwrap();
        let open = || FjallEngine::open(directory.path(), &FjallOptions::default()).unwrap();
        // Closing an engine inside one process keeps all of it; losing unsynced bytes is the memory engine's part.
        check_engine(open(), operations, |engine, _| {
            drop(engine);
            (open(), None)
        })?;
    }
}

#[test]
fn a_snapshot_does_not_see_later_writes() {
    let directory = tempfile::tempdir().unwrap();
    let on_disk = FjallEngine::open(directory.path(), &FjallOptions::default()).unwrap();
    let in_memory = MemoryEngine::new();
    for engine in [&on_disk as &dyn Engine, &in_memory] {
        let mut batch = WriteBatch::new();
        batch.put(Keyspace::Items, "a", "1");
        engine.write(batch).unwrap();
        let snapshot = engine.snapshot();
        let mut batch = WriteBatch::new();
        batch.put(Keyspace::Items, "a", "2");
        batch.put(Keyspace::Items, "b", "2");
        engine.write(batch).unwrap();
        assert_eq!(
            snapshot.get(Keyspace::Items, b"a").unwrap(),
            Some(Bytes::from("1"))
        );
        let rows = snapshot
            .scan(
                Keyspace::Items,
                Bound::Unbounded,
                Bound::Unbounded,
                Direction::Forward,
            )
            .count();
        assert_eq!(rows, 1);
    }
}

#[test]
fn a_bad_key_refuses_the_whole_batch() {
    let engine = MemoryEngine::new();
    let mut batch = WriteBatch::new();
    batch.put(Keyspace::Items, "good", "1");
    batch.put(Keyspace::Items, Bytes::new(), "1");
    assert!(matches!(
        engine.write(batch),
        Err(EngineError::KeySize { size_bytes: 0 })
    ));
    assert_eq!(engine.get(Keyspace::Items, b"good").unwrap(), None);
}

#[test]
fn a_failed_persist_refuses_writes_until_reopened() {
    let engine = MemoryEngine::crashable();
    let batch = || {
        let mut batch = WriteBatch::new();
        batch.put(Keyspace::Items, "k", "1");
        batch
    };
    engine.write(batch()).unwrap();
    engine.fail_next_persist();
    assert!(engine.persist().is_err());
    assert!(matches!(engine.write(batch()), Err(EngineError::Poisoned)));
    assert!(matches!(engine.persist(), Err(EngineError::Poisoned)));
    engine.crash(0);
    assert_eq!(engine.get(Keyspace::Items, b"k").unwrap(), None);
    engine.write(batch()).unwrap();
}

#[test]
fn a_memory_scan_longer_than_a_chunk_yields_every_row_once() {
    let engine = MemoryEngine::new();
    let mut batch = WriteBatch::new();
    for row in 0..1000_u32 {
        batch.put(Keyspace::Items, row.to_be_bytes().to_vec(), Bytes::new());
    }
    engine.write(batch).unwrap();
    for direction in [Direction::Forward, Direction::Backward] {
        let rows = engine
            .scan(
                Keyspace::Items,
                Bound::Unbounded,
                Bound::Unbounded,
                direction,
            )
            .count();
        assert_eq!(rows, 1000);
    }
}
