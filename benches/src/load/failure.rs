//! The reasons for which a connection fails.

use std::fmt;
use std::io;

use serde::Serialize;

/// The kind of a failure.
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

/// Writes the same name as in JSON.
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The reason for which a connection failed. The message includes help if there is any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub kind: Kind,
    pub message: String,
}

impl Failure {
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Creates the failure of a socket that could not be created or connected.
    pub fn of_connect(error: &io::Error) -> Self {
        #[cfg(unix)]
        if let Some(libc::EMFILE | libc::ENFILE) = error.raw_os_error() {
            let help = "use fewer connections, or raise the limit: ulimit -n";
            return Self::new(Kind::NoDescriptors, format!("no file descriptor is left; {help}"));
        }
        use io::ErrorKind::{
            AddrInUse, AddrNotAvailable, ConnectionRefused, ConnectionReset, TimedOut,
        };
        let (kind, message) = match error.kind() {
            ConnectionRefused => {
                (Kind::Refused, "no server listens there, or its accept queue is full")
            }
            ConnectionReset => {
                (Kind::Reset, "the server reset the connection during the handshake")
            }
            AddrNotAvailable | AddrInUse => (
                Kind::NoPorts,
                "no local port is left; use fewer connections, or allow more ports: \
                 sysctl net.ipv4.ip_local_port_range='1024 65535'",
            ),
            TimedOut => {
                (Kind::Timeout, "no response from the server; a firewall may drop the packets")
            }
            _ => return Self::new(Kind::Connect, error.to_string()),
        };
        Self::new(kind, message)
    }

    /// Creates the failure of a `read` after `received_bytes` bytes.
    pub fn of_read(error: &io::Error, received_bytes: u64) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Kind::Reset,
            _ => Kind::Io,
        };
        Self::new(kind, format!("{error}, after {received_bytes} bytes"))
    }
}
