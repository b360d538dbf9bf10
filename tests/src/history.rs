//! Histories of operations on single items, and the linearizability check that judges them (invariant 2).
//!
//! A client records each operation with the time before it was sent and the time after its answer came. A write
//! without an answer is *unknown*: it stays open to the end of time, because it may still take effect. The checker
//! (Wing & Gong's algorithm as extended by Lowe, crate `porcupine-rs`) looks for one order of the operations of a
//! key that respects those times and explains every answer. A checker that gives up has not passed.

use std::collections::BTreeMap;
use std::time::Duration;

use porcupine_rs::{CheckResult, Model, Operation, check_operations_timeout};

/// Time for the check of one key; a key's history has some hundreds of operations, which takes milliseconds.
const CHECK_TIMEOUT: Duration = Duration::from_secs(60);

/// What a client did to the register `v` of one item, and what it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A strongly consistent read that saw this value (`None`: no item).
    Read(Option<i64>),
    /// An unconditional write of this value.
    Write(i64),
    /// `SET v = next` on condition that `v = expected` (`None`: that there is no item).
    CompareAndSet {
        /// The value that the condition asks for.
        expected: Option<i64>,
        /// The value written where it holds.
        next: i64,
        /// Whether the condition held; `None` where no answer came.
        held: Option<bool>,
    },
    /// `ADD v by`; the new value that the answer gave, `None` where no answer came.
    Add {
        /// The summand.
        by: i64,
        /// The sum that the answer told.
        sum: Option<i64>,
    },
}

/// One operation of one client on one key. Times are nanoseconds since the start of the recording.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Which client.
    pub client: u32,
    /// Which key.
    pub key: String,
    /// Just before the request was sent.
    pub call: i64,
    /// Just after the answer came; `None` for a write whose outcome is unknown.
    pub answer: Option<i64>,
    /// What was done and told.
    pub action: Action,
}

/// Why a history does not pass.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No order of the operations explains the answers.
    #[error("the history of key {key} is not linearizable:\n{operations}")]
    NotLinearizable {
        /// The key.
        key: String,
        /// Its operations, one a line.
        operations: String,
    },
    /// The checker gave up; that is not a pass.
    #[error("the check of key {key} with {count} operations took too long")]
    Undecided {
        /// The key.
        key: String,
        /// How many operations it has.
        count: usize,
    },
}

/// Checks each key's history.
///
/// # Errors
/// The first key whose history is not linearizable, or could not be decided in time.
pub fn check(history: &[Recorded]) -> Result<(), Failure> {
    let mut keys: BTreeMap<&str, Vec<&Recorded>> = BTreeMap::new();
    for recorded in history {
        keys.entry(&recorded.key).or_default().push(recorded);
    }
    for (key, recorded) in keys {
        let operations: Vec<_> = recorded
            .iter()
            .map(|recorded| operation(recorded))
            .collect();
        match check_operations_timeout(&operations, CHECK_TIMEOUT) {
            CheckResult::Ok => {}
            CheckResult::Illegal => {
                return Err(Failure::NotLinearizable {
                    key: key.to_owned(),
                    operations: listing(&recorded),
                });
            }
            CheckResult::Unknown => {
                return Err(Failure::Undecided {
                    key: key.to_owned(),
                    count: operations.len(),
                });
            }
        }
    }
    Ok(())
}

fn operation(recorded: &Recorded) -> Operation<Register> {
    Operation {
        client_id: Some(recorded.client),
        call_time: recorded.call,
        return_time: recorded.answer.unwrap_or(i64::MAX),
        op: recorded.action.clone(),
        metadata: None,
    }
}

fn listing(recorded: &[&Recorded]) -> String {
    let mut sorted = recorded.to_vec();
    sorted.sort_by_key(|recorded| recorded.call);
    let line = |recorded: &&Recorded| {
        let answer = recorded
            .answer
            .map_or_else(|| "unknown".to_owned(), |time| time.to_string());
        format!(
            "  client {} [{}, {answer}] {:?}",
            recorded.client, recorded.call, recorded.action
        )
    };
    sorted.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The sequential specification: one register, absent at first.
#[derive(Clone, Debug)]
struct Register;

impl Model for Register {
    type State = Option<i64>;
    type Op = Action;
    type Metadata = ();

    fn init() -> Self::State {
        None
    }

    fn step(state: &Self::State, action: &Action) -> (bool, Self::State) {
        match action {
            Action::Read(seen) => (seen == state, *state),
            Action::Write(value) => (true, Some(*value)),
            Action::CompareAndSet {
                expected,
                next,
                held,
            } => {
                let holds = expected == state;
                let after = if holds { Some(*next) } else { *state };
                (held.is_none_or(|held| held == holds), after)
            }
            Action::Add { by, sum } => {
                let after = state.unwrap_or(0) + by;
                (sum.is_none_or(|sum| sum == after), Some(after))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(client: u32, call: i64, answer: Option<i64>, action: Action) -> Recorded {
        Recorded {
            client,
            key: "k".to_owned(),
            call,
            answer,
            action,
        }
    }

    fn add(client: u32, call: i64, answer: i64, sum: i64) -> Recorded {
        recorded(
            client,
            call,
            Some(answer),
            Action::Add {
                by: 1,
                sum: Some(sum),
            },
        )
    }

    #[test]
    fn an_honest_history_passes() {
        let history = [
            recorded(1, 0, Some(10), Action::Read(None)),
            recorded(1, 11, Some(20), Action::Write(7)),
            recorded(2, 15, Some(30), Action::Read(Some(7))),
            recorded(
                1,
                31,
                Some(40),
                Action::CompareAndSet {
                    expected: Some(7),
                    next: 8,
                    held: Some(true),
                },
            ),
            add(2, 35, 50, 9),
        ];
        check(&history).unwrap();
    }

    #[test]
    fn a_stale_read_is_caught() {
        let history = [
            recorded(1, 0, Some(10), Action::Write(1)),
            recorded(1, 11, Some(20), Action::Write(2)),
            recorded(2, 21, Some(30), Action::Read(Some(1))),
        ];
        assert!(matches!(
            check(&history),
            Err(Failure::NotLinearizable { .. })
        ));
    }

    #[test]
    fn a_lost_acknowledged_write_is_caught() {
        let history = [
            recorded(1, 0, Some(10), Action::Write(1)),
            recorded(2, 11, Some(20), Action::Read(None)),
        ];
        assert!(matches!(
            check(&history),
            Err(Failure::NotLinearizable { .. })
        ));
    }

    #[test]
    fn an_increment_that_counts_twice_is_caught() {
        let history = [add(1, 0, 10, 1), add(2, 11, 20, 3)];
        assert!(matches!(
            check(&history),
            Err(Failure::NotLinearizable { .. })
        ));
    }

    #[test]
    fn two_winners_of_one_condition_are_caught() {
        let win = |client, next| Action::CompareAndSet {
            expected: None,
            next,
            held: Some(client != 0),
        };
        let history = [
            recorded(1, 0, Some(30), win(1, 1)),
            recorded(2, 5, Some(20), win(2, 2)),
        ];
        assert!(matches!(
            check(&history),
            Err(Failure::NotLinearizable { .. })
        ));
    }

    #[test]
    fn an_unknown_write_may_take_effect_late_or_never() {
        let unknown = recorded(1, 0, None, Action::Write(5));
        let seen_late = [
            unknown.clone(),
            recorded(2, 10, Some(20), Action::Read(None)),
            recorded(2, 30, Some(40), Action::Read(Some(5))),
        ];
        check(&seen_late).unwrap();
        let never = [unknown, recorded(2, 10, Some(20), Action::Read(None))];
        check(&never).unwrap();
    }

    #[test]
    fn an_unknown_write_takes_effect_at_most_once() {
        let history = [
            recorded(1, 0, None, Action::Write(5)),
            recorded(2, 10, Some(20), Action::Read(Some(5))),
            recorded(2, 21, Some(30), Action::Write(6)),
            recorded(2, 31, Some(40), Action::Read(Some(5))),
        ];
        assert!(matches!(
            check(&history),
            Err(Failure::NotLinearizable { .. })
        ));
    }
}
