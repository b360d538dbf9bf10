//! The identity file of a volume: `<data-dir>/identity`.
//!
//! ```text
//! magic    8 bytes  "STATORID"
//! version  1 byte   1
//! length   4 bytes  big endian, of the body
//! crc      4 bytes  big endian, CRC-32C of version, length and body
//! body              postcard of VolumeIdentity
//! ```
//! It is written to a temporary file, synced, renamed, and the directory synced, so that a crash
//! leaves the old identity or the new one.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Newest format version of the file, and the one written.
pub const IDENTITY_VERSION: u8 = 1;

const MAGIC: &[u8; 8] = b"STATORID";
const HEADER_LEN: usize = 17;
/// A founding plan is some hundred bytes a node; a file beyond this is not ours.
const FILE_SIZE_BYTES_MAX: u64 = 1 << 20;

/// What a volume knows about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeIdentity {
    /// Name of the node that owns the volume.
    pub name: String,
    /// Its id in Raft.
    pub node_id: u64,
    /// 1 for a founder.
    pub incarnation: u64,
    /// The plan by which the cluster began.
    pub founding: Founding,
    /// Every peer has stored the plan. Recorded by the node that minted it; others learn of it by
    /// being spoken to.
    pub complete: bool,
}

/// How a cluster begins: the same bytes on every founder's volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    /// Minted by the first name.
    pub cluster_id: u128,
    /// Region, fixed at creation.
    pub region: String,
    /// Account, fixed at creation.
    pub account_id: String,
    /// Founders in name order; node ids are 1, 2, 3, …
    pub nodes: Vec<FoundingNode>,
    /// Voters of each replica group; entry 0 is the meta group.
    pub groups: Vec<Vec<u64>>,
}

/// One founder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundingNode {
    /// Its id in Raft.
    pub node_id: u64,
    /// Its name.
    pub name: String,
    /// Its failure domain.
    pub rack: String,
}

/// Why a volume's identity cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Reading or writing failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Written by a newer release.
    #[error(
        "{path} has format version {found}, newer than {IDENTITY_VERSION}, the newest this release reads: run a newer storage-node on this volume"
    )]
    NewerVersion {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u8,
    },
    /// Not an identity file, or damaged.
    #[error("{path} is damaged ({what}): restore the volume, or wipe it whole")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
    },
    /// The volume holds data but no identity.
    #[error(
        "{path} holds data but no identity file: it is not an empty volume and not a node's volume"
    )]
    DataWithoutIdentity {
        /// The directory.
        path: PathBuf,
    },
    /// The volume belongs to somebody else.
    #[error("the volume belongs to {found}, but this node is configured as {configured}")]
    Mismatch {
        /// What the volume says.
        found: String,
        /// What the flags say.
        configured: String,
    },
}

/// Path of the identity file.
pub fn path_in(data_dir: &Path) -> PathBuf {
    data_dir.join("identity")
}

/// Reads the identity of the volume; `None` when the volume is empty.
///
/// # Errors
/// [`IdentityError`]; a directory that holds something else than an identity and data is an error,
/// so that a half-restored volume is never taken for an empty one.
pub fn read(data_dir: &Path) -> Result<Option<VolumeIdentity>, IdentityError> {
    let path = path_in(data_dir);
    let io_error = |source| IdentityError::Io {
        path: path.clone(),
        source,
    };
    match fs::metadata(&path) {
        Ok(metadata) if metadata.len() > FILE_SIZE_BYTES_MAX => {
            return Err(IdentityError::Damaged {
                path,
                what: "too long",
            });
        }
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return if holds_data(data_dir).map_err(io_error)? {
                Err(IdentityError::DataWithoutIdentity {
                    path: data_dir.to_owned(),
                })
            } else {
                Ok(None)
            };
        }
        Err(e) => return Err(io_error(e)),
    }
    let bytes = fs::read(&path).map_err(io_error)?;
    decode(&bytes).map(Some).map_err(|problem| match problem {
        Problem::Newer(found) => IdentityError::NewerVersion { path, found },
        Problem::Damaged(what) => IdentityError::Damaged { path, what },
    })
}

/// Whether the directory holds anything of a node. `lost+found` is the file system's own.
fn holds_data(data_dir: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e),
    };
    for entry in entries {
        let name = entry?.file_name();
        if name != "lost+found" && name != "identity.new" && name != "lock" {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Writes the identity, durably.
///
/// # Errors
/// [`IdentityError::Io`].
pub fn write(data_dir: &Path, identity: &VolumeIdentity) -> Result<(), IdentityError> {
    let path = path_in(data_dir);
    let fresh = data_dir.join("identity.new");
    let write = || -> io::Result<()> {
        fs::create_dir_all(data_dir)?;
        let mut file = File::create(&fresh)?;
        file.write_all(&encode(identity))?;
        file.sync_all()?;
        fs::rename(&fresh, &path)?;
        File::open(data_dir)?.sync_all()
    };
    write().map_err(|source| IdentityError::Io {
        path: path.clone(),
        source,
    })
}

fn encode(identity: &VolumeIdentity) -> Vec<u8> {
    let body = postcard::to_allocvec(identity);
    assert!(
        body.is_ok(),
        "an identity holds only types that postcard can write"
    );
    let body = body.unwrap_or_default();
    let len = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    let crc = checksum(IDENTITY_VERSION, len, &body);
    let mut out = Vec::with_capacity(HEADER_LEN + body.len());
    out.extend_from_slice(MAGIC);
    out.push(IDENTITY_VERSION);
    out.extend_from_slice(&len);
    out.extend_from_slice(&crc.to_be_bytes());
    out.extend_from_slice(&body);
    out
}

enum Problem {
    Newer(u8),
    Damaged(&'static str),
}

fn decode(bytes: &[u8]) -> Result<VolumeIdentity, Problem> {
    let (magic, rest) = bytes
        .split_first_chunk::<8>()
        .ok_or(Problem::Damaged("too short"))?;
    if magic != MAGIC {
        return Err(Problem::Damaged("not an identity file"));
    }
    let (&version, rest) = rest.split_first().ok_or(Problem::Damaged("too short"))?;
    if version > IDENTITY_VERSION {
        return Err(Problem::Newer(version));
    }
    let (&len, rest) = rest
        .split_first_chunk::<4>()
        .ok_or(Problem::Damaged("too short"))?;
    let (&crc, body) = rest
        .split_first_chunk::<4>()
        .ok_or(Problem::Damaged("too short"))?;
    if usize::try_from(u32::from_be_bytes(len)) != Ok(body.len()) {
        return Err(Problem::Damaged("wrong length"));
    }
    if u32::from_be_bytes(crc) != checksum(version, len, body) {
        return Err(Problem::Damaged("checksum"));
    }
    postcard::from_bytes(body).map_err(|_| Problem::Damaged("body"))
}

fn checksum(version: u8, len: [u8; 4], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&[version]);
    let crc = crc32c::crc32c_append(crc, &len);
    crc32c::crc32c_append(crc, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> VolumeIdentity {
        VolumeIdentity {
            name: "a".to_owned(),
            node_id: 1,
            incarnation: 1,
            founding: Founding {
                cluster_id: 7,
                region: "us-east-1".to_owned(),
                account_id: "000000000000".to_owned(),
                nodes: vec![FoundingNode {
                    node_id: 1,
                    name: "a".into(),
                    rack: "r".into(),
                }],
                groups: vec![vec![1], vec![1]],
            },
            complete: true,
        }
    }

    #[test]
    fn an_identity_comes_back_and_an_empty_volume_has_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        fs::create_dir(dir.path().join("lost+found")).unwrap();
        assert_eq!(read(dir.path()).unwrap(), None);
        write(dir.path(), &identity()).unwrap();
        assert_eq!(read(dir.path()).unwrap(), Some(identity()));
    }

    #[test]
    fn data_without_an_identity_is_not_an_empty_volume() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("engine")).unwrap();
        assert!(matches!(
            read(dir.path()),
            Err(IdentityError::DataWithoutIdentity { .. })
        ));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let good = encode(&identity());
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_err(), "flip at {at}");
            assert!(decode(&good[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = encode(&identity());
        bytes[8] = IDENTITY_VERSION + 1;
        fs::write(path_in(dir.path()), bytes).unwrap();
        let refused = read(dir.path()).unwrap_err();
        assert!(
            matches!(refused, IdentityError::NewerVersion { found: 2, .. }),
            "{refused}"
        );
    }
}
