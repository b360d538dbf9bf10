//! A node's data directory: identity, engine, log, and the lock that keeps a second process out.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::DataDir;
use crate::engine::{Engine, FjallEngine, FjallOptions, MemoryEngine};
use crate::error::StartError;
use crate::replication::{DiskDirectory, LogDirectory};

/// An opened data directory. Dropping it lets another process in.
pub(super) struct Volume {
    path: PathBuf,
    in_memory: bool,
    _lock: File,
    /// Keeps a directory that is removed at the end.
    _temporary: Option<TemporaryDir>,
}

impl Volume {
    /// Makes the directory when it is missing, and locks it.
    pub(super) fn open(data: &DataDir) -> Result<Self, StartError> {
        let (path, temporary) = match data {
            DataDir::Disk(path) => (path.clone(), None),
            DataDir::Memory => {
                let temporary = TemporaryDir::new()?;
                (temporary.0.clone(), Some(temporary))
            }
        };
        let failed = |source| StartError::DataDir {
            path: path.clone(),
            source,
        };
        fs::create_dir_all(&path).map_err(failed)?;
        let lock = File::create(path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(StartError::InUse { path }),
            Err(fs::TryLockError::Error(source)) => return Err(failed(source)),
        }
        let in_memory = temporary.is_some();
        Ok(Self {
            path,
            in_memory,
            _lock: lock,
            _temporary: temporary,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn engine(&self) -> Result<Arc<dyn Engine>, StartError> {
        if self.in_memory {
            return Ok(Arc::new(MemoryEngine::new()));
        }
        let options = FjallOptions::default();
        Ok(Arc::new(FjallEngine::open(
            &self.path.join("engine"),
            &options,
        )?))
    }

    pub(super) fn log(&self) -> Result<Arc<dyn LogDirectory>, StartError> {
        let path = self.path.join("log");
        let directory =
            DiskDirectory::open(&path).map_err(|source| StartError::DataDir { path, source })?;
        Ok(Arc::new(directory))
    }
}

/// A directory that goes with its owner.
struct TemporaryDir(PathBuf);

impl TemporaryDir {
    fn new() -> Result<Self, StartError> {
        let path = std::env::temp_dir().join(format!("stator-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&path).map_err(|source| StartError::DataDir {
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }
}

impl Drop for TemporaryDir {
    fn drop(&mut self) {
        if let Err(problem) = fs::remove_dir_all(&self.0) {
            tracing::debug!(%problem, "temporary directory not removed");
        }
    }
}
