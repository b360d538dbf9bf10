//! A token bucket.

use std::time::Duration;

/// Tokens that refill at a rate up to a bound. A new bucket is full.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    tokens: f64,
    rate: f64,
    bound: f64,
    filled_at: Duration,
}

impl Bucket {
    /// A full bucket; `rate` in tokens a second, `keep` how long unused tokens are kept.
    pub(super) fn new(rate: f64, keep: Duration, now: Duration) -> Self {
        let bound = rate * keep.as_secs_f64();
        Self {
            tokens: bound,
            rate,
            bound,
            filled_at: now,
        }
    }

    /// The same bucket at another rate. What was saved stays, within the new bound.
    pub(super) fn set_rate(&mut self, rate: f64, keep: Duration, now: Duration) {
        #[expect(
            clippy::float_cmp,
            reason = "the rate is copied from a setting, not computed"
        )]
        if rate == self.rate {
            return;
        }
        self.refill(now);
        self.rate = rate;
        self.bound = rate * keep.as_secs_f64();
        self.tokens = self.tokens.min(self.bound);
    }

    /// Whether there is anything left.
    pub(super) fn has_tokens(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.tokens > 0.0
    }

    /// Takes tokens, more than there are if need be.
    pub(super) fn take(&mut self, tokens: f64, now: Duration) {
        self.refill(now);
        self.tokens -= tokens;
    }

    /// Whether it is as good as new.
    pub(super) fn is_full(&self, now: Duration) -> bool {
        self.after(now) >= self.bound
    }

    fn refill(&mut self, now: Duration) {
        self.tokens = self.after(now);
        self.filled_at = self.filled_at.max(now);
    }

    fn after(&self, now: Duration) -> f64 {
        let elapsed = now.saturating_sub(self.filled_at).as_secs_f64();
        (self.tokens + elapsed * self.rate).min(self.bound)
    }
}
