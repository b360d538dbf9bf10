//! The attribute lists that this node has told a client of, kept for ever.
//!
//! A client remembers for its whole life what an id means, so a list is on disk before its id is answered. The file
//! `attribute-lists` in the data directory only grows:
//!
//! ```text
//! header    "STATORAL" | format version u32
//! record    length of the payload u32 | CRC-32 of the payload u32 | payload
//! payload   id u64 | for each name: length u32 | UTF-8
//! ```
//!
//! Integers are little-endian. A last record that is not whole was never answered for, and is cut off; any other damage
//! keeps the node from starting.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, RwLock};
use stator_kit::task::TaskOwner;
use stator_model::{ApiError, ErrorCode};

use crate::identity::IdentityError;
use crate::native::{AttributeList, AttributeLists, ListId};

const FILE_NAME: &str = "attribute-lists";
const MAGIC: &[u8; 8] = b"STATORAL";
const FORMAT_VERSION: u32 = 1;
const HEADER_BYTES: usize = 12;

/// Bytes of names, with 64 for each list, that are kept. A table has a handful of lists as a rule; one whose attribute
/// names are data has as many as items, and would fill memory and disk.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// The lists, shared by all connections.
pub(crate) struct ListRegistry {
    by_id: RwLock<BTreeMap<ListId, Arc<[String]>>>,
    bytes: AtomicUsize,
    /// Without one, lists are as old as the process: for development.
    file: Option<Arc<Mutex<File>>>,
    tasks: TaskOwner,
}

impl AttributeLists for ListRegistry {
    fn names(&self, id: ListId) -> Option<Arc<[String]>> {
        if id == AttributeList::new(Vec::new()).id {
            return Some(Arc::default());
        }
        self.by_id.read().get(&id).cloned()
    }
}

impl ListRegistry {
    /// Lists that end with the process.
    pub(crate) fn in_memory(tasks: TaskOwner) -> Self {
        Self {
            by_id: RwLock::default(),
            bytes: AtomicUsize::new(0),
            file: None,
            tasks,
        }
    }

    /// The lists of a data directory, which the caller has locked.
    ///
    /// # Errors
    /// The file cannot be read or written, is newer than this version, or damaged elsewhere than at its end.
    pub(crate) fn open(directory: &Path, tasks: TaskOwner) -> Result<Self, IdentityError> {
        let path = directory.join(FILE_NAME);
        let io = |source| IdentityError::Io {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        let (lists, whole) = parse(&bytes).map_err(|reason| IdentityError::Format {
            path: path.clone(),
            reason: reason.to_owned(),
        })?;
        let prepare = || -> std::io::Result<()> {
            if whole < HEADER_BYTES {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                file.write_all(MAGIC)?;
                file.write_all(&FORMAT_VERSION.to_le_bytes())?;
            } else {
                file.set_len(whole as u64)?;
                file.seek(SeekFrom::End(0))?;
            }
            file.sync_all()?;
            File::open(directory)?.sync_all()
        };
        let mut prepare = prepare;
        prepare().map_err(io)?;
        let registry = Self {
            by_id: RwLock::default(),
            bytes: AtomicUsize::new(0),
            file: Some(Arc::new(Mutex::new(file))),
            tasks,
        };
        for list in lists {
            registry.remember(list);
        }
        Ok(registry)
    }

    /// Makes lists durable; only then may their ids be answered.
    ///
    /// # Errors
    /// They could not be written, are too many, or an id has another meaning already.
    pub(crate) async fn keep(&self, lists: Vec<AttributeList>) -> Result<(), ApiError> {
        let mut new = Vec::new();
        for list in lists {
            match self.names(list.id) {
                Some(names) if names == list.names => {}
                // Two lists with one hash: rather no answer than a wrong one.
                Some(_) => return Err(ApiError::internal("Two attribute lists have the same id.")),
                None => new.push(list),
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        let size: usize = new.iter().map(size_bytes).sum();
        if self.bytes.load(Ordering::Relaxed) + size > BYTES_MAX {
            return Err(ApiError::new(
                ErrorCode::LimitExceededException,
                "Too many different sets of attribute names for the native protocol; use DynamoDB JSON",
            ));
        }
        if let Some(file) = &self.file {
            let (file, records) = (Arc::clone(file), records(&new));
            let written = self.tasks.spawn_blocking("attribute lists", move || {
                let mut file = file.lock();
                file.write_all(&records).and_then(|()| file.sync_data())
            });
            match written.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    // What is in the file behind a failed sync is not known: nobody may be told of it.
                    tracing::error!(%error, "attribute lists cannot be kept");
                    return Err(ApiError::internal("Attribute lists cannot be kept."));
                }
                Err(_) => return Err(ApiError::internal("The request was given up.")),
            }
        }
        new.into_iter().for_each(|list| self.remember(list));
        Ok(())
    }

    fn remember(&self, list: AttributeList) {
        let size = size_bytes(&list);
        if self.by_id.write().insert(list.id, list.names).is_none() {
            self.bytes.fetch_add(size, Ordering::Relaxed);
        }
    }
}

fn size_bytes(list: &AttributeList) -> usize {
    64 + list.names.iter().map(|name| name.len() + 24).sum::<usize>()
}

fn records(lists: &[AttributeList]) -> Vec<u8> {
    let mut records = Vec::new();
    for list in lists {
        let mut payload = list.id.to_le_bytes().to_vec();
        for name in list.names.iter() {
            payload.extend(u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
            payload.extend(name.as_bytes());
        }
        records.extend(
            u32::try_from(payload.len())
                .unwrap_or(u32::MAX)
                .to_le_bytes(),
        );
        records.extend(crc32fast::hash(&payload).to_le_bytes());
        records.extend(payload);
    }
    records
}

/// The lists of a file, and how many of its bytes are whole records.
fn parse(bytes: &[u8]) -> Result<(Vec<AttributeList>, usize), &'static str> {
    let Some((header, mut rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Ok((Vec::new(), 0));
    };
    let (magic, version) = header.split_at(MAGIC.len());
    if magic != MAGIC {
        return Err("not a file of attribute lists");
    }
    if version != FORMAT_VERSION.to_le_bytes() {
        return Err("its format version is another one");
    }
    let mut lists = Vec::new();
    let mut whole = HEADER_BYTES;
    while let Some((length, behind)) = take_u32(rest) {
        let Some((checksum, behind)) = take_u32(behind) else {
            break;
        };
        let Some((payload, behind)) = behind.split_at_checked(length as usize) else {
            break;
        };
        if crc32fast::hash(payload) != checksum {
            // The end of a write that was cut off may have any content, but nothing follows it.
            if behind.is_empty() {
                break;
            }
            return Err("a record is damaged");
        }
        lists.push(parse_payload(payload).ok_or("a record makes no sense")?);
        whole += 8 + payload.len();
        rest = behind;
    }
    Ok((lists, whole))
}

fn take_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (value, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*value), rest))
}

fn parse_payload(payload: &[u8]) -> Option<AttributeList> {
    let (id, mut rest) = payload.split_first_chunk::<8>()?;
    let mut names = Vec::new();
    while !rest.is_empty() {
        let (length, behind) = take_u32(rest)?;
        let (name, behind) = behind.split_at_checked(length as usize)?;
        names.push(str::from_utf8(name).ok()?.to_owned());
        rest = behind;
    }
    let list = AttributeList::new(names);
    (list.id == ListId::from_le_bytes(*id)).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> AttributeList {
        AttributeList::new(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn owner() -> TaskOwner {
        TaskOwner::new("test")
    }

    #[tokio::test]
    async fn lists_outlive_the_process_and_a_cut_off_write() {
        let directory = tempfile::tempdir().unwrap();
        let (first, second) = (list(&["a", "b"]), list(&["b", "a"]));
        let registry = ListRegistry::open(directory.path(), owner()).unwrap();
        registry.keep(vec![first.clone()]).await.unwrap();
        registry
            .keep(vec![first.clone(), second.clone()])
            .await
            .unwrap();
        let path = directory.path().join(FILE_NAME);
        let whole = std::fs::read(&path).unwrap();
        for length in (0..=whole.len()).rev() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let registry = ListRegistry::open(directory.path(), owner()).unwrap();
            let known =
                |list: &AttributeList| registry.names(list.id) == Some(Arc::clone(&list.names));
            assert_eq!(known(&second), length == whole.len(), "{length}");
            // What was cut off is written again, behind what is whole.
            registry
                .keep(vec![first.clone(), second.clone()])
                .await
                .unwrap();
            assert_eq!(std::fs::read(&path).unwrap(), whole);
        }
    }

    #[test]
    fn other_damage_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT_VERSION.to_le_bytes());
        bytes.extend(records(&[list(&["a"]), list(&["b"])]));
        bytes[HEADER_BYTES + 10] ^= 1;
        let newer = [MAGIC.as_slice(), &2_u32.to_le_bytes()].concat();
        for content in [&bytes, &newer, &b"something else entirely".to_vec()] {
            std::fs::write(&path, content).unwrap();
            let opened = ListRegistry::open(directory.path(), owner());
            assert!(matches!(opened, Err(IdentityError::Format { .. })));
            assert_eq!(&std::fs::read(&path).unwrap(), content, "left as it was");
        }
    }

    #[tokio::test]
    async fn the_number_of_lists_is_bounded() {
        let registry = ListRegistry::in_memory(owner());
        registry.bytes.store(BYTES_MAX, Ordering::Relaxed);
        let error = registry.keep(vec![list(&["a"])]).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::LimitExceededException);
        assert!(registry.names(1).unwrap().is_empty());
    }
}
