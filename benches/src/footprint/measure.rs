//! What is done with a server, and what is looked at meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::server::{Server, Subject, free_port};
use super::{Calls, Held, Job, strace};
use crate::load::{Hold, Job as Load};
use crate::suite::{Files, file_bytes_for};

/// So many clients are held.
pub const HELD_CLIENTS: [u64; 4] = [1, 16, 256, 1024];

/// What a client gets who is held: more than the kernel takes for one that reads nothing, so that the
/// server has to hold it.
const HELD_FILE_BYTES: u64 = 1024 * 1024;

/// A network's segments, and a small buffer: within one machine the kernel would take megabytes.
const HELD_SEGMENT_BYTES: u32 = 536;
const HELD_BUFFER_BYTES: usize = 16 * 1024;

/// The usual chunk, in both ways to send.
const HELD_CHUNK_BYTES: u64 = 64 * 1024;

const HELD_TIMEOUT: Duration = Duration::from_secs(60);

/// What a server does for clients who have just come should be over when it is looked at: its memory
/// has not grown for so long, by so much.
const SETTLES: Duration = Duration::from_millis(200);
const SETTLED: f64 = 1.01;
const SETTLES_MAX: usize = 25;

const FETCHES_MAX: u64 = 200;

/// Where servers are measured.
#[derive(Debug)]
pub struct Footprints {
    files: Files,
    /// It is a sibling when it is called as one.
    program: PathBuf,
    /// What starting and ending alone asks of the kernel, by server.
    baselines: HashMap<String, BTreeMap<String, Calls>>,
    /// How long the timed part of a job should take, about.
    job_time: Duration,
    is_tracing: bool,
}

impl Footprints {
    /// The files that are served will be within this folder. The program is one that is a sibling when
    /// it is called as one ([`approaches::main_of_server`]); it should be the caller itself, so that
    /// what is looked at is what was built.
    ///
    /// # Errors
    ///
    /// When there can be no files.
    pub fn within(
        folder: &Path,
        program: PathBuf,
        job_time: Duration,
        is_tracing: bool,
    ) -> Result<Self, String> {
        let files = Files::within(folder);
        let files = files.map_err(|error| format!("no files in {}: {error}", folder.display()))?;
        Ok(Self { files, program, baselines: HashMap::new(), job_time, is_tracing })
    }

    /// Where all files are; it goes away with this.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.files.folder()
    }

    /// One client after another takes a file from a fresh server; then one more from another that is
    /// traced.
    ///
    /// # Errors
    ///
    /// When it does not start, or does not serve as it should.
    pub fn job(&mut self, subject: &Subject, chunk_bytes: u64) -> Result<Job, String> {
        let file_bytes = usize::try_from(chunk_bytes).map_or(u64::MAX, file_bytes_for);
        self.job_of(subject, chunk_bytes, file_bytes)
    }

    /// [`job`](Self::job) with a file of so many bytes.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn job_of(
        &mut self,
        subject: &Subject,
        chunk_bytes: u64,
        file_bytes: u64,
    ) -> Result<Job, String> {
        let mut job = self.timed(subject, chunk_bytes, file_bytes)?;
        if self.is_tracing {
            let counts = self.counts(subject, chunk_bytes, file_bytes, true)?;
            let baseline = match self.baselines.get(&subject.name) {
                Some(baseline) => baseline,
                None => {
                    let counts = self.counts(subject, chunk_bytes, file_bytes, false)?;
                    self.baselines.entry(subject.name.clone()).or_insert(counts)
                }
            };
            job.system_calls = Some(strace::beyond(counts, baseline));
        }
        Ok(job)
    }

    fn start(
        &self,
        subject: &Subject,
        file: &Path,
        chunk_bytes: u64,
        mut words: Vec<OsString>,
    ) -> Result<Server, String> {
        let port = free_port().map_err(|error| error.to_string())?;
        words.extend(subject.words(&self.program, file, port, chunk_bytes));
        Server::start(&words, file, port)
    }

    fn timed(&mut self, subject: &Subject, chunk_bytes: u64, bytes: u64) -> Result<Job, String> {
        let file = self.files.of(bytes).map_err(|error| error.to_string())?;
        let server = self.start(subject, &file, chunk_bytes, Vec::new())?;
        // The first one compares every byte, and tells how many there can be in time.
        let first = Server::load(server.plan())?;
        let fetches = (self.job_time.as_secs_f64() / first.wall_s.max(1e-6)).ceil() as u64;
        let fetches = fetches.clamp(1, FETCHES_MAX);
        let mut plan = server.plan().with_connections(fetches, 1);
        plan.is_discarding = true;
        let (cpu, before) = (server.cpu()?, server.switches()?);
        let report = Server::load(plan)?;
        let (cpu_s, after) = (server.cpu_s_since(&cpu)?, server.switches()?);
        let job = Job {
            server: subject.name.clone(),
            chunk_bytes,
            file_bytes: bytes,
            fetches,
            wall_s: report.wall_s,
            cpu_s,
            // Threads that ended took theirs with them.
            switches_voluntary: after.voluntary.saturating_sub(before.voluntary),
            switches_involuntary: after.involuntary.saturating_sub(before.involuntary),
            threads: after.threads,
            peak_memory_bytes: server.peak_memory_bytes()?,
            system_calls: None,
        };
        server.stop();
        Ok(job)
    }

    /// What a server asks of the kernel in its life, with or without a client.
    fn counts(
        &mut self,
        subject: &Subject,
        chunk_bytes: u64,
        file_bytes: u64,
        has_client: bool,
    ) -> Result<BTreeMap<String, Calls>, String> {
        let file = self.files.of(file_bytes).map_err(|error| error.to_string())?;
        let path = file.with_extension("strace");
        let server = self.start(subject, &file, chunk_bytes, strace::prefix(&path))?;
        if has_client {
            Server::load(server.plan())?;
        }
        server.stop();
        strace::counts(&path)
    }

    /// Clients who read nothing, and then all.
    ///
    /// # Errors
    ///
    /// When they were not all answered, or did not get what they should in the end.
    pub fn held(&mut self, subject: &Subject, clients: u64) -> Result<Held, String> {
        let file = self.files.of(HELD_FILE_BYTES).map_err(|error| error.to_string())?;
        let server = self.start(subject, &file, HELD_CHUNK_BYTES, Vec::new())?;
        let mut plan = server.plan().with_connections(clients, clients);
        plan.hold = Some(Hold::UntilReleased);
        plan.max_segment_bytes = Some(HELD_SEGMENT_BYTES);
        plan.receive_buffer_bytes = Some(HELD_BUFFER_BYTES);
        plan.timeout = HELD_TIMEOUT;
        // Else the kernel takes the more for each, the more there were before.
        plan.source = cfg!(target_os = "linux").then(harness::port::unused_loopback);
        let load = Load::new(plan).map_err(|error| error.to_string())?;
        let (report, snapshot) = thread::scope(|scope| {
            let running = scope.spawn(|| load.run());
            let snapshot = while_held(&server, &load);
            load.release();
            (running.join(), snapshot)
        });
        let report = report.map_err(|_| "the client panicked".to_owned())?;
        let report = report.map_err(|error| error.to_string())?;
        if let Some(example) = report.failed_examples.first() {
            return Err(format!("{} went wrong: {example}", report.failed_count()));
        }
        let (memory_bytes, threads) = snapshot?;
        server.stop();
        Ok(Held { server: subject.name.clone(), clients, memory_bytes, threads })
    }
}

fn while_held(server: &Server, load: &Load) -> Result<(u64, u64), String> {
    if !load.wait_for_non_reading_clients(HELD_TIMEOUT) {
        return Err(format!("only {} clients were answered in time", load.non_reading_clients()));
    }
    let mut before = 0;
    for _ in 0..SETTLES_MAX {
        thread::sleep(SETTLES);
        let now = server.memory_bytes()?;
        if now as f64 <= before as f64 * SETTLED {
            break;
        }
        before = now;
    }
    Ok((server.memory_bytes()?, server.switches()?.threads))
}
