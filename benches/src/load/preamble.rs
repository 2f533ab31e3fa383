//! Recognizes and removes the preamble of a reply.

use super::failure::{Failure, Kind};

const BARE: &[u8] = b"HTTP/1.1\n\n";

/// The beginning of an HTTP header with status 200. The `x` stands for the digit of the minor
/// version.
const STATUS_LINE: &[u8] = b"HTTP/1.x 200";
const MINOR_VERSION_AT: usize = 7;
const STATUS_AT: usize = 9;

/// The maximum length of an HTTP header in bytes. The value is the default of Node's option
/// `--max-http-header-size`.
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The expected preamble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PreambleKind {
    /// Either `Bare` or `Http`.
    #[default]
    Auto,
    /// The ten bytes `HTTP/1.1\n\n`.
    Bare,
    /// An HTTP header with status 200.
    Http,
    /// No preamble.
    None,
}

/// Finds the end of the preamble in the data of one connection.
#[derive(Debug)]
pub(super) struct Preamble {
    kind: PreambleKind,
    /// The received part of the preamble, until the preamble is complete.
    received: Vec<u8>,
    is_complete: bool,
}

impl Preamble {
    pub fn new(kind: PreambleKind) -> Self {
        Self { kind, received: Vec::new(), is_complete: kind == PreambleKind::None }
    }

    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Returns the part of `bytes` that follows the preamble.
    pub fn strip<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Failure> {
        if self.is_complete {
            return Ok(bytes);
        }
        // Usually, one read returns the whole preamble. In this case, no memory is allocated.
        let earlier_bytes = self.received.len();
        let length = if earlier_bytes == 0 {
            preamble_length(self.kind, bytes)?
        } else {
            self.received.extend_from_slice(bytes);
            preamble_length(self.kind, &self.received)?
        };
        if let Some(length) = length {
            self.is_complete = true;
            self.received = Vec::new();
            return Ok(&bytes[length - earlier_bytes..]);
        }
        if earlier_bytes == 0 {
            self.received.extend_from_slice(bytes);
        }
        Ok(&[])
    }
}

/// Returns the length of the preamble in bytes, or `None` if the preamble is incomplete.
fn preamble_length(kind: PreambleKind, reply: &[u8]) -> Result<Option<usize>, Failure> {
    match kind {
        PreambleKind::None => Ok(Some(0)),
        PreambleKind::Bare => bare_length(reply),
        PreambleKind::Http => header_length(reply),
        PreambleKind::Auto => bare_length(reply).or_else(|_| header_length(reply)),
    }
}

fn bare_length(reply: &[u8]) -> Result<Option<usize>, Failure> {
    match BARE.iter().zip(reply).position(|(expected, actual)| expected != actual) {
        Some(at) => Err(unexpected(at)),
        None => Ok((reply.len() >= BARE.len()).then_some(BARE.len())),
    }
}

fn header_length(reply: &[u8]) -> Result<Option<usize>, Failure> {
    let is_incorrect = |(at, (expected, actual)): (usize, (&u8, &u8))| match at {
        MINOR_VERSION_AT => !actual.is_ascii_digit(),
        _ => expected != actual,
    };
    match STATUS_LINE.iter().zip(reply).enumerate().position(is_incorrect) {
        Some(STATUS_AT..) => {
            let status = reply[STATUS_AT..reply.len().min(STATUS_LINE.len())].escape_ascii();
            Err(Failure::new(Kind::Status, format!("expected the HTTP status 200, got `{status}`")))
        }
        Some(at) => Err(unexpected(at)),
        None => {
            let header = &reply[..reply.len().min(HEADER_BYTES_MAX)];
            let end = header.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            match end {
                None if reply.len() > HEADER_BYTES_MAX => Err(unexpected(HEADER_BYTES_MAX)),
                _ => Ok(end.map(|at| at + 4)),
            }
        }
    }
}

fn unexpected(at: usize) -> Failure {
    let help = "if the reply starts with the file, use `--preamble none`";
    Failure::new(
        Kind::Preamble,
        format!("byte {at} of the reply does not belong to a preamble; {help}"),
    )
}
