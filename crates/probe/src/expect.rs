//! Whether a reply is a preamble and then a file, judged while it streams by.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use probe::text::{counted, grouped};

/// The note's preamble, enough for a browser.
const BARE: &[u8] = b"HTTP/1.1\n\n";

/// How a true response header begins, and where it ends.
const HTTP: &[u8] = b"HTTP/1.";
const HEADER_END: &[u8] = b"\r\n\r\n";

/// A header that is longer is none.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The comparison with a file.
#[derive(Debug)]
pub(crate) struct Expected {
    name: String,
    file: BufReader<File>,
    file_bytes: u64,
    /// What came before it was known where the preamble ends.
    head: Vec<u8>,
    /// Known after the first few bytes.
    preamble_bytes: Option<u64>,
    /// The number of bytes of the file that were received and are correct.
    right_bytes: u64,
    first_difference: Option<Difference>,
}

/// The first byte of the reply that differs from the file.
#[derive(Debug)]
struct Difference {
    actual: u8,
    /// The byte of the file, or `None` after the end of the file.
    expected: Option<u8>,
}

impl Expected {
    /// Opens the file to compare with.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
        let help = "--expect wants the file that the server serves";
        match opened {
            Ok((metadata, _)) if !metadata.is_file() => Err(format!("{name} is no file; {help}")),
            Ok((metadata, file)) => Ok(Self {
                name,
                file: BufReader::new(file),
                file_bytes: metadata.len(),
                head: Vec::new(),
                preamble_bytes: None,
                right_bytes: 0,
                first_difference: None,
            }),
            Err(error) => Err(format!("{name} cannot be read: {error}; {help}")),
        }
    }

    /// Compares the next part of the reply.
    ///
    /// # Errors
    ///
    /// Returns an error if the file can no longer be read.
    pub(crate) fn take(&mut self, received: &[u8]) -> io::Result<()> {
        if self.preamble_bytes.is_some() {
            return self.compare(received);
        }
        self.head.extend_from_slice(received);
        match preamble_bytes(&self.head) {
            Some(bytes) => self.settle(bytes),
            None => Ok(()),
        }
    }

    /// One line about the whole, once nothing more comes, and whether it was all right.
    ///
    /// # Errors
    ///
    /// When the file can no longer be read.
    pub(crate) fn verdict(&mut self) -> io::Result<(String, bool)> {
        if self.preamble_bytes.is_none() {
            // What might have become a preamble and did not: then it was the file, or nothing.
            let bytes = if BARE.starts_with(&self.head) { self.head.len() } else { 0 };
            self.settle(bytes)?;
        }
        let preamble = self.preamble_bytes.unwrap_or(0);
        let (name, right, all) = (&self.name, self.right_bytes, self.file_bytes);
        let said = match &self.first_difference {
            Some(Difference { actual, expected: Some(expected) }) => format!(
                "differs: byte {} of {name} should be {expected:02x}, and {actual:02x} came \
                 (byte {} of the reply)",
                grouped(right),
                grouped(preamble + right)
            ),
            Some(Difference { expected: None, .. }) => {
                format!("too much: all of {name}, {}, and then more", counted(all))
            }
            None if right < all => {
                format!("not whole: only {} of {} of {name}", grouped(right), counted(all))
            }
            None => format!(
                "whole: a preamble of {}, then all of {name}, {}",
                counted(preamble),
                counted(all)
            ),
        };
        Ok((said, self.first_difference.is_none() && right >= all))
    }

    fn settle(&mut self, preamble_bytes: usize) -> io::Result<()> {
        self.preamble_bytes = Some(preamble_bytes as u64);
        let head = std::mem::take(&mut self.head);
        self.compare(&head[preamble_bytes..])
    }

    fn compare(&mut self, actual: &[u8]) -> io::Result<()> {
        if self.first_difference.is_some() {
            return Ok(());
        }
        let mut expected = Vec::with_capacity(actual.len());
        (&mut self.file).take(actual.len() as u64).read_to_end(&mut expected)?;
        let is_same = |(actual, expected): &(&u8, &u8)| actual == expected;
        let same = actual.iter().zip(&expected).take_while(is_same).count();
        self.right_bytes += same as u64;
        self.first_difference = actual
            .get(same)
            .map(|&actual| Difference { actual, expected: expected.get(same).copied() });
        Ok(())
    }
}

/// How long the preamble is at the beginning of this; none if more must come to tell.
fn preamble_bytes(head: &[u8]) -> Option<usize> {
    if head.starts_with(BARE) {
        return Some(BARE.len());
    }
    if BARE.starts_with(head) {
        return None;
    }
    if !head.starts_with(HTTP) {
        return Some(0);
    }
    match head.windows(HEADER_END.len()).position(|window| window == HEADER_END) {
        Some(at) => Some(at + HEADER_END.len()),
        None if head.len() > HEADER_BYTES_MAX => Some(0),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is said of a reply that comes in pieces, where the file is `RIFF and more`.
    fn verdict(pieces: &[&str]) -> (String, bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "RIFF and more").unwrap();
        let mut expected = Expected::open(&path).unwrap();
        for piece in pieces {
            expected.take(piece.as_bytes()).unwrap();
        }
        let (said, is_right) = expected.verdict().unwrap();
        (said.replace(&path.display().to_string(), "FILE"), is_right)
    }

    #[test]
    fn each_preamble_is_known() {
        for (pieces, bytes) in [
            (&["HTTP/1.1\n\nRIFF and more"][..], 10),
            (&["HT", "TP/1.1\n", "\nRIFF", " and more"], 10),
            (&["HTTP/1.1 200 OK\r\nContent-Length: 13\r\n", "\r\nRIFF and more"], 39),
            (&["RIFF and more"], 0),
        ] {
            let whole = format!("whole: a preamble of {bytes} bytes, then all of FILE, 13 bytes");
            assert_eq!(verdict(pieces), (whole, true));
        }
    }

    #[test]
    fn what_is_not_whole_is_told() {
        for (pieces, said) in [
            (&["HTTP/1.1\n\nRIFF"][..], "not whole: only 4 of 13 bytes of FILE"),
            (&["HTTP/1.1\n\n"], "not whole: only 0 of 13 bytes of FILE"),
            (&["HTTP/1"], "not whole: only 0 of 13 bytes of FILE"),
            (&[], "not whole: only 0 of 13 bytes of FILE"),
            (
                &["HTTP/1.1\n\nRIFF", " or more"],
                "differs: byte 5 of FILE should be 61, and 6f came (byte 15 of the reply)",
            ),
            (&["HTTP/1.1\n\nRIFF and more", "!"], "too much: all of FILE, 13 bytes, and then more"),
        ] {
            assert_eq!(verdict(pieces), (said.to_owned(), false));
        }
    }
}
