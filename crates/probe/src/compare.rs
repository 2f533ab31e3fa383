//! Compares a reply with a file while the reply arrives. The reply may start with a preamble.

use std::fs::File;
use std::io::{BufReader, Read};
use std::mem;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use harness::text::count_bytes;

/// The preamble from the original note.
const BARE: &[u8] = b"HTTP/1.1\n\n";

/// The beginning and the end of an HTTP response header.
const HTTP: &[u8] = b"HTTP/1.";
const HEADER_END: &[u8] = b"\r\n\r\n";

/// The maximum length of an HTTP header in bytes. If the end of a header does not occur within this
/// length, the reply has no header.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The comparison of a reply with a file.
#[derive(Debug)]
pub struct Comparison {
    path: PathBuf,
    file: BufReader<File>,
    file_bytes: u64,
    /// The received part of the reply. This buffer is used only until the length of the preamble is
    /// known.
    head: Vec<u8>,
    /// The length of the preamble, or `None` until enough bytes of the reply have arrived.
    preamble_bytes: Option<usize>,
    /// The number of received bytes before the first difference from the file.
    correct_bytes: u64,
    /// The first received byte that differs from the file, and the byte of the file at the same
    /// position. The byte of the file is `None` after the end of the file.
    difference: Option<(u8, Option<u8>)>,
}

impl Comparison {
    /// Opens the file for the comparison.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be opened.
    pub fn open(path: &Path) -> Result<Self> {
        let cannot_open = || format!("cannot open `{}`", path.display());
        let file = File::open(path).with_context(cannot_open)?;
        let metadata = file.metadata().with_context(cannot_open)?;
        let help = "help: pass the file that the server serves to --expect";
        ensure!(metadata.is_file(), "`{}` is not a file\n{help}", path.display());
        Ok(Self {
            path: path.to_owned(),
            file: BufReader::new(file),
            file_bytes: metadata.len(),
            head: Vec::new(),
            preamble_bytes: None,
            correct_bytes: 0,
            difference: None,
        })
    }

    /// Compares the next part of the reply with the file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn add(&mut self, received: &[u8]) -> Result<()> {
        if self.preamble_bytes.is_some() {
            return self.compare(received);
        }
        self.head.extend_from_slice(received);
        match preamble_bytes(&self.head) {
            Some(bytes) => self.end_preamble(bytes),
            None => Ok(()),
        }
    }

    /// Returns a line that describes the result of the comparison, and whether the reply is
    /// correct. This method must be called after the end of the reply.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn verdict(mut self) -> Result<(String, bool)> {
        if self.preamble_bytes.is_none() {
            // The reply ended before the end of a preamble was found. If the reply has no preamble,
            // the file begins like an HTTP header.
            let is_preamble = BARE.starts_with(&self.head);
            self.end_preamble(if is_preamble { self.head.len() } else { 0 })?;
        }
        let preamble = self.preamble_bytes.unwrap_or(0) as u64;
        let (file, correct) = (self.path.display(), self.correct_bytes);
        let all = format!("{} of {file}", count_bytes(self.file_bytes));
        let text = match self.difference {
            Some((actual, Some(expected))) => format!(
                "different: byte {correct} of {file}: expected {expected:02x}, got {actual:02x} \
                 (byte {} of the reply)",
                preamble + correct
            ),
            Some((_, None)) => format!("too long: all {all}, then more bytes"),
            None if correct < self.file_bytes => format!("incomplete: only {correct} of {all}"),
            None => {
                let preamble = count_bytes(preamble);
                format!("complete: a preamble of {preamble}, then all {all}")
            }
        };
        Ok((text, self.difference.is_none() && correct >= self.file_bytes))
    }

    fn end_preamble(&mut self, preamble_bytes: usize) -> Result<()> {
        self.preamble_bytes = Some(preamble_bytes);
        let head = mem::take(&mut self.head);
        self.compare(&head[preamble_bytes..])
    }

    fn compare(&mut self, actual: &[u8]) -> Result<()> {
        if self.difference.is_some() {
            return Ok(());
        }
        let mut expected = Vec::with_capacity(actual.len());
        let mut part = (&mut self.file).take(actual.len() as u64);
        let read = part.read_to_end(&mut expected);
        read.with_context(|| format!("cannot read `{}`", self.path.display()))?;
        let same = actual.iter().zip(&expected).take_while(|(one, other)| one == other).count();
        self.correct_bytes += same as u64;
        self.difference = actual.get(same).map(|&byte| (byte, expected.get(same).copied()));
        Ok(())
    }
}

/// Returns the length of the preamble in bytes. Returns `None` if more bytes of the reply are
/// needed to determine the length.
fn preamble_bytes(head: &[u8]) -> Option<usize> {
    if head.starts_with(BARE) {
        return Some(BARE.len());
    }
    if !head.starts_with(HTTP) && !BARE.starts_with(head) {
        return Some(0);
    }
    let end = head.windows(HEADER_END.len()).position(|window| window == HEADER_END);
    let is_too_long = head.len() > HEADER_BYTES_MAX;
    end.map(|index| index + HEADER_END.len()).or(is_too_long.then_some(0))
}
