//! How a reply begins, before the file.

use super::error::{Error, Kind};

const BARE: &[u8] = b"HTTP/1.1\n\n";
const HEADER_END: &[u8] = b"\r\n\r\n";
const STATUS_AT: usize = "HTTP/1.1 ".len();
const OK: &[u8] = b"200";

/// More than any server's header has.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// What to expect before the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PreambleKind {
    /// The bare ten bytes, or a header: whichever comes.
    #[default]
    Auto,
    /// The ten bytes `HTTP/1.1\n\n`.
    Bare,
    /// A header that an empty line ends, with the status 200.
    Http,
    /// Nothing.
    None,
}

/// Finds where the preamble of one connection ends, however its bytes are cut.
#[derive(Clone, Debug)]
pub(super) struct Preamble {
    kind: PreambleKind,
    /// Bytes that belonged to it.
    seen: usize,
    /// How much of the empty line was just seen.
    matched: usize,
    is_over: bool,
}

impl Preamble {
    pub fn new(kind: PreambleKind) -> Self {
        Self { kind, seen: 0, matched: 0, is_over: kind == PreambleKind::None }
    }

    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes what belongs to the preamble; how many bytes that is.
    pub fn take(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.is_over {
                return Ok(at);
            }
            self.take_one(byte)?;
        }
        Ok(bytes.len())
    }

    fn take_one(&mut self, byte: u8) -> Result<(), Error> {
        let at = self.seen;
        self.seen += 1;
        let is_bare = BARE.get(at) == Some(&byte);
        match self.kind {
            PreambleKind::None => {}
            PreambleKind::Bare => {
                self.expect(is_bare, at)?;
                self.is_over = self.seen == BARE.len();
            }
            // Both begin with "HTTP/1.", and the ninth byte tells which it is.
            PreambleKind::Auto if at == STATUS_AT - 1 => {
                self.expect(is_bare || byte == b' ', at)?;
                self.kind = if is_bare { PreambleKind::Bare } else { PreambleKind::Http };
            }
            PreambleKind::Auto => self.expect(is_bare || at == STATUS_AT - 2, at)?,
            PreambleKind::Http => self.take_of_header(byte, at)?,
        }
        Ok(())
    }

    fn take_of_header(&mut self, byte: u8, at: usize) -> Result<(), Error> {
        let is_as_it_should_be = match at {
            // The minor version may be 0.
            7 => byte.is_ascii_digit(),
            ..7 => BARE[at] == byte,
            8 => byte == b' ',
            _ => at < HEADER_BYTES_MAX,
        };
        self.expect(is_as_it_should_be, at)?;
        if (STATUS_AT..STATUS_AT + OK.len()).contains(&at) && OK[at - STATUS_AT] != byte {
            return Err(Error::new(Kind::Status, "the reply's status is not 200"));
        }
        self.matched = match byte == HEADER_END[self.matched] {
            true => self.matched + 1,
            false => usize::from(byte == HEADER_END[0]),
        };
        self.is_over = self.matched == HEADER_END.len();
        Ok(())
    }

    fn expect(&self, is_right: bool, at: usize) -> Result<(), Error> {
        if is_right {
            return Ok(());
        }
        let help = "if the file comes at once, say --preamble none";
        Err(Error::new(Kind::Preamble, format!("byte {at} belongs to no preamble; {help}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole, and byte by byte, it must come to the same.
    fn taken(kind: PreambleKind, reply: &[u8]) -> Result<(usize, bool), Kind> {
        let mut preamble = Preamble::new(kind);
        let whole = preamble.take(reply).map_err(|error| error.kind);
        let mut by_one = Preamble::new(kind);
        let mut sum = Ok(0);
        for byte in reply.chunks(1) {
            sum = sum.and_then(|sum| Ok(sum + by_one.take(byte).map_err(|error| error.kind)?));
        }
        assert_eq!(whole, sum);
        whole.map(|count| (count, preamble.is_over()))
    }

    #[test]
    fn the_bare_ten_bytes() {
        for kind in [PreambleKind::Auto, PreambleKind::Bare] {
            assert_eq!(taken(kind, b"HTTP/1.1\n\nfile"), Ok((10, true)), "{kind:?}");
            assert_eq!(taken(kind, b"HTTP/1.1\n"), Ok((9, false)), "{kind:?}");
            assert_eq!(taken(kind, b"HTTP/1.1\n\r"), Err(Kind::Preamble), "{kind:?}");
            assert_eq!(taken(kind, b"RIFF"), Err(Kind::Preamble), "{kind:?}");
        }
        assert_eq!(taken(PreambleKind::Bare, b"HTTP/1.1 200"), Err(Kind::Preamble));
    }

    #[test]
    fn a_header() {
        let header = b"HTTP/1.1 200 OK\r\nA: b\r\r\n\r\n";
        let reply = [header, &b"\r\n\r\nfile"[..]].concat();
        for kind in [PreambleKind::Auto, PreambleKind::Http] {
            assert_eq!(taken(kind, &reply), Ok((header.len(), true)), "{kind:?}");
            assert_eq!(taken(kind, b"HTTP/1.0 200 OK\r\n\r\n"), Ok((19, true)), "{kind:?}");
            assert_eq!(taken(kind, b"HTTP/1.1 200 OK\r\n"), Ok((17, false)), "{kind:?}");
            assert_eq!(taken(kind, b"HTTP/1.1 404 Not Found"), Err(Kind::Status), "{kind:?}");
            assert_eq!(taken(kind, b"HTTP/1.1x"), Err(Kind::Preamble), "{kind:?}");
            assert_eq!(taken(kind, b"HTTQ/1.1 200"), Err(Kind::Preamble), "{kind:?}");
        }
        assert_eq!(taken(PreambleKind::Http, b"HTTP/1.1\n\n"), Err(Kind::Preamble));
    }

    #[test]
    fn a_header_without_an_end_is_none() {
        let mut reply = b"HTTP/1.1 200 OK\r\n".to_vec();
        reply.resize(HEADER_BYTES_MAX + 1, b'x');
        assert_eq!(taken(PreambleKind::Http, &reply), Err(Kind::Preamble));
    }

    #[test]
    fn none() {
        assert_eq!(taken(PreambleKind::None, b"HTTP/1.1\n\n"), Ok((0, true)));
    }
}
