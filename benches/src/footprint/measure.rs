//! Measures the footprint of servers.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use harness::record::Measurement;
use harness::{port, text, usage};

use super::NON_READING_PREFIX;
use super::strace::{self, Counts};
use crate::load::Plan;
use crate::servers::{Launcher, Participant, Server, Settings};
use crate::suite::WORKERS;

/// The number of connections that a server permits in addition to the non-reading clients.
const OTHER_CLIENTS: u64 = 50;

/// The chunk size of a server that has non-reading clients, in bytes. The value is the default
/// chunk size of copy mode.
const NON_READING_CHUNK_BYTES: u64 = 64 * 1024;

/// The interval between two measurements of a server's memory. If the memory grows by at most
/// [`SETTLED_RATIO`] within this interval, the server has completed its work for new clients.
const SETTLE_INTERVAL: Duration = Duration::from_millis(200);
const SETTLED_RATIO: f64 = 1.01;

/// The maximum number of times that the memory of a server is measured until it hardly grows.
const SETTLE_CHECKS_MAX: usize = 25;

/// The maximum number of clients per timed job. The clients connect one after another.
const FETCHES_MAX: u64 = 200;

/// The clients of a measurement, which read nothing while the server is measured.
#[derive(Clone, Copy, Debug)]
pub struct NonReading {
    /// The number of clients.
    pub clients: u64,
    /// The size of the receive buffer that each client requests, in bytes. The kernel doubles this
    /// size.
    pub buffer_bytes: usize,
    /// The length of the file, in bytes. The kernel must accept less data than this length per
    /// client, so that the server always has unsent data.
    pub file_bytes: u64,
}

/// Measures the footprint of one server after another.
#[derive(Debug)]
pub struct Footprints {
    launcher: Launcher,
    /// The numbers of system calls that each server needs for a start and a shutdown without a
    /// client.
    without_client: HashMap<String, Counts>,
    job_time: Duration,
    is_tracing: bool,
}

impl Footprints {
    /// Creates a temporary folder in `folder` for the files of the servers. The timed part of each
    /// job takes approximately `job_time`. [`Launcher::new`] describes `program`.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be created.
    pub fn new(
        program: PathBuf,
        folder: &Path,
        job_time: Duration,
        is_tracing: bool,
    ) -> io::Result<Self> {
        let launcher = Launcher::new(program, folder)?;
        Ok(Self { launcher, without_client: HashMap::new(), job_time, is_tracing })
    }

    /// Measures a server that sends a file of `file_bytes` bytes to one client at a time. `chunk`
    /// is the name of the chunk size, such as `64KiB`. Then starts the server a second time and
    /// counts its system calls while the server serves one client.
    ///
    /// # Errors
    ///
    /// Fails if the server does not start, or if a reply is incorrect.
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
                let mut server = self.launcher.start(participant, &served, settings)?;
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

    /// Measures the resources that a server and its sockets use while `clients` clients read
    /// nothing. Then lets all clients read the whole reply.
    ///
    /// # Errors
    ///
    /// Fails if the server does not start, or if a reply is incorrect.
    pub fn measure_non_reading(
        &mut self,
        participant: &Participant,
        NonReading { clients, buffer_bytes, file_bytes }: NonReading,
    ) -> io::Result<Vec<Measurement>> {
        let served = self.launcher.file(file_bytes)?;
        let connections_max = Some(clients + OTHER_CLIENTS);
        let settings = Settings { connections_max, ..settings(NON_READING_CHUNK_BYTES) };
        let server = self.launcher.start(participant, &served, settings)?;
        // nginx sends nothing before it has received a request.
        let plan = if participant.has_chunk_size() { plan(&server) } else { server.plan() };
        let id = format!("{NON_READING_PREFIX}{clients}/{}", participant.name);
        let bytes_without = server.memory_bytes()?;
        let inspect = || {
            let (memory_bytes, threads) = settled(&server)?;
            let complete = port::unacknowledged(server.port());
            if complete > 0 {
                let message =
                    format!("the kernel accepted the whole replies of {complete} clients");
                return Err(io::Error::other(message));
            }
            let kernel = kernel_memory(&server);
            let values = [("memory_bytes", memory_bytes as f64), ("threads", threads as f64)];
            let without = [("memory_bytes_without_clients", bytes_without as f64)];
            Ok(values.into_iter().chain(without).chain(kernel).collect::<Vec<_>>())
        };
        let (_, values) =
            server.with_non_reading_clients((clients, buffer_bytes), plan, inspect)?;
        Ok(measurements(&id, values))
    }
}

/// Returns the resources that the kernel uses for a server. The list does not contain resources
/// that cannot be read.
fn kernel_memory(server: &Server) -> Vec<(&'static str, f64)> {
    let pids = server.pids();
    let [of_server, of_clients] = ["sport", "dport"].map(|end| socket_bytes(end, server.port()));
    let values = [
        ("descriptors", usage::descriptors(&pids).map(|count| count as f64)),
        ("page_table_bytes", usage::page_table_bytes(&pids).map(|bytes| bytes as f64)),
        ("server_socket_bytes", of_server.map(|bytes| bytes as f64)),
        ("client_socket_bytes", of_clients.map(|bytes| bytes as f64)),
        ("tcp_pressure", usage::tcp_memory_pressure()),
    ];
    values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Returns the memory that the kernel has reserved for the data of all connections whose source
/// port (`sport`) or destination port (`dport`) is `port`. Returns `None` if `ss` is not installed.
fn socket_bytes(end: &str, port: u16) -> Option<u64> {
    let filter = format!("{end} = :{port}");
    let output = Command::new("ss").args(["-Htnm", &filter]).stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().map(skmem_bytes).sum())
}

/// Returns the memory of a socket from a line of `ss -m`: the receive queue (`r`), the send queue
/// (`w`) and the reserve (`f`) in `skmem:(r0,rb131072,t0,tb87040,f0,w0,o0,bl0,d0)`.
fn skmem_bytes(line: &str) -> u64 {
    let fields = line.split_once("skmem:(").map_or("", |(_, fields)| fields);
    let value = |field: &str| {
        let number = field.trim_end_matches(')').strip_prefix(['r', 'w', 'f'])?;
        number.parse::<u64>().ok()
    };
    fields.split(',').filter_map(value).sum()
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

/// Measures a server that serves one client at a time. Returns the measured values. Each pair
/// contains the name of a quantity and its value.
fn measure_times(server: &Server, job_time: Duration) -> io::Result<[(&'static str, f64); 7]> {
    // The first client verifies the whole reply. The time that this client needs determines the
    // number of clients in the timed part.
    let first = server.load(plan(server))?;
    let fetches = (job_time.as_secs_f64() / first.wall_s.max(1e-6)).ceil() as u64;
    let fetches = fetches.clamp(1, FETCHES_MAX);
    // The context switches of threads that have ended are not counted.
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

/// Waits until the memory of a server hardly grows. Returns the memory of the server in bytes, and
/// the number of its threads.
fn settled(server: &Server) -> io::Result<(u64, u64)> {
    let mut before = 0;
    for _ in 0..SETTLE_CHECKS_MAX {
        thread::sleep(SETTLE_INTERVAL);
        let now = server.memory_bytes()?;
        if now as f64 <= before as f64 * SETTLED_RATIO {
            break;
        }
        before = now;
    }
    Ok((server.memory_bytes()?, usage::threads(&server.pids()).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::skmem_bytes;

    #[test]
    fn the_memory_of_a_socket_is_its_queues_and_its_reserve() {
        let line = "\t skmem:(r100,rb131072,t7,tb87040,f20,w3,o0,bl5,d0) timer:(on,1min,0)";
        assert_eq!(skmem_bytes(line), 123);
        assert_eq!(skmem_bytes("ESTAB 0 0 127.0.0.1:80 127.0.0.1:4000"), 0);
    }
}
