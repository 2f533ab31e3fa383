//! Runs the scenarios of the race.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use benches::load::Report;
use benches::race::Values;
use benches::servers::{Kind, Launcher, Participant, ServedFile, Server, Settings};
use clap::ValueEnum;
use harness::{port, text, usage};

/// A kind of load. The command line and the records use the names of the scenarios.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// One client receives the large file.
    Large,
    /// Several clients at a time receive `river.webp`.
    River,
    /// One client receives a file in chunks of one byte.
    Bytes,
    /// Many clients read nothing during the measurement. Then the clients read the whole reply.
    #[value(alias = "held")]
    NonReading,
    /// The scenarios `Large` and `River`, each with a log and without a log.
    Log,
}

/// The length of the file in [`Scenario::Bytes`], in bytes.
const ONE_BYTE_CHUNKS: u64 = 100_000;

/// The length of the file that non-reading clients request, in bytes. The kernel accepts less data
/// than this length per client, so that the server always has unsent data. With
/// [`RECEIVE_BUFFER_BYTES`] and small segments, the kernel accepts 107 kB per client and uses 121
/// KiB of memory (Linux 6.18, 9,900 clients). Each measurement checks that the server has unsent
/// data.
const FILE_BYTES: u64 = 192 * 1024;

/// The length of the file that non-reading clients request from std, in bytes. std has fewer
/// clients than the other servers. With fewer clients, the kernel may accept more data per client.
/// In a test, the kernel accepted up to 260 kB per client.
const STD_FILE_BYTES: u64 = 512 * 1024;

/// The size of the receive buffer that a non-reading client requests, in bytes. The kernel doubles
/// this size.
///
/// With this buffer size and small segments, the kernel drops hardly any segments. With a buffer of
/// twice this size, or with segments of at least 800 bytes, the kernel dropped tens of thousands of
/// segments at the start of the replies. If the system's congestion control is BBR, some clients
/// need more time than others to receive the end of the reply, because BBR estimates a low
/// bandwidth.
const RECEIVE_BUFFER_BYTES: usize = 4 * 1024;

/// The maximum number of rounds of [`Scenario::NonReading`]. This scenario takes more time than the
/// other scenarios, and its values hardly change between rounds.
const NON_READING_ROUNDS: usize = 5;

/// The maximum number of non-reading clients of std. std has two threads per client. Each thread
/// needs memory areas for its stack, and Linux limits the number of memory areas per process.
const STD_CLIENTS_MAX: u64 = 2_000;

/// The number of connections that a server permits in addition to the non-reading clients.
const OTHER_CLIENTS: u64 = 50;

/// The time to wait after the last client has connected. After this time, the server has completed
/// all its work for the new clients.
const SETTLE_TIME: Duration = Duration::from_millis(300);

/// The number of new clients whose median latency is measured. These clients connect one after
/// another.
const NEW_CLIENTS: u64 = 15;

/// The number of connections in the warm-up of [`Job::River`]. The duration of the warm-up
/// determines the number of connections per measurement.
const RIVER_WARM_UP: u64 = 300;

/// The maximum number of clients that receive the large file in one measurement.
const LARGE_FETCHES_MAX: u64 = 20;

/// The sizes of files, the numbers of clients, and the duration of jobs.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Sizes {
    /// Size of the large file
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = text::positive_bytes)]
    pub large_size: u64,

    /// Number of concurrent clients
    ///
    /// This option applies to the scenarios `river` and `log`.
    #[arg(long, value_name = "N", default_value = "16")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub river_clients: u64,

    /// Number of non-reading clients
    ///
    /// std gets at most 2000 clients, because std has two threads per client.
    #[arg(long, alias = "held-clients", value_name = "N", default_value = "9900")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub non_reading_clients: u64,

    /// Approximate duration of each job
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = text::duration)]
    pub job_time: Duration,
}

impl Scenario {
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Returns the number of rounds of this scenario in a race of `all` rounds.
    pub fn rounds(self, all: usize) -> usize {
        if self == Self::NonReading { all.min(NON_READING_ROUNDS) } else { all }
    }

    /// Returns whether a server supports this scenario.
    pub fn applies_to(self, participant: &Participant) -> bool {
        match self {
            Self::Large | Self::River => true,
            Self::Bytes => participant.has_chunk_size(),
            // The baseline serves one client at a time.
            Self::NonReading => !matches!(participant.kind, Kind::Baseline),
            Self::Log => participant.approach().is_some(),
        }
    }
}

/// A timed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Job {
    /// One client at a time receives the large file.
    Large,
    /// Several clients at a time receive `river.webp`.
    River,
}

/// Starts the servers and runs the scenarios.
#[derive(Debug)]
pub struct Runner {
    sizes: Sizes,
    launcher: Launcher,
    river: ServedFile,
    /// The number of connections per job and server. The warm-up estimates how many connections the
    /// server can serve in the job time.
    counts: HashMap<(Job, String), u64>,
}

impl Runner {
    pub fn new(launcher: Launcher, sizes: Sizes) -> io::Result<Self> {
        let river = launcher.folder().join("river.webp");
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
        fs::copy(assets.join("river.webp"), &river)?;
        Ok(Self { sizes, launcher, river: ServedFile::new(river)?, counts: HashMap::new() })
    }

    /// Checks that a server starts and sends a file.
    pub fn check(&self, participant: &Participant) -> io::Result<()> {
        self.start(participant, &self.river, Settings::default(), true).map(|_| ())
    }

    /// Starts a server. One client then verifies the length of the reply and, if `verifies_hash` is
    /// true, its hash.
    fn start(
        &self,
        participant: &Participant,
        served: &ServedFile,
        settings: Settings<'_>,
        verifies_hash: bool,
    ) -> io::Result<Server> {
        let server = self.launcher.start(participant, served, settings)?;
        let mut plan = server.plan();
        plan.is_discarding = !verifies_hash;
        server.load(plan)?;
        Ok(server)
    }

    /// Runs the jobs of a scenario once and computes the number of connections for the
    /// measurements.
    pub fn warm_up(&mut self, scenario: Scenario, participant: &Participant) -> io::Result<()> {
        let jobs: &[Job] = match scenario {
            Scenario::Large => &[Job::Large],
            Scenario::River => &[Job::River],
            Scenario::Log => &[Job::Large, Job::River],
            Scenario::Bytes | Scenario::NonReading => &[],
        };
        for &job in jobs {
            let key = (job, participant.name.clone());
            if self.counts.contains_key(&key) {
                continue;
            }
            let count = if job == Job::Large { 1 } else { RIVER_WARM_UP };
            let (report, _) = self.run(job, participant, (Settings::default(), true), count)?;
            let job_s = self.sizes.job_time.as_secs_f64();
            let count = match job {
                Job::Large => {
                    let fetches = (job_s / report.wall_s.max(1e-6)).ceil() as u64;
                    fetches.clamp(1, LARGE_FETCHES_MAX)
                }
                Job::River => {
                    let connections = (job_s * report.connections_per_s) as u64;
                    connections.max(2 * self.sizes.river_clients)
                }
            };
            self.counts.insert(key, count);
        }
        Ok(())
    }

    /// Returns the number of connections that a server can serve in approximately the job time.
    fn count(&self, job: Job, participant: &Participant) -> u64 {
        self.counts.get(&(job, participant.name.clone())).copied().unwrap_or(1)
    }

    /// Runs a job with this number of connections. Returns the client's report, and the server's
    /// CPU time in seconds.
    fn run(
        &mut self,
        job: Job,
        participant: &Participant,
        (settings, verifies_hash): (Settings<'_>, bool),
        connections: u64,
    ) -> io::Result<(Report, f64)> {
        let (served, at_once) = match job {
            Job::Large => (self.launcher.file(self.sizes.large_size)?, 1),
            Job::River => (self.river.clone(), self.sizes.river_clients),
        };
        let server = self.start(participant, &served, settings, verifies_hash)?;
        server.time(server.plan().with_connections(connections, at_once))
    }

    /// Starts a server and measures it in one round of a scenario.
    ///
    /// # Errors
    ///
    /// Fails if the server does not start, or if a reply is incorrect.
    pub fn measure(
        &mut self,
        scenario: Scenario,
        participant: &Participant,
        round: usize,
    ) -> io::Result<Values> {
        let settings = (Settings::default(), true);
        match scenario {
            Scenario::Large | Scenario::River => {
                let job = if scenario == Scenario::Large { Job::Large } else { Job::River };
                let connections = self.count(job, participant);
                let (report, cpu_s) = self.run(job, participant, settings, connections)?;
                let Report { gb_per_s, connections_per_s, completed, bytes, .. } = report;
                let mut values = values(&report, cpu_s);
                values.extend(match job {
                    Job::Large => {
                        [("gb_per_s", gb_per_s), ("gb_per_cpu_s", bytes as f64 / 1e9 / cpu_s)]
                    }
                    Job::River => [
                        ("connections_per_s", connections_per_s),
                        ("connections_per_cpu_s", completed as f64 / cpu_s),
                    ],
                });
                Ok(values)
            }
            Scenario::Bytes => {
                let settings = Settings { chunk_bytes: Some(1), ..Settings::default() };
                let served = self.launcher.file(ONE_BYTE_CHUNKS)?;
                let server = self.start(participant, &served, settings, true)?;
                let (report, cpu_s) = server.time(server.plan())?;
                Ok(values(&report, cpu_s))
            }
            Scenario::NonReading => self.measure_non_reading(participant),
            Scenario::Log => self.measure_log(participant, round),
        }
    }

    fn measure_non_reading(&mut self, participant: &Participant) -> io::Result<Values> {
        let has_threads = participant.approach().is_some_and(|approach| !approach.has_workers);
        let (clients, bytes) = match has_threads {
            true => (self.sizes.non_reading_clients.min(STD_CLIENTS_MAX), STD_FILE_BYTES),
            false => (self.sizes.non_reading_clients, FILE_BYTES),
        };
        let served = self.launcher.file(bytes)?;
        let connections_max = Some(clients + OTHER_CLIENTS);
        let settings = Settings { connections_max, ..Settings::default() };
        let server = self.start(participant, &served, settings, true)?;
        let latency_without_ms = latency_ms(&server)?;
        let bytes_without = server.memory_bytes()? as f64;
        let inspect = || inspect_server(&server);
        let amount = (clients, RECEIVE_BUFFER_BYTES);
        let (report, (bytes_with, latency_with_ms, tcp_memory)) =
            server.with_non_reading_clients(amount, server.plan(), inspect)?;
        let mut values = Values::from([
            ("clients", clients as f64),
            ("complete_replies", report.completed as f64),
            ("kib_per_client", (bytes_with as f64 - bytes_without) / 1024.0 / clients as f64),
            ("memory_without_mib", bytes_without / 1024.0 / 1024.0),
            ("latency_without_ms", latency_without_ms),
            ("latency_with_ms", latency_with_ms),
            ("latency_ratio", latency_with_ms / latency_without_ms),
            ("wall_s", report.wall_s),
        ]);
        values.extend(tcp_memory.map(|ratio| ("tcp_pressure", ratio)));
        Ok(values)
    }

    /// Runs each job once with a log and once without a log. In every second round, the job without
    /// a log runs first.
    fn measure_log(&mut self, participant: &Participant, round: usize) -> io::Result<Values> {
        let order = if round % 2 == 0 { [false, true] } else { [true, false] };
        let mut values = Values::new();
        for job in [Job::Large, Job::River] {
            let (min, [json, off, ratio]) = match job {
                Job::Large => (1, ["json_gb_per_s", "off_gb_per_s", "large_ratio"]),
                Job::River => (
                    self.sizes.river_clients,
                    ["json_connections_per_s", "off_connections_per_s", "river_ratio"],
                ),
            };
            let connections = (self.count(job, participant) / 2).max(min);
            for is_quiet in order {
                let settings = (Settings { is_quiet, ..Settings::default() }, job == Job::River);
                let (report, _) = self.run(job, participant, settings, connections)?;
                let is_large = job == Job::Large;
                let speed = if is_large { report.gb_per_s } else { report.connections_per_s };
                values.insert(if is_quiet { off } else { json }, speed);
            }
            values.insert(ratio, values[json] / values[off]);
        }
        Ok(values)
    }
}

/// Returns the values that every timed job reports. These values show whether the client was the
/// bottleneck.
fn values(report: &Report, cpu_s: f64) -> Values {
    let mut values = Values::from([
        ("wall_s", report.wall_s),
        ("server_cpu_s", cpu_s),
        ("connections", report.completed as f64),
    ]);
    values.extend(report.cpu_s.map(|cpu_s| ("client_cpu_s", cpu_s)));
    values
}

/// Measures a server while clients read nothing. Returns the memory of the server in bytes, the
/// latency of a new client in milliseconds, and the system's TCP memory divided by its limit.
fn inspect_server(server: &Server) -> io::Result<(u64, f64, Option<f64>)> {
    thread::sleep(SETTLE_TIME);
    let bytes = server.memory_bytes()?;
    let tcp_memory = usage::tcp_memory_pressure();
    let complete = port::unacknowledged(server.port());
    if complete > 0 {
        let message =
            format!("the kernel accepted the whole replies of {complete} non-reading clients");
        return Err(io::Error::other(message));
    }
    Ok((bytes, latency_ms(server)?, tcp_memory))
}

/// Returns the median latency of new clients in milliseconds. The latency is the time from
/// connecting to the end of the reply. The clients connect one after another and read immediately.
fn latency_ms(server: &Server) -> io::Result<f64> {
    let report = server.load(server.plan().with_connections(NEW_CLIENTS, 1))?;
    let median = report.end_us.ok_or_else(|| io::Error::other("no new client received a reply"))?;
    Ok(median.p50 as f64 / 1000.0)
}
