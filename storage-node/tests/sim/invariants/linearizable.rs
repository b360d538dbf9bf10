//! Invariant 2: per item, strongly consistent reads and writes are linearizable; a request takes effect at most once.
//!
//! Source: the design, section 6, invariant 2; Herlihy and Wing, "Linearizability", 1990; the search is Wing and Gong's
//! with Lowe's cache, by porcupine.
//!
//! No stronger form is true across items: each is an object of its own. An operation without an answer may take effect
//! at any time after its call, or never, so it stays open to the end of time.
//!
//! Seen failing with its bugs put in: `Bug::ReadWithoutMajority` and `Bug::RetryAsNewRequest`, in
//! `scenario::a_read_without_a_majority_is_caught` and `scenario::a_retry_as_a_new_request_is_caught`.

use std::collections::BTreeMap;
use std::time::Duration;

use porcupine_rs::{CheckResult, Model, Operation};

/// One operation on one counter, as a client saw it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Observed {
    pub(crate) key: u8,
    pub(crate) write: bool,
    pub(crate) called: i64,
    /// `None` without an answer.
    pub(crate) returned: Option<(i64, u64)>,
}

#[derive(Clone, Debug)]
struct Counter;

#[derive(Clone, Debug)]
struct Step {
    write: bool,
    answer: Option<u64>,
}

impl Model for Counter {
    type State = u64;
    type Op = Step;
    type Metadata = ();

    fn init() -> u64 {
        0
    }

    fn step(state: &u64, step: &Step) -> (bool, u64) {
        let next = if step.write { state + 1 } else { *state };
        (step.answer.is_none_or(|answer| answer == next), next)
    }
}

/// How long the search may take per counter. A search that gives up has not passed.
const SEARCH_TIMEOUT: Duration = Duration::from_secs(20);

/// Checks a history, counter by counter.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check(history: &[Observed]) -> Result<(), String> {
    let mut by_key: BTreeMap<u8, Vec<Operation<Counter>>> = BTreeMap::new();
    for observed in history {
        by_key.entry(observed.key).or_default().push(Operation {
            client_id: None,
            call_time: observed.called,
            return_time: observed.returned.map_or(i64::MAX, |(time, _)| time),
            op: Step {
                write: observed.write,
                answer: observed.returned.map(|(_, value)| value),
            },
            metadata: None,
        });
    }
    for (key, operations) in by_key {
        match porcupine_rs::check_operations_timeout(&operations, SEARCH_TIMEOUT) {
            CheckResult::Ok => {}
            other => return Err(format!("invariant 2: counter {key} is {other:?}")),
        }
    }
    Ok(())
}

#[test]
fn a_stale_read_is_not_linearizable_and_an_unknown_write_may_be_either() {
    let seen = |write, called, returned| Observed {
        key: 1,
        write,
        called,
        returned,
    };
    assert!(check(&[seen(true, 1, Some((2, 1))), seen(false, 3, Some((4, 1)))]).is_ok());
    assert!(check(&[seen(true, 1, Some((2, 1))), seen(false, 3, Some((4, 0)))]).is_err());
    let unknown = seen(true, 1, None);
    assert!(check(&[unknown.clone(), seen(false, 3, Some((4, 0)))]).is_ok());
    assert!(check(&[unknown, seen(false, 3, Some((4, 1)))]).is_ok());
}
