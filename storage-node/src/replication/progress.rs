//! What a group's state machine tells the rest of the node about itself.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::log::LogPosition;
use super::rows::AppliedState;
use crate::hlc::Hlc;

/// How far a group has been applied on this node, and the clock that follows from it.
pub(super) struct Progress {
    applied: watch::Sender<u64>,
    position: watch::Sender<Option<LogPosition>>,
    /// The greatest time applied or issued.
    clock: AtomicU64,
    installing: AtomicBool,
    /// How many records were appended under each prefix since somebody asked.
    appended: Mutex<BTreeMap<Bytes, u64>>,
    appended_some: Notify,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            applied: watch::channel(0).0,
            position: watch::channel(None).0,
            clock: AtomicU64::new(0),
            installing: AtomicBool::new(false),
            appended: Mutex::default(),
            appended_some: Notify::new(),
        }
    }

    pub(super) fn set(&self, state: &AppliedState) {
        self.clock.fetch_max(state.hlc.0, Ordering::AcqRel);
        self.position.send_replace(state.applied);
        self.applied
            .send_replace(state.applied.map_or(0, |applied| applied.log_index));
    }

    /// Records of commands were applied; called once they can be read.
    pub(super) fn add_appended(&self, records: BTreeMap<Bytes, u64>) {
        if records.is_empty() {
            return;
        }
        let mut appended = self.appended.lock();
        for (prefix, count) in records {
            *appended.entry(prefix).or_default() += count;
        }
        drop(appended);
        self.appended_some.notify_one();
    }

    pub(super) fn take_appended(&self) -> BTreeMap<Bytes, u64> {
        std::mem::take(&mut *self.appended.lock())
    }

    pub(super) async fn appended(&self) {
        self.appended_some.notified().await;
    }

    pub(super) fn set_installing(&self, installing: bool) {
        self.installing.store(installing, Ordering::Release);
    }

    /// Whether the group's data is being replaced, so that it must not be read.
    pub(super) fn is_installing(&self) -> bool {
        self.installing.load(Ordering::Acquire)
    }

    pub(super) fn position(&self) -> Option<LogPosition> {
        *self.position.borrow()
    }

    pub(super) fn applied(&self) -> watch::Receiver<u64> {
        self.applied.subscribe()
    }

    /// From now on all times are after `hlc`, which another group gave.
    pub(super) fn observe(&self, hlc: Hlc) {
        self.clock.fetch_max(hlc.0, Ordering::AcqRel);
    }

    /// A time after everything applied or issued, and not before `now`.
    pub(super) fn next_hlc(&self, now: Hlc) -> Hlc {
        let next = |last: u64| Some(Hlc(last).next().max(now).0);
        let last = self
            .clock
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next);
        let last = last.unwrap_or_else(|last| last);
        Hlc(last).next().max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_ascends_whatever_the_wall_clock_does() {
        let progress = Progress::new();
        let first = progress.next_hlc(Hlc(1000));
        let second = progress.next_hlc(Hlc(10));
        assert!(second > first);
        progress.set(&AppliedState {
            hlc: Hlc(5000),
            ..AppliedState::default()
        });
        assert!(progress.next_hlc(Hlc(20)) > Hlc(5000));
        assert_eq!(progress.next_hlc(Hlc(9000)), Hlc(9000));
        progress.observe(Hlc(9500));
        assert!(progress.next_hlc(Hlc(9100)) > Hlc(9500));
    }
}
