//! A log directory in memory that behaves like a disk at its worst, for tests and simulation.
//!
//! Until a sync, a crash may keep or lose each sector that was written, each change of length and each new or removed
//! name, whatever came before or after it. An operation budget lets a test cut the power between any two operations.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use super::directory::{LogDirectory, LogFile};
use super::format::SECTOR;

/// What a crash does with what was not synced.
#[derive(Copy, Clone, Debug, Eq, PartialEq)]
pub enum Loss {
    /// Nothing unsynced survives.
    All,
    /// Everything survives except the newest write of each file, of which only a part does.
    TornLastWrite,
    /// Each sector, length and name survives or not by a coin.
    Random,
    /// Everything survives: the process died, the machine did not.
    Nothing,
}

/// A [`LogDirectory`] in memory that loses what was not synced. Clones are the same disk.
#[derive(Clone, Default)]
pub struct LossyDirectory {
    disk: Arc<Mutex<Disk>>,
}

#[derive(Default)]
struct Disk {
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    files: BTreeMap<u64, FileState>,
    next_file: u64,
    /// Handles of an earlier generation belong to a process that has crashed.
    generation: u64,
    /// Operations that still succeed before the power goes.
    budget: Option<u64>,
    operations: u64,
    syncs: u64,
    fail_next_sync: bool,
    lying_syncs: bool,
}

#[derive(Default)]
struct FileState {
    durable: Vec<u8>,
    live: Vec<u8>,
    pending: Vec<Pending>,
}

enum Pending {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate(usize),
}

impl Pending {
    fn apply(&self, data: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if data.len() < end {
                    data.resize(end, 0);
                }
                if let Some(place) = data.get_mut(*offset..end) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::Truncate(length) => data.resize(*length, 0),
        }
    }

    /// The parts that a disk may keep one without the other.
    fn sectors(&self) -> Vec<Self> {
        match self {
            Self::Write { offset, bytes } => bytes
                .chunks(SECTOR)
                .enumerate()
                .map(|(sector, bytes)| Self::Write {
                    offset: offset + sector * SECTOR,
                    bytes: bytes.to_vec(),
                })
                .collect(),
            Self::Truncate(length) => vec![Self::Truncate(*length)],
        }
    }
}

impl LossyDirectory {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Crashes: unsynced state is lost as `loss` says, open handles become useless, an exhausted budget is lifted.
    /// `random` gives the coins.
    pub fn crash(&self, loss: Loss, random: &mut dyn FnMut() -> u64) {
        let mut disk = self.disk.lock();
        let disk = &mut *disk;
        let mut keep = |always: bool| match loss {
            Loss::All => false,
            Loss::TornLastWrite => always,
            Loss::Random => random() & 1 == 1,
            Loss::Nothing => true,
        };
        for file in disk.files.values_mut() {
            let mut survived = std::mem::take(&mut file.durable);
            let last = file.pending.len().saturating_sub(1);
            for (position, pending) in file.pending.drain(..).enumerate() {
                for (sector, part) in pending.sectors().into_iter().enumerate() {
                    if keep(position < last || sector == 0) {
                        part.apply(&mut survived);
                    }
                }
            }
            file.live.clone_from(&survived);
            file.durable = survived;
        }
        let mut names = disk.durable_names.clone();
        for (name, file) in &disk.names {
            if !names.contains_key(name) && keep(true) {
                names.insert(name.clone(), *file);
            }
        }
        names.retain(|name, _| disk.names.contains_key(name) || !keep(true));
        disk.names.clone_from(&names);
        disk.durable_names = names;
        disk.generation += 1;
        disk.budget = None;
        disk.fail_next_sync = false;
    }

    /// Another disk with what this one would hold after a crash that loses everything unsynced.
    #[must_use]
    pub fn durable_copy(&self) -> Self {
        let disk = self.disk.lock();
        let files = disk.durable_names.values().filter_map(|id| {
            let durable = disk.files.get(id)?.durable.clone();
            Some((
                *id,
                FileState {
                    live: durable.clone(),
                    durable,
                    pending: Vec::new(),
                },
            ))
        });
        let copy = Disk {
            names: disk.durable_names.clone(),
            durable_names: disk.durable_names.clone(),
            files: files.collect(),
            next_file: disk.next_file,
            ..Disk::default()
        };
        Self {
            disk: Arc::new(Mutex::new(copy)),
        }
    }

    /// Lets `operations` more writes, syncs, creations and removals succeed; all later ones fail until a crash.
    pub fn cut_power_after(&self, operations: u64) {
        self.disk.lock().budget = Some(operations);
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.disk.lock().budget == Some(0)
    }

    /// The number of operations that changed or synced something.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.disk.lock().operations
    }

    /// The number of file syncs.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.disk.lock().syncs
    }

    /// Makes the next sync of a file fail and lose what was unsynced in it, as Linux does.
    pub fn fail_next_sync(&self) {
        self.disk.lock().fail_next_sync = true;
    }

    /// From now on syncs report success and do nothing: the bug that a crash test has to find.
    pub fn lie_about_syncs(&self) {
        self.disk.lock().lying_syncs = true;
    }

    /// Flips one bit of a durable file.
    ///
    /// # Panics
    /// When the file is absent or shorter.
    pub fn flip_bit(&self, name: &str, offset: usize) {
        let mut disk = self.disk.lock();
        let id = disk.names.get(name).copied().unwrap_or(u64::MAX);
        let flipped = disk.files.get_mut(&id).and_then(|file| {
            *file.durable.get_mut(offset)? ^= 1;
            *file.live.get_mut(offset)? ^= 1;
            Some(())
        });
        assert!(flipped.is_some(), "no byte {offset} in {name}");
    }

    /// The bytes of a file as a reader would see them now; empty when absent.
    #[must_use]
    pub fn contents(&self, name: &str) -> Vec<u8> {
        let disk = self.disk.lock();
        let id = disk.names.get(name).copied().unwrap_or(u64::MAX);
        disk.files
            .get(&id)
            .map(|file| file.live.clone())
            .unwrap_or_default()
    }
}

impl Disk {
    fn spend(&mut self) -> io::Result<()> {
        match &mut self.budget {
            Some(0) => return Err(io::Error::other("the power is off")),
            Some(left) => *left -= 1,
            None => {}
        }
        self.operations += 1;
        Ok(())
    }
}

impl LogDirectory for LossyDirectory {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.disk.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str, length: u64) -> io::Result<Arc<dyn LogFile>> {
        let mut disk = self.disk.lock();
        disk.spend()?;
        if disk.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = disk.next_file;
        disk.next_file += 1;
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let zeros = Pending::Write {
            offset: 0,
            bytes: vec![0; length],
        };
        let file = FileState {
            durable: Vec::new(),
            live: vec![0; length],
            pending: vec![zeros],
        };
        disk.files.insert(id, file);
        disk.names.insert(name.to_owned(), id);
        let generation = disk.generation;
        Ok(Arc::new(LossyFile {
            disk: self.disk.clone(),
            id,
            generation,
        }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn LogFile>> {
        let disk = self.disk.lock();
        let id = *disk.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let generation = disk.generation;
        Ok(Arc::new(LossyFile {
            disk: self.disk.clone(),
            id,
            generation,
        }))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.spend()?;
        disk.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut disk = self.disk.lock();
        disk.spend()?;
        if !disk.lying_syncs {
            disk.durable_names = disk.names.clone();
        }
        Ok(())
    }
}

struct LossyFile {
    disk: Arc<Mutex<Disk>>,
    id: u64,
    generation: u64,
}

impl LossyFile {
    fn with<T>(
        &self,
        spends: bool,
        act: impl FnOnce(&mut FileState) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut disk = self.disk.lock();
        if disk.generation != self.generation {
            return Err(io::Error::other("a handle from before the crash"));
        }
        if spends {
            disk.spend()?;
        }
        act(disk
            .files
            .get_mut(&self.id)
            .ok_or(io::ErrorKind::NotFound)?)
    }
}

impl LogFile for LossyFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.with(false, |file| {
            let start = usize::try_from(offset).map_err(io::Error::other)?;
            let bytes = start
                .checked_add(buffer.len())
                .and_then(|end| file.live.get(start..end))
                .ok_or(io::ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(bytes);
            Ok(())
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.with(true, |file| {
            let offset = usize::try_from(offset).map_err(io::Error::other)?;
            let write = Pending::Write {
                offset,
                bytes: bytes.to_vec(),
            };
            write.apply(&mut file.live);
            file.pending.push(write);
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.with(true, |file| {
            let truncate = Pending::Truncate(usize::try_from(length).map_err(io::Error::other)?);
            truncate.apply(&mut file.live);
            file.pending.push(truncate);
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.with(false, |file| Ok(file.live.len() as u64))
    }

    fn sync(&self) -> io::Result<()> {
        let (fail, lie) = {
            let mut disk = self.disk.lock();
            disk.syncs += 1;
            (std::mem::take(&mut disk.fail_next_sync), disk.lying_syncs)
        };
        self.with(true, |file| {
            if fail {
                // The pages count as clean afterwards although they never reached the disk.
                file.pending.clear();
                return Err(io::Error::other("sync failed (injected)"));
            }
            if !lie {
                file.pending.clear();
                file.durable.clone_from(&file.live);
            }
            Ok(())
        })
    }
}
