//! Measures servers.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use harness::record::Measurement;
use harness::{text, usage};

use super::strace::{self, Counts};
use crate::load::Plan;
use crate::servers::{Launcher, Participant, Server, Settings};
use crate::suite::WORKERS;

/// The numbers of non-reading clients.
pub const HELD_CLIENTS: [u64; 4] = [1, 16, 256, 1024];

/// More bytes than the kernel accepts for a client that reads nothing, so that the server always
/// has something left to send.
const HELD_FILE_BYTES: u64 = 1024 * 1024;

/// The receive buffer of a non-reading client, which the kernel doubles.
const HELD_BUFFER_BYTES: usize = 16 * 1024;

/// The chunk size with non-reading clients: the default of copy mode.
const HELD_CHUNK_BYTES: u64 = 64 * 1024;

/// The memory of a server is read when it has grown by at most 1% within this time, so that the
/// server has done all its work for new clients.
const SETTLE_INTERVAL: Duration = Duration::from_millis(200);
const SETTLED_RATIO: f64 = 1.01;
const SETTLE_COUNT_MAX: usize = 25;

const FETCHES_MAX: u64 = 200;

/// Measures servers, one after the other.
#[derive(Debug)]
pub struct Footprints {
    launcher: Launcher,
    /// The system calls of a start and a stop without a client, by server.
    without_client: HashMap<String, Counts>,
    job_time: Duration,
    is_tracing: bool,
}

impl Footprints {
    /// Creates a folder for files within another folder. The timed part of a job takes about as
    /// long as the job time. For the program, see [`Launcher::new`].
    pub fn new(
        program: PathBuf,
        folder: &Path,
        job_time: Duration,
        is_tracing: bool,
    ) -> io::Result<Self> {
        let launcher = Launcher::new(program, folder)?;
        Ok(Self { launcher, without_client: HashMap::new(), job_time, is_tracing })
    }

    /// Measures a server that sends a file in chunks of one size, such as `64KiB`, to one client at
    /// a time. Then counts the system calls of another process that serves one client.
    pub fn measure_chunks(
        &mut self,
        participant: &Participant,
        chunk: &str,
        file_bytes: u64,
    ) -> io::Result<Vec<Measurement>> {
        let id = format!("{chunk}/{}", participant.name);
        let settings = settings(text::bytes(chunk).map_err(io::Error::other)?);
        let served = self.launcher.file(file_bytes)?;
        let server = self.launcher.start(participant, &served, settings)?;
        let values = measure_times(&server, self.job_time)?;
        drop(server);
        let values = values.into_iter().chain([("file_bytes", file_bytes as f64)]);
        let mut measurements = measurements(&id, values);
        if self.is_tracing {
            let count_calls = |has_client: bool| {
                let path = self.launcher.folder().join("strace.txt");
                let settings = Settings { prefix: &strace::command(&path), ..settings };
                let server = self.launcher.start(participant, &served, settings)?;
                if has_client {
                    server.load(plan(&server))?;
                }
                server.stop();
                strace::counts(&path)
            };
            let counts = count_calls(true)?;
            let name = &participant.name;
            if !self.without_client.contains_key(name) {
                self.without_client.insert(name.clone(), count_calls(false)?);
            }
            measurements.extend(strace::measurements(&id, &counts, &self.without_client[name]));
        }
        Ok(measurements)
    }

    /// Measures a server while clients read nothing. Then all clients read everything.
    pub fn measure_held(
        &mut self,
        participant: &Participant,
        clients: u64,
    ) -> io::Result<Vec<Measurement>> {
        let served = self.launcher.file(HELD_FILE_BYTES)?;
        let server = self.launcher.start(participant, &served, settings(HELD_CHUNK_BYTES))?;
        let amount = (clients, HELD_BUFFER_BYTES);
        let look = || settled(&server);
        let (_, seen) = server.with_non_reading_clients(amount, plan(&server), look)?;
        let (memory_bytes, threads) = seen;
        let id = format!("held-{clients}/{}", participant.name);
        Ok(measurements(&id, [("memory_bytes", memory_bytes as f64), ("threads", threads as f64)]))
    }
}

fn measurements(
    id: &str,
    values: impl IntoIterator<Item = (&'static str, f64)>,
) -> Vec<Measurement> {
    let single = |(quantity, value)| Measurement::single(format!("{id}/{quantity}"), value);
    values.into_iter().map(single).collect()
}

fn settings(chunk_bytes: u64) -> Settings<'static> {
    Settings {
        chunk_bytes: Some(chunk_bytes),
        workers: Some(WORKERS),
        is_quiet: true,
        ..Settings::default()
    }
}

/// Returns a plan for one client that sends nothing and verifies the whole reply.
fn plan(server: &Server) -> Plan {
    Plan { request: Vec::new(), ..server.plan() }
}

/// Measures a server that serves one client at a time, and returns each value with its quantity.
fn measure_times(server: &Server, job_time: Duration) -> io::Result<[(&'static str, f64); 7]> {
    // The first client verifies every byte. Its duration determines the number of clients.
    let first = server.load(plan(server))?;
    let fetches = (job_time.as_secs_f64() / first.wall_s.max(1e-6)).ceil() as u64;
    let fetches = fetches.clamp(1, FETCHES_MAX);
    // Switches of threads that have ended are not counted.
    let before = usage::context_switches(&server.pids()).unwrap_or_default();
    let (report, cpu_s) = server.time(plan(server).with_connections(fetches, 1))?;
    let pids = server.pids();
    let after = usage::context_switches(&pids).unwrap_or_default();
    let switches = |kind: usize| after[kind].saturating_sub(before[kind]) as f64;
    Ok([
        ("fetches", fetches as f64),
        ("wall_s", report.wall_s),
        ("cpu_s", cpu_s),
        ("switches_voluntary", switches(0)),
        ("switches_involuntary", switches(1)),
        ("threads", usage::threads(&pids).unwrap_or_default() as f64),
        ("peak_memory_bytes", usage::peak_memory_bytes(&pids).unwrap_or_default() as f64),
    ])
}

/// Waits until the memory of a server hardly grows, and returns it with the number of threads.
fn settled(server: &Server) -> io::Result<(u64, u64)> {
    let mut before = 0;
    for _ in 0..SETTLE_COUNT_MAX {
        thread::sleep(SETTLE_INTERVAL);
        let now = server.memory_bytes()?;
        if now as f64 <= before as f64 * SETTLED_RATIO {
            break;
        }
        before = now;
    }
    Ok((server.memory_bytes()?, usage::threads(&server.pids()).unwrap_or_default()))
}
