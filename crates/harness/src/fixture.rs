//! The files that are served.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::OnceLock;

/// The maximum length of [`noise`], in bytes.
pub const NOISE_BYTES_MAX: usize = 16 << 20;

/// Returns bytes that do not repeat, including NUL, CR and LF. The bytes are the same in every run.
///
/// # Panics
///
/// Panics if `bytes` exceeds [`NOISE_BYTES_MAX`].
#[must_use]
pub fn noise(bytes: usize) -> &'static [u8] {
    static NOISE: OnceLock<Vec<u8>> = OnceLock::new();
    let noise = NOISE.get_or_init(|| {
        let mut noise = Vec::with_capacity(NOISE_BYTES_MAX);
        words().take(NOISE_BYTES_MAX / 8).for_each(|word| noise.extend_from_slice(&word));
        noise
    });
    &noise[..bytes]
}

/// Writes a file that contains as many bytes of noise, and waits until it is on the disk, so that
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

/// A xorshift generator with a period of 2⁶⁴ - 1 words.
fn words() -> impl Iterator<Item = [u8; 8]> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_contains_bytes_that_text_does_not() {
        for byte in [b'\0', b'\r', b'\n', b'\xff'] {
            assert!(noise(4096).contains(&byte));
        }
    }

    #[test]
    fn a_file_of_noise_has_its_length_and_does_not_repeat() {
        let folder = crate::TempFolder::new().unwrap();
        let path = folder.path().join("noise.bin");
        write_noise(&path, 2_100_003).unwrap();
        let content = std::fs::read(&path).unwrap();
        assert_eq!(content.len(), 2_100_003);
        assert_eq!(content[..2_100_000], *noise(2_100_000));
        assert_ne!(content[..1000], content[1_000_000..1_001_000]);
    }
}
