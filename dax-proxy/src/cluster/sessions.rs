//! The primary's side: who must be told of a change before a write is acknowledged.
//!
//! A replica serves hits under a lease that it asks for within its session. The primary counts the lease from when it
//! *received* the request, the replica from when it *sent* it, so that the primary always waits longer than the replica
//! serves. A change is put into the queues of all sessions in the same critical section that decides about it, and is told
//! in that order. A write is acknowledged when every session has carried it out, or has ended: because the replica has left
//! or does not know it any more, or because its lease has run out without an answer (it is *expelled*, and begins anew with
//! nothing); and when the lease has been written without those who were gone on without.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::following::Caches;
use super::message::{Applied, Apply, Change, Join, Member, Renew, Renewal};
use super::peer::Peer;
use super::transport::{Transport, call};

/// How long a replica may serve hits without asking again.
pub(super) const LEASE: Duration = Duration::from_secs(1);
/// For one attempt to tell changes; the next one takes another connection.
const ATTEMPT: Duration = Duration::from_millis(500);
/// A replica that asks for its lease and does not carry out what it is told gets no more leases after this.
const STALLED_AFTER: Duration = Duration::from_secs(2);
/// A session whose lease has run out is kept this long if nothing waits for it.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(3);
/// Between two looks at an idle session, and between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// Told at once: a message, and what waits behind it.
const BATCH_BYTES: usize = 1024 * 1024;
const BATCH_CHANGES: usize = 1_024;
/// What waits for a replica that is being warmed: a write waits behind it.
const WARM_BYTES: usize = 256 * 1024;
/// What may wait for one replica; one that is further behind is expelled.
const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// All sessions of this node's time as the primary.
pub(crate) struct Sessions {
    /// Which tenure, and how many of its removals the lease has been written without.
    listing: watch::Sender<Listing>,
    /// A replica is to be taken off the list.
    unlist: Notify,
    /// Whether there may be a session: what is asked for every change.
    any: AtomicBool,
    state: Mutex<State>,
}

/// How far the list of replicas in sync has been written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Listing {
    /// 0: this node is not the primary.
    tenure: u64,
    /// Removals that the written list reflects.
    removals: u64,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            listing: watch::Sender::new(Listing::default()),
            unlist: Notify::new(),
            any: AtomicBool::new(false),
            state: Mutex::default(),
        }
    }
}

#[derive(Default)]
struct State {
    /// Replicas that have been taken off the list, ever.
    removals: u64,
    tenure: Option<Tenure>,
    /// Counts the tenures of this process: what began in one is not acknowledged in another.
    number: u64,
    open: Vec<Arc<Session>>,
}

/// A time as the primary.
#[derive(Clone, Copy, Debug)]
struct Tenure {
    number: u64,
    /// `None`: for ever.
    until: Option<Instant>,
}

impl Tenure {
    fn holds(&self, now: Instant) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// One replica's session.
pub(crate) struct Session {
    id: u64,
    member: Member,
    /// Whether clients are told of it.
    listed: AtomicBool,
    lease: Mutex<Lease>,
    queue: Mutex<Queue>,
    /// The last change that the replica has carried out; `u64::MAX` when the session has ended.
    done: watch::Sender<u64>,
    /// A change waits.
    news: Notify,
}

struct Lease {
    /// The replica serves no hits after this.
    end: Instant,
    /// No more leases are granted.
    condemned: bool,
}

#[derive(Default)]
struct Queue {
    changes: VecDeque<Change>,
    bytes: usize,
    /// Number of the first one.
    first: u64,
    /// Since when the first one waits.
    since: Option<Instant>,
    /// More than may wait has come: what came then is not here, and the session must end.
    overflown: bool,
}

impl Queue {
    /// Number of the last change that was put in; one that no replica ever reaches if it is not here.
    fn last(&self) -> u64 {
        if self.overflown {
            return u64::MAX;
        }
        self.first + self.changes.len() as u64 - 1
    }

    /// Forgets what has been carried out.
    fn done(&mut self, up_to: u64, now: Instant) {
        while self.first <= up_to
            && let Some(change) = self.changes.pop_front()
        {
            self.bytes -= change.size_bytes();
            self.first += 1;
        }
        self.since = (!self.changes.is_empty()).then_some(now);
    }

    fn batch(&self) -> Vec<Change> {
        let mut bytes = 0;
        let fits = |change: &&Change| {
            let first = bytes == 0;
            bytes += change.size_bytes();
            first || bytes <= BATCH_BYTES
        };
        self.changes
            .iter()
            .take(BATCH_CHANGES)
            .take_while(fits)
            .cloned()
            .collect()
    }
}

impl Session {
    fn new(join: Join, now: Instant) -> Arc<Self> {
        Arc::new(Self {
            id: join.session,
            member: join.member,
            listed: AtomicBool::new(join.listed),
            lease: Mutex::new(Lease {
                // It has asked for none yet. That long it is waited for if there is something to tell.
                end: now + LEASE,
                condemned: false,
            }),
            queue: Mutex::new(Queue {
                first: 1,
                ..Queue::default()
            }),
            done: watch::Sender::new(0),
            news: Notify::new(),
        })
    }

    fn push(&self, change: &Change, now: Instant) {
        {
            let mut queue = self.queue.lock();
            if queue.bytes + change.size_bytes() > QUEUE_BYTES_MAX {
                queue.overflown = true;
                self.lease.lock().condemned = true;
            } else {
                queue.bytes += change.size_bytes();
                queue.changes.push_back(change.clone());
                queue.since.get_or_insert(now);
            }
        }
        self.news.notify_one();
    }

    fn end(&self) {
        self.done.send_replace(u64::MAX);
        self.news.notify_one();
    }

    fn has_ended(&self) -> bool {
        *self.done.borrow() == u64::MAX
    }

    /// Until when the replica may serve hits that was asked for at `now`, at most until `until`.
    fn grant(&self, now: Instant, until: Option<Instant>) -> Option<Duration> {
        let mut lease = self.lease.lock();
        if lease.condemned || self.has_ended() {
            return None;
        }
        let granted = until.map_or(LEASE, |until| {
            LEASE.min(until.saturating_duration_since(now))
        });
        lease.end = lease.end.max(now + granted);
        Some(granted)
    }

    /// Whether the replica surely serves nothing any more, if it has not been heard of: from here on it gets no lease.
    fn run_out(&self, now: Instant) -> bool {
        let mut lease = self.lease.lock();
        let run_out = now >= lease.end;
        lease.condemned |= run_out;
        run_out
    }
}

impl Sessions {
    /// This node is the primary until `until`.
    pub(crate) fn hold(&self, until: Option<Instant>, now: Instant) {
        let mut state = self.state.lock();
        if let Some(tenure) = state.tenure.as_mut().filter(|tenure| tenure.holds(now)) {
            tenure.until = until;
            return;
        }
        state.end_all();
        state.number += 1;
        let number = state.number;
        state.tenure = Some(Tenure { number, until });
        // The list may still name who was in session before.
        let listed = state.removals;
        state.removals += 1;
        self.listing.send_replace(Listing {
            tenure: number,
            removals: listed,
        });
        self.unlist.notify_one();
    }

    /// This node is not the primary any more.
    pub(crate) fn give_up(&self) {
        let mut state = self.state.lock();
        state.tenure = None;
        self.listing.send_replace(Listing::default());
        state.end_all();
    }

    /// The replicas in sync, to be written into the lease, with what [`Self::listed`] is told then.
    pub(crate) fn in_sync(&self) -> (Vec<String>, u64) {
        let state = self.state.lock();
        let promising = state
            .open
            .iter()
            .filter(|session| !session.lease.lock().condemned);
        let names = promising.map(|session| session.member.name.clone());
        (names.collect(), state.removals)
    }

    /// That list has been written.
    pub(crate) fn listed(&self, removals: u64) {
        self.listing.send_modify(|listing| {
            listing.removals = listing.removals.max(removals);
        });
    }

    /// Waits until the list is to be written without a replica.
    pub(crate) async fn wants_listing(&self) {
        self.unlist.notified().await;
    }

    /// A session is gone on without. What its replica holds may be older than what is acknowledged from now on: nothing is
    /// before the list has been written without it, see [`Self::settled`].
    fn take_off(&self, session: &Session) {
        let mut state = self.state.lock();
        state.open.retain(|open| open.id != session.id);
        self.any.store(!state.open.is_empty(), Ordering::Release);
        state.removals += 1;
        session.end();
        self.unlist.notify_one();
    }

    /// The tenure in force; `None` if this node is not the primary.
    pub(crate) fn tenure(&self, now: Instant) -> Option<u64> {
        let state = self.state.lock();
        let tenure = state.tenure.filter(|tenure| tenure.holds(now))?;
        Some(tenure.number)
    }

    /// Tells every session. In the critical section that decides about the change, so that all are told in that order.
    pub(crate) fn publish(&self, change: &Change, now: Instant) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        for session in &self.state.lock().open {
            session.push(change, now);
        }
    }

    /// Whether there is anybody to tell.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Waits until all that was published in the tenure is carried out wherever hits are served, and nobody could take over
    /// without it. `false`: this node is not the primary any more, so that others may serve what they have not been told of.
    pub(crate) async fn settled(&self, tenure: u64) -> bool {
        let waits: Vec<(Arc<Session>, u64)> = {
            let state = self.state.lock();
            state
                .open
                .iter()
                .map(|session| (Arc::clone(session), session.queue.lock().last()))
                .collect()
        };
        for (session, last) in waits {
            let mut done = session.done.subscribe();
            // It ends: each session's own task sees to that.
            if done.wait_for(|done| *done >= last).await.is_err() {
                return false;
            }
        }
        let removals = self.state.lock().removals;
        let mut listing = self.listing.subscribe();
        let written = listing
            .wait_for(|listing| listing.tenure != tenure || listing.removals >= removals)
            .await;
        written.is_ok() && self.tenure(Instant::now()) == Some(tenure)
    }

    /// A replica joins. Its earlier session gets no more leases and ends when the replica says that it does not know it, or
    /// when its lease has run out: this join may be a late one, and the other session the one that is in force.
    /// `None`: this node is not the primary.
    pub(crate) fn join(&self, join: Join, now: Instant) -> Option<Arc<Session>> {
        let mut state = self.state.lock();
        state.tenure.filter(|tenure| tenure.holds(now))?;
        for session in &state.open {
            if session.member.name == join.member.name {
                session.lease.lock().condemned = true;
            }
        }
        let session = Session::new(join, now);
        state.open.push(Arc::clone(&session));
        self.any.store(true, Ordering::Release);
        Some(session)
    }

    /// A replica leaves.
    pub(crate) fn leave(&self, id: u64) {
        let mut state = self.state.lock();
        state.open.retain(|session| {
            if session.id == id {
                session.end();
            }
            session.id != id
        });
        self.any.store(!state.open.is_empty(), Ordering::Release);
    }

    /// Answers a replica that asks for its lease; `received`: when its request arrived. `me` is this node, unless clients are
    /// not told of it.
    pub(crate) fn renew(&self, renew: Renew, me: Option<&Member>, received: Instant) -> Renewal {
        let state = self.state.lock();
        let Some(tenure) = state.tenure.filter(|tenure| tenure.holds(received)) else {
            return Renewal::Ended;
        };
        let session = state
            .open
            .iter()
            .find(|session| session.id == renew.session);
        if let Some(session) = session {
            session.listed.store(renew.listed, Ordering::Relaxed);
        }
        match session.and_then(|session| session.grant(received, tenure.until)) {
            None => Renewal::Ended,
            Some(granted) => Renewal::Granted {
                millis: u32::try_from(granted.as_millis()).unwrap_or(0),
                members: state.members(me),
            },
        }
    }

    /// Tells a replica that has joined what is held here, as fast as it takes it: the task of a new session.
    pub(crate) async fn warm(session: Arc<Session>, caches: Arc<dyn Caches>) {
        for key in caches.keys() {
            while session.queue.lock().bytes > WARM_BYTES {
                tokio::time::sleep(PAUSE / 4).await;
                if session.has_ended() {
                    return;
                }
            }
            if session.has_ended() {
                return;
            }
            let now = Instant::now();
            caches.tell(&key, now, &|change| session.push(change, now));
            tokio::task::consume_budget().await;
        }
    }

    /// This node and its replicas.
    pub(crate) fn members(&self, me: Option<&Member>) -> Vec<Member> {
        self.state.lock().members(me)
    }

    /// How many replicas are in session.
    pub(crate) fn len(&self) -> usize {
        self.state.lock().open.len()
    }

    /// Tells one replica what there is to tell, until the session ends: the task of a session.
    pub(crate) async fn run(
        self: Arc<Self>,
        session: Arc<Session>,
        peer: Peer,
        transport: Arc<dyn Transport>,
    ) {
        let why = tell(&session, &peer, transport.as_ref()).await;
        if !session.has_ended() {
            self.take_off(&session);
        }
        tracing::info!(
            replica = peer.name,
            session = session.id,
            why,
            "a replica's session has ended"
        );
    }
}

/// Until the session ends; why it has.
async fn tell(session: &Session, peer: &Peer, transport: &dyn Transport) -> &'static str {
    let mut idle_since = Instant::now();
    loop {
        if session.has_ended() {
            return "by the replica's word";
        }
        let (first, changes, since, overflown) = {
            let queue = session.queue.lock();
            (queue.first, queue.batch(), queue.since, queue.overflown)
        };
        let now = Instant::now();
        if changes.is_empty() && overflown {
            // It has carried out what was told, and must not serve what was not.
            let end = session.lease.lock().end;
            tokio::time::sleep_until(end).await;
            return "it was too far behind";
        }
        if changes.is_empty() {
            let lease_end = session.lease.lock().end;
            if now >= lease_end.max(idle_since) + FORGOTTEN_AFTER && session.run_out(now) {
                return "it was not heard of";
            }
            // Woken by news; looked at again in any case.
            drop(tokio::time::timeout(PAUSE * 10, session.news.notified()).await);
            continue;
        }
        if session.run_out(now) {
            return "its lease ran out while it was told of a change";
        }
        if since.is_some_and(|since| now >= since + STALLED_AFTER) {
            session.lease.lock().condemned = true;
        }
        let lease_left = session.lease.lock().end.saturating_duration_since(now);
        let message = Apply {
            session: session.id,
            first,
            changes,
        };
        match call(transport, peer, &message, ATTEMPT.min(lease_left)).await {
            Ok(Applied::UpTo(done)) => {
                let now = Instant::now();
                session.queue.lock().done(done, now);
                session.done.send_if_modified(|before| {
                    let forward = *before < done;
                    if forward {
                        *before = done;
                    }
                    forward
                });
                idle_since = now;
            }
            Ok(Applied::Ended) => return "the replica does not know it",
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

impl State {
    fn end_all(&mut self) {
        for session in self.open.drain(..) {
            session.end();
        }
    }

    fn members(&self, me: Option<&Member>) -> Vec<Member> {
        let me = me.map(|me| Member {
            leader: true,
            ..me.clone()
        });
        let others = self.open.iter().filter(|session| {
            session.listed.load(Ordering::Relaxed) && !session.lease.lock().condemned
        });
        let others = others.map(|session| session.member.clone());
        me.into_iter().chain(others).collect()
    }
}

#[cfg(test)]
mod tests;
