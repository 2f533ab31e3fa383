//! The files that are served.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

const BLOCK_BYTES: usize = 1024 * 1024;

/// Files by their length, made when they are asked for, in a folder that goes away.
///
/// The folder should be on a disk: a file system in memory (`/tmp` on some machines) cannot be asked
/// what it has at hand, and every read would become a trip to the pool.
#[derive(Debug)]
pub struct Files {
    folder: TempDir,
    made: BTreeMap<u64, PathBuf>,
}

impl Files {
    /// No file yet; they will be in a new folder within this one.
    ///
    /// # Errors
    ///
    /// When there can be none.
    pub fn within(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: tempfile::tempdir_in(folder)?, made: BTreeMap::new() })
    }

    /// Where they are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file of so many bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn of(&mut self, bytes: u64) -> io::Result<PathBuf> {
        if let Some(path) = self.made.get(&bytes) {
            return Ok(path.clone());
        }
        let path = self.folder.path().join(format!("{bytes}.bin"));
        write_file(&path, bytes)?;
        self.made.insert(bytes, path.clone());
        Ok(path)
    }
}

/// Writes a file of so many bytes, no two places of which look alike.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_file(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    let mut left_bytes = bytes;
    while left_bytes > 0 {
        block.clear();
        while block.len() < BLOCK_BYTES {
            // xorshift64
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend_from_slice(&state.to_le_bytes());
        }
        let count = usize::try_from(left_bytes).unwrap_or(usize::MAX).min(BLOCK_BYTES);
        file.write_all(&block[..count])?;
        left_bytes -= count as u64;
    }
    // Otherwise the system would write it out in the middle of a measurement.
    file.sync_all()
}
