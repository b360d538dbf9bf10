//! A node's own part in the cluster: it stands for election, leads, or follows who leads.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::election::{Candidate, ROUND, View};
use super::message::{Admission, Change, Join, Leave, Renew, Renewal};
use super::transport::call;
use super::{Cluster, PATIENCE};

/// How often a replica asks for its lease, which lasts a second.
const RENEW_EVERY: Duration = Duration::from_millis(300);
/// A primary that has not answered for this long is given up; with a lease another is found by then.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(3);

/// What became of asking for a lease.
enum Renewed {
    Granted,
    Ended,
    NoAnswer,
}

impl Cluster {
    /// Looks for the primary, and is it when it may, until the owner's token is cancelled.
    pub(super) async fn elect(&self, mut candidate: Candidate) {
        let token = self.tasks.token();
        let mut leading = false;
        loop {
            let before = self.view.lock().clone();
            let (in_sync, removals) = self.sessions.in_sync();
            let retiring = self.retiring.load(Ordering::Acquire);
            if leading && retiring && !in_sync.is_empty() && candidate.can_be_succeeded() {
                // One of them takes over in its next round.
                self.following.end();
                self.sessions.give_up();
                candidate.release().await;
                leading = false;
                info!("this node hands its place over");
            }
            let stands = leading || !retiring;
            let view = candidate.round(&before, in_sync, stands).await;
            // A list is written by who has held the lease already; without a lease nobody takes over.
            let written = leading && matches!(&view, View::Mine { .. });
            if written && (view != before || matches!(&view, View::Mine { until: None, .. })) {
                self.sessions.listed(removals);
            }
            if !token.is_cancelled() {
                self.take_view(view, &mut leading);
            }
            tokio::select! {
                biased;
                () = token.cancelled() => break,
                () = self.sessions.wants_listing() => {}
                // The holder has time for three renewals; every one is a write to the API server's disks.
                () = tokio::time::sleep(if leading { ROUND * 2 } else { ROUND }) => {}
            }
        }
        // Who writes here from now on settles with the next primary.
        let ended = self.following.end();
        self.sessions.give_up();
        if leading {
            candidate.release().await;
        }
        if let Some((session, primary)) = ended {
            self.say_goodbye(session, primary).await;
        }
    }

    fn take_view(&self, view: View, leading: &mut bool) {
        let now = Instant::now();
        match &view {
            View::Mine {
                until,
                epoch,
                in_sync,
            } if until.is_none_or(|until| now < until) => {
                if self.sessions.tenure(now).is_none() {
                    self.following.end();
                    // What is held may be older than what was written while this node could not know.
                    let warm = *in_sync && self.following.is_clean();
                    if !warm {
                        self.caches.apply(&Change::DropAll, now);
                    }
                    info!(epoch, warm, "this node is the primary");
                }
                self.sessions.hold(*until, now);
                self.following.lead(*until);
                *leading = true;
            }
            _ if *leading => {
                info!("this node is not the primary any more");
                self.following.end();
                self.sessions.give_up();
                *leading = false;
            }
            _ => {}
        }
        *self.view.lock() = view;
    }

    /// Keeps the session with whoever is the primary.
    pub(super) async fn follow(&self) {
        let token = self.tasks.token();
        let mut heard = Instant::now();
        loop {
            let holder = match &*self.view.lock() {
                View::Other { holder, .. } => {
                    self.peers.iter().position(|peer| peer.name == *holder)
                }
                View::Mine { .. } | View::Unknown => None,
            };
            let pause = match (holder, self.following.primary()) {
                (None, _) => RENEW_EVERY / 3,
                (Some(holder), Some((session, primary))) if primary == holder => {
                    match self.renew(session, primary).await {
                        Renewed::Granted => heard = Instant::now(),
                        Renewed::Ended => {
                            self.following.end();
                        }
                        Renewed::NoAnswer if heard.elapsed() > GIVEN_UP_AFTER => {
                            self.following.end();
                        }
                        Renewed::NoAnswer => {}
                    }
                    RENEW_EVERY
                }
                (Some(holder), _) => {
                    if self.join(holder).await {
                        heard = Instant::now();
                        // The lease is asked for at once.
                        continue;
                    }
                    RENEW_EVERY / 3
                }
            };
            tokio::select! {
                biased;
                () = token.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn join(&self, primary: usize) -> bool {
        let Some(peer) = self.peers.get(primary) else {
            return false;
        };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "any 64 random bits will do"
        )]
        let session = self.random.next_u128() as u64;
        self.following.begin(session, primary);
        // The primary takes the join for the word that nothing is held from before it.
        self.caches.apply(&Change::DropAll, Instant::now());
        let join = Join {
            session,
            member: self.me.clone(),
            listed: self.listed().is_some(),
        };
        match call(self.transport.as_ref(), peer, &join, PATIENCE).await {
            Ok(Admission::Granted) => {
                // What was fetched before the primary knew of this session is not stored: it was not told of changes.
                self.caches.apply(&Change::DropAll, Instant::now());
                self.following.joined(session);
                info!(primary = peer.name, session, "this node is a replica");
                true
            }
            _ => {
                self.following.end();
                false
            }
        }
    }

    async fn renew(&self, session: u64, primary: usize) -> Renewed {
        let Some(peer) = self.peers.get(primary) else {
            return Renewed::Ended;
        };
        let sent = Instant::now();
        let renew = Renew {
            session,
            listed: self.listed().is_some(),
        };
        match call(self.transport.as_ref(), peer, &renew, PATIENCE).await {
            Ok(Renewal::Granted { millis, members }) => {
                let lease = Duration::from_millis(u64::from(millis));
                self.following.granted(session, sent, lease, members);
                Renewed::Granted
            }
            Ok(Renewal::Ended) => Renewed::Ended,
            Err(_) => Renewed::NoAnswer,
        }
    }

    async fn say_goodbye(&self, session: u64, primary: usize) {
        if let Some(peer) = self.peers.get(primary)
            && call(self.transport.as_ref(), peer, &Leave { session }, PATIENCE)
                .await
                .is_err()
        {
            tracing::debug!(
                primary = peer.name,
                session,
                "the primary does not hear that this node leaves"
            );
        }
    }
}
