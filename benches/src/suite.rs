//! The parts of the suites: servers in this process, a client, and the files that the servers send.
//!
//! The suites start a server with the function `run` of its [`Approach`](serve_core::Approach),
//! which the server's program also calls. The suites pass a listener on a free port to this
//! function. The server does not write a log. The suites measure the times that the client
//! observes. The client counts the bytes of every reply.

mod baseline;
mod target;

use std::io;
use std::path::{Path, PathBuf};

pub use baseline::BASELINE_MEMORY;
#[cfg(target_os = "linux")]
pub use baseline::BASELINE_SENDFILE;
pub use target::{Mode, Target};

/// The number of worker threads of each async sibling. The number is the same on every machine, so
/// that records from different machines can be compared.
pub const WORKERS: usize = 2;

/// The preamble of all replies.
const PREAMBLE: &[u8] = b"HTTP/1.1\n\n";

/// The chunk sizes that the suites compare. Each entry contains the name of the size in the ids of
/// benchmarks, and the number of bytes.
pub const CHUNK_SIZES: [(&str, usize); 6] = [
    ("1B", 1),
    ("64B", 64),
    ("1KiB", 1024),
    ("8KiB", 8 * 1024),
    ("64KiB", 64 * 1024),
    ("1MiB", 1024 * 1024),
];

/// Returns the length in bytes of the file for a chunk size. The length is 16,384 chunks or 16 MiB,
/// whichever is less. With this length, a reply in chunks of one byte does not take too much time,
/// and a reply in large chunks takes enough time for a measurement.
pub fn file_bytes_for(chunk_bytes: usize) -> u64 {
    const CHUNKS: u64 = 16 * 1024;
    const BYTES_MAX: u64 = 16 * 1024 * 1024;
    (chunk_bytes as u64 * CHUNKS).min(BYTES_MAX)
}

/// Returns the path of a file whose length is `bytes`. Writes the file to `folder` if it does not
/// exist.
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
