//! The sidecar's side: it hears what happened, drops it, and may serve hits for a second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::message::{Cursor, Follow, Image, News, Told};
use crate::answer::Failure;
use crate::cache::{CacheKey, ItemCache, TableId};
use crate::hits_until::HitsUntil;
use crate::message::{MessageError, decode, encode};
use crate::metrics::Metrics;
use crate::upstream::{FollowError, Tables, Upstream};

/// Hits are served so long after a question was sent that was answered well.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a node lets a question wait for news: one or two that are lost do not end the hits.
const WAIT: Duration = Duration::from_millis(250);
/// For the answer to arrive. A node that does not answer is not waited for longer than hits are served.
const PATIENCE: Duration = Duration::from_millis(900);
/// From one question to the next: under many writes a question brings many changes, and not each change a question.
const EVERY: Duration = Duration::from_millis(20);
/// The same when a question was not answered.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// The same when the endpoint has refused it: it may be none that tells of changes.
const REFUSED_EVERY: Duration = Duration::from_secs(1);
/// All nodes of a cluster have heard of a change so long after the first: their leases, and as much again for the way.
const SETTLES_AFTER: Duration = Duration::from_secs(2);
/// How long a change waits for a write of one's own to the same key: it may be the one that is told of.
const OWN_WRITE_PATIENCE: Duration = Duration::from_millis(500);
/// Changes that are to be carried out again. With more of them everything is dropped instead.
const SETTLING_MAX: usize = 65_536;

/// Follows the cluster behind a sidecar.
pub(crate) struct Follower {
    hits: HitsUntil,
    upstream: Arc<Upstream>,
    items: Arc<ItemCache<Failure>>,
    tables: Arc<Tables>,
    metrics: Arc<Metrics>,
}

/// What the follower has heard.
#[derive(Default)]
struct Heard {
    cursor: Option<Cursor>,
    /// What is to be dropped once more, and when, in that order.
    settling: VecDeque<(Instant, News)>,
    /// Changes of keys that this sidecar is writing itself, and until when they wait for that.
    undecided: Vec<(Instant, News)>,
}

/// What became of a question. A change of it is logged, each question is not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// A node has told what is new; whether it may serve hits itself.
    Told { serving: bool },
    /// The endpoint does not answer such questions, or not this key's.
    Refused(StatusCode),
    /// It answers something else.
    Unreadable(MessageError),
    /// It does not answer.
    NoAnswer,
}

impl Outcome {
    fn log(self) {
        match self {
            Self::Told { serving: true } => info!("the cluster tells of changes: hits are served"),
            Self::Told { serving: false } => {
                info!("the node that tells of changes serves no hits now, nor does this sidecar");
            }
            Self::Refused(status) => {
                warn!(%status, "the endpoint tells of no changes: every request is passed on");
            }
            Self::Unreadable(error) => {
                warn!(%error, "what the cluster tells cannot be read: every request is passed on");
            }
            Self::NoAnswer => info!("the cluster is not heard: every request is passed on"),
        }
    }
}

impl Follower {
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        items: Arc<ItemCache<Failure>>,
        tables: Arc<Tables>,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            hits: HitsUntil::never(Instant::now()),
            upstream,
            items,
            tables,
            metrics,
        }
    }

    /// Whether a hit may be served now.
    pub(crate) fn may_hit(&self, now: Instant) -> bool {
        self.hits.holds(now)
    }

    /// Follows for ever.
    pub(crate) async fn run(&self) {
        let mut heard = Heard::default();
        let mut before = None;
        loop {
            let sent = Instant::now();
            let outcome = self.ask(&mut heard, sent).await;
            if before != Some(outcome) {
                outcome.log();
            }
            let every = match outcome {
                Outcome::Told { .. } => EVERY,
                Outcome::Refused(_) => REFUSED_EVERY,
                Outcome::NoAnswer | Outcome::Unreadable(_) => RETRY_EVERY,
            };
            before = Some(outcome);
            sleep_until(sent + every).await;
        }
    }

    /// Asks once, and carries out what is told and what is due.
    async fn ask(&self, heard: &mut Heard, sent: Instant) -> Outcome {
        let follow = Follow {
            cursor: heard.cursor,
            wait_millis: u32::try_from(heard.wait(sent).as_millis()).unwrap_or(0),
        };
        let question = encode(&follow).into();
        let answer = self.upstream.follow(question, sent + PATIENCE).await;
        let now = Instant::now();
        heard.settle(self, now);
        match answer.map(|body| decode::<Told>(&body)) {
            Ok(Ok(told)) => {
                let serving = told.serving;
                self.heard(heard, told, sent, now);
                Outcome::Told { serving }
            }
            Ok(Err(error)) => Outcome::Unreadable(error),
            Err(FollowError::Refused(status)) => Outcome::Refused(status),
            Err(FollowError::NoAnswer) => Outcome::NoAnswer,
        }
    }

    /// Carries out what was told. Only then are hits served for another while.
    fn heard(&self, heard: &mut Heard, told: Told, sent: Instant, now: Instant) {
        let Told {
            cursor,
            serving,
            whole,
            changes,
        } = told;
        if !whole {
            debug!("some changes were missed: everything is dropped");
            heard.settling.clear();
            heard.apply(self, News::Everything, now);
        }
        for news in changes {
            heard.apply(self, news, now);
        }
        heard.cursor = Some(cursor);
        if serving {
            self.hits.set(Some(sent + HEARTBEAT));
        }
    }

    /// Whether it cannot be said yet if the change is a write of one's own, whose answer is on its way.
    fn is_undecided(&self, news: &News) -> bool {
        match news {
            News::Key { key, image } if *image != Image::Unknown => {
                CacheKey::from_bytes(key).is_some_and(|(_, key)| self.items.has_write(&key))
            }
            _ => false,
        }
    }

    fn carry_out(&self, news: &News, now: Instant) {
        match news {
            News::Key { key, image } => {
                self.metrics.told_changes.inc();
                let Some((table, key)) = CacheKey::from_bytes(key) else {
                    return;
                };
                let Some(table) = self.tables.handle(table) else {
                    return;
                };
                let held = self.items.lookup(&table, key.as_bytes(), now);
                if held.is_some_and(|held| *image != Image::Unknown && Image::of(&held) == *image) {
                    return;
                }
                self.items.changed_elsewhere(&table, key, now);
            }
            News::Table { table } => self.tables.forget_id(TableId::from_bytes(*table)),
            News::Everything => self.tables.forget_all(),
        }
    }
}

impl Heard {
    /// How long the next question may wait: not longer than until something is to be dropped again.
    fn wait(&self, now: Instant) -> Duration {
        if !self.undecided.is_empty() {
            return Duration::ZERO;
        }
        self.settling.front().map_or(WAIT, |(due, _)| {
            due.saturating_duration_since(now).min(WAIT)
        })
    }

    fn apply(&mut self, follower: &Follower, news: News, now: Instant) {
        if follower.is_undecided(&news) && self.undecided.len() < SETTLING_MAX {
            self.undecided
                .push((now + OWN_WRITE_PATIENCE, news.clone()));
        } else {
            follower.carry_out(&news, now);
        }
        let due = now + SETTLES_AFTER;
        if self.settling.len() < SETTLING_MAX {
            self.settling.push_back((due, news));
        } else {
            self.settling.clear();
            follower.carry_out(&News::Everything, now);
            self.settling.push_back((due, News::Everything));
        }
    }

    /// Drops what has waited for a write of one's own, and once more what every node has heard of by now.
    fn settle(&mut self, follower: &Follower, now: Instant) {
        self.undecided.retain(|(until, news)| {
            let waits = now < *until && follower.is_undecided(news);
            if !waits {
                follower.carry_out(news, now);
            }
            waits
        });
        while let Some((_, news)) = self.settling.pop_front_if(|(due, _)| *due <= now) {
            follower.carry_out(&news, now);
        }
    }
}
