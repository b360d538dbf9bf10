//! The sidecar's side: it hears what happened, drops it, and may serve hits for a second.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use super::message::{Cursor, Follow, Image, News, Told};
use crate::answer::Failure;
use crate::cache::{CacheKey, ItemCache, TableId};
use crate::hits_until::HitsUntil;
use crate::message::{decode, encode};
use crate::metrics::Metrics;
use crate::upstream::{FollowError, Tables, Upstream};

/// Hits are served so long after a question was sent that was answered well.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How long a node lets a question wait for news: three of them may go wrong before the hits end.
const WAIT: Duration = Duration::from_millis(250);
/// For the answer to arrive. A node that does not answer is not waited for longer than hits are served.
const PATIENCE: Duration = Duration::from_millis(900);
/// Between two questions when the first was not answered.
const PAUSE: Duration = Duration::from_millis(100);
/// All nodes of a cluster have heard of a change so long after the first: their leases, and as much again for the way.
const SETTLES_AFTER: Duration = Duration::from_secs(2);
/// How long a change waits for a write of one's own to the same key: it may be the one that is told of.
const OWN_WRITE_PATIENCE: Duration = Duration::from_millis(500);
/// Between two looks whether it has ended.
const OWN_WRITE_PAUSE: Duration = Duration::from_millis(5);
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
        let mut hears = false;
        loop {
            let sent = Instant::now();
            let follow = Follow {
                cursor: heard.cursor,
                wait_millis: u32::try_from(heard.wait(sent).as_millis()).unwrap_or(0),
            };
            let answer = self
                .upstream
                .follow(encode(&follow).into(), sent + PATIENCE);
            match answer.await.map(|body| decode::<Told>(&body)) {
                Ok(Ok(told)) => {
                    let now_hears = told.serving;
                    self.heard(&mut heard, told, sent, Instant::now());
                    if hears != now_hears {
                        info!(hears = now_hears, "the cluster tells of changes, or not");
                        hears = now_hears;
                    }
                    if !now_hears {
                        sleep(PAUSE).await;
                    }
                    continue;
                }
                Ok(Err(error)) => warn!(%error, "the cluster's news cannot be read"),
                Err(FollowError::Refused(status)) => {
                    warn!(%status, "the endpoint tells of no changes: every request is passed on");
                }
                Err(FollowError::NoAnswer) => debug!("no node tells of changes"),
            }
            hears = false;
            heard.settle(self, Instant::now());
            sleep(PAUSE).await;
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
        heard.settle(self, now);
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
            return OWN_WRITE_PAUSE;
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
