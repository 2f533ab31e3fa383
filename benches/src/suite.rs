//! The parts of the suites: servers in this process, a client, and files.
//!
//! A server runs as in its own program, but without a log: its [`Approach`](serve_core::Approach)
//! gets a listener on a free port. The suites measure what a client observes, and the client counts
//! the bytes of every reply.

mod baseline;
mod target;

use std::io;
use std::path::{Path, PathBuf};

pub use baseline::BASELINE_MEMORY;
#[cfg(target_os = "linux")]
pub use baseline::BASELINE_SENDFILE;
pub use target::{Mode, Target};

/// The number of worker threads of every async sibling. It does not depend on the machine, so that
/// records of different machines are comparable.
pub const WORKERS: usize = 2;

/// The preamble of every reply.
const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";

/// The chunk sizes to compare, and their names in the ids of benches.
pub const CHUNK_SIZES: [(&str, usize); 6] = [
    ("1B", 1),
    ("64B", 64),
    ("1KiB", 1024),
    ("8KiB", 8 * 1024),
    ("64KiB", 64 * 1024),
    ("1MiB", 1024 * 1024),
];

/// Returns the length of the file for a chunk size, in bytes: 16 Ki chunks, but at most 16 MiB. So
/// single bytes do not take too long, and large chunks do not end too soon.
pub fn file_bytes_for(chunk_bytes: usize) -> u64 {
    const CHUNKS: u64 = 16 * 1024;
    const BYTES_MAX: u64 = 16 * 1024 * 1024;
    (chunk_bytes as u64 * CHUNKS).min(BYTES_MAX)
}

/// Returns the path of a file of this length in a folder, and writes the file if it does not exist.
///
/// The folder should be on a disk. For a file system in memory (`/tmp` on some machines), the
/// kernel does not report whether data is cached, so that every read would use the blocking pool.
pub fn noise_file(folder: &Path, bytes: u64) -> io::Result<PathBuf> {
    let path = folder.join(format!("{bytes}.bin"));
    if !path.exists() {
        harness::fixture::write_noise(&path, bytes)?;
    }
    Ok(path)
}
