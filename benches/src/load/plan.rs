//! What to do to a server.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::expected::Expected;
use super::preamble::PreambleKind;

/// What a client says first, unless told otherwise.
pub const DEFAULT_REQUEST: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

/// How long a connection may be without any byte, unless told otherwise.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Descriptors that this process needs besides its connections: standard streams, and for each
/// thread what it polls with.
const DESCRIPTORS_OF_CLIENT: u64 = 20;

/// The most threads: more than any machine has cores for.
const THREADS_MAX: usize = 256;

/// What to do to a server.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub addr: SocketAddr,
    /// Connections at once.
    pub connections: u64,
    /// Connections in all.
    pub amount: Amount,
    /// So many are started a second, however fast the server is. A latency then counts from when its
    /// connection was due, so that a server that holds up its clients cannot hide it.
    pub rate_per_s: Option<f64>,
    /// Whether all connect before any of them reads.
    pub hold: Option<Hold>,
    /// The most that each client takes, in bytes a second.
    pub slow_bytes_per_s: Option<u64>,
    /// After so many bytes, preamble included, the connection is reset.
    pub reset_after_bytes: Option<u64>,
    /// The address that clients come from. Linux remembers for each pair of addresses how its
    /// connections fared, and what it remembers decides how much it takes for the next ones.
    pub source: Option<IpAddr>,
    /// The kernel's buffer for what was not read yet, in bytes (`SO_RCVBUF`; Linux doubles it).
    /// Clients that were held have more when they may read.
    pub receive_buffer_bytes: Option<usize>,
    /// The largest TCP segment, in bytes.
    pub max_segment_bytes: Option<u32>,
    /// What each client says first; nothing if it is empty.
    pub request: Vec<u8>,
    /// What each client should get.
    pub expected: Option<Expected>,
    /// How the reply begins.
    pub preamble: PreambleKind,
    /// The kernel throws the bytes away without copying them (Linux).
    pub is_discarding: bool,
    /// How long a connection may be without any byte.
    pub timeout: Duration,
    /// Event loops, each with its share of the connections.
    pub threads: usize,
}

/// How many connections there are in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// So many.
    Total(u64),
    /// New ones until so long after the start; those under way then may finish.
    During(Duration),
}

/// When clients that are held begin to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// So long after the last one was connected.
    For(Duration),
    /// When [`release`](super::Job::release) says so.
    UntilReleased,
}

impl Plan {
    /// One connection that takes all.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            connections: 1,
            amount: Amount::Total(1),
            rate_per_s: None,
            hold: None,
            slow_bytes_per_s: None,
            reset_after_bytes: None,
            source: None,
            receive_buffer_bytes: None,
            max_segment_bytes: None,
            request: DEFAULT_REQUEST.to_vec(),
            expected: None,
            preamble: PreambleKind::Auto,
            is_discarding: false,
            timeout: DEFAULT_TIMEOUT,
            threads: 1,
        }
    }

    /// So many connections, of which so many at once.
    #[must_use]
    pub fn with_connections(mut self, total: u64, at_once: u64) -> Self {
        self.amount = Amount::Total(total);
        self.connections = at_once;
        self
    }

    /// Looks whether the plan can be carried out here.
    pub(super) fn check(&self) -> Result<(), String> {
        if self.connections == 0 || self.amount == Amount::Total(0) {
            return Err("there is nothing to do: ask for one connection or more".to_owned());
        }
        if !(1..=THREADS_MAX).contains(&self.threads) {
            return Err(format!("threads are from 1 to {THREADS_MAX}"));
        }
        if self.rate_per_s.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
            return Err("a rate is a number above 0".to_owned());
        }
        if self.is_discarding && !cfg!(target_os = "linux") {
            let why = "only Linux throws bytes away unread (MSG_TRUNC)";
            return Err(format!("{why}: leave --discard out"));
        }
        if self.max_segment_bytes.is_some() && !cfg!(unix) {
            let why = "this system does not let a program choose its segments";
            return Err(format!("{why}: leave --max-segment out"));
        }
        if self.hold.is_some() && self.amount != Amount::Total(self.connections) {
            return Err("all connections are held at once: leave the total out".to_owned());
        }
        let descriptors = descriptors();
        if self.connections > descriptors {
            let more = self.connections + DESCRIPTORS_OF_CLIENT;
            return Err(format!(
                "{} connections at once need as many file descriptors, and there are {descriptors}; \
                 ask for fewer, or raise the limit: ulimit -Hn {more} (as root)",
                self.connections
            ));
        }
        Ok(())
    }
}

/// Raises the limit of open descriptors as far as it goes, and returns how many connections it
/// allows.
#[cfg(unix)]
#[must_use]
pub fn descriptors() -> u64 {
    // A limit that cannot be read is no reason not to start: running out is told.
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(u64::MAX);
    limit.saturating_sub(DESCRIPTORS_OF_CLIENT)
}

/// Windows has no such limit; what it has is ports.
#[cfg(not(unix))]
#[must_use]
pub fn descriptors() -> u64 {
    u64::from(u16::MAX) - DESCRIPTORS_OF_CLIENT
}
