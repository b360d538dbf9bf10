//! A node's side: what happened to its item cache lately.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use super::message::{Cursor, Follow, News, Told};

/// Changes that are kept for those who ask late. Who asks later has missed some, and drops everything.
const KEPT_MAX: usize = 65_536;
/// The same in bytes.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Changes in one answer, and their bytes: well below what a message may have.
const ANSWER_MAX: usize = 8_192;
/// The same in bytes.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Nobody has asked for so long: nothing is kept until somebody does.
const UNWANTED_AFTER: Duration = Duration::from_secs(5);
/// The longest that an answer waits.
const WAIT_MAX: Duration = Duration::from_secs(1);

/// What happened lately, numbered.
pub(crate) struct Feed {
    epoch: u64,
    /// Whether anybody follows. A node without sidecars only looks at this.
    wanted: AtomicBool,
    kept: Mutex<Kept>,
    /// Number of the next change.
    newest: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    news: VecDeque<News>,
    bytes: usize,
    /// Number of the first change that is kept, or would be.
    first: u64,
    asked: Option<Instant>,
}

impl Kept {
    fn next(&self) -> u64 {
        self.first + u64::try_from(self.news.len()).unwrap_or(u64::MAX)
    }

    fn push(&mut self, news: News) {
        self.bytes += news.size_bytes();
        self.news.push_back(news);
        while self.news.len() > KEPT_MAX || self.bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.news.pop_front() else {
                break;
            };
            self.bytes -= oldest.size_bytes();
            self.first += 1;
        }
    }

    /// Whoever asks next has missed something.
    fn clear(&mut self) {
        self.first = self.next() + 1;
        self.news.clear();
        self.bytes = 0;
    }
}

impl Feed {
    /// An empty feed. `epoch` is random: cursors of another process mean nothing here.
    pub(crate) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            wanted: AtomicBool::new(false),
            kept: Mutex::default(),
            newest: watch::channel(0).0,
        }
    }

    /// Something happened. Called before the cache changes, in the critical section that has decided so; `news` is made only
    /// if anybody wants it.
    pub(crate) fn publish(&self, news: impl FnOnce() -> News, now: Instant) {
        if !self.wanted.load(Ordering::Acquire) {
            return;
        }
        let mut kept = self.kept.lock();
        let wanted = kept
            .asked
            .is_some_and(|asked| now.saturating_duration_since(asked) < UNWANTED_AFTER);
        if !wanted {
            kept.clear();
            self.wanted.store(false, Ordering::Release);
            return;
        }
        kept.push(news());
        let next = kept.next();
        drop(kept);
        self.newest.send_replace(next);
    }

    /// What is new for a sidecar: as soon as there is something, or when it does not want to wait any longer. `serving` is
    /// asked before the changes are read, so that they hold all that was known then.
    pub(crate) async fn follow(&self, follow: Follow, serving: impl Fn() -> bool) -> Told {
        let wait = Duration::from_millis(u64::from(follow.wait_millis)).min(WAIT_MAX);
        let deadline = Instant::now() + wait;
        let mut newest = self.newest.subscribe();
        let mut waits = true;
        loop {
            newest.borrow_and_update();
            let serving = serving();
            let told = self.read(follow.cursor, serving, Instant::now());
            if !waits || !told.whole || !told.changes.is_empty() {
                return told;
            }
            // After the wait it is read once more: what is said of this node is said of the moment of the answer.
            waits = matches!(
                tokio::time::timeout_at(deadline, newest.changed()).await,
                Ok(Ok(()))
            );
        }
    }

    fn read(&self, cursor: Option<Cursor>, serving: bool, now: Instant) -> Told {
        let mut kept = self.kept.lock();
        kept.asked = Some(now);
        self.wanted.store(true, Ordering::Release);
        let next = kept.next();
        let heard = cursor.filter(|cursor| {
            cursor.epoch == self.epoch && (kept.first..=next).contains(&cursor.next)
        });
        let told = |next, whole, changes| Told {
            cursor: Cursor {
                epoch: self.epoch,
                next,
            },
            serving,
            whole,
            changes,
        };
        let Some(heard) = heard else {
            return told(next, false, Vec::new());
        };
        let skipped = usize::try_from(heard.next - kept.first).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let changes: Vec<News> = kept
            .news
            .iter()
            .skip(skipped)
            .take(ANSWER_MAX)
            .take_while(|news| {
                let fits = bytes < ANSWER_BYTES_MAX;
                bytes += news.size_bytes();
                fits
            })
            .cloned()
            .collect();
        let upto = heard.next + u64::try_from(changes.len()).unwrap_or(u64::MAX);
        told(upto, true, changes)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Image;
    use super::*;

    fn news(number: u8) -> News {
        News::Key {
            key: vec![number],
            image: Image::Unknown,
        }
    }

    fn ask(cursor: Option<Cursor>) -> Follow {
        Follow {
            cursor,
            wait_millis: 0,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_told_in_order_and_a_gap_is_told_as_one() {
        let feed = Feed::new(7);
        // Nobody follows yet, so that nothing is made.
        feed.publish(|| unreachable!(), Instant::now());
        let first = feed.follow(ask(None), || true).await;
        assert!(!first.whole && first.serving && first.changes.is_empty());
        for number in 0..3 {
            feed.publish(|| news(number), Instant::now());
        }
        let told = feed.follow(ask(Some(first.cursor)), || true).await;
        assert_eq!(told.changes, [news(0), news(1), news(2)]);
        assert!(told.whole);
        // The same is told to who asks again, and nothing to who has heard it.
        assert_eq!(feed.follow(ask(Some(first.cursor)), || true).await, told);
        let nothing = feed.follow(ask(Some(told.cursor)), || false).await;
        assert!(nothing.whole && nothing.changes.is_empty() && !nothing.serving);
        // Another process's cursor, and one from the future.
        for (epoch, next) in [(8, told.cursor.next), (7, told.cursor.next + 1)] {
            let told = feed
                .follow(ask(Some(Cursor { epoch, next })), || true)
                .await;
            assert!(!told.whole);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_for_long_has_missed_something() {
        let feed = Feed::new(7);
        let first = feed.follow(ask(None), || true).await;
        tokio::time::advance(UNWANTED_AFTER).await;
        feed.publish(|| unreachable!(), Instant::now());
        let told = feed.follow(ask(Some(first.cursor)), || true).await;
        assert!(!told.whole, "a change was not kept");
        let more = feed.follow(ask(Some(told.cursor)), || true).await;
        assert!(more.whole);
        for _ in 0..=KEPT_MAX {
            feed.publish(|| news(1), Instant::now());
        }
        assert!(!feed.follow(ask(Some(told.cursor)), || true).await.whole);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_bounded_and_the_rest_comes_with_the_next() {
        let feed = Feed::new(7);
        let mut cursor = feed.follow(ask(None), || true).await.cursor;
        for _ in 0..20_000 {
            feed.publish(|| news(1), Instant::now());
        }
        let mut heard = 0;
        while heard < 20_000 {
            let told = feed.follow(ask(Some(cursor)), || true).await;
            assert!(told.whole && !told.changes.is_empty() && told.changes.len() <= ANSWER_MAX);
            heard += told.changes.len();
            cursor = told.cursor;
        }
        assert_eq!(heard, 20_000);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_waits_for_news_and_says_how_it_is_at_its_end() {
        let feed = Feed::new(7);
        let cursor = Some(feed.follow(ask(None), || true).await.cursor);
        let patient = Follow {
            cursor,
            wait_millis: 250,
        };
        let begun = Instant::now();
        let serving = || begun.elapsed() < Duration::from_millis(100);
        let told = feed.follow(patient, serving).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(250));
        assert!(told.changes.is_empty() && !told.serving);
        let later = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            feed.publish(|| news(9), Instant::now());
        };
        let begun = Instant::now();
        let (told, ()) = tokio::join!(feed.follow(patient, || true), later);
        assert_eq!(told.changes, [news(9)]);
        assert_eq!(begun.elapsed(), Duration::from_millis(30));
    }
}
