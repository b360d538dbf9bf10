//! A cluster of cache nodes: one primary, and replicas that serve hits under its leases.
//!
//! # What is promised
//!
//! **Invariant 6, over all nodes and over a failover**: a hit on any node is never older than the last write that was
//! acknowledged through any of them. The rules of [`crate::cache`] hold on each node; between nodes these come on top:
//!
//! 1. *Writes go through the primary.* Replicas forward them whole, with the caller that they have verified.
//! 2. *A write is acknowledged when nobody can serve what was there before it*: every replica in session has stored or
//!    dropped the key, or its lease has run out and it gets no other ([`sessions`]).
//! 3. *A replica serves hits only under a lease*, counted from when it asked ([`following`]). A session begins with nothing:
//!    what was held, and what is being fetched, belongs to another generation of every table.
//! 4. *The primary serves hits and acknowledges writes only while it surely is the primary* ([`election`]), and grants no
//!    lease beyond that. So when another takes over, no hit is served anywhere. The new primary begins with what it holds
//!    if the lease says that it was in sync, else with nothing: the old one acknowledged nothing without a replica before it
//!    had taken it off that list.
//! 5. *A node that sees no primary serves from the store*, strongly, and stores nothing. It acknowledges a write only when
//!    it has been settled: by the primary, if there is one by then, or because every node says that it is not the primary
//!    and has dropped the key. A node that can learn neither refuses writes before it sends them; so does one that finds the
//!    holder of the lease refusing connections.
//!
//! Pages of Query and Scan live to their TTL on each node for itself.
//!
//! # What it costs
//!
//! A write takes one more round trip, to all replicas at once; one through a replica another to the primary. A replica that
//! dies unseen holds writes up for a second, once. Without the API server nobody is the primary for long: every read and
//! write goes to the store.

mod door;
pub mod election;
mod following;
mod forward;
pub mod kubernetes;
mod membership;
mod message;
pub mod peer;
mod sessions;
mod transport;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use parking_lot::Mutex;
use stator_kit::rng::SharedRandom;
use stator_kit::task::TaskOwner;
use tokio::time::Instant;
use tracing::{info, warn};

pub(crate) use self::door::{Door, serve};
use self::election::{Candidate, Electorate, ROUND, View};
pub(crate) use self::following::Caches;
use self::following::Following;
pub(crate) use self::forward::{Forward, ForwardError, Forwarded};
use self::message::{
    Admission, Applied, Apply, Call, FindList, Identify, Join, KeepLists, Leave, Renew, Renewal,
    Settle, Settled,
};
pub(crate) use self::message::{Change, Member, TableIdentity};
use self::peer::Peer;
pub(crate) use self::sessions::Sessions;
pub(crate) use self::transport::{HttpTransport, Transport};
use self::transport::{PeerError, call};

/// For the answer to a small call.
const PATIENCE: Duration = Duration::from_millis(500);
/// For all nodes to settle. The primary may take longer, waiting for a lease to run out: it is asked again, and so are the
/// others, who may have become the primary meanwhile.
const SETTLE_PATIENCE: Duration = Duration::from_secs(1);
/// For the primary to know a table, which it may have to ask the store for.
const IDENTIFY_PATIENCE: Duration = Duration::from_secs(5);
/// How long a write waits for a primary, or for certainty that there is none: a promotion takes 2.6 seconds.
const ROLE_PATIENCE: Duration = Duration::from_secs(6);
/// Between two attempts of either.
const ROLE_PAUSE: Duration = Duration::from_millis(50);
/// Rounds of the election without a session after which a forwarded write is not waited for.
const UNSEEN_MAX: u32 = 4;
/// From the primary to its answer: longer than it waits for the store and settles.
const FORWARD_PATIENCE: Duration = Duration::from_secs(28);

/// This node's part in the cluster.
pub(crate) struct Cluster {
    me: Member,
    /// The others.
    peers: Vec<Peer>,
    following: Following,
    pub(crate) sessions: Arc<Sessions>,
    caches: Arc<dyn Caches>,
    transport: Arc<dyn Transport>,
    random: SharedRandom,
    tasks: TaskOwner,
    view: Mutex<View>,
    /// About to stop: clients are not told of this node, and it is not the primary if there is another.
    retiring: AtomicBool,
}

/// Where a write is to be executed.
pub(crate) enum Place<'a> {
    /// Here: this node is the primary.
    Here,
    /// There: the primary.
    There(&'a Peer),
    /// Here, and settled afterwards: nobody is the primary.
    Anywhere,
}

/// Parts of a [`Cluster`].
pub(crate) struct Parts {
    pub(crate) me: Member,
    pub(crate) peers: Vec<Peer>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) caches: Arc<dyn Caches>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) random: SharedRandom,
    pub(crate) tasks: TaskOwner,
}

impl Cluster {
    pub(crate) fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            me,
            mut peers,
            sessions,
            caches,
            transport,
            random,
            tasks,
        } = parts;
        peers.retain(|peer| peer.name != me.name);
        Arc::new(Self {
            me,
            peers,
            following: Following::nobody(Instant::now()),
            sessions,
            caches,
            transport,
            random,
            tasks,
            view: Mutex::new(View::Unknown),
            retiring: AtomicBool::new(false),
        })
    }

    /// Starts to take part, until the owner's token is cancelled.
    pub(crate) fn start(self: &Arc<Self>, electorate: Electorate) {
        let candidate = Candidate::new(self.me.name.clone(), electorate);
        let cluster = Arc::clone(self);
        self.tasks
            .spawn("election", async move { cluster.elect(candidate).await });
        let cluster = Arc::clone(self);
        self.tasks
            .spawn("following", async move { cluster.follow().await });
    }

    /// Whether a hit may be served now. To be asked before the cache is.
    pub(crate) fn may_hit(&self, now: Instant) -> bool {
        self.following.may_hit(now)
    }

    /// All nodes that clients may use.
    pub(crate) fn members(&self) -> Vec<Member> {
        let mut members = if self.leads() {
            self.sessions.members(self.listed())
        } else {
            self.following.members()
        };
        if !self.leads() && self.following.primary().is_none() {
            // The one that was the primary may be gone. Any node takes any request, so this one will do.
            members.retain(|member| !member.leader && member.name != self.me.name);
            let leader = true;
            members.extend(self.listed().cloned().map(|me| Member { leader, ..me }));
        }
        if members.is_empty() {
            members.push(Member {
                leader: true,
                ..self.me.clone()
            });
        }
        members
    }

    /// This node, unless clients are not told of it.
    fn listed(&self) -> Option<&Member> {
        (!self.retiring.load(Ordering::Acquire)).then_some(&self.me)
    }

    /// This node is about to stop, and serves on for a while. The others hear of it with its next lease.
    pub(crate) fn retire(&self) {
        self.retiring.store(true, Ordering::Release);
    }

    /// Whether this node is the primary now.
    pub(crate) fn leads(&self) -> bool {
        self.sessions.tenure(Instant::now()).is_some()
    }

    // ---- writes -------------------------------------------------------------------------------------------------------

    /// Where a write goes. `None`: it must not be sent, because it could not be settled.
    pub(crate) async fn place(&self) -> Option<Place<'_>> {
        let since = Instant::now();
        let deadline = since + ROLE_PATIENCE;
        loop {
            if self.sessions.tenure(Instant::now()).is_some() {
                return Some(Place::Here);
            }
            if let Some((_, primary)) = self.following.primary() {
                return self.peers.get(primary).map(Place::There);
            }
            if self.settle_with_peers(&[], since).await {
                return Some(Place::Anywhere);
            }
            if Instant::now() >= deadline {
                return None;
            }
            tokio::time::sleep(ROLE_PAUSE).await;
        }
    }

    /// The primary that was [`Place::There`] did not take the write: it is asked again who is.
    pub(crate) async fn lost_sight(&self, peer: &Peer) {
        if let Some((session, primary)) = self.following.primary()
            && self.peers.get(primary) == Some(peer)
        {
            tracing::debug!(peer = peer.name, session, "the primary took no write");
            self.following.end();
        }
        tokio::time::sleep(ROLE_PAUSE).await;
    }

    /// Hands a write to the primary.
    pub(crate) async fn forward(
        &self,
        peer: &Peer,
        request: Forward,
    ) -> Result<Forwarded, ForwardError> {
        let deadline = Instant::now() + FORWARD_PATIENCE;
        let forwarded = self.transport.forward(peer, request, deadline);
        tokio::select! {
            biased;
            forwarded = forwarded => forwarded,
            // Whether it has executed the write is for nobody here to say.
            () = self.succeeded(peer) => Err(ForwardError::Lost),
        }
    }

    /// Waits until `peer` is not the primary any more, or has been out of sight for some rounds.
    async fn succeeded(&self, peer: &Peer) {
        let mut unseen = 0;
        while unseen < UNSEEN_MAX {
            tokio::time::sleep(ROUND).await;
            let primary = self.following.primary();
            let seen = primary.is_some_and(|(_, primary)| self.peers.get(primary) == Some(peer));
            unseen = if seen { 0 } else { unseen + 1 };
            if !matches!(&*self.view.lock(), View::Other { holder, .. } if *holder == peer.name) {
                return;
            }
        }
    }

    /// Waits until nobody serves what was there before a write that the store has acknowledged. `tenure` is what was in
    /// force when the caches of this node changed, and were so told to all. `false`: it cannot be known, so that the write
    /// must not be acknowledged.
    pub(crate) async fn settle(&self, tenure: Option<u64>, changes: &[Change]) -> bool {
        if let Some(tenure) = tenure
            && self.sessions.settled(tenure).await
        {
            return true;
        }
        let changes: Vec<Change> = changes.iter().cloned().map(Change::dropping).collect();
        let since = Instant::now();
        let deadline = since + ROLE_PATIENCE;
        loop {
            if self.settle_with_peers(&changes, since).await {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(ROLE_PAUSE).await;
        }
    }

    /// Whether the changes, which the store acknowledged before `since`, are settled: by the primary, which may be this node,
    /// or because nobody is.
    async fn settle_with_peers(&self, changes: &[Change], since: Instant) -> bool {
        match self.settle_here(changes).await {
            Settled::Everywhere => return true,
            Settled::Unknown => return false,
            Settled::Here => {}
        }
        let message = Settle {
            changes: changes.to_vec(),
        };
        let (transport, message) = (self.transport.as_ref(), &message);
        let mut answers: FuturesUnordered<_> = self
            .peers
            .iter()
            .map(|peer| async move {
                let answer = call(transport, peer, message, SETTLE_PATIENCE).await;
                (peer, answer)
            })
            .collect();
        let mut nobody_is = true;
        while let Some((peer, answer)) = answers.next().await {
            match answer {
                Ok(Settled::Everywhere) => return true,
                Ok(Settled::Here) | Err(PeerError::Absent) => {}
                Err(PeerError::Refused) => {
                    nobody_is &= self.view.lock().exonerates(&peer.name, since);
                }
                Ok(Settled::Unknown) | Err(PeerError::Silent) => nobody_is = false,
            }
        }
        nobody_is
    }

    /// Carries changes out here and, as the primary, everywhere.
    async fn settle_here(&self, changes: &[Change]) -> Settled {
        let now = Instant::now();
        let tenure = self.sessions.tenure(now);
        for change in changes {
            self.caches.apply(change, now);
            // The caches tell of what they do, but only where they know the table.
            self.sessions.publish(change, now);
        }
        match tenure {
            None => Settled::Here,
            Some(tenure) if self.sessions.settled(tenure).await => Settled::Everywhere,
            Some(_) => Settled::Unknown,
        }
    }

    // ---- tables -------------------------------------------------------------------------------------------------------

    /// Which table has that name, if another node is the primary and says so.
    pub(crate) async fn identify(&self, name: String) -> Option<TableIdentity> {
        let (_, primary) = self.following.primary()?;
        let peer = self.peers.get(primary)?;
        let message = Identify { name };
        let answer = call(self.transport.as_ref(), peer, &message, IDENTIFY_PATIENCE);
        answer.await.ok()
    }

    // ---- attribute lists ----------------------------------------------------------------------------------------------

    /// Tells all nodes of lists before a client is told of their ids. A node that does not hear of it asks when a client
    /// brings such an id.
    pub(crate) async fn share_lists(&self, lists: Vec<Vec<String>>) {
        if !lists.is_empty() {
            self.ask_all(&KeepLists { lists }).await;
        }
    }

    /// What a list's id means, if any other node knows it.
    pub(crate) async fn find_list(&self, id: i64) -> Option<Vec<String>> {
        let answers = self.ask_all(&FindList { id }).await;
        answers.into_iter().flatten().find_map(|answer| answer)
    }

    /// What each peer answers, or that it does not.
    async fn ask_all<C: Call>(&self, message: &C) -> Vec<Result<C::Answer, PeerError>> {
        let transport = self.transport.as_ref();
        let asked = self.peers.iter();
        join_all(asked.map(|peer| call(transport, peer, message, PATIENCE))).await
    }

    // ---- what peers ask -----------------------------------------------------------------------------------------------

    fn answer_join(self: &Arc<Self>, join: Join, now: Instant) -> Admission {
        let Some(peer) = self.peers.iter().find(|peer| peer.name == join.member.name) else {
            warn!(
                name = join.member.name,
                "a node that is no peer was refused"
            );
            return Admission::NotPrimary;
        };
        let number = join.session;
        let Some(session) = self.sessions.join(join, now) else {
            return Admission::NotPrimary;
        };
        info!(
            replica = peer.name,
            session = number,
            "a replica has joined"
        );
        let warm = Sessions::warm(Arc::clone(&session), Arc::clone(&self.caches));
        let run =
            Arc::clone(&self.sessions).run(session, peer.clone(), Arc::clone(&self.transport));
        self.tasks.spawn_background("session", run);
        self.tasks.spawn_background("warming", warm);
        Admission::Granted
    }

    fn answer_leave(&self, leave: Leave) -> Admission {
        self.sessions.leave(leave.session);
        Admission::Granted
    }

    fn answer_renew(&self, renew: Renew, received: Instant) -> Renewal {
        self.sessions.renew(renew, self.listed(), received)
    }

    fn answer_apply(&self, apply: &Apply) -> Applied {
        self.following
            .apply(apply, self.caches.as_ref(), Instant::now())
    }
}
