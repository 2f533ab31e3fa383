//! The measurements of the race.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use benches::load::Report;
use benches::servers::{Kind, Launcher, Participant, Served, Server, Settings};
use bytesize::ByteSize;
use clap::ValueEnum;
use harness::{port, text, usage};

/// What is measured, by its name in the command line and in records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Measure {
    Large,
    River,
    Bytes,
    Held,
    Log,
}

/// The values of one server in one round, by figure. The name of a figure ends in its unit.
pub type Figures = BTreeMap<&'static str, f64>;

/// The number of bytes that are sent one at a time.
const BYTES_BYTES: u64 = 100_000;

/// More bytes than the kernel accepts for a client that reads nothing, so that the server always has
/// something left to send. With [`HELD_BUFFER_BYTES`] and small segments, the kernel accepts 107 kB
/// and uses 121 KiB of memory (Linux 6.18, 9,900 clients). Each measurement checks that the server
/// has something left.
const HELD_BYTES: u64 = 192 * 1024;

/// The same for few clients, for each of which the kernel may accept more: up to 260 kB were seen.
const HELD_BYTES_OF_FEW: u64 = 512 * 1024;

/// The receive buffer of a non-reading client, which the kernel doubles. With small segments, the
/// kernel drops hardly any segment. With twice the buffer, or segments of 800 bytes and more, it
/// dropped tens of thousands of the first ones. If BBR is the congestion control of the system, a
/// few clients nevertheless need longer at the end, because BBR learns that the network is slow.
const HELD_BUFFER_BYTES: usize = 4 * 1024;

/// This measurement takes longest, and memory hardly changes from round to round.
const HELD_ROUNDS: usize = 5;

/// The maximum number of clients if the server has two threads per client. The number of mappings
/// per process is limited.
const HELD_CLIENTS_WITH_THREADS: u64 = 2_000;

/// Connections in addition to those of the non-reading clients.
const OTHER_CLIENTS: u64 = 50;

/// After this time, a server has done all its work for new clients.
const SETTLE_TIME: Duration = Duration::from_millis(300);

/// The number of new clients, one after the other, whose median latency is measured.
const NEW_CLIENTS: u64 = 15;

/// Connections from whose duration the number of connections is computed.
const RIVER_WARM_UP: u64 = 300;

/// The maximum number of fetches of the large file.
const LARGE_FETCHES_MAX: u64 = 20;

/// How much is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Sizes {
    /// Size of the large file
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    pub large_size: ByteSize,

    /// Clients at the same time
    ///
    /// This is the number of clients of the measurements `river` and `log`.
    #[arg(long, value_name = "N", default_value = "16")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub river_clients: u64,

    /// Non-reading clients
    ///
    /// std has at most 2000, because it has two threads per client.
    #[arg(long, value_name = "N", default_value = "9900")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub held_clients: u64,

    /// Approximate duration of a timed job
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = text::duration)]
    pub job_time: Duration,
}

fn size(text: &str) -> Result<ByteSize, String> {
    text::positive_bytes(text).map(ByteSize)
}

impl Measure {
    pub fn name(self) -> &'static str {
        match self {
            Self::Large => "large",
            Self::River => "river",
            Self::Bytes => "bytes",
            Self::Held => "held",
            Self::Log => "log",
        }
    }

    /// Returns in how many rounds this is measured.
    pub fn rounds(self, all: usize) -> usize {
        if self == Self::Held { all.min(HELD_ROUNDS) } else { all }
    }

    /// Whether this can be measured for a server.
    pub fn applies_to(self, participant: &Participant) -> bool {
        match self {
            Self::Large | Self::River => true,
            Self::Bytes => participant.has_chunk_size(),
            // The baseline serves one client at a time.
            Self::Held => !matches!(participant.kind, Kind::Baseline),
            Self::Log => participant.approach().is_some(),
        }
    }

    /// Returns the approximate duration for one server, in seconds, as measured on two cores.
    pub fn expected_s(self, participant: &Participant, sizes: &Sizes) -> f64 {
        let job_s = sizes.job_time.as_secs_f64();
        match (self, &participant.kind) {
            (Self::Large, _) => job_s + 1.5,
            (Self::River, _) => job_s + 0.4,
            (Self::Bytes, Kind::Node) => 5.0,
            (Self::Bytes, _) => 1.0,
            (Self::Held, _) => 1.0 + 14.0 * sizes.held_clients as f64 / 10_000.0,
            (Self::Log, _) => 2.0 * job_s + 2.5,
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

/// What a timed job needed.
struct Timed {
    report: Report,
    cpu_s: f64,
}

/// The files and the sizes of the race, and how often each server does each job.
#[derive(Debug)]
pub struct Course {
    pub sizes: Sizes,
    launcher: Launcher,
    large: Served,
    river: Served,
    bytes: Served,
    held: Served,
    held_few: Served,
    counts: HashMap<(Job, String), u64>,
}

/// Siblings log by default, and so do all other servers.
const LOGGING: Settings<'static> = Settings {
    chunk_bytes: None,
    workers: None,
    connections_max: None,
    is_logging: true,
    prefix: &[],
};

impl Course {
    /// Makes the files that the measurements need.
    pub fn new(launcher: Launcher, measures: &[Measure], sizes: Sizes) -> io::Result<Self> {
        let river = launcher.folder().join("river.webp");
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
        std::fs::copy(assets.join("river.webp"), &river)?;
        let needs_large = measures.iter().any(|it| matches!(it, Measure::Large | Measure::Log));
        let large_bytes = if needs_large { sizes.large_size.as_u64() } else { 0 };
        Ok(Self {
            sizes,
            large: launcher.make_file("large.bin", large_bytes)?,
            river: Served::new(river)?,
            bytes: launcher.make_file("bytes.bin", BYTES_BYTES)?,
            held: launcher.make_file("held.bin", HELD_BYTES)?,
            held_few: launcher.make_file("held-few.bin", HELD_BYTES_OF_FEW)?,
            counts: HashMap::new(),
            launcher,
        })
    }

    /// Checks that a server starts and sends a file.
    pub fn check(&self, participant: &Participant) -> io::Result<()> {
        self.start(participant, &self.river, LOGGING, true).map(|_| ())
    }

    /// Starts a server. One client verifies the hash of the reply, or only its length.
    fn start(
        &self,
        participant: &Participant,
        served: &Served,
        settings: Settings<'_>,
        verifies_hash: bool,
    ) -> io::Result<Server> {
        let server = self.launcher.start(participant, served, settings)?;
        let mut plan = server.plan();
        plan.is_discarding = !verifies_hash;
        server.load(plan)?;
        Ok(server)
    }

    /// Runs the jobs of a measurement once, and computes how often the server does them.
    pub fn warm_up(&mut self, measure: Measure, participant: &Participant) -> io::Result<()> {
        let jobs: &[Job] = match measure {
            Measure::Large => &[Job::Large],
            Measure::River => &[Job::River],
            Measure::Log => &[Job::Large, Job::River],
            Measure::Bytes | Measure::Held => &[],
        };
        for &job in jobs {
            let key = (job, participant.name.clone());
            if !self.counts.contains_key(&key) {
                let job_s = self.sizes.job_time.as_secs_f64();
                let count = match job {
                    Job::Large => {
                        let timed = self.run(job, participant, LOGGING, 1)?;
                        let fetches = (job_s / timed.report.wall_s.max(1e-6)).ceil() as u64;
                        fetches.clamp(1, LARGE_FETCHES_MAX)
                    }
                    Job::River => {
                        let timed = self.run(job, participant, LOGGING, RIVER_WARM_UP)?;
                        let connections = (job_s * timed.report.connections_per_s) as u64;
                        connections.max(2 * self.sizes.river_clients)
                    }
                };
                self.counts.insert(key, count);
            }
        }
        Ok(())
    }

    fn count(&self, job: Job, participant: &Participant) -> u64 {
        self.counts.get(&(job, participant.name.clone())).copied().unwrap_or(1)
    }

    /// Measures a server, which is started for this measurement.
    pub fn measure(
        &self,
        measure: Measure,
        participant: &Participant,
        round: usize,
    ) -> io::Result<Figures> {
        match measure {
            Measure::Large => {
                let fetches = self.count(Job::Large, participant);
                let Timed { report, cpu_s } =
                    self.run(Job::Large, participant, LOGGING, fetches)?;
                let gb_per_cpu_s = report.bytes as f64 / 1e9 / cpu_s;
                let rates = [("gb_per_s", report.gb_per_s), ("gb_per_cpu_s", gb_per_cpu_s)];
                Ok(figures(&report, cpu_s).into_iter().chain(rates).collect())
            }
            Measure::River => {
                let connections = self.count(Job::River, participant);
                let Timed { report, cpu_s } =
                    self.run(Job::River, participant, LOGGING, connections)?;
                let per_cpu_s = report.completed as f64 / cpu_s;
                let rates = [
                    ("connections_per_s", report.connections_per_s),
                    ("connections_per_cpu_s", per_cpu_s),
                ];
                Ok(figures(&report, cpu_s).into_iter().chain(rates).collect())
            }
            Measure::Bytes => {
                let settings = Settings { chunk_bytes: Some(1), ..LOGGING };
                let server = self.start(participant, &self.bytes, settings, true)?;
                let Timed { report, cpu_s } = time(&server, (1, 1))?;
                Ok(figures(&report, cpu_s))
            }
            Measure::Held => self.measure_held(participant),
            Measure::Log => self.measure_log(participant, round),
        }
    }

    /// Runs a job with a number of connections.
    fn run(
        &self,
        job: Job,
        participant: &Participant,
        settings: Settings<'_>,
        connections: u64,
    ) -> io::Result<Timed> {
        let (served, at_once) = match job {
            Job::Large => (&self.large, 1),
            Job::River => (&self.river, self.sizes.river_clients),
        };
        let server = self.start(participant, served, settings, true)?;
        time(&server, (connections, at_once))
    }

    fn measure_held(&self, participant: &Participant) -> io::Result<Figures> {
        let has_threads = participant.approach().is_some_and(|approach| !approach.has_workers);
        let (clients, served) = match has_threads {
            true => (self.sizes.held_clients.min(HELD_CLIENTS_WITH_THREADS), &self.held_few),
            false => (self.sizes.held_clients, &self.held),
        };
        let settings = Settings { connections_max: Some(clients + OTHER_CLIENTS), ..LOGGING };
        let server = self.start(participant, served, settings, true)?;
        let latency_without_ms = latency_ms(&server)?;
        let bytes_without = server.memory_bytes()?;
        let look = || look_at_held(&server);
        let amount = (clients, HELD_BUFFER_BYTES);
        let (report, (bytes_with, latency_with_ms, tcp_memory)) =
            server.with_non_reading_clients(amount, server.plan(), look)?;
        let added_kib = (bytes_with as f64 - bytes_without as f64) / 1024.0;
        let mut figures = Figures::from([
            ("clients", clients as f64),
            ("served_whole", report.completed as f64),
            ("kib_per_client", added_kib / clients as f64),
            ("idle_mib", bytes_without as f64 / 1024.0 / 1024.0),
            ("fresh_idle_ms", latency_without_ms),
            ("fresh_held_ms", latency_with_ms),
            ("fresh_ms_ratio", latency_with_ms / latency_without_ms),
            ("whole_job_s", report.wall_s),
        ]);
        figures.extend(tcp_memory.map(|ratio| ("tcp_pressure", ratio)));
        Ok(figures)
    }

    /// Runs each job with and without a log, immediately after each other. The order changes in each
    /// round.
    fn measure_log(&self, participant: &Participant, round: usize) -> io::Result<Figures> {
        let order = if round % 2 == 0 { [true, false] } else { [false, true] };
        let half = |job, min: u64| (self.count(job, participant) / 2).max(min);
        let connections = half(Job::River, self.sizes.river_clients);
        let mut figures = Figures::new();
        for is_logging in order {
            let settings = Settings { is_logging, ..LOGGING };
            let server = self.start(participant, &self.large, settings, false)?;
            let report = time(&server, (half(Job::Large, 1), 1))?.report;
            let name = if is_logging { "json_gb_per_s" } else { "off_gb_per_s" };
            figures.insert(name, report.gb_per_s);
        }
        for is_logging in order {
            let settings = Settings { is_logging, ..LOGGING };
            let report = self.run(Job::River, participant, settings, connections)?.report;
            let name = if is_logging { "json_connections_per_s" } else { "off_connections_per_s" };
            figures.insert(name, report.connections_per_s);
        }
        let ratio = |json: &str, off: &str| figures[json] / figures[off];
        let large = ratio("json_gb_per_s", "off_gb_per_s");
        let river = ratio("json_connections_per_s", "off_connections_per_s");
        figures.extend([("large_ratio", large), ("river_ratio", river)]);
        Ok(figures)
    }
}

/// Connects clients, a number in total and a number at the same time. They discard the data.
fn time(server: &Server, (total, at_once): (u64, u64)) -> io::Result<Timed> {
    let mut plan = server.plan().with_connections(total, at_once);
    plan.is_discarding = true;
    let before = server.cpu_times()?;
    let report = server.load(plan)?;
    Ok(Timed { report, cpu_s: server.cpu_s_since(&before)? })
}

/// Returns the figures of every timed job. They show whether the client was the bottleneck.
fn figures(report: &Report, cpu_s: f64) -> Figures {
    let mut figures = Figures::from([
        ("wall_s", report.wall_s),
        ("server_cpu_s", cpu_s),
        ("connections", report.completed as f64),
    ]);
    figures.extend(report.cpu_s.map(|cpu_s| ("client_cpu_s", cpu_s)));
    figures
}

/// Returns the memory of the server, the latency of a new client, and the used part of the TCP memory
/// of the system while clients read nothing.
fn look_at_held(server: &Server) -> io::Result<(u64, f64, Option<f64>)> {
    thread::sleep(SETTLE_TIME);
    let bytes = server.memory_bytes()?;
    let tcp_memory = usage::tcp_memory_pressure();
    let complete = port::unacknowledged(server.port());
    if complete > 0 {
        let message = format!("the kernel accepted the whole file for {complete} clients");
        return Err(io::Error::other(message));
    }
    Ok((bytes, latency_ms(server)?, tcp_memory))
}

/// Returns the median latency of clients that read immediately, one after the other.
fn latency_ms(server: &Server) -> io::Result<f64> {
    let report = server.load(server.plan().with_connections(NEW_CLIENTS, 1))?;
    let median = report.end_us.ok_or_else(|| io::Error::other("no client was served"))?;
    Ok(median.p50 as f64 / 1000.0)
}
