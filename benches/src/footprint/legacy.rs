//! The types of the earlier format, which the report still reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

const MIB: f64 = 1024.0 * 1024.0;
const GIB: f64 = 1024.0 * MIB;

/// All that was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Footprint {
    /// When it began, UTC.
    pub date: String,
    /// On what.
    pub machine: Machine,
    /// Who could not take part, and why.
    pub absent: Vec<Absent>,
    /// Why no system calls were counted, if so.
    pub untraced: Option<String>,
    /// One client after another takes a file, for each server and chunk size.
    pub jobs: Vec<Job>,
    /// Clients who read nothing, for each server.
    pub held: Vec<Held>,
}

/// One that could not take part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Absent {
    /// Its name, and what it was to do.
    pub server: String,
    /// Its words, or ours.
    pub why: String,
}

/// One client after another takes a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// `tokio`, `tokio-zero-copy`, `node`.
    pub server: String,
    /// At most so many bytes at a time.
    pub chunk_bytes: u64,
    /// The file's length.
    pub file_bytes: u64,
    /// So many clients took it; not while system calls were counted: then it was one.
    pub fetches: u64,
    /// How long they took, all together.
    pub wall_s: f64,
    /// The processor time of the server meanwhile.
    pub cpu_s: f64,
    /// Of all its threads that were still there at the end: how often they waited for something.
    pub switches_voluntary: u64,
    /// And how often they were made to wait.
    pub switches_involuntary: u64,
    /// Threads at the end.
    pub threads: u64,
    /// The most memory that it ever had in RAM, start-up included (VmHWM).
    pub peak_memory_bytes: u64,
    /// What it asked of the kernel for one client, start-up and end left out.
    pub system_calls: Option<BTreeMap<String, Calls>>,
}

/// How often a system call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// In all.
    pub calls: u64,
    /// In vain: most often there was nothing to read yet, or no room to write.
    pub errors: u64,
}

impl Calls {
    /// Those that did something.
    #[must_use]
    pub fn done(self) -> u64 {
        self.calls - self.errors
    }
}

/// Clients who are connected and answered, but read nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// As in [`Job`].
    pub server: String,
    /// How many.
    pub clients: u64,
    /// All memory of the server then (PSS).
    pub memory_bytes: u64,
    /// Threads then.
    pub threads: u64,
}

/// What a sibling with a runtime reads a file with, as long as the page cache has it; what it `read`s
/// then are wake-ups.
const READ_OF_TASKS: &str = "preadv2";

/// What all others read a file with. A socket is read by `recvfrom`; Node's wake-ups are among them.
const READS: [&str; 4] = ["read", "readv", "pread64", "preadv"];

/// What the kit's own servers write to a socket with; `sendfile` reads, too.
const WRITES: [&str; 3] = ["sendto", "sendmsg", "sendfile"];

/// What Node writes to a socket with; its wake-ups are among them.
const WRITES_OF_NODE: [&str; 2] = ["write", "writev"];

impl Job {
    /// Bytes a second, as its clients saw it.
    #[must_use]
    pub fn bytes_per_s(&self) -> f64 {
        (self.fetches * self.file_bytes) as f64 / self.wall_s
    }

    /// Seconds of the server's processor time for a GiB.
    #[must_use]
    pub fn cpu_s_per_gib(&self) -> f64 {
        self.cpu_s / ((self.fetches * self.file_bytes) as f64 / GIB)
    }

    /// How often its threads were switched for a MiB.
    #[must_use]
    pub fn switches_per_mib(&self) -> f64 {
        let switches = self.switches_voluntary + self.switches_involuntary;
        switches as f64 / ((self.fetches * self.file_bytes) as f64 / MIB)
    }

    /// How many chunks the file has.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.file_bytes.div_ceil(self.chunk_bytes)
    }

    /// All system calls for a MiB, those in vain included.
    #[must_use]
    pub fn calls_per_mib(&self) -> Option<f64> {
        let calls: u64 = self.system_calls.as_ref()?.values().map(|calls| calls.calls).sum();
        Some(calls as f64 / (self.file_bytes as f64 / MIB))
    }

    /// Reads of the file that did something.
    #[must_use]
    pub fn reads(&self) -> Option<u64> {
        let name = self.server.strip_suffix("-zero-copy").unwrap_or(&self.server);
        let has_tasks = approaches::by_name(name).is_some_and(|approach| approach.has_workers);
        // In vain: a file system that cannot say what it has at hand.
        let cached = self.system_calls.as_ref()?.get(READ_OF_TASKS).copied().unwrap_or_default();
        match has_tasks && (cached.calls == 0 || cached.done() > 0) {
            true => Some(cached.done()),
            false => self.done(&READS),
        }
    }

    /// Writes to the socket that did something.
    #[must_use]
    pub fn writes(&self) -> Option<u64> {
        let names = if self.server == "node" { &WRITES_OF_NODE[..] } else { &WRITES };
        self.done(names)
    }

    fn done(&self, names: &[&str]) -> Option<u64> {
        let calls = self.system_calls.as_ref()?;
        Some(names.iter().filter_map(|&name| calls.get(name)).map(|calls| calls.done()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let calls = |calls, errors| Calls { calls, errors };
        let by_name =
            [("preadv2", calls(16, 0)), ("sendto", calls(20, 3)), ("recvfrom", calls(5, 4))];
        Job {
            server: "tokio".to_owned(),
            chunk_bytes: 65_536,
            file_bytes: 1_048_576,
            fetches: 1024,
            wall_s: 0.5,
            cpu_s: 0.25,
            switches_voluntary: 1024,
            switches_involuntary: 1024,
            threads: 3,
            peak_memory_bytes: 1,
            system_calls: Some(by_name.map(|(name, calls)| (name.to_owned(), calls)).into()),
        }
    }

    #[test]
    fn figures_are_per_byte_and_calls_are_of_one_client() {
        let job = job();
        assert_eq!(job.bytes_per_s(), 2.0 * 1024.0 * 1024.0 * 1024.0);
        assert_eq!(job.cpu_s_per_gib(), 0.25);
        assert_eq!(job.switches_per_mib(), 2.0);
        assert_eq!((job.chunks(), job.reads(), job.writes()), (16, Some(16), Some(17)));
        assert_eq!(job.calls_per_mib(), Some(41.0));
        let untraced = Job { system_calls: None, ..job };
        assert_eq!((untraced.writes(), untraced.calls_per_mib()), (None, None));
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let footprint = Footprint { jobs: vec![job()], ..Footprint::default() };
        let json = serde_json::to_string(&footprint).unwrap();
        assert_eq!(serde_json::from_str::<Footprint>(&json).unwrap(), footprint);
    }
}
