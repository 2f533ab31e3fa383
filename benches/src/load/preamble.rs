//! The part of a reply before the file.

use super::failure::{Failure, Kind};

const BARE: &[u8] = b"HTTP/1.1\n\n";

/// The start of an HTTP header. The minor version is any digit.
const STATUS_LINE: &[u8] = b"HTTP/1.x 200";
const MINOR_VERSION_AT: usize = 7;
const STATUS_AT: usize = 9;

/// The maximum length of an HTTP header, which is Node's `--max-http-header-size`.
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
    /// Nothing.
    None,
}

/// Finds the end of a connection's preamble.
#[derive(Debug)]
pub(super) struct Preamble {
    kind: PreambleKind,
    /// The part that was received, until the preamble is complete.
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
        // Usually the whole preamble arrives at once, and nothing is allocated.
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

/// Returns the length of the preamble, or `None` if it is incomplete.
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
        Some(STATUS_AT..) => Err(Failure::new(Kind::Status, "the reply's status is not 200")),
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
    let help = "if the reply starts with the file, use --preamble none";
    Failure::new(Kind::Preamble, format!("byte {at} is not part of a preamble; {help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the length of the preamble, and whether it is complete. The result must not depend on
    /// whether the reply arrives at once or byte by byte.
    fn parsed(kind: PreambleKind, reply: &[u8]) -> Result<(usize, bool), Kind> {
        let parse = |chunk_bytes| {
            let mut preamble = Preamble::new(kind);
            let mut body_bytes = 0;
            for chunk in reply.chunks(chunk_bytes) {
                body_bytes += preamble.strip(chunk).map_err(|failure| failure.kind)?.len();
            }
            Ok((reply.len() - body_bytes, preamble.is_complete()))
        };
        let at_once = parse(reply.len());
        assert_eq!(parse(1), at_once);
        at_once
    }

    #[test]
    fn a_bare_preamble_has_ten_bytes() {
        for kind in [PreambleKind::Auto, PreambleKind::Bare] {
            assert_eq!(parsed(kind, b"HTTP/1.1\n\nfile"), Ok((10, true)), "{kind:?}");
            assert_eq!(parsed(kind, b"HTTP/1.1\n"), Ok((9, false)), "{kind:?}");
            assert_eq!(parsed(kind, b"HTTP/1.1\n\r"), Err(Kind::Preamble), "{kind:?}");
            assert_eq!(parsed(kind, b"RIFF"), Err(Kind::Preamble), "{kind:?}");
        }
        assert_eq!(parsed(PreambleKind::Bare, b"HTTP/1.1 200"), Err(Kind::Preamble));
    }

    #[test]
    fn a_header_ends_with_an_empty_line() {
        let header = b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n";
        let reply = [header, &b"\r\n\r\nfile"[..]].concat();
        for kind in [PreambleKind::Auto, PreambleKind::Http] {
            assert_eq!(parsed(kind, &reply), Ok((header.len(), true)), "{kind:?}");
            assert_eq!(parsed(kind, b"HTTP/1.0 200 OK\r\n\r\n"), Ok((19, true)), "{kind:?}");
            assert_eq!(parsed(kind, b"HTTP/1.1 200 OK\r\n"), Ok((17, false)), "{kind:?}");
            assert_eq!(parsed(kind, b"HTTP/1.1 404 Not Found"), Err(Kind::Status), "{kind:?}");
            assert_eq!(parsed(kind, b"HTTP/1.1x"), Err(Kind::Preamble), "{kind:?}");
            assert_eq!(parsed(kind, b"HTTQ/1.1 200"), Err(Kind::Preamble), "{kind:?}");
        }
        assert_eq!(parsed(PreambleKind::Http, b"HTTP/1.1\n\n"), Err(Kind::Preamble));
    }

    #[test]
    fn a_header_that_does_not_end_is_rejected() {
        let mut reply = b"HTTP/1.1 200 OK\r\n".to_vec();
        reply.resize(HEADER_BYTES_MAX + 1, b'x');
        assert_eq!(parsed(PreambleKind::Http, &reply), Err(Kind::Preamble));
    }

    #[test]
    fn without_a_preamble_the_reply_starts_with_the_file() {
        assert_eq!(parsed(PreambleKind::None, b"HTTP/1.1\n\n"), Ok((0, true)));
    }
}
