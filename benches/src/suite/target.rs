//! Runs a server and its clients in this process. Measures the server.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serve_core::{Approach, Config, EventLog, Server, bind};

use super::{PREAMBLE, WORKERS};
use crate::load::{self, Expected, Plan, socket};

/// The maximum time for which a client waits for data.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The maximum number of bytes per read. The value is the default maximum size of the kernel's
/// receive buffer (`net.ipv4.tcp_rmem`).
const READ_BYTES: usize = 8 * 1024 * 1024;

/// The mode in which a server sends its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Copy mode.
    Copy,
    /// Copy mode, with every read of the file on the blocking pool. On systems other than Linux,
    /// the async siblings always use the blocking pool, because a server cannot detect whether data
    /// is in the page cache.
    BlockingPool,
    /// Zero-copy mode (Linux).
    ZeroCopy,
}

/// A server that runs in this process until it is dropped.
pub struct Target {
    addr: SocketAddr,
    /// The expected length of a reply in bytes, including the preamble.
    pub reply_bytes: u64,
    server: Arc<Server>,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// The buffer for received data. The client uses only the spare capacity of the buffer.
    buffer: Vec<u8>,
}

impl Target {
    /// Starts a server and verifies the content of one reply. Later clients only count the bytes of
    /// their replies.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be started or if the reply is incorrect.
    pub fn start(
        approach: &'static Approach,
        file: &Path,
        mode: Mode,
        chunk_bytes: usize,
    ) -> io::Result<Self> {
        let start = || {
            let target = Self::start_unverified(approach, file, mode, chunk_bytes)?;
            let mut plan = target.plan(1, 1);
            plan.expected = Some(Expected::of_file(file)?);
            plan.is_discarding = false;
            run(plan)?;
            Ok(target)
        };
        start().map_err(|error: io::Error| io::Error::other(format!("{}: {error}", approach.name)))
    }

    /// Starts a server without verifying a reply. See [`start`](Self::start).
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be started.
    pub fn start_unverified(
        approach: &'static Approach,
        file: &Path,
        mode: Mode,
        chunk_bytes: usize,
    ) -> io::Result<Self> {
        let mut config = Config::new(file);
        config.host = "127.0.0.1".to_owned();
        config.port = 0;
        config.chunk_bytes = chunk_bytes;
        config.zero_copy = mode == Mode::ZeroCopy;
        config.workers = WORKERS;
        config.max_connections = approach.max_connections;
        let listener = bind(&config)?;
        let addr = listener.local_addr()?;
        let mut server = Server::new(config, EventLog::off());
        server.reads_page_cache &= mode != Mode::BlockingPool;
        let server = Arc::new(server);
        let (run, shared) = (approach.run, Arc::clone(&server));
        let thread = thread::Builder::new().name(approach.name.to_owned());
        Ok(Self {
            addr,
            reply_bytes: fs::metadata(file)?.len() + PREAMBLE.len() as u64,
            thread: Some(thread.spawn(move || run(listener, shared))?),
            server,
            buffer: Vec::with_capacity(READ_BYTES),
        })
    }

    /// Receives one reply. Returns the time from `connect` to the first byte of the reply.
    ///
    /// # Panics
    ///
    /// Panics if the length of the reply is incorrect, so that the benchmark fails.
    pub fn fetch(&mut self) -> Duration {
        let expected = self.reply_bytes;
        let received = self.receive();
        let (actual, first_byte) = received
            .unwrap_or_else(|error| panic!("expected {expected} bytes, got an error: {error}"));
        assert!(actual == expected, "expected {expected} bytes, got {actual}");
        first_byte
    }

    /// Receives one reply. Returns the length of the reply in bytes, and the time from `connect` to
    /// its first byte. On Linux, the kernel discards the data, so that the client needs only a
    /// small part of the measured time.
    fn receive(&mut self) -> io::Result<(u64, Duration)> {
        let start = Instant::now();
        let stream = TcpStream::connect(self.addr)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut first_byte = None;
        let mut bytes = 0;
        loop {
            match socket::discard(&stream, self.buffer.spare_capacity_mut()) {
                Ok(count) => {
                    let first_byte = *first_byte.get_or_insert_with(|| start.elapsed());
                    bytes += count as u64;
                    if count == 0 {
                        return Ok((bytes, first_byte));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives `total` replies, with at most `open` open connections. Returns the total time.
    ///
    /// # Panics
    ///
    /// Panics if the length of a reply is incorrect, so that the benchmark fails.
    pub fn fetch_by_many(&mut self, total: u64, open: u64) -> Duration {
        run(self.plan(total, open)).unwrap_or_else(|error| panic!("{error}"))
    }

    fn plan(&self, total: u64, open: u64) -> Plan {
        let mut plan = Plan::new(self.addr).with_connections(total, open);
        plan.request.clear();
        let bytes = self.reply_bytes - PREAMBLE.len() as u64;
        plan.expected = Some(Expected { bytes, xxh3: None });
        plan.is_discarding = cfg!(target_os = "linux");
        plan
    }
}

/// Executes a plan in which no connection may fail. Returns the total time.
fn run(plan: Plan) -> io::Result<Duration> {
    let report = load::run(plan)?;
    match report.failed_examples.first() {
        None => Ok(Duration::from_secs_f64(report.wall_s)),
        Some(example) => {
            let failed = report.failed_count();
            let total = failed + report.completed;
            Err(io::Error::other(format!("{failed} of {total} replies are incorrect; {example}")))
        }
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.server.shut_down();
        let result = self.thread.take().map(JoinHandle::join);
        assert!(
            thread::panicking() || matches!(result, Some(Ok(Ok(())))),
            "the server failed: {result:?}"
        );
    }
}
