//! The parts of the suites: servers in this process, a client, and files.
//!
//! A server runs in the same way as in its own program, but without a log. The suites call the
//! `run` function of its [`Approach`](serve_core::Approach) with a listener on a free port. The
//! suites measure times that the client observes. The client counts the bytes of every reply.

mod baseline;
mod target;

use std::io;
use std::path::{Path, PathBuf};

pub use baseline::BASELINE_MEMORY;
#[cfg(target_os = "linux")]
pub use baseline::BASELINE_SENDFILE;
pub use target::{Mode, Target};

/// The number of worker threads of every async sibling. This number does not depend on the machine,
/// so that records from different machines are comparable.
pub const WORKERS: usize = 2;

/// The preamble of all replies.
const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";

/// The compared chunk sizes, each as its name in the ids of benchmarks and as a number of bytes.
pub const CHUNK_SIZES: [(&str, usize); 6] = [
    ("1B", 1),
    ("64B", 64),
    ("1KiB", 1024),
    ("8KiB", 8 * 1024),
    ("64KiB", 64 * 1024),
    ("1MiB", 1024 * 1024),
];

/// Returns the length of the file for a chunk size, in bytes. The file has 16,384 chunks, but at
/// most 16 MiB. Therefore, a reply in chunks of one byte does not take too long to measure, and a
/// reply in large chunks takes long enough.
pub fn file_bytes_for(chunk_bytes: usize) -> u64 {
    const CHUNKS: u64 = 16 * 1024;
    const BYTES_MAX: u64 = 16 * 1024 * 1024;
    (chunk_bytes as u64 * CHUNKS).min(BYTES_MAX)
}

/// Returns the path of a file with this length, in bytes. Writes the file to `folder` if it does
/// not exist.
///
/// The folder should be on a disk. Some in-memory file systems, such as `/tmp` on some machines, do
/// not support `RWF_NOWAIT`. On such a file system, every read would be a call on the blocking
/// pool.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub fn noise_file(folder: &Path, bytes: u64) -> io::Result<PathBuf> {
    let path = folder.join(format!("{bytes}.bin"));
    if !path.exists() {
        harness::fixture::write_noise(&path, bytes)?;
    }
    Ok(path)
}
