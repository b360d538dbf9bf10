//! How far the engine has persisted each group, which is how far the log may be purged.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::ids::GroupId;
use super::log::LogPosition;
use super::metrics::ReplicationMetrics;
use super::rows::AppliedState;
use crate::engine::{Engine, EngineError};

/// The persisted state of all groups of a node. See the module head.
pub(super) struct Checkpoint {
    engine: Arc<dyn Engine>,
    groups: Vec<GroupId>,
    persisted: Mutex<BTreeMap<GroupId, AppliedState>>,
    metrics: ReplicationMetrics,
}

impl Checkpoint {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        groups: Vec<GroupId>,
        metrics: ReplicationMetrics,
    ) -> Self {
        Self {
            engine,
            groups,
            persisted: Mutex::default(),
            metrics,
        }
    }

    /// Persists the engine and notes what that covers. Blocks on disk.
    ///
    /// # Errors
    /// [`EngineError`], after which the engine refuses writes.
    pub(super) fn persist(&self) -> Result<(), EngineError> {
        // What is read here was written before the persist, so the persist covers it.
        let mut covered = BTreeMap::new();
        let view = self.engine.snapshot();
        for group in &self.groups {
            if let Some(state) = AppliedState::read(&*view, *group)? {
                covered.insert(*group, state);
            }
        }
        drop(view);
        self.engine.persist()?;
        self.metrics.engine_persists.inc();
        let journal = self.engine.journal_size_bytes();
        self.metrics
            .engine_journal_bytes
            .set(i64::try_from(journal).unwrap_or(i64::MAX));
        self.persisted.lock().extend(covered);
        Ok(())
    }

    /// The state of `group` that a crash cannot undo.
    pub(super) fn state(&self, group: GroupId) -> Option<AppliedState> {
        self.persisted.lock().get(&group).cloned()
    }

    /// The greatest log index of `group` whose effect a crash cannot undo.
    pub(super) fn persisted(&self, group: GroupId) -> Option<u64> {
        let persisted = self.persisted.lock();
        let position: Option<LogPosition> = persisted.get(&group).and_then(|state| state.applied);
        position.map(|position| position.log_index)
    }
}
