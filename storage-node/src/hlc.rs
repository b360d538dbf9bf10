//! Hybrid logical clocks: timestamps that follow the wall clock and never run backwards.
//!
//! A stamp is 48 bits of milliseconds since 1970 and a 16-bit counter, so that stamps compare as integers.
//! A group keeps the greatest stamp it has applied; its leader issues `max(now, applied + 1, issued + 1)`, so stamps
//! ascend through restarts, leader changes and clocks that were set back.
//! Source: Kulkarni and others, "Logical Physical Clocks", 2014, section 3.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

const COUNTER_BITS: u32 = 16;

/// A hybrid logical timestamp. Ordered; zero is before every stamp that a clock gives.
#[derive(Copy, Clone, Debug, Default, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct Hlc(pub u64);

impl Hlc {
    /// Before every stamp.
    pub const ZERO: Self = Self(0);

    /// The first stamp of a wall-clock moment; times before 1970 give [`Hlc::ZERO`].
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        let millis = time
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        // 48 bits of milliseconds last until the year 10889.
        let millis = u64::try_from(millis)
            .unwrap_or(u64::MAX)
            .min((1 << (64 - COUNTER_BITS)) - 1);
        Self(millis << COUNTER_BITS)
    }

    /// The smallest stamp after this one. A full counter carries into the milliseconds.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The milliseconds since 1970 of this stamp.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 >> COUNTER_BITS
    }

    /// The counter within the millisecond.
    #[must_use]
    pub const fn counter(self) -> u64 {
        self.0 & ((1 << COUNTER_BITS) - 1)
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.millis(), self.counter())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn stamps_order_by_time_then_counter() {
        let first = Hlc::at(UNIX_EPOCH + Duration::from_millis(5));
        assert_eq!((first.millis(), first.counter()), (5, 0));
        assert_eq!((first.next().millis(), first.next().counter()), (5, 1));
        assert!(first < first.next());
        assert!(first.next() < Hlc::at(UNIX_EPOCH + Duration::from_millis(6)));
    }

    #[test]
    fn a_full_counter_carries_into_the_time() {
        let last = Hlc((7 << COUNTER_BITS) | 0xffff);
        assert_eq!((last.next().millis(), last.next().counter()), (8, 0));
    }

    #[test]
    fn a_time_before_1970_is_zero() {
        assert_eq!(Hlc::at(UNIX_EPOCH - Duration::from_secs(1)), Hlc::ZERO);
    }
}
