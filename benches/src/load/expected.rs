//! What a client should get.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use xxhash_rust::xxh3::Xxh3;

const READ_BYTES: usize = 1024 * 1024;

/// What a client should get after the preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The length.
    pub bytes: u64,
    /// The XXH3 hash of 64 bits, if it is to be compared, too.
    pub xxh3: Option<u64>,
}

impl Expected {
    /// A file's length and hash.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hash = Xxh3::new();
        let mut buffer = vec![0; READ_BYTES];
        let mut bytes = 0;
        loop {
            let count = file.read(&mut buffer)?;
            if count == 0 {
                return Ok(Self { bytes, xxh3: Some(hash.digest()) });
            }
            hash.update(&buffer[..count]);
            bytes += count as u64;
        }
    }

    /// The length and hash of these bytes.
    #[must_use]
    pub fn of_bytes(content: &[u8]) -> Self {
        let mut hash = Xxh3::new();
        hash.update(content);
        Self { bytes: content.len() as u64, xxh3: Some(hash.digest()) }
    }

    /// The length alone.
    #[must_use]
    pub fn length_only(self) -> Self {
        Self { xxh3: None, ..self }
    }
}
