//! Installing a received snapshot, so that a crash at any point leaves either the old state, the new one, or a mark from
//! which the install is taken up again.
//!
//! 1. The received file is whole and synced before this begins.
//! 2. A mark with the file's name and all ranges to delete is written and persisted.
//! 3. The ranges are deleted and the snapshot's pairs written, in batches.
//! 4. The mark is removed and the engine persisted, then the file is removed.

use std::io;
use std::sync::Arc;

use super::GroupData;
use super::ids::GroupId;
use super::log::LogDirectory;
use super::rows::Installing;
use super::snapshot::{Block, SnapshotReader, ranges_of, slice};
use crate::engine::{Direction, Engine, Keyspace, WriteBatch};

/// Keys deleted in one batch.
const DELETE_BATCH_KEYS: usize = 1000;

/// Installs snapshots of one group.
#[derive(Clone)]
pub(super) struct Installer {
    pub(super) group: GroupId,
    pub(super) engine: Arc<dyn Engine>,
    pub(super) data: Arc<dyn GroupData>,
    pub(super) directory: Arc<dyn LogDirectory>,
}

impl Installer {
    /// Replaces the group's state by the snapshot in `file`; durable when it returns.
    ///
    /// # Errors
    /// Any error leaves the mark; the install is taken up at the next start.
    pub(super) async fn install(&self, file: String) -> io::Result<()> {
        let ranges = self.mark(&file)?;
        self.delete(&ranges).await?;
        self.write(&file).await?;
        self.finish(&file)
    }

    /// Takes up an install that a crash interrupted; removes received files that nothing refers to.
    ///
    /// # Errors
    /// Any error of the engine or the file.
    pub(super) async fn resume(&self) -> io::Result<()> {
        let installing = Installing::read(&*self.engine.snapshot(), self.group);
        if let Some(installing) = installing.map_err(io::Error::other)? {
            tracing::warn!(group = %self.group, "taking up an interrupted install of a snapshot");
            self.delete(&installing.ranges).await?;
            self.write(&installing.file).await?;
            self.finish(&installing.file)?;
        }
        let own = format!("{:010}-", self.group.0);
        for name in self.directory.list()? {
            if super::snapshot::is_snapshot_file(&name) && name.starts_with(&own) {
                self.directory.remove(&name)?;
            }
        }
        Ok(())
    }

    fn mark(&self, file: &str) -> io::Result<Vec<super::OwnedRange>> {
        let view = self.engine.snapshot();
        let mut ranges = ranges_of(&*view, &*self.data, self.group).map_err(io::Error::other)?;
        drop(view);
        let mut reader = SnapshotReader::open(&*self.directory, file)?;
        let Some(Block::Header {
            ranges: carried, ..
        }) = reader.next()?
        else {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a snapshot without header",
            ));
        };
        for range in carried {
            if !ranges.contains(&range) {
                ranges.push(range);
            }
        }
        let mark = Installing {
            file: file.to_owned(),
            ranges,
        };
        let mut batch = WriteBatch::new();
        batch.put(Keyspace::System, Installing::key(self.group), mark.encode());
        self.engine.write(batch).map_err(io::Error::other)?;
        self.engine.persist().map_err(io::Error::other)?;
        Ok(mark.ranges)
    }

    async fn delete(&self, ranges: &[super::OwnedRange]) -> io::Result<()> {
        for (keyspace, lower, upper) in ranges {
            let view = self.engine.snapshot();
            let mut batch = WriteBatch::new();
            for row in view.scan(*keyspace, slice(lower), slice(upper), Direction::Forward) {
                let (key, _) = row.map_err(io::Error::other)?;
                batch.delete(*keyspace, key);
                if batch.writes().len() >= DELETE_BATCH_KEYS {
                    self.engine
                        .write(std::mem::take(&mut batch))
                        .map_err(io::Error::other)?;
                }
            }
            self.engine.write(batch).map_err(io::Error::other)?;
            // Others get their turn between ranges and blocks.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn write(&self, file: &str) -> io::Result<()> {
        let mut reader = SnapshotReader::open(&*self.directory, file)?;
        while let Some(block) = reader.next()? {
            let Block::Pairs(pairs) = block else { continue };
            let mut batch = WriteBatch::new();
            for (keyspace, key, value) in pairs {
                batch.put(keyspace, key, value);
            }
            self.engine.write(batch).map_err(io::Error::other)?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn finish(&self, file: &str) -> io::Result<()> {
        // The pairs have to be durable before the mark is gone, and a batch is atomic: one persist serves both.
        let mut batch = WriteBatch::new();
        batch.delete(Keyspace::System, Installing::key(self.group));
        self.engine.write(batch).map_err(io::Error::other)?;
        self.engine.persist().map_err(io::Error::other)?;
        self.directory.remove(file)?;
        self.directory.sync()
    }
}

#[cfg(test)]
mod tests;
