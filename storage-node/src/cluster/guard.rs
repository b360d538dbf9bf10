//! Which partitions a led group holds, so that a leader never writes for a table that is gone.
//!
//! A router may hold an old catalog, and so may the leader: both replicate the meta group, neither
//! waits for it. What decides is the group's own applied state (`group_state.rs`), which this guard
//! caches for one term of leadership. A partition that is retired takes no write ever again; only
//! then does the catalog free the table's name.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::catalog::rows::ReadersRow;
use super::group_state::{partitions_of, retired_of};
use crate::engine::{Engine, EngineError};
use crate::replication::GroupId;

/// The guard of one group on one node.
#[derive(Debug, Default)]
pub(super) struct GroupGuard {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// The term for which the rest was read; leaders' terms are never 0.
    term: u64,
    partitions: BTreeMap<u64, Known>,
}

/// What a led group knows of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing: its first write has to bring the partition row.
    New,
    /// It holds the partition at this epoch.
    Open {
        /// Version of range and group.
        epoch: u64,
        /// What each change owes to readers.
        readers: Arc<ReadersRow>,
    },
    /// Closed for ever.
    Retired,
}

impl GroupGuard {
    /// What the group knows of `partition`, for the leader of `term`, who has applied every entry of
    /// earlier terms.
    pub(super) fn known(
        &self,
        engine: &dyn Engine,
        group: GroupId,
        term: u64,
        partition: u64,
    ) -> Result<Known, EngineError> {
        let mut held = self.held.lock();
        held.load(engine, group, term)?;
        Ok(held
            .partitions
            .get(&partition)
            .cloned()
            .unwrap_or(Known::New))
    }

    /// A write of the leader of `term` made the partition known.
    pub(super) fn opened(&self, term: u64, partition: u64, epoch: u64, readers: &Arc<ReadersRow>) {
        let mut held = self.held.lock();
        if held.term == term {
            held.partitions
                .entry(partition)
                .or_insert_with(|| Known::Open {
                    epoch,
                    readers: Arc::clone(readers),
                });
        }
    }

    /// From now on the leader of `term` evaluates writes of an open partition for `readers`, unless
    /// it knows of later ones. Says whether that changed anything: writes that were evaluated before
    /// may then still be on their way.
    pub(super) fn set_readers(
        &self,
        engine: &dyn Engine,
        group: GroupId,
        term: u64,
        partition: u64,
        readers: &Arc<ReadersRow>,
    ) -> Result<bool, EngineError> {
        let mut held = self.held.lock();
        held.load(engine, group, term)?;
        match held.partitions.get_mut(&partition) {
            Some(Known::Open { readers: held, .. })
                if held.catalog_version < readers.catalog_version =>
            {
                *held = Arc::clone(readers);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// From now on the leader of `term` writes nothing for these partitions. Called before the
    /// retirement is proposed, so that whatever is evaluated later is refused.
    pub(super) fn retire(
        &self,
        engine: &dyn Engine,
        group: GroupId,
        term: u64,
        partitions: impl Iterator<Item = u64>,
    ) -> Result<(), EngineError> {
        let mut held = self.held.lock();
        held.load(engine, group, term)?;
        for partition in partitions {
            held.partitions.insert(partition, Known::Retired);
        }
        Ok(())
    }
}

impl Held {
    fn load(&mut self, engine: &dyn Engine, group: GroupId, term: u64) -> Result<(), EngineError> {
        // A term that is not newer is that of a request which lost its leader meanwhile; what it
        // evaluates is refused when it is applied.
        if term <= self.term {
            return Ok(());
        }
        let state = engine.snapshot();
        let open = partitions_of(&*state, group)?;
        self.partitions = open
            .into_iter()
            .map(|(id, row)| {
                let (epoch, readers) = (row.epoch, Arc::new(row.readers));
                (id, Known::Open { epoch, readers })
            })
            .collect();
        for id in retired_of(&*state, group)? {
            self.partitions.insert(id, Known::Retired);
        }
        self.term = term;
        Ok(())
    }
}
