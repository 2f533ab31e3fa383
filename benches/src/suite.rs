//! What the suites have in common: servers in this process, and one client for all of them.
//!
//! A server is started as its own program starts it, but without a log: through its
//! [`Approach`](serve_core::Approach), with a listener that is already bound, on a free port. What is
//! timed is what a client sees; and each time it counts the bytes.

mod client;
mod files;
mod floor;
mod target;

pub use client::Client;
pub use files::{Files, write_file};
pub use floor::FLOOR_MEMORY;
#[cfg(target_os = "linux")]
pub use floor::FLOOR_SENDFILE;
pub use target::{Target, Way};

/// Executor threads of every async sibling, whatever the machine has: so records of different
/// machines speak of the same thing.
pub const WORKERS: usize = 2;

/// What goes before the file, in bytes.
const BARE: &[u8] = b"HTTP/1.1\n\n";

/// The chunk sizes that are compared, by their names in bench ids.
pub const CHUNK_SIZES: [(&str, usize); 6] = [
    ("1B", 1),
    ("64B", 64),
    ("1KiB", 1024),
    ("8KiB", 8 * 1024),
    ("64KiB", 64 * 1024),
    ("1MiB", 1024 * 1024),
];

/// How long the file is for a chunk size, in bytes: 16 Ki chunks, and 16 MiB at most. So a byte at a
/// time does not take for ever, and large chunks are not over at once.
#[must_use]
pub fn file_bytes_for(chunk_bytes: usize) -> u64 {
    const CHUNKS: u64 = 16 * 1024;
    const BYTES_MAX: u64 = 16 * 1024 * 1024;
    (chunk_bytes as u64 * CHUNKS).min(BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_chunk_sizes_are_their_sizes() {
        for (name, bytes) in CHUNK_SIZES {
            assert_eq!(crate::units::bytes(name), Ok(bytes as u64));
            assert_eq!(file_bytes_for(bytes) % bytes as u64, 0, "the last chunk is whole, too");
        }
        assert_eq!(file_bytes_for(1), 16_384);
    }
}
