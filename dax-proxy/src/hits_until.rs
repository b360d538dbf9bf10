//! Until when hits may be served.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// Until when hits may be served: one number, because every hit looks at it.
pub(crate) struct HitsUntil {
    base: Instant,
    /// Nanoseconds after `base`; 0: not at all.
    nanos: AtomicU64,
}

impl HitsUntil {
    /// Not at all, until it is set. `base` is before every moment that it is asked about.
    pub(crate) fn never(base: Instant) -> Self {
        Self {
            base,
            nanos: AtomicU64::new(0),
        }
    }

    /// Whether a hit may be served now.
    pub(crate) fn holds(&self, now: Instant) -> bool {
        self.nanos_of(now) < self.nanos.load(Ordering::Acquire)
    }

    /// Until then; `None`: for ever.
    pub(crate) fn set(&self, until: Option<Instant>) {
        let nanos = until.map_or(u64::MAX, |until| self.nanos_of(until));
        self.nanos.store(nanos, Ordering::Release);
    }

    /// Not any more.
    pub(crate) fn end(&self) {
        self.nanos.store(0, Ordering::Release);
    }

    fn nanos_of(&self, moment: Instant) -> u64 {
        let since = moment.saturating_duration_since(self.base);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX - 1)
    }
}
