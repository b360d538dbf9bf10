//! The file trait of the log, and its implementation on a real directory.
//!
//! It is as small as the log needs: positioned reads and writes, sync of data, sync of the directory.
//! [`super::LossyDirectory`] implements it for tests and loses what was not synced.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory that holds the files of one log.
pub trait LogDirectory: Send + Sync + 'static {
    /// The names of all files, sorted.
    ///
    /// # Errors
    /// Any error of the file system.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes a file of `length` zero bytes whose blocks are allocated. The name is durable only after
    /// [`LogDirectory::sync`].
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`], or any error of the file system.
    fn create(&self, name: &str, length: u64) -> io::Result<Arc<dyn LogFile>>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], or any error of the file system.
    fn open(&self, name: &str) -> io::Result<Arc<dyn LogFile>>;

    /// Removes a file; handles that are open stay readable.
    ///
    /// # Errors
    /// Any error of the file system.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// Any error of the file system.
    fn sync(&self) -> io::Result<()>;
}

/// One file of a [`LogDirectory`].
pub trait LogFile: Send + Sync {
    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before the buffer is full.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`. Durable only after [`LogFile::sync`].
    ///
    /// # Errors
    /// Any error of the file system; an unknown part may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file. Durable only after [`LogFile::sync`].
    ///
    /// # Errors
    /// Any error of the file system.
    fn truncate(&self, length: u64) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    /// Any error of the file system.
    fn length(&self) -> io::Result<u64>;

    /// Makes the data and the length durable (`fdatasync`).
    ///
    /// # Errors
    /// Any error means that what was written since the last sync may be lost, and that trying again proves nothing.
    fn sync(&self) -> io::Result<()>;
}

/// A [`LogDirectory`] on disk.
#[derive(Debug)]
pub struct DiskDirectory {
    path: PathBuf,
}

impl DiskDirectory {
    /// Uses the directory at `path`, making it when absent.
    ///
    /// # Errors
    /// Any error of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        // The new directory is itself a name in its parent.
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            File::open(parent)?.sync_all()?;
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

impl LogDirectory for DiskDirectory {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create(&self, name: &str, length: u64) -> io::Result<Arc<dyn LogFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.path.join(name))?;
        // Zeros are written, not only promised: the sync of a batch then has no metadata to write.
        let zeros = vec![0; 1 << 20];
        let mut offset = 0;
        while offset < length {
            let part = usize::try_from(length - offset)
                .unwrap_or(usize::MAX)
                .min(zeros.len());
            let chunk = zeros.get(..part).unwrap_or(&zeros);
            file.write_all_at(chunk, offset)?;
            offset += chunk.len() as u64;
        }
        Ok(Arc::new(DiskFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn LogFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path.join(name))?;
        Ok(Arc::new(DiskFile(file)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path.join(name))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }
}

struct DiskFile(File);

impl LogFile for DiskFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
