//! The wall clock as a parameter, so that tests and simulation hold it.
//!
//! Monotonic time is `tokio::time::Instant`, which tests pause; this seam is for calendar time only
//! (signature windows, timestamps, hybrid logical clocks). It may jump in either direction: nothing
//! may depend on it running forward.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of calendar time.
pub trait WallClock: Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;

    /// Milliseconds since the Unix epoch; 0 for a clock set before it.
    fn now_unix_millis(&self) -> u64 {
        unix_millis(self.now())
    }
}

/// A clock shared by the parts of a process.
pub type SharedClock = Arc<dyn WallClock>;

impl<C: WallClock + ?Sized> WallClock for Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }
}

/// Milliseconds since the Unix epoch; 0 for a time before it.
#[must_use]
pub fn unix_millis(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemWallClock;

impl WallClock for SystemWallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place the system clock is read"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Debug)]
pub struct ManualWallClock {
    unix_nanos: Arc<AtomicU64>,
}

impl ManualWallClock {
    /// A clock standing at `time`; times before the Unix epoch become the epoch.
    #[must_use]
    pub fn new(time: SystemTime) -> Self {
        Self {
            unix_nanos: Arc::new(AtomicU64::new(unix_nanos(time))),
        }
    }

    /// Sets the clock, backwards too.
    pub fn set(&self, time: SystemTime) {
        self.unix_nanos.store(unix_nanos(time), Ordering::SeqCst);
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.unix_nanos.fetch_add(nanos, Ordering::SeqCst);
    }
}

impl WallClock for ManualWallClock {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.unix_nanos.load(Ordering::SeqCst))
    }
}

fn unix_nanos(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    // 64 bits of nanoseconds last until the year 2554.
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_its_clones_agree() {
        let clock = ManualWallClock::new(UNIX_EPOCH + Duration::from_secs(100));
        let other = clock.clone();
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_millis(1_500));
        assert_eq!(other.now_unix_millis(), 101_500);
        clock.set(UNIX_EPOCH + Duration::from_secs(7));
        assert_eq!(other.now_unix_millis(), 7_000);
    }

    #[test]
    fn a_time_before_the_epoch_is_the_epoch() {
        assert_eq!(unix_millis(UNIX_EPOCH - Duration::from_secs(1)), 0);
        assert_eq!(
            ManualWallClock::new(UNIX_EPOCH - Duration::from_secs(1)).now(),
            UNIX_EPOCH
        );
    }

    #[test]
    fn the_system_clock_is_past_the_year_2020() {
        assert!(SystemWallClock.now_unix_millis() > 1_577_836_800_000);
    }
}
