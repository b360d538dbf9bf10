//! Hash maps whose iteration order does not change from run to run.
//!
//! std's maps draw a random seed per map, which makes a simulation unrepeatable. These hash with
//! foldhash under a fixed seed, so the same insertions give the same order in every process of the
//! same build. The order is still arbitrary: where it reaches a disk, a wire or a decision, use
//! `BTreeMap`. Never use these hashes for placement (that is XXH3, frozen).
//!
//! A fixed seed is known to everyone. For a map filled with keys that clients choose, and not
//! bounded otherwise, take [`hash_map_seeded_from`], which draws the seed from the process's random
//! source: unpredictable in production, repeatable under a seeded source.

#![expect(
    clippy::disallowed_types,
    reason = "the one place std's maps are given a fixed seed"
)]

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use crate::rng::RandomSource;

/// A hash map with a seed that is fixed or drawn from the process's random source.
pub type SeededHashMap<K, V> = HashMap<K, V, FixedState>;

/// A hash set with a seed that is fixed or drawn from the process's random source.
pub type SeededHashSet<T> = HashSet<T, FixedState>;

/// An empty map whose seed comes from `random`.
#[must_use]
pub fn hash_map_seeded_from<K, V>(random: &dyn RandomSource) -> SeededHashMap<K, V> {
    SeededHashMap::with_hasher(FixedState::with_seed(random.next_u64()))
}

/// An empty set whose seed comes from `random`.
#[must_use]
pub fn hash_set_seeded_from<T>(random: &dyn RandomSource) -> SeededHashSet<T> {
    SeededHashSet::with_hasher(FixedState::with_seed(random.next_u64()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::SeededRandom;

    fn order(mut map: SeededHashMap<u32, ()>) -> Vec<u32> {
        map.extend((0..100).map(|key| (key, ())));
        map.into_keys().collect()
    }

    #[test]
    fn two_maps_with_the_same_seed_iterate_in_the_same_order() {
        assert_eq!(
            order(SeededHashMap::default()),
            order(SeededHashMap::default())
        );
        let drawn = |seed| order(hash_map_seeded_from(&SeededRandom::new(seed)));
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }
}
