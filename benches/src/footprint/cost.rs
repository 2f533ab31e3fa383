//! The values of one server and one chunk size.

use harness::record::Run;

/// The call with which the siblings with a runtime read data that is in the page cache. They also
/// call `read`, but for wake-ups.
const READ_OF_RUNTIMES: &str = "preadv2";

/// The calls with which all other servers read a file. Data from a socket is read by `recvfrom`.
/// Node's wake-ups are among these calls.
const READS: [&str; 4] = ["read", "readv", "pread64", "preadv"];

/// The calls with which the siblings write to a socket. `sendfile` also reads.
const WRITES: [&str; 3] = ["sendto", "sendmsg", "sendfile"];

/// The calls with which Node writes to a socket. Its wake-ups are among them.
const WRITES_OF_NODE: [&str; 2] = ["write", "writev"];

/// What a server needed to send a file in chunks of one size.
///
/// A value is `None` if it was not measured.
#[derive(Clone, Copy, Debug)]
pub struct Cost<'a> {
    run: &'a Run,
    chunk: &'a str,
    server: &'a str,
}

impl<'a> Cost<'a> {
    /// The costs of a server in a run of the footprint, with a chunk size such as `64KiB`.
    pub fn new(run: &'a Run, chunk: &'a str, server: &'a str) -> Self {
        Self { run, chunk, server }
    }

    /// Returns a value by the name of its quantity, as [`Run::value`] does.
    pub fn get(&self, quantity: &str) -> Option<f64> {
        self.run.value(&format!("{}/{}/{quantity}", self.chunk, self.server))
    }

    /// The number of chunks of one reply.
    pub fn chunks(&self) -> Option<f64> {
        let chunk_bytes = harness::text::bytes(self.chunk).ok()?;
        Some((self.get("file_bytes")? / chunk_bytes as f64).ceil())
    }

    /// Successful reads of the file for one reply.
    pub fn reads(&self) -> Option<f64> {
        let name = self.server.strip_suffix("-zero-copy").unwrap_or(self.server);
        let has_runtime = approaches::by_name(name).is_some_and(|approach| approach.has_workers);
        // All these calls fail if the file system does not support them. Then the blocking pool
        // reads.
        let is_supported = self.get(&format!("calls/{READ_OF_RUNTIMES}")).is_none()
            || self.successful(&[READ_OF_RUNTIMES])? > 0.0;
        self.successful(if has_runtime && is_supported { &[READ_OF_RUNTIMES] } else { &READS })
    }

    /// Successful writes to the socket for one reply.
    pub fn writes(&self) -> Option<f64> {
        self.successful(if self.server == "node" { &WRITES_OF_NODE } else { &WRITES })
    }

    /// The number of successful calls with these names.
    fn successful(&self, names: &[&str]) -> Option<f64> {
        self.get("calls")?;
        let of = |kind: &str, name: &str| self.get(&format!("{kind}/{name}")).unwrap_or(0.0);
        Some(names.iter().map(|name| of("calls", name) - of("errors", name)).sum())
    }
}
