//! The settings of the load client.

use std::fs::File;
use std::io::{self, BufReader};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use super::preamble::PreambleKind;

/// The number of file descriptors that the load client needs for purposes other than connections,
/// such as the standard streams and the event loop of each thread.
const OTHER_DESCRIPTORS: u64 = 20;

/// The settings of the load client.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server's address.
    pub addr: SocketAddr,
    /// The maximum number of open connections.
    pub connections: u64,
    /// The total number of connections.
    pub amount: Amount,
    /// The number of connections to start per second. The rate does not depend on the server's
    /// speed. With `None`, the client starts a new connection as soon as another connection has
    /// ended.
    pub rate_per_s: Option<f64>,
    /// The event after which non-reading clients start to read. With `None`, all clients read
    /// immediately.
    pub hold: Option<Hold>,
    /// The maximum number of bytes that each client reads per second.
    pub slow_bytes_per_s: Option<u64>,
    /// The number of bytes, including the preamble, after which the client resets the connection.
    pub reset_after_bytes: Option<u64>,
    /// Indicates whether each client half-closes its connection after the request.
    pub is_half_closing: bool,
    /// The maximum number of bytes that each client sends per second after the request. The client
    /// sends without end. After the reply is complete, the client continues to send until the server
    /// resets the connection.
    pub flood_bytes_per_s: Option<u64>,
    /// The local address of the clients.
    pub source: Option<IpAddr>,
    /// The size of the receive buffer in bytes (`SO_RCVBUF`). Linux doubles this size. Non-reading
    /// clients enlarge the buffer when they start to read.
    pub receive_buffer_bytes: Option<usize>,
    /// The maximum size of a TCP segment in bytes.
    pub max_segment_bytes: Option<u32>,
    /// The request, which each client sends at the beginning of its connection.
    pub request: Vec<u8>,
    /// The expected content of each reply, without the preamble.
    pub expected: Option<Expected>,
    /// The expected content of each reply, without the preamble. With this content, the client
    /// compares each byte when the byte arrives, so that it also verifies incomplete replies. With
    /// `None`, the client computes the hash of each complete reply.
    pub content: Option<Arc<[u8]>>,
    /// The expected preamble.
    pub preamble: PreambleKind,
    /// Indicates whether the kernel discards the data instead of copying it to the client (Linux).
    pub is_discarding: bool,
    /// The maximum time for which a client waits for data. After this time, the connection fails.
    pub timeout: Duration,
    /// The number of threads of the load client. Each thread runs one event loop.
    pub threads: usize,
}

/// The total number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A fixed number of connections.
    Total(u64),
    /// All connections that start within this time. After this time, the clients complete the open
    /// connections.
    During(Duration),
}

/// The event after which non-reading clients start to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The end of a wait. The wait starts when the last client has received the first byte of its
    /// reply, and takes this time.
    For(Duration),
    /// A call of [`release`](super::Job::release).
    UntilReleased,
}

/// The expected content of each reply, without the preamble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The length of the reply in bytes.
    pub bytes: u64,
    /// The 64-bit XXH3 hash of the reply. With `None`, the client verifies only the length.
    pub xxh3: Option<u64>,
}

impl Expected {
    /// Returns the length and the hash of a file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(1024 * 1024, File::open(path)?);
        let mut hash = Xxh3::new();
        let bytes = io::copy(&mut file, &mut hash)?;
        Ok(Self { bytes, xxh3: Some(hash.digest()) })
    }
}

impl Plan {
    /// Creates a plan for one connection that sends an HTTP request and reads the whole reply.
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            connections: 1,
            amount: Amount::Total(1),
            rate_per_s: None,
            hold: None,
            slow_bytes_per_s: None,
            reset_after_bytes: None,
            is_half_closing: false,
            flood_bytes_per_s: None,
            source: None,
            receive_buffer_bytes: None,
            max_segment_bytes: None,
            request: b"GET / HTTP/1.0\r\n\r\n".to_vec(),
            expected: None,
            content: None,
            preamble: PreambleKind::Auto,
            is_discarding: false,
            timeout: Duration::from_secs(30),
            threads: 1,
        }
    }

    /// Sets the total number of connections, and the maximum number of open connections.
    pub fn with_connections(mut self, total: u64, open: u64) -> Self {
        self.amount = Amount::Total(total);
        self.connections = open;
        self
    }

    /// Checks whether this machine can execute the plan.
    ///
    /// # Errors
    ///
    /// Fails if this machine cannot execute the plan. The message contains advice for the user.
    pub(super) fn check(&self) -> io::Result<()> {
        let available = descriptors();
        let is_positive = |rate: f64| rate > 0.0 && rate.is_finite();
        let message = if !self.rate_per_s.is_none_or(is_positive) {
            "`--rate` must be a finite number greater than 0".to_owned()
        } else if self.is_discarding && !cfg!(target_os = "linux") {
            "the kernel of this system cannot discard data\nhelp: remove `--discard`".to_owned()
        } else if self.max_segment_bytes.is_some() && !cfg!(unix) {
            "this system cannot limit the segment size\nhelp: remove `--max-segment`".to_owned()
        } else if self.hold.is_some() && self.amount != Amount::Total(self.connections) {
            "with `--hold`, all connections must be open at the same time".to_owned()
        } else if self.connections > available {
            format!(
                "{connections} open connections need {connections} file descriptors, \
                 but only {available} are available\n\
                 help: use fewer connections, or raise the limit as root with `ulimit -Hn {limit}`",
                connections = self.connections,
                limit = self.connections + OTHER_DESCRIPTORS,
            )
        } else {
            return Ok(());
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, message))
    }
}

/// Raises the file descriptor limit. Returns the maximum number of open connections that the new
/// limit permits.
pub fn descriptors() -> u64 {
    let limit = harness::cleanup::raise_descriptor_limit();
    // Windows does not limit the number of sockets, but each connection needs a port.
    let limit = if cfg!(unix) { limit } else { u16::MAX.into() };
    limit.saturating_sub(OTHER_DESCRIPTORS)
}
