//! Histories of transactions on lists, and the check that they are serializable, in the manner of Elle
//! (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020).
//!
//! Each key holds a list, each append adds a value that is never used again. So a read of a list tells which appends
//! came before it, and in which order; the order of versions of a key is its longest list. From that follow the edges
//! between transactions: *ww* to whoever appended next, *wr* to whoever read it, *rw* from a reader to whoever appended
//! next after what it read. The history is serializable only if they form no circle. Besides: all of a transaction is
//! there or nothing of it, an acknowledged one is there, a refused one is not, and each key by itself is linearizable.

use std::collections::{BTreeMap, BTreeSet};

/// What one transaction did to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Appended a value.
    Append(String, i64),
    /// Saw this list.
    Read(String, Vec<i64>),
}

/// What the client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// That it happened; time of the answer.
    Happened(i64),
    /// Nothing: it may have happened, now or later.
    Unknown,
    /// That it did not happen.
    Refused,
}

/// One transaction, or one operation on one item. Times are nanoseconds since the start of the recording.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Just before it was sent.
    pub call: i64,
    /// What came of it.
    pub told: Told,
    /// What it did. Reads are known only where it happened.
    pub accesses: Vec<Access>,
}

/// What is wrong with a history.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Failure {
    /// A list holds a value that nobody appended, twice the same, or one of a refused transaction.
    #[error("key {key} holds {value}: {why}")]
    Value {
        /// The key.
        key: String,
        /// The value.
        value: i64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two reads of a key disagree about the order.
    #[error("key {key} was read as {shorter:?} and as {longer:?}")]
    Order {
        /// The key.
        key: String,
        /// One list.
        shorter: Vec<i64>,
        /// The other.
        longer: Vec<i64>,
    },
    /// A transaction happened in part, or an acknowledged one not at all.
    #[error("of {transaction:?} only {there} of {appended} values are there")]
    Half {
        /// What it did.
        transaction: Vec<Access>,
        /// Values found.
        there: usize,
        /// Values appended.
        appended: usize,
    },
    /// A key by itself is not linearizable: an operation saw less than what had been told before it began.
    #[error("key {key}: {accesses:?} saw version {seen} after version {told} had been told")]
    Stale {
        /// The key.
        key: String,
        /// What the operation did.
        accesses: Vec<Access>,
        /// Values that it saw.
        seen: usize,
        /// Values that had been told.
        told: usize,
    },
    /// Transactions come after each other in a circle.
    #[error("a circle of transactions: {0:?}")]
    Circle(Vec<Vec<Access>>),
}

/// Checks a history whose last transactions have read every key after everything else ended.
///
/// # Errors
/// The first thing found wrong.
pub fn check(history: &[Transaction]) -> Result<(), Failure> {
    let versions = versions(history)?;
    let writers = writers(history, &versions)?;
    whole(history, &versions)?;
    linearizable(history, &versions)?;
    let edges = edges(history, &versions, &writers);
    circle(&edges).map_or(Ok(()), |at| {
        let accesses = at.into_iter().filter_map(|at| history.get(at));
        Err(Failure::Circle(
            accesses
                .map(|transaction| transaction.accesses.clone())
                .collect(),
        ))
    })
}

type Versions<'h> = BTreeMap<&'h str, &'h [i64]>;

/// The longest list of each key, of which every other must be a beginning.
fn versions(history: &[Transaction]) -> Result<Versions<'_>, Failure> {
    let reads = || {
        let accesses = history.iter().flat_map(|transaction| &transaction.accesses);
        accesses.filter_map(|access| match access {
            Access::Read(key, list) => Some((key.as_str(), list.as_slice())),
            Access::Append(..) => None,
        })
    };
    let mut longest: Versions<'_> = BTreeMap::new();
    for (key, list) in reads() {
        let held = longest.entry(key).or_default();
        if list.len() > held.len() {
            *held = list;
        }
    }
    for (key, list) in reads() {
        let longer = longest.get(key).copied().unwrap_or_default();
        if !longer.starts_with(list) {
            return Err(Failure::Order {
                key: key.to_owned(),
                shorter: list.to_vec(),
                longer: longer.to_vec(),
            });
        }
    }
    Ok(longest)
}

/// Which transaction appended each value.
fn writers<'h>(
    history: &'h [Transaction],
    versions: &Versions<'h>,
) -> Result<BTreeMap<(&'h str, i64), usize>, Failure> {
    let mut appended = BTreeMap::new();
    for (at, transaction) in history.iter().enumerate() {
        for access in &transaction.accesses {
            if let Access::Append(key, value) = access {
                appended.insert((key.as_str(), *value), at);
            }
        }
    }
    for (key, list) in versions {
        let mut seen = BTreeSet::new();
        for value in *list {
            let wrong = |why| Failure::Value {
                key: (*key).to_owned(),
                value: *value,
                why,
            };
            let writer = appended.get(&(*key, *value));
            let writer = writer.and_then(|at| history.get(*at));
            let writer = writer.ok_or_else(|| wrong("nobody appended it"))?;
            if writer.told == Told::Refused {
                return Err(wrong("its transaction was refused"));
            }
            if !seen.insert(value) {
                return Err(wrong("it is there twice"));
            }
        }
    }
    Ok(appended)
}

fn position(versions: &Versions<'_>, key: &str, value: i64) -> Option<usize> {
    versions
        .get(key)
        .and_then(|list| list.iter().position(|held| *held == value))
}

fn whole(history: &[Transaction], versions: &Versions<'_>) -> Result<(), Failure> {
    for transaction in history {
        let appends = transaction
            .accesses
            .iter()
            .filter_map(|access| match access {
                Access::Append(key, value) => Some((key, *value)),
                Access::Read(..) => None,
            });
        let appended = appends.clone().count();
        let there = appends
            .filter(|(key, value)| position(versions, key, *value).is_some())
            .count();
        let must = matches!(transaction.told, Told::Happened(_));
        if there != appended && (must || there > 0) {
            return Err(Failure::Half {
                transaction: transaction.accesses.clone(),
                there,
                appended,
            });
        }
    }
    Ok(())
}

/// What an access knows of its key: how many values there were before it, and how many after.
fn known(versions: &Versions<'_>, access: &Access) -> Option<(String, usize, usize)> {
    match access {
        Access::Read(key, list) => Some((key.clone(), list.len(), list.len())),
        Access::Append(key, value) => {
            let at = position(versions, key, *value)?;
            Some((key.clone(), at, at + 1))
        }
    }
}

/// Each key by itself: what began after an answer sees at least what that answer told.
fn linearizable(history: &[Transaction], versions: &Versions<'_>) -> Result<(), Failure> {
    let mut ends: BTreeMap<String, Vec<(i64, usize)>> = BTreeMap::new();
    for transaction in history {
        let Told::Happened(end) = transaction.told else {
            continue;
        };
        for access in &transaction.accesses {
            if let Some((key, _, after)) = known(versions, access) {
                ends.entry(key).or_default().push((end, after));
            }
        }
    }
    for told in ends.values_mut() {
        told.sort_unstable();
        let mut most = 0;
        for (_, after) in told {
            most = most.max(*after);
            *after = most;
        }
    }
    for transaction in history {
        if transaction.told == Told::Refused {
            continue;
        }
        for access in &transaction.accesses {
            let Some((key, seen, _)) = known(versions, access) else {
                continue;
            };
            let told = ends.get(&key).map_or(0, |ends| {
                let before = ends.partition_point(|(end, _)| *end < transaction.call);
                let last = before.checked_sub(1).and_then(|at| ends.get(at));
                last.map_or(0, |(_, told)| *told)
            });
            if seen < told {
                let accesses = transaction.accesses.clone();
                return Err(Failure::Stale {
                    key,
                    accesses,
                    seen,
                    told,
                });
            }
        }
    }
    Ok(())
}

type Edges = BTreeMap<usize, BTreeSet<usize>>;

fn edges(
    history: &[Transaction],
    versions: &Versions<'_>,
    writers: &BTreeMap<(&str, i64), usize>,
) -> Edges {
    let mut edges = Edges::new();
    let mut add = |from: Option<usize>, to: Option<usize>| {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            edges.entry(from).or_default().insert(to);
        }
    };
    let writer = |key: &str, at: Option<usize>| {
        let value = versions.get(key)?.get(at?)?;
        writers.get(&(key, *value)).copied()
    };
    for (key, list) in versions {
        for at in 1..list.len() {
            add(writer(key, at.checked_sub(1)), writer(key, Some(at)));
        }
    }
    for (reader, transaction) in history.iter().enumerate() {
        for access in &transaction.accesses {
            if let Access::Read(key, list) = access {
                add(writer(key, list.len().checked_sub(1)), Some(reader));
                add(Some(reader), writer(key, Some(list.len())));
            }
        }
    }
    edges
}

/// Some circle among the edges, by depth-first search with a stack of its own.
fn circle(edges: &Edges) -> Option<Vec<usize>> {
    let none = BTreeSet::new();
    let mut done = BTreeSet::new();
    for start in edges.keys() {
        if done.contains(start) {
            continue;
        }
        let mut path = vec![*start];
        let mut open = BTreeSet::from([*start]);
        let mut rest = vec![edges.get(start).unwrap_or(&none).iter()];
        while let Some(next) = rest.last_mut() {
            match next.next() {
                Some(to) if open.contains(to) => {
                    let from = path.iter().position(|at| at == to).unwrap_or(0);
                    return Some(path.split_off(from));
                }
                Some(to) if done.contains(to) => {}
                Some(to) => {
                    path.push(*to);
                    open.insert(*to);
                    rest.push(edges.get(to).unwrap_or(&none).iter());
                }
                None => {
                    rest.pop();
                    if let Some(at) = path.pop() {
                        open.remove(&at);
                        done.insert(at);
                    }
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(key: &str, value: i64) -> Access {
        Access::Append(key.to_owned(), value)
    }

    fn read(key: &str, list: &[i64]) -> Access {
        Access::Read(key.to_owned(), list.to_vec())
    }

    fn told(call: i64, told: Told, accesses: &[Access]) -> Transaction {
        Transaction {
            call,
            told,
            accesses: accesses.to_vec(),
        }
    }

    fn happened(call: i64, answer: i64, accesses: &[Access]) -> Transaction {
        told(call, Told::Happened(answer), accesses)
    }

    #[test]
    fn an_honest_history_passes() {
        let history = [
            happened(0, 10, &[append("x", 1), append("y", 2)]),
            happened(5, 20, &[read("x", &[1]), append("y", 3)]),
            told(6, Told::Refused, &[append("x", 9), append("y", 9)]),
            told(7, Told::Unknown, &[append("x", 4)]),
            told(8, Told::Unknown, &[append("x", 5)]),
            happened(30, 40, &[read("x", &[1, 4]), read("y", &[2, 3])]),
        ];
        check(&history).unwrap();
    }

    #[test]
    fn half_a_transaction_is_caught_acknowledged_or_not() {
        for outcome in [Told::Happened(10), Told::Unknown] {
            let history = [
                told(0, outcome, &[append("x", 1), append("y", 2)]),
                happened(20, 30, &[read("x", &[1]), read("y", &[])]),
            ];
            assert!(matches!(check(&history), Err(Failure::Half { .. })));
        }
    }

    #[test]
    fn a_lost_acknowledged_append_is_caught() {
        let history = [
            happened(0, 10, &[append("x", 1)]),
            happened(20, 30, &[read("x", &[])]),
        ];
        assert!(matches!(check(&history), Err(Failure::Half { .. })));
    }

    #[test]
    fn a_refused_append_that_is_there_is_caught() {
        let history = [
            told(0, Told::Refused, &[append("x", 1)]),
            happened(20, 30, &[read("x", &[1])]),
        ];
        assert!(matches!(check(&history), Err(Failure::Value { .. })));
    }

    #[test]
    fn an_append_that_counts_twice_is_caught() {
        let history = [
            happened(0, 10, &[append("x", 1)]),
            happened(20, 30, &[read("x", &[1, 1])]),
        ];
        assert!(matches!(check(&history), Err(Failure::Value { .. })));
    }

    #[test]
    fn reads_that_disagree_about_the_order_are_caught() {
        let history = [
            happened(0, 10, &[append("x", 1)]),
            happened(0, 10, &[append("x", 2)]),
            happened(0, 10, &[read("x", &[2])]),
            happened(20, 30, &[read("x", &[1, 2])]),
        ];
        assert!(matches!(check(&history), Err(Failure::Order { .. })));
    }

    #[test]
    fn a_stale_read_is_caught() {
        let history = [
            happened(0, 10, &[append("x", 1)]),
            happened(11, 15, &[read("x", &[])]),
            happened(20, 30, &[read("x", &[1])]),
        ];
        assert!(matches!(check(&history), Err(Failure::Stale { .. })));
    }

    #[test]
    fn a_torn_read_of_a_transaction_is_caught() {
        let history = [
            happened(0, 50, &[append("x", 1), append("y", 2)]),
            happened(5, 45, &[read("x", &[1]), read("y", &[])]),
            happened(60, 70, &[read("x", &[1]), read("y", &[2])]),
        ];
        assert!(matches!(check(&history), Err(Failure::Circle(_))));
    }

    #[test]
    fn write_skew_is_caught() {
        let history = [
            happened(0, 50, &[read("x", &[]), append("y", 1)]),
            happened(0, 50, &[read("y", &[]), append("x", 2)]),
            happened(60, 70, &[read("x", &[2]), read("y", &[1])]),
        ];
        assert!(matches!(check(&history), Err(Failure::Circle(_))));
    }

    #[test]
    fn two_readers_that_see_two_writers_in_opposite_orders_are_caught() {
        let history = [
            happened(0, 50, &[append("x", 1)]),
            happened(0, 50, &[append("y", 2)]),
            happened(0, 50, &[read("x", &[1]), read("y", &[])]),
            happened(0, 50, &[read("x", &[]), read("y", &[2])]),
            happened(60, 70, &[read("x", &[1]), read("y", &[2])]),
        ];
        assert!(matches!(check(&history), Err(Failure::Circle(_))));
    }
}
