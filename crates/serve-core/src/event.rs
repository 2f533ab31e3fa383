//! The events of a server, as text for people and as JSON for programs.

use std::fmt::{self, Display, Write};
use std::io;
use std::net::SocketAddr;

use crate::text::{printable, push_json_string};
use crate::threads::is_no_thread;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The time since the start of the server, in microseconds, from a monotonic clock.
    pub at_us: u64,
    /// The kind and the fields of the event.
    pub kind: EventKind,
}

/// The kind of an event. `conn` is the number of a connection, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "docs/CONTRACT.md describes the fields")]
pub enum EventKind {
    /// The server accepts connections. `bytes` is the length of the file at startup.
    Listening { approach: &'static str, addr: SocketAddr, file: String, bytes: u64 },
    /// A client connected.
    Connected { conn: u64, peer: SocketAddr },
    /// A client sent `bytes` bytes, which the server received in one or several reads. The preview
    /// is escaped.
    Data { conn: u64, bytes: u64, preview: String },
    /// The kernel accepted a whole chunk. Sending the chunk took `wait_us` microseconds.
    Chunk { conn: u64, bytes: u64, wait_us: u64 },
    /// The kernel accepted the last byte of the file. `bytes` does not include the preamble.
    FileEnded { conn: u64, bytes: u64 },
    /// A connection failed. If `conn` is `None`, `accept` failed.
    Error { conn: Option<u64>, kind: ErrorKind, message: String },
    /// The last event of a connection. `sent` includes the preamble.
    Disconnected { conn: u64, sent: u64, received: u64 },
    /// The server dropped `events` events before this event, because the log was not read or
    /// could not be written.
    Dropped { events: u64 },
    /// The server accepts no more connections and waits for the open connections to end.
    Shutdown,
}

/// The kind of an error, as a word that programs can compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The file does not exist.
    NotFound,
    /// The path leads to a directory, a pipe or a device.
    NotAFile,
    /// The server is not permitted to read the file.
    PermissionDenied,
    /// No file descriptor is left.
    NoDescriptors,
    /// No memory is left, for example for the buffer of a chunk.
    NoMemory,
    /// No thread can be started.
    NoThreads,
    /// The file became shorter while it was sent.
    FileShrank,
    /// The client acknowledged no byte within the stall timeout.
    Stalled,
    /// The kernel ended the connection, because the client's machine did not answer.
    TimedOut,
    /// The client reset the connection, or closed the connection before it received the whole file.
    ConnectionReset,
    /// Any other error.
    Io,
}

impl ErrorKind {
    /// Returns the kind of an error from the file, the socket or `accept`.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        if is_out_of_descriptors(error) {
            return Self::NoDescriptors;
        }
        if is_no_thread(error) {
            return Self::NoThreads;
        }
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::IsADirectory => Self::NotAFile,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied,
            io::ErrorKind::UnexpectedEof => Self::FileShrank,
            io::ErrorKind::OutOfMemory => Self::NoMemory,
            // `Connection::check_stall` returns an error without an error code of the system.
            io::ErrorKind::TimedOut if error.raw_os_error().is_none() => Self::Stalled,
            io::ErrorKind::TimedOut => Self::TimedOut,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::NotConnected => Self::ConnectionReset,
            _ => Self::Io,
        }
    }

    /// Returns the name of the kind as it appears in events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::NotAFile => "not_a_file",
            Self::PermissionDenied => "permission_denied",
            Self::NoDescriptors => "no_descriptors",
            Self::NoMemory => "no_memory",
            Self::NoThreads => "no_threads",
            Self::FileShrank => "file_shrank",
            Self::Stalled => "stalled",
            Self::TimedOut => "timed_out",
            Self::ConnectionReset => "connection_reset",
            Self::Io => "io",
        }
    }
}

#[cfg(unix)]
fn is_out_of_descriptors(error: &io::Error) -> bool {
    // `io::ErrorKind` has no variants for these errors.
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

#[cfg(not(unix))]
fn is_out_of_descriptors(error: &io::Error) -> bool {
    // `io::ErrorKind` has no variants for WSAEMFILE (sockets) and ERROR_TOO_MANY_OPEN_FILES.
    matches!(error.raw_os_error(), Some(10024 | 4))
}

impl Event {
    /// Returns the event as a JSON object on one line, without a newline.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(160);
        self.push_json(&mut out).expect("writing to a String cannot fail");
        out
    }

    pub(crate) fn push_json(&self, out: &mut String) -> fmt::Result {
        write!(out, r#"{{"at_us":{},"event":"{}""#, self.at_us, self.kind.name())?;
        if let Some(conn) = self.kind.conn() {
            write!(out, r#","conn":{conn}"#)?;
        }
        match &self.kind {
            EventKind::Listening { approach, addr, file, bytes } => {
                write!(out, r#","approach":"{approach}","addr":"{addr}","file":"#)?;
                push_json_string(out, file);
                write!(out, r#","bytes":{bytes}"#)?;
            }
            EventKind::Connected { peer, .. } => write!(out, r#","peer":"{peer}""#)?,
            EventKind::Data { bytes, preview, .. } => {
                write!(out, r#","bytes":{bytes},"preview":"#)?;
                push_json_string(out, preview);
            }
            EventKind::Chunk { bytes, wait_us, .. } => {
                write!(out, r#","bytes":{bytes},"wait_us":{wait_us}"#)?;
            }
            EventKind::FileEnded { bytes, .. } => write!(out, r#","bytes":{bytes}"#)?,
            EventKind::Error { kind, message, .. } => {
                write!(out, r#","kind":"{}","message":"#, kind.name())?;
                push_json_string(out, message);
            }
            EventKind::Disconnected { sent, received, .. } => {
                write!(out, r#","sent":{sent},"received":{received}"#)?;
            }
            EventKind::Dropped { events } => write!(out, r#","events":{events}"#)?,
            EventKind::Shutdown => {}
        }
        out.push('}');
        Ok(())
    }
}

impl EventKind {
    /// Returns the name of the event.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Listening { .. } => "listening",
            Self::Connected { .. } => "connected",
            Self::Data { .. } => "data",
            Self::Chunk { .. } => "chunk",
            Self::FileEnded { .. } => "file_ended",
            Self::Error { .. } => "error",
            Self::Disconnected { .. } => "disconnected",
            Self::Dropped { .. } => "dropped",
            Self::Shutdown => "shutdown",
        }
    }

    /// Returns the number of the connection to which the event belongs, or `None` if the event does
    /// not belong to a connection.
    #[must_use]
    pub fn conn(&self) -> Option<u64> {
        match self {
            Self::Connected { conn, .. }
            | Self::Data { conn, .. }
            | Self::Chunk { conn, .. }
            | Self::FileEnded { conn, .. }
            | Self::Disconnected { conn, .. } => Some(*conn),
            Self::Error { conn, .. } => *conn,
            Self::Listening { .. } | Self::Dropped { .. } | Self::Shutdown => None,
        }
    }
}

/// Formats the event as text, with the terms of the original note.
impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:4}.{:06}  ", self.at_us / 1_000_000, self.at_us % 1_000_000)?;
        if let Some(conn) = self.kind.conn() {
            write!(f, "#{conn} ")?;
        }
        match &self.kind {
            EventKind::Listening { approach, addr, file, bytes } => {
                write!(f, "listening on {addr} ({approach}): {}, ", printable(file))?;
                write!(f, "{bytes} bytes")
            }
            EventKind::Connected { peer, .. } => write!(f, "connected: {peer}"),
            EventKind::Data { bytes, preview, .. } => write!(f, "data, {bytes} bytes: {preview}"),
            EventKind::Chunk { bytes, wait_us, .. } => {
                write!(f, "chunk, {bytes} bytes: {wait_us} us")
            }
            EventKind::FileEnded { bytes, .. } => write!(f, "file ended: {bytes} bytes"),
            EventKind::Error { kind, message, .. } => {
                write!(f, "error, {}: {}", kind.name(), printable(message))
            }
            EventKind::Disconnected { sent, received, .. } => {
                write!(f, "client disconnected: sent {sent}, received {received} bytes")
            }
            EventKind::Dropped { events } => {
                write!(f, "dropped: {events} events, because the log could not be written")
            }
            EventKind::Shutdown => write!(f, "shutdown: no more connections"),
        }
    }
}
