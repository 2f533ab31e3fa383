//! The files that are served.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const BLOCK_BYTES: usize = 1024 * 1024;

/// Files of any length in a temporary folder.
///
/// The folder should be on a disk. For a file system in memory (`/tmp` on some machines), the kernel
/// does not report whether data is cached, so that every read would use the blocking pool.
#[derive(Debug)]
pub struct Files {
    folder: TempDir,
}

impl Files {
    /// Creates a temporary folder within `parent`.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be created.
    pub fn within(parent: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(parent)?;
        Ok(Self { folder: tempfile::tempdir_in(parent)? })
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
            write_file(&path, bytes)?;
        }
        Ok(path)
    }
}

/// Writes a file of `bytes` pseudorandom bytes, so that no two parts of it are equal.
///
/// # Errors
///
/// Returns an error if the file cannot be written.
pub fn write_file(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut remaining = bytes;
    while remaining > 0 {
        block.clear();
        while block.len() < BLOCK_BYTES {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        let count = usize::try_from(remaining).unwrap_or(usize::MAX).min(BLOCK_BYTES);
        file.write_all(&block[..count])?;
        remaining -= count as u64;
    }
    // Otherwise the kernel would write the file to the disk during a measurement.
    file.sync_all()
}
