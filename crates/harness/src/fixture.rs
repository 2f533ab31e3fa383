//! Generates the files that the servers send.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::OnceLock;

/// The maximum length of [`noise`], in bytes.
pub const NOISE_BYTES_MAX: usize = 16 << 20;

/// Returns a sequence of pseudorandom bytes that does not repeat and that contains NUL, CR and LF.
/// The sequence is the same in every run of the program.
///
/// # Panics
///
/// Panics if `bytes` exceeds [`NOISE_BYTES_MAX`].
#[must_use]
pub fn noise(bytes: usize) -> &'static [u8] {
    // A debug build needs half a second for the whole sequence, and most callers need only its
    // beginning.
    const BEGINNING_BYTES: usize = 1 << 20;
    static BEGINNING: OnceLock<Vec<u8>> = OnceLock::new();
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    let noise = match bytes {
        ..=BEGINNING_BYTES => BEGINNING.get_or_init(|| generated(BEGINNING_BYTES)),
        _ => WHOLE.get_or_init(|| generated(NOISE_BYTES_MAX)),
    };
    &noise[..bytes]
}

fn generated(bytes: usize) -> Vec<u8> {
    let mut noise = Vec::with_capacity(bytes);
    words().take(bytes / 8).for_each(|word| noise.extend_from_slice(&word));
    noise
}

/// Writes a file that contains `bytes` bytes of noise. Waits until the file is on the disk, so that
/// the system does not write it during a measurement.
///
/// # Errors
///
/// Fails if the file cannot be written.
pub fn write_noise(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for word in words().take(usize::try_from(bytes / 8).map_err(io::Error::other)?) {
        file.write_all(&word)?;
    }
    file.write_all(&noise(8)[..(bytes % 8) as usize])?;
    file.into_inner()?.sync_all()
}

/// A xorshift generator, whose period is 2⁶⁴ − 1 words.
fn words() -> impl Iterator<Item = [u8; 8]> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
}
