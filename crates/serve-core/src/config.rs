//! What a server is told before it starts.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much is read at once of what a client sends, in bytes. It is thrown away, so the size
/// matters to nobody but a flooder; it lives on the stack, never in the memory of a connection.
pub const DRAIN_BYTES: usize = 8 * 1024;

/// The most that a chunk may be, in bytes: 1 GiB.
pub(crate) const CHUNK_BYTES_MAX: u64 = 1 << 30;

/// A server's settings; the flags of the command line, one by one.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file to serve. It is opened anew for every client.
    pub file: PathBuf,
    /// The address or name to listen on.
    pub host: String,
    /// The port to listen on; 0 picks a free one.
    pub port: u16,
    /// The most bytes that are read, then written, at a time: Node's `highWaterMark`.
    pub chunk_bytes: usize,
    /// Whether the kernel copies the file into the socket, a chunk at most at a time. Only on Linux.
    pub zero_copy: bool,
    /// What goes before the file.
    pub preamble: Preamble,
    /// Executor threads of an async sibling.
    pub workers: usize,
    /// Clients at once; at the cap nothing is accepted until one ends.
    pub max_connections: usize,
    /// A client that acknowledges no byte for so long is cut off.
    pub stall_timeout: Duration,
    /// How long a client that has the whole file is heard before the connection is closed.
    pub linger_timeout: Duration,
    /// How long a shutdown waits for clients.
    pub grace: Duration,
    /// How events are written to stdout.
    pub log: LogFormat,
    /// Whether every chunk written is an event.
    pub log_chunks: bool,
}

impl Config {
    /// The defaults of the command line, for a file.
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

    /// The file's name without its folder, for people and events.
    #[must_use]
    pub fn file_name(&self) -> String {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        Path::new(name).display().to_string()
    }
}

/// What goes before the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preamble {
    /// The note's ten bytes `HTTP/1.1\n\n`: enough for a browser, too little for anybody else.
    Bare,
    /// A true response header.
    Http,
    /// Nothing: the file alone.
    None,
}

/// How events are written to stdout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// One JSON object a line.
    Json,
    /// Nothing.
    Off,
}
