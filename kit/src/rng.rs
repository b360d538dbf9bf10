//! Randomness as a parameter, so that tests and simulation hold it.
//!
//! The methods take `&self`: one source serves a whole process without a lock around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand::Rng as _;

/// A source of random numbers.
pub trait RandomSource: Send + Sync + 'static {
    /// Sixty-four uniformly random bits.
    fn next_u64(&self) -> u64;

    /// A hundred and twenty-eight uniformly random bits, for request ids and the like.
    fn next_u128(&self) -> u128 {
        (u128::from(self.next_u64()) << 64) | u128::from(self.next_u64())
    }

    /// Fills `bytes` with uniformly random bytes.
    fn fill_bytes(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let random = self.next_u64().to_le_bytes();
            for (to, from) in chunk.iter_mut().zip(random) {
                *to = from;
            }
        }
    }

    /// A number in `0..bound`; 0 for a bound of 0.
    fn below(&self, bound: u64) -> u64 {
        // Multiply-shift: biased by less than bound / 2^64, which no caller can observe.
        let product = u128::from(self.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A duration in `0..bound`, for jitter; zero for a bound of zero.
    fn jitter(&self, bound: Duration) -> Duration {
        Duration::from_nanos(self.below(u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A source shared by the parts of a process.
pub type SharedRandom = Arc<dyn RandomSource>;

impl<R: RandomSource + ?Sized> RandomSource for Arc<R> {
    fn next_u64(&self) -> u64 {
        (**self).next_u64()
    }

    fn fill_bytes(&self, bytes: &mut [u8]) {
        (**self).fill_bytes(bytes);
    }
}

/// A cryptographically strong generator per thread, seeded and reseeded by the operating system.
/// Fit for keys and secrets.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl RandomSource for OsRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place unseeded randomness is drawn"
    )]
    fn next_u64(&self) -> u64 {
        rand::rng().next_u64()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place unseeded randomness is drawn"
    )]
    fn fill_bytes(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// `SplitMix64` (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014): the
/// same seed gives the same numbers on every release. For tests and simulation, never for secrets.
#[derive(Debug)]
pub struct SeededRandom {
    state: AtomicU64,
}

impl SeededRandom {
    /// A generator that starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            state: AtomicU64::new(seed),
        }
    }
}

impl RandomSource for SeededRandom {
    fn next_u64(&self) -> u64 {
        const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self
            .state
            .fetch_add(GOLDEN_GAMMA, Ordering::Relaxed)
            .wrapping_add(GOLDEN_GAMMA);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_seeded_source_gives_the_published_numbers() {
        // The first outputs of SplitMix64 for seed 1234567, as in the reference implementation.
        let random = SeededRandom::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
        assert_eq!(random.next_u64(), 9_817_491_932_198_370_423);
    }

    #[test]
    fn the_os_source_does_not_repeat_itself() {
        assert_ne!(OsRandom.next_u128(), OsRandom.next_u128());
        let mut bytes = [0_u8; 32];
        OsRandom.fill_bytes(&mut bytes);
        assert_ne!(bytes, [0_u8; 32]);
    }

    proptest! {
        #[test]
        fn below_stays_below(seed: u64, bound: u64) {
            let drawn = SeededRandom::new(seed).below(bound);
            prop_assert!(drawn < bound || bound == 0);
        }

        #[test]
        fn bytes_of_any_length_are_filled_from_the_same_stream(seed: u64, length in 0_usize..40) {
            let mut short = vec![0_u8; length];
            let mut long = vec![0_u8; 40];
            SeededRandom::new(seed).fill_bytes(&mut short);
            SeededRandom::new(seed).fill_bytes(&mut long);
            prop_assert_eq!(&short[..], &long[..length]);
        }
    }
}
