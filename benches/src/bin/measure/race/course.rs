//! The measurements of the race.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use benches::load::Report;
use benches::race::Figures;
use benches::servers::{Kind, Launcher, Participant, Served, Server, Settings};
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

const BYTES_BYTES: u64 = 100_000;

/// More bytes than the kernel accepts for a client that reads nothing, so that the server always
/// has something left to send. With [`HELD_BUFFER_BYTES`] and small segments, the kernel accepts
/// 107 kB and uses 121 KiB of memory (Linux 6.18, 9,900 clients). Each measurement checks that the
/// server has something left.
const HELD_BYTES: u64 = 192 * 1024;

/// The same for few clients, for each of which the kernel may accept more: up to 260 kB in a test.
const HELD_BYTES_OF_FEW: u64 = 512 * 1024;

/// The receive buffer of a non-reading client, which the kernel doubles. With small segments, the
/// kernel drops hardly any segment. With twice the buffer, or segments of 800 bytes and more, it
/// dropped tens of thousands of the first ones. If BBR is the congestion control of the system, a
/// few clients nevertheless need longer at the end, because BBR estimates a low bandwidth.
const HELD_BUFFER_BYTES: usize = 4 * 1024;

/// The maximum number of rounds of `held`. It takes longest, and memory hardly changes between
/// rounds.
const HELD_ROUNDS: usize = 5;

/// The maximum number of clients if the server has two threads per client. The number of mappings
/// per process is limited.
const HELD_CLIENTS_WITH_THREADS: u64 = 2_000;

/// Connections in addition to those of the non-reading clients.
const OTHER_CLIENTS: u64 = 50;

/// The time after which a server has done all its work for new clients.
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
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = text::positive_bytes)]
    pub large_size: u64,

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

impl Measure {
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
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
}

/// A timed job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Job {
    /// One client at a time receives the large file.
    Large,
    /// Several clients at a time receive `river.webp`.
    River,
}

/// The files and the sizes of the race, and how often each server does each job.
#[derive(Debug)]
pub struct Course {
    sizes: Sizes,
    launcher: Launcher,
    river: Served,
    counts: HashMap<(Job, String), u64>,
}

impl Course {
    pub fn new(launcher: Launcher, sizes: Sizes) -> io::Result<Self> {
        let river = launcher.folder().join("river.webp");
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
        fs::copy(assets.join("river.webp"), &river)?;
        Ok(Self { sizes, launcher, river: Served::new(river)?, counts: HashMap::new() })
    }

    /// Checks that a server starts and sends a file.
    pub fn check(&self, participant: &Participant) -> io::Result<()> {
        self.start(participant, &self.river, Settings::default(), true).map(|_| ())
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

    /// Returns how many times a server does a job within the job time.
    fn count(&self, job: Job, participant: &Participant) -> u64 {
        self.counts.get(&(job, participant.name.clone())).copied().unwrap_or(1)
    }

    /// Runs a job with a number of connections. Also returns the server's CPU time in seconds.
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

    /// Measures a server, which is started for this measurement.
    pub fn measure(
        &mut self,
        measure: Measure,
        participant: &Participant,
        round: usize,
    ) -> io::Result<Figures> {
        let settings = (Settings::default(), true);
        match measure {
            Measure::Large | Measure::River => {
                let job = if measure == Measure::Large { Job::Large } else { Job::River };
                let connections = self.count(job, participant);
                let (report, cpu_s) = self.run(job, participant, settings, connections)?;
                let Report { gb_per_s, connections_per_s, completed, bytes, .. } = report;
                let mut figures = figures(&report, cpu_s);
                figures.extend(match job {
                    Job::Large => {
                        [("gb_per_s", gb_per_s), ("gb_per_cpu_s", bytes as f64 / 1e9 / cpu_s)]
                    }
                    Job::River => [
                        ("connections_per_s", connections_per_s),
                        ("connections_per_cpu_s", completed as f64 / cpu_s),
                    ],
                });
                Ok(figures)
            }
            Measure::Bytes => {
                let settings = Settings { chunk_bytes: Some(1), ..Settings::default() };
                let served = self.launcher.file(BYTES_BYTES)?;
                let server = self.start(participant, &served, settings, true)?;
                let (report, cpu_s) = server.time(server.plan())?;
                Ok(figures(&report, cpu_s))
            }
            Measure::Held => self.measure_held(participant),
            Measure::Log => self.measure_log(participant, round),
        }
    }

    fn measure_held(&mut self, participant: &Participant) -> io::Result<Figures> {
        let has_threads = participant.approach().is_some_and(|approach| !approach.has_workers);
        let (clients, bytes) = match has_threads {
            true => (self.sizes.held_clients.min(HELD_CLIENTS_WITH_THREADS), HELD_BYTES_OF_FEW),
            false => (self.sizes.held_clients, HELD_BYTES),
        };
        let served = self.launcher.file(bytes)?;
        let connections_max = Some(clients + OTHER_CLIENTS);
        let settings = Settings { connections_max, ..Settings::default() };
        let server = self.start(participant, &served, settings, true)?;
        let latency_without_ms = latency_ms(&server)?;
        let bytes_without = server.memory_bytes()? as f64;
        let look = || look_at_held(&server);
        let amount = (clients, HELD_BUFFER_BYTES);
        let (report, (bytes_with, latency_with_ms, tcp_memory)) =
            server.with_non_reading_clients(amount, server.plan(), look)?;
        let mut figures = Figures::from([
            ("clients", clients as f64),
            ("served_whole", report.completed as f64),
            ("kib_per_client", (bytes_with as f64 - bytes_without) / 1024.0 / clients as f64),
            ("idle_mib", bytes_without / 1024.0 / 1024.0),
            ("fresh_idle_ms", latency_without_ms),
            ("fresh_held_ms", latency_with_ms),
            ("fresh_ms_ratio", latency_with_ms / latency_without_ms),
            ("whole_job_s", report.wall_s),
        ]);
        figures.extend(tcp_memory.map(|ratio| ("tcp_pressure", ratio)));
        Ok(figures)
    }

    /// Runs each job with and without a log. The order changes in each round.
    fn measure_log(&mut self, participant: &Participant, round: usize) -> io::Result<Figures> {
        let order = if round % 2 == 0 { [false, true] } else { [true, false] };
        let mut figures = Figures::new();
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
                figures.insert(if is_quiet { off } else { json }, speed);
            }
            figures.insert(ratio, figures[json] / figures[off]);
        }
        Ok(figures)
    }
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

/// Returns the memory of the server, the latency of a new client, and the used part of the TCP
/// memory of the system while clients read nothing.
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
