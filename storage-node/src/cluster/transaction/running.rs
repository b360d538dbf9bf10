//! The attempts that this node drives as coordinator, and who waits for them.
//!
//! An attempt is registered before its first lock is asked for and stays until its decision is
//! settled in the log, so that "not registered and no record" means "never". Its result goes to
//! every router that asks for the same request.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::super::message::Refusal;
use super::message::{Attempt, TransactWritten};

/// Transactions that one node runs at once at most: each holds up to 4 MB of parameters and is
/// answered within seconds, so more would only wait for the same disk.
const RUNNING_MAX: usize = 4096;

/// What came of an attempt.
pub(super) type Ran = Result<TransactWritten, Refusal>;

/// The attempts of one node.
#[derive(Debug, Default)]
pub(in super::super) struct Running {
    by_record: Mutex<BTreeMap<u128, Entry>>,
}

#[derive(Debug)]
struct Entry {
    attempt: Attempt,
    request_id: u128,
    fingerprint: u128,
    result: watch::Receiver<Option<Ran>>,
}

/// The registration of an attempt; it ends with the last clone.
#[derive(Debug)]
pub(super) struct Registration {
    running: Arc<Running>,
    /// The attempt.
    pub(super) attempt: Attempt,
    result: watch::Sender<Option<Ran>>,
}

/// What a request finds.
#[derive(Debug)]
pub(super) enum Entered {
    /// It is to be driven by the caller.
    First(Arc<Registration>),
    /// It is driven already, for the same request of a router.
    Same(watch::Receiver<Option<Ran>>),
    /// Another request with the same token runs; with the same parameters or not.
    Other {
        /// The parameters are the same.
        same_parameters: bool,
    },
    /// Too many run.
    Full,
}

impl Running {
    /// Registers an attempt, unless one of the same term runs for its record.
    pub(super) fn enter(
        self: &Arc<Self>,
        attempt: Attempt,
        request_id: u128,
        fingerprint: u128,
    ) -> Entered {
        let mut by_record = self.by_record.lock();
        if let Some(entry) = by_record.get(&attempt.record)
            && entry.attempt.term == attempt.term
        {
            if entry.request_id == request_id {
                return Entered::Same(entry.result.clone());
            }
            let same_parameters = entry.fingerprint == fingerprint;
            return Entered::Other { same_parameters };
        }
        if by_record.len() >= RUNNING_MAX {
            return Entered::Full;
        }
        let (result, receiver) = watch::channel(None);
        let entry = Entry {
            attempt,
            request_id,
            fingerprint,
            result: receiver,
        };
        by_record.insert(attempt.record, entry);
        Entered::First(Arc::new(Registration {
            running: Arc::clone(self),
            attempt,
            result,
        }))
    }

    /// Whether the attempt is registered.
    pub(super) fn has(&self, attempt: Attempt) -> bool {
        self.by_record
            .lock()
            .get(&attempt.record)
            .is_some_and(|entry| entry.attempt == attempt)
    }
}

impl Registration {
    /// Tells the result to all who wait.
    pub(super) fn publish(&self, result: Ran) {
        self.result.send_replace(Some(result));
    }

    /// The result, when there is one.
    pub(super) fn result(&self) -> watch::Receiver<Option<Ran>> {
        self.result.subscribe()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut by_record = self.running.by_record.lock();
        if by_record
            .get(&self.attempt.record)
            .is_some_and(|entry| entry.attempt == self.attempt)
        {
            by_record.remove(&self.attempt.record);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(term: u64, number: u64) -> Attempt {
        Attempt {
            record: 1,
            term,
            number,
        }
    }

    #[test]
    fn one_attempt_of_a_request_runs_and_repetitions_join_it() {
        let running = Arc::new(Running::default());
        let Entered::First(first) = running.enter(attempt(1, 1), 10, 7) else {
            panic!("nothing runs yet");
        };
        assert!(running.has(attempt(1, 1)));
        assert!(matches!(
            running.enter(attempt(1, 2), 10, 7),
            Entered::Same(_)
        ));
        assert!(matches!(
            running.enter(attempt(1, 2), 11, 7),
            Entered::Other {
                same_parameters: true
            }
        ));
        assert!(matches!(
            running.enter(attempt(1, 2), 11, 8),
            Entered::Other {
                same_parameters: false
            }
        ));
        first.publish(Err(Refusal::NotExecuted));
        assert_eq!(
            *first.result().borrow(),
            Some(Err(Refusal::NotExecuted)),
            "whoever comes late still sees it"
        );
        drop(first);
        assert!(!running.has(attempt(1, 1)));
    }

    #[test]
    fn a_later_term_takes_the_place_of_an_attempt_that_cannot_happen_any_more() {
        let running = Arc::new(Running::default());
        let Entered::First(old) = running.enter(attempt(1, 5), 10, 7) else {
            panic!("nothing runs yet");
        };
        let Entered::First(new) = running.enter(attempt(2, 1), 10, 7) else {
            panic!("the term is over");
        };
        drop(old);
        assert!(running.has(new.attempt), "the old one's end is not its");
    }
}
