//! The files that are served.

use std::io;
use std::path::{Path, PathBuf};

use harness::TempFolder;
use harness::fixture::write_noise;

/// Files of any length in a temporary folder.
///
/// The folder should be on a disk. For a file system in memory (`/tmp` on some machines), the kernel
/// does not report whether data is cached, so that every read would use the blocking pool.
#[derive(Debug)]
pub struct Files {
    folder: TempFolder,
}

impl Files {
    /// Creates a temporary folder within `parent`.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be created.
    pub fn within(parent: &Path) -> io::Result<Self> {
        Ok(Self { folder: TempFolder::within(parent)? })
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the path of a file of `bytes` bytes, and creates the file if it does not exist.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be written.
    pub fn of(&self, bytes: u64) -> io::Result<PathBuf> {
        let path = self.folder().join(format!("{bytes}.bin"));
        if !path.exists() {
            write_noise(&path, bytes)?;
        }
        Ok(path)
    }
}
