//! A server in this process, and what a client should get of it.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serve_core::{Approach, Config, EventLog, Server, bind};

use super::client::Client;
use super::{BARE, WORKERS};
use crate::load::{self, Expected, Plan};

/// How a server sends its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Reads a chunk, writes it.
    Copied,
    /// The same as it is elsewhere than on Linux: what is read of a file is read by the pool of
    /// threads that may block, since no page cache can be asked first.
    ByPool,
    /// `sendfile`; Linux only.
    ZeroCopy,
}

/// A server that runs in this process until this is dropped.
pub struct Target {
    addr: SocketAddr,
    /// What a client should get, preamble included, in bytes.
    reply_bytes: u64,
    client: Client,
    server: Arc<Server>,
    serving: Option<JoinHandle<io::Result<()>>>,
}

impl Target {
    /// Starts a server, and has one client look whether it serves the right bytes: the timed ones
    /// only count.
    ///
    /// # Errors
    ///
    /// When it does not start, or what it serves is wrong.
    pub fn start(
        approach: &'static Approach,
        file: &Path,
        way: Way,
        chunk_bytes: usize,
    ) -> Result<Self, String> {
        let target = Self::start_unseen(approach, file, way, chunk_bytes);
        let target = target.map_err(|error| format!("{}: {error}", approach.name))?;
        let mut plan = target.plan(1, 1);
        let expected = Expected::of_file(file);
        plan.expected = Some(expected.map_err(|error| format!("{}: {error}", file.display()))?);
        plan.is_discarding = false;
        run(plan).map_err(|words| format!("{}: {words}", approach.name))?;
        Ok(target)
    }

    /// [`start`](Self::start), but nobody looks at its bytes.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn start_unseen(
        approach: &'static Approach,
        file: &Path,
        way: Way,
        chunk_bytes: usize,
    ) -> io::Result<Self> {
        let mut config = Config::new(file);
        config.host = "127.0.0.1".to_owned();
        config.port = 0;
        config.chunk_bytes = chunk_bytes;
        config.zero_copy = way == Way::ZeroCopy;
        config.workers = WORKERS;
        config.max_connections = approach.max_connections;
        let listener = bind(&config)?;
        let addr = listener.local_addr()?;
        let mut server = Server::new(config, EventLog::off());
        server.reads_page_cache &= way != Way::ByPool;
        let server = Arc::new(server);
        let (run, shared) = (approach.run, Arc::clone(&server));
        let serving = thread::Builder::new().name(approach.name.to_owned());
        Ok(Self {
            addr,
            reply_bytes: fs::metadata(file)?.len() + BARE.len() as u64,
            client: Client::default(),
            serving: Some(serving.spawn(move || run(listener, shared))?),
            server,
        })
    }

    /// What a client gets, preamble included, in bytes.
    #[must_use]
    pub fn reply_bytes(&self) -> u64 {
        self.reply_bytes
    }

    /// One client takes all.
    ///
    /// # Panics
    ///
    /// When it did not get as many bytes as it should: so the bench fails that iterates over this.
    pub fn fetch(&mut self) {
        let fetched = self.client.fetch(self.addr);
        self.assert_whole(fetched);
    }

    /// One client takes all; returns how long its first byte took, from the connection's beginning.
    ///
    /// # Panics
    ///
    /// As [`fetch`](Self::fetch).
    pub fn fetch_timing_first(&mut self) -> Duration {
        let fetched = self.client.fetch_timing_first(self.addr);
        let first = fetched.as_ref().map_or(Duration::ZERO, |&(_, first)| first);
        self.assert_whole(fetched.map(|(bytes, _)| bytes));
        first
    }

    /// So many clients take all, so many of them at once; returns how long that took.
    ///
    /// # Panics
    ///
    /// When one of them did not get as many bytes as it should.
    pub fn fetch_by_many(&mut self, total: u64, at_once: u64) -> Duration {
        let report = run(self.plan(total, at_once));
        match report {
            Ok(report) => Duration::from_secs_f64(report.wall_s),
            Err(words) => panic!("{words}"),
        }
    }

    fn plan(&self, total: u64, at_once: u64) -> Plan {
        let mut plan = Plan::new(self.addr).with_connections(total, at_once);
        plan.request.clear();
        let file_bytes = self.reply_bytes - BARE.len() as u64;
        plan.expected = Some(Expected { bytes: file_bytes, xxh3: None });
        plan.is_discarding = cfg!(target_os = "linux");
        plan
    }

    fn assert_whole(&self, fetched: io::Result<u64>) {
        let should = self.reply_bytes;
        match fetched {
            Ok(bytes) if bytes == should => {}
            Ok(bytes) => panic!("a client got {bytes} bytes instead of {should}"),
            Err(error) => panic!("a client did not get its {should} bytes: {error}"),
        }
    }
}

/// A report that has to be good.
fn run(plan: Plan) -> Result<load::Report, String> {
    let report = load::run(plan).map_err(|error| error.to_string())?;
    match report.failed_examples.first() {
        None if report.failed_count() == 0 => Ok(report),
        example => Err(format!(
            "{} of {} clients did not get what they should: {}",
            report.failed_count(),
            report.failed_count() + report.completed,
            example.map_or("", String::as_str)
        )),
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.server.shut_down();
        let ended = self.serving.take().map(JoinHandle::join);
        assert!(thread::panicking() || matches!(ended, Some(Ok(Ok(())))), "{ended:?}");
    }
}
