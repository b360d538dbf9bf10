//! The rules of invariant 6, as pure code: what may be stored when a fill or a write ends.
//!
//! Events go in (a fill or a write of a key begins or ends), verdicts come out; [`super::item_cache`]
//! carries them out under one lock with the call. The rules and the promise are written in
//! [`super`]; the numbers below are theirs.

use std::collections::BTreeMap;

use super::key::CacheKey;

/// What is known about the keys that something is in flight for; nothing else takes room here.
///
/// `F` is the door to a fill in flight: what a second reader waits on.
#[derive(Debug)]
pub struct Fences<F> {
    keys: BTreeMap<CacheKey, KeyState<F>>,
    /// Numbers epochs and fills; never given twice.
    next: u64,
    #[cfg(test)]
    pub(super) planted_bug: Option<PlantedBug>,
}

/// One key with something in flight.
#[derive(Debug)]
struct KeyState<F> {
    /// Changes whenever a write of the key begins or ends.
    epoch: u64,
    /// Writes in flight.
    writes: u32,
    /// Whether two writes of the run in flight have overlapped; the run ends when none is in flight.
    overlapped: bool,
    /// Fills in flight, joined or not. They keep the entry, and so the epoch, alive.
    fills: u32,
    /// The one fill that readers may join.
    door: Option<Door<F>>,
}

/// A fill in flight that readers may join.
#[derive(Debug)]
struct Door<F> {
    /// Of the fill.
    number: u64,
    /// Of the key's table when the fill began.
    generation: u64,
    wait: F,
}

/// How a fill begins.
#[derive(Debug)]
pub enum FillBegin<F> {
    /// Fetch it, then call [`Fences::end_fill`].
    Lead(FillFence),
    /// Someone is fetching it.
    Join(F),
}

/// What a fill saw when it began.
#[derive(Debug)]
#[must_use]
pub struct FillFence {
    number: u64,
    epoch: u64,
    /// No write was in flight.
    clean: bool,
}

/// How a write ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteEnd {
    /// The store has acknowledged it.
    Acknowledged,
    /// The store has refused it: surely nothing was written.
    NotExecuted,
    /// Nobody knows.
    Unknown,
}

/// What to do with the key now that a write has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteVerdict {
    /// The write's image is the item: store it.
    Store,
    /// Forget the key.
    Drop,
    /// What is there is still right.
    Leave,
}

impl<F> Default for Fences<F> {
    fn default() -> Self {
        Self {
            keys: BTreeMap::new(),
            next: 0,
            #[cfg(test)]
            planted_bug: None,
        }
    }
}

impl<F: Clone> Fences<F> {
    /// A reader missed. Joins the fill in flight if it may, else begins one behind `door`.
    ///
    /// `generation` is that of the key's table: what is dropped with the whole table closes the doors of all its keys, and
    /// no reader joins a fill from before it.
    pub fn begin_fill(&mut self, key: &CacheKey, generation: u64, door: F) -> FillBegin<F> {
        let number = self.number();
        let state = self.state(key);
        if let Some(door) = &state.door
            && door.generation == generation
        {
            return FillBegin::Join(door.wait.clone());
        }
        state.fills += 1;
        state.door = Some(Door {
            number,
            generation,
            wait: door,
        });
        FillBegin::Lead(FillFence {
            number,
            epoch: state.epoch,
            clean: state.writes == 0,
        })
    }

    /// A fill has its answer, or was given up. `true`: the answer may be stored (rule 1).
    pub fn end_fill(&mut self, key: &CacheKey, fence: FillFence) -> bool {
        let Some(state) = self.keys.get_mut(key) else {
            debug_assert!(false, "a fill in flight keeps its key's state");
            return false;
        };
        state.fills = state.fills.saturating_sub(1);
        if state
            .door
            .as_ref()
            .is_some_and(|door| door.number == fence.number)
        {
            state.door = None;
        }
        let keep = fence.clean && fence.epoch == state.epoch;
        self.forget_if_idle(key);
        #[cfg(test)]
        if self.planted_bug == Some(PlantedBug::FillOverwritesNewerWrite) {
            return true;
        }
        keep
    }

    /// A write is about to be sent.
    pub fn begin_write(&mut self, key: &CacheKey) {
        let epoch = self.number();
        #[cfg(test)]
        let keep_door = self.planted_bug == Some(PlantedBug::ReadersJoinAcrossAWrite);
        #[cfg(not(test))]
        let keep_door = false;
        let state = self.state(key);
        state.writes += 1;
        state.overlapped |= state.writes > 1;
        state.epoch = epoch;
        if !keep_door {
            state.door = None;
        }
    }

    /// A write has ended.
    pub fn end_write(&mut self, key: &CacheKey, end: WriteEnd) -> WriteVerdict {
        let epoch = self.number();
        #[cfg(test)]
        let keep_door = self.planted_bug == Some(PlantedBug::ReadersJoinAcrossAWrite);
        #[cfg(not(test))]
        let keep_door = false;
        let Some(state) = self.keys.get_mut(key) else {
            debug_assert!(false, "a write in flight keeps its key's state");
            return WriteVerdict::Drop;
        };
        state.epoch = epoch;
        if !keep_door {
            state.door = None;
        }
        let overlapped = state.overlapped;
        state.writes = state.writes.saturating_sub(1);
        if state.writes == 0 {
            state.overlapped = false;
        }
        self.forget_if_idle(key);
        #[cfg(test)]
        match self.planted_bug {
            Some(PlantedBug::OverlappingWriteIsStored) if end == WriteEnd::Acknowledged => {
                return WriteVerdict::Store;
            }
            Some(PlantedBug::UnknownWriteLeavesTheEntry) if end == WriteEnd::Unknown => {
                return WriteVerdict::Leave;
            }
            _ => {}
        }
        match end {
            WriteEnd::NotExecuted => WriteVerdict::Leave,
            WriteEnd::Unknown => WriteVerdict::Drop,
            WriteEnd::Acknowledged if overlapped => WriteVerdict::Drop,
            WriteEnd::Acknowledged => WriteVerdict::Store,
        }
    }

    /// Whether a write of the key is in flight.
    pub fn has_write(&self, key: &CacheKey) -> bool {
        self.keys.get(key).is_some_and(|state| state.writes > 0)
    }

    /// Keys with something in flight.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether nothing is in flight.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn state(&mut self, key: &CacheKey) -> &mut KeyState<F> {
        self.keys.entry(key.clone()).or_insert_with(|| KeyState {
            epoch: 0,
            writes: 0,
            overlapped: false,
            fills: 0,
            door: None,
        })
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn forget_if_idle(&mut self, key: &CacheKey) {
        if self
            .keys
            .get(key)
            .is_some_and(|state| state.writes == 0 && state.fills == 0)
        {
            self.keys.remove(key);
        }
    }
}

/// Mistakes that the test of invariant 6 must catch; see `model_test`.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PlantedBug {
    /// Against rule 1.
    FillOverwritesNewerWrite,
    /// Against rule 2.
    ReadersJoinAcrossAWrite,
    /// Against rule 3.
    OverlappingWriteIsStored,
    /// Against rule 4.
    UnknownWriteLeavesTheEntry,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::key::TableId;

    fn key() -> CacheKey {
        CacheKey::new(TableId::from_text("t"), |out| out.push(1))
    }

    fn lead(fences: &mut Fences<u8>) -> FillFence {
        match fences.begin_fill(&key(), 1, 0) {
            FillBegin::Lead(fence) => fence,
            FillBegin::Join(_) => panic!("a fill is in flight"),
        }
    }

    #[test]
    fn a_second_reader_joins_and_a_fill_alone_is_stored() {
        let mut fences = Fences::default();
        let fence = lead(&mut fences);
        assert!(matches!(
            fences.begin_fill(&key(), 1, 9),
            FillBegin::Join(0)
        ));
        assert!(fences.end_fill(&key(), fence));
        assert!(fences.is_empty());
    }

    #[test]
    fn a_reader_does_not_join_a_fill_from_before_its_table_was_dropped() {
        let mut fences = Fences::default();
        let before = lead(&mut fences);
        let FillBegin::Lead(after) = fences.begin_fill(&key(), 2, 9) else {
            panic!("a fill of another generation")
        };
        fences.end_fill(&key(), before);
        assert!(matches!(
            fences.begin_fill(&key(), 2, 7),
            FillBegin::Join(9)
        ));
        fences.end_fill(&key(), after);
        assert!(fences.is_empty());
    }

    #[test]
    fn a_fill_that_began_before_a_write_is_not_stored() {
        let mut fences = Fences::default();
        let fence = lead(&mut fences);
        fences.begin_write(&key());
        assert_eq!(
            fences.end_write(&key(), WriteEnd::Acknowledged),
            WriteVerdict::Store
        );
        assert!(!fences.end_fill(&key(), fence));
        assert!(fences.is_empty());
    }

    #[test]
    fn a_fill_that_began_during_a_write_is_not_stored() {
        let mut fences = Fences::default();
        fences.begin_write(&key());
        let fence = lead(&mut fences);
        assert!(!fences.end_fill(&key(), fence));
        assert_eq!(
            fences.end_write(&key(), WriteEnd::Acknowledged),
            WriteVerdict::Store
        );
        assert!(fences.is_empty());
    }

    #[test]
    fn a_reader_after_the_begin_or_the_end_of_a_write_starts_its_own_fill() {
        let mut fences = Fences::default();
        let first = lead(&mut fences);
        fences.begin_write(&key());
        let second = lead(&mut fences);
        assert_eq!(
            fences.end_write(&key(), WriteEnd::Acknowledged),
            WriteVerdict::Store
        );
        let third = lead(&mut fences);
        assert!(!fences.end_fill(&key(), second));
        assert!(!fences.end_fill(&key(), first));
        assert!(
            matches!(fences.begin_fill(&key(), 1, 9), FillBegin::Join(0)),
            "the third's door"
        );
        assert!(fences.end_fill(&key(), third));
    }

    #[test]
    fn of_overlapping_writes_none_is_stored_even_when_one_has_long_ended() {
        let mut fences = Fences::<u8>::default();
        fences.begin_write(&key());
        fences.begin_write(&key());
        assert_eq!(
            fences.end_write(&key(), WriteEnd::Acknowledged),
            WriteVerdict::Drop
        );
        assert_eq!(
            fences.end_write(&key(), WriteEnd::Acknowledged),
            WriteVerdict::Drop
        );
        fences.begin_write(&key());
        assert_eq!(
            fences.end_write(&key(), WriteEnd::Acknowledged),
            WriteVerdict::Store
        );
    }

    #[test]
    fn an_unknown_write_drops_and_a_refused_one_leaves() {
        let mut fences = Fences::<u8>::default();
        fences.begin_write(&key());
        assert_eq!(
            fences.end_write(&key(), WriteEnd::Unknown),
            WriteVerdict::Drop
        );
        fences.begin_write(&key());
        assert_eq!(
            fences.end_write(&key(), WriteEnd::NotExecuted),
            WriteVerdict::Leave
        );
    }
}
