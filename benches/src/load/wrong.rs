//! What can be wrong with a connection.

use std::fmt;
use std::io;

use serde::Serialize;

/// A kind of what can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nobody listens there.
    Refused,
    /// Something else went wrong while connecting.
    Connect,
    /// This machine has no local port left for one more connection to this server.
    NoPorts,
    /// This process has no descriptor left.
    NoDescriptors,
    /// No byte came for too long, or no connection.
    Timeout,
    /// The server threw the connection away.
    Reset,
    /// The reply does not begin as it should.
    Preamble,
    /// The reply's status is not 200.
    Status,
    /// Bytes are missing.
    Short,
    /// There are too many bytes.
    Long,
    /// As many bytes as there should be, but others.
    Hash,
    /// Some other error of reading.
    Io,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Connect => "connect",
            Self::NoPorts => "no_ports",
            Self::NoDescriptors => "no_descriptors",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Preamble => "preamble",
            Self::Status => "status",
            Self::Short => "short",
            Self::Long => "long",
            Self::Hash => "hash",
            Self::Io => "io",
        })
    }
}

/// What was wrong with a connection, with the mend where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    pub kind: Kind,
    pub words: String,
}

impl Wrong {
    pub fn new(kind: Kind, words: impl Into<String>) -> Self {
        Self { kind, words: words.into() }
    }

    /// An error of making a socket, or of connecting it.
    pub fn of_connecting(error: &io::Error) -> Self {
        #[cfg(unix)]
        if let Some(libc::EMFILE | libc::ENFILE) = error.raw_os_error() {
            let mend = "fewer connections at once, or a higher limit: ulimit -n";
            return Self::new(Kind::NoDescriptors, format!("no descriptor is left: {mend}"));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                Self::new(Kind::Refused, "nobody listens there, or the server's backlog is full")
            }
            io::ErrorKind::ConnectionReset => {
                Self::new(Kind::Reset, "the server reset the connection while it was made")
            }
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => {
                let mend = "fewer connections at once, or more ports: \
                            sysctl net.ipv4.ip_local_port_range='1024 65535'";
                Self::new(Kind::NoPorts, format!("no local port is left: {mend}"))
            }
            io::ErrorKind::TimedOut => {
                Self::new(Kind::Timeout, "no answer to the wish to connect: is a firewall there?")
            }
            _ => Self::new(Kind::Connect, error.to_string()),
        }
    }

    /// An error of reading, after so many bytes.
    pub fn of_reading(error: &io::Error, taken_bytes: u64) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Kind::Reset,
            _ => Kind::Io,
        };
        Self::new(kind, format!("{error}, after {taken_bytes} bytes"))
    }
}
