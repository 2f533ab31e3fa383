//! What is measured, and how.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use benches::load::{Hold, Job, Plan, Report};
use benches::sibling::Sibling;

use crate::peer::{Kind, Peer};
use crate::stage::{Served, Server, Start, USUAL};
use crate::stats::Figures;
use benches::process;

/// A measure, by the name that the command line has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Large,
    River,
    Bytes,
    Held,
    Log,
}

pub const ALL: [Measure; 5] =
    [Measure::Large, Measure::River, Measure::Bytes, Measure::Held, Measure::Log];

/// How large the file is that goes byte by byte.
const BYTES_BYTES: u64 = 100_000;

/// Larger than what the kernel takes for a client that reads nothing, so that servers have to hold
/// it. With [`HELD_SEGMENT_BYTES`] and [`HELD_BUFFER_BYTES`] that was 107 kB, in 121 KiB of its own
/// memory (Linux 6.18, 9,900 clients); as connections are within one machine, it is megabytes. That
/// the server still sends is looked at while they are held.
const HELD_BYTES: u64 = 192 * 1024;

/// The same for so few clients that the kernel may take more for each: up to 260 kB were seen.
const HELD_BYTES_OF_FEW: u64 = 512 * 1024;

/// What every network carries (RFC 9293, 3.7.1).
const HELD_SEGMENT_BYTES: u32 = 536;

/// The kernel doubles it. With these two it drops hardly a segment while clients are held; with twice
/// the buffer, or segments of 800 bytes and more, it dropped tens of thousands of the first ones. A
/// few clients take longer in the end nevertheless where BBR is the system's congestion control: from
/// a hold it learns that the network is slow.
const HELD_BUFFER_BYTES: usize = 4 * 1024;

/// Holding takes longest, and memory hardly changes from round to round.
const HELD_ROUNDS: usize = 5;

/// std has two threads a client otherwise, and a process has only so many mappings.
const HELD_CLIENTS_STD: u64 = 2_000;

/// Fresh clients and the first fetch come on top of those that are held.
const CLIENTS_BESIDES: u64 = 50;

const HELD_TIMEOUT: Duration = Duration::from_secs(120);

/// What a server does on behalf of clients that have just come should be over when its memory is
/// looked at.
const HELD_SETTLES: Duration = Duration::from_millis(300);

/// Clients who come one after another, while the others are held.
const FRESH_CLIENTS: u64 = 15;

/// Connections that tell how many there have to be.
const RIVER_TRIAL: u64 = 300;

/// The most times that the large file is fetched in a row.
const LARGE_FETCHES_MAX: u64 = 20;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    pub large_bytes: u64,
    pub river_clients: u64,
    pub held_clients: u64,
    /// How long a timed job should take, about.
    pub job_time: Duration,
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

    /// How many of so many rounds it takes part in.
    pub fn rounds(self, all: usize) -> usize {
        if self == Self::Held { all.min(HELD_ROUNDS) } else { all }
    }

    /// Why it cannot be asked of a server, if so.
    pub fn is_not_for(self, peer: &Peer) -> Option<&'static str> {
        match self {
            Self::Bytes if !peer.has_chunks() => Some("it has no chunk size"),
            Self::Held if !peer.serves_many() => Some("it serves one client at a time"),
            Self::Log if peer.approach().is_none() => Some("only the kit's own log in two ways"),
            _ => None,
        }
    }

    /// About how long it takes for one server, in seconds; seen on two cores.
    pub fn guess_s(self, peer: &Peer, sizes: &Sizes) -> f64 {
        let job_s = sizes.job_time.as_secs_f64();
        match (self, &peer.kind) {
            (Self::Large, _) => job_s + 1.5,
            (Self::River, _) => job_s + 0.4,
            (Self::Bytes, Kind::Sibling(Sibling { is_zero_copy: true, .. })) => 0.4,
            (Self::Bytes, Kind::Node) => 5.0,
            (Self::Bytes, _) => 1.5,
            (Self::Held, _) => 1.0 + 14.0 * sizes.held_clients as f64 / 10_000.0,
            (Self::Log, _) => 4.0 * job_s / 2.0 + 2.5,
        }
    }
}

/// Files, sizes, and how many times each server does what, so that it takes about as long.
#[derive(Debug)]
pub struct Course {
    pub sizes: Sizes,
    folder: PathBuf,
    large: Option<Served>,
    river: Served,
    bytes: Served,
    held: Served,
    held_few: Served,
    counts: HashMap<(Counted, String), u64>,
}

/// What a count is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Large,
    River,
}

/// A timed job, and what the server used for it.
struct Run {
    report: Report,
    cpu_s: f64,
}

impl Course {
    /// Makes the files that the measures need.
    pub fn new(folder: &Path, measures: &[Measure], sizes: Sizes) -> io::Result<Self> {
        let river = folder.join("river.webp");
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets");
        std::fs::copy(assets.join("river.webp"), &river)?;
        let needs_large = measures.iter().any(|m| matches!(m, Measure::Large | Measure::Log));
        let large = || Served::make(folder.join("large.bin"), sizes.large_bytes);
        Ok(Self {
            sizes,
            folder: folder.to_owned(),
            large: needs_large.then(large).transpose()?,
            river: Served::new(river)?,
            bytes: Served::make(folder.join("bytes.bin"), BYTES_BYTES)?,
            held: Served::make(folder.join("held.bin"), HELD_BYTES)?,
            held_few: Served::make(folder.join("held-few.bin"), HELD_BYTES_OF_FEW)?,
            counts: HashMap::new(),
        })
    }

    /// Whether a server starts and serves, or what it says.
    pub fn try_out(&self, peer: &Peer) -> Result<(), String> {
        self.start(peer, &self.river, USUAL).map(|_| ())
    }

    fn start<'a>(
        &self,
        peer: &Peer,
        served: &'a Served,
        start: Start,
    ) -> Result<Server<'a>, String> {
        Server::start(peer, served, start, &self.folder)
    }

    fn large_file(&self) -> Result<&Served, String> {
        self.large.as_ref().ok_or_else(|| "the large file was not made".to_owned())
    }

    /// Runs once without counting, and finds how much a job has to do.
    pub fn warm_up(&mut self, measure: Measure, peer: &Peer) -> Result<(), String> {
        let needed: &[Counted] = match measure {
            Measure::Large => &[Counted::Large],
            Measure::River => &[Counted::River],
            Measure::Log => &[Counted::Large, Counted::River],
            Measure::Bytes | Measure::Held => &[],
        };
        for &what in needed {
            let key = (what, peer.name.clone());
            if !self.counts.contains_key(&key) {
                let count = self.count_for(what, peer)?;
                self.counts.insert(key, count);
            }
        }
        Ok(())
    }

    fn count_for(&self, what: Counted, peer: &Peer) -> Result<u64, String> {
        let job_s = self.sizes.job_time.as_secs_f64();
        Ok(match what {
            Counted::Large => {
                let run = self.fetch(peer, USUAL, self.large_file()?, (1, 1))?;
                let fetches = (job_s / run.report.wall_s.max(1e-6)).ceil() as u64;
                fetches.clamp(1, LARGE_FETCHES_MAX)
            }
            Counted::River => {
                let at_once = self.sizes.river_clients;
                let run = self.fetch(peer, USUAL, &self.river, (RIVER_TRIAL, at_once))?;
                let connections = (job_s * run.report.connections_per_s) as u64;
                connections.max(2 * at_once)
            }
        })
    }

    fn count(&self, what: Counted, peer: &Peer) -> Result<u64, String> {
        let found = self.counts.get(&(what, peer.name.clone()));
        found.copied().ok_or_else(|| "it was not warmed up".to_owned())
    }

    /// One measurement of one server, started anew.
    pub fn measure(&self, measure: Measure, peer: &Peer, round: usize) -> Result<Figures, String> {
        match measure {
            Measure::Large => self.large(peer),
            Measure::River => self.river(peer),
            Measure::Bytes => self.bytes(peer),
            Measure::Held => self.held(peer),
            Measure::Log => self.log(peer, round),
        }
    }

    /// So many connections in all, so many at once; the client throws the bytes away.
    fn fetch(
        &self,
        peer: &Peer,
        start: Start,
        served: &Served,
        (total, at_once): (u64, u64),
    ) -> Result<Run, String> {
        let server = self.start(peer, served, start)?;
        let mut plan = server.plan().with_connections(total, at_once);
        plan.is_discarding = true;
        let before = server.cpu()?;
        let report = server.load(plan)?;
        let cpu_s = server.cpu_s_since(&before)?;
        Ok(Run { report, cpu_s })
    }

    fn large(&self, peer: &Peer) -> Result<Figures, String> {
        let fetches = self.count(Counted::Large, peer)?;
        let run = self.fetch(peer, USUAL, self.large_file()?, (fetches, 1))?;
        let gb = run.report.bytes as f64 / 1e9;
        let mut figures = run.figures();
        figures.insert("gb_per_s", run.report.gb_per_s);
        figures.insert("gb_per_cpu_s", gb / run.cpu_s);
        Ok(figures)
    }

    fn river(&self, peer: &Peer) -> Result<Figures, String> {
        let connections = self.count(Counted::River, peer)?;
        let amount = (connections, self.sizes.river_clients);
        let run = self.fetch(peer, USUAL, &self.river, amount)?;
        let mut figures = run.figures();
        figures.insert("connections_per_s", run.report.connections_per_s);
        figures.insert("connections_per_cpu_s", run.report.completed as f64 / run.cpu_s);
        Ok(figures)
    }

    fn bytes(&self, peer: &Peer) -> Result<Figures, String> {
        // The first fetch, which would take as long again, compares; this one only counts.
        let start = Start { chunk_bytes: Some(1), ..USUAL };
        let server = self.start(peer, &self.bytes, start)?;
        let mut plan = server.plan();
        plan.is_discarding = true;
        let before = server.cpu()?;
        let report = server.load(plan)?;
        let run = Run { report, cpu_s: server.cpu_s_since(&before)? };
        Ok(run.figures())
    }

    fn held(&self, peer: &Peer) -> Result<Figures, String> {
        let has_threads_a_client = peer.approach().is_some_and(|approach| !approach.has_workers);
        let (clients, served) = match has_threads_a_client {
            true => (self.sizes.held_clients.min(HELD_CLIENTS_STD), &self.held_few),
            false => (self.sizes.held_clients, &self.held),
        };
        let start = Start { clients: Some(clients + CLIENTS_BESIDES), ..USUAL };
        let server = self.start(peer, served, start)?;
        let fresh_idle_ms = fresh_ms(&server)?;
        let idle_bytes = server.memory_bytes()?;
        let mut plan = server.plan().with_connections(clients, clients);
        plan.hold = Some(Hold::UntilReleased);
        plan.max_segment_bytes = Some(HELD_SEGMENT_BYTES);
        plan.receive_buffer_bytes = Some(HELD_BUFFER_BYTES);
        plan.timeout = HELD_TIMEOUT;
        plan.source = Some(harness::port::unused_loopback());
        let job = Job::new(plan).map_err(|error| error.to_string())?;
        let (report, snapshot) = thread::scope(|scope| {
            let running = scope.spawn(|| job.run());
            let snapshot = while_held(&server, &job);
            job.release();
            (running.join(), snapshot)
        });
        let report = report.map_err(|_| "the client panicked".to_owned())?;
        let report = report.map_err(|error| error.to_string())?;
        // What went wrong while they were held is why it went wrong afterwards.
        let (held_bytes, fresh_held_ms, pressure) = snapshot?;
        let report = server.judge(report)?;
        let more_kib = (held_bytes as f64 - idle_bytes as f64) / 1024.0;
        Ok([
            ("clients", clients as f64),
            ("served_whole", report.completed as f64),
            ("kib_per_client", more_kib / clients as f64),
            ("idle_mib", idle_bytes as f64 / 1024.0 / 1024.0),
            ("fresh_idle_ms", fresh_idle_ms),
            ("fresh_held_ms", fresh_held_ms),
            ("fresh_ms_ratio", fresh_held_ms / fresh_idle_ms),
            ("tcp_pressure", pressure),
            ("whole_job_s", report.wall_s),
        ]
        .into())
    }

    /// Both ways right after one another, and every second round the other way round.
    fn log(&self, peer: &Peer, round: usize) -> Result<Figures, String> {
        let ways = if round % 2 == 0 { [true, false] } else { [false, true] };
        let halved = |count: u64| (count / 2).max(1);
        let fetches = halved(self.count(Counted::Large, peer)?);
        let at_once = self.sizes.river_clients;
        let connections = halved(self.count(Counted::River, peer)?).max(at_once);
        let mut figures = Figures::new();
        for is_logging in ways {
            let start = Start { is_logging, is_hash_verified: false, ..USUAL };
            let run = self.fetch(peer, start, self.large_file()?, (fetches, 1))?;
            let name = if is_logging { "json_gb_per_s" } else { "off_gb_per_s" };
            figures.insert(name, run.report.gb_per_s);
        }
        for is_logging in ways {
            let start = Start { is_logging, ..USUAL };
            let run = self.fetch(peer, start, &self.river, (connections, at_once))?;
            let name = if is_logging { "json_connections_per_s" } else { "off_connections_per_s" };
            figures.insert(name, run.report.connections_per_s);
        }
        let ratio = |json: &str, off: &str| figures[json] / figures[off];
        let large = ratio("json_gb_per_s", "off_gb_per_s");
        let river = ratio("json_connections_per_s", "off_connections_per_s");
        figures.extend([("large_ratio", large), ("river_ratio", river)]);
        Ok(figures)
    }
}

impl Run {
    /// What every timed job tells; whether the client was the limit is among it.
    fn figures(&self) -> Figures {
        let wall_s = self.report.wall_s;
        let mut figures = Figures::from([("wall_s", wall_s), ("server_cpu_s", self.cpu_s)]);
        figures.insert("connections", self.report.completed as f64);
        figures.extend(self.report.cpu_s.map(|cpu_s| ("client_cpu_s", cpu_s)));
        figures
    }
}

/// Memory, how long a fresh client takes, and how near the kernel's own memory is to pressure, while
/// all others are held.
fn while_held(server: &Server<'_>, job: &Job) -> Result<(u64, f64, f64), String> {
    if !job.wait_for_non_reading_clients(HELD_TIMEOUT) {
        return Err(format!("only {} clients were held in time", job.non_reading_clients()));
    }
    thread::sleep(HELD_SETTLES);
    let bytes = server.memory_bytes()?;
    let pressure = process::tcp_pressure().unwrap_or(f64::NAN);
    let all_sent = process::all_sent(server.addr().port());
    if all_sent > 0 {
        return Err(format!(
            "the kernel took the whole file for {all_sent} clients, so that they were not held"
        ));
    }
    let fresh = fresh_ms(server)?;
    match job.progress() {
        (0, _) => Ok((bytes, fresh, pressure)),
        (ended, _) => Err(format!("{ended} clients ended while they were held")),
    }
}

/// How long a client takes that reads at once, as those are who connect within one machine: the
/// median of several, one after another.
fn fresh_ms(server: &Server<'_>) -> Result<f64, String> {
    let plan: Plan = server.plan().with_connections(FRESH_CLIENTS, 1);
    let report = server.load(plan)?;
    let median = report.end_us.ok_or("no fresh client was served")?;
    Ok(median.p50 as f64 / 1000.0)
}
