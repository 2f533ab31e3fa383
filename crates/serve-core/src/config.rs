//! The settings of a server.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// The size of the buffer into which a sibling reads a client's data, in bytes. The data is
/// discarded, so a larger buffer would only help a client that floods the server. In the async
/// siblings, the buffer is part of each task, so each connection needs this amount of memory.
pub const DRAIN_BUFFER_BYTES: usize = 1024;

/// The maximum chunk size, in bytes (1 GiB).
pub(crate) const CHUNK_BYTES_MAX: u64 = 1 << 30;

/// The settings of a server. Each setting has an argument on the command line.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file to serve. The server opens the file for each client.
    pub file: PathBuf,
    /// The IP address or host name to listen on.
    pub host: String,
    /// The port to listen on. If the port is 0, the system selects a free port.
    pub port: u16,
    /// The chunk size, in bytes. The server sends a chunk completely before it reads the next
    /// chunk. Node calls this value `highWaterMark`.
    pub chunk_bytes: usize,
    /// Indicates whether the kernel copies the file to the socket (`sendfile`). Only Linux supports
    /// this mode.
    pub zero_copy: bool,
    /// The bytes that the server sends before the file.
    pub preamble: Preamble,
    /// The number of worker threads of an async sibling.
    pub workers: usize,
    /// The connection limit. At the limit, the server does not accept another connection until an
    /// open connection ends.
    pub max_connections: usize,
    /// The stall timeout. The server disconnects a client that acknowledges no data for this long.
    pub stall_timeout: Duration,
    /// The linger timeout, which is the maximum time that the server waits for a client's FIN after
    /// the client has acknowledged the whole reply.
    pub linger_timeout: Duration,
    /// The grace period, which is the maximum time that a shutdown waits for open connections.
    pub grace: Duration,
    /// The format of the events on stdout.
    pub log: LogFormat,
    /// Indicates whether the server logs an event for each chunk.
    pub log_chunks: bool,
}

impl Config {
    /// Returns the default settings for a file.
    #[must_use]
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            host: "0.0.0.0".to_owned(),
            port: 4000,
            chunk_bytes: 64 * 1024,
            zero_copy: false,
            preamble: Preamble::Bare,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            max_connections: 10_000,
            stall_timeout: Duration::from_secs(30),
            linger_timeout: Duration::from_secs(5),
            grace: Duration::from_secs(5),
            log: LogFormat::Text,
            log_chunks: false,
        }
    }

    /// The file's name without its directory, for messages and events.
    #[must_use]
    pub fn file_name(&self) -> String {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        Path::new(name).display().to_string()
    }
}

/// The bytes that the server sends before the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preamble {
    /// The ten bytes `HTTP/1.1\n\n` of the original note. Browsers accept these bytes, but other
    /// HTTP clients do not.
    Bare,
    /// A complete response header.
    Http,
    /// No bytes. The reply consists of only the file.
    None,
}

impl Preamble {
    /// Returns the bytes that do not depend on the file. A server can send these bytes before it
    /// opens the file.
    #[must_use]
    pub fn fixed_bytes(self) -> &'static [u8] {
        match self {
            Self::Bare => b"HTTP/1.1\n\n",
            Self::Http | Self::None => b"",
        }
    }
}

/// The format of the events on stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One line of text per event.
    Text,
    /// One JSON object per line.
    Json,
    /// No events.
    Off,
}
