//! The cost of sending a file with one server and one chunk size.

use harness::record::Run;

/// The system call with which the async siblings read data from the page cache. These siblings also
/// call `read`, but only for wake-ups.
const RUNTIME_READ: &str = "preadv2";

/// The system calls with which std and Node read a file. Reads from sockets are not included,
/// because servers use `recvfrom` for sockets. Node also uses the listed calls for wake-ups.
const READS: [&str; 4] = ["read", "readv", "pread64", "preadv"];

/// The system calls with which the siblings write to a socket. `sendfile` also reads from the file.
const WRITES: [&str; 3] = ["sendto", "sendmsg", "sendfile"];

/// The system calls with which Node writes to a socket. Node also uses these calls for wake-ups.
const NODE_WRITES: [&str; 2] = ["write", "writev"];

/// The resources that a server used to send a file in chunks of one size.
///
/// A method returns `None` if the run does not contain the necessary values.
#[derive(Clone, Copy, Debug)]
pub struct Cost<'a> {
    run: &'a Run,
    chunk: &'a str,
    server: &'a str,
}

impl<'a> Cost<'a> {
    /// Selects the values of one server with one chunk size, such as `64KiB`, from a run of the
    /// footprint.
    pub fn new(run: &'a Run, chunk: &'a str, server: &'a str) -> Self {
        Self { run, chunk, server }
    }

    /// Returns the value of a quantity. [`Run::value`] lists the quantities.
    pub fn get(&self, quantity: &str) -> Option<f64> {
        self.run.value(&format!("{}/{}/{quantity}", self.chunk, self.server))
    }

    /// Returns the number of non-reading clients.
    pub(super) fn clients(&self) -> Option<f64> {
        self.chunk.strip_prefix(super::NON_READING_PREFIX)?.parse().ok()
    }

    /// Returns the number of chunks per reply.
    pub fn chunks(&self) -> Option<f64> {
        let chunk_bytes = harness::text::bytes(self.chunk).ok()?;
        Some((self.get("file_bytes")? / chunk_bytes as f64).ceil())
    }

    /// Returns the number of successful reads of the file per reply.
    pub fn reads(&self) -> Option<f64> {
        let name = self.server.strip_suffix("-zero-copy").unwrap_or(self.server);
        let has_runtime = approaches::by_name(name).is_some_and(|approach| approach.has_workers);
        // If the file system does not support `RWF_NOWAIT`, all `preadv2` calls fail, and threads
        // of the blocking pool use other system calls to read the file.
        let is_supported = self.get(&format!("calls/{RUNTIME_READ}")).is_none()
            || self.successful(&[RUNTIME_READ])? > 0.0;
        self.successful(if has_runtime && is_supported { &[RUNTIME_READ] } else { &READS })
    }

    /// Returns the number of successful writes to the socket per reply.
    pub fn writes(&self) -> Option<f64> {
        self.successful(if self.server == "node" { &NODE_WRITES } else { &WRITES })
    }

    /// Returns the number of successful system calls with these names.
    fn successful(&self, names: &[&str]) -> Option<f64> {
        self.get("calls")?;
        let of = |kind: &str, name: &str| self.get(&format!("{kind}/{name}")).unwrap_or(0.0);
        Some(names.iter().map(|name| of("calls", name) - of("errors", name)).sum())
    }
}
