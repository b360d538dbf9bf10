//! Coherent mode: follows the streams of tables and drops what others than this cache have changed (M20).
//!
//! Ours, and off by default: DAX serves what it holds to its TTL, whoever writes past it. With `--coherent` every table
//! that has a stream is followed from its first request on, until it has not been asked for in [`UNUSED_AFTER`].
//!
//! # What is promised
//!
//! A hit is at most a second older than the newest change of its item, whoever made it, if the store answers:
//!
//! - A record drops its item, unless the cache holds just what the record says, which is what our own writes do. To the
//!   fences a record is a write of unknown outcome, so that a fill under way is not kept either.
//! - A record drops all pages of its table, and once more a second later: a page may have been read from a replica, or
//!   from an index, that had not heard of the change yet.
//! - What was cached before the stream was followed is dropped when it is.
//! - When a stream could not be read for [`SILENCE_MAX`], everything of its table is dropped at every attempt, so that
//!   what is served meanwhile is as fresh as if it had just been read.
//!
//! Records are read in the order of their shards, parents first, though for dropping no order matters.

mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use http::Uri;
use parking_lot::Mutex;
use stator_kit::task::TaskOwner;
use stator_model::KeySchema;
use stator_model::value::items_data_equal;
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};

use self::stream::{Change, Position, Positions, Records, Shards};
use crate::answer::Failure;
use crate::cache::{CachedItem, ItemCache, TableHandle, TableId};
use crate::metrics::Metrics;
use crate::operations::item_key;
use crate::upstream::{Table, Tables, Upstream};
use crate::wire::parse_item_bytes;

/// Between two reads of a shard: DynamoDB allows five in a second.
const READ_EVERY: Duration = Duration::from_millis(250);
/// Between two looks for new shards. Those that follow a shard that has ended are looked for at once.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A stream that cannot be read for this long is taken for lost.
const SILENCE_MAX: Duration = Duration::from_millis(500);
/// For a replica or an index of the store to hear of a change.
const SETTLES_AFTER: Duration = Duration::from_secs(1);
/// A table that nobody asks for is followed this long.
const UNUSED_AFTER: Duration = Duration::from_secs(600);
/// Shards read at once for one table.
const SHARDS_AT_ONCE: usize = 16;
/// Pages that are read of one shard in a row: a shard that is far behind does not keep the others waiting.
const PAGES_IN_A_ROW: usize = 10;

/// Where Amazon has the streams of an endpoint; any other store has them at its own.
pub(crate) fn streams_endpoint(store: &Uri) -> Uri {
    let amazons = store.authority().filter(|authority| {
        let host = authority.host();
        host.starts_with("dynamodb.")
            && (host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn"))
    });
    let moved = amazons.and_then(|authority| {
        let scheme = store.scheme_str()?;
        format!("{scheme}://streams.{authority}").parse().ok()
    });
    moved.unwrap_or_else(|| store.clone())
}

/// All streams that are followed.
pub(crate) struct Coherence {
    streams: Upstream,
    tables: Arc<Tables>,
    items: Arc<ItemCache<Failure>>,
    metrics: Arc<Metrics>,
    tasks: TaskOwner,
    followed: Mutex<BTreeMap<TableId, Followed>>,
}

/// One table that is followed.
struct Followed {
    arn: String,
    /// When it was last asked for, as far as its refreshes tell.
    used: Instant,
}

impl Coherence {
    pub(crate) fn new(
        streams: Upstream,
        tables: Arc<Tables>,
        items: Arc<ItemCache<Failure>>,
        metrics: Arc<Metrics>,
        tasks: TaskOwner,
    ) -> Arc<Self> {
        Arc::new(Self {
            streams,
            tables,
            items,
            metrics,
            tasks,
            followed: Mutex::default(),
        })
    }

    /// A request uses the table. Costs one load for each but the first after the table was looked up.
    pub(crate) fn follow(self: &Arc<Self>, table: &Table) {
        if table.followed.load(Ordering::Relaxed) || table.followed.swap(true, Ordering::AcqRel) {
            return;
        }
        let id = table.handle.id();
        let mut followed = self.followed.lock();
        let Some(arn) = &table.stream_arn else {
            // A follower that is there notices that it is not wanted any more.
            followed.remove(&id);
            debug!(table = ?id, "no stream: what others change is seen when entries end");
            return;
        };
        let used = Instant::now();
        let now = Followed {
            arn: arn.clone(),
            used,
        };
        if followed
            .insert(id, now)
            .is_some_and(|before| before.arn == *arn)
        {
            return;
        }
        let follower = Follower {
            coherence: Arc::clone(self),
            arn: arn.clone(),
            handle: table.handle.clone(),
            key_schema: table.key_schema.clone(),
            positions: Positions::default(),
            heard: used,
            settle: None,
        };
        let token = self.tasks.token();
        self.tasks.spawn("stream follower", async move {
            tokio::select! {
                biased;
                () = token.cancelled() => {}
                () = follower.run() => {}
            }
        });
    }

    /// Whether a follower of that stream is still wanted.
    fn is_wanted(&self, id: TableId, arn: &str) -> bool {
        let mut followed = self.followed.lock();
        let Some(entry) = followed.get(&id).filter(|entry| entry.arn == arn) else {
            return false;
        };
        if entry.used.elapsed() < UNUSED_AFTER {
            return true;
        }
        followed.remove(&id);
        false
    }

    async fn call(&self, operation: &str, body: Bytes) -> Result<Bytes, Trouble> {
        let answered = self
            .streams
            .call_target("DynamoDBStreams_20120810", operation, body)
            .await;
        match answered {
            Ok(answered) if answered.is_success() => Ok(answered.body),
            Ok(answered) => Err(stream::trouble(&answered)),
            Err(_) => Err(Trouble::Passing),
        }
    }
}

/// Why a stream cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// It is tried again.
    Passing,
    /// The place in the shard is not good any more: the stream is followed anew.
    Lost,
    /// There is no such stream any more.
    Gone,
}

/// Follows one stream.
struct Follower {
    coherence: Arc<Coherence>,
    arn: String,
    handle: TableHandle,
    key_schema: KeySchema,
    positions: Positions,
    /// When all shards could last be read.
    heard: Instant,
    /// When the pages are to be dropped once more.
    settle: Option<Instant>,
}

impl Follower {
    async fn run(mut self) {
        loop {
            match self.open().await {
                Ok(()) => {
                    info!(stream = self.arn, "following the changes of others");
                    match self.follow().await {
                        Trouble::Gone => break,
                        trouble => {
                            warn!(stream = self.arn, ?trouble, "the stream is followed anew")
                        }
                    }
                }
                Err(Trouble::Gone) => break,
                Err(trouble) => {
                    debug!(
                        stream = self.arn,
                        ?trouble,
                        "the stream cannot be followed yet"
                    );
                    self.silence();
                }
            }
            if !self.is_wanted() {
                break;
            }
            sleep(READ_EVERY).await;
        }
        // Nobody tells of changes from here on; what is there was good until now.
        self.drop_all();
        info!(stream = self.arn, "not followed any more");
    }

    fn is_wanted(&self) -> bool {
        self.coherence.is_wanted(self.handle.id(), &self.arn)
    }

    fn drop_all(&self) {
        self.coherence.tables.drop_entries(&self.handle);
    }

    /// Finds the ends of all open shards, and forgets what was cached while nobody was listening.
    async fn open(&mut self) -> Result<(), Trouble> {
        self.positions = Positions::default();
        let shards = self.shards().await?;
        for shard in self.positions.begin(&shards) {
            self.place(&shard).await?;
        }
        self.heard = Instant::now();
        self.drop_all();
        Ok(())
    }

    /// Reads until something ends it.
    async fn follow(&mut self) -> Trouble {
        let mut looked = Instant::now();
        loop {
            sleep(READ_EVERY).await;
            if !self.is_wanted() {
                return Trouble::Gone;
            }
            let read = self.read_all().await;
            let looks = self.positions.has_ended() || looked.elapsed() >= LOOK_EVERY;
            let result = match read {
                Ok(()) if looks => {
                    looked = Instant::now();
                    self.look().await
                }
                result => result,
            };
            match result {
                Ok(()) => self.heard = Instant::now(),
                Err(Trouble::Passing) => self.silence(),
                Err(trouble) => return trouble,
            }
            if self.settle.is_some_and(|at| Instant::now() >= at) {
                self.settle = None;
                self.coherence.tables.drop_pages(&self.handle);
            }
        }
    }

    /// Nothing was heard just now: see [`SILENCE_MAX`].
    fn silence(&self) {
        if self.heard.elapsed() >= SILENCE_MAX {
            self.coherence.metrics.streams_lost.inc();
            self.drop_all();
        }
    }

    /// Looks for new shards, and reads the children of those that have ended from their beginning.
    async fn look(&mut self) -> Result<(), Trouble> {
        let shards = self.shards().await?;
        for shard in self.positions.renew(&shards) {
            self.place(&shard).await?;
        }
        Ok(())
    }

    /// All shards of the stream.
    async fn shards(&self) -> Result<Shards, Trouble> {
        let mut shards = Shards::default();
        loop {
            let body = stream::describe_stream(&self.arn, shards.next.as_deref());
            let answer = self.coherence.call("DescribeStream", body).await?;
            shards.add(&answer).ok_or(Trouble::Passing)?;
            if shards.next.is_none() {
                return Ok(shards);
            }
        }
    }

    async fn place(&mut self, position: &Position) -> Result<(), Trouble> {
        let body = stream::get_shard_iterator(&self.arn, position);
        let answer = self.coherence.call("GetShardIterator", body).await?;
        let iterator = stream::shard_iterator(&answer).ok_or(Trouble::Passing)?;
        self.positions.place(&position.shard, iterator);
        Ok(())
    }

    /// Reads every shard on to its end.
    async fn read_all(&mut self) -> Result<(), Trouble> {
        let places = self.positions.places();
        let this = &*self;
        let read = places
            .into_iter()
            .map(|(shard, iterator)| async move { (shard, this.read(iterator).await) });
        let read: Vec<_> = futures::stream::iter(read)
            .buffer_unordered(SHARDS_AT_ONCE)
            .collect()
            .await;
        let mut result = Ok(());
        for (shard, outcome) in read {
            match outcome {
                Ok(place) => {
                    if place.changed {
                        self.settle = Some(Instant::now() + SETTLES_AFTER);
                    }
                    self.positions.moved(&shard, place.next);
                }
                Err(trouble) => result = Err(trouble),
            }
        }
        result
    }

    /// Reads one shard on, and drops what its records are about.
    async fn read(&self, mut iterator: String) -> Result<Place, Trouble> {
        let mut changed = false;
        for _ in 0..PAGES_IN_A_ROW {
            let body = stream::get_records(&iterator);
            let answer = self.coherence.call("GetRecords", body).await?;
            let Records { changes, next } = Records::parse(&answer).ok_or(Trouble::Lost)?;
            let is_empty = changes.is_empty();
            changed |= !is_empty;
            self.apply(&changes);
            match next {
                Some(next) if !is_empty => iterator = next,
                next => return Ok(Place { next, changed }),
            }
        }
        Ok(Place {
            next: Some(iterator),
            changed,
        })
    }

    fn apply(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let metrics = &self.coherence.metrics;
        let now = Instant::now();
        for change in changes {
            metrics.changes_seen.inc();
            let Ok(key) = self.key_schema.key_from_map(&change.keys) else {
                // Not a key of this table as it was described: nothing is known of what has changed.
                self.drop_all();
                continue;
            };
            let key = item_key(self.handle.id(), &key);
            let held = self
                .coherence
                .items
                .lookup(&self.handle, key.as_bytes(), now);
            if held.is_some_and(|held| says_the_same(&held, change)) {
                continue;
            }
            metrics.changes_dropped.inc();
            self.coherence
                .items
                .changed_elsewhere(&self.handle, key, now);
        }
        self.coherence.tables.drop_pages(&self.handle);
    }
}

/// How far a shard was read.
struct Place {
    /// `None`: the shard has ended.
    next: Option<String>,
    changed: bool,
}

/// Whether the cache holds what the item is after the change.
fn says_the_same(held: &CachedItem, change: &Change) -> bool {
    match (held.item_json(), &change.image) {
        (None, None) => change.removed,
        (Some(held), Some(image)) => {
            parse_item_bytes(held).is_ok_and(|held| items_data_equal(&held, image))
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_streams_have_an_endpoint_of_their_own() {
        for (store, streams) in [
            (
                "https://dynamodb.eu-west-1.amazonaws.com",
                "https://streams.dynamodb.eu-west-1.amazonaws.com",
            ),
            (
                "https://dynamodb.cn-north-1.amazonaws.com.cn",
                "https://streams.dynamodb.cn-north-1.amazonaws.com.cn",
            ),
            (
                "http://dynamodb.shop.svc:8000",
                "http://dynamodb.shop.svc:8000",
            ),
        ] {
            let found = streams_endpoint(&store.parse().unwrap());
            assert_eq!(found.to_string().trim_end_matches('/'), streams);
        }
    }

    #[test]
    fn an_entry_that_says_the_same_stays() {
        let change = |image: Option<&str>, removed| Change {
            keys: parse_item_bytes(br#"{"pk":{"S":"a"}}"#).unwrap(),
            image: image.map(|image| parse_item_bytes(image.as_bytes()).unwrap()),
            removed,
        };
        let held =
            CachedItem::from_item_json(br#"{"pk":{"S":"a"},"n":{"N":"1.0"},"s":{"SS":["x","y"]}}"#);
        let same = r#"{"s":{"SS":["y","x"]},"n":{"N":"1"},"pk":{"S":"a"}}"#;
        assert!(says_the_same(&held, &change(Some(same), false)));
        assert!(!says_the_same(
            &held,
            &change(Some(r#"{"pk":{"S":"a"}}"#), false)
        ));
        assert!(!says_the_same(&held, &change(None, true)));
        assert!(says_the_same(&CachedItem::Absent, &change(None, true)));
        // A stream of keys does not say what the item has become.
        assert!(!says_the_same(&held, &change(None, false)));
        assert!(!says_the_same(&CachedItem::Absent, &change(None, false)));
    }
}
