//! A replica's side: what it may serve, and what it is told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::message::{Applied, Apply, Change, Member};
use crate::cache::CacheKey;
use crate::hits_until::HitsUntil;

/// What a change does here.
pub(crate) trait Caches: Send + Sync + 'static {
    /// Carries a change out.
    fn apply(&self, change: &Change, now: Instant);

    /// The keys of what is held.
    fn keys(&self) -> Vec<CacheKey>;

    /// Tells what is held under a key, if it still is: in the critical section of the key, so that it is told before what
    /// is decided about the key later.
    fn tell(&self, key: &CacheKey, now: Instant, tell: &dyn Fn(&Change));
}

/// The session with the primary, if there is one.
pub(crate) struct Following {
    hits: HitsUntil,
    /// Whether all that is held was stored under a session that the primary knew, or by this node as the primary.
    clean: AtomicBool,
    state: Mutex<Option<Followed>>,
    /// All nodes, as a primary has last named them.
    members: Mutex<Vec<Member>>,
}

struct Followed {
    session: u64,
    /// Place of the primary among the peers.
    primary: usize,
    /// The last change carried out.
    applied: u64,
    /// Whether the primary has answered the join.
    joined: bool,
}

impl Following {
    pub(crate) fn nobody(base: Instant) -> Self {
        Self {
            hits: HitsUntil::never(base),
            clean: AtomicBool::new(false),
            state: Mutex::new(None),
            members: Mutex::default(),
        }
    }

    /// Whether a hit may be served now.
    pub(crate) fn may_hit(&self, now: Instant) -> bool {
        self.hits.holds(now)
    }

    /// This node is the primary, and serves what it holds until then.
    pub(crate) fn lead(&self, until: Option<Instant>) {
        let mut state = self.state.lock();
        *state = None;
        self.clean.store(true, Ordering::Release);
        self.hits.set(until);
    }

    /// Whether nothing is held from before a session that the primary knew.
    pub(crate) fn is_clean(&self) -> bool {
        self.clean.load(Ordering::Acquire)
    }

    /// Nothing is served any more. The session that ended, to tell the primary.
    pub(crate) fn end(&self) -> Option<(u64, usize)> {
        let mut state = self.state.lock();
        self.hits.end();
        let ended = state.take()?;
        Some((ended.session, ended.primary))
    }

    /// A session begins: changes told under it are carried out from now on, before the primary's answer has come.
    pub(crate) fn begin(&self, session: u64, primary: usize) {
        let mut state = self.state.lock();
        self.hits.end();
        self.clean.store(false, Ordering::Release);
        *state = Some(Followed {
            session,
            primary,
            applied: 0,
            joined: false,
        });
    }

    /// The primary knows the session. The caller has dropped all that was held.
    pub(crate) fn joined(&self, session: u64) {
        if let Some(followed) = self.state.lock().as_mut()
            && followed.session == session
        {
            followed.joined = true;
            self.clean.store(true, Ordering::Release);
        }
    }

    /// A lease was granted for a request sent at `sent`.
    pub(crate) fn granted(
        &self,
        session: u64,
        sent: Instant,
        lease: Duration,
        members: Vec<Member>,
    ) {
        let mut state = self.state.lock();
        if let Some(followed) = state.as_mut()
            && followed.session == session
            && followed.joined
        {
            *self.members.lock() = members;
            self.hits.set(Some(sent + lease));
        }
    }

    /// The session in force and its primary, once the primary has answered.
    pub(crate) fn primary(&self) -> Option<(u64, usize)> {
        let state = self.state.lock();
        let followed = state.as_ref().filter(|followed| followed.joined)?;
        Some((followed.session, followed.primary))
    }

    /// All nodes, as a primary has last named them.
    pub(crate) fn members(&self) -> Vec<Member> {
        self.members.lock().clone()
    }

    /// Carries out what the primary tells. A change that has been carried out is not carried out again: it may be told
    /// twice, and the older telling may come later.
    pub(crate) fn apply(&self, told: &Apply, caches: &dyn Caches, now: Instant) -> Applied {
        let mut state = self.state.lock();
        let Some(followed) = state
            .as_mut()
            .filter(|followed| followed.session == told.session)
        else {
            return Applied::Ended;
        };
        for (number, change) in (told.first..).zip(&told.changes) {
            if number <= followed.applied {
                continue;
            }
            if number > followed.applied + 1 {
                // Something in between was never told; the primary does not do that.
                self.hits.end();
                *state = None;
                return Applied::Ended;
            }
            caches.apply(change, now);
            followed.applied = number;
        }
        Applied::UpTo(followed.applied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log(Mutex<Vec<Change>>);

    impl Caches for Log {
        fn apply(&self, change: &Change, _: Instant) {
            self.0.lock().push(change.clone());
        }

        fn keys(&self) -> Vec<CacheKey> {
            Vec::new()
        }

        fn tell(&self, _: &CacheKey, _: Instant, _: &dyn Fn(&Change)) {}
    }

    fn drop_of(key: u8) -> Change {
        Change::Drop { key: vec![key] }
    }

    fn told(session: u64, first: u64, keys: &[u8]) -> Apply {
        Apply {
            session,
            first,
            changes: keys.iter().copied().map(drop_of).collect(),
        }
    }

    #[test]
    fn changes_are_carried_out_once_and_in_order() {
        let (log, now) = (Log::default(), Instant::now());
        let following = Following::nobody(now);
        assert_eq!(
            following.apply(&told(7, 1, &[1]), &log, now),
            Applied::Ended
        );
        following.begin(7, 0);
        assert_eq!(
            following.apply(&told(7, 1, &[1, 2]), &log, now),
            Applied::UpTo(2)
        );
        // Told again with more, and then the first telling comes late.
        assert_eq!(
            following.apply(&told(7, 1, &[1, 2, 3]), &log, now),
            Applied::UpTo(3)
        );
        assert_eq!(
            following.apply(&told(7, 1, &[1]), &log, now),
            Applied::UpTo(3)
        );
        assert_eq!(*log.0.lock(), [drop_of(1), drop_of(2), drop_of(3)]);
        assert_eq!(
            following.apply(&told(8, 1, &[1]), &log, now),
            Applied::Ended
        );
        // A gap ends the session.
        assert_eq!(
            following.apply(&told(7, 5, &[5]), &log, now),
            Applied::Ended
        );
        assert_eq!(
            following.apply(&told(7, 4, &[4]), &log, now),
            Applied::Ended
        );
    }

    #[test]
    fn hits_are_served_under_a_lease_that_is_counted_from_the_asking() {
        let start = Instant::now();
        let following = Following::nobody(start);
        let at = |millis| start + Duration::from_millis(millis);
        let lease = Duration::from_secs(1);
        following.begin(7, 0);
        following.granted(7, at(0), lease, Vec::new());
        assert!(
            !following.may_hit(at(1)),
            "what is held has not been dropped yet"
        );
        following.joined(7);
        following.granted(7, at(100), lease, Vec::new());
        assert!(following.may_hit(at(1_099)) && !following.may_hit(at(1_100)));
        following.granted(6, at(900), lease, Vec::new());
        assert!(!following.may_hit(at(1_100)), "another session's");
        following.begin(8, 1);
        assert!(!following.may_hit(at(101)));
        following.lead(None);
        assert!(following.may_hit(at(1_000_000)));
        following.end();
        assert!(!following.may_hit(at(0)));
    }
}
