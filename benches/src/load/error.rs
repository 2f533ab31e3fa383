//! Errors of a connection.

use std::fmt;
use std::io;

use serde::Serialize;

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No server listens on the port.
    Refused,
    /// Another error of `connect`.
    Connect,
    /// This machine has no local port left for another connection to the server.
    NoPorts,
    /// This process has no file descriptor left.
    NoDescriptors,
    /// No byte was received, or no connection was made, within the timeout.
    Timeout,
    /// The server reset the connection.
    Reset,
    /// The reply does not start with the expected preamble.
    Preamble,
    /// The reply's status is not 200.
    Status,
    /// Bytes are missing.
    Short,
    /// There are too many bytes.
    Long,
    /// The length is correct, but the content is not.
    Hash,
    /// Another error of `read`.
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

/// An error of a connection. Its message includes help if there is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Error {
    pub kind: Kind,
    pub message: String,
}

impl Error {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Creates the error of a socket that could not be created or connected.
    pub fn of_connecting(error: &io::Error) -> Self {
        #[cfg(unix)]
        if let Some(libc::EMFILE | libc::ENFILE) = error.raw_os_error() {
            let help = "fewer connections at once, or a higher limit: ulimit -n";
            return Self::new(Kind::NoDescriptors, format!("no descriptor is left: {help}"));
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                Self::new(Kind::Refused, "nobody listens there, or the server's backlog is full")
            }
            io::ErrorKind::ConnectionReset => {
                Self::new(Kind::Reset, "the server reset the connection while it was made")
            }
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => {
                let help = "fewer connections at once, or more ports: \
                            sysctl net.ipv4.ip_local_port_range='1024 65535'";
                Self::new(Kind::NoPorts, format!("no local port is left: {help}"))
            }
            io::ErrorKind::TimedOut => {
                Self::new(Kind::Timeout, "no answer to the wish to connect: is a firewall there?")
            }
            _ => Self::new(Kind::Connect, error.to_string()),
        }
    }

    /// Creates the error of a `read` that failed after `taken_bytes` bytes.
    pub fn of_reading(error: &io::Error, taken_bytes: u64) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Kind::Reset,
            _ => Kind::Io,
        };
        Self::new(kind, format!("{error}, after {taken_bytes} bytes"))
    }
}
