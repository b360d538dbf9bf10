//! What a node keeps on its volume: who it is.
//!
//! The volume is small and there from the first version, because a StatefulSet's claim templates cannot
//! be added later; the native protocol keeps its attribute lists here too (`attribute_lists`). The lock
//! keeps a second process off the directory.
//!
//! `identity.json`: `{"formatVersion":1,"nodeId":"<UUID>"}`. A newer format is refused.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stator_kit::rng::RandomSource;
use uuid::Uuid;

const FORMAT_VERSION: u32 = 1;
const FILE_NAME: &str = "identity.json";

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The directory or the file cannot be read or written.
    #[error("data directory {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process holds the directory.
    #[error("{0} is locked by another process")]
    Locked(PathBuf),
    /// Written by a newer version, or damaged.
    #[error("{path} cannot be read by this version: {reason}")]
    Format {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A node's identity; holds the lock on its data directory while it lives.
#[derive(Debug)]
pub struct Identity {
    node_id: Uuid,
    _locked: File,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityFile {
    format_version: u32,
    node_id: Uuid,
}

impl Identity {
    /// Opens the directory, makes it and the identity if there is none, and locks it.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn open(directory: &Path, random: &dyn RandomSource) -> Result<Self, IdentityError> {
        let path = directory.join(FILE_NAME);
        let io = |source| IdentityError::Io {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(directory).map_err(io)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(IdentityError::Locked(path.clone())),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let mut json = Vec::new();
        file.read_to_end(&mut json).map_err(io)?;
        let node_id = if json.is_empty() {
            let node_id =
                uuid::Builder::from_random_bytes(random.next_u128().to_be_bytes()).into_uuid();
            write(&mut file, directory, node_id).map_err(io)?;
            node_id
        } else {
            read(&json).map_err(|reason| IdentityError::Format {
                path: path.clone(),
                reason,
            })?
        };
        Ok(Self {
            node_id,
            _locked: file,
        })
    }

    /// The node's id, minted once for each volume.
    pub fn node_id(&self) -> Uuid {
        self.node_id
    }
}

fn read(json: &[u8]) -> Result<Uuid, String> {
    let identity: IdentityFile = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if identity.format_version > FORMAT_VERSION {
        return Err(format!(
            "format version {} is newer than {FORMAT_VERSION}",
            identity.format_version
        ));
    }
    Ok(identity.node_id)
}

fn write(file: &mut File, directory: &Path, node_id: Uuid) -> std::io::Result<()> {
    let json = serde_json::to_vec(&IdentityFile {
        format_version: FORMAT_VERSION,
        node_id,
    })?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&json)?;
    file.sync_all()?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use stator_kit::rng::SeededRandom;

    use super::*;

    #[test]
    fn an_identity_is_minted_once_and_its_directory_is_held() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data");
        let first = Identity::open(&path, &SeededRandom::new(1)).unwrap();
        let node_id = first.node_id();
        let second = Identity::open(&path, &SeededRandom::new(2));
        assert!(matches!(second, Err(IdentityError::Locked(_))));
        drop(first);
        assert_eq!(
            Identity::open(&path, &SeededRandom::new(3))
                .unwrap()
                .node_id(),
            node_id
        );
    }

    #[test]
    fn a_newer_format_and_a_damaged_file_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        for json in [
            "{\"formatVersion\":2,\"nodeId\":\"00112233-4455-6677-8899-aabbccddeeff\"}",
            "{\"formatVersion\":1",
        ] {
            std::fs::write(&file, json).unwrap();
            let opened = Identity::open(directory.path(), &SeededRandom::new(1));
            assert!(matches!(opened, Err(IdentityError::Format { .. })));
            assert_eq!(
                std::fs::read_to_string(&file).unwrap(),
                json,
                "left as it was"
            );
        }
    }
}
