//! The reasons for which a connection can fail.

use std::fmt;
use std::io;

use serde::Serialize;

/// The kind of a connection's failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// No server listens on the port.
    Refused,
    /// `connect` failed for a reason that no other kind describes.
    Connect,
    /// No local port is left for another connection to the server.
    NoPorts,
    /// No file descriptor is left for another connection.
    NoDescriptors,
    /// The connection was not established within the timeout, or no data arrived within the
    /// timeout.
    Timeout,
    /// The server reset the connection.
    Reset,
    /// The reply does not start with the expected preamble.
    Preamble,
    /// The HTTP header contains a status other than 200.
    Status,
    /// The reply is shorter than expected.
    Short,
    /// The reply is longer than expected.
    Long,
    /// The reply has the correct length, but its content differs from the file.
    Hash,
    /// A byte of the reply differs from the file.
    Content,
    /// `read` failed for a reason that no other kind describes.
    Io,
}

/// Writes the name that the kind has in the JSON report.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The reason for which a connection failed. Some messages contain advice for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub kind: Kind,
    pub message: String,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Describes an error that occurred while a socket was created or connected.
    pub fn of_connect(error: &io::Error) -> Self {
        #[cfg(unix)]
        if let Some(libc::EMFILE | libc::ENFILE) = error.raw_os_error() {
            let help = "use fewer connections, or raise the limit with `ulimit -n`";
            return Self::new(Kind::NoDescriptors, format!("no file descriptor is left; {help}"));
        }
        use io::ErrorKind::{
            AddrInUse, AddrNotAvailable, ConnectionRefused, ConnectionReset, TimedOut,
        };
        let (kind, message) = match error.kind() {
            ConnectionRefused => (
                Kind::Refused,
                "no server listens on this port, or the server's accept queue is full",
            ),
            ConnectionReset => {
                (Kind::Reset, "the server reset the connection during the handshake")
            }
            AddrNotAvailable | AddrInUse => (
                Kind::NoPorts,
                "no local port is left; use fewer connections, or permit more ports with \
                 `sysctl net.ipv4.ip_local_port_range='1024 65535'`",
            ),
            TimedOut => {
                (Kind::Timeout, "the server does not respond; a firewall may drop the packets")
            }
            _ => return Self::new(Kind::Connect, error.to_string()),
        };
        Self::new(kind, message)
    }

    /// Describes an error that `read` returned after the client had received `received_bytes`
    /// bytes.
    pub fn of_read(error: &io::Error, received_bytes: u64) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Kind::Reset,
            _ => Kind::Io,
        };
        Self::new(kind, format!("cannot read after {received_bytes} bytes: {error}"))
    }
}
